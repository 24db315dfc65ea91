"""Shows a run step by step: each event, with the state of its member before and after."""

from collections.abc import Callable, Collection
from typing import Any

from ..core.config import Config
from ..core.describe import describe_message
from ..core.rawnode import RawNode
from ..wire.enums import StateType
from ..wire.messages import Message
from .checkers import Violation
from .clock import ms
from .course import Run
from .lockstep import Pair
from .member import Member
from .profiles import MIXED, Profile
from .result import STEPS
from .runs import Driven, prepare
from .subject import Ledger, Machine


class Lines:
    """A logger that keeps the lines of the core."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def isEnabledFor(self, level: int) -> bool:
        """Return True."""
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
    torn_writes: bool = False,
    lockstep: bool = False,
) -> Violation | None:
    """Run a seed and write each event, with the state of its member before and after. Returns the violation, if any.

    ``until`` stops after that many events. ``make_raw`` creates the state machine at each start of a member.
    ``lockstep`` compares both builds after each event, and shows this one. The other arguments are those of ``run``.

    Raises ValueError for an unknown profile, or in lockstep for one that is not given by its name, and
    ``lockstep.Unavailable`` in lockstep without the compiled build.
    """
    logger = Lines()
    pair = Pair() if lockstep else None
    begin = prepare if pair is None else pair.begin
    run: Run | None = None
    try:
        run = begin(
            seed,
            profile,
            only=only,
            machine=machine,
            logger=logger,
            make_raw=make_raw,
            hold_votes=hold_votes,
            guard_reads=guard_reads,
            guard_snapshots=guard_snapshots,
            torn_writes=torn_writes,
        )
        _show(run, pair or run, steps, until, logger, write)
    except Violation as violation:
        write(f"*** {violation}")
        return violation
    finally:
        for each in (run, pair):
            if each is not None:
                each.end()
    return None


def _show(
    run: Run,
    driven: Driven,
    steps: int,
    until: int | None,
    logger: Lines,
    write: Callable[[str], Any],
) -> None:
    """Run both phases, event by event. Raises Violation."""
    cluster = run.cluster
    logger.lines.clear()
    seen = {id: run.state(member) or state(member) for id, member in cluster.members.items()}
    while until is None or cluster.events < until:
        if cluster.events >= steps and not cluster.healed:
            write("--- all faults end")
            driven.heal()
        if driven.done:
            return
        handler, arguments = cluster.clock.first()
        try:
            driven.step()
        finally:
            _write_event(run, handler.__name__, arguments, seen, logger, write)


def _write_event(
    run: Run,
    name: str,
    arguments: tuple[Any, ...],
    seen: dict[int, str],
    logger: Lines,
    write: Callable[[str], Any],
) -> None:
    cluster = run.cluster
    text = _describe(run, name, arguments)
    write(f"{cluster.events:6} {ms(cluster.clock.now)}  {text}")
    for line in logger.lines:
        write(f"           | {line}")
    logger.lines.clear()
    for id in sorted(cluster.members):
        member = cluster.members[id]
        now = run.state(member) or state(member)
        if now != seen.get(id, ""):
            write(f"           {seen.get(id, f'{id}: new')}\n        -> {now}")
            seen[id] = now


def _describe(run: Run, name: str, arguments: tuple[Any, ...]) -> str:
    """Describe an event, for people."""
    told = run.describe(name, arguments)
    if told:
        return told
    if name == "_deliver":
        m = Message.decode(arguments[2])
        return f"deliver {describe_message(m, lambda data: f'{len(data)} bytes')}"
    if name == "_act":
        action = arguments[0]
        return f"action [{action.number}] {action.kind}: {run.performed[-1][1] or 'nothing to do'}"
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
    """Describe the state of a member on one line."""
    if not member.up:
        return f"{member.id}: down"
    term, vote, lead, role, commit, applied, last = member.view()
    config = member.raft.tracker.config
    return (
        f"{member.id}: {StateType(role)} term {term} vote {vote} lead {lead} commit {commit} applied {applied} "
        f"last {last} [{config}]" + (" paused" if member.paused else "")
    )
