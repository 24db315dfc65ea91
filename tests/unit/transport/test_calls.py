"""Calls that overlap, contradict each other, are cancelled or wrong: the last one wins, and nothing is left behind."""

import asyncio
import gc
from contextlib import suppress
from typing import Any

import pytest

from raftcy.errors import BadPeer, TransportError
from raftcy.transport import Transport
from tests.support.transports import (
    FAST,
    HOST,
    Direct,
    connected,
    dialled,
    free_port,
    heartbeat,
    pair,
    tasks_left,
    until,
)


class Three:
    """Three transports of node 2 that listen, and one of node 1 that sends to the first."""

    async def begin(self) -> "Three":
        self.nodes = [Direct() for _ in range(3)]
        self.transports = [Transport(2, node, limits=FAST) for node in self.nodes]
        self.addresses = [await each.listen(HOST, 0) for each in self.transports]
        self.one = Transport(1, Direct(), {2: self.addresses[0]}, FAST)
        self.one.send([heartbeat()])
        await until(lambda: self.nodes[0].messages)
        return self

    async def end(self) -> None:
        for each in (self.one, *self.transports):
            await each.close()
        assert tasks_left() == []

    async def arrives_at(self, number: int) -> None:
        """Messages now go to one of the three, and to no other."""
        for node in self.nodes:
            node.messages.clear()
        self.one.send([heartbeat()])
        await until(lambda: self.nodes[number].messages)
        assert [len(node.messages) for node in self.nodes] == [int(each == number) for each in range(3)]


async def test_of_two_changes_at_once_the_later_one_wins() -> None:
    """Of two changes at once the later one wins.

    catches: faults#H
    """
    three = await Three().begin()
    first, last = three.addresses[1:]
    await asyncio.gather(three.one.set_peer(2, first), three.one.set_peer(2, last))
    assert three.one.peers == {2: (last,)}
    await three.arrives_at(2)
    await asyncio.gather(three.one.set_peer(2, None), three.one.set_peer(2, first))
    await three.arrives_at(1)
    await asyncio.gather(three.one.set_peer(2, last), three.one.remove_peer(2))
    assert three.one.peers == {}
    await three.end()


async def test_a_change_that_is_cancelled_is_made_or_is_not() -> None:
    three = await Three().begin()
    for turns in range(3):
        change = asyncio.create_task(three.one.set_peer(2, three.addresses[1]))
        for _ in range(turns):
            await asyncio.sleep(0)
        change.cancel()
        await asyncio.gather(change, return_exceptions=True)
        assert three.one.peers[2] in ((three.addresses[0],), (three.addresses[1],))
        await three.arrives_at(1 if three.one.peers[2] == (three.addresses[1],) else 0)
        await three.one.set_peer(2, three.addresses[0])
        await three.arrives_at(0)
    await three.end()


async def test_the_same_address_changes_nothing() -> None:
    three = await Three().begin()
    await three.one.set_peer(2, [three.addresses[0]])
    await three.arrives_at(0)
    assert three.one.traffic.connects == 1
    await three.end()


async def test_a_former_connection_is_gone_when_the_change_returns() -> None:
    """A former connection is gone when the change returns.

    catches: faults#H
    """
    three = await Three().begin()
    former = three.one._outgoing[2]._connection
    assert former is not None
    await three.one.set_peer(2, three.addresses[1])
    assert former._socket.fileno() == -1
    await three.end()


@pytest.mark.parametrize("order", range(3))
async def test_closing_while_a_change_is_under_way(order: int) -> None:
    three = await Three().begin()
    calls: list[Any] = [three.one.close(), three.one.set_peer(2, three.addresses[1]), three.one.remove_peer(2)]
    results = await asyncio.gather(*calls[order:], *calls[:order], return_exceptions=True)
    assert [error for error in results if error is not None and not isinstance(error, TransportError)] == []
    assert [name for name in tasks_left() if "transport 1" in name] == []
    assert three.one.peers == {}
    await three.end()


async def test_closing_while_it_connects() -> None:
    """At each turn of the event loop on the way to a connection."""
    two = Transport(2, Direct(), limits=FAST)
    address = await two.listen(HOST, 0)
    for turns in range(25):
        one = Transport(1, Direct(), {2: address}, FAST)
        one.send([heartbeat()])
        for _ in range(turns):
            await asyncio.sleep(0)
        await one.close()
        assert [name for name in tasks_left() if "transport 1" in name] == []
    await two.close()
    gc.collect()


async def test_two_that_listen() -> None:
    """The second call is refused by name, also while the first one is under way."""
    one = Transport(1, Direct())
    results = await asyncio.gather(one.listen(HOST, 0), one.listen(HOST, 0), return_exceptions=True)
    assert sum(isinstance(result, TransportError) for result in results) == 1
    with pytest.raises(TransportError, match="1 listens already"):
        await one.listen(HOST, 0)
    await one.close()
    with pytest.raises(TransportError, match="closed"):
        await one.listen(HOST, 0)


async def test_listening_can_be_cancelled_and_tried_again() -> None:
    """At each turn of the event loop; no socket stays behind, so that the port is free."""
    port = free_port()
    for turns in range(4):
        one = Transport(1, Direct())
        listening = asyncio.create_task(one.listen(HOST, port))
        for _ in range(turns):
            await asyncio.sleep(0)
        listening.cancel()
        (result,) = await asyncio.gather(listening, return_exceptions=True)
        if isinstance(result, BaseException):
            assert await one.listen(HOST, port) == (HOST, port)
        await one.close()


