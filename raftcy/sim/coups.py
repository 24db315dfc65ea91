"""Actions against leases: clocks that drift and jump, and attempts to depose a leader as early as can be."""

from ..errors import NotNow
from ..wire import consts as k
from ..wire.changes import ConfChangeV2, conf_changes_from_string
from ..wire.enums import ConfChangeTransition
from .clock import MS, TICK, ms
from .cluster import Cluster
from .member import Member
from .picks import MEMBERS_MOST, pick, span
from .schedule import Action
from .streams import between

HELPS = ("", "stalled", "restarted", "forgotten", "jumped", "handed over", "joint")
"""What helps to depose a leader: it gets what comes to it late; the others start anew, forget it, or forget it and see
their clocks jump ahead; it hands over by itself; or it alone knows of a joint configuration, and one that is new."""


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
    if what == "joint":
        return _go_apart(cluster, leader, usurper)
    if what == "stalled":
        cluster.stall(leader, between(a.x, election // 4, election))
    for member in others:
        if what == "restarted":
            cluster.crash(member, MS, cluster.stream("coup", a.number, member.id))
        elif what != "":
            cluster.run(member, member.ask, member.node.forget_leader)
        if what == "jumped" and member.up:
            _jump(cluster, member, 2 * election)
    ids = [id for id in sorted(cluster.members) if id != leader.id]
    cluster.clock.after(between(a.x * 9973 % 1, MS, 2 * TICK), _depose, cluster, leader.id, ids, usurper.id)
    return f"{usurper.id} wants to lead instead of {leader.id}, {what or 'without help'}"


def _hand_over(cluster: Cluster, id: int, to: int) -> None:
    leader = cluster.members[id]
    if leader.up and not leader.paused:
        cluster.run(leader, leader.ask, leader.node.transfer_leader, to)


def _go_apart(cluster: Cluster, leader: Member, usurper: Member) -> str:
    """Replace one of three voters, and cut the leader off from the old ones once its configuration is joint."""
    voters = leader.raft.tracker.config.voters
    ids = voters.incoming.ids()
    fresh = max([*ids, *cluster.members]) + 1
    if len(ids) != 3 or voters.outgoing.ids() or {leader.id, usurper.id} - {*ids} or fresh > MEMBERS_MOST:
        return ""
    gone = next(id for id in ids if id not in (leader.id, usurper.id))
    cluster.spawn(fresh)
    changes = conf_changes_from_string(f"v{fresh} r{gone}")
    cluster.propose_change(leader, ConfChangeV2(transition=ConfChangeTransition.JOINT_EXPLICIT, changes=changes))
    cluster.clock.after(
        MS // 5, _await_joint, cluster, leader.id, [id for id in ids if id != leader.id], usurper.id, 100
    )
    return f"{leader.id} is to replace {gone} by {fresh}, and {usurper.id} wants to lead instead"


def _await_joint(cluster: Cluster, id: int, old: list[int], usurper: int, tries: int) -> None:
    leader = cluster.members[id]
    if not leader.up or leader.paused or cluster.healed or not tries:
        return
    if leader.raft.tracker.config.voters.outgoing.ids():
        _depose(cluster, id, old, usurper)
        return
    cluster.clock.after(MS // 5, _await_joint, cluster, id, old, usurper, tries - 1)


def _depose(cluster: Cluster, id: int, others: list[int], usurper: int) -> None:
    """Cut a leader off from these members, while it goes on to read and the usurper campaigns."""
    if cluster.healed:
        return
    election = cluster.settings.election_tick * TICK
    links = [(id, other) for other in others]
    cluster.network.block(links)
    cluster.fault("one-way cut", 3 * election, lambda: cluster.network.unblock(links))
    for place in range(1, 20):
        cluster.clock.after(place * election // 8, _campaign, cluster, usurper)
        cluster.clock.after(place * election // 8, _read, cluster, id)


def _read(cluster: Cluster, id: int) -> None:
    member = cluster.members[id]
    if not cluster.healed and member.up and not member.paused and member.raft.state == k.LEADER:
        cluster.begin(member, False)


def _campaign(cluster: Cluster, id: int) -> None:
    member = cluster.members[id]
    if cluster.healed or not member.up or member.paused or member.raft.state != k.FOLLOWER:
        return
    try:
        cluster.run(member, member.ask, member.driver.campaign)
    except NotNow:
        return
