"""Hosts and replicas in virtual time keep their promises to callers, and report each error to everybody who waits."""

import asyncio
import logging
import random
from typing import Any

import pytest

from raftcy.errors import (
    CallFailed,
    CommandError,
    ConfigError,
    MachineFailed,
    MembersDiffer,
    NotNow,
    OutcomeUnknown,
    Overloaded,
    Rejected,
    Stopped,
    StorageFailed,
)
from raftcy.replica import applying
from raftcy.replica import replica as subject
from raftcy.replica.events import (
    LeaderChanged,
    ReplicaStopped,
    SnapshotMade,
    SnapshotReceived,
)
from raftcy.replica.host import Host, group_of
from raftcy.replica.tokens import Fate, RejectReason, Token
from raftcy.replica.tuning import Tuning
from raftcy.wire.enums import MessageType
from raftcy.wire.messages import Message
from tests.support.hosts import Ledger, World, agreed, followers_of, leader_of, ledger, tuned
from tests.support.virtual import caught, run_story

# -- proposing and reading -----------------------------------------------------------------------------------------


def test_a_command_is_answered_wherever_it_is_proposed() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            for number, replica in enumerate(replicas.values(), 1):
                assert await replica.propose(b"x") == number
                await replica.read()
                assert ledger(replica) == ["x"] * number
            for replica in replicas.values():
                await replica.read()
                assert ledger(replica) == ["x"] * 3

    run_story(story())


def test_one_member_alone() -> None:
    async def story() -> None:
        world = World(1)
        async with world.serving() as replicas:
            assert await asyncio.gather(*[replicas[1].propose(b"x") for _ in range(20)]) == list(range(1, 21))
            assert await replicas[1].read() == replicas[1].applied

    run_story(story())


def test_many_have_an_answer_each() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            for replica in (leader_of(replicas), *followers_of(replicas)):
                first = len(ledger(leader_of(replicas)))
                found = await replica.propose_many([b"a", b"no", b"b"])
                assert found == [first + 1, CommandError("no"), first + 2]
            assert await replica.propose_many([]) == []

    run_story(story())


def test_a_refusal_of_the_machine_is_raised() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            for replica in replicas.values():
                assert await caught(replica.propose(b"no thanks")) == CommandError("no thanks")

    run_story(story())


def test_an_error_while_commands_are_handed_on_ends_their_waits() -> None:
    """They may be in the log by then, so nobody is told Rejected, neither here nor at the member that forwarded."""

    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            wrong = RuntimeError("it broke")

            def broken(*_: Any) -> None:
                raise wrong

            leader._handing._append = broken  # type: ignore[method-assign]
            handed = follower.propose(b"x")
            error = await caught(handed)
            assert isinstance(error, OutcomeUnknown)
            assert "it broke" in error.why, "the leader says so, before the request has waited too long"
            assert leader.failure is wrong

    run_story(story())


def test_an_outcome_does_not_wait_for_the_term_to_end() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            waits = []
            # A forwarded command whose reply is lost, and a place beyond the end of the log.
            world.cuts.add((leader.id, follower.id))
            error = await caught(follower.propose(b"x", timeout_s=0.02))
            assert isinstance(error, OutcomeUnknown)
            waits.append(asyncio.ensure_future(follower.outcome(error.token, 5)))
            await asyncio.sleep(0.03)
            world.heal()
            assert await waits[0] == Fate.LOST
            token = Token(leader.term - 1, leader.applied + 100, b"", 0)
            assert await leader.outcome(token, 5) == Fate.REJECTED
            token = Token(leader.term, leader.applied + 100, b"", 0)
            waiting = asyncio.ensure_future(follower.outcome(token, 5))
            await asyncio.sleep(0.01)
            await leader.transfer(follower.id)
            await follower.propose(b"y")
            assert await waiting == Fate.REJECTED

    run_story(story())


@pytest.mark.parametrize("at_least", [None, 10_000])
def test_reads_that_were_cancelled_take_no_room(at_least: int | None) -> None:
    async def story() -> None:
        world = World(3, tuned(waiting_reads=8))
        async with world.serving() as replicas:
            follower = followers_of(replicas)[0]
            world.cut(follower.id)
            for _ in range(30):
                assert isinstance(await caught(follower.read(at_least=at_least, timeout_s=0.001)), TimeoutError)
            assert len(follower._barriers) == 0
            assert len(follower._applied_waits) <= 8
            waits = [asyncio.ensure_future(follower.read(at_least=at_least)) for _ in range(8)]
            await asyncio.sleep(0.01)
            assert isinstance(await caught(follower.read(at_least=at_least, timeout_s=1)), Overloaded)
            await follower.close()
            for wait in waits:
                assert isinstance(await caught(wait), Stopped)

    run_story(story())


