"""What programs do with a replica: each caller is a coroutine in the process of its replica, as a user's would be.

A caller checks what it is told against the truth of its group. It is ``pending`` until it has its outcome; if its
process is killed, it never gets one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, Protocol

from ...errors import (
    CallFailed,
    ChangePending,
    CommandError,
    MemberRefused,
    NotNow,
    OutcomeUnknown,
    Overloaded,
    Rejected,
    SessionExpired,
    Stopped,
)
from ...replica.tokens import Fate, Token
from ..checkers import Violation
from .truth import Truth


class Unsure(NamedTuple):
    """A command whose outcome is unknown: its number, its token, and the group."""

    number: int
    token: Token
    group: str


class World(Protocol):
    """What callers need of the cluster."""

    def number(self) -> int:
        """The number of the next command."""

    def told(self, what: str, *words: object) -> None:
        """Note what a caller was told."""

    def unsure(self, found: Unsure) -> None:
        """Keep a command to ask for it later."""

    def wrong(self, rule: str, text: str) -> None:
        """Note a violation."""

    def left(self, id: int) -> None:
        """A caller was told that a member is removed."""


class Caller:
    """One call of a program: ``story``, which runs in the process's loop. ``what`` and ``id`` describe it."""

    __slots__ = ("ended", "id", "story", "what", "world", "writes")

    def __init__(self, world: World, id: int, what: str, writes: bool, story: Coroutine[Any, Any, None]) -> None:
        self.world = world
        self.id = id
        self.what = what
        self.writes = writes
        self.story = story
        self.ended = False

    async def run(self, done: Callable[["Caller"], None]) -> None:
        """Run the story to its end. An error that no caller expects is a violation."""
        try:
            await self.story
        except (Stopped, Overloaded, NotNow, CallFailed, TimeoutError) as error:
            self.world.told(self.what, type(error).__name__)
        except asyncio.CancelledError:
            self.world.told(self.what, "cancelled")
        except Violation as error:
            self.world.wrong(error.rule, error.text)
        except Exception as error:
            self.world.wrong("no error", f"{self}: {type(error).__name__}: {error}")
        self.ended = True
        done(self)

    def __repr__(self) -> str:
        return f"{self.what} through {self.id}"


