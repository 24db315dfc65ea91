"""Hosts come, are promoted, replaced and removed while the cluster works, in virtual time."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from raftcy.errors import (
    ChangePending,
    ConfigError,
    LogLost,
    MemberRefused,
    MemberRemoved,
    MembersDiffer,
    OutcomeUnknown,
    Stopped,
)
from raftcy.machines import GroupMachine
from raftcy.replica.events import MembersChanged
from raftcy.replica.host import Host
from raftcy.replica.hostrecords import Role, Wish
from raftcy.replica.membertable import MemberTable, split_table
from raftcy.replica.registrar import SYSTEM_GROUP
from raftcy.replica.registry import Registry
from raftcy.replica.replica import Replica
from raftcy.wire.messages import ConfState, HardState, Snapshot, SnapshotMetadata
from tests.support.hosts import Ledger, World, abandon, agreed, followers_of, leader_of, ledger
from tests.support.virtual import caught, run_story


class Cluster:
    """Three hosts that serve a ledger, and those that come later."""

    def __init__(self, world: World, hosts: dict[int, Host], replicas: dict[int, Replica]) -> None:
        self.world = world
        self.hosts = hosts
        self.replicas = replicas

    @property
    def leader(self) -> Host:
        """The host that leads the system group."""
        for host in self.hosts.values():
            system = host.status().system
            if system is not None and system.leader == host.id:
                return host
        raise AssertionError("no leader")

    async def joined(self, id: int, seed: int = 1, **options: Any) -> Host:
        """Let a host join, and serve the ledger."""
        host = self.joiner(id, seed, **options)
        await host.__aenter__()
        self.hosts[id] = host
        self.replicas[id] = host.replica("ledger", Ledger())
        return host

    def joiner(self, id: int, seed: int = 1, **options: Any) -> Host:
        return self.world.host(id, join=f"host{seed}:7000", listen=f"host{id}:7000", **options)

    async def until(self, what: Any, seconds: float = 20) -> None:
        async with asyncio.timeout(seconds):
            while not what():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def cluster(count: int = 3) -> AsyncIterator[Cluster]:
    world = World(count)
    made: Cluster | None = None
    hosts = {id: world.host(id) for id in world.members}
    try:
        await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
        replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
        await agreed(replicas)
        made = Cluster(world, hosts, replicas)
        await made.until(lambda: all(host.status().system.leader for host in hosts.values()))  # type: ignore[union-attr]
        yield made
    finally:
        await asyncio.gather(*[host.close() for host in hosts.values()])


def voters(replica: Replica) -> list[int]:
    return sorted(replica.members.voters)


# -- coming --------------------------------------------------------------------------------------------------------


def test_a_host_joins_and_becomes_a_voter() -> None:
    async def story() -> None:
        async with cluster() as those:
            await those.replicas[1].propose(b"a")
            adding = asyncio.ensure_future(those.hosts[2].add(4, name="four", attributes={"rack": "b"}))
            await asyncio.sleep(0.1)
            assert those.hosts[2].hosts[4].is_reserved
            four = await those.joined(4)
            record = await adding
            assert (record.role, record.name, dict(record.attributes)) == (Role.VOTER, "four", {"rack": "b"})
            assert record.addresses == ("host4:7000",)
            assert voters(those.replicas[2]) == [1, 2, 3, 4]
            await those.replicas[4].read()
            assert ledger(those.replicas[4]) == ["a"]
            assert await those.replicas[4].propose(b"b") == 2
            assert four.cluster == those.hosts[1].cluster
            assert those.replicas[4].status().addresses[1] == ("host1:7000",)

    run_story(story())


def test_a_host_joins_without_a_reserved_place_under_a_drawn_id() -> None:
    async def story() -> None:
        async with cluster() as those:
            world = those.world
            host = Host(
                "data/new",
                join=["nowhere:1", "host2:7000"],
                listen="new:7000",
                tuning=world.tuning,
                seams=world.parts(99),
            )
            await host.__aenter__()
            those.hosts[host.id] = host
            assert host.id > 2**32
            replica = host.replica("ledger", Ledger())
            await those.until(lambda: host.id in those.replicas[1].members.voters)
            assert await replica.propose(b"x") == 1

    run_story(story())


def test_after_joining_a_restart_needs_no_list() -> None:
    async def story() -> None:
        async with cluster() as those:
            await those.joined(4)
            await those.until(lambda: voters(those.replicas[4]) == [1, 2, 3, 4])
            await those.replicas[4].propose(b"a")
            await those.hosts.pop(4).close()
            again = Host("data/4", tuning=those.world.tuning, seams=those.world.parts(4))
            await again.__aenter__()
            those.hosts[4] = again
            assert again.id == 4
            assert sorted(again.hosts) == [1, 2, 3, 4]
            replica = again.replica("ledger", Ledger())
            await replica.read()
            assert ledger(replica) == ["a"]

    run_story(story())


def test_a_learner_is_promoted_when_that_is_asked() -> None:
    async def story() -> None:
        async with cluster() as those:
            adding = asyncio.ensure_future(those.hosts[1].add_learner(4))
            await asyncio.sleep(0.1)
            await those.joined(4)
            assert (await adding).role == Role.LEARNER
            await asyncio.sleep(1)
            assert voters(those.replicas[1]) == [1, 2, 3]
            assert list(those.replicas[1].members.learners) == [4]
            await those.hosts[3].promote(4)
            assert voters(those.replicas[3]) == [1, 2, 3, 4]

    run_story(story())


class Broken(Ledger):
    def apply_one(self, command: Any) -> Any:
        raise ValueError("my application has a bug")

    def restore(self, file: Any) -> None:
        raise ValueError("my application has a bug")


@pytest.mark.parametrize("asked", [1, 4])
def test_a_newcomer_whose_machine_fails_says_so(asked: int) -> None:
    """Its host goes on, so only the error of the change can tell whoever waits for it."""

    async def story() -> None:
        async with cluster() as those:
            await those.replicas[1].propose(b"a")
            four = those.hosts[4] = those.joiner(4, learner=True)
            await four.__aenter__()
            broken = four.replica("ledger", Broken())
            await those.until(lambda: broken.failure is not None)
            await asyncio.sleep(2)
            error = await caught(those.hosts[asked].promote(4, timeout_s=1))
            assert "my application has a bug" in str(error)
            assert isinstance(error, ChangePending if asked == 1 else Stopped)

    run_story(story())


def test_a_group_that_stands_still_says_whose_machine_failed() -> None:
    """The first newcomer became a voter before its machine failed. The second waits for a group without a leader."""

    async def story() -> None:
        async with cluster(1) as those:
            await those.replicas[1].propose(b"a")
            two = those.hosts[2] = those.joiner(2)
            await two.__aenter__()
            broken = two.replica("ledger", Broken())
            await those.until(lambda: broken.failure is not None)
            await those.until(lambda: those.replicas[1].leader is None)
            assert voters(those.replicas[1]) == [1, 2]
            await those.joined(3)
            error = await caught(those.hosts[1].promote(3, timeout_s=1))
            assert isinstance(error, ChangePending)
            assert "the replica of member 2 has died" in error.text
            assert "my application has a bug" in error.text

    run_story(story())


def test_a_wish_survives_its_leaders() -> None:
    """The learner is away when it is to become a voter. Leaders come and go, and one of them makes it a voter."""

    async def story() -> None:
        async with cluster() as those:
            adding = asyncio.ensure_future(those.hosts[1].add_learner(4))
            await asyncio.sleep(0.1)
            await those.joined(4)
            await adding
            those.world.members[4] = "host4:7000"
            those.world.cut(4)
            error = await caught(those.hosts[1].promote(4, timeout_s=1))
            assert isinstance(error, ChangePending)
            assert "member 4 does not answer" in error.text
            for _ in range(2):
                system = those.leader._registrar.system  # type: ignore[union-attr]
                assert system is not None
                await system.transfer()
                await leader_of({id: those.replicas[id] for id in (1, 2, 3)}).transfer()
            assert voters(those.replicas[1]) == [1, 2, 3]
            those.world.heal()
            await those.until(lambda: voters(those.replicas[1]) == [1, 2, 3, 4])

    run_story(story())


def test_a_group_waits_for_those_that_serve_it() -> None:
    """A host that does not serve a group does not become a member of it: it could not catch up."""

    async def story() -> None:
        async with cluster() as those:
            four = those.joiner(4)
            await four.__aenter__()
            those.hosts[4] = four
            await those.until(lambda: those.hosts[1].hosts[4].role == Role.VOTER)
            await asyncio.sleep(1)
            assert voters(those.replicas[1]) == [1, 2, 3]
            error = await caught(those.hosts[1].add(4, timeout_s=0.3))
            assert "does not serve the group" in str(error)
            replica = four.replica("ledger", Ledger())
            assert replica.leader is None
            await those.hosts[1].add(4)
            await those.until(lambda: voters(replica) == [1, 2, 3, 4])

    run_story(story())


def test_a_new_group_after_changes_has_the_same_members_everywhere() -> None:
    """Two first configurations could have two leaders."""

    async def story() -> None:
        async with cluster() as those:
            await those.joined(4)
            await those.until(lambda: those.hosts[1].hosts[4].role == Role.VOTER)
            await those.hosts[1].remove(3)
            await those.until(lambda: those.hosts[3].failure is not None)
            others = {id: those.hosts[id].replica("other", Ledger()) for id in (1, 2, 4)}
            await agreed(others)
            await others[4].propose(b"x")
            assert {tuple(voters(each)) for each in others.values()} == {(1, 2, 4)}
            assert those.hosts[1].status().groups == ("ledger", "other")

    run_story(story())


def test_events_have_addresses() -> None:
    async def story() -> None:
        async with cluster() as those:
            seen = []

            async def follow() -> None:
                async for event in those.replicas[1].events():
                    if isinstance(event, MembersChanged):
                        seen.append(event)

            following = asyncio.ensure_future(follow())
            await asyncio.sleep(0)
            await those.joined(4)
            await those.hosts[1].add(4)
            await asyncio.sleep(0)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            assert [list(event.members.learners) for event in seen] == [[4], []]
            assert seen[-1].addresses == {id: (f"host{id}:7000",) for id in (1, 2, 3, 4)}

    run_story(story())


# -- refusals ------------------------------------------------------------------------------------------------------


def test_what_cannot_be_is_refused() -> None:
    async def story() -> None:
        async with cluster() as those:
            one = those.hosts[1]
            for call, reason in (
                (one.remove(9), "unknown"),
                (one.promote(9), "unknown"),
                (one.replace(9, 10), "unknown"),
                (one.replace(1, 1), "known"),
                (one.add_learner(3), "known"),
                (one.update(9, name="x"), "unknown"),
            ):
                error = await caught(call)
                assert type(error) is MemberRefused
                assert error.reason == reason
            for wrong in (one.add(0), one.add(4, "nowhere"), one.update(1, name="x" * 256)):
                assert isinstance(await caught(wrong), ValueError)
            assert await one.add(3) == one.hosts[3]
            assert sorted(one.hosts) == [1, 2, 3]

    run_story(story())


def test_a_host_whose_replica_has_died_changes_no_members() -> None:
    """It may be the only one that has the group's log.

    catches: redisraft#17
    """

    async def story() -> None:
        async with cluster(1) as those:
            one = those.hosts[1]
            two = those.joiner(2)
            await two.__aenter__()
            those.hosts[2] = two
            adding = asyncio.ensure_future(one.add(2))
            # It waits for the group, which the second host does not serve.
            await those.until(lambda: one.hosts[2].role == Role.VOTER)
            assert not adding.done()
            assert isinstance(await caught(those.replicas[1].propose(b"die")), OutcomeUnknown)
            for begin in (lambda: adding, lambda: one.add(3), lambda: one.remove(2), lambda: one.promote(2)):
                error = await caught(begin())
                assert isinstance(error, Stopped)
                assert "RuntimeError: die" in str(error.cause)
            assert 3 not in one.hosts
            assert (await one.update(1, name="one")).name == "one"
            await two.close()

    run_story(story())


def test_the_last_voter_stays() -> None:
    async def story() -> None:
        async with cluster(1) as those:
            error = await caught(those.hosts[1].remove(1))
            assert isinstance(error, MemberRefused)
            assert error.reason == "last"
            assert await those.replicas[1].propose(b"x") == 1

    run_story(story())


def test_no_change_without_an_active_majority() -> None:
    """The group could not commit any more, nor take the change back.

    catches: redisraft#17
    """

    async def story() -> None:
        async with cluster() as those:
            leader = those.leader.id
            others = [id for id in those.hosts if id != leader]
            await those.replicas[leader].propose(b"x")
            those.world.cut(others[0])
            await asyncio.sleep(1)
            error = await caught(those.hosts[leader].remove(others[1]))
            assert isinstance(error, MemberRefused)
            assert error.reason == "inactive"
            assert f"{others[0]} would not be active" in error.text
            await asyncio.sleep(1)
            assert voters(those.replicas[leader]) == [1, 2, 3]
            assert those.hosts[leader].hosts[others[1]].wish == Wish.VOTER
            await those.hosts[leader].remove(others[0])
            assert voters(those.replicas[leader]) == sorted((leader, others[1]))

    run_story(story())


def test_force_removes_without_an_active_majority() -> None:
    async def story() -> None:
        async with cluster() as those:
            leader = those.leader.id
            gone, kept = (id for id in those.hosts if id != leader)
            those.world.cut(gone)
            await asyncio.sleep(1)
            removing = asyncio.ensure_future(those.hosts[leader].remove(kept, force=True, timeout_s=1))
            await asyncio.gather(removing, return_exceptions=True)
            assert kept not in those.replicas[leader].members.voters or kept not in those.hosts[leader].hosts
            those.world.heal()
            await those.until(lambda: voters(those.replicas[leader]) == sorted((leader, gone)))
            assert await those.replicas[leader].propose(b"x", timeout_s=5) == 1

    run_story(story())


def test_an_identity_that_differs_is_refused_with_the_way_back() -> None:
    """The member's disk is lost, and it asks for its place again."""

    async def story() -> None:
        async with cluster() as those:
            await those.hosts.pop(3).close()
            those.world.disks.pop(3)
            error = await caught(those.joiner(3).__aenter__())
            assert isinstance(error, MembersDiffer | MemberRefused)
            assert "let a host with a new id `replace` it" in str(error)
            assert await leader_of({id: those.replicas[id] for id in (1, 2)}).propose(b"x") == 1

    run_story(story())


