"""The end of hosts and replicas: everybody waits for it, nobody endlessly."""

import asyncio
from typing import Any

import pytest

from raftcy.errors import Stopped
from tests.support.hosts import Ledger, World, leader_of, ledger, tuned
from tests.support.virtual import run_story


class Closing:
    """Files that count how often they are closed."""

    def __init__(self, files: Any) -> None:
        self._files = files
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._files, name)

    def close(self) -> None:
        self.closed += 1


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

    run_story(story())


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

    run_story(story())


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

    run_story(story())


def test_a_directory_is_free_once_a_disk_that_hung_at_the_end_answers() -> None:
    async def story() -> None:
        world = World(1, tuned(sync="thread"))
        async with world.serving() as replicas:
            host: Any = replicas[1]._host
            host._files = Closing(host._files)
            world.aside(1).hangs = True
            replicas[1].propose(b"x").add_done_callback(lambda end: end.exception())
            await asyncio.sleep(0.01)
            await host.close()
            assert host._over.is_set()
            assert host._files.closed == 0
            world.aside(1).go_on()
            await asyncio.sleep(0)
            assert host._files.closed == 1

    run_story(story())


def test_a_directory_is_free_after_an_opening_that_was_cancelled() -> None:
    async def story() -> None:
        world = World(1)
        host: Any = world.host(1)
        files = Closing(world.disks[1])
        world.disks[1] = files
        chores = world.aside(1, "raftcy chores")
        chores.hangs = True
        opening = asyncio.create_task(host.__aenter__())
        await asyncio.sleep(0.01)
        opening.cancel()
        await asyncio.sleep(0.01)
        assert files.closed == 0
        chores.go_on()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert files.closed == 1

    run_story(story())


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

    run_story(story())


@pytest.mark.parametrize("where", ["chore", "sync"])
def test_a_dead_disk_does_not_keep_a_host_open(where: str, caplog: pytest.LogCaptureFixture) -> None:
    """A chore that never ends is before the log's own end; or the sync of that end never does."""

    async def story() -> None:
        world = World(1)
        async with world.serving() as replicas:
            await replicas[1].propose(b"x")
            host: Any = replicas[1]._host
            chores = world.aside(1, "raftcy chores")
            chores.hangs = True
            if where == "chore":
                chores.submit(lambda: None, lambda result, failure: None)
            async with asyncio.timeout(5):
                await host.close()
                await host.wait_closed()
            assert "left as by a crash" in caplog.text
            assert not host._log._closed
            # The thread comes back from the disk when nobody waits any more.
            chores.go_on()
            assert host._log._closed
        async with world.serving() as replicas:
            await replicas[1].read()
            assert ledger(replicas[1]) == ["x"]

    run_story(story())


def test_an_error_at_the_end_is_raised_and_the_end_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        world = World(1)
        host = world.host(1)
        await host.__aenter__()

        async def fail() -> None:
            raise OSError("no")

        monkeypatch.setattr(host._transport, "close", fail)
        for _ in range(2):
            with pytest.raises(OSError, match="no"):
                await host.close()
        assert host._over.is_set()
        async with asyncio.timeout(5):
            await host.wait_closed()

    run_story(story())
