"""Actions against leases: clocks that drift and jump, and attempts to depose a leader as early as can be."""

from ..errors import NotNow
from ..wire import consts as k
from .clock import MS, TICK, ms
from .cluster import Cluster
from .member import Member
from .picks import pick, span
from .schedule import Action
from .streams import between

HELPS = ("", "stalled", "restarted", "forgotten", "jumped", "handed over")
"""What helps to depose a leader: it gets what comes to it late; the others start anew, forget it, or forget it and see
their clocks jump ahead; or it hands over by itself."""


def drift(cluster: Cluster, a: Action) -> str:
    """Let a clock run too slow or too fast for some time, with its ticks."""
    member = pick(cluster, a.u, leader=0.5)
    if member is None:
        return ""
    # Mostly leaders slow, and the others fast.
    _drift(cluster, member, (a.v < 0.8) == (member.raft.state == k.LEADER), 3 * span(a.x))
    return f"the clock of {member.id} runs at {member.timepiece.rate:.2f} for {ms(3 * span(a.x))}"


def _drift(cluster: Cluster, member: Member, slow: bool, duration: int) -> None:
    by = cluster.settings.profile.drift
    member.run_clock(1 - by if slow else 1 + by)
    cluster.fault("drifting clock", duration, lambda: member.run_clock(1.0), member.id)


def jump(cluster: Cluster, a: Action) -> str:
    """Let a clock jump, but not its ticks."""
    member = pick(cluster, a.u, leader=0.3)
    if member is None:
        return ""
    by = span(a.x) if a.v < 0.7 else -span(a.x)
    _jump(cluster, member, by)
    return f"the clock of {member.id} jumps by {ms(by)}"


def _jump(cluster: Cluster, member: Member, by: int) -> None:
    # It is read before and after, since a driver can only notice that a clock goes back if that shows.
    cluster.run(member, member.read_clock)
    member.timepiece.jump(by)
    cluster.run(member, member.read_clock)


def coup(cluster: Cluster, a: Action) -> str:
    """Let one of the others take over from a leader as early as it can, while the leader reads.

    The leader is cut off after it has begun a round, or hands over. Often clocks are as bad as allowed, and one of
    ``HELPS`` happens besides.
    """
    leader = cluster.leader()
    if leader is None or leader.paused or cluster.coverage.active["drifting clock"]:
        return ""
    others = [member for member in cluster.running() if member.id != leader.id and not member.paused]
    if not others:
        return ""
    usurper = max(
        others, key=lambda member: (member.raft.log.last_term(), member.raft.log.last_index(), a.x * member.id)
    )
    election = cluster.settings.election_tick * TICK
    if a.w < 0.6:
        for member in (leader, *others):
            _drift(cluster, member, member is leader, 4 * election)
    cluster.begin(leader, False)
    what = HELPS[int(a.v * len(HELPS))]
    if what == "handed over":
        cluster.clock.after(between(a.x, MS, 2 * TICK), _hand_over, cluster, leader.id, usurper.id)
        return f"{leader.id} hands over to {usurper.id}"
    if what == "stalled":
        cluster.stall(leader, between(a.x, election // 4, election))
    for member in others:
        if what == "restarted":
            cluster.crash(member, MS, cluster.stream("coup", a.number, member.id))
        elif what != "":
            cluster.run(member, member.ask, member.node.forget_leader)
        if what == "jumped" and member.up:
            _jump(cluster, member, 2 * election)
    links = [(leader.id, id) for id in sorted(cluster.members) if id != leader.id]
    cluster.clock.after(between(a.x * 9973 % 1, MS, 2 * TICK), _cut, cluster, links, 3 * election)
    for place in range(1, 20):
        cluster.clock.after(place * election // 8, _campaign, cluster, usurper.id)
    return f"{usurper.id} wants to lead instead of {leader.id}, {what or 'without help'}"


def _hand_over(cluster: Cluster, id: int, to: int) -> None:
    leader = cluster.members[id]
    if leader.up and not leader.paused:
        cluster.run(leader, leader.ask, leader.node.transfer_leader, to)


def _cut(cluster: Cluster, links: list[tuple[int, int]], duration: int) -> None:
    if not cluster.healed:
        cluster.network.block(links)
        cluster.fault("one-way cut", duration, lambda: cluster.network.unblock(links))


def _campaign(cluster: Cluster, id: int) -> None:
    member = cluster.members[id]
    if cluster.healed or not member.up or member.paused or member.raft.state != k.FOLLOWER:
        return
    try:
        cluster.run(member, member.ask, member.driver.campaign)
    except NotNow:
        return