def test_votes_of_strangers_do_not_count() -> None:
    """Nor do acknowledgements: nobody knows whether their hosts have kept what they promised.

    catches: etcd#21178
    """

    async def story() -> None:
        async with cluster() as those:
            leader = leader_of(those.replicas)
            gone, stranger = (id for id in those.hosts if id != leader.id)
            registry = those.hosts[leader.id]._registrar.registry  # type: ignore[union-attr]
            record = registry.hosts.pop(stranger)
            those.world.cut(gone)
            assert isinstance(await caught(leader.propose(b"x", timeout_s=0.05)), OutcomeUnknown)
            registry.hosts[stranger] = record
            those.world.heal()
            await those.until(lambda: any(each.is_leader for each in those.replicas.values()))
            await those.replicas[gone].read(timeout_s=10)

    run_story(story())


def test_a_copied_directory_is_no_second_member() -> None:
    async def story() -> None:
        async with cluster() as those:
            world = those.world
            world.disks[4] = world.disks[3].copied()
            error = await caught(Host("data/4", id=4, seams=world.parts(4), tuning=world.tuning).__aenter__())
            assert isinstance(error, MembersDiffer)
            assert "is not the directory of member 4" in str(error)

    run_story(story())


def test_a_removed_id_is_never_taken_again() -> None:
    async def story() -> None:
        async with cluster() as those:
            await those.hosts[1].remove(3)
            await those.until(lambda: those.hosts[3].failure is not None)
            await those.hosts.pop(3).close()
            error = await caught(those.hosts[1].add(3))
            assert isinstance(error, MemberRefused)
            assert error.reason == "removed"
            those.world.disks.pop(3)
            error = await caught(those.joiner(3).__aenter__())
            assert isinstance(error, MemberRemoved)
            assert those.hosts[1].status().removed == {3}

    run_story(story())


