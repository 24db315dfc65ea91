"""What a node counts."""

from typing import TYPE_CHECKING

from ...wire import consts as k
from .base import Checker, View

if TYPE_CHECKING:
    from ...wire.messages import Message
    from ..cluster import Cluster
    from ..member import Member


class QuotasReturn(Checker):
    """What is counted against a limit goes back to zero when nothing is under way, and the limits hold meanwhile.

    At rest a leader has no payload uncommitted, no append in flight, no read waiting, and nobody has anything handed
    out and not applied. Always, a leader's view of a peer keeps match < next, and no window is overfull; and only a
    leader counts payload as uncommitted, from its election on.
    """

    rule = "quotas return to zero"

    def __init__(self) -> None:
        self._turn = 0

    def changed(self, member: "Member", before: View, after: View) -> None:
        self._turn += 1
        uncommitted = member.raft.uncommitted_size
        if uncommitted and (after.state != k.LEADER or before.state != k.LEADER):
            self.fail(
                f"{member.id} goes from role {before.state} to {after.state} with {uncommitted} bytes uncommitted"
            )
        if after.state != k.LEADER or self._turn & 3:
            return
        for pr in member.raft.tracker.peers():
            if pr.match >= pr.next:
                self.fail(f"{member.id} knows {pr.id} with match {pr.match} and next {pr.next}")
            if pr.inflights.count() > pr.inflights.size:
                self.fail(f"{member.id} has {pr.inflights.count()} appends to {pr.id} in flight")

    def taken(self, member: "Member", m: "Message") -> None:
        if m.type != k.APP_RESP or member.raft.state != k.LEADER:
            return
        pr = member.raft.tracker.find(m.from_)
        if pr is not None and pr.match >= pr.next:
            self.fail(f"{member.id} knows {pr.id} with match {pr.match} and next {pr.next} by {m!r}")

    def unsettled(self, cluster: "Cluster") -> str:
        for member in cluster.running():
            raft = member.raft
            if raft.log.applying_size:
                return f"{member.id} has {raft.log.applying_size} bytes handed out and not applied"
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
