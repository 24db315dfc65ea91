"""What people read: a failure with its schedule, how to run it again, and a run step by step."""

import sys
from collections.abc import Callable, Collection
from dataclasses import fields
from typing import Any

from ..core.config import Config
from ..core.describe import describe_message
from ..core.rawnode import RawNode
from ..wire.enums import StateType
from ..wire.messages import Message
from .checkers import Violation
from .clock import ms
from .cluster import Cluster
from .lockstep import Pair
from .machine import Ledger, Machine
from .member import Member
from .profiles import MIXED, PROFILES, Profile
from .runs import STEPS, Result, prepare
from .shrink import Shrunk, numbers

SHOWN_MOST = 60


def command(result: Result, actions: list[int] | None = None) -> str:
    """What replays a run, or a part of its schedule: a command line, or a program if that cannot say all of it."""
    if actions is None:
        actions = result.only
    given = {name: value for name, value in result.options.items() if name != "logger"}
    known = isinstance(result.profile, str) or PROFILES.get(result.profile.name) == result.profile
    if given or not known or result.machine is not Ledger:
        return _program(result, actions, given)
    words = ["python -m raftcy sim replay", str(result.seed)]
    if result.profile != MIXED:
        words.append(f"--profile {profile_name(result)}")
    if result.steps != STEPS:
        words.append(f"--steps {result.steps}")
    if actions is not None:
        words.append(f"--only {numbers(actions)}")
    if result.lockstep:
        words.append("--lockstep")
    return " ".join(words)


def _program(result: Result, actions: list[int] | None, given: dict[str, Any]) -> str:
    """A line of Python that replays a run. What cannot be imported goes by its name where it was defined, if any."""
    imports = ["from raftcy import sim"]
    words = [str(result.seed)]
    if result.profile != MIXED:
        words.append(repr(result.profile) if isinstance(result.profile, str) else _profile(result.profile))
    if result.steps != STEPS:
        words.append(f"steps={result.steps}")
    if actions is not None:
        words.append(f"only={actions}")
    if result.machine is not Ledger:
        words.append(f"machine={_named(result.machine, imports)}")
    words += [f"{name}={_named(value, imports) if callable(value) else repr(value)}" for name, value in given.items()]
    if result.lockstep:
        words.append("lockstep=True")
    return f"{'; '.join(imports)}; sim.replay({', '.join(words)})"


def _profile(profile: Profile) -> str:
    """An expression for a profile of one's own."""
    words = [repr(profile.name), repr(profile.about), repr(dict(profile.weights))]
    for each in fields(profile)[len(words) :]:
        value = getattr(profile, each.name)
        if value != each.default:
            words.append(f"{each.name}={value!r}")
    return f"sim.Profile({', '.join(words)})"


def _named(value: Any, imports: list[str]) -> str:
    """An expression for a class or function; adds the import that it needs, if there is one."""
    module, path = getattr(value, "__module__", ""), getattr(value, "__qualname__", "")
    first, _, rest = path.partition(".")
    found = getattr(sys.modules.get(module), first, None)
    for name in rest.split(".") if rest else ():
        found = getattr(found, name, None)
    if path and found is value:
        if module != "__main__":
            imports.append(f"from {module} import {first}")
        return str(path)
    name = path.rpartition(".")[2]
    return name if name.isidentifier() else "<as given>"


def profile_name(result: Result) -> str:
    """The name of a run's profile."""
    return result.profile if isinstance(result.profile, str) else result.profile.name


def failure(result: Result) -> str:
    """A failure as it was found."""
    found = result.failure
    if found is None:
        return f"seed {result.seed} passed"
    where = f"event {found.event}, {ms(found.time)}"
    return f"seed {result.seed}, profile {profile_name(result)}: {where}: {found}\n  replay: {command(result)}"


def shortest(shrunk: Shrunk) -> str:
    """The shortest schedule of a failure."""
    result = shrunk.result
    found = result.failure
    how = "" if shrunk.finished else ", and the time was up"
    lines = [f"  shortest schedule: {len(shrunk.actions)} of {shrunk.before} actions, after {shrunk.runs} runs{how}"]
    shown = result.actions[-SHOWN_MOST:]
    if len(shown) < len(result.actions):
        lines.append(f"    ... {len(result.actions) - len(shown)} before")
    lines += [f"    {ms(action.at)} [{action.number}] {told or action.kind}" for action, told in shown]
    if found is not None:
        lines.append(f"    event {found.event}, {ms(found.time)}: {found}")
    lines.append(f"  step by step: {command(result, shrunk.actions)}")
    return "\n".join(lines)