def test_arguments_that_cannot_work() -> None:
    world = World()
    for options, error in (
        ({"join": "a:1", "members": world.members, "id": 1}, ConfigError),
        ({"join": "a:1"}, ConfigError),
        ({"join": "a", "listen": "a:1"}, ValueError),
        ({"join": "b:1", "listen": "a:1", "name": "x" * 300}, ValueError),
        ({"join": "b:1", "listen": "a:1", "id": 0}, ValueError),
    ):
        with pytest.raises(error):
            Host("data", **options)

    async def story() -> None:
        assert isinstance(await caught(Host("d", id=1, seams=world.parts(1)).__aenter__()), ConfigError)

    run_story(story())


# -- going ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", ["itself", "another"])
@pytest.mark.parametrize("leads", [True, False])
def test_a_member_is_removed_and_stops(asked: str, leads: bool) -> None:
    async def story() -> None:
        async with cluster() as those:
            await those.replicas[1].propose(b"a")
            leader = those.leader.id
            gone = leader if leads else next(id for id in those.hosts if id != leader)
            rest = [id for id in those.hosts if id != gone]
            await those.hosts[gone if asked == "itself" else rest[0]].remove(gone)
            await those.until(lambda: those.hosts[gone].failure is not None)
            error = those.hosts[gone].failure
            assert isinstance(error, MemberRemoved)
            assert error.reason == "removed"
            assert isinstance(await caught(those.replicas[gone].read()), Stopped)
            await those.until(lambda: all(voters(those.replicas[id]) == rest for id in rest))
            assert await those.replicas[rest[0]].propose(b"b") == 2
            for id in rest:
                assert those.hosts[id].failure is None

    run_story(story())


