"""What the actions of a schedule do to simulated hosts, and to the programs that call them."""

from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from .. import cuts
from ..clock import MS, ms
from ..etcd.clerks import Clerk
from ..schedule import Action
from ..streams import between, stream
from . import journal
from .callers import Calls, change, request
from .hostcluster import HostCluster, Member
from .journal import NEWEST
from .process import ECHO, Process

PENDING_MOST = 40
"""The most callers that wait; beyond that, programs call nothing new."""


def perform(cluster: HostCluster, action: Action) -> str:
    """Perform an action. Returns a text about what it did, empty if there was nothing to do."""
    return KINDS[action.kind](cluster, action)


def _pick(cluster: HostCluster, u: float, leader: float = 0.4, group: str = "") -> Process | None:
    """Pick an open process; with probability ``leader`` the one that leads a group, if there is one."""
    if u < leader:
        leading = _leading(cluster, group)
        if leading is not None:
            return leading
    running = cluster.open()
    return running[int(u * 9973 % 1 * len(running))] if running else None


def _leading(cluster: HostCluster, group: str = "") -> Process | None:
    """The process that leads a group, by default the one that the profile is about."""
    return cluster.etcd_leader() if cluster.ledger is not None else cluster.leader(group or cluster.settings.groups[0])


def _span(cluster: HostCluster, u: float) -> int:
    """How long a fault lasts, in microseconds: a few milliseconds to six election timeouts, mostly few."""
    return between(u * u, 5 * MS, 6 * cluster.settings.election_us)


# -- calls ------------------------------------------------------------------------------------------------------


def _calls(cluster: HostCluster, a: Action, leader: float = 0.4) -> tuple[Process, Calls] | None:
    groups = cluster.settings.groups
    group = groups[int(a.w * 97 % 1 * len(groups))]
    process = _pick(cluster, a.u, leader, group)
    if process is None or len(process.callers) > PENDING_MOST:
        return None
    return process, process.calls[group]


def _call(process: Process, what: str, writes: bool, story: Coroutine[Any, Any, None], told: str) -> str:
    process.call(what, writes, story)
    return f"{what} through {process.id}: {told}"


def _command(cluster: HostCluster, a: Action) -> tuple[int, bytes]:
    number = cluster.number()
    random = Random(f"{a.number} {number}")
    size = int(random.random() ** 4 * 300)
    if random.random() < 0.01:
        # Longer than some settings allow.
        size = 3000
    return number, journal.command(number, random.random() < 0.05, size)


def _timeout(cluster: HostCluster, x: float) -> float | None:
    """No timeout, or one of a few messages to some election timeouts."""
    return None if x < 0.4 else ((x - 0.4) / 0.6) ** 3 * 4 * cluster.settings.election_us / 1e6


def _write(cluster: HostCluster, a: Action) -> str:
    found = _calls(cluster, a)
    if found is None:
        return ""
    process, calls = found
    number, data = _command(cluster, a)
    term = 0 if a.v < 0.85 else calls.replica.term + (a.v > 0.97)
    return _call(process, "write", True, calls.write(number, data, term, _timeout(cluster, a.x)), str(number))


def _write_many(cluster: HostCluster, a: Action) -> str:
    found = _calls(cluster, a)
    if found is None:
        return ""
    process, calls = found
    commands = dict(_command(cluster, a) for _ in range(1 + int(a.v * 6)))
    told = " ".join(map(str, commands))
    return _call(process, "write", True, calls.write_many(commands, _timeout(cluster, a.x)), told)


def _cancel(cluster: HostCluster, a: Action) -> str:
    found = _calls(cluster, a)
    if found is None:
        return ""
    process, calls = found
    number, data = _command(cluster, a)
    return _call(process, "cancelled write", False, calls.cancelled_write(data, a.x**3 * 0.1), str(number))


def _read(cluster: HostCluster, a: Action) -> str:
    found = _calls(cluster, a)
    if found is None:
        return ""
    process, calls = found
    stale = a.v > 0.95
    at_least = None if a.v < 0.8 or stale else calls.replica.applied + int(a.x * 3)
    timeout_s = _timeout(cluster, a.x) if at_least is None else 0.5
    return _call(process, "read", False, calls.read(at_least, stale, timeout_s), f"{at_least or ''}")