def test_an_error_while_own_commands_are_handed_on_ends_their_waits() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            wrong = RuntimeError("it broke")

            def broken(*_: Any) -> None:
                raise wrong

            leader._handing._append = broken  # type: ignore[method-assign]
            error = await caught(asyncio.wait_for(leader.propose(b"x"), 5))
            assert isinstance(error, OutcomeUnknown)
            assert error.__cause__ is wrong

    run_story(story())


def test_a_command_is_forwarded_once() -> None:
    """catches: redisraft#13"""

    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            follower = followers_of(replicas)[0]
            world.sent.clear()
            await asyncio.gather(*[follower.propose(b"x") for _ in range(10)])
            requests = [m for _, group, m in world.sent if group == 0 and m.type == MessageType.MSG_HEARTBEAT]
            assert len(requests) == 1, "all that waits goes in one request"
            assert not [m for _, _, m in world.sent if m.type == MessageType.MSG_PROP]

    run_story(story())


def test_a_follower_that_takes_a_request_refuses_it() -> None:
    """It is never passed on a second time: that could go round for ever, or apply it twice."""

    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            one, other = followers_of(replicas)
            one._inbox.clear()
            wait = one.propose(b"x")
            one._driver.node.raft.lead = other.id
            one.turn()
            error = await caught(wait)
            assert isinstance(error, Rejected)
            assert error.reason == RejectReason.NO_LEADER
            await asyncio.sleep(1)
            assert ledger(one) == []

    run_story(story())


def test_a_term_fences_commands_off() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            assert await leader.propose(b"x", only_in_term=leader.term) == 1
            for replica, term in ((leader, leader.term + 1), (leader, leader.term - 1), (follower, leader.term)):
                error = await caught(replica.propose(b"y", only_in_term=term))
                assert isinstance(error, Rejected)
                assert error.reason == RejectReason.OTHER_TERM
            assert ledger(leader) == ["x"]

    run_story(story())


def test_without_a_leader_a_command_is_rejected() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", Ledger())
            error = await caught(replica.propose(b"x"))
            assert isinstance(error, Rejected)
            assert error.reason == RejectReason.NO_LEADER

    run_story(story())


def test_too_much_is_rejected_at_once() -> None:
    async def story() -> None:
        world = World(1, tuned(waiting_commands=3, command_bytes=5, waiting_bytes=100))
        async with world.serving() as replicas:
            replica = replicas[1]
            waits = [replica.propose(b"x") for _ in range(5)]
            found = await asyncio.gather(*waits, return_exceptions=True)
            assert found[:3] == [1, 2, 3]
            assert [getattr(each, "reason", None) for each in found[3:]] == [RejectReason.OVERLOADED] * 2
            assert (await caught(replica.propose(b"123456"))).reason == RejectReason.TOO_LARGE
            assert [each.reason for each in await replica.propose_many([b"x"] * 4)] == [RejectReason.OVERLOADED] * 4
            with pytest.raises(TypeError):
                replica.propose("text")

    run_story(story())


def test_an_empty_command_is_a_command() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            for number, replica in enumerate(replicas.values(), 1):
                assert await replica.propose(b"") == number

    run_story(story())


def test_reads_are_shared_and_see_all_before_them() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            for number in range(1, 4):
                await leader.propose(b"x")
                await asyncio.gather(*[follower.read() for _ in range(100)])
                assert len(ledger(follower)) == number
            world.sent.clear()
            await asyncio.gather(*[follower.read() for _ in range(100)])
            asked = [m for _, _, m in world.sent if m.type == MessageType.MSG_READ_INDEX]
            assert len(asked) == 1

    run_story(story())


def test_reads_of_other_kinds() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            await leader.propose(b"x")
            index = await leader.read(stale=True)
            assert await follower.read(stale=True) < index
            assert await follower.read(at_least=index) >= index
            assert ledger(follower) == ["x"]
            world.cut(follower.id)
            assert await follower.read(stale=True) >= index
            assert isinstance(await caught(follower.read(timeout_s=1)), TimeoutError)
            assert isinstance(await caught(follower.read(at_least=index + 50, timeout_s=1)), TimeoutError)
            assert len(follower._barriers) == 0
            world.heal()
            await follower.read()
            assert len(follower._barriers) == 0

    run_story(story())


def test_reads_are_bounded() -> None:
    async def story() -> None:
        world = World(1, tuned(waiting_reads=2))
        async with world.serving() as replicas:
            found = await asyncio.gather(*[replicas[1].read() for _ in range(3)], return_exceptions=True)
            assert isinstance(found[2], Overloaded)
            assert all(isinstance(each, int) for each in found[:2])

    run_story(story())


def test_a_read_waits_for_a_leader() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            await leader.propose(b"x")
            world.cut(leader.id)
            await follower.read()
            assert ledger(follower) == ["x"]
            assert follower.leader != leader.id

    run_story(story())


