"""The end of hosts and replicas: everybody waits for it, nobody endlessly."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from raftcy.errors import Stopped
from tests.support.hosts import Ledger, World, leader_of, tuned
from tests.support.virtual import run_virtually


def run(story: Coroutine[Any, Any, None]) -> None:
    """Run a story to its end; no task of it may be left."""

    async def all_of_it() -> None:
        async with asyncio.timeout(300):
            await story
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    run_virtually(all_of_it())


def test_every_close_waits_for_the_end() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            for host in hosts.values():
                host.replica("ledger", Ledger())
            first = asyncio.create_task(hosts[1].close())
            await asyncio.sleep(0)
            await hosts[1].close()
            assert hosts[1]._over.is_set()
            assert hosts[1]._log._closed
            await first
            await hosts[1].close()

    run(story())


def test_every_close_of_a_replica_waits_for_its_end() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            first = asyncio.create_task(leader.close())
            await asyncio.sleep(0)
            await leader.close()
            assert leader._over
            assert any(replica.is_leader for replica in replicas.values())
            await first

    run(story())


def test_a_close_that_was_cancelled_goes_on() -> None:
    async def story() -> None:
        world = World(1, tuned(sync="thread"))
        async with world.serving() as replicas:
            host: Any = replicas[1]._host
            world.aside(1).hangs = True
            replicas[1].propose(b"x").add_done_callback(lambda end: end.exception())
            await asyncio.sleep(0.01)
            first = asyncio.create_task(host.close())
            await asyncio.sleep(0.01)
            assert not replicas[1].is_leader
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert not host._over.is_set()
            with pytest.raises(Stopped):
                host.replica("other", Ledger())
            world.aside(1).go_on()
            await host.close()
            assert host._over.is_set()
            assert host._log._closed

    run(story())


def test_a_replica_whose_close_was_cancelled_ends() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            world.cut(leader.id)
            first = asyncio.create_task(leader.close())
            await asyncio.sleep(0.01)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            assert not leader._over
            await leader.close()
            assert leader._over
            world.heal()

    run(story())
