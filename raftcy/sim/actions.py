"""The actions of a schedule, and what each does to the cluster.

An action that begins a fault also schedules its end.
"""

from collections.abc import Callable

from ..errors import NotNow
from ..wire import consts as k
from ..wire.changes import ConfChangeV2, conf_changes_from_string
from . import cuts
from .clock import MS, TICK, ms
from .cluster import Cluster
from .coups import apart, coup, drift, jump
from .picks import MEMBERS_MOST, pick, span
from .schedule import Action
from .streams import between


def perform(cluster: Cluster, action: Action) -> str:
    """Perform an action. Returns a text about what it did, empty if there was nothing to do."""
    return KINDS[action.kind](cluster, action)


# -- load -------------------------------------------------------------------------------------------------------


def _propose(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u)
    return f"propose: {cluster.begin(member, True)!r}" if member else ""


def _read(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u)
    return f"read: {cluster.begin(member, False)!r}" if member else ""


def _retry(cluster: Cluster, a: Action) -> str:
    operation = cluster.clients.some(a.u)
    return f"retry: {operation!r}" if operation is not None and cluster.attempt(operation) else ""


# -- elections --------------------------------------------------------------------------------------------------


def _campaign(cluster: Cluster, a: Action) -> str:
    # Prefer a member with a slow disk, where promises are furthest ahead of what is written.
    slow = [each for each in cluster.running() if each.disk.latency > 5 * MS and not each.paused]
    member = slow[int(a.w * len(slow))] if slow and a.v < 0.4 else pick(cluster, a.u, leader=0.0)
    if member is None:
        return ""
    try:
        cluster.run(member, member.ask, member.driver.campaign)
    except NotNow:
        return f"{member.id} may not campaign yet"
    return f"{member.id} campaigns"


def _transfer(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.7)
    to = pick(cluster, a.v, leader=0.0)
    if member is None or to is None:
        return ""
    cluster.run(member, member.ask, member.node.transfer_leader, to.id)
    return f"{member.id} is asked to transfer leadership to {to.id}"


def _forget(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.0)
    if member is None:
        return ""
    cluster.run(member, member.ask, member.node.forget_leader)
    return f"{member.id} forgets its leader"


# -- the network ------------------------------------------------------------------------------------------------


def _weather(cluster: Cluster, a: Action) -> str:
    return cuts.storm(cluster, a, span(a.x), (100, 4 * MS))


def _partition(cluster: Cluster, a: Action) -> str:
    return cuts.partition(cluster, cluster.members, a, span(a.x))


def _isolate(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.6)
    return cuts.isolation(cluster, cluster.members, member.id, span(a.x)) if member else ""


def _one_way(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.6)
    return cuts.one_way(cluster, cluster.members, member.id, a, span(a.x)) if member else ""


def _unreachable(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.8)
    to = pick(cluster, a.v, leader=0.0)
    if member is None or to is None:
        return ""
    cluster.run(member, member.ask, member.node.report_unreachable, to.id)
    return f"{member.id} gets a report that {to.id} is unreachable"


# -- clocks -----------------------------------------------------------------------------------------------------


def _pause(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u)
    if member is None:
        return ""
    cluster.pause(member, span(a.x))
    return f"{member.id} pauses for {ms(span(a.x))}"


