"""The operator who puts a cluster in order once its faults have ended, as a good one would.

- Starts what is down. Where members disagree about ``check_quorum``, which raft cannot live with for ever (a member
  of a higher term that does not check is neither heard nor helped by those that do), completes the roll-out.
- Stops members that were removed, once all voters know that they are, and starts those that were added.
- Leaves a joint configuration that is not left by itself, and hands over from a leader that is no voter any more.
- Lets clients try again what has no outcome, and proves by a write and a read that the cluster works.
"""

from typing import TYPE_CHECKING

from .checkers import Violation
from .clock import TICK
from .member import Member

if TYPE_CHECKING:
    from .cluster import Cluster


class Operator:
    """Looks after a cluster once a tick, until it is ``done``."""

    def __init__(self, cluster: "Cluster") -> None:
        self.cluster = cluster
        self.done = False
        self._began = cluster.clock.now
        self._turn = 0
        self._before = dict(cluster.clients.ended)

    def begin(self) -> None:
        """Start what is down, with settings that go together."""
        cluster = self.cluster
        options = [cluster.settings.of(id) for id in cluster.members]
        mixed = len({each["check_quorum"] for each in options}) > 1
        for member in list(cluster.members.values()):
            if mixed and not cluster.settings.of(member.id)["check_quorum"]:
                cluster.settings.of(member.id)["check_quorum"] = True
                if member.up:
                    cluster.stop(member)
            cluster.spawn(member.id)
        for member in cluster.running():
            cluster.begin(member, True)
            cluster.begin(member, False)
        cluster.clock.after(TICK, self.look)

    def look(self) -> None:
        """Do what is to be done now. Raises Violation when the time is up."""
        cluster = self.cluster
        self._turn += 1
        reason = cluster.checkers.unsettled(cluster) or self._unproven()
        if reason is None:
            self.done = True
            return
        if cluster.clock.now - self._began > cluster.limit():
            raise Violation(reason.rule, f"{cluster.limit() // TICK} ticks after the last fault {reason.text}")
        self._staff()
        self._try_again()
        if self._turn % (2 * cluster.settings.election_tick) == 0:
            self._go_on()
        cluster.clock.after(TICK, self.look)

    def _unproven(self) -> Violation | None:
        ended = self.cluster.clients.ended
        for writes, what in ((True, "write"), (False, "read")):
            if ended[writes] == self._before[writes]:
                return Violation("liveness", f"no {what} has come off")
        return None

    def _staff(self) -> None:
        cluster = self.cluster
        index, members = cluster.membership.latest()
        voters = {*members.voters, *members.voters_outgoing}
        for id in voters.union(members.learners):
            # A change that was on its way may have brought back who was stopped.
            cluster.spawn(id)
        if any(cluster.members[id].application.applied < index for id in voters):
            return
        belonging = voters.union(members.learners)
        for member in cluster.running():
            if member.id not in belonging:
                cluster.stop(member)

    def _try_again(self) -> None:
        """One operation a tick: all at once would exceed a leader's limit on what is uncommitted."""
        operation = self.cluster.clients.oldest()
        if operation is not None:
            self.cluster.attempt(operation)

    def _go_on(self) -> None:
        cluster = self.cluster
        leader = cluster.leader()
        if leader is None:
            return
        voters = leader.raft.tracker.config.voters
        if voters.outgoing.ids():
            cluster.propose_change(leader, None)
        elif leader.id not in voters:
            cluster.run(leader, leader.ask, leader.node.transfer_leader, voters.incoming.ids()[0])
        self._prove(leader)

    def _prove(self, leader: Member) -> None:
        for writes in (True, False):
            if self.cluster.clients.ended[writes] == self._before[writes]:
                self.cluster.begin(leader, writes)