def _session(cluster: HostCluster, a: Action) -> str:
    found = _calls(cluster, a)
    if found is None:
        return ""
    process, calls = found
    if not calls.sessions or (a.v < 0.1 and len(calls.sessions) < 3):
        return _call(process, "session", False, calls.open_session((100, 3000)[a.x < 0.7]), "opened")
    session = calls.sessions[int(a.x * 31 % 1 * len(calls.sessions))]
    if a.v > 0.97:
        return _call(process, "session", False, calls.close_session(session), f"{session.id} closed")
    number, data = _command(cluster, a)
    story = calls.session_write(session, number, data, _timeout(cluster, a.x))
    return _call(process, "session", True, story, f"{number} in {session.id}")


def _roam(cluster: HostCluster, a: Action) -> str:
    roamer = cluster.roamers[int(a.w * len(cluster.roamers))]
    group = cluster.settings.groups[cluster.roamers.index(roamer) % len(cluster.settings.groups)]
    process = _pick(cluster, a.u, 0.5, group)
    if process is None:
        return ""
    number, data = _command(cluster, a)
    timeout_s = (0.02 + a.x**2) * 4 * cluster.settings.election_us / 1e6
    replica = process.calls[group].replica
    what = process.loop.do(roamer.attempt, process, replica, number, data, timeout_s)
    return f"{roamer.name} {what} through {process.id}" if what else ""


def _ask(cluster: HostCluster, a: Action) -> str:
    if not cluster.questions:
        return ""
    question = cluster.questions[int(a.v * len(cluster.questions))]
    process = _pick(cluster, a.u)
    if process is None:
        return ""
    calls = process.calls[question.group]
    story = calls.ask(question.number, question.token, _timeout(cluster, max(a.x, 0.5)))
    return _call(process, "outcome", False, story, str(question.number))


def _request(cluster: HostCluster, a: Action) -> str:
    process = _pick(cluster, a.u)
    if process is None:
        return ""
    to = 1 + int(a.v * cluster.settings.count)
    story = request(process.host, to, ECHO, b"%d" % a.number)
    return _call(process, "request", False, story, f"to {to}")


def _transfer(cluster: HostCluster, a: Action) -> str:
    found = _calls(cluster, a, 0.8)
    if found is None:
        return ""
    process, calls = found
    to = None if a.v < 0.5 else 1 + int(a.x * cluster.settings.count)
    return _call(process, "transfer", False, calls.transfer(to), f"to {to or 'any'}")


def _campaign(cluster: HostCluster, a: Action) -> str:
    found = _calls(cluster, a, 0.0)
    if found is None:
        return ""
    process, calls = found
    # As if the member's election timeout were over: nothing of the kind can be asked of a Replica.
    process.loop.do(calls.replica._driver.node.campaign)
    process.loop.do(process.host.wake, calls.replica)
    return f"{process.id} campaigns"


# -- etcd -------------------------------------------------------------------------------------------------------


def _clerk(cluster: HostCluster, a: Action) -> Process | None:
    process = _pick(cluster, a.u)
    return None if process is None or process.clerk is None or len(process.callers) > PENDING_MOST else process


def _etcd_write(cluster: HostCluster, a: Action) -> str:
    process = _clerk(cluster, a)
    if process is None:
        return ""
    name, request = process.clerk.draw_write(Random(f"{a.number} {a.v}"))
    return _call(process, "etcd write", True, process.clerk.write(name, request), name)


def _etcd_read(cluster: HostCluster, a: Action) -> str:
    process = _clerk(cluster, a)
    if process is None:
        return ""
    request = process.clerk.draw_read(Random(f"{a.number} {a.v}"))
    return _call(process, "etcd read", False, process.clerk.read(request), "")


def _about_a_lease(kind: str, ask: Callable[[Clerk, int], Any]) -> Callable[[HostCluster, Action], str]:
    """A call about one of the clerk's leases."""

    def deed(cluster: HostCluster, a: Action) -> str:
        process = _clerk(cluster, a)
        if process is None:
            return ""
        id = process.clerk.draw_lease(Random(f"{a.number} {a.v}"))
        return _call(process, kind, False, ask(process.clerk, id), str(id))

    return deed


_etcd_renew = _about_a_lease("etcd renewal", lambda clerk, id: clerk.renew(id))
_etcd_lease = _about_a_lease("etcd lease", lambda clerk, id: clerk.time_to_live(id))


