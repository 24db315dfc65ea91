"""The transport between real sockets: what arrives, what is dropped, and what is said about it."""

import asyncio
import socket
import struct
from typing import Any

import pytest

from raftcy.errors import (
    BadPeer,
    InvariantError,
    LogLost,
    MalformedMessage,
    MessageTooLong,
    Overloaded,
    RaftError,
    RangeError,
    Stopped,
    TransportError,
)
from raftcy.transport import Limits, Transport, frame
from raftcy.transport import packets as p
from raftcy.transport.conversation import Greeted, Refused
from raftcy.wire.enums import MessageType, SnapshotStatus
from raftcy.wire.messages import Entry, Message
from tests.support.transports import (
    FAST,
    HOST,
    Direct,
    Pair,
    Waiting,
    connected,
    dialled,
    free_port,
    heartbeat,
    message_bytes,
    pair,
    proposal,
    silent_peer,
    snapshot,
    tasks_left,
    until,
)

BOTH = pytest.mark.parametrize("kind", [Direct, Waiting])


@BOTH
async def test_messages_arrive_in_order(kind: Any) -> None:
    async with pair(receiver=kind()) as both:
        large = Message(type=MessageType.MSG_APP, to=2, from_=1, entries=[Entry(data=b"x" * (3 << 20))])
        sent = [*(heartbeat(i) for i in range(1000)), large, heartbeat(1000)]
        both.sender.send(sent)
        await until(lambda: len(both.two.messages) == len(sent))
        assert [m.encode() for m in both.two.messages] == [m.encode() for m in sent]
        size = sum(len(m.encode()) for m in sent)
        out, into = both.sender.counters(), both.receiver.counters()
        assert (out.sent_messages, out.sent_bytes, out.dropped_messages, out.connects) == (len(sent), size, 0, 1)
        assert (into.received_messages, into.received_bytes, into.ignored_messages) == (len(sent), size, 0)
        assert (into.accepted, into.replaced, into.refused) == (1, 0, 0)
        assert both.one.unreachable == []


async def test_the_bytes_on_the_wire() -> None:
    """They are those of the published protocol; what is sent in one turn leaves in one piece."""
    arrived = asyncio.Queue[bytes]()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack(">L", await reader.readexactly(4))
        await arrived.put(await reader.readexactly(length))
        writer.write(p.encode_greeting(p.WELCOME, p.Hello(sender=9, receiver=0x0102, cluster=7)))
        await arrived.put(await reader.read(1 << 16))
        writer.close()

    async with await asyncio.start_server(accept, HOST, 0) as server:
        address = server.sockets[0].getsockname()[:2]
        sender = Transport(0x0102, Direct(), {9: address}, cluster=7, identity=8, nonce=5, advertise=[("a", 80)])
        m = heartbeat(to=9, from_=0x0102)
        sender.send([m])
        sender.send([m, m], group=3)
        hello = await asyncio.wait_for(arrived.get(), 5)
        assert hello == b"\x01rfcy\0\x02" + struct.pack(">QQQQQB", 7, 0x0102, 9, 8, 5, 1) + b"\0\x50\x01a"
        size = len(m.encode()) + 9
        data = b"".join(struct.pack(">LBQ", size, 4, group) + m.encode() for group in (0, 3, 3))
        assert (await asyncio.wait_for(arrived.get(), 5)).startswith(data)
        await sender.close()


async def test_what_cannot_be_sent_is_reported() -> None:
    both = Pair(FAST, None)
    await both.sender.set_peer(2, (HOST, free_port()))
    both.sender.send([heartbeat(), snapshot(), heartbeat()])
    await until(lambda: both.one.unreachable)
    assert both.one.snapshots == [(2, SnapshotStatus.FAILURE)]
    assert both.one.unreachable == [2]
    assert both.sender.traffic.dropped_messages == 3
    both.sender.send([heartbeat()])
    await until(lambda: len(both.one.unreachable) == 2)
    assert both.sender.traffic.failed_dials >= 2
    await both.sender.close()
    await both.receiver.close()


async def test_a_peer_without_an_address_is_unreachable() -> None:
    node = Direct()
    sender = Transport(1, node)
    sender.send([heartbeat(to=9), snapshot(to=9)])
    assert (node.unreachable, node.snapshots) == ([9, 9], [(9, SnapshotStatus.FAILURE)])
    await sender.close()


