"""The operator who puts a cluster in order once its faults have ended, as a good one would.

- Starts what is down, with settings that raft can live with for ever. ``check_quorum`` is on everywhere if it is on
  somewhere: a member of a higher term that does not check is neither heard nor helped by those that do. ``pre_vote`` is
  on if members have changed: one that does not know that it is no voter any more would campaign again and again, and
  raise the term of voters that never tell it to those who could be elected (thesis 4.2.3).
- Starts members that were added, and stops those that were removed as soon as a leader can be elected without them.
- Leaves a joint configuration that is not left by itself, and hands over from a leader that is no voter any more.
- Lets clients try again what has no outcome, and proves by a write and a read that the cluster works.
"""

from .checkers import Violation
from .clock import TICK
from .cluster import Cluster
from .member import Member


class Operator:
    """Looks after a cluster once a tick, until it is ``done``."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.done = False
        self._began = cluster.clock.now
        self._turn = 0
        self._before = dict(cluster.clients.ended)

    def begin(self) -> None:
        """Start what is down, with settings that go together."""
        cluster = self.cluster
        options = [cluster.settings.of(id) for id in cluster.members]
        on = []
        if len({each["check_quorum"] for each in options}) > 1:
            on.append("check_quorum")
        if cluster.membership.changes_seen():
            on.append("pre_vote")
        for member in list(cluster.members.values()):
            settings = cluster.settings.of(member.id)
            if not all(settings[name] for name in on):
                settings.update(dict.fromkeys(on, True))
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
        pending = cluster.clients.pending.values()
        reason = cluster.checkers.unsettled(cluster.running(), pending) or self._unproven()
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
        _, members = cluster.membership.latest()
        voters = {*members.voters, *members.voters_outgoing}
        for id in voters.union(members.learners):
            # A change that was on its way may have brought back who was stopped.
            cluster.spawn(id)
        belonging = voters.union(members.learners)
        staying = [member for member in cluster.running() if member.id in belonging]
        if any(_electable(member, staying) for member in staying):
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
        if voters.outgoing.ids() and not leader.raft.tracker.config.auto_leave:
            cluster.propose_change(leader, None)
        elif leader.id not in voters:
            cluster.run(leader, leader.ask, leader.node.transfer_leader, voters.incoming.ids()[0])
        self._prove(leader)

    def _prove(self, leader: Member) -> None:
        for writes in (True, False):
            if self.cluster.clients.ended[writes] == self._before[writes]:
                self.cluster.begin(leader, writes)


def _electable(candidate: Member, voters: list[Member]) -> bool:
    """Whether these voters can make a member their leader, by the configuration that it knows of."""
    log = candidate.raft.log
    for half in (candidate.raft.tracker.config.voters.incoming, candidate.raft.tracker.config.voters.outgoing):
        ids = half.ids()
        granting = [
            member
            for member in voters
            if member.id in ids
            and (member.raft.log.last_term(), member.raft.log.last_index()) <= (log.last_term(), log.last_index())
        ]
        if ids and len(granting) <= len(ids) // 2:
            return False
    return bool(candidate.raft.promotable())