def test_who_was_away_learns_of_its_removal() -> None:
    """It dials the others, and they tell it.

    catches: redisraft#17
    """

    async def story() -> None:
        async with cluster() as those:
            gone = next(id for id in those.hosts if id != those.leader.id)
            rest = [id for id in those.hosts if id != gone]
            those.world.crash(those.hosts[gone])
            await those.hosts[rest[0]].remove(gone)
            again = those.world.host(gone)
            await again.__aenter__()
            those.hosts[gone] = again
            await those.until(lambda: isinstance(again.failure, MemberRemoved))

    run_story(story())


def test_a_learner_that_was_away_learns_of_its_removal() -> None:
    async def story() -> None:
        async with cluster() as those:
            await those.joined(4, learner=True)
            await those.hosts[1].add_learner(4)
            await those.hosts.pop(4).close()
            await those.hosts[1].remove(4)
            again = those.world.host(4, members=None)
            await again.__aenter__()
            those.hosts[4] = again
            await those.until(lambda: isinstance(again.failure, MemberRemoved))

    run_story(story())


def test_a_removal_is_taken_back_before_it_is_done() -> None:
    """The group has removed the member already, and takes it in again."""

    async def story() -> None:
        async with cluster() as those:
            asked, back = those.leader.id, next(id for id in those.hosts if id != those.leader.id)
            removal = asyncio.ensure_future(those.hosts[asked].remove(back))
            await those.until(lambda: not those.replicas[back].is_member)
            await those.hosts[asked].promote(back)
            await those.until(lambda: all(voters(replica) == [1, 2, 3] for replica in those.replicas.values()))
            assert those.hosts[back].failure is None
            removal.cancel()

    run_story(story())


