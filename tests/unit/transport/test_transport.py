"""The transport between real sockets: delivered messages, dropped messages, and the reports about them."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from raftcy.errors import InvariantError, LogLost, MalformedMessage, Overloaded, RaftError, StepError, Stopped
from raftcy.transport import Limits, Transport, frame
from raftcy.wire.enums import MessageType, SnapshotStatus
from raftcy.wire.messages import Entry, Message, Snapshot, SnapshotMetadata

HOST = "127.0.0.1"
FAST = Limits(dial_seconds=1.0, retry_min_seconds=0.01, retry_max_seconds=0.02)


class Node:
    """A receiver that keeps what it is told, and can refuse, wait or be dead."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.calls: list[int] = []
        """The number of messages in each call of step_many."""
        self.unreachable: list[int] = []
        self.snapshots: list[tuple[int, SnapshotStatus]] = []
        self.leader = asyncio.Event()
        self.leader.set()
        self.error: RaftError | None = None
        self.errors: dict[int, RaftError] = {}
        """The answers of step_many to heartbeats, by their commit."""

    async def step(self, m: Message) -> None:
        if self.error is not None:
            raise self.error
        if m.type == MessageType.MSG_PROP:
            await self.leader.wait()
        self.messages.append(m)

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        self.calls.append(len(messages))
        refused: list[tuple[int, RaftError]] = []
        for place, m in enumerate(messages):
            assert m.type != MessageType.MSG_PROP
            error = self.error or self.errors.get(m.commit)
            if error is not None and (isinstance(error, LogLost) or not isinstance(error, StepError)):
                raise error
            if error is not None:
                refused.append((place, error))
            else:
                self.messages.append(m)
        return refused

    def report_unreachable(self, id: int) -> None:
        if isinstance(self.error, Stopped):
            raise self.error
        self.unreachable.append(id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        if isinstance(self.error, Stopped):
            raise self.error
        self.snapshots.append((id, status))


def heartbeat(index: int = 0, to: int = 2, from_: int = 1) -> Message:
    return Message(type=MessageType.MSG_HEARTBEAT, to=to, from_=from_, term=1, commit=index)


def snapshot(to: int = 2, size: int = 10) -> Message:
    return Message(
        type=MessageType.MSG_SNAP,
        to=to,
        from_=1,
        term=1,
        snapshot=Snapshot(data=b"s" * size, metadata=SnapshotMetadata(index=5, term=1)),
    )


async def until(condition: Callable[[], object]) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    pytest.fail("it did not come within 10 s")


def free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])


