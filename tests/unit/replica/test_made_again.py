"""Replicas that are made again on a living host: what their log and their machine bring along."""

import asyncio
from typing import Any

import pytest

from raftcy.errors import ConfigError, Contradiction
from raftcy.machines import Command, OnDiskMachine
from raftcy.replica.host import Host, group_of
from raftcy.replica.replica import Replica
from raftcy.wire.enums import MessageType
from tests.support.hosts import Ledger, World, followers_of, leader_of, ledger, tuned
from tests.support.virtual import run_story


def host_of(replica: Replica) -> Host:
    host: Any = replica._host
    return host


def answers(world: World, sender: int, kind: MessageType, group: int) -> list[Any]:
    return [m for id, to, m in world.sent if id == sender and to == group and m.type == kind]


# -- what is staged ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flying", [True, False])
def test_entries_of_the_replica_before_are_acknowledged_once_they_are_durable(flying: bool) -> None:
    """The leader would count them, and a power cut would take them away."""

    async def story() -> None:
        world = World(3, tuned(sync="thread", election_ms=10_000))
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            host, disk = host_of(follower), world.aside(follower.id)
            await leader.propose(b"x")
            await asyncio.sleep(0.1)
            disk.hangs = True
            if not flying:
                # The hanging sync is another group's.
                host.replica("other", Ledger())
                await asyncio.sleep(0.1)
            await leader.propose(b"y")
            await asyncio.sleep(0.1)
            last = leader.status().last_index
            await follower.close()
            world.sent.clear()
            again = host.replica("ledger", Ledger())
            assert again.status().last_index == last
            await asyncio.sleep(1)
            assert not [
                m for m in answers(world, again.id, MessageType.MSG_APP_RESP, again.group) if m.index >= last
            ], "nobody knows yet whether the entry will last"
            assert ledger(again) == [], "a machine with a database would be ahead of the log"
            disk.go_on()
            await again.read(timeout_s=5)
            assert ledger(again) == ["x", "y"]
            assert leader._driver.node.status().progress[again.id].match == last

    run_story(story())


def test_a_vote_of_the_replica_before_is_repeated_once_it_is_durable() -> None:
    """Whoever gets it counts on it, and a power cut would let this member vote again."""

    async def story() -> None:
        world = World(3, tuned(sync="thread", election_ms=10_000))
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            voter, other = followers_of(replicas)
            host, disk = host_of(voter), world.aside(voter.id)
            await leader.propose(b"x")
            await asyncio.sleep(0.1)
            disk.hangs = True
            world.cuts.add((other.id, leader.id))
            handover = asyncio.create_task(leader.transfer(other.id))
            await asyncio.sleep(0.1)
            assert voter._log.initial_state()[0].vote == other.id
            asked = answers(world, other.id, MessageType.MSG_VOTE, voter.group)
            await voter.close()
            world.sent.clear()
            again = host.replica("ledger", Ledger())
            again.receive([m for m in asked if m.to == again.id])
            await asyncio.sleep(0.1)
            assert not answers(world, again.id, MessageType.MSG_VOTE_RESP, again.group)
            disk.go_on()
            await asyncio.sleep(0.1)
            assert answers(world, again.id, MessageType.MSG_VOTE_RESP, again.group)
            assert other.is_leader
            world.heal()
            await handover

    run_story(story())


def test_a_log_that_is_durable_holds_nothing_back() -> None:
    async def story() -> None:
        world = World(3, tuned(sync="thread", election_ms=10_000))
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            await leader.propose(b"x")
            await asyncio.sleep(0.1)
            await follower.close()
            host_of(follower)._log.sync()
            world.aside(follower.id).hangs = True
            again = host_of(follower).replica("ledger", Ledger())
            await again.read(timeout_s=5)
            assert ledger(again) == ["x"]
            world.aside(follower.id).go_on()

    run_story(story())


# -- machines ------------------------------------------------------------------------------------------------------


class Database(OnDiskMachine):
    """What stays when the process ends: the commands, and how far they are applied."""

    def __init__(self) -> None:
        self.stored: list[bytes] = []
        self.index = 0

    @property
    def applied(self) -> int:
        return self.index

    def apply_one(self, command: Command) -> int:
        self.stored.append(command.data)
        self.index = command.index
        return len(self.stored)

    def capture(self) -> bytes:
        return b",".join(self.stored)


def test_a_used_machine_is_refused() -> None:
    """The log would be applied to it a second time."""

    async def story() -> None:
        world = World(1)
        async with world.running() as hosts:
            machine = Ledger()
            replica = hosts[1].replica("ledger", machine)
            await replica.wait_for_leader()
            await replica.propose(b"x")
            await replica.close()
            for name in ("ledger", "other"):
                with pytest.raises(ConfigError, match="has served a replica before"):
                    hosts[1].replica(name, machine)
            assert group_of("other") not in hosts[1]._log.groups(), "a refused machine begins no group"
            again = hosts[1].replica("ledger", Ledger())
            await again.read()
            assert ledger(again) == machine.entries == ["x"]

    run_story(story())


def test_a_name_that_is_served_uses_no_machine() -> None:
    async def story() -> None:
        world = World(1)
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", Ledger())
            machine = Ledger()
            with pytest.raises(ConfigError, match="serves 'ledger' already"):
                hosts[1].replica("ledger", machine)
            await replica.close()
            await hosts[1].replica("ledger", machine).read()

    run_story(story())


def test_a_machine_on_disk_is_used_again() -> None:
    async def story() -> None:
        world = World(1)
        async with world.running() as hosts:
            machine = Database()
            for number in (1, 2):
                replica = hosts[1].replica("ledger", machine)
                await replica.wait_for_leader()
                assert await replica.propose(b"%d" % number) == number
                await replica.close()
            assert machine.stored == [b"1", b"2"]

    run_story(story())


def test_a_machine_that_is_ahead_of_the_log_is_refused() -> None:
    """The directory is an old copy: the member acknowledged entries that it has no more, so it must not vote."""

    async def story() -> None:
        world = World(1)
        machine = Database()
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", machine)
            await replica.wait_for_leader()
            await replica.propose(b"old")
        copy = {name: bytes(data) for name, data in world.disks[1].durable.items()}
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", machine)
            await replica.wait_for_leader()
            await replica.propose_many([b"new"] * 5)
        applied = machine.applied
        world.disks[1].durable = copy
        world.disks[1].cut_power()
        async with world.running() as hosts:
            with pytest.raises(Contradiction, match=f"up to {applied}, but the log ends at"):
                hosts[1].replica("ledger", machine)
            with pytest.raises(Contradiction, match="but the log ends at 0"):
                hosts[1].replica("other", machine)
            assert group_of("other") not in hosts[1]._log.groups(), "no group is begun"
            await hosts[1].replica("ledger", Ledger()).read()
        assert machine.stored == [b"old", *[b"new"] * 5]

    run_story(story())
