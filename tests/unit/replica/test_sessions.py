"""Sessions of a replica, the group's time and its version: in virtual time, with members that come and go."""

import asyncio
import random
from typing import Any

import pytest

from raftcy.errors import CommandError, OutcomeUnknown, Rejected, SessionExpired, UpgradeNeeded
from raftcy.machines.sessions import WINDOW
from raftcy.replica.session import Session
from raftcy.replica.tokens import RejectReason, Token
from tests.support.hosts import Ledger, World, agreed, followers_of, leader_of, ledger, tuned
from tests.support.virtual import caught, run_story


class Second(Ledger):
    """A program that knows version 2."""

    knows = 2


def test_a_session_answers_as_a_replica_does() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            for replica in replicas.values():
                async with await replica.session() as session:
                    before = len(ledger(leader_of(replicas)))
                    assert await session.propose(b"x") == before + 1
                    assert await caught(session.propose(b"no")) == CommandError("no")
                    found = await asyncio.gather(*[session.propose(b"y") for _ in range(5)])
                    assert sorted(found) == list(range(before + 2, before + 7))
            assert len(leader_of(replicas)._applying.machine.sessions) == 0

    run_story(story())


def test_a_command_is_applied_once_although_its_answer_was_lost() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            session = await follower.session()
            world.cuts.add((leader.id, follower.id))
            error = await caught(session.propose(b"x", timeout_s=0.05))
            assert isinstance(error, OutcomeUnknown)
            world.heal()
            assert await session.again(error.token) == 1
            assert ledger(follower) == ["x"]
            with pytest.raises(ValueError, match="no command of session"):
                await session.again(error.token)
            with pytest.raises(ValueError, match="no command of session"):
                await session.again(Token(0, 0, b"another", 1))
            await session.close()

    run_story(story())


@pytest.mark.parametrize("seed", range(6))
def test_each_command_once_under_faults(seed: int) -> None:
    async def story() -> None:
        draw = random.Random(seed)
        world = World()
        hosts = {id: world.host(id) for id in world.members}
        await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
        replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
        steady = replicas[1]
        await agreed(replicas)

        async def client(name: str) -> None:
            session = await steady.session()
            for number in range(30):
                await session.propose(f"{name}.{number}".encode())
            await session.close()

        async def faults() -> None:
            for _ in range(8):
                await asyncio.sleep(draw.random() * 0.3)
                if draw.random() < 0.5:
                    world.cut(draw.choice([1, 2, 3]))
                    await asyncio.sleep(draw.random() * 0.3)
                    world.heal()
                    continue
                id = draw.choice([2, 3])
                world.crash(hosts[id])
                await asyncio.sleep(draw.random() * 0.2)
                hosts[id] = world.host(id)
                await hosts[id].__aenter__()
                replicas[id] = hosts[id].replica("ledger", Ledger())

        await asyncio.gather(faults(), *[client(f"c{n}") for n in range(3)])
        await agreed(replicas)
        for replica in replicas.values():
            await replica.read()
            assert sorted(ledger(replica)) == sorted(f"c{n}.{number}" for n in range(3) for number in range(30))
        await asyncio.gather(*[host.close() for host in hosts.values()])

    run_story(story())


def test_a_session_that_nobody_uses_expires() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            used, idle = await leader.session(1000), await leader.session(1000)
            idle._alive.cancel()
            await asyncio.sleep(8)
            assert isinstance(await caught(idle.propose(b"x")), SessionExpired)
            assert await used.propose(b"y") == 1
            assert ledger(leader) == ["y"]
            await used.close()
            await used.close()
            await asyncio.sleep(1)
            before = leader.commit
            await asyncio.sleep(5)
            assert leader.commit == before, "without sessions no time is written"

    run_story(story())


def test_a_session_ends_with_its_replica() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            session = await leader.session()
            await leader.close()
            error = await caught(session.propose(b"x"))
            assert isinstance(error, Rejected)
            assert error.reason == RejectReason.STOPPED
            await session.close()

    run_story(story())


class Answering:
    """A replica whose attempts end as listed: an exception is raised, None never ends, and the rest are answers."""

    machine = Ledger()
    failure: BaseException | None = None
    election_s = 0.1

    def __init__(self, *ends: Any) -> None:
        self.ends = list(ends)
        self.entries: list[bytes] = []

    def propose_entry(self, entry: bytes, *, only_in_term: int = 0, timeout_s: float | None = None) -> Any:
        self.entries.append(entry)
        end = asyncio.get_running_loop().create_future()
        said = self.ends.pop(0) if self.ends else 0
        if isinstance(said, Exception):
            end.set_exception(said)
        elif said is not None:
            end.set_result(said)
        return end


def unknown() -> OutcomeUnknown:
    return OutcomeUnknown(Token(3, 0, b"the replica's", 7), "no reply")


@pytest.mark.parametrize("reason", [RejectReason.STOPPED, RejectReason.NOT_A_MEMBER, RejectReason.REFUSED])
def test_what_may_be_in_the_log_is_never_said_to_be_rejected(reason: RejectReason) -> None:
    async def story() -> None:
        rejected = Rejected(reason)
        replica = Answering(unknown(), Rejected(RejectReason.NO_LEADER), rejected, Rejected(reason), 5)
        session = Session(replica, 9, 60_000)
        error = await caught(session.propose(b"x"))
        assert isinstance(error, OutcomeUnknown)
        assert error.__cause__ is rejected
        assert isinstance(await caught(session.again(error.token)), OutcomeUnknown), "it stays unknown"
        assert await session.again(error.token) == 5
        assert len(set(replica.entries)) == 1
        await session.close()

    run_story(story())