class Pair:
    """Transport 1, which sends, and 2, which listens."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.one, self.two = Node(), Node()
        self.sender = Transport(1, self.one, limits=limits)
        self.receiver = Transport(2, self.two, limits=limits)
        self.address = (HOST, 0)

    async def begin(self) -> None:
        self.address = await self.receiver.listen(*self.address)
        await self.sender.set_peer(2, self.address)


@asynccontextmanager
async def pair(limits: Limits = FAST) -> AsyncIterator[Pair]:
    both = Pair(limits)
    await both.begin()
    yield both
    await both.sender.close()
    await both.receiver.close()


@asynccontextmanager
async def connected(both: Pair, hello: bytes | None = None) -> AsyncIterator[tuple[Any, Any]]:
    """A raw connection to transport 2."""
    reader, writer = await asyncio.open_connection(*both.address)
    writer.write(frame.encode_frame(frame.encode_hello(1)) if hello is None else hello)
    yield reader, writer
    writer.transport.abort()


async def is_closed(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(5):
            return await reader.read(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


async def test_messages_arrive_in_order() -> None:
    async with pair() as both:
        large = Message(type=MessageType.MSG_APP, to=2, from_=1, entries=[Entry(data=b"x" * (3 << 20))])
        sent = [*(heartbeat(i) for i in range(1000)), large, heartbeat(1000)]
        both.sender.send(sent)
        await until(lambda: len(both.two.messages) == len(sent))
        assert [m.encode() for m in both.two.messages] == [m.encode() for m in sent]
        size = sum(len(m.encode()) for m in sent)
        out, into = both.sender.traffic, both.receiver.traffic
        assert (out.sent_messages, out.sent_bytes, out.dropped_messages) == (len(sent), size, 0)
        assert (into.received_messages, into.received_bytes, into.ignored_messages) == (len(sent), size, 0)
        assert both.one.unreachable == []


async def test_the_bytes_are_those_of_the_specification() -> None:
    arrived = asyncio.Queue[bytes]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def read() -> None:
            await arrived.put(await reader.readexactly(20 + 4 + len(heartbeat().encode())))
            writer.close()

        reading.add(asyncio.create_task(read()))

    reading: set[asyncio.Task[None]] = set()
    async with await asyncio.start_server(accept, HOST, 0) as server:
        sender = Transport(0x0102, Node(), {2: server.sockets[0].getsockname()[:2]})
        sender.send([heartbeat()])
        data = await asyncio.wait_for(arrived.get(), 5)
        payload = heartbeat().encode()
        assert data == struct.pack(">L8sQL", 16, b"RAFTWIR1", 0x0102, len(payload)) + payload
        await sender.close()


async def test_what_cannot_be_sent_is_reported() -> None:
    both = Pair(FAST)
    await both.sender.set_peer(2, (HOST, free_port()))
    both.sender.send([heartbeat(), snapshot(), heartbeat()])
    await until(lambda: both.one.unreachable)
    assert both.one.snapshots == [(2, SnapshotStatus.FAILURE)]
    assert both.one.unreachable == [2]
    assert both.sender.traffic.dropped_messages == 3
    both.sender.send([heartbeat()])
    await until(lambda: len(both.one.unreachable) == 2)
    await both.sender.close()


async def test_a_peer_without_an_address_is_unreachable() -> None:
    node = Node()
    sender = Transport(1, node)
    sender.send([heartbeat(to=9), snapshot(to=9)])
    assert (node.unreachable, node.snapshots) == ([9, 9], [(9, SnapshotStatus.FAILURE)])
    await sender.close()


async def test_a_written_snapshot_is_reported() -> None:
    async with pair() as both:
        both.sender.send([heartbeat(), snapshot(size=5 << 20)])
        await until(lambda: len(both.two.messages) == 2)
        await until(lambda: both.one.snapshots)
        assert (both.one.snapshots, both.one.unreachable) == ([(2, SnapshotStatus.FINISH)], [])


async def test_a_peer_that_comes_back_is_found_again() -> None:
    async with pair() as both:
        both.sender.send([heartbeat(1)])
        await until(lambda: len(both.two.messages) == 1)
        await both.receiver.close()
        # Eventually a loss is noticed; messages written into the dead connection may not be.
        async with asyncio.timeout(10):
            while not both.one.unreachable:
                both.sender.send([heartbeat(2)])
                await asyncio.sleep(0.005)
        both.two.messages.clear()
        both.receiver = Transport(2, both.two, limits=FAST)
        await both.receiver.listen(*both.address)
        async with asyncio.timeout(10):
            while not both.two.messages:
                both.sender.send([heartbeat(3)])
                await asyncio.sleep(0.005)


async def test_a_closed_connection_is_noticed_before_the_next_message() -> None:
    """A message is not lost just because its peer has restarted since the last one."""
    async with pair() as both:
        both.sender.send([heartbeat(1)])
        await until(lambda: len(both.two.messages) == 1)
        await both.receiver.close()
        both.receiver = Transport(2, both.two, limits=FAST)
        await both.receiver.listen(*both.address)
        await asyncio.sleep(0.05)
        both.sender.send([heartbeat(2)])
        await until(lambda: len(both.two.messages) == 2)
        assert both.one.unreachable == []


async def test_a_new_address_takes_effect() -> None:
    async with pair() as both:
        third = Node()
        other = Transport(2, third, limits=FAST)
        await both.sender.set_peer(2, await other.listen(HOST, 0))
        both.sender.send([heartbeat(1)])
        await until(lambda: third.messages)
        await both.sender.set_peer(2, None)
        both.sender.send([heartbeat(2)])
        assert both.one.unreachable == [2]
        assert both.two.messages == []
        await other.close()


@pytest.mark.parametrize("limits", [Limits(queue_messages=3), Limits(queue_bytes=3 * len(heartbeat(1).encode()))])
async def test_a_full_queue_drops_and_reports(limits: Limits) -> None:
    async with pair(limits) as both:
        both.sender.send([*(heartbeat(1) for _ in range(5)), snapshot()])
        assert both.one.unreachable == [2, 2, 2]
        assert both.one.snapshots == [(2, SnapshotStatus.FAILURE)]
        await until(lambda: len(both.two.messages) == 3)
        both.sender.send([snapshot(size=1000)])
        await until(lambda: len(both.two.messages) == 4)


async def test_a_message_that_fits_no_frame_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "MAX_FRAME_BYTES", 1000)
    async with pair() as both:
        both.sender.send([snapshot(size=2000), heartbeat()])
        assert (both.one.snapshots, both.one.unreachable) == ([(2, SnapshotStatus.FAILURE)], [2])
        await until(lambda: both.two.messages)
        assert [m.type for m in both.two.messages] == [MessageType.MSG_HEARTBEAT]


async def test_a_message_without_an_encoding_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """For example an append with more entries than one encoding may hold; here one that nests too deep."""
    m = Message()
    for _ in range(200):
        m = Message(responses=[m], to=2)
    async with pair() as both:
        both.sender.send([m, heartbeat(1)])
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(1)]
        assert (both.sender.traffic.dropped_messages, both.one.unreachable) == (1, [2])
    assert "to 2 has no encoding and is dropped: nested deeper than 100 levels" in caplog.text


async def test_a_peer_that_takes_nothing_is_given_up() -> None:
    """Its connection is closed after a while, and messages on the way are lost."""
    with socket.create_server((HOST, 0)) as listener:
        node = Node()
        limits = Limits(write_seconds=0.1)
        sender = Transport(1, node, {2: listener.getsockname()[:2]}, limits)
        sender.send([snapshot(size=20 << 20)])
        await until(lambda: node.unreachable)
        assert node.snapshots == [(2, SnapshotStatus.FAILURE)]
        await sender.close()


@pytest.mark.parametrize(
    "hello",
    [
        struct.pack(">L8sQ", 16, b"RAFTWIR2", 1),
        struct.pack(">L8sQ", 17, b"RAFTWIR1", 1),
        struct.pack(">L8sQ", 16, b"RAFTWIR1", 0),
        b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
        b"\xff" * 20,
    ],
)
async def test_a_connection_begins_with_a_hello(hello: bytes) -> None:
    async with pair() as both, connected(both, hello) as (reader, writer):
        writer.write(frame.encode_frame(heartbeat().encode()))
        assert await is_closed(reader)
        assert both.two.messages == []


async def test_a_hello_must_come_soon() -> None:
    async with pair(Limits(hello_seconds=0.05)) as both, connected(both, b"\0\0") as (reader, _):
        assert await is_closed(reader)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">L", (64 << 20) + 1),
        frame.encode_frame(b"\x0f"),
        frame.encode_frame(b"\x10\xff"),
    ],
    ids=["long", "wire type", "cut off"],
)
async def test_a_connection_ends_at_invalid_bytes(data: bytes) -> None:
    async with pair() as both, connected(both) as (reader, writer):
        writer.write(frame.encode_frame(heartbeat(1).encode()))
        await until(lambda: both.two.messages)
        writer.write(data)
        assert await is_closed(reader)
        assert len(both.two.messages) == 1
        async with connected(both) as (_, another):
            another.write(frame.encode_frame(heartbeat(2).encode()))
            await until(lambda: len(both.two.messages) == 2)


async def test_a_message_cut_in_pieces_arrives() -> None:
    async with pair() as both, connected(both, b"") as (_, writer):
        data = frame.encode_frame(frame.encode_hello(1)) + frame.encode_frame(heartbeat(7).encode()) * 2
        for at in range(len(data)):
            writer.write(data[at : at + 1])
            await writer.drain()
        await until(lambda: len(both.two.messages) == 2)


async def test_what_no_peer_may_send_is_ignored() -> None:
    async with pair() as both, connected(both) as (_, writer):
        for m in (
            heartbeat(to=3),
            Message(type=MessageType.MSG_FORGET_LEADER, to=2, from_=1),
            Message(type=MessageType.MSG_STORAGE_APPLY_RESP, to=2, from_=2**64 - 2),
            Message(type=MessageType.MSG_HUP, to=2, from_=1),
        ):
            writer.write(frame.encode_frame(m.encode()))
        # The sender need not be the process that opened the connection.
        writer.write(frame.encode_frame(heartbeat(9, from_=77).encode()))
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(9, from_=77)]
        assert both.receiver.traffic.ignored_messages == 4


async def test_a_message_that_the_node_refuses_is_ignored() -> None:
    async with pair() as both, connected(both) as (_, writer):
        both.two.error = MalformedMessage("no")
        writer.write(frame.encode_frame(heartbeat(1).encode()))
        await until(lambda: both.receiver.traffic.ignored_messages)
        both.two.error = None
        writer.write(frame.encode_frame(heartbeat(2).encode()))
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(2)]


async def frames_at_once(writer: asyncio.StreamWriter, messages: Iterable[Message]) -> None:
    """Write the frames of messages in one call; if it is small, the loopback device delivers it in one piece."""
    writer.write(b"".join(frame.encode_frame(m.encode()) for m in messages))
    await writer.drain()


async def test_what_arrives_together_is_stepped_in_one_call() -> None:
    async with pair() as both, connected(both) as (_, writer):
        sent = [heartbeat(number) for number in range(20)]
        await frames_at_once(writer, sent)
        await until(lambda: len(both.two.messages) == len(sent))
        assert both.two.messages == sent
        assert both.two.calls == [len(sent)]
        await frames_at_once(writer, [heartbeat(to=3), Message(type=MessageType.MSG_HUP, to=2, from_=1)])
        await until(lambda: both.receiver.traffic.ignored_messages == 2)
        assert both.two.calls == [len(sent)], "a call without a message"


async def test_no_call_brings_so_many_messages_that_others_wait_long() -> None:
    async with pair() as both, connected(both) as (_, writer):
        sent = [heartbeat(number) for number in range(5000)]
        await frames_at_once(writer, sent)
        await until(lambda: len(both.two.messages) == len(sent))
        assert both.two.messages == sent
        assert max(both.two.calls) == 64
        assert len(both.two.calls) < len(sent) // 8


@pytest.mark.parametrize("error", [MalformedMessage("no"), Overloaded("too much")])
async def test_a_refused_message_takes_no_other_with_it(error: RaftError, caplog: pytest.LogCaptureFixture) -> None:
    async with pair() as both, connected(both) as (_, writer):
        both.two.errors = {3: error, 4: error, 9: error}
        forgotten = Message(type=MessageType.MSG_FORGET_LEADER, to=2, from_=1)
        sent = [heartbeat(number, from_=70 + number) for number in range(10)]
        await frames_at_once(writer, [*sent[:2], forgotten, heartbeat(2, to=3), *sent[2:]])
        await until(lambda: both.receiver.traffic.ignored_messages == 5)
        assert both.two.calls == [10]
        assert [m.commit for m in both.two.messages] == [0, 1, 2, 5, 6, 7, 8]
        assert both.receiver.traffic.received_messages == 12
        await frames_at_once(writer, [heartbeat(11)])
        await until(lambda: both.two.messages[-1].commit == 11)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    refused = f"MsgHeartbeat from 1 to 2 ignored: {error}"
    assert told == ["MsgForgetLeader from 1 to 2 ignored: MsgForgetLeader is only for the node itself", *[refused] * 3]


async def test_what_comes_before_bytes_that_are_no_message_is_stepped() -> None:
    async with pair() as both, connected(both) as (reader, writer):
        sent = [heartbeat(number) for number in range(5)]
        good = b"".join(frame.encode_frame(m.encode()) for m in sent)
        writer.write(good + frame.encode_frame(b"\x10\xff") + good)
        assert await is_closed(reader)
        assert both.two.messages == sent


@pytest.mark.parametrize("error", [Stopped(), LogLost("gone"), InvariantError("broken")])
async def test_a_node_that_dies_of_a_message_takes_none_after_it(error: RaftError) -> None:
    async with pair() as both, connected(both) as (reader, writer):
        both.two.errors = {3: error}
        await frames_at_once(writer, [heartbeat(number) for number in range(6)])
        assert await is_closed(reader)
        assert [m.commit for m in both.two.messages] == [0, 1, 2]


async def test_proposals_among_others_keep_their_own_order() -> None:
    async with pair() as both, connected(both) as (_, writer):
        proposals = [Message(type=MessageType.MSG_PROP, to=2, from_=1, entries=[Entry(data=b"%d" % i)]) for i in (1, 2)]
        await frames_at_once(writer, [heartbeat(1), proposals[0], heartbeat(2), proposals[1], heartbeat(3)])
        await until(lambda: len(both.two.messages) == 5)
        assert both.two.calls == [3]
        assert [m for m in both.two.messages if m.type == MessageType.MSG_PROP] == proposals
        assert [m.commit for m in both.two.messages if m.type != MessageType.MSG_PROP] == [1, 2, 3]


@pytest.mark.parametrize("error", [Stopped(), InvariantError("broken")])
async def test_a_dead_node_ends_the_connection(error: RaftError) -> None:
    async with pair() as both, connected(both) as (reader, writer):
        both.two.error = error
        writer.write(frame.encode_frame(heartbeat(1).encode()))
        assert await is_closed(reader)


async def test_reports_to_a_stopped_node_are_ignored() -> None:
    node = Node()
    node.error = Stopped()
    sender = Transport(1, node)
    sender.send([heartbeat(), snapshot()])
    await sender.close()


async def test_waiting_proposals_hold_up_nothing_else() -> None:
    async with pair(Limits(waiting_proposals=2)) as both, connected(both) as (_, writer):
        both.two.leader.clear()
        for number in range(5):
            m = Message(type=MessageType.MSG_PROP, to=2, from_=1, entries=[Entry(data=b"%d" % number)])
            writer.write(frame.encode_frame(m.encode()))
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(frame.encode_frame(heartbeat(1).encode()))
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(1)]
        # One is with the node, and two are in the queue.
        assert both.receiver.traffic.ignored_messages == 2
        both.two.leader.set()
        await until(lambda: len(both.two.messages) == 4)
        assert [m.entries[0].data for m in both.two.messages[1:]] == [b"0", b"1", b"2"]


async def test_the_bytes_of_incomplete_frames_are_limited() -> None:
    """They count over all connections, until their frame is complete or their connection is closed."""
    part = struct.pack(">L", 1000) + bytes(500)
    async with pair(Limits(pending_bytes=1200)) as both:
        for _ in range(2):
            async with connected(both) as (_, first), connected(both) as (second_reader, second):
                for number in range(5):
                    first.write(frame.encode_frame(heartbeat(number).encode()))
                first.write(part)
                await until(lambda: both.receiver._incoming._pending_bytes == 504)
                second.write(part)
                await until(lambda: both.receiver._incoming._pending_bytes == 1008)
                second.write(bytes(200))
                assert await is_closed(second_reader)
                await until(lambda: both.receiver._incoming._pending_bytes == 504)
            await until(lambda: both.receiver._incoming._pending_bytes == 0)


async def test_the_bytes_of_waiting_proposals_are_limited() -> None:
    """A single proposal may be larger; a delivered one makes room again."""
    sizes = [1000, 100, 100]
    proposals = [Message(type=MessageType.MSG_PROP, to=2, from_=1, entries=[Entry(data=bytes(n))]) for n in sizes]
    async with pair(Limits(waiting_proposal_bytes=300)) as both, connected(both) as (_, writer):
        both.two.leader.clear()
        for m in proposals:
            writer.write(frame.encode_frame(m.encode()))
        writer.write(frame.encode_frame(heartbeat(1).encode()))
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(1)]
        assert both.receiver.traffic.ignored_messages == 2
        both.two.leader.set()
        await until(lambda: len(both.two.messages) == 2)
        both.two.leader.clear()
        for _ in range(3):
            writer.write(frame.encode_frame(proposals[1].encode()))
        await until(lambda: both.receiver.traffic.ignored_messages == 3)
        both.two.leader.set()
        await until(lambda: len(both.two.messages) == 4)
        assert both.two.messages[1:] == [proposals[0], proposals[1], proposals[1]]


async def test_a_message_from_oneself_is_ignored_unless_it_is_forwarded() -> None:
    """It could acknowledge entries that are not stored here. A message that this node forwarded may come back."""
    forwarded = [
        Message(type=kind, to=2, from_=2, entries=[Entry(data=b"x")])
        for kind in (MessageType.MSG_PROP, MessageType.MSG_READ_INDEX)
    ] + [Message(type=MessageType.MSG_TRANSFER_LEADER, to=2, from_=2, term=1)]
    async with pair() as both, connected(both) as (_, writer):
        for kind in MessageType:
            if kind not in [m.type for m in forwarded]:
                writer.write(frame.encode_frame(Message(type=kind, to=2, from_=2, term=1, index=9).encode()))
        for m in forwarded:
            writer.write(frame.encode_frame(m.encode()))
        await until(lambda: len(both.two.messages) == 3)
        assert sorted(m.encode() for m in both.two.messages) == sorted(m.encode() for m in forwarded)
        assert both.receiver.traffic.ignored_messages == len(MessageType) - 3


async def test_connections_are_limited() -> None:
    async with pair(Limits(connections=2)) as both, connected(both), connected(both):
        await asyncio.sleep(0.05)
        async with connected(both) as (reader, _):
            assert await is_closed(reader)
        # There is room again once one has closed.
    async with pair(Limits(connections=1)) as both:
        async with connected(both):
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.05)
        async with connected(both) as (_, writer):
            writer.write(frame.encode_frame(heartbeat(1).encode()))
            await until(lambda: both.two.messages)


async def test_wrong_use_is_an_error() -> None:
    node = Node()
    sender = Transport(1, node)
    for thread in (2**64 - 1, 2**64 - 2):
        with pytest.raises(ValueError, match="MsgStorageAppend is for a storage thread, not for the network"):
            sender.send([Message(type=MessageType.MSG_STORAGE_APPEND, to=thread)])
    with pytest.raises(ValueError, match="1 is the id of this node, not of a peer"):
        await sender.set_peer(1, (HOST, 1))
    with pytest.raises(ValueError, match="queue_bytes must be positive"):
        Limits(queue_bytes=0)
    with socket.create_server((HOST, 0)) as taken, pytest.raises(OSError, match="address already in use"):
        await sender.listen(HOST, taken.getsockname()[1])
    await sender.close()


async def test_closing_leaves_no_task_behind() -> None:
    async with pair() as both:
        both.sender.send([heartbeat(1)])
        await until(lambda: both.two.messages)
        await both.sender.close()
        await both.sender.close()
        await both.receiver.close()
        await both.receiver.close()
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