def _etcd_transfer(cluster: HostCluster, a: Action) -> str:
    process = cluster.etcd_leader()
    if process is None:
        return ""
    to = None if a.v < 0.5 else 1 + int(a.x * cluster.settings.count)
    return _call(process, "transfer", False, process.clerk.transfer(to), f"of etcd to {to or 'any'}")


# -- network and clocks -----------------------------------------------------------------------------------------


def _weather(cluster: HostCluster, a: Action) -> str:
    return cuts.storm(cluster, a, _span(cluster, a.x), (MS, 40 * MS))


def _partition(cluster: HostCluster, a: Action) -> str:
    return cuts.partition(cluster, cluster.members, a, _span(cluster, a.x))


def _isolate(cluster: HostCluster, a: Action) -> str:
    process = _pick(cluster, a.u, leader=0.6)
    return cuts.isolation(cluster, cluster.members, process.id, _span(cluster, a.x)) if process else ""


def _one_way(cluster: HostCluster, a: Action) -> str:
    process = _pick(cluster, a.u, leader=0.6)
    return cuts.one_way(cluster, cluster.members, process.id, a, _span(cluster, a.x)) if process else ""


def _pause(cluster: HostCluster, a: Action) -> str:
    process = _pick(cluster, a.u)
    if process is None:
        return ""
    cluster.pause(process)
    span = _span(cluster, a.x)
    cluster.fault("pause", span, lambda: cluster.resume(process), process.id)
    return f"{process.id} pauses for {ms(span)}"


def _skew(cluster: HostCluster, a: Action) -> str:
    process = _pick(cluster, a.u)
    if process is None:
        return ""
    rate = 3 ** (2 * a.v - 1)
    process.loop.set_rate(rate)
    span = 2 * _span(cluster, a.x)
    cluster.fault("skewed clock", span, lambda: process.loop.set_rate(1.0), process.id)
    return f"the clock of {process.id} runs at {rate:.2f} for {ms(span)}"


# -- ends and disks ---------------------------------------------------------------------------------------------


def _some(cluster: HostCluster, u: float) -> Member | None:
    """Pick a member with a process, open or not."""
    running = [member for member in cluster.members.values() if member.process is not None]
    leading = _leading(cluster)
    if leading is not None and u < 0.35:
        return cluster.members[leading.id]
    return running[int(u * 9973 % 1 * len(running))] if running else None


def _again(cluster: HostCluster, a: Action, fault: str, member: Member) -> str:
    """Start a member again after a while; many pauses are shorter than an election timeout."""
    pause = between(a.x**4, MS, 6 * cluster.settings.election_us)
    cluster.fault(fault, pause, lambda: cluster.start(member))
    return f"for {ms(pause)}"


def _kill(cluster: HostCluster, a: Action) -> str:
    member = _some(cluster, a.u)
    if member is None:
        return ""
    cluster.kill(member)
    return f"{member.id} is killed {_again(cluster, a, 'kill', member)}"


def _power(cluster: HostCluster, a: Action) -> str:
    member = _some(cluster, a.u)
    if member is None:
        return ""
    lost = cluster.cut_power(member, stream(cluster.settings.seed, "power", a.number))
    return f"{member.id} is without power {_again(cluster, a, 'power cut', member)}; {lost}"


def _power_all(cluster: HostCluster, a: Action) -> str:
    running = [member for member in cluster.members.values() if member.process is not None]
    for place, member in enumerate(running):
        cluster.cut_power(member, stream(cluster.settings.seed, "power", a.number, place))
        _again(cluster, a._replace(x=(a.x * (place + 1)) % 1), "power cut of all", member)
    return f"{[member.id for member in running]} are without power" if running else ""


def _power_within(cluster: HostCluster, a: Action) -> str:
    """Cut the power at one of the next calls of the disk, with some of a write on it."""
    member = _some(cluster, a.u)
    if member is None:
        return ""
    member.fault = ("cut", int(a.v * a.v * 12))
    return f"{member.id} will be without power"


def _fail(cluster: HostCluster, a: Action) -> str:
    member = _some(cluster, a.u)
    if member is None:
        return ""
    what = ("any", "sync", "full")[int(a.w * 3)]
    member.fault = (what, int(a.v * a.v * 6))
    cluster.coverage.begin("failed disk")
    cluster.coverage.end("failed disk")
    return f"the disk of {member.id} will fail: {what}"


