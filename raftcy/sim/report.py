"""What people read: a failure with its schedule, and a run step by step."""

from collections.abc import Callable, Collection
from typing import Any

from ..core.config import Config
from ..core.describe import describe_message
from ..core.enums import StateType
from ..core.messages import Message
from ..core.rawnode import RawNode
from .checkers import Violation
from .clock import ms
from .cluster import Cluster
from .machine import Ledger, Machine
from .member import Member
from .profiles import MIXED, Profile
from .runs import STEPS, Result, prepare
from .shrink import Shrunk, numbers

SHOWN_MOST = 60


def command(result: Result, actions: list[int] | None = None) -> str:
    """The command that replays a run, or a part of its schedule."""
    words = ["python -m raftcy sim replay", str(result.seed)]
    if result.profile != MIXED:
        words.append(f"--profile {profile_name(result)}")
    if result.steps != STEPS:
        words.append(f"--steps {result.steps}")
    if actions is not None:
        words.append(f"--only {numbers(actions)}")
    return " ".join(words)


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
) -> Violation | None:
    """Run a seed and write each event with the state of its member before and after; returns what went wrong, if so.

    ``until`` stops after that many events. ``make_raw`` makes the state machine at each start of a member.
    """
    logger = Lines()
    cluster = prepare(seed, profile, only=only, machine=machine, logger=logger, make_raw=make_raw)
    logger.lines.clear()
    seen = {id: state(member) for id, member in cluster.members.items()}
    try:
        while until is None or cluster.events < until:
            if cluster.events >= steps and cluster.operator is None:
                write("--- all faults end")
                cluster.heal()
            if cluster.operator is not None and cluster.operator.done:
                return None
            handler, arguments = cluster.clock.first()
            try:
                cluster.step()
            finally:
                _write_event(cluster, handler.__name__, arguments, seen, logger, write)
    except Violation as violation:
        write(f"*** {violation}")
        return violation
    return None


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