# -- what is not known ---------------------------------------------------------------------------------------------


def test_the_fate_of_what_a_deposed_leader_had_appended() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            old = leader_of(replicas)
            world.cut(old.id)
            error = await caught(old.propose(b"lost", timeout_s=0.05))
            assert isinstance(error, OutcomeUnknown)
            others = {replica.id: replica for replica in followers_of(replicas)}
            new = await agreed(others)
            await new.propose(b"kept")
            world.heal()
            assert await old.outcome(error.token, timeout_s=5) == Fate.REJECTED
            await old.read()
            assert ledger(old) == ["kept"]

    run_story(story())


def test_who_still_waits_is_told_that_it_was_superseded() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            old = leader_of(replicas)
            world.cut(old.id)
            waits = [old.propose(b"lost") for _ in range(3)]
            new = await agreed({replica.id: replica for replica in followers_of(replicas)})
            world.heal()
            await new.propose(b"kept")
            found = await asyncio.gather(*waits, return_exceptions=True)
            assert [getattr(each, "reason", each) for each in found] == [RejectReason.SUPERSEDED] * 3

    run_story(story())


def test_a_request_whose_reply_is_lost() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            world.cuts.add((leader.id, follower.id))
            error = await caught(follower.propose(b"x", timeout_s=0.05))
            assert isinstance(error, OutcomeUnknown)
            assert error.token.index == 0
            world.heal()
            await follower.read(timeout_s=5)
            assert ledger(follower) == ["x"], "it was applied, but nobody could know"
            world.cut(leader.id)
            await agreed({replica.id: replica for replica in followers_of(replicas)})
            assert await follower.outcome(error.token, timeout_s=5) == Fate.LOST

    run_story(story())


def test_a_command_whose_wait_ended_is_known_later() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            for replica, timeout_s in ((leader, 0.0015), (followers_of(replicas)[0], 0.0025)):
                error = await caught(replica.propose(b"x", timeout_s=timeout_s))
                assert isinstance(error, OutcomeUnknown)
                assert error.token.index > 0
                assert await replica.outcome(error.token, timeout_s=5) == Fate.APPLIED
            await leader.read()
            assert ledger(leader) == ["x", "x"]
            assert leader._proposals.count == 0

    run_story(story())


def test_a_cancelled_wait_leaves_nothing() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            for replica in (leader_of(replicas), followers_of(replicas)[0]):
                early = replica.propose(b"never")
                early.cancel()
                late = replica.propose(b"late")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                late.cancel()
                read = asyncio.create_task(replica.read())
                await asyncio.sleep(0)
                read.cancel()
                await asyncio.sleep(0.2)
                assert replica._proposals.count == 0
                assert len(replica._barriers) == 0
                assert ledger(replica)[-1] == "late"
            assert "never" not in ledger(leader_of(replicas))

    run_story(story())


# -- errors ----------------------------------------------------------------------------------------------------------


def test_an_error_of_the_machine_ends_its_replica_and_no_other() -> None:
    async def story() -> None:
        world = World(1)
        async with world.running() as hosts:
            host = hosts[1]
            bad, good = host.replica("bad", Ledger()), host.replica("good", Ledger())
            await bad.wait_for_leader()
            await good.wait_for_leader()
            read = asyncio.create_task(bad.read(at_least=1000))
            leads = asyncio.create_task(bad.outcome(subject.Token(99, 0, bad._start, 7)))
            followed = asyncio.create_task(_all_events(bad))
            await asyncio.sleep(0)
            error = await caught(bad.propose(b"die"))
            assert isinstance(error, OutcomeUnknown)
            assert isinstance(error.__cause__, MachineFailed)
            for wait in (read, leads):
                stopped = await caught(wait)
                assert isinstance(stopped, Stopped)
                assert stopped.cause is bad.failure
            assert (await followed)[-1] == ReplicaStopped(bad.failure)
            assert isinstance(host.failure, MachineFailed)
            assert host.failure.command == b"die"
            later = await caught(bad.propose(b"x"))
            assert isinstance(later, Rejected)
            assert later.__cause__ is bad.failure
            for call in (bad.read(), bad.wait_for_leader(), bad.transfer()):
                assert isinstance(await caught(call), Stopped)
            assert bad.leader is None
            assert bad.status().failure is bad.failure
            assert await good.propose(b"x") == 1

    run_story(story())


async def _all_events(replica: Any) -> list[Any]:
    return [event async for event in replica.events()]


