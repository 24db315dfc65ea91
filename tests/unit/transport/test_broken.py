"""Connections to peers that break without a word, and how the peers are found again."""

import asyncio
import random
import socket
import struct
import time
from typing import Any

import pytest

from raftcy.transport import Limits, Transport, outgoing
from raftcy.transport import packets as p
from raftcy.transport.dialling import Dialler
from raftcy.wire.enums import SnapshotStatus
from tests.support.needs import missing
from tests.support.transports import (
    FAST,
    HOST,
    Direct,
    free_port,
    heartbeat,
    pair,
    silent_peer,
    snapshot,
    tasks_left,
    until,
)

QUICK = Limits(
    write_timeout_seconds=0.4,
    retry_min_seconds=0.01,
    retry_max_seconds=0.05,
    report_seconds=0.05,
    dial_seconds=1.0,
)


async def test_a_peer_that_falls_silent_is_given_up() -> None:
    """The operating system takes all that is written; what is missing is an answer. It is reported, and tried again.

    catches: faults#F
    """
    async with silent_peer() as address:
        node = Direct()
        sender = Transport(1, node, {2: address}, QUICK)
        sender.send([heartbeat()])
        await until(lambda: sender.traffic.connects)
        began = asyncio.get_running_loop().time()
        await until(lambda: node.unreachable)
        assert asyncio.get_running_loop().time() - began > 0.3
        assert sender.traffic.broken_connections == 1
        assert sender.traffic.dropped_messages == 0
        sender.send([heartbeat()])
        await until(lambda: sender.traffic.reconnects)
        await sender.close()


async def test_a_peer_that_takes_nothing_is_given_up() -> None:
    """Its receive buffer is full, and a large message stays half written."""
    async with silent_peer() as address:
        node = Direct()
        sender = Transport(1, node, {2: address}, QUICK)
        sender.send([snapshot(size=20 << 20)])
        await until(lambda: node.unreachable)
        assert node.snapshots == [(2, SnapshotStatus.FAILURE)]
        assert sender.traffic.sent_messages == 0
        await sender.close()