async def test_a_snapshot_is_reported_once_it_has_arrived() -> None:
    async with pair() as both:
        both.sender.send([heartbeat(), snapshot(size=5 << 20), heartbeat()])
        await until(lambda: both.one.snapshots)
        assert len(both.two.messages) >= 2
        assert (both.one.snapshots, both.one.unreachable) == ([(2, SnapshotStatus.FINISH)], [])


async def test_a_snapshot_that_has_not_arrived_is_reported() -> None:
    """Also when the operating system has taken all of it: the peer never reads it."""
    async with silent_peer() as address:
        node = Direct()
        sender = Transport(1, node, {2: address}, FAST)
        sender.send([snapshot()])
        await until(lambda: sender.traffic.sent_messages)
        await until(lambda: node.snapshots)
        assert node.snapshots == [(2, SnapshotStatus.FAILURE)]
        assert node.unreachable
        # And so is one that still waits as its peer is forgotten, or the transport closed.
        sender.send([snapshot()])
        await sender.remove_peer(2)
        assert node.snapshots == [(2, SnapshotStatus.FAILURE)] * 2
        await sender.set_peer(2, address)
        sender.send([snapshot()])
        await sender.close()
        assert node.snapshots == [(2, SnapshotStatus.FAILURE)] * 3


async def test_a_peer_that_comes_back_is_found_again() -> None:
    async with pair() as both:
        both.sender.send([heartbeat(1)])
        await until(lambda: len(both.two.messages) == 1)
        await both.receiver.close()
        # Something is noticed as lost before long; what went into the dead connection may not be.
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
        assert both.sender.traffic.reconnects == 1


async def test_a_closed_connection_is_noticed_before_the_next_message() -> None:
    """A message is not lost only because its peer restarted since the last one."""
    async with pair() as both:
        both.sender.send([heartbeat(1)])
        await until(lambda: len(both.two.messages) == 1)
        await both.receiver.close()
        both.receiver = Transport(2, both.two, limits=FAST)
        await both.receiver.listen(*both.address)
        await asyncio.sleep(0.05)
        both.sender.send([heartbeat(2)])
        await until(lambda: len(both.two.messages) == 2)


async def test_a_new_address_takes_effect() -> None:
    async with pair() as both:
        third = Direct()
        other = Transport(2, third, limits=FAST)
        await both.sender.set_peer(2, await other.listen(HOST, 0))
        assert both.sender.peers == {2: (await_address(other),)}
        both.sender.send([heartbeat(1)])
        await until(lambda: third.messages)
        await both.sender.set_peer(2, None)
        both.sender.send([heartbeat(2)])
        assert both.one.unreachable == [2]
        assert both.two.messages == []
        assert both.sender.peers == {}
        await other.close()


def await_address(transport: Transport) -> Any:
    return transport._incoming._listener.address  # type: ignore[union-attr]


@pytest.mark.parametrize("limits", [Limits(queue_messages=3), Limits(queue_bytes=3 * len(heartbeat(1).encode()))])
async def test_a_full_queue_drops_and_reports(limits: Limits) -> None:
    async with pair(limits) as both:
        both.sender.send([*(heartbeat(1) for _ in range(5)), snapshot()])
        # At a limited rate; each snapshot by itself.
        assert both.one.unreachable == [2]
        assert both.one.snapshots == [(2, SnapshotStatus.FAILURE)]
        assert both.sender.traffic.queue_full_messages == both.sender.traffic.dropped_messages == 3
        await until(lambda: len(both.two.messages) == 3)
        both.sender.send([snapshot(size=1000)])
        await until(lambda: len(both.two.messages) == 4)


async def test_a_message_that_fits_no_frame_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """At once, by name, with a report and a warning; those beside it are sent."""
    async with pair(Limits(frame_bytes=1000)) as both:
        long = snapshot(size=2000)
        with pytest.raises(MessageTooLong, match=r"MsgSnap of 20\d\d bytes to 2 does not fit into a frame") as caught:
            both.sender.send([long, heartbeat()])
        assert caught.value.messages == (long,)
        assert (both.one.snapshots, both.one.unreachable) == ([(2, SnapshotStatus.FAILURE)], [2])
        assert both.sender.traffic.too_long_messages == both.sender.traffic.dropped_messages == 1
        await until(lambda: both.two.messages)
        assert [m.type for m in both.two.messages] == [MessageType.MSG_HEARTBEAT]
        fits = snapshot(size=1000 - 9 - len(snapshot(size=200).encode()) + 200)
        assert len(fits.encode()) == 991
        both.sender.send([fits])
        await until(lambda: len(both.two.messages) == 2)
    assert [record.levelname for record in caplog.records if "does not fit" in record.message] == ["WARNING"]


