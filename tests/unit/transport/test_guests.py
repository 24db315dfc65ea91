"""Nodes that others do not know yet, or not under their present address: they are heard, and answered there."""

import asyncio
from typing import Any

import pytest

from raftcy.errors import BadPeer, TransportError
from raftcy.transport import Hello, Reason, Refusal, Transport
from tests.support.transports import (
    FAST,
    HOST,
    Direct,
    connected,
    free_port,
    heartbeat,
    pair,
    tasks_left,
    until,
)


async def test_who_is_not_known_is_heard_and_answered_at_the_address_of_its_hello() -> None:
    port = free_port()
    async with pair() as both:
        node = Direct()
        async with Transport(3, node, {2: both.address}, FAST, advertise=[(HOST, port)], identity=7) as three:
            await three.listen(HOST, port)
            three.send([heartbeat(1, 2, 3)])
            await until(lambda: both.two.messages)
            both.receiver.send([heartbeat(2, 3, 2)])
            await until(lambda: node.messages)
            assert 3 not in both.receiver.peers
            # Once it is a peer, its address is what the application says.
            await both.receiver.set_peer(3, (HOST, port), identity=7)
            both.receiver.send([heartbeat(3, 3, 2)])
            await until(lambda: len(node.messages) == 2)
        # Without a connection of its own, nobody is answered.
        await both.receiver.remove_peer(3)
        both.receiver.send([heartbeat(4, 3, 2)])
        assert both.two.unreachable[-1] == 3
    assert not tasks_left()


async def test_who_answers_at_such_an_address_must_have_the_identity() -> None:
    port = free_port()
    async with pair() as both, connected(both.address, sender=3, identity=7, addresses=((HOST, port),)):
        await until(lambda: both.receiver.traffic.accepted == 1)
        other = Direct()
        async with Transport(3, other, limits=FAST, identity=8) as wrong:
            await wrong.listen(HOST, port)
            both.receiver.send([heartbeat(1, 3, 2)])
            await until(lambda: both.receiver.traffic.wrong_peers)
            assert not other.messages


async def test_a_peer_that_has_moved_is_answered_where_it_is() -> None:
    port = free_port()
    async with pair() as both:
        node = Direct()
        await both.receiver.set_peer(3, (HOST, free_port()), identity=7)
        async with Transport(3, node, {2: both.address}, FAST, advertise=[(HOST, port)], identity=7) as three:
            await three.listen(HOST, port)
            three.send([heartbeat(1, 2, 3)])
            await until(lambda: both.two.messages)

            def answered() -> bool:
                both.receiver.send([heartbeat(2, 3, 2)])
                return len(node.messages) > 0

            await until(answered)


async def test_a_hint_that_is_no_address_is_ignored() -> None:
    async with pair() as both, connected(both.address, sender=3, addresses=(("no host", 1),)):
        await until(lambda: both.receiver.traffic.accepted == 1)
        both.receiver.send([heartbeat(1, 3, 2)])
        assert both.two.unreachable == [3]


async def test_an_identity_that_becomes_known_ends_a_connection_with_another() -> None:
    """Otherwise votes of a member that has lost its data would count, if it came before the news of its identity.

    catches: etcd#21178
    """
    async with pair() as both:
        async with connected(both.address, sender=3, identity=8) as caller:
            await both.receiver.set_peer(3, (HOST, 1), identity=7)
            assert await caller.is_closed()
        async with connected(both.address, sender=3, identity=7) as caller:
            await both.receiver.set_peer(3, (HOST, 1), identity=7)
            assert not await caller.is_closed(0.2)


async def test_a_node_is_found_by_its_address() -> None:
    async with pair() as both:
        three = Transport(3, Direct(), limits=FAST)
        assert await three.find(*both.address) == Hello(
            sender=2, receiver=3, nonce=both.receiver.hello.nonce, version=both.receiver.hello.version
        )
        with pytest.raises(ConnectionRefusedError):
            await three.find(HOST, free_port())
        with pytest.raises(BadPeer):
            await three.find(HOST, 0)
        await three.close()
        with pytest.raises(TransportError):
            await three.find(*both.address)
        with pytest.raises(ConnectionError):
            await both.receiver.find(*both.address)
    assert not tasks_left()


async def test_who_looks_for_a_node_hears_why_it_is_refused() -> None:
    def judge(hello: Hello, known: bool) -> Refusal | None:
        return Refusal(Reason.REMOVED, "you were removed")

    heard: list[Any] = []
    async with pair(policy=judge) as both:
        three = Transport(3, Direct(), limits=FAST, on_refused=lambda peer, refusal: heard.append(refusal.reason))
        with pytest.raises(ConnectionError, match="you were removed"):
            await three.find(*both.address)
        assert heard == [Reason.REMOVED]
        await three.close()


async def test_looking_for_a_node_can_be_cancelled() -> None:
    async with pair() as both:
        three = Transport(3, Direct(), limits=FAST)
        for steps in range(6):
            finding = asyncio.ensure_future(three.find(*both.address))
            for _ in range(steps):
                await asyncio.sleep(0)
            finding.cancel()
            await asyncio.gather(finding, return_exceptions=True)
        await three.close()
    assert not tasks_left()
