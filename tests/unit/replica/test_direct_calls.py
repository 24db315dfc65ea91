"""Proposals and reads whose outcome goes to an object of the caller, and machines that apply in steps."""

import asyncio
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from raftcy.errors import CommandError, MachineFailed, Overloaded, Rejected, Stopped, UpgradeNeeded
from raftcy.machines import Command
from raftcy.replica.tokens import RejectReason
from tests.support.hosts import Ledger, World, followers_of, leader_of, ledger, tuned
from tests.support.virtual import run_virtually


class End:
    """Takes an outcome."""

    def __init__(self) -> None:
        self.found: list[Any] = []

    def done(self) -> bool:
        return bool(self.found)

    def set_result(self, found: Any) -> None:
        self.found.append(found)

    def set_exception(self, error: BaseException) -> None:
        self.found.append(error)


async def until(end: End) -> Any:
    while not end.found:
        await asyncio.sleep(0.001)
    return end.found[0]


def test_a_proposal_gives_its_outcome_to_the_callers_object() -> None:
    async def story() -> None:
        async with World(3).serving() as replicas:
            for replica in replicas.values():
                end = End()
                replica.propose_for(end, b"one")
                assert isinstance(await until(end), int)
                refused = End()
                replica.propose_for(refused, b"no")
                assert isinstance(await until(refused), CommandError)
            assert ledger(leader_of(replicas)) == ["one"] * 3

    run_virtually(story())


def test_a_proposal_that_cannot_wait_is_rejected_at_once() -> None:
    async def story() -> None:
        async with World(1, tuned(waiting_commands=1)).serving() as replicas:
            first, second, after = End(), End(), End()
            replicas[1].propose_for(first, b"one")
            replicas[1].propose_for(second, b"two")
            assert isinstance(second.found[0], Rejected)
            assert second.found[0].reason == RejectReason.OVERLOADED
            assert await until(first) == 1
            await replicas[1].close()
            replicas[1].propose_for(after, b"three")
            assert after.found[0].reason == RejectReason.STOPPED

    run_virtually(story())


def test_a_barrier_shows_what_was_answered_before_it() -> None:
    async def story() -> None:
        async with World(3).serving() as replicas:
            await leader_of(replicas).propose(b"one")
            for replica in replicas.values():
                end = End()
                replica.barrier(end)
                assert await until(end) is None
                assert ledger(replica) == ["one"]
                assert replica.is_ready

    run_virtually(story())


def test_barriers_at_the_same_time_share_a_round() -> None:
    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            follower = followers_of(replicas)[0]
            ends = [End() for _ in range(50)]
            world.sent.clear()
            for end in ends:
                follower.barrier(end)
            for end in ends:
                await until(end)
            rounds = [m for _, group, m in world.sent if group == follower.group and m.type.name == "MSG_READ_INDEX"]
            assert len(rounds) == 1

    run_virtually(story())


def test_a_barrier_that_was_left_gets_nothing_and_the_end_ends_the_others() -> None:
    async def story() -> None:
        world = World(3, tuned(waiting_reads=2))
        async with world.serving() as replicas:
            follower = followers_of(replicas)[0]
            world.cut(follower.id)
            left, kept = End(), End()
            follower.barrier(left)
            follower.barrier(kept)
            with pytest.raises(Overloaded):
                follower.barrier(End())
            follower.leave_barrier(left)
            await follower.close()
            assert left.found == []
            assert isinstance(kept.found[0], Stopped)
            assert not follower.is_ready
            with pytest.raises(Stopped):
                follower.barrier(End())

    run_virtually(story())


class Slow(Ledger):
    """Takes a command "slow…" in 100 steps."""

    applies_in_steps = True

    def __init__(self) -> None:
        super().__init__()
        self.pauses = 0

    def steps(self, commands: Sequence[Command]) -> Generator[None, None, list[Any]]:
        answers = []
        for command in commands:
            if command.data.startswith(b"newer"):
                raise UpgradeNeeded("command", 2, 1)
            if command.data.startswith(b"slow"):
                for _ in range(100):
                    self.pauses += 1
                    yield
            answers.append(self.apply_one(command))
        return answers


def test_a_machine_pauses_within_a_command_and_reads_wait_for_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    def stopwatch(self: Any) -> float:
        now[0] += 0.003
        return now[0]

    monkeypatch.setattr("raftcy.replica.seams.Seams.stopwatch", stopwatch)

    async def story() -> None:
        async with World(1).serving(Slow) as replicas:
            replica = replicas[1]
            machine: Any = replica.machine
            end = replica.propose(b"slow")
            read = asyncio.ensure_future(replica.read())
            seen = set()
            for _ in range(1000):
                await asyncio.sleep(0)
                seen.add(machine.pauses)
                assert (machine.entries == ["slow"]) == (machine.pauses == 100)
                assert machine.entries or not (end.done() or read.done())
            assert len(seen) > 10, "the event loop ran between the steps"
            assert await end == 1
            await read
            assert await asyncio.gather(*[replica.propose(b"slow %d" % n) for n in range(3)]) == [2, 3, 4]

    run_virtually(story())


def test_errors_within_steps_stop_the_member_as_others_do() -> None:
    async def story() -> None:
        async with World(1).serving(Slow) as replicas:
            with pytest.raises(Exception, match="not known"):
                await replicas[1].propose(b"die")
            assert isinstance(replicas[1].failure, MachineFailed)
        async with World(1).serving(Slow) as replicas:
            with pytest.raises(Exception, match="not known"):
                await replicas[1].propose(b"newer")
            assert isinstance(replicas[1].failure, UpgradeNeeded)

    run_virtually(story())
