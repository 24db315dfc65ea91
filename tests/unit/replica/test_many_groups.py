"""Many groups on the hosts of a virtual network: beats, sleep, and what wakes."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from raftcy.errors import ConfigError
from raftcy.machines import StateMachine
from raftcy.replica.host import Host
from raftcy.replica.replica import Replica
from raftcy.replica.together import BEAT_GROUP
from raftcy.replica.tuning import Tuning
from raftcy.wire.enums import MessageType
from raftcy.wire.messages import Message
from tests.support.hosts import Ledger, World, agreed, followers_of, leader_of, ledger, tuned
from tests.support.virtual import run_story

TICK_S = 0.01
ELECTION_S = 0.1
Groups = dict[str, dict[int, Replica]]


async def serve(hosts: dict[int, Host], count: int = 3, machine: type[StateMachine] = Ledger) -> Groups:
    """Groups on all hosts, once each has a leader."""
    groups = {
        f"group {n}": {id: host.replica(f"group {n}", machine()) for id, host in hosts.items()} for n in range(count)
    }
    for replicas in groups.values():
        await agreed(replicas)
    return groups


async def fall_asleep(groups: Groups, but: tuple[int, ...] = ()) -> None:
    """Wait until all members sleep."""
    async with asyncio.timeout(50 * ELECTION_S):
        while not all(r.is_asleep for each in groups.values() for id, r in each.items() if id not in but):
            await asyncio.sleep(TICK_S)


def messages_in(world: World, group: int | None) -> list[Any]:
    """What was sent in a group; None for all groups of replicas."""
    return [m for _, g, m in world.sent if (0 < g < 2**63 if group is None else g == group)]


def test_idle_groups_sleep_and_send_nothing() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            groups = await serve(hosts, 5)
            for replicas in groups.values():
                await leader_of(replicas).propose(b"x")
            await fall_asleep(groups)
            terms = {name: replicas[1].term for name, replicas in groups.items()}
            world.sent.clear()
            await asyncio.sleep(20 * ELECTION_S)
            assert messages_in(world, None) == []
            # One beat a tick and way, for all groups.
            beats = messages_in(world, BEAT_GROUP)
            assert 0.9 * 6 * 20 * 10 < len(beats) < 1.1 * 6 * 20 * 10
            assert {m.type for m in beats} == {MessageType.MSG_HEARTBEAT}
            assert {name: replicas[2].term for name, replicas in groups.items()} == terms

    run_story(story())


def test_heartbeats_of_groups_that_are_awake_travel_together() -> None:
    async def story() -> None:
        world = World(3, tuned(sleep=False))
        async with world.running() as hosts:
            groups = await serve(hosts, 6)
            await asyncio.sleep(5 * ELECTION_S)
            terms = {name: (leader_of(replicas).term, leader_of(replicas).id) for name, replicas in groups.items()}
            world.sent.clear()
            await asyncio.sleep(30 * ELECTION_S)
            assert messages_in(world, None) == []
            assert {m.type for m in messages_in(world, BEAT_GROUP)} == {
                MessageType.MSG_HEARTBEAT,
                MessageType.MSG_HEARTBEAT_RESP,
            }
            # Nobody missed a heartbeat, nor an answer to one.
            assert terms == {n: (leader_of(replicas).term, leader_of(replicas).id) for n, replicas in groups.items()}
            assert not any(r.is_asleep for replicas in groups.values() for r in replicas.values())

    run_story(story())


@pytest.mark.parametrize("where", ["leader", "follower"])
def test_a_proposal_wakes(where: str) -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            groups = await serve(hosts)
            await fall_asleep(groups)
            replicas = groups["group 1"]
            chosen = leader_of(replicas) if where == "leader" else followers_of(replicas)[0]
            assert await chosen.propose(b"x") == 1
            await asyncio.sleep(2 * TICK_S)
            assert not any(replica.is_asleep for replica in replicas.values())
            assert all(replica.is_asleep for replica in groups["group 0"].values())
            assert [ledger(replica) for replica in replicas.values()] == [["x"]] * 3
            await fall_asleep(groups)
            assert all(replica.commit == chosen.commit for replica in replicas.values())

    run_story(story())


@pytest.mark.parametrize("where", ["leader", "follower"])
def test_a_read_wakes(where: str) -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            groups = await serve(hosts)
            replicas = groups["group 1"]
            await leader_of(replicas).propose(b"x")
            await fall_asleep(groups)
            chosen = leader_of(replicas) if where == "leader" else followers_of(replicas)[0]
            await chosen.read(timeout_s=ELECTION_S)
            assert ledger(chosen) == ["x"]

    run_story(story())


@pytest.mark.parametrize("where", ["leader", "follower"])
def test_a_message_wakes(where: str) -> None:
    """Who sleeps takes no ticks, so it would neither miss a leader nor end an election that a message has begun.

    catches: tikv#16368
    """

    async def story() -> None:
        async with World().running() as hosts:
            groups = await serve(hosts, 1)
            await fall_asleep(groups)
            replicas = groups["group 0"]
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            place = {"term": leader.term, "commit": leader.commit}
            if where == "leader":
                m = Message(
                    type=MessageType.MSG_APP_RESP, from_=follower.id, to=leader.id, index=leader.commit, **place
                )
                leader.receive([m])
                assert not leader.is_asleep
            else:
                index = {"index": leader.commit, "log_term": leader.term}
                m = Message(type=MessageType.MSG_APP, from_=leader.id, to=follower.id, **index, **place)
                follower.receive([m])
                assert not follower.is_asleep
            await asyncio.sleep(3 * TICK_S)
            assert not any(each.is_asleep for each in replicas.values())
            ticks = {id: each.driver.node.raft.election_elapsed for id, each in replicas.items()}
            await asyncio.sleep(0.5 * ELECTION_S)
            assert ticks != {id: each.driver.node.raft.election_elapsed for id, each in replicas.items()}
            await fall_asleep(groups)

    run_story(story())


def test_a_transfer_wakes() -> None:
    async def story() -> None:
        async with World().running() as hosts:
            groups = await serve(hosts, 1)
            await fall_asleep(groups)
            replicas = groups["group 0"]
            to = followers_of(replicas)[0]
            await leader_of(replicas).transfer(to.id)
            assert to.is_leader

    run_story(story())


def test_groups_with_work_of_their_own_do_not_sleep() -> None:
    """A group with a session counts time by its log."""

    async def story() -> None:
        async with World().running() as hosts:
            groups = await serve(hosts, 1)
            replicas = groups["group 0"]
            session = await leader_of(replicas).session(timeout_ms=1000)
            await session.propose(b"x")
            await asyncio.sleep(10 * ELECTION_S)
            assert not any(replica.is_asleep for replica in replicas.values())
            await session.close()
            await fall_asleep(groups)

    run_story(story())


def test_a_host_that_crashes_is_missed_by_all_groups_it_led() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            groups = await serve(hosts, 24)
            await fall_asleep(groups)
            led = {id: [name for name, each in groups.items() if each[id].is_leader] for id in hosts}
            assert all(led.values()), "the first elections spread over the hosts"
            terms = {name: each[2].term for name, each in groups.items()}
            world.crash(hosts[1])
            await asyncio.sleep(2.5 * ELECTION_S)
            for name, each in groups.items():
                assert each[2].leader == each[3].leader != 1
                # Elections of many groups are spread, and none is split.
                assert each[2].term == terms[name] + (name in led[1])
            later = [name for name in led[1] if groups[name][2].is_leader]
            assert 0 < len(later) < len(led[1]), "one of the others has taken over all groups"
            await fall_asleep(groups, but=(1,))
            hosts.pop(1)

    run_story(story())


def test_a_host_that_comes_back_is_heard_again() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            groups = await serve(hosts, 4)
            await fall_asleep(groups)
            world.crash(hosts.pop(3))
            for each in groups.values():
                each.pop(3)
            await asyncio.sleep(3 * ELECTION_S)
            for each in groups.values():
                await leader_of(each).propose(b"y")
            await fall_asleep(groups)
            hosts[3] = world.host(3)
            await hosts[3].__aenter__()
            for name, each in groups.items():
                each[3] = hosts[3].replica(name, Ledger())
            await fall_asleep(groups)
            assert all(ledger(each[3]) == ["y"] for each in groups.values())

    run_story(story())


def test_a_quick_restart_does_not_go_unnoticed() -> None:
    """The other hosts have missed no beat for long, but the new start has claimed nothing."""

    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            groups = await serve(hosts, 6)
            await fall_asleep(groups)
            id = leader_of(groups["group 0"]).id
            led = [each for each in groups.values() if each[id].is_leader]
            world.crash(hosts[id])
            hosts[id] = world.host(id)
            await hosts[id].__aenter__()
            await asyncio.sleep(3 * TICK_S)
            assert not any(each[other].is_asleep for each in led for other in hosts if other != id)
            for name, each in groups.items():
                each[id] = hosts[id].replica(name, Ledger())
                await agreed(each)
            await fall_asleep(groups)

    run_story(story())


@pytest.mark.parametrize("which", ["leader", "follower"])
def test_a_group_that_is_stopped_on_a_live_host_wakes_its_peers(which: str) -> None:
    async def story() -> None:
        async with World().running() as hosts:
            groups = await serve(hosts, 3)
            await fall_asleep(groups)
            replicas = groups["group 1"]
            stopped = leader_of(replicas) if which == "leader" else followers_of(replicas)[0]
            stopped.die(RuntimeError("a machine failed"))
            await asyncio.sleep(3 * TICK_S)
            left = {id: replica for id, replica in replicas.items() if replica is not stopped}
            assert not any(replica.is_asleep for replica in left.values())
            assert all(replica.is_asleep for replica in groups["group 0"].values())
            await asyncio.sleep(2 * ELECTION_S)
            await (await agreed(left)).propose(b"x")
            await fall_asleep({"left": left})

    run_story(story())


def test_a_member_that_lags_keeps_its_group_awake() -> None:
    async def story() -> None:
        world = World(3, tuned(sync="thread"))
        async with world.running() as hosts:
            groups = await serve(hosts, 1)
            replicas = groups["group 0"]
            await fall_asleep(groups)
            lagging = followers_of(replicas)[0]
            # Its disk hangs: it hears and answers, but its log grows no more.
            world.aside(lagging.id).hangs = True
            await leader_of(replicas).propose(b"x")
            await asyncio.sleep(20 * ELECTION_S)
            assert not leader_of(replicas).is_asleep
            assert not lagging.is_asleep
            world.aside(lagging.id).go_on()
            await fall_asleep(groups)
            assert ledger(lagging) == ["x"]

    run_story(story())


def test_a_leader_without_a_majority_steps_down() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            groups = await serve(hosts, 3)
            await fall_asleep(groups)
            leader = leader_of(groups["group 1"])
            world.cut(leader.id)
            await asyncio.sleep(2 * ELECTION_S)
            assert not leader.is_leader
            world.heal()
            for replicas in groups.values():
                await agreed(replicas)
            await fall_asleep(groups)

    run_story(story())


def test_a_cut_between_two_hosts_leaves_every_group_with_a_leader() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            groups = await serve(hosts, 6)
            await fall_asleep(groups)
            world.cuts |= {(1, 2), (2, 1)}
            await asyncio.sleep(10 * ELECTION_S)
            for replicas in groups.values():
                assert await replicas[3].propose(b"x", timeout_s=10 * ELECTION_S) == 1
            world.heal()
            await fall_asleep(groups)
            assert all(ledger(replica) == ["x"] for each in groups.values() for replica in each.values())

    run_story(story())


def test_a_machine_that_fails_in_a_heartbeat_ends_its_group_only() -> None:
    """The commit index of a heartbeat makes a follower apply."""

    async def story() -> None:
        async with World().running() as hosts:
            groups = await serve(hosts, 2)
            replicas = groups["group 0"]
            leader = leader_of(replicas)
            # The followers' machines fail. If the leader died first, they might never hear of the commit.
            machine: Any = leader.machine
            machine.apply_one = lambda command: 7
            assert await leader.propose(b"die") == 7
            await asyncio.sleep(ELECTION_S / 2)
            assert [each for each in replicas.values() if each.failure is None] == [leader]
            assert await groups["group 1"][1].propose(b"x") == 1

    run_story(story())


def test_sleep_is_true_or_false() -> None:
    with pytest.raises(ConfigError, match="sleep must be True or False, not 1"):
        Tuning(sleep=1)  # type: ignore[arg-type]


def test_groups_with_a_lease_stay_awake_and_share_beats_with_others() -> None:
    """One host has leases. Its members must hear the heartbeats in the beats of the others, and promise in answers."""

    async def story() -> None:
        world = World()
        async with AsyncExitStack() as stack:
            hosts = {}
            for id in world.members:
                hosts[id] = world.host(id, tuning=tuned(lease_reads=id == 2))
            await asyncio.gather(*[stack.enter_async_context(host) for host in hosts.values()])
            groups = await serve(hosts, 6)
            await asyncio.sleep(10 * ELECTION_S)
            terms = {name: each[1].term for name, each in groups.items()}
            await asyncio.sleep(30 * ELECTION_S)
            assert {name: each[1].term for name, each in groups.items()} == terms
            assert not any(replica.is_asleep for each in groups.values() for replica in each.values())
            for each in groups.values():
                await each[2].propose(b"x")
                await each[3].read()
                assert ledger(each[3]) == ["x"]

    run_story(story())