def test_a_newcomer_that_is_removed_at_once_is_told_so() -> None:
    async def story() -> None:
        async with cluster() as those:
            entering = asyncio.ensure_future(caught(those.joiner(4).__aenter__()))
            await those.until(lambda: 4 in those.hosts[1].hosts)
            await those.hosts[1].remove(4)
            error = await entering
            assert isinstance(error, MemberRemoved)
            assert error.reason == "removed"

    run_story(story())


def test_a_place_is_given_up() -> None:
    async def story() -> None:
        async with cluster() as those:
            error = await caught(those.hosts[1].add(4, "four:7000", timeout_s=0.5))
            assert isinstance(error, ChangePending)
            assert "has not come yet" in error.text
            await those.hosts[2].remove(4)
            await those.until(lambda: 4 not in those.hosts[1].hosts)
            await those.joined(4)

    run_story(story())


# -- replacing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dead", [True, False])
def test_a_member_is_replaced(dead: bool) -> None:
    async def story() -> None:
        async with cluster() as those:
            await those.replicas[1].propose(b"a")
            old = next(id for id in those.hosts if id != those.leader.id)
            rest = [id for id in those.hosts if id != old]
            seen: list[int] = []
            if dead:
                those.world.crash(those.hosts.pop(old))
            replacing = asyncio.ensure_future(those.hosts[rest[0]].replace(old, 4))

            async def count() -> None:
                async for event in those.replicas[rest[0]].events():
                    if isinstance(event, MembersChanged):
                        seen.append(len(event.members.voters))

            counting = asyncio.ensure_future(count())
            await asyncio.sleep(0.1)
            await those.joined(4, seed=rest[1])
            assert (await replacing).role == Role.VOTER
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)
            assert set(seen) == {3}, "the number of voters stays"
            assert voters(those.replicas[4]) == sorted((*rest, 4))
            assert await those.replicas[4].propose(b"b") == 2
            if not dead:
                await those.until(lambda: isinstance(those.hosts[old].failure, MemberRemoved))

    run_story(story())