@pytest.mark.parametrize("sync", ["auto", "thread"])
@pytest.mark.parametrize("where", ["sync_error", "write_error"])
def test_an_error_of_the_disk_ends_all_replicas(where: str, sync: str) -> None:
    async def story() -> None:
        world = World(3, tuned(sync=sync))
        async with world.running() as hosts:
            ledgers = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            second = {id: host.replica("second", Ledger()) for id, host in hosts.items()}
            leader = await agreed(ledgers)
            await agreed(second)
            host = hosts[leader.id]
            setattr(world.disks[leader.id], where, OSError(5, "no"))
            read = asyncio.create_task(second[leader.id].read(at_least=1000))
            await asyncio.sleep(0)
            error = await caught(leader.propose(b"x"))
            assert isinstance(error, OutcomeUnknown)
            assert isinstance(error.__cause__, StorageFailed)
            assert isinstance(await caught(read), Stopped)
            assert isinstance(host.failure, StorageFailed)
            assert isinstance(host.failure.__cause__, OSError)
            assert leader.failure is second[leader.id].failure is host.failure
            with pytest.raises(Stopped):
                host.replica("third", Ledger())
            assert isinstance(await caught(host.wait_closed()), StorageFailed)
            others = {id: replica for id, replica in ledgers.items() if id != leader.id}
            new = await agreed(others)
            assert await new.propose(b"y") >= 1

    run_story(story())


def test_nothing_is_said_that_a_failed_disk_has_not_got() -> None:
    """The follower whose disk fails acknowledges nothing, although the write itself was done."""

    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            world.disks[follower.id].sync_error = OSError(5, "no")
            before = follower.status().last_index
            await leader.propose(b"x")
            await asyncio.sleep(0.5)
            assert follower.failure is not None
            assert leader._driver.node.status().progress[follower.id].match <= before

    run_story(story())


def test_an_error_of_the_transport_ends_the_host() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            replica = followers_of(replicas)[0]
            wait = asyncio.create_task(replica.read(at_least=1000))
            await asyncio.sleep(0)
            error = ValueError("a bug")
            world.wires[replica.id].options["on_failure"](error)
            stopped = await caught(wait)
            assert isinstance(stopped, Stopped)
            assert stopped.cause is error

    run_story(story())


def test_an_error_within_a_turn_ends_the_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is, and wherever it comes from: nobody waits for a replica that does nothing more."""

    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            for name, replica in zip(("_tick", "_acknowledge", "_turn"), replicas.values(), strict=True):
                wait = asyncio.create_task(replica.read(at_least=1000))
                await asyncio.sleep(0)
                error = ValueError(name)

                def fail(error: Exception = error) -> None:
                    raise error

                monkeypatch.setattr(replica, name, fail)
                if name == "_tick":
                    # A replica that waits for nothing is not called at a tick.
                    replica._host.wake(replica)
                else:
                    replica.propose(b"x").add_done_callback(lambda end: end.exception())
                if name == "_acknowledge":
                    replica.sync_ended()
                stopped = await caught(wait)
                assert isinstance(stopped, Stopped)
                assert replica.failure is error

    run_story(story())


# -- order -----------------------------------------------------------------------------------------------------------


def test_appends_leave_before_the_leaders_own_sync_and_answers_after_it() -> None:
    async def story() -> None:
        world = World(3, tuned(sync="thread", election_ms=10_000))
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            leader = await agreed(replicas)
            await leader.propose(b"x")
            await asyncio.sleep(0.1)
            for id in world.members:
                world.aside(id).hangs = True
            world.sent.clear()
            wait = leader.propose(b"y")
            await asyncio.sleep(0.05)
            kinds = [(sender, m.type) for sender, group, m in world.sent if group == leader.group and m.index == 3]
            assert {kind for sender, kind in kinds if sender == leader.id} == {MessageType.MSG_APP}
            answers = [m for _, group, m in world.sent if m.type == MessageType.MSG_APP_RESP and m.index == 4]
            assert answers == []
            for follower in followers_of(replicas):
                world.aside(follower.id).go_on()
            await asyncio.sleep(0.05)
            answers = [m for _, group, m in world.sent if m.type == MessageType.MSG_APP_RESP and m.index == 4]
            assert {m.from_ for m in answers} == {follower.id for follower in followers_of(replicas)}
            assert leader.commit == 4, "a majority has it, although the leader's own disk still hangs"
            assert not wait.done(), "the leader itself applies only what it has on disk"
            world.aside(leader.id).go_on()
            assert await wait == 2

    run_story(story())


def test_votes_wait_for_the_disk() -> None:
    async def story() -> None:
        world = World(3, tuned(sync="thread"))
        async with world.running() as hosts:
            for id in world.members:
                world.aside(id).hangs = True
            for host in hosts.values():
                host.replica("ledger", Ledger())
            await asyncio.sleep(1)
            kinds = {m.type for _, group, m in world.sent if group == group_of("ledger")}
            assert kinds <= {MessageType.MSG_PRE_VOTE, MessageType.MSG_PRE_VOTE_RESP}
            for id in world.members:
                world.aside(id).go_on()
            await asyncio.sleep(1)
            assert MessageType.MSG_HEARTBEAT in {m.type for _, _, m in world.sent}

    run_story(story())


def test_one_sync_for_a_command_and_none_for_a_commit_index() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            await leader.propose(b"x")
            await asyncio.sleep(0.1)
            before = {id: disk.syncs for id, disk in world.disks.items()}
            for _ in range(20):
                await leader.propose(b"x")
            await asyncio.sleep(0.1)
            assert {id: disk.syncs - before[id] for id, disk in world.disks.items()} == {1: 20, 2: 20, 3: 20}

    run_story(story())


def test_groups_share_a_sync() -> None:
    async def story() -> None:
        world = World(1)
        async with world.running() as hosts:
            replicas = [hosts[1].replica(f"group {n}", Ledger()) for n in range(50)]
            for replica in replicas:
                await replica.wait_for_leader()
                await replica.read()
            before = world.disks[1].syncs
            await asyncio.gather(*[replica.propose(b"x") for replica in replicas])
            assert world.disks[1].syncs - before == 1

    run_story(story())


def test_a_leader_whose_disk_hangs_gives_way() -> None:
    """catches: etcd#15247"""

    async def story() -> None:
        world = World(3, tuned(sync="thread"))
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            world.aside(leader.id).hangs = True
            wait = leader.propose(b"x")
            others = {replica.id: replica for replica in followers_of(replicas)}
            await asyncio.sleep(1)
            async with asyncio.timeout(2):
                new = await agreed(others)
            assert await new.propose(b"y") >= 1
            world.aside(leader.id).go_on()
            await asyncio.sleep(0.5)
            assert not leader.is_leader
            assert wait.done()

    run_story(story())


