"""The rule of quotas: what a node counts against its limits."""

from collections.abc import Collection, Sequence

from ...wire import consts as k
from ...wire.messages import Message
from ..operation import Operation
from ..seen import Seen, View
from .base import Checker


class QuotasReturn(Checker):
    """What is counted against a limit returns to zero when nothing is under way. Meanwhile the limits hold.

    - Once settled, a leader has no uncommitted payload, no append in flight and no read waiting, and no member has
      entries that are handed out but not applied. Otherwise a leak would in time block proposals for good.
    - At all times a leader has match < next for every peer, and no window holds more than its size.
    - Only a leader counts payload as uncommitted, starting with its election.
    """

    rule = "quotas return to zero"

    def __init__(self) -> None:
        self._changes = 0

    def changed(self, member: Seen, before: View, after: View) -> None:
        self._changes += 1
        uncommitted = member.raft.uncommitted_size
        if uncommitted and (after.state != k.LEADER or before.state != k.LEADER):
            self.fail(
                f"{member.id} goes from role {before.state} to {after.state} with {uncommitted} bytes uncommitted"
            )
        if after.state != k.LEADER or self._changes & 3:
            return
        for pr in member.raft.tracker.peers():
            if pr.match >= pr.next:
                self.fail(f"{member.id} has match {pr.match} and next {pr.next} for {pr.id}")
            if pr.inflights.count() > pr.inflights.size:
                self.fail(f"{member.id} has {pr.inflights.count()} appends to {pr.id} in flight")

    def taken(self, member: Seen, m: Message) -> None:
        if m.type != k.APP_RESP or member.raft.state != k.LEADER:
            return
        pr = member.raft.tracker.find(m.from_)
        if pr is not None and pr.match >= pr.next:
            self.fail(f"{member.id} has match {pr.match} and next {pr.next} for {pr.id} after {m!r}")

    def unsettled(self, running: Sequence[Seen], pending: Collection[Operation]) -> str:
        for member in running:
            raft = member.raft
            if raft.log.applying_size:
                return f"{member.id} has {raft.log.applying_size} bytes handed out but not applied"
            if raft.state != k.LEADER:
                continue
            if raft.uncommitted_size:
                return f"{member.id} counts {raft.uncommitted_size} bytes as uncommitted"
            if raft.read_only.pending or raft.read_only.waiting:
                return f"{member.id} has reads waiting"
            for pr in raft.tracker.peers():
                if pr.id != member.id and pr.inflights.count():
                    return f"{member.id} has {pr.inflights.count()} appends to {pr.id} in flight"
        return ""
