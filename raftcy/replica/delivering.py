"""Delivery: hands what is committed to the state machine of one member, and follows what that changes.

It knows the index up to which the machine has applied, and the members as of that index. Rules:

- Entries reach the machine in order and once. The log may begin before the snapshot from which the machine was
  restored, and a machine with storage of its own may be ahead of the snapshot. Entries that it has are skipped.
- A committed configuration change that is invalid, or that the machine does not admit, changes nothing, on all members
  alike.
- A read is answerable once the machine has applied its index, and a proposal has its outcome once its place is applied.
"""

from typing import Any

from ..core.awaitables import refuse_awaitable
from ..core.rawnode import RawNode
from ..core.ready import ReadState
from ..errors import ConfChangeError, InvariantError, RaftError
from ..wire import consts as k
from ..wire.changes import decode_change
from ..wire.checks import instance
from ..wire.messages import ConfState, Entry, Snapshot
from ..wire.whole import has_one_owner, keep_whole
from .asked import Asked, Outcome
from .carrier import Carrier


class Delivery:
    """The machine's side of a member. ``machine_applied`` is the index up to which the machine needs no entries.

    ``applied`` is the last index that the machine has applied, and ``members`` the ConfState as of that index.
    ``changing`` is set while a change is being applied, and ``refused_change`` is the error of the last one, or None.
    """

    __slots__ = (
        "_admit",
        "_apply",
        "_asked",
        "_machine_applied",
        "_node",
        "applied",
        "carrier",
        "changing",
        "machine",
        "members",
        "refused_change",
    )
    applied: int
    carrier: Carrier | None
    changing: bool
    members: ConfState
    refused_change: RaftError | None

    def __init__(self, node: RawNode, machine: Any, machine_applied: int, applied: int, members: ConfState) -> None:
        self._node = instance(node, RawNode, "node")
        self.machine = machine
        self._apply = getattr(machine, "apply", None)
        self._admit = getattr(machine, "admit", None)
        self._machine_applied = machine_applied
        self.applied = applied
        self.members = instance(members, ConfState, "members")
        self.carrier = None
        self.changing = False
        self.refused_change = None
        self._asked: Asked | None = None

    # -- snapshots -----------------------------------------------------------------------------------------------

    def restore(self, snapshot: Snapshot) -> None:
        """Restore the machine from a snapshot, and go on from there."""
        self.restore_machine(snapshot)
        self.jump(snapshot)

    def restore_machine(self, snapshot: Snapshot) -> None:
        """Restore the machine alone."""
        if self.machine is not None:
            if self.carrier is not None:
                self.carrier._calls += 1
            refuse_awaitable(self.machine.restore(snapshot), "restore")

    def jump(self, snapshot: Snapshot) -> None:
        """Go on after a snapshot from which the machine is restored."""
        self.applied = snapshot.metadata.index
        self.members = snapshot.metadata.conf_state
        if self._asked is not None:
            self._asked.jump(self.applied)
            self._asked.advance(self.applied)

    # -- entries -------------------------------------------------------------------------------------------------

    def apply_all(self, entries: list[Entry]) -> None:
        """Apply committed entries. The machine gets each run between changes and empty entries in one call."""
        first = 0
        head = entries[0]
        if head.index <= self.applied:
            entries = [e for e in entries if e.index > self.applied]
        for place, e in enumerate(entries):
            if e._type == k.NORMAL and e.data:
                continue
            if place > first:
                self._hand(entries[first:place])
            first = place + 1
            if e._type == k.NORMAL:
                self.applied = e.index
            else:
                self.change(e)
            if self._asked is not None:
                self._asked.settle(e, None)
        if first < len(entries):
            self._hand(entries[first:] if first > 0 else entries)
        if self._asked is not None:
            self._asked.advance(self.applied)

    def _hand(self, entries: list[Entry]) -> None:
        """Let the machine apply a run of entries with data."""
        first = entries[0]
        last = entries[len(entries) - 1]
        if first.index <= self._machine_applied:
            entries = [e for e in entries if e.index > self._machine_applied]
        answers = None
        if self._apply is not None and entries:
            answers = self._apply(entries)
            if self.carrier is not None:
                self.carrier._calls += 1
            if answers is not None and len(answers) != len(entries):
                raise InvariantError(f"the machine gave {len(answers)} answers to {len(entries)} entries")
        self.applied = last.index
        asked = self._asked
        if asked is not None and asked.count > 0:
            for place in range(len(entries)):
                asked.settle(entries[place], None if answers is None else answers[place])

    def change(self, e: Entry) -> ConfState:
        """Apply the configuration change in a committed entry and return the resulting members.

        All earlier entries must be applied. Raises InvariantError if the entry cannot be decoded.
        """
        try:
            change = decode_change(e)
        except ValueError as error:
            raise InvariantError(f"entry {e.index} cannot be applied: {error}") from error
        self.refused_change = None if self._admit is None else self._admit(change.as_v2(), e.index)
        self.applied = e.index - 1
        self.changing = True
        if self.refused_change is None:
            try:
                self.members = self._node.apply_conf_change(change)
            except ConfChangeError as error:
                # Every member refuses the same change, so the entry counts as empty.
                self.refused_change = error.with_traceback(None)
        self.changing = False
        self.applied = e.index
        return self.members

    def applied_all(self, entries: list[Entry], answers: list[Any] | None) -> None:
        """Record that the caller has applied all of these entries, and what the machine answered."""
        self.applied = entries[len(entries) - 1].index
        asked = self._asked
        if asked is not None:
            for place in range(len(entries)):
                asked.settle(entries[place], None if answers is None else answers[place])
            asked.advance(self.applied)

    # -- what waits for it ---------------------------------------------------------------------------------------

    def confirm(self, states: list[ReadState]) -> None:
        """Record that the leader has confirmed reads."""
        self._ask().confirm(states, self.applied)

    def place(self, index: int, term: int, tag: Any) -> None:
        """Record that the proposal with ``tag`` was appended at ``index`` in ``term``."""
        self._ask().place(index, term, tag)

    def _ask(self) -> Asked:
        if self._asked is None:
            self._asked = Asked()
        return self._asked

    def take_reads(self) -> list[ReadState]:
        """Return the reads that became answerable since the last call."""
        return [] if self._asked is None else self._asked.take_reads()

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes of proposals with a tag that became known since the last call."""
        return [] if self._asked is None else self._asked.take_outcomes()


keep_whole(Delivery)
has_one_owner(Delivery)