# -- snapshots -------------------------------------------------------------------------------------------------------


def test_a_member_that_was_away_comes_back_by_a_snapshot() -> None:
    async def story() -> None:
        world = World(3, tuned(snapshot_entries=20, kept_entries=5))
        async with world.serving() as replicas:
            leader, away = leader_of(replicas), followers_of(replicas)[0]
            events = asyncio.create_task(_until(away, SnapshotReceived))
            made = asyncio.create_task(_until(leader, SnapshotMade))
            world.cut(away.id)
            await asyncio.sleep(0.5)
            leader = await agreed({id: each for id, each in replicas.items() if id != away.id})
            for _ in range(50):
                await leader.propose(b"x")
            world.heal()
            await away.read(timeout_s=5)
            assert ledger(away) == ["x"] * 50
            assert away.status().snapshot_index > 20
            received = await events
            assert received.index > 20
            made.cancel()

    run_story(story())


def test_a_snapshot_that_silence_has_swallowed_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader whose disk hangs sends nothing. It would wait for the end of that snapshot for as long as it leads."""

    async def story() -> None:
        world = World(3, tuned(snapshot_entries=20, kept_entries=5))
        async with world.serving() as replicas:
            away = followers_of(replicas)[0]
            world.cut(away.id)
            leader = await agreed({id: each for id, each in replicas.items() if id != away.id})
            for _ in range(50):
                await leader.propose(b"x")
            swallowed: list[Message] = []
            send = leader._send

            def send_once(messages: list[Message]) -> None:
                leader._silent = not swallowed and any(m.type == MessageType.MSG_SNAP for m in messages)
                swallowed.extend(messages if leader._silent else [])
                send(messages)
                leader._silent = False

            monkeypatch.setattr(leader, "_send", send_once)
            term = leader.term
            world.heal()
            await away.read(timeout_s=5)
            assert ledger(away) == ["x"] * 50
            assert any(m.type == MessageType.MSG_SNAP and m.to == away.id for m in swallowed)
            assert leader.is_leader
            assert leader.term == term

    run_story(story())


async def _until(replica: Any, kind: type) -> Any:
    async for event in replica.events():
        if isinstance(event, kind):
            return event
    return None


def test_a_start_begins_with_the_snapshot() -> None:
    async def story() -> None:
        world = World(3, tuned(snapshot_entries=20, kept_entries=5))
        async with world.serving() as replicas:
            for _ in range(50):
                await leader_of(replicas).propose(b"x")
        async with world.serving() as replicas:
            for replica in replicas.values():
                assert replica.status().snapshot_index >= 20
                await replica.read()
                assert ledger(replica) == ["x"] * 50

    run_story(story())


def test_a_long_batch_is_applied_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        monkeypatch.setattr(applying, "SLICE_S", -1.0)
        world = World(1)
        async with world.serving() as replicas:
            replica = replicas[1]
            turns = 0
            wait = replica.propose_many([b"x"] * 2000)
            while not wait.done():
                turns += 1
                await asyncio.sleep(0)
                assert replica.applied < 5 or len(ledger(replica)) == 2000, "nobody sees half of it"
            assert await wait == list(range(1, 2001))
            assert turns > 4

    run_story(story())


# -- life ------------------------------------------------------------------------------------------------------------


def test_all_is_there_after_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            for _ in range(5):
                await leader_of(replicas).propose(b"x")
            clusters = {replica.status().cluster for replica in replicas.values()}
        members = {id: address.replace("host", "moved") for id, address in world.members.items()}
        with caplog.at_level(logging.WARNING, "raftcy.replica"):
            async with world.serving(members=members) as replicas:
                assert {replica.status().cluster for replica in replicas.values()} == clusters
                for replica in replicas.values():
                    await replica.read()
                    assert ledger(replica) == ["x"] * 5
        ignored = [record for record in caplog.records if "is ignored" in record.getMessage()]
        assert len(ignored) == 3

    run_story(story())


def test_closing_hands_leadership_over_first() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            others = {replica.id: replica for replica in followers_of(replicas)}
            terms = {replica.term for replica in others.values()}
            before = asyncio.get_running_loop().time()
            await leader.close()
            assert asyncio.get_running_loop().time() - before < 0.1, "no election timeout has passed"
            new = next(replica for replica in others.values() if replica.is_leader)
            assert new.term == terms.pop() + 1
            assert await new.propose(b"x") == 1
            await leader.close()

    run_story(story())


def test_closing_while_nobody_can_take_over() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            world.cut(leader.id)
            wait = leader.propose(b"x")
            await asyncio.sleep(0.01)
            await leader.close()
            assert isinstance(await caught(wait), OutcomeUnknown)
            assert (await caught(leader.propose(b"y"))).reason == RejectReason.STOPPED

    run_story(story())


def test_a_transfer_ends_when_the_other_leads() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            await leader.transfer(follower.id)
            assert leader.leader != leader.id
            await agreed(replicas)
            assert follower.is_leader
            assert isinstance(await caught(leader.transfer()), NotNow)
            assert isinstance(await caught(follower.transfer(9)), NotNow)
            assert isinstance(await caught(follower.transfer(follower.id)), NotNow)
            world.cut(follower.id)
            assert isinstance(await caught(follower.transfer(leader.id, timeout_s=5)), NotNow)

    run_story(story())


def test_events_of_every_member() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            followed = [asyncio.create_task(_all_events(replica)) for replica in replicas.values()]
            leader = await agreed(replicas)
            term = leader.term
            for replica in replicas.values():
                await replica.close()
            for events in [await each for each in followed]:
                assert LeaderChanged(leader.id, term) in events
                assert events[-1] == ReplicaStopped(None)

    run_story(story())


def test_the_status_of_a_replica() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            await leader.propose(b"x")
            status = leader.status()
            assert status.leader == status.id == leader.id
            assert status.leader_addresses == (world.members[leader.id],)
            assert status.commit == status.applied == status.last_index == leader.commit == leader.applied
            assert set(status.lag) == set(world.members) - {leader.id}
            assert list(status.members.voters) == [1, 2, 3]
            follower = followers_of(replicas)[0]
            assert follower.status().lag == {}
            assert follower.status().leader_addresses == (world.members[leader.id],)
            assert "'ledger'" in repr(leader)

    run_story(story())


def test_names_of_groups() -> None:
    async def story() -> None:
        world = World(1)
        async with world.running() as hosts:
            hosts[1].replica("one", Ledger())
            with pytest.raises(ConfigError, match="serves 'one' already"):
                hosts[1].replica("one", Ledger())
            with pytest.raises(ConfigError):
                hosts[1].replica("", Ledger())
            with pytest.raises(TypeError):
                hosts[1].replica(b"x", Ledger())  # type: ignore[arg-type]

    run_story(story())


def test_a_replica_can_be_closed_and_made_again() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            replica = followers_of(replicas)[0]
            await leader_of(replicas).propose(b"x")
            host: Any = replica._host
            await replica.close()
            again = host.replica("ledger", Ledger())
            await again.read()
            assert ledger(again) == ["x"]
            await again.close()

    run_story(story())


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"members": ["127.0.0.1:7000"]}, TypeError, "members must be of Mapping, not list"),
    ({"id": "1", "members": {1: "127.0.0.1:7000"}}, ValueError, "'1' is no id of a member: ids are 1 to 2**64-3"),
    ({"members": {1: "h:1", 2: "h:1"}}, ValueError, "members 1 and 2 have the same address, 'h:1'"),
    ({"tuning": {"election_ticks": 10}}, TypeError, "tuning must be of Tuning, not dict"),
]


@pytest.mark.parametrize(("options", "error", "text"), WRONG)
def test_wrong_options_of_a_host(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as raised:
        Host("nowhere", **({"id": 1} | options))
    assert str(raised.value) == text


def test_what_is_no_machine_is_refused() -> None:
    async def story() -> None:
        world = World(1)
        async with world.host(1) as host:
            for wrong in (Ledger, object(), None):
                with pytest.raises(TypeError, match="machine must be of StateMachine"):
                    host.replica("other", wrong)  # type: ignore[arg-type]
            # A class that was refused is not taken for a used machine.
            assert not Ledger._has_served
            host.replica("other", Ledger())

    run_story(story())


def test_a_host_is_opened_once() -> None:
    async def story() -> None:
        world = World(1)
        host = world.host(1)
        with pytest.raises(ConfigError, match="has not started"):
            host.replica("x", Ledger())
        async with host:
            with pytest.raises(ConfigError, match="opened once"):
                await host.__aenter__()
        with pytest.raises(ConfigError):
            await host.__aenter__()
        with pytest.raises(Stopped):
            host.replica("x", Ledger())

    run_story(story())


# -- the first start -------------------------------------------------------------------------------------------------


def test_nobody_begins_without_the_others() -> None:
    async def story() -> None:
        world = World()
        hosts = [world.host(id) for id in (1, 2, 3)]
        starts = [asyncio.create_task(host.__aenter__()) for host in hosts[:2]]
        await asyncio.sleep(5)
        assert not any(start.done() for start in starts)
        await hosts[2].__aenter__()
        await asyncio.gather(*starts)
        assert len({host.cluster for host in hosts}) == 1
        await asyncio.gather(*[host.close() for host in hosts])

    run_story(story())


def test_a_start_that_is_cancelled_leaves_nothing() -> None:
    async def story() -> None:
        world = World()
        start = asyncio.create_task(world.host(1).__aenter__())
        await asyncio.sleep(1)
        start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
        assert world.wires == {}
        async with world.serving():
            pass

    run_story(story())


def test_other_lists_are_an_error_on_both() -> None:
    async def story() -> None:
        world = World(2)
        one, two = world.host(1), world.host(2, members={**world.members, 3: "host3:7000"})
        found = await asyncio.gather(one.__aenter__(), two.__aenter__(), return_exceptions=True)
        for error in found:
            assert isinstance(error, MembersDiffer)
            assert "3=host3:7000" in str(error)

    run_story(story())


def test_a_member_that_was_late_is_handed_the_table() -> None:
    """It had confirmed the table, and died before it could store it."""

    async def story() -> None:
        world = World()
        hosts = [world.host(id) for id in (1, 2, 3)]
        starts = [asyncio.create_task(host.__aenter__()) for host in hosts]
        late = hosts[2]

        async def never(table: Any) -> None:
            await asyncio.sleep(1000)

        late._store = never  # type: ignore[method-assign]
        await asyncio.gather(*starts[:2])
        starts[2].cancel()
        await asyncio.gather(starts[2], return_exceptions=True)
        replicas = {host.id: host.replica("ledger", Ledger()) for host in hosts[:2]}
        await (await agreed(replicas)).propose(b"x")
        again = world.host(3)
        await again.__aenter__()
        replica = again.replica("ledger", Ledger())
        await replica.read()
        assert ledger(replica) == ["x"]
        await asyncio.gather(*[host.close() for host in (*hosts[:2], again)])

    run_story(story())


def test_a_member_that_lost_its_disk_does_not_come_back() -> None:
    """catches: etcd#21178"""

    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            victim = followers_of(replicas)[0].id
            host: Any = replicas[victim]._host
            await host.close()
            world.disks[victim] = type(world.disks[victim])()
            error = await caught(world.host(victim).__aenter__())
            assert isinstance(error, MembersDiffer)
            assert "under another identity" in str(error)
            assert await leader_of(replicas).propose(b"x") == 1

    run_story(story())