async def test_a_message_without_an_encoding_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Such as an append of more entries than one encoding may hold; here one that is nested too deep."""
    m = Message()
    for _ in range(200):
        m = Message(responses=[m], to=2)
    async with pair() as both:
        both.sender.send([m, heartbeat(1)])
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(1)]
        assert (both.sender.traffic.dropped_messages, both.one.unreachable) == (1, [2])
    assert "to 2 has no encoding and is dropped: nested deeper than 100 levels" in caplog.text


@BOTH
async def test_a_message_cut_in_pieces_arrives(kind: Any) -> None:
    async with pair(receiver=kind()) as both, dialled(both.address) as caller:
        caller.speech.begin(p.Hello(sender=1, receiver=2))
        for byte in caller.speech.take_output():
            caller.write(bytes([byte]))
            await caller.writer.drain()
        assert isinstance(await caller.answer(), Greeted)
        for byte in message_bytes(heartbeat(7)) * 2:
            caller.write(bytes([byte]))
            await caller.writer.drain()
        await until(lambda: len(both.two.messages) == 2)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">L", (64 << 20) + 1),
        p.message_head(0, 1) + b"\x0f",
        p.message_head(0, 2) + b"\x10\xff",
        b"\0\0\0\x05\x04\0\0\0\0",
        b"\0\0\0\x01\x77",
    ],
    ids=["long", "wire type", "cut off", "without a group", "kind"],
)
@BOTH
async def test_a_connection_ends_at_bytes_that_are_no_message(kind: Any, data: bytes) -> None:
    async with pair(receiver=kind()) as both, connected(both.address) as caller:
        caller.write(message_bytes(heartbeat(1)) + data + message_bytes(heartbeat(2)))
        assert await caller.is_closed()
        assert both.two.messages == [heartbeat(1)]
        assert both.receiver.traffic.malformed_connections == 1
        async with connected(both.address) as another:
            another.say(heartbeat(3))
            await until(lambda: len(both.two.messages) == 2)


@BOTH
async def test_what_no_peer_may_send_is_ignored(kind: Any) -> None:
    async with pair(receiver=kind()) as both, connected(both.address) as caller:
        caller.say(
            heartbeat(to=3),
            Message(type=MessageType.MSG_FORGET_LEADER, to=2, from_=1),
            Message(type=MessageType.MSG_STORAGE_APPLY_RESP, to=2, from_=2**64 - 2),
            Message(type=MessageType.MSG_HUP, to=2, from_=1),
        )
        caller.say(heartbeat(4), group=5)
        caller.say(heartbeat(9))
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(9)]
        counted = both.receiver.counters()
        assert (counted.ignored_messages, counted.foreign_messages) == (5, 1)
        assert (counted.forbidden_messages, counted.groupless_messages) == (3, 1)


@BOTH
async def test_the_sender_of_a_message_is_that_of_its_connection(kind: Any) -> None:
    """Otherwise one member could acknowledge in another's name, or in this node's own.

    A request that a member forwards keeps its first sender, which may be this node itself.
    """
    forwarded = [MessageType.MSG_PROP, MessageType.MSG_READ_INDEX, MessageType.MSG_TRANSFER_LEADER]
    for forged in (2, 77):
        async with pair(receiver=kind()) as both, connected(both.address) as caller:
            for type in MessageType:
                if type not in forwarded:
                    caller.say(Message(type=type, to=2, from_=forged, term=1, index=9))
            sent = [Message(type=type, to=2, from_=forged, entries=[Entry(data=b"x")]) for type in forwarded]
            caller.say(*sent)
            await until(lambda: len(both.two.messages) == 3)
            assert sorted(m.encode() for m in both.two.messages) == sorted(m.encode() for m in sent)
            assert both.receiver.traffic.ignored_messages == len(MessageType) - 3
            # What also is forbidden, whoever says it, is counted as that.
            counted = both.receiver.counters()
            assert counted.foreign_messages + counted.forbidden_messages == len(MessageType) - 3
            assert counted.foreign_messages > 10


async def test_a_message_that_the_node_refuses_is_ignored() -> None:
    async with pair() as both, connected(both.address) as caller:
        both.two.errors = {1: MalformedMessage("no")}
        caller.say(heartbeat(1))
        await until(lambda: both.receiver.traffic.ignored_messages)
        caller.say(heartbeat(2))
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(2)]


@BOTH
async def test_what_arrives_together_is_delivered_in_one_call(kind: Any) -> None:
    async with pair(receiver=kind()) as both, connected(both.address) as caller:
        sent = [heartbeat(number) for number in range(20)]
        caller.say(*sent)
        await until(lambda: len(both.two.messages) == len(sent))
        assert both.two.messages == sent
        assert both.two.calls == [len(sent)]
        caller.say(heartbeat(to=3), Message(type=MessageType.MSG_HUP, to=2, from_=1))
        await until(lambda: both.receiver.traffic.ignored_messages == 2)
        assert both.two.calls == [len(sent)], "a call without a message"


@pytest.mark.parametrize(("kind", "most"), [(Direct, 256), (Waiting, 64)])
async def test_no_call_brings_so_many_messages_that_others_wait_long(kind: Any, most: int) -> None:
    async with pair(receiver=kind()) as both, connected(both.address) as caller:
        sent = [heartbeat(number) for number in range(5000)]
        caller.say(*sent)
        await until(lambda: len(both.two.messages) == len(sent))
        assert both.two.messages == sent
        assert max(both.two.calls) == most
        assert len(both.two.calls) < len(sent) // 8


async def test_what_may_not_be_delivered_holds_up_nobody_either() -> None:
    """The event loop gets its turn among messages that are all ignored."""
    async with pair() as both, connected(both.address) as caller:
        caller.write(message_bytes(heartbeat(to=3)) * 4000)
        seen = set()
        while both.receiver.traffic.ignored_messages < 4000:
            seen.add(both.receiver.traffic.ignored_messages)
            await asyncio.sleep(0)
        assert len(seen) > 4


@pytest.mark.parametrize("error", [MalformedMessage("no"), Overloaded("too much")])
@BOTH
async def test_a_refused_message_takes_no_other_with_it(
    kind: Any, error: RaftError, caplog: pytest.LogCaptureFixture
) -> None:
    async with pair(receiver=kind()) as both, connected(both.address) as caller:
        getattr(both.two, "inner", both.two).errors = {3: error, 4: error, 9: error}
        forgotten = Message(type=MessageType.MSG_FORGET_LEADER, to=2, from_=1)
        sent = [heartbeat(number) for number in range(10)]
        caller.say(*sent[:2], forgotten, heartbeat(2, to=3), *sent[2:])
        await until(lambda: both.receiver.traffic.ignored_messages == 5)
        assert both.two.calls == [10]
        assert [m.commit for m in both.two.messages] == [0, 1, 2, 5, 6, 7, 8]
        assert both.receiver.traffic.received_messages == 12
        caller.say(heartbeat(11))
        await until(lambda: both.two.messages[-1].commit == 11)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    # Of one kind, one line a second.
    assert told == [
        "MsgForgetLeader from 1 to 2 ignored: MsgForgetLeader is only for the node itself",
        "MsgHeartbeat from 1 to 2 ignored: it is for node 3",
        f"MsgHeartbeat from 1 to 2 ignored: {error}",
    ]


@pytest.mark.parametrize("error", [Stopped(), LogLost("gone"), InvariantError("broken")])
@BOTH
async def test_a_node_that_dies_of_a_message_takes_none_after_it(kind: Any, error: RaftError) -> None:
    async with pair(receiver=kind()) as both, connected(both.address) as caller:
        node = getattr(both.two, "inner", both.two)
        node.errors = {3: error}
        caller.say(*[heartbeat(number) for number in range(6)])
        await until(lambda: both.receiver.traffic.ignored_messages)
        caller.say(heartbeat(6))
        assert await caller.is_closed()
        assert [m.commit for m in both.two.messages] == [0, 1, 2]
        assert both.receiver.failure is None
        # A stopped node is not worth a connection.
        async with dialled(both.address) as another:
            answer = await another.greet()
            assert isinstance(answer, Refused)
            assert answer.refusal.reason == p.Reason.BUSY


async def test_proposals_among_others_keep_their_own_order() -> None:
    async with pair(receiver=Waiting()) as both, connected(both.address) as caller:
        proposals = [proposal(b"%d" % i) for i in (1, 2)]
        caller.say(heartbeat(1), proposals[0], heartbeat(2), proposals[1], heartbeat(3))
        await until(lambda: len(both.two.messages) == 5)
        assert both.two.calls == [3]
        assert [m for m in both.two.messages if m.type == MessageType.MSG_PROP] == proposals
        assert [m.commit for m in both.two.messages if m.type != MessageType.MSG_PROP] == [1, 2, 3]


async def test_a_direct_receiver_gets_proposals_among_the_others() -> None:
    async with pair() as both, connected(both.address) as caller:
        sent = [heartbeat(1), proposal(b"1"), heartbeat(2)]
        caller.say(*sent)
        await until(lambda: len(both.two.messages) == 3)
        assert (both.two.messages, both.two.calls) == (sent, [3])


async def test_reports_to_a_stopped_node_are_no_error() -> None:
    node = Direct()
    node.error = Stopped()
    sender = Transport(1, node)
    sender.send([heartbeat(), snapshot()])
    assert sender.failure is None
    await sender.close()


async def test_waiting_proposals_hold_up_nothing_else() -> None:
    async with pair(Limits(waiting_proposals=2), Waiting()) as both, connected(both.address) as caller:
        both.two.leader.clear()
        for number in range(5):
            caller.say(proposal(b"%d" % number))
            await caller.writer.drain()
            await asyncio.sleep(0.01)
        caller.say(heartbeat(1))
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(1)]
        # One is with the node and two are in the queue.
        assert both.receiver.traffic.ignored_messages == both.receiver.traffic.overloaded_proposals == 2
        both.two.leader.set()
        await until(lambda: len(both.two.messages) == 4)
        assert [m.entries[0].data for m in both.two.messages[1:]] == [b"0", b"1", b"2"]


async def test_the_bytes_of_waiting_proposals_are_limited() -> None:
    """A single one may be larger; what was handed on leaves room again."""
    proposals = [proposal(bytes(size)) for size in (1000, 100, 100)]
    async with pair(Limits(waiting_proposal_bytes=300), Waiting()) as both, connected(both.address) as caller:
        both.two.leader.clear()
        caller.say(*proposals)
        caller.say(heartbeat(1))
        await until(lambda: both.two.messages)
        assert both.two.messages == [heartbeat(1)]
        assert both.receiver.traffic.ignored_messages == 2
        both.two.leader.set()
        await until(lambda: len(both.two.messages) == 2)
        both.two.leader.clear()
        caller.say(*[proposals[1]] * 3)
        await until(lambda: both.receiver.traffic.ignored_messages == 3)
        both.two.leader.set()
        await until(lambda: len(both.two.messages) == 4)
        assert both.two.messages[1:] == [proposals[0], proposals[1], proposals[1]]


async def test_the_bytes_of_incomplete_frames_are_limited() -> None:
    """They count over all connections, until their frame is complete or their connection gone."""
    part = struct.pack(">L", 1000) + bytes(500)
    async with pair(Limits(pending_bytes=1200)) as both:
        shared = both.receiver._shared
        for _ in range(2):
            async with connected(both.address, sender=5) as first, connected(both.address, sender=6) as second:
                for number in range(5):
                    first.say(heartbeat(number, from_=5))
                first.write(part)
                await until(lambda: shared.pending_bytes == 504)
                second.write(part)
                await until(lambda: shared.pending_bytes == 1008)
                second.write(bytes(200))
                assert await second.is_closed()
                await until(lambda: shared.pending_bytes == 504)
            await until(lambda: shared.pending_bytes == 0)


async def test_groups_have_receivers_of_their_own() -> None:
    async with pair() as both, connected(both.address) as caller:
        more, waits = Direct(), Waiting()
        both.receiver.attach(7, more)
        both.receiver.attach(2**64 - 1, waits)
        for number in range(3):
            caller.say(heartbeat(number))
            caller.say(heartbeat(10 + number), group=7)
            caller.say(heartbeat(20 + number), group=2**64 - 1)
        await until(lambda: sum(len(each.messages) for each in (both.two, more, waits)) == 9)
        for first, node in ((0, both.two), (10, more), (20, waits)):
            assert [m.commit for m in node.messages] == [first, first + 1, first + 2]
        # One that has stopped ends nothing for the others.
        more.error = Stopped()
        caller.say(heartbeat(1), group=7)
        caller.say(heartbeat(3))
        await until(lambda: len(both.two.messages) == 4)
        both.receiver.detach(2**64 - 1)
        caller.say(heartbeat(1), group=2**64 - 1)
        await until(lambda: both.receiver.traffic.groupless_messages == 1)
        # Reports go to the group that they concern.
        sending = Direct()
        both.sender.attach(7, sending)
        both.sender.send([snapshot(to=9)], group=7)
        assert (sending.unreachable, both.one.unreachable) == ([9], [])
        for number in (-1, 2**64):
            with pytest.raises(RangeError, match="group must be"):
                both.receiver.attach(number, more)


async def test_what_was_sent_can_be_written_before_the_turn_ends() -> None:
    async with pair() as both:
        both.sender.send([heartbeat(1)])
        await until(lambda: both.two.messages)
        both.sender.send([heartbeat(2), heartbeat(3)])
        assert both.sender.traffic.sent_messages == 1
        both.sender.flush()
        assert both.sender.traffic.sent_messages == 3
        both.sender.flush()
        await until(lambda: len(both.two.messages) == 3)


async def test_wrong_use_is_an_error() -> None:
    """It is refused when it is made: the node's own id as a peer, storage threads, numbers out of range.

    catches: faults#H
    """
    sender = Transport(1, Direct())
    for thread in (2**64 - 1, 2**64 - 2):
        with pytest.raises(ValueError, match="MsgStorageAppend is for a storage thread, not for the network"):
            sender.send([Message(type=MessageType.MSG_STORAGE_APPEND, to=thread)])
        with pytest.raises(BadPeer, match="is no id of a node"):
            await sender.set_peer(thread, (HOST, 1))
    with pytest.raises(BadPeer, match="1 is the id of this node, not of a peer"):
        await sender.set_peer(1, (HOST, 1))
    with pytest.raises(BadPeer, match="1 is the id of this node, not of a peer"):
        Transport(1, Direct(), {1: (HOST, 1)})
    for id in (0, 2**64, True, "1"):
        with pytest.raises(BadPeer, match="is no id of a node"):
            Transport(id, Direct())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="queue_bytes must be positive"):
        Limits(queue_bytes=0)
    with pytest.raises(ValueError, match="frame_bytes must be at most"):
        Limits(frame_bytes=frame.MAX_FRAME_BYTES + 1)
    for name in ("cluster", "identity", "nonce"):
        with pytest.raises(RangeError, match=f"{name} must be 0 to"):
            Transport(1, Direct(), **{name: 2**64})  # type: ignore[arg-type]
    with socket.create_server((HOST, 0)) as taken, pytest.raises(OSError, match="address already in use"):
        await sender.listen(HOST, taken.getsockname()[1])
    await sender.close()
    with pytest.raises(TransportError, match="closed"):
        await sender.listen(HOST, 0)
    with pytest.raises(TransportError, match="closed"):
        await sender.set_peer(2, (HOST, 1))


async def test_closing_leaves_no_task_behind() -> None:
    async with pair() as both:
        both.sender.send([heartbeat(1)])
        await until(lambda: both.two.messages)
        await both.sender.close()
        await both.sender.close()
        await both.receiver.close()
        await both.receiver.close()
        assert tasks_left() == []
        # What is sent from now on is dropped, and counted.
        both.sender.send([heartbeat(2)])
        assert both.sender.traffic.dropped_messages == 1


async def test_counters_of_each_peer() -> None:
    async with pair() as both:
        await both.receiver.set_peer(1, (HOST, free_port()))
        both.sender.send([heartbeat(number) for number in range(5)])
        await until(lambda: len(both.two.messages) == 5)
        sent, received = both.sender.by_peer()[2], both.receiver.by_peer()[1]
        assert (sent.sent_messages, sent.received_messages, sent.is_connected) == (5, 0, True)
        assert sent.sent_bytes == sum(len(heartbeat(number).encode()) for number in range(5))
        assert (received.received_messages, received.received_bytes) == (5, sent.sent_bytes)
        assert (received.sent_messages, received.is_connected, received.queued_bytes) == (0, False, 0)
        # Strangers are not counted one by one: there may be any number of them.
        await both.receiver.remove_peer(1)
        await both.sender.set_peer(2, None)
        assert both.sender.by_peer() == both.receiver.by_peer() == {}
