"""Log lines: what needs a person is said, with fields, and not too often."""

import asyncio
import logging
from typing import Any

import pytest

from raftcy.errors import Rejected
from raftcy.replica.notices import KIND_S, LINES_MAX, CoreLogger, Notices
from tests.support.hosts import Ledger, World, leader_of, tuned
from tests.support.virtual import caught, run_story

LOG = logging.getLogger("raftcy.replica")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(caplog: pytest.LogCaptureFixture, word: str, level: int = logging.WARNING) -> list[Any]:
    """The records from a level on whose text has a word."""
    return [record for record in caplog.records if word in record.getMessage() and record.levelno >= level]


def test_lines_have_fields(caplog: pytest.LogCaptureFixture) -> None:
    Notices(LOG, Clock(), 26, "jobs", lambda: 7).warn("kind", "%d of %d", 1, 2)
    Notices(LOG, Clock(), 26).warn("kind", "nothing")
    one, two = caplog.records
    assert (one.getMessage(), one.group, one.id, one.term) == ("jobs: 1a: 1 of 2", "jobs", 26, 7)
    assert (two.getMessage(), two.group, two.id, two.term) == ("host 1a: nothing", "", 26, 0)


def test_lines_of_a_kind_are_rare(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    notices = Notices(LOG, clock, 1)
    for _ in range(5):
        notices.warn("one", "again")
        notices.warn("two", "other")
    clock.now += KIND_S
    notices.warn("one", "again")
    said = [record.getMessage() for record in caplog.records]
    assert said == ["host 1: again", "host 1: other", "host 1: again (and 4 more like this)"]


def test_many_kinds_take_no_memory(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices(LOG, Clock(), 1)
    for number in range(1000):
        notices.warn(("peer", number), "hello")
    assert len(notices._logged) <= 100


def test_a_level_that_is_off_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "raftcy.replica")
    Notices(LOG, Clock(), 1, term=lambda: pytest.fail("it was asked for the term")).warn("one", "again")
    assert caplog.records == []


def test_the_core_is_limited(caplog: pytest.LogCaptureFixture) -> None:
    """Errors pass, whatever else was said."""
    clock = Clock()
    logger = CoreLogger(Notices(LOG, clock, 1, "jobs"), LOG, clock)
    for _ in range(LINES_MAX + 5):
        logger.warning("ignored")
    logger.error("broken")
    assert len(lines(caplog, "ignored")) == LINES_MAX
    assert len(lines(caplog, "broken")) == 1
    clock.now += 1
    logger.warning("ignored")
    assert len(lines(caplog, "6 lines of the core were left out")) == 1
    assert caplog.records[-1].getMessage() == "jobs: 1: ignored"


# -- what is said


def test_a_group_without_a_leader(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            world.cut(leader.id)
            await asyncio.sleep(5)
            found = lines(caplog, "there has been no leader")
            assert {(record.group, record.id) for record in found} == {("ledger", leader.id), ("(system)", leader.id)}
            assert len(found) == 2
            assert "[1, 2, 3]" in found[0].getMessage()
            await asyncio.sleep(2 * KIND_S)
            found = [each for each in lines(caplog, "there has been no leader") if each.group == "ledger"]
            assert 2 <= len(found) <= 4
            world.heal()

    run_story(story())


def test_a_cluster_that_cannot_begin(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World()
        host = world.host(1)
        opening = asyncio.create_task(host.__aenter__())
        await asyncio.sleep(KIND_S - 1)
        assert lines(caplog, "cannot begin") == []
        await asyncio.sleep(3 * KIND_S)
        found = lines(caplog, "the cluster cannot begin: members [1, 2, 3] have not confirmed")
        assert 2 <= len(found) <= 4
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        await host.close()

    run_story(story())


def test_a_disk_that_hangs_and_a_slow_sync(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World(tuning=tuned(sync="thread"))
        async with world.serving() as replicas:
            follower = next(replica for replica in replicas.values() if not replica.is_leader)
            world.aside(follower.id).hangs = True
            await leader_of(replicas).propose(b"x")
            await asyncio.sleep(5)
            found = lines(caplog, "the disk has not answered for")
            assert [(record.id, record.group) for record in found] == [(follower.id, "")]
            world.aside(follower.id).go_on()

    run_story(story())


def test_a_loop_that_is_held_up(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World(1)
        async with world.running():
            loop: Any = asyncio.get_running_loop()
            await asyncio.sleep(0.05)
            loop._jumping.now += 3
            await asyncio.sleep(0.05)
            assert len(lines(caplog, "something held up the event loop for 3.0 s")) == 1

    run_story(story())


def test_commands_that_are_rejected_because_too_many_wait(caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        world = World(1, tuning=tuned(waiting_commands=10))
        async with world.serving() as replicas:
            replica = replicas[1]
            waits = [replica.propose(b"x") for _ in range(100)]
            ended = [await caught(wait) for wait in waits[10:]]
            assert all(isinstance(error, Rejected) for error in ended)
            await asyncio.gather(*waits[:10])
            (record,) = lines(caplog, "commands are rejected")
            assert (record.group, record.id, record.term) == ("ledger", 1, replica.term)

    run_story(story())


def test_the_core_of_a_replica_says_its_group(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "raftcy.replica")

    async def story() -> None:
        world = World(1)
        async with world.running() as hosts:
            replica = hosts[1].replica("ledger", Ledger())
            await replica.wait_for_leader()
            found = [each for each in lines(caplog, "became leader", logging.INFO) if each.group == "ledger"]
            assert [(record.group, record.id, record.term) for record in found] == [("ledger", 1, replica.term)]

    run_story(story())
