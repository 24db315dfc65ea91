"""Groups are deleted: everywhere, with all their data, for good, also where a host was away."""

import asyncio
import logging
import time
from typing import Any

import pytest

from raftcy.errors import ChangePending, CommandError, ConfigError, GroupDeleted, OutcomeUnknown, Rejected, Stopped
from raftcy.replica.events import ReplicaStopped
from raftcy.replica.host import Host
from raftcy.replica.registry import group_of
from raftcy.replica.transplant import OldDirectory
from raftcy.storage.bodies import group_of_body
from raftcy.storage.shared_log import SharedLog
from tests.support.hosts import Files, Large, Ledger, World, agreed, ledger, tuned
from tests.support.virtual import caught, run_story

GROUP = group_of("ledger")


def groups_of(files: Files) -> list[int]:
    """The groups in a directory, as a start would find them."""
    return SharedLog(files.copied(), clock=time.monotonic, draw=bytes).groups()


def bodies_of(files: Files) -> list[str]:
    """The files of the group's snapshots."""
    return [name for name in files.now if group_of_body(name) == GROUP]


async def until(what: Any) -> None:
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.005)


def test_a_group_is_deleted_everywhere() -> None:
    """catches: tikv#14162"""

    async def story() -> None:
        world = World(3, tuned(snapshot_entries=5, kept_entries=1))
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", Large()) for id, host in hosts.items()}
            others = {id: host.replica("other", Ledger()) for id, host in hosts.items()}
            await agreed(replicas)
            await agreed(others)
            await others[1].propose(b"kept")
            for n in range(12):
                await replicas[1].propose(b"%d" % n)
            await until(lambda: all(bodies_of(files) for files in world.disks.values()))
            followed = asyncio.ensure_future(_last_event(replicas[2]))
            await asyncio.sleep(0)
            await hosts[2].delete("ledger")
            assert isinstance(replicas[2].failure, GroupDeleted)
            await until(lambda: all(isinstance(each.failure, GroupDeleted) for each in replicas.values()))
            event = await followed
            assert isinstance(event, ReplicaStopped)
            assert isinstance(event.cause, GroupDeleted)
            assert isinstance((await caught(replicas[3].read())).cause, GroupDeleted)
            assert isinstance(await caught(replicas[3].propose(b"x")), Rejected)
            await until(lambda: not any(bodies_of(files) for files in world.disks.values()))
            assert all(GROUP not in groups_of(files) for files in world.disks.values())
            for host in hosts.values():
                assert (host.failure, host.status().groups) == (None, ("other",))
                await host.delete("ledger")  # which does nothing again
                with pytest.raises(GroupDeleted, match="'ledger' was deleted"):
                    host.replica("ledger", Ledger())
            # Nothing else has ended, and the members may still change.
            assert await others[3].propose(b"more") == 2
            await hosts[1].remove(3)
            assert sorted(hosts[1].hosts) == [1, 2]

    run_story(story())


async def _last_event(replica: Any) -> Any:
    last = None
    async for event in replica.events():
        last = event
    return last


def test_commands_under_way_end() -> None:
    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            host: Host = replicas[1]._host  # type: ignore[assignment]
            ends = [each.propose(b"x") for each in replicas.values()]
            await host.delete("ledger")
            async with asyncio.timeout(5):
                found = await asyncio.gather(*ends, return_exceptions=True)
            assert all(isinstance(each, int | OutcomeUnknown | Rejected) for each in found)

    run_story(story())


@pytest.mark.parametrize("serves", [True, False], ids=["served", "not served"])
def test_a_host_that_was_away_deletes_on_return(serves: bool) -> None:
    """Its program may make the replica before the host knows, or not at all.

    catches: tikv#14162
    """

    async def story() -> None:
        world = World(3, tuned(snapshot_entries=5, kept_entries=1))
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", Large()) for id, host in hosts.items()}
            await agreed(replicas)
            for n in range(7):
                await replicas[1].propose(b"%d" % n)
            await replicas[3].read()
            await until(lambda: bodies_of(world.disks[3]))
            await hosts[3].close()
            await hosts[1].delete("ledger")
            assert GROUP in groups_of(world.disks[3])
            async with world.host(3) as late:
                if serves:
                    replica = late.replica("ledger", Large())
                    await until(lambda: replica.failure is not None)
                    assert isinstance(replica.failure, GroupDeleted)
                await until(lambda: GROUP not in groups_of(world.disks[3]))
                await until(lambda: not bodies_of(world.disks[3]))
                assert late.failure is None
                with pytest.raises(GroupDeleted):
                    late.replica("ledger", Ledger())

    run_story(story())


def test_a_late_host_makes_no_deleted_group() -> None:
    """It has never heard of the group, and its first call would make it."""

    async def story() -> None:
        world = World(3)
        async with world.running() as hosts:
            replicas = {id: hosts[id].replica("ledger", Ledger()) for id in (1, 2)}
            await agreed(replicas)
            world.cut(3)
            await hosts[1].delete("ledger")
            late = hosts[3].replica("ledger", Ledger())
            await asyncio.sleep(1)
            assert late.failure is None
            world.heal()
            await until(lambda: late.failure is not None)
            assert isinstance(late.failure, GroupDeleted)
            assert hosts[3].failure is None
            assert all(host.status().groups == () for host in hosts.values())

    run_story(story())


