"""Rules of applying entries."""

import zlib
from collections.abc import Collection, Sequence

from ...wire.messages import Entry, Snapshot
from ..operation import Operation
from ..seen import Seen, View
from .base import Checker
from .logs import digest


class StateMachineSafety(Checker):
    """All members apply the same entry at each index, in order, without gaps and once per start (paper, figure 3).

    For deterministic state machines it follows that states at the same index are equal, even after a snapshot; this is
    checked too.
    """

    rule = "state machine safety"

    def __init__(self) -> None:
        self.entries: dict[int, tuple[int, int]] = {}
        self.states: dict[int, int] = {}

    def applying(self, member: Seen, e: Entry) -> None:
        application = member.application
        if e.index != application.applied + 1:
            self.fail(f"{member.id} gets entry {e.index} to apply after {application.applied}")
        mine = (e.term, digest(e))
        known = self.entries.setdefault(e.index, mine)
        if known != mine:
            self.fail(f"{member.id} applies ({e.index}, term {e.term}); another has applied term {known[0]} there")

    def snapshot_made(self, member: Seen, snapshot: Snapshot) -> None:
        self._compare(member, snapshot.metadata.index, snapshot.data)

    def restored(self, member: Seen, snapshot: Snapshot) -> None:
        self._compare(member, snapshot.metadata.index, snapshot.data)
        again = member.application.machine.snapshot()
        if again != snapshot.data:
            self.fail(f"{member.id} restored a snapshot of {snapshot.data!r}, but its state is {again!r}")

    def unsettled(self, running: Sequence[Seen], pending: Collection[Operation]) -> str:
        for member in running:
            application = member.application
            self._compare(member, application.applied, application.machine.snapshot())
        return ""

    def _compare(self, member: Seen, index: int, state: bytes) -> None:
        mine = zlib.crc32(state)
        if self.states.setdefault(index, mine) != mine:
            self.fail(f"{member.id} has another state at index {index} than other members had: {state!r}")


class Monotonic(Checker):
    """A member's term, commit index and applied index never decrease, and its vote changes only with the term.

    Across a restart this holds for the synced state: term and commit index do not fall below it, and the vote stays.
    """

    rule = "monotonic commit, applied and term"

    def started(self, member: Seen, view: View) -> None:
        state = member.disk.synced
        if state is not None and (view.term < state.term or view.commit < state.commit):
            self.fail(f"{member.id} starts with term {view.term}, commit {view.commit} from the hard state {state!r}")
        if state is not None and view.vote != state.vote:
            self.fail(f"{member.id} starts with vote {view.vote} from the hard state {state!r}")

    def changed(self, member: Seen, before: View, after: View) -> None:
        if after.term < before.term or after.commit < before.commit or after.applied < before.applied:
            self.fail(f"{member.id} goes back from {before} to {after}")
        if after.term == before.term and before.vote not in (0, after.vote):
            self.fail(f"{member.id} changes its vote within term {after.term} from {before.vote} to {after.vote}")
        if after.applied > after.commit:
            self.fail(f"{member.id} has applied {after.applied} but committed only {after.commit}")
        if after.commit > after.last:
            self.fail(f"{member.id} has committed {after.commit} of a log that ends at {after.last}")