def test_the_leader_is_replaced() -> None:
    async def story() -> None:
        async with cluster() as those:
            old = those.leader.id
            await leader_of(those.replicas).transfer(old) if not those.replicas[old].is_leader else None
            rest = [id for id in those.hosts if id != old]
            replacing = asyncio.ensure_future(those.hosts[rest[0]].replace(old, 4))
            await asyncio.sleep(0.1)
            await those.joined(4, seed=rest[0])
            await replacing
            assert voters(those.replicas[rest[0]]) == sorted((*rest, 4))
            assert await those.replicas[4].propose(b"b") == 1

    run_story(story())


# -- addresses -----------------------------------------------------------------------------------------------------


def test_a_member_moves() -> None:
    """It listens somewhere else after a restart: the others answer it there, and its address is updated."""

    async def story() -> None:
        async with cluster() as those:
            moved = followers_of(those.replicas)[0].id
            rest = [id for id in those.hosts if id != moved]
            await those.hosts.pop(moved).close()
            again = those.world.host(moved, listen="elsewhere:7000", advertise="elsewhere:7000")
            await again.__aenter__()
            those.hosts[moved] = again
            await those.until(lambda: those.hosts[rest[0]].hosts[moved].addresses == ("elsewhere:7000",))
            replica = again.replica("ledger", Ledger())
            await replica.wait_for_leader()
            assert await replica.propose(b"x") == 1

    run_story(story())


def test_name_and_attributes_are_changed() -> None:
    async def story() -> None:
        async with cluster() as those:
            found = await those.hosts[2].update(3, name="three", attributes={"b": "2", "a": "1"})
            assert found.attributes == (("a", "1"), ("b", "2"))
            await those.until(lambda: those.hosts[1].hosts[3].name == "three")

    run_story(story())


def test_a_crash_while_joining_changes_nothing() -> None:
    """A host dies at some moment of its join, asks again with the same directory, and is in."""

    async def story(steps: int) -> None:
        async with cluster() as those:
            host = those.joiner(4)
            entering = asyncio.ensure_future(host.__aenter__())
            for _ in range(steps):
                await asyncio.sleep(0.002)
            entering.cancel()
            await asyncio.gather(entering, return_exceptions=True)
            if host._log is not None and not host._closing:
                abandon(host)
            await those.joined(4)
            await those.hosts[1].add(4)
            await those.until(lambda: voters(those.replicas[4]) == [1, 2, 3, 4])

    for steps in range(0, 60, 4):
        run_story(story(steps))


# -- what has gone wrong on a disk ---------------------------------------------------------------------------------