def test_members_that_are_cut_off_end_when_they_are_back() -> None:
    """Until then they have no majority, so they decide nothing that is lost."""

    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            host: Any = replicas[1]._host
            world.cut(3)
            await host.delete("ledger")
            lonely = replicas[3].propose(b"x")
            await asyncio.sleep(1)
            assert replicas[3].failure is None
            world.heal()
            await until(lambda: isinstance(replicas[3].failure, GroupDeleted))
            assert isinstance(await caught(lonely), OutcomeUnknown | Rejected)

    run_story(story())


def test_the_power_fails_before_the_drop_is_durable() -> None:
    """The registry has the deletion, so the next start drops the group again.

    catches: tikv#14162
    """

    async def story() -> None:
        world = World(1)
        files = world.disks[1]
        host = world.host(1)
        await host.__aenter__()
        replica = host.replica("ledger", Ledger())
        await replica.wait_for_leader()
        await replica.propose(b"x")
        # The system group's log is durable; nothing is synced afterwards.
        staged = host._disk.staged  # type: ignore[union-attr]
        host._disk.staged = lambda writer, due: staged(writer, due) if hasattr(writer, "group") else None  # type: ignore[union-attr,method-assign]
        await host.delete("ledger")
        world.crash(host)
        assert GROUP in groups_of(world.disks[1])
        assert files is not world.disks[1]
        assert OldDirectory(world.disks[1]).standings() == [], "a backup leaves it out"
        async with world.host(1):
            await until(lambda: GROUP not in groups_of(world.disks[1]))

    run_story(story())


def test_a_snapshot_is_being_written_meanwhile() -> None:
    async def story() -> None:
        world = World(1, tuned(snapshot_entries=5, kept_entries=1))
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", Large())
            await replica.wait_for_leader()
            world.aside(1, "raftcy snapshots").hangs = True
            for n in range(7):
                await replica.propose(b"%d" % n)
            await hosts[1].delete("ledger")
            world.aside(1, "raftcy snapshots").go_on()
            await asyncio.sleep(0.2)
            assert hosts[1].failure is None
            assert bodies_of(world.disks[1]) == []
            assert not [name for name in world.disks[1].now if name.endswith(".part")]

    run_story(story())


def test_a_group_without_a_majority_is_deleted() -> None:
    """The system group decides. The group itself commits nothing any more."""

    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            hosts: list[Any] = [replica._host for replica in replicas.values()]
            await replicas[1].propose(b"x")
            await replicas[2].close()
            await replicas[3].close()
            await hosts[1].delete("ledger")
            await until(lambda: replicas[1].failure is not None)
            for id in (1, 2, 3):
                await until(lambda id=id: GROUP not in groups_of(world.disks[id]))

    run_story(story())


def test_a_dead_replica_is_forgotten_with_its_group() -> None:
    """A dead replica keeps its host from changing members, until its group is deleted."""

    async def story() -> None:
        world = World(3)
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            leader = await agreed(replicas)
            await caught(leader.propose(b"die"))
            await until(lambda: all(each.failure is not None for each in replicas.values()))
            assert isinstance(await caught(hosts[1].remove(3)), Stopped)
            await hosts[1].delete("ledger")
            await hosts[1].remove(3)

    run_story(story())


def test_a_sleeping_group_is_deleted() -> None:
    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            await replicas[1].propose(b"x")
            await until(lambda: all(each.is_asleep for each in replicas.values()))
            host: Any = replicas[1]._host
            await host.delete("ledger")
            await until(lambda: all(isinstance(each.failure, GroupDeleted) for each in replicas.values()))
            await asyncio.sleep(1)
            assert host.failure is None

    run_story(story())


def test_what_cannot_be_deleted() -> None:
    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            host: Any = replicas[1]._host
            error = await caught(host.delete("another"))
            assert (type(error), error.reason) == (CommandError, "unknown")
            assert isinstance(await caught(host.delete("")), ConfigError)
            assert isinstance(await caught(host.delete(b"ledger")), TypeError)
            world.cut(1)
            assert isinstance(await caught(host.delete("ledger", timeout_s=0.5)), ChangePending)
            world.heal()
            assert await replicas[2].propose(b"x") == 1
            assert ledger(replicas[2]) == ["x"]
        assert isinstance(await caught(host.delete("ledger")), Stopped)

    run_story(story())


def test_a_deletion_is_said_once_and_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            host: Any = replicas[1]._host
            with caplog.at_level(logging.INFO, "raftcy.replica"):
                await host.delete("ledger")
                await until(lambda: all(each.failure is not None for each in replicas.values()))
                await asyncio.sleep(0.5)

    run_story(story())
    told = [each for each in caplog.records if "deleted" in each.getMessage()]
    assert {each.levelno for each in told} == {logging.INFO}
    assert sum("its data here" in each.getMessage() for each in told) == 3
