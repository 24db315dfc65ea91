"""Transports for tests: receivers that keep what they are given, pairs of transports, and connections made by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from raftcy.demo.ports import free_ports
from raftcy.errors import LogLost, RaftError, StepError, Stopped
from raftcy.transport import Hello, Limits, Transport
from raftcy.transport import packets as p
from raftcy.transport.conversation import Event, Greeted, Refused, Speech
from raftcy.wire.enums import MessageType, SnapshotStatus
from raftcy.wire.messages import Entry, Message, Snapshot, SnapshotMetadata

HOST = "127.0.0.1"
FAST = Limits(
    dial_seconds=1.0,
    retry_min_seconds=0.01,
    retry_max_seconds=0.02,
    report_seconds=1e-9,
    replace_seconds=0.2,
    write_timeout_seconds=1.0,
)


class Direct:
    """A receiver that never waits, and keeps what it is given."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.calls: list[int] = []
        """How many messages each call brought."""
        self.unreachable: list[int] = []
        self.snapshots: list[tuple[int, SnapshotStatus]] = []
        self.error: BaseException | None = None
        """What each call raises."""
        self.errors: dict[int, RaftError] = {}
        """What is refused, or raised unless it is a StepError, by the commit of a message."""

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        self.calls.append(len(messages))
        if self.error is not None:
            raise self.error
        refused: list[tuple[int, RaftError]] = []
        for place, m in enumerate(messages):
            error = self.errors.get(m.commit)
            if error is None:
                self.messages.append(m)
            elif isinstance(error, StepError) and not isinstance(error, LogLost):
                refused.append((place, error))
            else:
                self.error = Stopped(error)
                raise error
        return refused

    def report_unreachable(self, id: int) -> None:
        if isinstance(self.error, Stopped):
            raise self.error
        self.unreachable.append(id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        if isinstance(self.error, Stopped):
            raise self.error
        self.snapshots.append((id, status))


class Waiting:
    """The same for calls that may wait: proposals do, while there is no leader."""

    def __init__(self) -> None:
        self.inner = Direct()
        self.leader = asyncio.Event()
        self.leader.set()
        self.proposal_error: BaseException | None = None
        """What `step` raises, once."""

    async def step(self, m: Message) -> None:
        assert m.type == MessageType.MSG_PROP
        await self.leader.wait()
        error, self.proposal_error = self.proposal_error, None
        if error is not None:
            raise error
        if self.inner.error is not None:
            raise self.inner.error
        self.inner.messages.append(m)

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        assert all(m.type != MessageType.MSG_PROP for m in messages)
        await asyncio.sleep(0)
        return self.inner.receive(messages)

    def report_unreachable(self, id: int) -> None:
        self.inner.report_unreachable(id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        self.inner.report_snapshot(id, status)

    def __getattr__(self, name: str) -> Any:
        # Not `receive`, which would make it a DirectReceiver.
        if name in ("messages", "calls", "unreachable", "snapshots"):
            return getattr(self.inner, name)
        raise AttributeError(name)


def heartbeat(index: int = 0, to: int = 2, from_: int = 1) -> Message:
    return Message(type=MessageType.MSG_HEARTBEAT, to=to, from_=from_, term=1, commit=index)


def proposal(data: bytes, to: int = 2, from_: int = 1) -> Message:
    return Message(type=MessageType.MSG_PROP, to=to, from_=from_, entries=[Entry(data=data)])


def snapshot(to: int = 2, size: int = 10) -> Message:
    metadata = SnapshotMetadata(index=5, term=1)
    return Message(
        type=MessageType.MSG_SNAP, to=to, from_=1, term=1, snapshot=Snapshot(data=b"s" * size, metadata=metadata)
    )


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something; the test fails if it does not come."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        if asyncio.get_running_loop().time() > end:
            pytest.fail(f"it did not come within {seconds} s")
        await asyncio.sleep(0.002)


def free_port() -> int:
    return free_ports(1)[0]


def tasks_left() -> list[str]:
    """The names of all tasks but the present one."""
    return [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]


class Pair:
    """Transport 1, which sends, and 2, which listens."""

    def __init__(self, limits: Limits, receiver: Any, **options: Any) -> None:
        self.one, self.two = Direct(), receiver or Direct()
        self.sender = Transport(1, self.one, limits=limits, **options)
        self.receiver = Transport(2, self.two, limits=limits, **options)
        self.address = (HOST, 0)

    async def begin(self) -> None:
        self.address = await self.receiver.listen(*self.address)
        await self.sender.set_peer(2, self.address)


@asynccontextmanager
async def pair(limits: Limits = FAST, receiver: Any = None, **options: Any) -> AsyncIterator[Pair]:
    both = Pair(limits, receiver, **options)
    await both.begin()
    try:
        yield both
    finally:
        await both.sender.close()
        await both.receiver.close()


class Caller:
    """A connection made by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.speech = Speech(False)
        self.events: list[Event] = []

    async def greet(self, **fields: Any) -> Event | None:
        """Say hello, and return the answer, None if the connection ends without one."""
        self.speech.begin(Hello(**({"sender": 1, "receiver": 2} | fields)))
        self.writer.write(self.speech.take_output())
        return await self.answer()

    async def answer(self) -> Event | None:
        async with asyncio.timeout(10):
            while True:
                for event in self.events:
                    if isinstance(event, (Greeted, Refused)):
                        return event
                if not await self.read():
                    return None

    async def read(self) -> bool:
        """Read what comes, answer pings, and return whether the connection still stands."""
        try:
            data = await self.reader.read(1 << 16)
        except ConnectionError:
            return False
        self.events += self.speech.receive(data)
        self.writer.write(self.speech.take_output())
        return bool(data)

    def say(self, *messages: Message, group: int = 0) -> None:
        """Send messages in one piece, which the loopback device brings in one piece if it is small."""
        self.write(b"".join(message_bytes(m, group) for m in messages))

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def is_closed(self, seconds: float = 10) -> bool:
        """Whether the other end closes the connection before long."""
        try:
            async with asyncio.timeout(seconds):
                while await self.read():
                    pass
        except TimeoutError:
            return False
        return True


def message_bytes(m: Message, group: int = 0) -> bytes:
    """A message as it goes over a connection."""
    data = m.encode()
    return p.message_head(group, len(data)) + data


@asynccontextmanager
async def connected(address: tuple[str, int], **hello: Any) -> AsyncIterator[Caller]:
    """A connection made by hand that was welcomed as node 1."""
    async with dialled(address) as caller:
        answer = await caller.greet(**hello)
        assert isinstance(answer, Greeted), answer
        yield caller


@asynccontextmanager
async def dialled(address: tuple[str, int]) -> AsyncIterator[Caller]:
    """A connection that has said nothing."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        yield Caller(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def silent_peer(id: int = 2, cluster: int = 0) -> AsyncIterator[tuple[str, int]]:
    """The address of a peer that welcomes connections, reads nothing and answers no ping."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(p.encode_greeting(p.WELCOME, Hello(sender=id, receiver=1, cluster=cluster)))

    server = await asyncio.start_server(accept, HOST, 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield host, port
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