async def test_a_slow_peer_is_not_given_up() -> None:
    """As long as bytes arrive: a large message may take many times the timeout, and a ping waits behind it.

    catches: faults#F
    """
    size = 6 << 20
    left = size
    ended = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal left
        writer.write(p.encode_greeting(p.WELCOME, p.Hello(sender=2, receiver=1)))
        while data := await reader.read(1 << 16):
            left -= len(data)
            await asyncio.sleep(0.02)
        writer.close()
        ended.set()

    with socket.socket() as listener:
        # Little is received ahead, so that what the peer acknowledges is what it reads.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        listener.bind((HOST, 0))
        async with await asyncio.start_server(accept, sock=listener, limit=1 << 15):
            node = Direct()
            sender = Transport(1, node, {2: listener.getsockname()[:2]}, QUICK)
            sender.send([snapshot(size=size)])
            began = asyncio.get_running_loop().time()
            await until(lambda: left < size // 20, 60)
            assert asyncio.get_running_loop().time() - began > 2 * QUICK.write_timeout_seconds
            assert (sender.traffic.broken_connections, node.unreachable) == (0, [])
            await sender.close()
            await ended.wait()


async def test_a_peer_whose_process_hangs_is_given_up() -> None:
    """Its system goes on acknowledging what is sent, and that must not count for ever.

    catches: faults#F
    """
    async with silent_peer() as address:
        node = Direct()
        sender = Transport(1, node, {2: address}, QUICK)
        async with asyncio.timeout(10):
            while not node.unreachable:
                sender.send([heartbeat()])
                await asyncio.sleep(0.01)
        assert sender.traffic.broken_connections == 1
        await sender.close()


async def test_a_stall_of_this_process_is_not_taken_for_the_peer_s() -> None:
    async with pair(QUICK) as both:
        both.sender.send([heartbeat()])
        await until(lambda: both.two.messages)
        for _ in range(3):
            time.sleep(1.0)  # noqa: ASYNC251
            await asyncio.sleep(0.02)
        assert both.sender.traffic.broken_connections == 0
        assert both.one.unreachable == []


async def test_an_idle_connection_stays() -> None:
    async with pair(QUICK) as both:
        both.sender.send([heartbeat()])
        await until(lambda: both.two.messages)
        await asyncio.sleep(1.5)
        both.sender.send([heartbeat()])
        await until(lambda: len(both.two.messages) == 2)
        assert (both.sender.traffic.connects, both.one.unreachable) == (1, [])


async def test_the_operating_system_watches_as_well() -> None:
    async with pair(FAST) as both:
        both.sender.send([heartbeat()])
        await until(lambda: both.two.messages)
        ends = [both.sender._outgoing[2]._connection, *both.receiver._incoming._connections]
        assert len(ends) == 2
        for end in ends:
            raw: Any = end._socket  # type: ignore[union-attr]
            assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000
            if hasattr(socket, "TCP_KEEPIDLE"):
                assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1


async def test_pauses_grow_and_are_cut_at_random() -> None:
    """They double up to their limit, and up to a half of each is left out, as the source says."""

    class Source(random.Random):
        def random(self) -> float:
            return draws.pop(0)

    draws = [0.0, 0.0, 0.0, 1.0, 0.5, 0.0]
    limits = Limits(retry_min_seconds=0.1, retry_max_seconds=0.5)
    sender = Transport(1, Direct(), {2: (HOST, 1)}, limits, source=Source())
    outgoing = sender._outgoing[2]
    assert [outgoing._next_pause() for _ in range(6)] == pytest.approx([0.1, 0.2, 0.4, 0.25, 0.375, 0.5])
    await sender.close()


async def test_a_peer_that_only_accepts_connections_is_tried_with_pauses() -> None:
    """It welcomes each and closes it at once; no answer to a ping resets the pause."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(p.encode_greeting(p.WELCOME, p.Hello(sender=2, receiver=1)))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(accept, HOST, 0) as server:
        limits = Limits(retry_min_seconds=0.05, retry_max_seconds=0.2)
        node = Direct()
        sender = Transport(1, node, {2: server.sockets[0].getsockname()[:2]}, limits)
        for _ in range(100):
            sender.send([heartbeat()])
            await asyncio.sleep(0.01)
        assert 1 < sender.traffic.connects + sender.traffic.failed_dials < 25
        await sender.close()


async def test_an_unreachable_peer_is_reported_at_a_limited_rate() -> None:
    node = Direct()
    limits = Limits(retry_min_seconds=0.001, retry_max_seconds=0.001, report_seconds=0.2)
    sender = Transport(1, node, {2: (HOST, free_port())}, limits)
    began = asyncio.get_running_loop().time()
    for _ in range(200):
        sender.send([heartbeat()])
        await asyncio.sleep(0.002)
    passed = asyncio.get_running_loop().time() - began
    assert 2 <= len(node.unreachable) <= passed / 0.2 + 1
    assert sender.traffic.failed_dials > len(node.unreachable)
    assert sender.traffic.unreachable_reports == len(node.unreachable)
    await sender.close()


class Resolver:
    """Answers look-ups in the place of the event loop's."""

    def __init__(self, *answers: list[str] | Exception | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def getaddrinfo(self, host: str, port: int, **options: Any) -> list[Any]:
        self.asked.append((host, port))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await asyncio.sleep(3600)
        if isinstance(answer, Exception):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in answer or []]


def resolver(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> Resolver:
    made = Resolver(*answers)
    loop = asyncio.get_running_loop()
    inner = loop.getaddrinfo

    async def getaddrinfo(host: Any, port: Any, **options: Any) -> Any:
        if host == "member.example":
            return await made.getaddrinfo(host, port, **options)
        return await inner(host, port, **options)

    try:
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    except AttributeError:
        pytest.skip("this event loop's look-ups cannot be replaced")
    return made


async def sent_until_it_arrives(sender: Transport, node: Direct) -> None:
    async with asyncio.timeout(20):
        while not node.messages:
            sender.send([heartbeat()])
            await asyncio.sleep(0.01)


async def test_a_name_is_looked_up_for_each_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that has moved is found under its name; a look-up that fails is an attempt that fails."""
    two = Transport(2, node := Direct(), limits=FAST)
    _, port = await two.listen("127.0.0.2", 0)
    names = resolver(monkeypatch, ["127.0.0.1"], socket.gaierror(-2, "unknown"), [], ["127.0.0.2"])
    sender = Transport(1, one := Direct(), {2: ("member.example", port)}, FAST)
    await sent_until_it_arrives(sender, node)
    assert names.asked == [("member.example", port)] * 4
    assert sender.traffic.failed_dials == 3
    assert one.unreachable
    assert sender.failure is None
    await sender.close()
    await two.close()


async def test_all_addresses_of_a_name_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    two = Transport(2, node := Direct(), limits=FAST)
    _, port = await two.listen("127.0.0.3", 0)
    resolver(monkeypatch, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    sender = Transport(1, Direct(), {2: ("member.example", port)}, FAST)
    await sent_until_it_arrives(sender, node)
    await sender.close()
    await two.close()


async def test_a_look_up_that_hangs_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would hold a thread. The peer is reported, and closing ends it."""
    names = resolver(monkeypatch, None)
    limits = Limits(dial_seconds=0.02, retry_min_seconds=0.01, retry_max_seconds=0.01, report_seconds=0.001)
    sender = Transport(1, node := Direct(), {2: ("member.example", 1)}, limits)
    async with asyncio.timeout(20):
        while len(node.unreachable) < 5:
            sender.send([heartbeat()])
            await asyncio.sleep(0.01)
    assert len(names.asked) == 1
    await sender.close()
    assert tasks_left() == []


async def test_several_addresses_of_a_peer_take_turns() -> None:
    two = Transport(2, node := Direct(), limits=FAST)
    address = await two.listen(HOST, 0)
    sender = Transport(1, Direct(), {2: [(HOST, free_port()), (HOST, free_port()), address]}, FAST)
    await sent_until_it_arrives(sender, node)
    assert sender.traffic.failed_dials == 2
    await sender.close()
    await two.close()


async def test_ipv6() -> None:
    two = Transport(2, node := Direct(), limits=FAST)
    try:
        host, port = await two.listen("::1", 0)
    except OSError:
        missing("IPv6 on the loopback device")
    assert host == "::1"
    sender = Transport(1, Direct(), {2: (host, port)}, FAST)
    await sent_until_it_arrives(sender, node)
    await sender.close()
    await two.close()


async def test_a_peer_that_does_not_answer_the_hello() -> None:
    """The operating system accepts connections for a process that hangs."""
    with socket.create_server((HOST, 0)) as listener:
        node = Direct()
        limits = Limits(greet_seconds=0.05, retry_min_seconds=0.01)
        sender = Transport(1, node, {2: listener.getsockname()[:2]}, limits)
        sender.send([heartbeat(), snapshot()])
        await until(lambda: node.unreachable)
        assert node.snapshots == [(2, SnapshotStatus.FAILURE)]
        assert sender.traffic.connects == 0
        await sender.close()


async def test_a_peer_that_talks_nonsense() -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(struct.pack(">L", 5) + b"hello")
        await reader.read(1 << 16)
        writer.close()

    async with await asyncio.start_server(accept, HOST, 0) as server:
        node = Direct()
        sender = Transport(1, node, {2: server.sockets[0].getsockname()[:2]}, FAST)
        sender.send([heartbeat()])
        await until(lambda: node.unreachable)
        assert (sender.traffic.malformed_connections, sender.traffic.connects) == (1, 0)
        await sender.close()


async def test_an_exception_that_nobody_expected_surfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task that connects cannot die in silence: it is told, the peer is reported, and tried again.

    catches: faults#I
    """
    heard: list[BaseException] = []
    fault = ZeroDivisionError("a bug")

    async def connect(self: Dialler, make: Any) -> Any:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(Dialler, "connect", connect)
        node = Direct()
        sender = Transport(1, node, limits=FAST, on_failure=heard.append)
        two = Transport(2, other := Direct(), limits=FAST)
        await sender.set_peer(2, await two.listen(HOST, 0))
        sender.send([heartbeat(), snapshot()])
        await until(lambda: node.unreachable)
        assert node.snapshots == [(2, SnapshotStatus.FAILURE)]
        assert sender.failure is fault
        assert heard[0] is fault
        assert sender.traffic.failed_calls >= 1
        assert len(sender._outgoing[2]._queue) == 0
    await sent_until_it_arrives(sender, other)
    await sender.close()
    await two.close()
    assert tasks_left() == []


async def test_a_peer_that_is_out_of_reach_for_long_is_a_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first attempts are details. Later warnings come ever less often, and name how long it has lasted."""
    monkeypatch.setattr(outgoing, "_GONE_SECONDS", 0.2)
    caplog.set_level("WARNING", "raftcy.transport")
    sender = Transport(1, Direct(), {2: (HOST, free_port())}, QUICK)
    began = time.monotonic()
    while time.monotonic() - began < 1.6:
        sender.send([heartbeat()])
        await asyncio.sleep(0.01)
    await sender.close()
    found = [record for record in caplog.records if "1 has not reached 2 for" in record.getMessage()]
    assert sender.traffic.failed_dials > 8
    assert 1 <= len(found) <= 5
    assert (found[0].group, found[0].id, found[0].term) == ("", 1, 0)  # type: ignore[attr-defined]