def test_the_directory_of_another_member() -> None:
    async def story() -> None:
        world = World()
        async with world.serving():
            pass
        world.disks[1], world.disks[2] = world.disks[2], world.disks[1]
        error = await caught(world.host(1).__aenter__())
        assert isinstance(error, MembersDiffer)
        assert "is not the directory of member 1" in str(error)

    run_story(story())


# -- requests --------------------------------------------------------------------------------------------------------


def test_hosts_ask_each_other() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:

            async def serve(sender: int, data: bytes) -> bytes:
                if data == b"raise":
                    raise ValueError("a reason")
                if data == b"wait":
                    await asyncio.sleep(1000)
                return b"%d:" % sender + data

            hosts[2].serve(300, serve)
            hosts[1].serve(300, serve)
            assert await hosts[1].request(2, 300, b"x") == b"1:x"
            assert await hosts[1].request(1, 300, b"x") == b"1:x"
            assert "a reason" in str(await caught(hosts[1].request(2, 300, b"raise")))
            assert "nobody serves" in str(await caught(hosts[1].request(3, 300, b"x")))
            assert "nobody serves" in str(await caught(hosts[2].request(2, 301, b"x")))
            assert isinstance(await caught(hosts[1].request(2, 300, b"wait", timeout_s=1)), CallFailed)
            world.cut(2)
            assert isinstance(await caught(hosts[1].request(2, 300, b"x")), CallFailed)
            with pytest.raises(ValueError, match="kinds of requests are 256"):
                await hosts[1].request(2, 255, b"x")
            with pytest.raises(ValueError, match="kinds of requests are 256"):
                hosts[1].serve(1, serve)
        assert isinstance(await caught(hosts[1].request(2, 300, b"x")), Stopped)

    run_story(story())


