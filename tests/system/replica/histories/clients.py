"""The clients of a history. Each does one operation at a time, at a member of its choice, and notes what it saw."""

import asyncio
import base64
import random
import time
from dataclasses import dataclass, field
from typing import Any

from raftcy.machines import SessionClient
from raftcy.machines.envelope import open_session

from .cells import Act
from .checking import Operation
from .cluster import Cluster, Line, Silent

KEYS = 8
PAUSE_S = 0.1


@dataclass(slots=True)
class Doubt:
    """A command without an outcome: what it was, and where to ask for its fate."""

    operation: Operation
    act: Act
    member: int = 0
    start: str = ""
    token: int = -1


@dataclass
class Book:
    """What all clients together saw. ``wanted`` is how many operations they do."""

    wanted: int
    operations: list[Operation] = field(default_factory=list)
    careless: list[Operation] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    applied: set[tuple[str, int]] = field(default_factory=set)
    rejected: set[tuple[str, int]] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    fates: dict[str, int] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether there are enough operations."""
        return len(self.operations) >= self.wanted


class Client:
    """One client. Clients have the same keys, except for careless ones."""

    def __init__(self, cluster: Cluster, book: Book, number: int, draw: random.Random) -> None:
        self.cluster = cluster
        self.book = book
        self.number = number
        self.name = f"{type(self).__name__.lower()}{number}"
        self.draw = draw
        self.acts = 0
        self.noted = book.operations
        self._line: Line | None = None
        # By key: what it showed last.
        self._seen: dict[str, int] = {}

    def key(self) -> str:
        """The key of an operation."""
        return f"key{self.draw.randrange(KEYS)}"

    async def run(self) -> None:
        """Operate until there are enough operations."""
        while not self.book.is_full:
            await asyncio.sleep(2 * PAUSE_S * self.draw.random())
            try:
                await self.operate()
            except OSError:
                self.leave()
            except Silent as error:
                self.book.wrong.append(f"{self.name}: {error}")
                return
        self.leave()

    def leave(self) -> None:
        """Turn away from the present member."""
        if self._line is not None:
            self._line.close()
            self._line = None

    async def line(self) -> Line:
        """A connection to some member, which changes now and then."""
        if self._line is not None and self.draw.random() < 0.1:
            self.leave()
        if self._line is None:
            self._line = await self.cluster.connect(self.draw.choice(sorted(self.cluster.members)))
        return self._line

    def next_act(self) -> Act:
        """The next command, whose number and value nobody else has."""
        self.acts += 1
        key, value = self.key(), (self.number + 1) * 1_000_000 + self.acts
        kind = self.draw.choice("wwca")
        if kind == "c":
            return Act(self.name, self.acts, kind, key, self._seen.get(key, 0), value)
        return Act(self.name, self.acts, kind, key, value)

    def begin(self, kind: str, key: str, x: int = 0, y: int = 0) -> Operation:
        """An operation that begins now."""
        return Operation(self.number, key, kind, x, y, time.monotonic_ns())

    def end(self, operation: Operation, answer: int | None) -> None:
        """Note an operation that has an answer now."""
        operation.returned = time.monotonic_ns()
        operation.answer = answer
        self.noted.append(operation)

    async def operate(self) -> None:
        """One operation, a read or a command."""
        line = await self.line()
        if self.draw.random() < 0.4:
            await self.read(line, "read", self.key())
        else:
            await self.command(line, "command")

    async def read(self, line: Line, name: str, key: str) -> None:
        """Read a key. A read without an answer says nothing."""
        operation = self.begin("r", key)
        try:
            found = await line.ask(name, key=key)
        except RuntimeError:
            return
        self._seen[key] = found
        self.end(operation, found)

    async def command(self, line: Line, name: str) -> None:
        """Propose a command."""
        act = self.next_act()
        operation = self.begin(act.kind, act.key, act.x, act.y)
        doubt = Doubt(operation, act)
        try:
            found = await line.ask(name, act=[act.client, act.number, act.kind, act.key, act.x, act.y])
        except (OSError, RuntimeError):
            self.book.doubts.append(doubt)
            raise
        self.take(doubt, line.id, found)

    def take(self, doubt: Doubt, member: int, found: Any) -> None:
        """Note the outcome of a command."""
        place = (doubt.act.client, doubt.act.number)
        if found["is"] == "applied":
            self.book.applied.add(place)
            self.end(doubt.operation, found["answer"])
        elif found["is"] == "rejected":
            self.book.rejected.add(place)
        else:
            doubt.member, doubt.start, doubt.token = member, found["start"], found["token"]
            self.book.doubts.append(doubt)


class Once(Client):
    """Proposes each command once."""


class InSession(Client):
    """Proposes by sessions, which its members keep."""

    async def operate(self) -> None:
        await self.command(await self.line(), "by_session")


class Careless(Client):
    """Reads without a barrier, and writes that are answered too early, each on a key of their own."""

    def __init__(self, cluster: Cluster, book: Book, number: int, draw: random.Random) -> None:
        super().__init__(cluster, book, number, draw)
        self.noted = book.careless

    def key(self) -> str:
        return "stale" if self.number % 2 else "lost"

    async def operate(self) -> None:
        line = await self.line()
        stale = self.number % 2
        if self.draw.random() < 0.6:
            await self.read(line, "careless_read" if stale else "read", self.key())
        else:
            await self.command(line, "command" if stale else "careless_write")

    def next_act(self) -> Act:
        self.acts += 1
        return Act(self.name, self.acts, "w", self.key(), (self.number + 1) * 1_000_000 + self.acts)


class Roaming(Client):
    """Keeps its own session, and repeats a command under its number through any members until it has the answer."""

    def __init__(self, cluster: Cluster, book: Book, number: int, draw: random.Random) -> None:
        super().__init__(cluster, book, number, draw)
        self._session: SessionClient | None = None

    async def operate(self) -> None:
        if self._session is None:
            for found in await self.attempts(open_session(600_000), 1):
                self._session = SessionClient(found["answer"])
            return
        act = self.next_act()
        operation = self.begin(act.kind, act.key, act.x, act.y)
        number, entry = self._session.begin(act.encode())
        while True:
            answers = await self.attempts(entry, 2 if self.draw.random() < 0.3 else 1)
            if any("expired" in each for each in answers):
                self.book.doubts.append(Doubt(operation, act))
                self._session = None
                return
            if answers:
                break
            await asyncio.sleep(0.05)
        if any(each != answers[0] for each in answers):
            self.book.wrong.append(f"{self.name}: command {act.number} was answered differently: {answers}")
        self._session.answered(number)
        self.book.applied.add((act.client, act.number))
        self.end(operation, answers[0]["answer"])

    async def attempts(self, entry: bytes, count: int) -> list[Any]:
        """Propose an entry through some members at the same time; the answers that came."""
        found = await asyncio.gather(*[self._attempt(entry) for _ in range(count)])
        return [each for each in found if each is not None]

    async def _attempt(self, entry: bytes) -> Any:
        id = self.draw.choice(sorted(self.cluster.members))
        try:
            return await self.cluster.ask(id, "entry", entry=base64.b64encode(entry).decode())
        except (OSError, RuntimeError):
            return None