def _skew(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u)
    if member is None:
        return ""
    member.tick_time = between(a.v, TICK // 3, TICK * 3)

    def end() -> None:
        member.tick_time = TICK

    cluster.fault("skewed clock", 2 * span(a.x), end, member.id)
    return f"the tick of {member.id} takes {ms(member.tick_time)} for {ms(2 * span(a.x))}"


# -- crashes and disks ------------------------------------------------------------------------------------------


def _crash(cluster: Cluster, a: Action) -> str:
    # Prefer a member with pending writes, which has something to lose.
    writing = [each for each in cluster.running() if each.disk.pending]
    member = writing[int(a.w * len(writing))] if writing and a.v < 0.6 else pick(cluster, a.u)
    if member is None:
        return ""
    # Many crashes are shorter than an election timeout, so that the others do not notice.
    duration = between(a.x**4, MS, 600 * MS)
    lost = cluster.crash(member, duration, cluster.stream("crash", a.number))
    return f"{member.id} crashes for {ms(duration)}" + (f"; {lost}" if lost else "")


def _crash_all(cluster: Cluster, a: Action) -> str:
    running = cluster.running()
    if not running:
        return ""
    cluster.fault("crash of all", span(a.x))
    for place, member in enumerate(running):
        cluster.crash(member, span((a.x * (place + 1)) % 1), cluster.stream("crash", a.number, place))
    return f"{[member.id for member in running]} crash"


def _fail_write(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u)
    if member is None:
        return ""
    member.disk.failing = True
    return f"the next write of {member.id} will fail"


def _fail_read(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.8)
    if member is None:
        return ""
    member.disk.unreadable = True
    return f"the next read of {member.id} will fail"


def _slow_disk(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u)
    if member is None:
        return ""
    disk = member.disk
    disk.latency = between(a.v * a.v, MS, 60 * MS)
    member.apply_latency = between(a.w * a.w, 0, 60 * MS)

    def end() -> None:
        disk.latency = cluster.settings.latency(member.id)
        member.apply_latency = 0

    cluster.fault("slow disk", span(a.x), end, member.id)
    return f"the disk of {member.id} takes about {ms(disk.latency)} per write for {ms(span(a.x))}"


def _no_snapshot(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.7)
    if member is None:
        return ""
    disk = member.disk
    disk.snapshot_away = True

    def end() -> None:
        disk.snapshot_away = False

    cluster.fault("no snapshot", span(a.x), end, member.id)
    return f"{member.id} has no snapshot available for {ms(span(a.x))}"


def _compact(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u)
    at = cluster.run(member, member.compact, int(a.v * a.v * 8)) if member else 0
    return f"{member.id} makes a snapshot at {at} and compacts" if member and at else ""


def _checkpoint(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u)
    at = cluster.run(member, member.keep_state) if member else 0
    return f"{member.id} stores its state at {at}" if member and at else ""


# -- members ----------------------------------------------------------------------------------------------------


def _change(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.8)
    if member is None:
        return ""
    config = member.raft.tracker.config
    voters = config.voters.incoming.ids()
    learners = sorted(config.learners or ())
    text = _changes(cluster, voters, learners, a)
    if not (cluster.settings.profile.shrinking or _keeps_majority(voters, text, member.raft.state == k.LEADER)):
        text = ""
    if not text:
        return ""
    for each in text.split():
        if each[0] in "vl":
            cluster.spawn(int(each[1:]))
    transition = int(a.x * 1000) % 3
    change = ConfChangeV2(transition=transition, changes=conf_changes_from_string(text))
    taken = cluster.propose_change(member, change)
    return f"{member.id} is asked to change the members: {text}, transition {transition}" + (
        "" if taken else ", refused"
    )


def _changes(cluster: Cluster, voters: list[int], learners: list[int], a: Action) -> str:
    """Draw a change that makes sense for these members, in the notation of ConfChangesFromString; empty for none."""
    outside = [id for id in range(1, MEMBERS_MOST + 1) if id not in voters and id not in learners]
    # Prefer members that never belonged to the cluster.
    outside.sort(key=lambda id: id in cluster.members)
    one = voters[int(a.v * len(voters))] if voters else 0
    kind = int(a.w * 8)
    if kind <= 1 and outside and len(voters) < 5:
        return f"v{outside[0]}"
    if kind == 2 and outside:
        return f"l{outside[0]}"
    if kind == 3 and learners:
        return f"v{learners[0]}"
    if kind == 4 and len(voters) > 1:
        return f"l{one}"
    if kind == 5 and len(voters) > 1:
        return f"r{one}"
    if kind == 6 and outside and voters:
        return f"v{outside[0]} r{one}"
    if kind == 7 and len(voters) > 2:
        others = [id for id in voters if id != one]
        return f"l{one} r{others[0]}" + (f" v{outside[-1]}" if outside else "")
    return ""


def _keeps_majority(voters: list[int], text: str, leads: bool) -> bool:
    """Whether a change keeps a majority of the voters (see ``Profile.shrinking``).

    Only the leader knows which configuration the change will apply to, so other members only add members.
    """
    gone = {int(each[1:]) for each in text.split() if each[0] in "lr"}.intersection(voters)
    return not gone or (leads and 2 * len(gone) < len(voters))


def _leave(cluster: Cluster, a: Action) -> str:
    member = pick(cluster, a.u, leader=0.8)
    if member is None or not member.raft.tracker.config.voters.outgoing.ids():
        return ""
    cluster.propose_change(member, None)
    return f"{member.id} is asked to leave the joint configuration"


KINDS: dict[str, Callable[[Cluster, Action], str]] = {
    "propose": _propose, "read": _read, "retry": _retry, "campaign": _campaign, "transfer": _transfer,
    "forget": _forget, "weather": _weather, "partition": _partition, "isolate": _isolate, "one_way": _one_way,
    "unreachable": _unreachable, "pause": _pause, "skew": _skew, "crash": _crash, "crash_all": _crash_all,
    "drift": drift, "jump": jump, "coup": coup, "apart": apart,
    "fail_write": _fail_write, "fail_read": _fail_read, "slow_disk": _slow_disk, "no_snapshot": _no_snapshot,
    "compact": _compact, "checkpoint": _checkpoint, "change": _change, "leave": _leave,
}  # fmt: skip