@pytest.mark.parametrize("wrong", [None, "text", 5, [1]])
def test_an_answer_that_is_not_bytes_is_an_error_of_the_server(wrong: Any) -> None:
    async def story() -> None:
        world = World(2)
        async with world.running() as hosts:

            async def serve(sender: int, data: bytes) -> Any:
                return wrong

            for host in hosts.values():
                host.serve(300, serve)
            for member in world.members:
                error = await caught(hosts[1].request(member, 300, b"x", timeout_s=1))
                assert isinstance(error, CallFailed)
                assert "TypeError" in str(error)
            assert hosts[1]._calls is not None
            assert hosts[2]._calls is not None
            assert hosts[2]._calls._serving == 0

    run_story(story())


def test_a_newcomer_gets_the_table_and_nothing_else() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            answers: list[Any] = []
            hosts[1]._serve_newcomer(9, 1, 0, b"", lambda data, why: answers.append(data))
            hosts[1]._serve_newcomer(9, 300, 0, b"", lambda data, why: answers.append(why))
            assert answers[0][0] == 2
            assert answers[1] == "the cluster has begun"

    run_story(story())


# -- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"tick_ms": 0},
        {"tick_ms": 1.5},
        {"election_ms": 150, "tick_ms": 100},
        {"sync": "loop"},
        {"waiting_bytes": 10, "command_bytes": 11},
        {"waiting_bytes": 1 << 30, "command_bytes": (63 << 20) + 1},
        {"events": True},
    ],
)
def test_tuning_that_cannot_work(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Tuning(**fields)


def test_a_host_that_is_no_member() -> None:
    with pytest.raises(MembersDiffer, match="member 9 is not in the list"):
        World().host(9)


# -- crashes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_nothing_acknowledged_is_lost_and_nothing_is_applied_twice(seed: int) -> None:
    """Power cuts, partitions and restarts under load: one, two or all members at once."""

    async def story() -> None:
        draw = random.Random(seed)
        sync = draw.choice(["auto", "thread"])
        world = World(3, tuned(sync=sync, snapshot_entries=draw.choice([10, 1000]), kept_entries=5))
        hosts = {id: world.host(id) for id in world.members}
        await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
        replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
        acknowledged: list[str] = []
        rejected: list[str] = []
        stale: list[str] = []
        number = 0

        async def client(id: int) -> None:
            nonlocal number
            for _ in range(60):
                number += 1
                name = f"{number}"
                known = list(acknowledged)
                try:
                    if draw.random() < 0.3:
                        await replicas[id].read(timeout_s=0.5)
                        seen = set(ledger(replicas[id]))
                        stale.extend([each for each in known if each not in seen])
                    else:
                        await replicas[id].propose(name.encode(), timeout_s=0.3)
                        acknowledged.append(name)
                except Rejected:
                    rejected.append(name)
                    await asyncio.sleep(0.01)
                except (OutcomeUnknown, Stopped, TimeoutError):
                    await asyncio.sleep(0.01)

        async def faults() -> None:
            for _ in range(12):
                await asyncio.sleep(draw.random() * 0.4)
                if draw.random() < 0.3:
                    world.cut(draw.choice(list(world.members)))
                    await asyncio.sleep(draw.random() * 0.4)
                    world.heal()
                    continue
                victims = draw.sample(list(world.members), draw.choice([1, 1, 2, 3]))
                for id in victims:
                    world.crash(hosts[id])
                await asyncio.sleep(draw.random() * 0.2)
                for id in victims:
                    hosts[id] = world.host(id)
                    await hosts[id].__aenter__()
                    replicas[id] = hosts[id].replica("ledger", Ledger())

        await asyncio.gather(faults(), *[client(id) for id in world.members for _ in range(3)])
        await agreed(replicas)
        for replica in replicas.values():
            await replica.read()
            entries = ledger(replica)
            assert len(set(entries)) == len(entries)
            assert set(acknowledged) <= set(entries)
            assert not set(rejected) & set(entries)
            assert entries == ledger(replicas[1])
        assert stale == []
        assert len(acknowledged) > 50
        await asyncio.gather(*[host.close() for host in hosts.values()])

    run_story(story())