class Lines:
    """A logger that keeps what the core says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def isEnabledFor(self, level: int) -> bool:
        """All levels are on."""
        return True

    def debug(self, text: str) -> None:
        """Keep a line."""
        self.lines.append(text)

    info = warning = error = critical = debug


def replay(
    seed: int,
    profile: str | Profile = MIXED,
    steps: int = STEPS,
    *,
    only: Collection[int] | None = None,
    until: int | None = None,
    write: Callable[[str], Any] = print,
    machine: Callable[[], Machine] = Ledger,
    make_raw: Callable[[Config], RawNode] = RawNode,
    hold_votes: bool = True,
    guard_reads: bool = True,
    guard_snapshots: bool = True,
    lockstep: bool = False,
) -> Violation | None:
    """Run a seed and write each event with the state of its member before and after; returns what went wrong, if so.

    ``until`` stops after that many events. ``make_raw`` makes the state machine at each start of a member. All else is
    as for ``run``; ``lockstep`` compares both builds after each event, and shows this one. ValueError for a profile
    that is not known, or not given by its name in lockstep; ``lockstep.Unavailable`` without a compiled build.
    """
    logger = Lines()
    pair = Pair() if lockstep else None
    begin = prepare if pair is None else pair.begin
    try:
        cluster = begin(
            seed,
            profile,
            only=only,
            machine=machine,
            logger=logger,
            make_raw=make_raw,
            hold_votes=hold_votes,
            guard_reads=guard_reads,
            guard_snapshots=guard_snapshots,
        )
        _show(cluster, pair or cluster, steps, until, logger, write)
    except Violation as violation:
        write(f"*** {violation}")
        return violation
    return None


def _show(
    cluster: Cluster,
    driven: Cluster | Pair,
    steps: int,
    until: int | None,
    logger: Lines,
    write: Callable[[str], Any],
) -> None:
    """Both phases of a run, event by event. Raises Violation."""
    logger.lines.clear()
    seen = {id: state(member) for id, member in cluster.members.items()}
    while until is None or cluster.events < until:
        if cluster.events >= steps and cluster.operator is None:
            write("--- all faults end")
            driven.heal()
        if cluster.operator is not None and cluster.operator.done:
            return
        handler, arguments = cluster.clock.first()
        try:
            driven.step()
        finally:
            _write_event(cluster, handler.__name__, arguments, seen, logger, write)


def _write_event(
    cluster: Cluster,
    name: str,
    arguments: tuple[Any, ...],
    seen: dict[int, str],
    logger: Lines,
    write: Callable[[str], Any],
) -> None:
    text = _told(cluster, name, arguments)
    write(f"{cluster.events:6} {ms(cluster.clock.now)}  {text}")
    for line in logger.lines:
        write(f"           | {line}")
    logger.lines.clear()
    for id in sorted(cluster.members):
        now = state(cluster.members[id])
        if now != seen.get(id, ""):
            write(f"           {seen.get(id, f'{id}: new')}\n        -> {now}")
            seen[id] = now


def _told(cluster: Cluster, name: str, arguments: tuple[Any, ...]) -> str:
    """What an event was, for people."""
    if name == "_deliver":
        m = Message.decode(arguments[2])
        return f"deliver {describe_message(m, lambda data: f'{len(data)} bytes')}"
    if name == "_act":
        action = arguments[0]
        return f"action [{action.number}] {action.kind}: {cluster.performed[-1][1] or 'nothing to do'}"
    if name == "_end_fault":
        return f"end of {arguments[0]}"
    words = [_word(each) for each in arguments]
    return f"{name.strip('_').replace('_', ' ')} {' '.join(words)}".rstrip()


def _word(argument: Any) -> str:
    if isinstance(argument, Member):
        return str(argument.id)
    if callable(argument):
        return str(getattr(argument, "func", argument).__name__).strip("_")
    return str(argument)


def state(member: Member) -> str:
    """A member on one line."""
    if not member.up:
        return f"{member.id}: down"
    term, vote, lead, role, commit, applied, last = member.view()
    config = member.raft.tracker.config
    return (
        f"{member.id}: {StateType(role)} term {term} vote {vote} lead {lead} commit {commit} applied {applied} "
        f"last {last} [{config}]" + (" paused" if member.paused else "")
    )
