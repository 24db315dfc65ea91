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

HELPS = ("", "stalled", "restarted", "forgotten", "jumped", "handed over")
"""What helps to depose a leader: it gets what comes to it late; the others start anew, forget it, or forget it and see
their clocks jump ahead; or it hands over by itself."""


# -- clocks -----------------------------------------------------------------------------------------------------


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


# -- leaders ----------------------------------------------------------------------------------------------------


def coup(cluster: Cluster, a: Action) -> str:
    """Let one of the others take over from a leader as early as it can, while the leader reads.

    The leader is cut off after it has begun a round, or hands over. Often clocks are as bad as allowed, and one of
    ``HELPS`` happens besides.
    """
    leader, others = _sides(cluster)
    if leader is None or not others:
        return ""
    usurper = max(others, key=lambda each: (each.raft.log.last_term(), each.raft.log.last_index(), a.x * each.id % 1))
    election = cluster.settings.election_tick * TICK
    cluster.fault("coup", 3 * election)
    if a.w < 0.6:
        for member in (leader, *others):
            _drift(cluster, member, member is leader, 3 * election)
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
        elif what in ("forgotten", "jumped"):
            cluster.run(member, member.ask, member.node.forget_leader)
        if what == "jumped" and member.up:
            _jump(cluster, member, 2 * election)
    ids = [id for id in sorted(cluster.members) if id != leader.id]
    cluster.clock.after(between(a.x * 9973 % 1, MS, 2 * TICK), _depose, cluster, leader.id, ids, usurper.id)
    return f"{usurper.id} wants to lead instead of {leader.id}, {what or 'without help'}"


def apart(cluster: Cluster, a: Action) -> str:
    """Replace one of three voters, and cut the leader off from the old ones before they know that this is committed.

    The leader is then in a joint configuration, of which the old voters know nothing, with one member that is new.
    """
    leader, others = _sides(cluster)
    if leader is None:
        return ""
    config = leader.raft.tracker.config
    ids = config.voters.incoming.ids()
    old = [member for member in others if member.id in ids]
    if len(ids) != 3 or len(old) != 2 or config.voters.outgoing.ids():
        return ""
    usurper, gone = old if a.v < 0.5 else old[::-1]
    outside = [id for id in range(1, MEMBERS_MOST + 1) if id not in ids and id not in (config.learners or ())]
    fresh = outside[int(a.u * len(outside))]
    cluster.fault("coup", 3 * cluster.settings.election_tick * TICK)
    cluster.spawn(fresh)
    changes = conf_changes_from_string(f"v{fresh} r{gone.id}")
    change = ConfChangeV2(transition=ConfChangeTransition.JOINT_EXPLICIT, changes=changes)
    if not cluster.propose_change(leader, change):
        return ""
    last = leader.raft.log.last_index()
    both = [member.id for member in old]
    cluster.clock.after(MS // 20, _await, cluster, leader.id, both, usurper.id, last, 400)
    return f"{leader.id} is to replace {gone.id} by {fresh}, and {usurper.id} wants to lead instead"


def _sides(cluster: Cluster) -> tuple[Member | None, list[Member]]:
    """Return the leader and the others that run, or nobody while a coup goes on."""
    leader = cluster.leader()
    if leader is None or leader.paused or cluster.coverage.active["coup"]:
        return None, []
    return leader, [member for member in cluster.running() if member.id != leader.id and not member.paused]


def _hand_over(cluster: Cluster, id: int, to: int) -> None:
    leader = cluster.members[id]
    if leader.up and not leader.paused:
        cluster.run(leader, leader.ask, leader.node.transfer_leader, to)


def _await(cluster: Cluster, id: int, old: list[int], usurper: int, index: int, tries: int) -> None:
    """Wait until the old voters have the change in their logs, and do not know yet that it is committed."""
    if all(cluster.members[each].raft.log.last_index() >= index for each in old):
        _depose(cluster, id, old, usurper)
    elif tries and not cluster.healed:
        cluster.clock.after(MS // 20, _await, cluster, id, old, usurper, index, tries - 1)


def _depose(cluster: Cluster, id: int, others: list[int], usurper: int) -> None:
    """Cut a leader off from these members, while it goes on to read and the usurper campaigns."""
    if cluster.healed:
        return
    election = cluster.settings.election_tick * TICK
    links = [(id, other) for other in others]
    cluster.network.block(links)
    cluster.fault("one-way cut", 2 * election, lambda: cluster.network.unblock(links))
    for place in range(1, 17):
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