def test_an_old_copy_put_back_is_detected() -> None:
    """The member has acknowledged entries since that it no longer has: it stops, and must be replaced."""

    async def story() -> None:
        async with cluster() as those:
            world = those.world
            await those.replicas[1].propose(b"a")
            old = followers_of(those.replicas)[0].id
            rest = [id for id in those.hosts if id != old]
            await those.replicas[old].read()
            await those.hosts[old].close()
            copy = world.disks[old].copied()
            again = world.host(old)
            await again.__aenter__()
            those.hosts[old] = again
            those.replicas[old] = again.replica("ledger", Ledger())
            leader = await agreed(those.replicas)
            # With one of the others away, the member's acknowledgement is needed.
            away = next(id for id in those.hosts if id not in (old, leader.id))
            world.cut(away)
            for text in (b"b", b"c"):
                await leader.propose(text)
            await those.replicas[old].read()
            world.crash(again)
            world.disks[old] = copy
            back = world.host(old)
            await back.__aenter__()
            those.hosts[old] = back
            replica = back.replica("ledger", Ledger())
            await those.until(lambda: replica.failure is not None or back.failure is not None)
            assert isinstance(replica.failure or back.failure, LogLost)
            world.heal()
            assert rest

    run_story(story())


class Newer(Ledger):
    knows = 2


def test_a_program_that_is_too_old_is_refused() -> None:
    """The group uses version 2, since all its members know it. A host that does not cannot become a member."""

    async def story() -> None:
        world = World()
        hosts = {id: world.host(id) for id in world.members}
        try:
            await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
            replicas = {id: host.replica("ledger", Newer()) for id, host in hosts.items()}
            await agreed(replicas)
            those = Cluster(world, hosts, replicas)
            await replicas[1].propose(b"x")
            await those.until(lambda: replicas[1].machine.version == 2)
            four = those.joiner(4)
            await four.__aenter__()
            hosts[4] = four
            older = four.replica("ledger", Ledger())
            await those.until(lambda: older.failure is not None)
            assert isinstance(older.failure, MemberRefused)
            assert older.failure.reason == "version"
            assert "version 2" in str(older.failure)
            assert four.failure is older.failure
            assert voters(replicas[1]) == [1, 2, 3]
            newer = four.replica("ledger", Newer())
            await those.until(lambda: 4 in newer.members.voters)
        finally:
            await asyncio.gather(*[host.close() for host in hosts.values()])

    run_story(story())


def test_a_directory_of_an_earlier_version_opens() -> None:
    """It has the bare table of members as the snapshot of group 0, and groups that no registry knows."""

    async def story() -> None:
        async with cluster() as those:
            await those.replicas[1].propose(b"a")
            await those.until(lambda: all(ledger(each) == ["a"] for each in those.replicas.values()))
            world = those.world
            await asyncio.gather(*[host.close() for host in those.hosts.values()])
            for id in those.hosts:
                log = world.parts(id).log(world.disks[id])
                table = decode_founding(log)
                log.drop(0)
                log.sync()
                metadata = SnapshotMetadata(conf_state=ConfState(voters=[1, 2, 3]), index=1, term=1)
                state = HardState(term=1, vote=0, commit=1)
                log.group(0).save(state, [], Snapshot(data=table.encode(), metadata=metadata))
                log.close()
            for id in list(those.hosts):
                those.hosts[id] = Host("data", seams=world.parts(id), tuning=world.tuning)
            await asyncio.gather(*[host.__aenter__() for host in those.hosts.values()])
            for id, host in those.hosts.items():
                assert host.id == id
                those.replicas[id] = host.replica("ledger", Ledger())
            await agreed(those.replicas)
            await those.replicas[2].read()
            assert ledger(those.replicas[2]) == ["a"]
            await those.joined(4)
            await those.hosts[1].add(4)
            await those.replicas[4].read()
            assert ledger(those.replicas[4]) == ["a"]
            assert those.hosts[1].status().groups == ("ledger",)

    run_story(story())


def decode_founding(log: Any) -> MemberTable:
    """The founding table in the log of a host."""
    registry = Registry()
    _, table, state = split_table(log.group(0).snapshot().data)
    if state is None:
        return table
    machine = GroupMachine(registry)
    machine.restore_state(io.BytesIO(state), 1)
    return registry.founding


# -- members that come while groups sleep ----------------------------------------------------------------------------


async def asleep(those: Cluster) -> None:
    """Wait until all groups sleep."""
    await those.until(lambda: all(each.is_asleep for host in those.hosts.values() for each in host.replicas()))