class Calls:
    """The calls through one replica of a group, whose truth is ``truth``."""

    def __init__(self, world: World, replica: Any, truth: Truth, group: str) -> None:
        self.world = world
        self.replica = replica
        self.truth = truth
        self.group = group
        self.sessions: list[Any] = []
        self._told = world.told

    # -- commands ------------------------------------------------------------------------------------------------

    async def write(self, number: int, data: bytes, term: int, timeout_s: float | None) -> None:
        """Propose a command."""
        truth, floor = self.truth, self.truth.floor
        try:
            answer = await self.replica.propose(data, only_in_term=term, timeout_s=timeout_s)
        except (Rejected, OutcomeUnknown, CommandError) as error:
            await self._ended(number, error)
        else:
            self._told("write", number, answer, truth.answered(number, answer, floor, term))

    async def write_many(self, commands: dict[int, bytes], timeout_s: float | None) -> None:
        """Propose several commands in one call."""
        floor = self.truth.floor
        found = await self.replica.propose_many(list(commands.values()), timeout_s=timeout_s)
        if len(found) != len(commands):
            raise Violation("answers", f"{len(found)} answers to {len(commands)} commands")
        places = []
        for number, each in zip(commands, found, strict=True):
            if not isinstance(each, Exception):
                places.append(self.truth.answered(number, each, floor))
                self._told("write", number, each)
        if places and places != list(range(places[0], places[0] + len(places))) and len(places) == len(commands):
            raise Violation("answers", f"the commands of one call are at {places}")
        for number, each in zip(commands, found, strict=True):
            if isinstance(each, Exception):
                await self._ended(number, each)

    async def _ended(self, number: int, error: Exception) -> None:
        self._told("write", number, type(error).__name__, str(error))
        if isinstance(error, Rejected):
            self.truth.never(number, f"it was rejected: {error}")
        elif isinstance(error, OutcomeUnknown):
            self.world.unsure(Unsure(number, error.token, self.group))
            await self.ask(number, error.token, None)
        elif isinstance(error, CommandError):
            self.truth.refused(number, error)
        else:
            raise error

    async def ask(self, number: int, token: Token, timeout_s: float | None) -> None:
        """Ask what has become of a command."""
        fate = await self.replica.outcome(token, timeout_s)
        self._told("outcome", number, str(fate))
        if fate is Fate.APPLIED:
            self.truth.settled(number, token.index)
        elif fate is Fate.REJECTED:
            self.truth.never(number, "its outcome is REJECTED")

    async def cancelled_write(self, data: bytes, after_s: float) -> None:
        """Propose a command, and give up waiting without learning anything."""
        end = self.replica.propose(data)
        await asyncio.sleep(after_s)
        if not end.done():
            end.cancel()
            await asyncio.sleep(0)
        elif not end.cancelled():
            end.exception()

    # -- sessions ------------------------------------------------------------------------------------------------

    async def open_session(self, timeout_ms: int) -> None:
        """Open a session of this process."""
        try:
            self.sessions.append(await self.replica.session(timeout_ms, timeout_s=5.0))
        except (Rejected, OutcomeUnknown) as error:
            self._told("session", type(error).__name__)

    async def session_write(self, session: Any, number: int, data: bytes, timeout_s: float | None) -> None:
        """Propose a command through a session, until its outcome is known."""
        truth, floor = self.truth, self.truth.floor
        token = None
        while True:
            try:
                if token is None:
                    answer = await session.propose(data, timeout_s=timeout_s)
                else:
                    answer = await session.again(token, timeout_s)
            except OutcomeUnknown as error:
                self._told("session", number, str(error))
                if isinstance(error.__cause__, SessionExpired) or self.replica.failure is not None:
                    return self._leave(session)
                if isinstance(error.__cause__, Rejected):
                    # This replica takes nothing more.
                    return None
                token = error.token
                # Otherwise a wait may be shorter than any answer takes.
                timeout_s = None if timeout_s is None else max(2 * timeout_s, 0.01)
                continue
            except Rejected as error:
                self._told("session", number, str(error))
                return truth.never(number, f"the session says that it was rejected: {error}")
            except SessionExpired as error:
                self._leave(session)
                return truth.never(number, f"no attempt was applied: {error}")
            except CommandError as error:
                return truth.refused(number, error)
            self._told("session", number, answer)
            truth.answered(number, answer, floor)
            return None

    def _leave(self, session: Any) -> None:
        if session in self.sessions:
            self.sessions.remove(session)

    async def close_session(self, session: Any) -> None:
        """Close a session."""
        self._leave(session)
        await session.close()

    # -- everything else -----------------------------------------------------------------------------------------

    async def read(self, at_least: int | None, stale: bool, timeout_s: float | None) -> None:
        """Read the machine, after a barrier, an index, or nothing."""
        floor = self.truth.floor
        applied = await self.replica.read(at_least=at_least, stale=stale, timeout_s=timeout_s)
        last = self.replica.machine.last
        self._told("read", applied, last)
        if applied < last or applied != self.replica.applied:
            raise Violation("reads", f"the read says {applied}, and the machine is at {last}")
        if at_least is not None and applied < at_least:
            raise Violation("reads", f"the read of at least {at_least} says {applied}")
        if at_least is None and not stale:
            self.truth.shown(floor, last, "a read")

    async def transfer(self, to: int | None) -> None:
        """Hand the leadership over."""
        await self.replica.transfer(to)
        self._told("transfer", to or 0)

    async def wait_for_leader(self) -> None:
        """Wait for a leader."""
        self._told("leader", await self.replica.wait_for_leader())


async def change(world: World, host: Any, what: str, ids: list[int], timeout_s: float) -> None:
    """Change the members, by the call of the host with this name."""
    try:
        await getattr(host, what)(*ids, timeout_s=timeout_s)
    except (MemberRefused, ChangePending) as error:
        world.told(what, type(error).__name__)
        return
    world.told(what, *ids)
    # A place that nobody took was given up. Who asks for it later may come.
    if what in ("remove", "replace") and ids[0] in host.status().removed:
        world.left(ids[0])


async def request(host: Any, to: int, kind: int, data: bytes) -> None:
    """Ask another host, which answers with the same bytes."""
    found = await host.request(to, kind, data)
    if found != data:
        raise Violation("requests", f"{to} answers {data!r} with {found!r}")
