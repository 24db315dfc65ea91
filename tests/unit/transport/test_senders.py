"""Who may connect: what the two ends of a connection check, and which connection of a sender counts."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from raftcy.transport import Hello, Limits, Reason, Refusal, Transport, hear_known
from raftcy.transport import packets as p
from raftcy.transport.conversation import Greeted, Refused
from tests.support.transports import (
    FAST,
    HOST,
    Caller,
    Direct,
    connected,
    dialled,
    heartbeat,
    pair,
    silent_peer,
    until,
)


async def refusal_of(address: tuple[str, int], **hello: Any) -> Refusal:
    async with dialled(address) as caller:
        answer = await caller.greet(**hello)
        assert isinstance(answer, Refused), answer
        assert await caller.is_closed()
        return answer.refusal


def opened(transport: Transport) -> int:
    return len(transport._incoming._open)


# -- the connections of one sender


async def test_silent_connections_of_one_sender_keep_nobody_out() -> None:
    """A peer that vanished without a word, again and again, leaves one connection."""
    async with pair(Limits(connections=4)) as both:
        held = []
        for _ in range(20):
            reader, writer = await asyncio.open_connection(*both.address)
            caller = Caller(reader, writer)
            assert isinstance(await caller.greet(sender=9), Greeted)
            held.append(caller)
        assert opened(both.receiver) == 1
        assert both.receiver.traffic.replaced == 19
        both.sender.send([heartbeat()])
        await until(lambda: both.two.messages)
        for caller in held:
            caller.writer.transport.abort()


async def test_a_newer_connection_of_the_same_start_replaces_the_older_one() -> None:
    """A newer connection of the same start replaces the older one.

    catches: faults#G
    """
    async with pair() as both, connected(both.address, nonce=5) as older:
        older.say(heartbeat(1))
        await until(lambda: both.two.messages)
        async with connected(both.address, nonce=5) as newer:
            assert await older.is_closed()
            newer.say(heartbeat(2))
            await until(lambda: len(both.two.messages) == 2)
        await until(lambda: opened(both.receiver) == 0)


async def test_another_start_is_refused_while_the_first_one_is_alive() -> None:
    """Two processes that run as one member must not take turns.

    catches: faults#G
    """
    async with pair() as both, connected(both.address, nonce=5) as older:
        answering = asyncio.create_task(older.is_closed())
        for _ in range(2):
            refusal = await refusal_of(both.address, nonce=6)
            assert refusal.reason == Reason.DUPLICATE
        older.say(heartbeat(1))
        await until(lambda: both.two.messages)
        assert (both.receiver.traffic.refused_duplicate, both.receiver.traffic.replaced) == (2, 0)
        answering.cancel()


async def test_another_start_takes_over_from_one_that_does_not_answer() -> None:
    async with pair() as both, connected(both.address, nonce=5) as older:
        began = asyncio.get_running_loop().time()
        async with connected(both.address, nonce=6) as newer:
            assert asyncio.get_running_loop().time() - began > 0.15
            newer.say(heartbeat(1))
            await until(lambda: both.two.messages)
            assert await older.is_closed()
            assert both.receiver.traffic.replaced == 1


async def test_another_start_takes_over_as_soon_as_the_first_one_is_gone() -> None:
    async with pair(Limits(replace_seconds=60)) as both, connected(both.address, nonce=5) as older:
        greeting = asyncio.create_task(first_words(both.address))
        await until(lambda: any(each.waits_for for each in both.receiver._incoming._connections))
        # A third one has to wait for the next attempt.
        assert (await refusal_of(both.address, nonce=7)).reason == Reason.BUSY
        older.writer.transport.abort()
        assert isinstance(await greeting, Greeted)


async def first_words(address: tuple[str, int]) -> Any:
    async with dialled(address) as caller:
        return await caller.greet(nonce=6)


async def test_who_has_proved_nothing_replaces_nobody() -> None:
    """Who has proved nothing replaces nobody.

    catches: faults#G
    """
    async with pair(identity=3, cluster=7) as both, connected(both.address, nonce=5, identity=4, cluster=7) as older:
        assert (await refusal_of(both.address, nonce=5, identity=8, cluster=7)).reason == Reason.IDENTITY
        assert (await refusal_of(both.address, nonce=5, identity=4, cluster=8)).reason == Reason.CLUSTER
        async with dialled(both.address) as silent:
            silent.write(b"\0\0")
            older.say(heartbeat(1))
            await until(lambda: both.two.messages)
        assert both.receiver.traffic.replaced == 0


async def test_a_sender_that_does_not_answer_pings_is_dropped() -> None:
    """A sender that does not answer pings is dropped.

    catches: faults#G
    """
    async with (
        pair(Limits(idle_seconds=0.2)) as both,
        connected(both.address, sender=8) as silent,
        connected(both.address, sender=9) as answers,
    ):
        reading = asyncio.create_task(answers.is_closed(1.0))
        await until(lambda: opened(both.receiver) == 1)
        assert await silent.is_closed()
        assert await reading is False
        assert both.receiver.traffic.silent_connections == 1


# -- connections that have proved nothing


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: example\r\n\r\n",
        b"\xff" * 20,
        b"\0\0\0\x10RAFTWIR1\0\0\0\0\0\0\0\x01",
        p.encode_greeting(p.WELCOME, p.Hello(sender=1, receiver=2)),
        p.message_head(0, 0),
        p.encode_greeting(p.HELLO, p.Hello(sender=1, receiver=2)) + p.message_head(0, 0),
    ],
    ids=["http", "noise", "version 1", "welcome", "message", "message at once"],
)
async def test_a_connection_begins_with_a_hello(data: bytes) -> None:
    async with pair() as both, dialled(both.address) as caller:
        caller.write(data)
        assert await caller.is_closed()
        assert both.two.messages == []
        assert both.receiver.traffic.malformed_connections == 1


async def test_a_hello_must_come_soon() -> None:
    async with pair(Limits(hello_seconds=0.05)) as both, dialled(both.address) as caller:
        caller.write(b"\0\0")
        assert await caller.is_closed()
        assert both.receiver.traffic.silent_connections == 1


@pytest.mark.parametrize("limits", [Limits(unproved_connections=3), Limits(unproved_of_address=3)])
async def test_connections_that_say_nothing_are_few(limits: Limits) -> None:
    """The oldest one makes room: who says hello in time gets through a crowd of silent ones.

    catches: faults#G
    """
    async with pair(limits) as both:
        crowd = [await asyncio.open_connection(*both.address) for _ in range(10)]
        await until(lambda: both.receiver.traffic.crowded_out == 7)
        assert len(both.receiver._incoming._connections) == 3
        both.sender.send([heartbeat()])
        await until(lambda: both.two.messages)
        for _, writer in crowd:
            writer.transport.abort()


async def test_senders_are_limited() -> None:
    async with pair(Limits(connections=2)) as both, connected(both.address, sender=5):
        async with connected(both.address, sender=6):
            assert (await refusal_of(both.address, sender=7)).reason == Reason.BUSY
            # Those that are connected may connect anew.
            async with connected(both.address, sender=6):
                pass
        await until(lambda: opened(both.receiver) == 1)
        async with connected(both.address, sender=7):
            pass


# -- what the acceptor checks


@pytest.mark.parametrize(
    ("hello", "reason", "counter"),
    [
        ({"cluster": 8}, Reason.CLUSTER, "refused_cluster"),
        ({"cluster": 0}, Reason.CLUSTER, "refused_cluster"),
        ({"version": 1}, Reason.VERSION, "refused_version"),
        ({"version": 3}, Reason.VERSION, "refused_version"),
        ({"receiver": 3}, Reason.RECEIVER, "refused"),
        ({"sender": 2}, Reason.OWN_ID, "refused_sender"),
        ({"sender": 2**64 - 1}, Reason.SENDER, "refused_sender"),
        ({"sender": 2**64 - 2}, Reason.SENDER, "refused_sender"),
        ({"sender": 3, "identity": 32}, Reason.IDENTITY, "refused_identity"),
        ({"sender": 3}, Reason.IDENTITY, "refused_identity"),
    ],
)
async def test_who_is_refused(hello: dict[str, int], reason: Reason, counter: str) -> None:
    async with pair(cluster=7) as both:
        await both.receiver.set_peer(3, (HOST, 1), identity=31)
        refusal = await refusal_of(both.address, **({"cluster": 7} | hello))
        assert refusal.reason == reason
        counters = both.receiver.counters()
        assert (counters.refused, getattr(counters, counter), counters.accepted) == (1, 1, 0)
        async with connected(both.address, cluster=7, sender=3, identity=31):
            pass


async def test_an_identity_is_learned_from_the_first_connection() -> None:
    """A peer that comes back with another one has lost its data, and must not speak as the same member."""
    async with pair() as both:
        await both.receiver.set_peer(1, (HOST, 1))
        async with connected(both.address, identity=4):
            pass
        await until(lambda: opened(both.receiver) == 0)
        for identity in (0, 5):
            refusal = await refusal_of(both.address, identity=identity)
            assert refusal.reason == Reason.IDENTITY
            assert "come back under a new id" in refusal.text
        async with connected(both.address, identity=4):
            pass
        # Another member under the id needs the word of who knows.
        await both.receiver.remove_peer(1)
        await both.receiver.set_peer(1, (HOST, 1), identity=5)
        assert (await refusal_of(both.address, identity=4)).reason == Reason.IDENTITY
        async with connected(both.address, identity=5):
            pass


async def test_the_policy_judges_senders() -> None:
    removed = {9}

    def judge(hello: Hello, known: bool) -> Refusal | None:
        if hello.sender in removed:
            return Refusal(Reason.REMOVED, "you were removed")
        if hello.sender == 10:
            raise ZeroDivisionError
        return hear_known(hello, known)

    async with pair(policy=judge) as both:
        await both.receiver.set_peer(1, (HOST, 1))
        assert await refusal_of(both.address, sender=9) == Refusal(Reason.REMOVED, "you were removed")
        assert (await refusal_of(both.address, sender=8)).reason == Reason.SENDER
        # Of a policy that fails nobody gets an answer, but the application hears of it.
        assert (await refusal_of(both.address, sender=10)).reason == Reason.BUSY
        assert isinstance(both.receiver.failure, ZeroDivisionError)
        async with connected(both.address, sender=1):
            pass


async def test_a_refused_node_hears_why() -> None:
    heard: list[tuple[int, Refusal]] = []

    def judge(hello: Hello, known: bool) -> Refusal | None:
        return Refusal(Reason.REMOVED, f"{hello.sender} was removed; {hello.addresses}")

    two = Transport(2, Direct(), limits=FAST, policy=judge)
    node = Direct()
    one = Transport(
        1,
        node,
        {2: await two.listen(HOST, 0)},
        FAST,
        advertise=[("one.example", 7001)],
        on_refused=lambda peer, refusal: heard.append((peer, refusal)),
    )
    one.send([heartbeat()])
    await until(lambda: heard)
    assert heard[0] == (2, Refusal(Reason.REMOVED, "1 was removed; (('one.example', 7001),)"))
    assert node.unreachable
    assert one.traffic.refused_by_peers >= 1
    await one.close()
    await two.close()


async def test_refusals_are_logged_at_a_limited_rate(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with pair() as both:
        for _ in range(30):
            await refusal_of(both.address, cluster=8)
        assert both.receiver.traffic.refused == 30
    told = [record for record in caplog.records if "refused a connection" in record.getMessage()]
    assert 1 <= len(told) < 10


# -- what the dialler checks


@pytest.mark.parametrize(
    "welcome",
    [
        {"cluster": 8},
        {"sender": 3},
        {"receiver": 3},
        {"identity": 5},
        {"version": 3},
    ],
)
async def test_the_other_end_must_be_the_peer(welcome: dict[str, Any]) -> None:
    """Nothing is sent to another cluster, node or identity, and the peer counts as unreachable."""
    got = bytearray()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        fields = {"sender": 2, "receiver": 1, "cluster": 7, "identity": 4} | welcome
        writer.write(p.encode_greeting(p.WELCOME, p.Hello(**fields)))
        got.extend(await reader.read(1 << 16))
        writer.close()

    async with await asyncio.start_server(accept, HOST, 0) as server:
        node = Direct()
        one = Transport(1, node, limits=FAST, cluster=7)
        await one.set_peer(2, server.sockets[0].getsockname()[:2], identity=4)
        one.send([heartbeat()])
        await until(lambda: node.unreachable)
        assert (one.traffic.wrong_peers, one.traffic.connects) == (1, 0)
        await one.close()
        assert got == b""


async def test_the_dialler_learns_an_identity_too() -> None:
    first = Transport(2, Direct(), limits=FAST, identity=4)
    address = await first.listen(HOST, 0)
    node = Direct()
    one = Transport(1, node, {2: address}, FAST)
    one.send([heartbeat()])
    await until(lambda: one.traffic.connects)
    await first.close()
    wiped = Transport(2, other := Direct(), limits=FAST, identity=5)
    await wiped.listen(*address)
    node.unreachable.clear()
    async with asyncio.timeout(10):
        while not one.traffic.wrong_peers:
            one.send([heartbeat()])
            await asyncio.sleep(0.005)
    assert other.messages == []
    await one.close()
    await wiped.close()


async def test_a_silent_peer_of_another_cluster_gets_nothing() -> None:
    async with silent_peer(cluster=8) as address:
        one = Transport(1, node := Direct(), {2: address}, FAST, cluster=7)
        one.send([heartbeat()])
        await until(lambda: node.unreachable)
        assert one.traffic.sent_messages == 0
        await one.close()


def test_every_refusal_is_counted() -> None:
    """Each reason that concerns the sender has a counter beside the sum."""
    from raftcy.transport.incoming import _COUNTERS

    counted: Callable[[Reason], bool] = _COUNTERS.__contains__
    assert {reason for reason in Reason if not counted(reason)} == {Reason.MALFORMED, Reason.RECEIVER, Reason.BUSY}