def test_a_host_that_waits_for_its_group_is_ticked_once() -> None:
    """With two seats its time would run twice as fast, and one of them would go on while the member sleeps.

    catches: redisraft#17
    """

    async def story() -> None:
        async with cluster() as those:
            for each in (1, 2, 3):
                await those.replicas[each].close()
            four = await those.joined(4)
            await asyncio.sleep(1)
            replica = those.replicas[4]
            assert not replica.is_member
            seats = [seat for seat in four._herd._together._awake if seat.group == replica.group]
            assert len(seats) == 1
            elapsed = replica.driver.node.raft.election_elapsed
            await asyncio.sleep(0.1)
            assert replica.driver.node.raft.election_elapsed - elapsed in (9, 10, 11)
            del those.replicas[4]
            await four.close()

    run_story(story())


def test_a_group_whose_members_are_to_change_does_not_sleep() -> None:
    """A host that was added just before it was cut off gets the log when it is back.

    catches: tikv#16368
    """

    async def story() -> None:
        async with cluster(1) as those:
            await those.replicas[1].propose(b"x")
            await asleep(those)
            joiner = those.joiner(2)
            joining = asyncio.ensure_future(joiner.__aenter__())
            await those.until(lambda: 2 in those.hosts[1].hosts)
            those.world.cuts |= {(1, 2), (2, 1)}
            await asyncio.sleep(2)
            assert not joining.done()
            assert not those.hosts[1].find(SYSTEM_GROUP).is_asleep  # type: ignore[union-attr]
            those.world.heal()
            async with asyncio.timeout(5):
                await joining
            those.hosts[2] = joiner
            those.replicas[2] = joiner.replica("ledger", Ledger())
            await those.until(lambda: voters(those.replicas[1]) == [1, 2])
            await asleep(those)

    run_story(story())


def test_a_learner_that_comes_back_wakes_its_groups() -> None:
    """They sleep without it, and a learner does not campaign.

    catches: tikv#16368
    """

    async def story() -> None:
        async with cluster(1) as those:
            adding = asyncio.ensure_future(those.hosts[1].add_learner(2))
            await asyncio.sleep(0.05)
            await those.joined(2)
            await adding
            await those.replicas[1].propose(b"x")
            await asleep(those)
            await those.hosts.pop(2).close()
            await asyncio.sleep(1)
            await those.replicas[1].propose(b"y")
            await asleep(those)
            await asyncio.sleep(0.1)
            async with those.world.host(2, members=None) as again:
                replica = again.replica("ledger", Ledger())
                async with asyncio.timeout(2):
                    await replica.wait_for_leader()
                    await replica.read()
                assert ledger(replica) == ["x", "y"]

    run_story(story())


def test_who_has_not_answered_since_the_group_slept_is_not_active() -> None:
    """A group sleeps on without a host that falls silent. Its vote must not be counted on afterwards.

    catches: redisraft#17
    """

    async def story() -> None:
        async with cluster() as those:
            await those.replicas[1].propose(b"x")
            await asleep(those)
            leader = those.leader.id
            gone, stays = [id for id in (1, 2, 3) if id != leader]
            those.world.crash(those.hosts.pop(gone))
            await asyncio.sleep(2)
            error = await caught(those.hosts[leader].remove(stays, timeout_s=3))
            assert isinstance(error, MemberRefused)
            assert error.reason == "inactive"
            assert sorted(those.hosts[stays].hosts) == [1, 2, 3]

    run_story(story())


def test_the_last_member_of_a_group_stays_until_another_has_it() -> None:
    """The host that leads the system group is not in the group yet, so it cannot know who has the group's log.

    catches: redisraft#17
    """

    async def story() -> None:
        async with cluster(1) as those:
            await those.replicas[1].propose(b"x")
            await those.replicas[1].close()
            two = await those.joined(2)
            await those.until(lambda: two.hosts[2].role == Role.VOTER)
            removing = asyncio.ensure_future(two.remove(1))
            await those.until(lambda: two.find(SYSTEM_GROUP).is_leader)  # type: ignore[union-attr]
            await asyncio.sleep(2)
            assert 1 in two.hosts
            assert not removing.done()
            those.replicas[1] = those.hosts[1].replica("ledger", Ledger())
            await removing
            await those.replicas[2].read()
            assert ledger(those.replicas[2]) == ["x"]
            assert sorted(two.hosts) == [2]

    run_story(story())
