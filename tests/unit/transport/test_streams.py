"""The bodies of snapshots, each on a connection of its own: whole, in order, resumed, bounded, and with one report."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from raftcy.errors import Corruption, DecodeError, NotNow
from raftcy.transport import Limits, Reason, Transport
from raftcy.transport import packets as p
from raftcy.transport import streampackets as sp
from raftcy.transport.bucket import Bucket
from raftcy.transport.conversation import Greeted, Refused, Speech, Streamed
from raftcy.wire.enums import SnapshotStatus
from tests.support.depots import PIECE, Store, announcing
from tests.support.transports import (
    FAST,
    HOST,
    Caller,
    Direct,
    Pair,
    Waiting,
    connected,
    dialled,
    heartbeat,
    pair,
    silent_peer,
    snapshot,
    tasks_left,
    until,
)

FINISH, FAILURE = SnapshotStatus.FINISH, SnapshotStatus.FAILURE
BODY = random.Random(1).randbytes(100 * PIECE + 7)


@asynccontextmanager
async def stores(limits: Limits = FAST, receiver: Any = None, **bodies: bytes) -> AsyncIterator[tuple[Pair, Store]]:
    """Transport 1 with these bodies, and the store of transport 2."""
    both = Pair(limits, receiver)
    sending, taking = Store(**({"a": BODY} | bodies)), Store()
    both.sender._shared.depot = sending
    both.receiver._shared.depot = taking
    await both.begin()
    try:
        yield both, taking
    finally:
        await both.sender.close()
        await both.receiver.close()
        assert sending.open_sources == 0
        assert taking.users == {}


def inflows(transport: Transport) -> list[Any]:
    return [each for each in transport._incoming._connections if each.inflow is not None]


def break_streams(transport: Transport) -> None:
    for each in inflows(transport):
        each.abort()


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 100 * PIECE])
@pytest.mark.parametrize("kind", [Direct, Waiting])
async def test_a_body_comes_whole_and_then_its_message(size: int, kind: Any) -> None:
    """The message is delivered, and the snapshot reported, once the body is stored.

    catches: redisraft#43
    """
    async with stores(receiver=kind(), a=BODY[:size]) as (both, store):
        m = announcing("a")
        both.sender.send([m])
        await until(lambda: both.one.snapshots)
        assert both.one.snapshots == [(2, FINISH)]
        assert store.arrived == {"a": BODY[:size]}
        await until(lambda: both.two.messages)
        assert both.two.messages == [m]
        await until(lambda: not inflows(both.receiver))
        assert (both.sender.traffic.streams_begun, both.sender.traffic.streams_stored) == (1, 1)
        assert both.sender.traffic.stream_bytes == size
        assert both.receiver.traffic.streams_received == 1


async def test_a_snapshot_with_its_state_goes_in_its_message() -> None:
    async with stores() as (both, store):
        both.sender.send([snapshot()])
        await until(lambda: both.one.snapshots)
        assert both.two.messages == [snapshot()]
        assert store.begun == []


async def test_messages_do_not_wait_for_a_body() -> None:
    async with stores() as (both, store):
        go_on = asyncio.Event()
        store.on_write = lambda sink, piece: go_on.wait()
        both.sender.send([announcing("a"), heartbeat(1)])
        await until(lambda: store.users)
        await until(lambda: both.two.messages)
        assert [m.commit for m in both.two.messages] == [1]
        go_on.set()
        await until(lambda: both.one.snapshots == [(2, FINISH)])


async def test_a_stream_that_breaks_ten_times_goes_on_where_it_was() -> None:
    """No byte is written twice, and the snapshot is reported once.

    catches: faults#K
    """
    async with stores() as (both, store):
        breaks = iter(range(10))
        seen = []

        def on_write(sink: Any, piece: bytes) -> None:
            seen.append(len(store.parts["a"]))
            if len(seen) % 8 == 0 and next(breaks, None) is not None:
                break_streams(both.receiver)

        store.on_write = on_write
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots)
        assert both.one.snapshots == [(2, FINISH)]
        assert store.arrived == {"a": BODY}
        assert len(store.begun) == 11
        assert store.begun[0] == ("a", 0)
        assert all(0 < before < at for (_, before), (_, at) in zip(store.begun[1:], store.begun[2:], strict=False))
        assert store.written == len(BODY)
        assert both.sender.traffic.streams_resumed == 10
        assert both.two.messages == [announcing("a")]


async def test_a_receiver_that_comes_back_is_sent_the_rest() -> None:
    async with stores() as (both, store):
        half = asyncio.Event()

        def on_write(sink: Any, piece: bytes) -> None:
            if len(store.parts["a"]) > len(BODY) // 2:
                half.set()

        store.on_write = on_write
        both.sender.send([announcing("a")])
        await half.wait()
        await both.receiver.close()
        again = Transport(2, both.two, limits=FAST)
        again._shared.depot = store
        store.on_write = None
        await again.listen(*both.address)
        await until(lambda: both.one.snapshots)
        assert both.one.snapshots == [(2, FINISH)]
        assert store.arrived == {"a": BODY}
        await again.close()


async def test_little_is_on_its_way() -> None:
    limits = replace(FAST, stream_window_bytes=5 * PIECE)
    async with stores(limits) as (both, store):
        go_on = asyncio.Event()
        store.on_write = lambda sink, piece: go_on.wait()
        both.sender.send([announcing("a")])
        await until(lambda: store.users)
        await asyncio.sleep(0.1)
        assert both.sender.traffic.stream_bytes <= 6 * PIECE
        go_on.set()
        await until(lambda: both.one.snapshots)
        assert store.arrived == {"a": BODY}


async def test_few_streams_send_at_a_time() -> None:
    limits = replace(FAST, streams=2)
    async with stores(limits) as (both, store):
        running = most = 0

        async def on_write(sink: Any, piece: bytes) -> None:
            nonlocal running, most
            running += 1
            most = max(most, len(store.users))
            await asyncio.sleep(0)
            running -= 1

        for group in range(6):
            both.sender._shared.attach(group, both.one)
            both.receiver._shared.attach(group, both.two)
            name = f"b{group}"
            both.sender._shared.depot.bodies[name] = BODY  # type: ignore[union-attr]
            both.sender.send([announcing(name)], group)
        store.on_write = on_write
        await until(lambda: len(both.one.snapshots) == 6)
        assert both.one.snapshots == [(2, FINISH)] * 6
        assert most == 2
        assert len(store.arrived) == 6


async def test_too_many_that_wait_are_reported() -> None:
    limits = replace(FAST, streams=1, waiting_streams=2)
    async with stores(limits) as (both, store):
        go_on = asyncio.Event()
        store.on_write = lambda sink, piece: go_on.wait()
        for group in range(3):
            both.sender._shared.attach(group, both.one)
            both.receiver._shared.attach(group, both.two)
            both.sender.send([announcing("a")], group)
        assert both.one.snapshots == [(2, FAILURE)]
        go_on.set()
        await until(lambda: len(both.one.snapshots) == 3)


async def test_a_receiver_of_too_many_is_asked_again() -> None:
    limits = replace(FAST, incoming_streams=1)
    async with stores(limits) as (both, store):
        go_on = asyncio.Event()
        store.on_write = lambda sink, piece: go_on.wait()
        both.sender._shared.attach(1, both.one)
        both.receiver._shared.attach(1, both.two)
        both.sender._shared.depot.bodies["b"] = BODY  # type: ignore[union-attr]
        both.sender.send([announcing("a")])
        await until(lambda: store.users)
        both.sender.send([announcing("b")], 1)
        await until(lambda: both.receiver.traffic.refused)
        assert both.one.snapshots == []
        go_on.set()
        await until(lambda: len(both.one.snapshots) == 2)
        assert both.one.snapshots == [(2, FINISH)] * 2


def test_a_bucket_lets_so_many_pass() -> None:
    bucket = Bucket(1000)
    assert bucket.take(500, 10.0) == 0.5
    assert bucket.take(500, 10.0) == 1.0
    assert bucket.take(100, 10.5) == pytest.approx(0.6)
    assert bucket.take(100, 20.0) == pytest.approx(0.1), "what nobody used is not saved"


async def test_the_rate_is_kept() -> None:
    limits = replace(FAST, stream_bytes_per_second=10 * len(BODY))
    async with stores(limits) as (both, _):
        loop = asyncio.get_running_loop()
        begun = loop.time()
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots)
        assert loop.time() - begun > 0.09


# -- one after the other


async def test_a_newer_snapshot_replaces_an_older_one() -> None:
    """The older one is not reported, since that would pass for a report of the newer one.

    catches: faults#K
    """
    async with stores(newer=BODY[::-1]) as (both, store):
        go_on = asyncio.Event()
        store.on_write = lambda sink, piece: go_on.wait() if sink.name == "a" else None
        both.sender.send([announcing("a")])
        await until(lambda: store.users)
        both.sender.send([announcing("newer")])
        await until(lambda: both.one.snapshots)
        assert both.one.snapshots == [(2, FINISH)]
        assert store.arrived == {"newer": BODY[::-1]}
        go_on.set()
        await asyncio.sleep(0.05)
        assert both.one.snapshots == [(2, FINISH)]
        assert both.two.messages == [announcing("newer")]


async def test_the_same_snapshot_again_changes_nothing_and_in_a_new_term_goes_on() -> None:
    async with stores() as (both, store):
        go_on = asyncio.Event()
        store.on_write = lambda sink, piece: None if len(store.parts["a"]) < 3 * PIECE else go_on.wait()
        both.sender.send([announcing("a")])
        await until(lambda: len(store.parts.get("a", b"")) == 3 * PIECE)
        both.sender.send([announcing("a")])
        await asyncio.sleep(0.05)
        assert store.begun == [("a", 0)]
        both.sender.send([announcing("a", term=2)])
        await until(lambda: len(store.begun) == 2)
        assert store.begun == [("a", 0), ("a", 3 * PIECE)]
        go_on.set()
        await until(lambda: both.one.snapshots)
        assert [m.term for m in both.two.messages] == [2]
        assert store.written == len(BODY)


# -- failures


async def test_what_cannot_be_read_is_reported() -> None:
    async with stores() as (both, store):
        both.sender.send([announcing("missing")])
        assert both.one.snapshots == [(2, FAILURE)]
        depot: Any = both.sender._shared.depot
        depot.read_error = Corruption("a piece is damaged")
        both.sender.send([announcing("a")])
        await until(lambda: len(both.one.snapshots) == 2)
        assert both.one.snapshots[1] == (2, FAILURE)
        assert store.arrived == {}
        depot.read_error = None
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots[2:] == [(2, FINISH)])


async def test_what_the_receiver_refuses_is_reported() -> None:
    """Whatever the reason, the sender hears of it.

    catches: faults#K
    """
    async with stores() as (both, store):
        store.refuse = NotNow("no room")
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, FAILURE)])
        store.refuse = None

        def full(sink: Any, piece: bytes) -> None:
            raise NotNow("the disk is full")

        store.on_write = full
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, FAILURE)] * 2)
        both.receiver.detach(0)
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, FAILURE)] * 3)
        assert both.two.messages == []


async def test_a_bug_of_the_depot_surfaces() -> None:
    async with stores() as (both, store):
        fault = ZeroDivisionError("a bug")

        def broken(sink: Any, piece: bytes) -> None:
            raise fault

        store.on_write = broken
        both.sender._shared.limits = replace(FAST, stream_give_up_seconds=0.1)
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, FAILURE)])
        assert both.receiver.failure is fault
        depot: Any = both.sender._shared.depot
        depot.read_error = fault
        store.on_write = None
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, FAILURE)] * 2)
        assert both.sender.failure is fault


async def test_a_peer_that_is_away_is_given_up() -> None:
    limits = replace(FAST, stream_give_up_seconds=0.2)
    async with stores(limits) as (both, store):
        await both.receiver.close()
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, FAILURE)])
        assert store.begun == []


async def test_a_peer_that_says_nothing_is_given_up() -> None:
    limits = replace(FAST, stream_give_up_seconds=0.3, write_timeout_seconds=0.2)
    async with stores(limits) as (both, _), silent_peer() as address:
        await both.sender.set_peer(2, address)
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, FAILURE)])


@pytest.mark.parametrize("closer", ["sender", "receiver", "peer", "detach"])
async def test_closing_in_the_middle_leaves_nothing(closer: str) -> None:
    """Snapshots on their way are reported as failed, and no task is left.

    catches: faults#K
    """
    async with stores() as (both, store):
        go_on = asyncio.Event()
        store.on_write = lambda sink, piece: go_on.wait()
        both.sender.send([announcing("a")])
        await until(lambda: store.users)
        match closer:
            case "sender":
                await both.sender.close()
                assert both.one.snapshots == [(2, FAILURE)]
            case "receiver":
                await both.receiver.close()
                assert store.users == {}
            case "peer":
                await both.sender.remove_peer(2)
                assert both.one.snapshots == [(2, FAILURE)]
            case "detach":
                both.sender.detach(0)
        await both.sender.close()
        await both.receiver.close()
        assert tasks_left() == []


# -- who may stream


async def streaming(caller: Caller, **fields: Any) -> Any:
    caller.speech = Speech(False, streams=True)
    return await caller.greet(**fields)


async def test_a_stream_needs_the_proofs_of_any_connection() -> None:
    async with stores() as (both, _):
        for fields, reason in (
            ({"cluster": 9}, Reason.CLUSTER),
            ({"receiver": 3}, Reason.RECEIVER),
            ({"sender": 2}, Reason.OWN_ID),
        ):
            async with dialled(both.address) as caller:
                answer = await streaming(caller, **fields)
                assert isinstance(answer, Refused)
                assert answer.refusal.reason == reason
        async with connected(both.address, nonce=5):
            async with dialled(both.address) as caller:
                answer = await streaming(caller, nonce=6)
                assert isinstance(answer, Refused), "another start of the sender is connected"
                assert answer.refusal.reason == Reason.BUSY
            async with dialled(both.address) as caller:
                assert isinstance(await streaming(caller, nonce=5), Greeted)
                assert len(both.receiver._incoming._open) == 1


async def test_who_keeps_no_bodies_takes_none() -> None:
    async with pair() as both, dialled(both.address) as caller:
        answer = await streaming(caller)
        assert isinstance(answer, Refused)
        assert answer.refusal.reason == Reason.BUSY


async def said(caller: Caller) -> list[tuple[int, bytes]]:
    return [(e.payload[0], bytes(e.payload[1:])) for e in caller.events if isinstance(e, Streamed)]


@pytest.mark.parametrize(
    "m",
    [announcing("a", to=3), announcing("a", from_=3), heartbeat()],
)
async def test_a_message_that_may_not_be_delivered_brings_no_body(m: Any) -> None:
    async with stores() as (both, store), dialled(both.address) as caller:
        assert isinstance(await streaming(caller), Greeted)
        caller.write(sp.encode_offer(0, 10, m))
        assert await caller.is_closed()
        assert [kind for kind, _ in await said(caller)] == [sp.FAILED]
        assert store.begun == []
        assert both.two.messages == []


OFFER = sp.encode_offer(0, 10, announcing("a"))


@pytest.mark.parametrize(
    "data",
    [
        sp.encode_piece(0, b"x"),
        OFFER + sp.encode_piece(1, b"x"),
        OFFER + sp.encode_piece(0, b"12345678901"),
        OFFER + OFFER,
        OFFER + sp.encode_piece(0, b"x")[:-1] + b"y",
        OFFER + p.message_head(0, 0),
        OFFER + sp.encode_got(0),
        OFFER[:20] + b"\xff" * (len(OFFER) - 20),
    ],
)
async def test_who_breaks_the_rules_loses_the_connection(data: bytes) -> None:
    async with stores() as (both, store), dialled(both.address) as caller:
        assert isinstance(await streaming(caller), Greeted)
        caller.write(data)
        assert await caller.is_closed()
        assert both.receiver.traffic.malformed_connections == 1
        assert store.arrived == {}
        assert both.two.messages == []


async def test_a_flood_of_pieces_closes_the_connection() -> None:
    async with stores() as (both, store), dialled(both.address) as caller:
        go_on = asyncio.Event()
        store.on_write = lambda sink, piece: go_on.wait()
        assert isinstance(await streaming(caller), Greeted)
        caller.write(sp.encode_offer(0, 1 << 40, announcing("a")))
        piece = bytes(sp.PIECE_BYTES_MAX)
        for number in range(40):
            caller.write(sp.encode_piece(number << 20, piece))
        assert await caller.is_closed()
        assert both.receiver.traffic.malformed_connections == 1
        go_on.set()


async def test_a_body_by_hand() -> None:
    async with stores() as (both, store), dialled(both.address) as caller:
        assert isinstance(await streaming(caller), Greeted)
        caller.write(OFFER + sp.encode_piece(0, b"12345") + sp.encode_piece(5, b"67890"))
        assert await caller.is_closed()
        kinds = [kind for kind, _ in await said(caller)]
        assert kinds == [sp.GOT, sp.GOT, sp.GOT, sp.STORED]
        assert store.arrived == {"a": b"1234567890"}
        assert both.two.messages == [announcing("a")]


async def test_a_peer_that_breaks_the_rules_of_a_stream() -> None:
    """Whatever it answers: the snapshot is given up in time, and what it says breaks nothing."""
    answers = [
        sp.encode_got(len(BODY) + 1),
        sp.encode_got(10) + sp.encode_got(5),
        sp.encode_got(0)[:-1] + b"",
        sp.encode_offer(0, 1, announcing("a")),
        b"\0\0\0\x02" + bytes((sp.GOT, 0)),
    ]
    place = iter(range(1000))

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = p.Hello(sender=2, receiver=1)
        writer.write(p.encode_greeting(p.WELCOME, hello) + answers[next(place) % len(answers)])
        while await reader.read(1 << 16):
            pass
        writer.close()

    server = await asyncio.start_server(accept, HOST, 0)
    limits = replace(FAST, stream_give_up_seconds=0.5, write_timeout_seconds=0.2)
    async with stores(limits) as (both, _):
        await both.sender.set_peer(2, server.sockets[0].getsockname()[:2])
        both.sender.send([announcing("a")])
        await until(lambda: both.one.snapshots == [(2, FAILURE)])
        assert both.sender.failure is None
    server.close()


# -- packets


def test_packets_of_a_stream_come_back() -> None:
    m = announcing("a")
    group, size, found, encoded = sp.decode_offer(sp.encode_offer(7, 2**40, m)[4:])
    assert (group, size, found, encoded) == (7, 2**40, m, m.encode())
    assert sp.decode_got(sp.encode_got(2**50)[4:]) == 2**50
    assert sp.decode_piece(sp.encode_piece(2**50, b"xyz")[4:]) == (2**50, b"xyz")
    assert sp.decode_failed(sp.encode_failed("why" * 1000)[4:]) == ("why" * 1000)[:400]


def test_a_piece_that_was_damaged_on_its_way_is_noticed() -> None:
    data = bytearray(sp.encode_piece(77, b"some bytes")[4:])
    for at in range(len(data)):
        data[at] ^= 0x10
        with pytest.raises(DecodeError):
            sp.decode_piece(data)
        data[at] ^= 0x10
    for wrong in (b"", data[:13], sp.encode_got(1)[4:], data + bytes(sp.PIECE_BYTES_MAX)):
        with pytest.raises(DecodeError):
            sp.decode_piece(wrong)
    for wrong in (b"", sp.encode_offer(1, 1, announcing("a"))[4:20], sp.encode_got(1)[4:]):
        with pytest.raises(DecodeError):
            sp.decode_offer(wrong)
    with pytest.raises(DecodeError):
        sp.decode_got(b"\x09\0")
    with pytest.raises(DecodeError):
        sp.decode_failed(b"\0" * 500)


def test_limits_of_streams() -> None:
    with pytest.raises(ValueError, match="stream_window_bytes must be at most"):
        Limits(stream_window_bytes=1 << 30)