async def test_closing_while_it_begins_to_listen() -> None:
    port = free_port()
    for turns in range(4):
        one = Transport(1, Direct())
        listening = asyncio.create_task(one.listen(HOST, port))
        for _ in range(turns):
            await asyncio.sleep(0)
        await one.close()
        (result,) = await asyncio.gather(listening, return_exceptions=True)
        assert result == (HOST, port) or isinstance(result, TransportError)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(HOST, port)


async def test_a_connection_accepted_while_it_closes_is_not_served() -> None:
    """The operating system may have taken it in before; it is closed, and its messages reach nobody."""
    for turns in range(6):
        async with pair() as both:
            opening = asyncio.create_task(asyncio.open_connection(*both.address))
            for _ in range(turns):
                await asyncio.sleep(0)
            await both.receiver.close()
            assert both.receiver._incoming._connections == set()
            try:
                reader, writer = await opening
            except OSError:
                continue
            async with asyncio.timeout(5):
                with suppress(ConnectionError):
                    assert await reader.read(1) == b""
            writer.transport.abort()
            assert both.two.messages == []


async def test_closing_ends_connections_in_every_state() -> None:
    """Closing ends connections in every state.

    catches: faults#H
    """
    async with (
        pair() as both,
        connected(both.address, sender=5),
        dialled(both.address),
        dialled(both.address) as waiting,
    ):
        greeting = asyncio.create_task(waiting.greet(sender=5, nonce=6))
        await until(lambda: any(each.waits_for for each in both.receiver._incoming._connections))
        assert len(both.receiver._incoming._connections) == 3
        await both.receiver.close()
        assert both.receiver._incoming._connections == set()
        assert await greeting is None


async def test_closing_can_be_cancelled() -> None:
    """It has taken effect nevertheless."""
    for turns in range(4):
        async with pair() as both:
            both.sender.send([heartbeat()])
            await until(lambda: both.two.messages)
            for transport in (both.sender, both.receiver):
                closing = asyncio.create_task(transport.close())
                for _ in range(turns):
                    await asyncio.sleep(0)
                closing.cancel()
                await asyncio.gather(closing, return_exceptions=True)
            await both.sender.close()
            await both.receiver.close()
            assert tasks_left() == []


async def test_a_receiver_may_close_the_transport() -> None:
    async with pair() as both:

        class Closer(Direct):
            def receive(self, messages: Any) -> Any:
                closing.append(asyncio.ensure_future(both.receiver.close()))
                return super().receive(messages)

        closing: list[Any] = []
        closer = Closer()
        both.receiver.attach(0, closer)
        both.sender.send([heartbeat(number) for number in range(1000)])
        await until(lambda: closing)
        await closing[0]
        assert len(closer.messages) <= 256


@pytest.mark.parametrize(
    "address",
    [
        ("node..example", 80),
        (".example", 80),
        ("a" * 64 + ".example", 80),
        ("a" * 300, 80),
        ("ho\0st", 80),
        ("", 80),
        ("with space", 80),
        ("x\n", 80),
        (HOST, 0),
        (HOST, 65536),
        (HOST, 70000),
        (HOST, -5),
        (HOST, "80"),
        (HOST, 80.0),
        (HOST, True),
        (None, 80),
        (b"127.0.0.1", 80),
        (HOST,),
        (HOST, 80, 1),
        "127.0.0.1:80",
        7,
        [],
        [(HOST, 80), (HOST, 0)],
        [(HOST, 80), 5],
    ],
    ids=repr,
)
async def test_an_address_that_nothing_can_connect_to(address: Any) -> None:
    """It is refused by name, and changes nothing: a task that died of it would let messages pile up in silence.

    catches: faults#I
    """
    one = Transport(1, Direct(), {2: (HOST, 1)})
    for peer in (2, 3):
        with pytest.raises(BadPeer):
            await one.set_peer(peer, address)
    assert one.peers == {2: ((HOST, 1),)}
    with pytest.raises(BadPeer):
        Transport(1, Direct(), {2: address})
    await one.close()
    assert tasks_left() == []


@pytest.mark.parametrize(
    "address",
    [(HOST, 1), ("no-such-host.invalid", 80), ("bücher.invalid", 80), ("127.1.1.256", 80), ("x.invalid.", 80)],
)
async def test_an_address_where_nobody_is(address: Any) -> None:
    node = Direct()
    one = Transport(1, node, {2: address}, FAST)
    for _ in range(3):
        one.send([heartbeat()])
        await asyncio.sleep(0.01)
    await until(lambda: node.unreachable)
    assert one.failure is None
    await one.close()


@pytest.mark.parametrize(
    "error", [UnicodeError("label too long"), OverflowError("port"), OSError("no"), TimeoutError()]
)
async def test_an_error_of_the_look_up_is_a_failed_attempt(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Whatever a resolver makes of a name: the peer is reported, and tried again.

    catches: faults#I
    """
    from raftcy.transport.dialling import Dialler

    async def next_address(self: Any) -> Any:
        raise error

    monkeypatch.setattr(Dialler, "_next_address", next_address)
    node = Direct()
    one = Transport(1, node, {2: ("member.invalid", 80)}, FAST)
    async with asyncio.timeout(20):
        while one.traffic.failed_dials < 3:
            one.send([heartbeat()])
            await asyncio.sleep(0.005)
    assert node.unreachable
    assert one.failure is None
    await one.close()
