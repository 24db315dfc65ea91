"""The operator, which repairs a cluster after its faults have ended, as a good human operator would.

- It starts members that are down, with settings under which the cluster can always recover. It turns ``check_quorum``
  on everywhere if it is on anywhere; otherwise members that check it ignore a member without it that has a higher term,
  and that member never rejoins. It turns ``pre_vote`` on if the configuration has changed; otherwise a removed voter
  that does not know it keeps campaigning and raising the term of voters, which then cannot elect a leader
  (thesis 4.2.3).
- It starts members that were added, and stops removed ones as soon as a leader can be elected without them.
- It leaves a joint configuration that is not left automatically, and transfers leadership from a leader that is no
  longer a voter.
- It has clients retry operations without an outcome, and shows with a write and a read that the cluster works.
"""

from .checkers import Violation
from .clock import TICK
from .cluster import Cluster
from .member import Member


class Operator:
    """Attends to a cluster once per tick, until it is ``done``."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.done = False
        self._began = cluster.clock.now
        self._ticks = 0
        self._before = dict(cluster.clients.ended)

    def begin(self) -> None:
        """Start members that are down, with settings that are compatible."""
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
        """Check the cluster, and repair what needs it. Raises Violation when the time is up."""
        cluster = self.cluster
        self._ticks += 1
        pending = cluster.clients.pending.values()
        reason = cluster.checkers.unsettled(cluster.running(), pending) or self._missing_proof()
        if reason is None:
            self.done = True
            return
        if cluster.clock.now - self._began > cluster.limit():
            raise Violation(reason.rule, f"{cluster.limit() // TICK} ticks after the last fault {reason.text}")
        self._adjust_members()
        self._retry_one()
        if self._ticks % (2 * cluster.settings.election_tick) == 0:
            self._steer()
        cluster.clock.after(TICK, self.look)

    def _missing_proof(self) -> Violation | None:
        ended = self.cluster.clients.ended
        for writes, what in ((True, "write"), (False, "read")):
            if ended[writes] == self._before[writes]:
                return Violation("liveness", f"no {what} has succeeded")
        return None

    def _adjust_members(self) -> None:
        cluster = self.cluster
        _, members = cluster.membership.latest()
        voters = {*members.voters, *members.voters_outgoing}
        for id in voters.union(members.learners):
            # A change that was under way may have added a stopped member again.
            cluster.spawn(id)
        belonging = voters.union(members.learners)
        staying = [member for member in cluster.running() if member.id in belonging]
        if any(_electable(member, staying) for member in staying):
            for member in cluster.running():
                if member.id not in belonging:
                    cluster.stop(member)

    def _retry_one(self) -> None:
        """Retry one operation per tick: all at once would exceed the leader's limit on uncommitted entries."""
        operation = self.cluster.clients.oldest()
        if operation is not None:
            self.cluster.attempt(operation)

    def _steer(self) -> None:
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
    """Whether these voters can elect ``candidate``, under the configuration that it knows."""
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