@pytest.mark.parametrize("end", [Rejected(RejectReason.TOO_LARGE), None], ids=["rejected", "cancelled"])
def test_what_nobody_asks_for_any_more_leaves_room(end: Exception | None) -> None:
    async def story() -> None:
        session = Session(Answering(end), 9, 60_000)
        first = asyncio.ensure_future(session.propose(b"x"))
        await asyncio.sleep(0.01)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        for _ in range(WINDOW + 1):
            assert await session.propose(b"x") == 0
        assert not session._entries
        await session.close()

    run_story(story())


def test_a_cancelled_again_may_be_repeated() -> None:
    async def story() -> None:
        session = Session(Answering(None, None, 5), 9, 60_000)
        error = await caught(session.propose(b"x", timeout_s=0.05))
        assert isinstance(error, OutcomeUnknown)
        going_on = asyncio.ensure_future(session.again(error.token))
        await asyncio.sleep(0.01)
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
        assert await session.again(error.token) == 5
        await session.close()

    run_story(story())


def test_a_cancelled_command_is_applied_once_at_most() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            session = await follower.session()
            world.cuts.add((leader.id, follower.id))
            proposed = asyncio.ensure_future(session.propose(b"x"))
            await asyncio.sleep(0.05)
            proposed.cancel()
            await asyncio.gather(proposed, return_exceptions=True)
            world.heal()
            assert await session.propose(b"y") == 2
            assert ledger(follower) == ["x", "y"]
            await session.close()

    run_story(story())


def test_after_a_wait_that_ended_a_rejection_is_not_certain() -> None:
    async def story() -> None:
        replica = Answering(None, Rejected(RejectReason.STOPPED))
        session = Session(replica, 9, 60_000)
        error = await caught(session.propose(b"x", timeout_s=0.05))
        assert isinstance(error, OutcomeUnknown)
        assert isinstance(await caught(session.again(error.token)), OutcomeUnknown)
        await session.close()

    run_story(story())


def test_an_expired_session_does_not_say_that_an_earlier_attempt_was_not_applied() -> None:
    async def story() -> None:
        expired = SessionExpired(9)
        session = Session(Answering(unknown(), expired, expired), 9, 60_000)
        error = await caught(session.propose(b"x"))
        assert isinstance(error, OutcomeUnknown)
        assert error.__cause__ is expired
        assert await caught(session.propose(b"y")) is expired, "without an earlier attempt it is certain"
        with pytest.raises(ValueError, match="no command"):
            await session.again(error.token)
        await session.close()

    run_story(story())


def test_the_token_is_the_session_s_own_when_the_replica_has_died() -> None:
    async def story() -> None:
        replica = Answering(unknown(), 5)
        replica.failure = RuntimeError("dead")
        session = Session(replica, 9, 60_000)
        error = await caught(session.propose(b"x"))
        assert isinstance(error, OutcomeUnknown)
        assert await session.again(error.token) == 5
        await session.close()

    run_story(story())


def test_a_replica_closed_over_a_command_in_the_log_does_not_say_rejected() -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            session = await leader.session()
            # No other member can take it, so that it stays in the leader's log.
            world.cut(leader.id)
            proposed = asyncio.ensure_future(session.propose(b"x"))
            await asyncio.sleep(0.02)
            await leader.close()
            assert isinstance(await caught(proposed), OutcomeUnknown)
            world.heal()
            await session.close()

    run_story(story())


def test_the_version_rises_once_all_members_know_it() -> None:
    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            replicas = {id: hosts[id].replica("ledger", Second() if id < 3 else Ledger()) for id in hosts}
            await agreed(replicas)
            await asyncio.sleep(2)
            assert {replica._applying.machine.version for replica in replicas.values()} == {1}
            await replicas[3].close()
            replicas[3] = hosts[3].replica("ledger", Second())
            await asyncio.sleep(2)
            assert {replica._applying.machine.version for replica in replicas.values()} == {2}
            await replicas[3].close()
            old: Any = hosts[3].replica("ledger", Ledger())
            await asyncio.sleep(2)
            assert isinstance(old.failure, UpgradeNeeded)
            assert isinstance(hosts[3].failure, UpgradeNeeded)

    run_story(story())


def test_sessions_outlive_a_restart_of_all() -> None:
    async def story() -> None:
        world = World(3, tuned(snapshot_entries=10, kept_entries=2))
        async with world.serving() as replicas:
            session = await leader_of(replicas).session(3_600_000)
            for _ in range(15):
                await session.propose(b"x")
            _, entry = session._client.begin(b"last")
            assert await leader_of(replicas).propose_entry(entry) == 16
            session._alive.cancel()
        async with world.serving() as replicas:
            assert await leader_of(replicas).propose_entry(entry) == 16, "it is answered again, and not applied again"
            assert ledger(leader_of(replicas)) == ["x"] * 15 + ["last"]

    run_story(story())
