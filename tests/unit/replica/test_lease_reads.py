"""Replicas that read by lease: at once while the lease runs, never stale, and by a round in doubt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from raftcy.errors import ConfigError
from raftcy.replica.replica import Replica
from raftcy.wire.enums import MessageType
from tests.support.hosts import Ledger, World, agreed, followers_of, leader_of, ledger, tuned
from tests.support.virtual import caught, run_story

TUNING = tuned(lease_reads=True)


@asynccontextmanager
async def leased(world: World, **options: Any) -> AsyncIterator[tuple[Replica, list[Replica]]]:
    """The leader, which has a lease, and its followers."""
    async with world.serving(**options) as replicas:
        leader = leader_of(replicas)
        await leader.propose(b"first")
        await leader.read(timeout_s=1)
        yield leader, followers_of(replicas)


def at_once(replica: Replica) -> bool:
    """Whether a read is answered in the very call."""
    read = replica.read()
    try:
        read.send(None)
    except StopIteration:
        return True
    read.close()
    return False


def heartbeats(world: World) -> int:
    return sum(m.type == MessageType.MSG_HEARTBEAT for _, _, m in world.sent)


DAY_US = 24 * 3600 * 10**6


@pytest.mark.parametrize("days", [0, 1], ids=["clocks agree", "clocks are days apart"])
def test_the_leader_answers_at_once(days: int) -> None:
    """Without a message, as long as reads come; after a pause the first read asks again."""

    async def story() -> None:
        world = World(tuning=TUNING)
        world.clocks = {id: (1.0, id * days * DAY_US) for id in (1, 2, 3)}
        async with leased(world) as (leader, followers):
            for _ in range(30):
                sent = len(world.sent)
                assert at_once(leader)
                assert len(world.sent) == sent
                assert await leader.propose(b"x")
                assert at_once(leader)
                assert ledger(leader)[-1] == "x"
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.5)
            assert not at_once(leader)
            await leader.read()
            assert at_once(leader)
            assert not at_once(followers[0])
            await followers[0].read()
            assert ledger(followers[0]) == ledger(leader)

    run_story(story())


def test_reads_are_off_by_default() -> None:
    async def story() -> None:
        world = World()
        async with leased(world) as (leader, _):
            assert not at_once(leader)
            await leader.read()
            assert not any(m.vote for _, _, m in world.sent)

    run_story(story())


@pytest.mark.parametrize("days", [0, 1], ids=["clocks agree", "clocks are days apart"])
def test_a_deposed_leader_answers_nothing_stale(days: int) -> None:
    """Cut off, it answers by its lease for less than an election timeout; then a new leader may write."""

    async def story() -> None:
        world = World(tuning=TUNING)
        world.clocks = {id: (1.0, -id * days * DAY_US + 9 * DAY_US) for id in (1, 2, 3)}
        async with leased(world) as (leader, followers):
            world.cut(leader.id)
            cut_at = asyncio.get_running_loop().time()
            while at_once(leader):
                assert not any(each.is_leader for each in followers)
                await asyncio.sleep(0.001)
            assert asyncio.get_running_loop().time() - cut_at < 0.1
            new = await agreed({each.id: each for each in followers})
            await new.propose(b"second")
            assert not at_once(leader)
            waiting = asyncio.ensure_future(leader.read(timeout_s=0.05))
            assert isinstance(await caught(waiting), TimeoutError)
            world.heal()
            await leader.read()
            assert ledger(leader) == ["first", "second"]

    run_story(story())


def test_a_transfer_ends_the_lease_at_once() -> None:
    async def story() -> None:
        world = World(tuning=TUNING)
        async with leased(world) as (leader, followers):
            target = followers[0]
            transfer = asyncio.ensure_future(leader.transfer(target.id))
            await asyncio.sleep(0)
            assert at_once(leader)
            while not any(m.type == MessageType.MSG_TIMEOUT_NOW for _, _, m in world.sent):
                await asyncio.sleep(0)
            assert leader.is_leader
            assert not at_once(leader)
            await transfer
            # The first read waits for the first commit of the term.
            await target.read()
            await target.read()
            assert at_once(target)
            assert await target.propose(b"second") == 2
            await leader.read()
            assert ledger(leader) == ["first", "second"]

    run_story(story())


def test_without_a_majority_that_takes_part_reads_go_by_rounds() -> None:
    """Members that do not have the option promise nothing, and nothing rests on them."""

    async def story() -> None:
        world = World(tuning=TUNING)
        hosts = {id: world.host(id, tuning=TUNING if id == 1 else tuned()) for id in world.members}
        await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
        replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
        leader = await agreed(replicas)
        if leader.id != 1:
            await leader.transfer(1)
        await replicas[1].propose(b"first")
        for _ in range(5):
            await replicas[1].read()
            assert not at_once(replicas[1])
            await asyncio.sleep(0.01)
        await asyncio.gather(*[host.close() for host in hosts.values()])

    run_story(story())


def test_a_member_that_turns_it_off_keeps_its_promise() -> None:
    """A log that is not new may be that of a life which has promised: its replica starts with a promise too."""

    async def story() -> None:
        world = World(count=1)
        async with world.serving() as replicas:
            assert replicas[1]._lease is None
            await replicas[1].propose(b"first")
        async with world.serving() as replicas:
            assert replicas[1]._lease is not None
            assert replicas[1].is_leader
            assert ledger(replicas[1]) == ["first"]

    run_story(story())


def test_clocks_that_drift() -> None:
    """The leader's clock is as slow as allowed, and the others' are as fast."""

    async def story() -> None:
        world = World(tuning=tuned(lease_reads=True, clock_drift_ppm=200_000))
        world.clocks = {1: (0.8, 0), 2: (0.8, 10**9), 3: (0.8, 77)}
        async with leased(world) as (leader, followers):
            for each in followers:
                # From here on their clocks are fast; that they seem to jump ahead ends no promise.
                world.clocks[each.id] = (1.2, 10**10)
            await asyncio.sleep(0.05)
            await leader.read()
            world.cut(leader.id)
            while at_once(leader):
                assert not any(each.is_leader for each in followers)
                await asyncio.sleep(0.001)
            await agreed({each.id: each for each in followers})
            assert not at_once(leader)

    run_story(story())


def test_a_leader_that_was_stopped_notices() -> None:
    """After SIGSTOP the clock shows the time that has passed, so the first read is no longer by the lease.

    catches: tikv#964
    """

    async def story() -> None:
        world = World(tuning=TUNING)
        async with leased(world) as (leader, _):
            assert at_once(leader)
            rate, offset_us = world.clocks.get(leader.id, (1.0, 0))
            world.clocks[leader.id] = (rate, offset_us + 90_000)
            assert not at_once(leader)
            await leader.read()
            assert at_once(leader)

    run_story(story())


def test_what_the_options_may_be() -> None:
    with pytest.raises(ConfigError, match="lease_reads must be True or False, not 1"):
        tuned(lease_reads=1)
    with pytest.raises(ConfigError, match="clock_drift_ppm must be at most 300000, not 300001"):
        tuned(clock_drift_ppm=300_001)