def _slow(cluster: HostCluster, a: Action) -> str:
    member = _some(cluster, a.u)
    if member is None or member.process is None:
        return ""
    member.hangs = True
    cluster.hang(member, member.process)
    span = _span(cluster, a.x)

    def end() -> None:
        member.hangs = False
        if member.process is not None:
            cluster.hang(member, member.process)

    cluster.fault("slow disk", span, end, member.id)
    return f"the disk of {member.id} is slow for {ms(span)}"


def _wipe(cluster: HostCluster, a: Action) -> str:
    """Lose a disk. A majority keeps theirs."""
    lost = sum(member.wiped for member in cluster.members.values())
    member = _some(cluster, a.u)
    if member is None or member.wiped or 2 * (lost + 1) >= cluster.settings.count:
        return ""
    cluster.wipe(member)
    return f"{member.id} loses its disk {_again(cluster, a, 'lost disk', member)}"


def _close(cluster: HostCluster, a: Action) -> str:
    process = _pick(cluster, a.u)
    if process is None:
        return ""
    process.close()
    cluster.coverage.begin("closing")
    cluster.coverage.end("closing")
    return f"{process.id} is closed"


def _upgrade(cluster: HostCluster, a: Action) -> str:
    """Start a member again with a newer program, or now and then with an older one."""
    member = _some(cluster, a.u)
    if member is None:
        return ""
    older = a.v < 0.15
    name = "downgrade" if older else "upgrade"
    member.knows = 1 if older else NEWEST
    cluster.kill(member)
    return f"{member.id} gets a program of version {member.knows} {_again(cluster, a, name, member)}"


# -- members ----------------------------------------------------------------------------------------------------


def _change(cluster: HostCluster, a: Action, what: str, ids: list[int]) -> str:
    """Let some host change the members; hosts that come may need a while for that."""
    process = _pick(cluster, a.u, 0.4)
    if process is None or len(process.callers) > PENDING_MOST:
        return ""
    if what in ("remove", "replace"):
        cluster.leaving.add(ids[0])
    timeout_s = (1 + a.x * 20) * cluster.settings.election_us / 1e6
    return _call(process, what, False, change(cluster, process.host, what, ids, timeout_s), f"{ids}")


def _join(cluster: HostCluster, a: Action) -> str:
    """A new host comes, with or without a place that is kept for it."""
    member = cluster.newcomer()
    if member is None:
        return ""
    what = "add" if a.v < 0.4 else "add_learner" if a.v < 0.6 else ""
    return f"{member.id} joins " + (_change(cluster, a, what, [member.id]) if what else "")


def _promote(cluster: HostCluster, a: Action) -> str:
    return _change(cluster, a, "promote", [1 + int(a.v * len(cluster.members))])


def _leaver(cluster: HostCluster, v: float) -> int:
    """Pick a member to leave, so that at least two stay; 0 for none."""
    there = [id for id, member in cluster.members.items() if not member.gone and id not in cluster.leaving]
    return there[int(v * len(there))] if len(there) > 2 else 0


def _remove(cluster: HostCluster, a: Action) -> str:
    id = _leaver(cluster, a.v)
    return _change(cluster, a, "remove", [id]) if id else ""


def _replace(cluster: HostCluster, a: Action) -> str:
    """A new host takes the place of another one."""
    id = _leaver(cluster, a.v)
    member = cluster.newcomer() if id else None
    return f"{member.id} joins; {_change(cluster, a, 'replace', [id, member.id])}" if member is not None else ""


KINDS: dict[str, Callable[[HostCluster, Action], str]] = {
    "write": _write, "write_many": _write_many, "cancel": _cancel, "read": _read, "session": _session, "roam": _roam,
    "ask": _ask, "request": _request, "transfer": _transfer, "campaign": _campaign, "weather": _weather,
    "partition": _partition, "isolate": _isolate, "one_way": _one_way, "pause": _pause, "skew": _skew, "kill": _kill,
    "power": _power, "power_all": _power_all, "power_within": _power_within, "fail": _fail, "slow": _slow,
    "wipe": _wipe, "close": _close, "upgrade": _upgrade, "join": _join, "promote": _promote, "remove": _remove,
    "replace": _replace,
    "etcd_write": _etcd_write, "etcd_read": _etcd_read, "etcd_renew": _etcd_renew, "etcd_lease": _etcd_lease,
    "etcd_transfer": _etcd_transfer,
}  # fmt: skip
