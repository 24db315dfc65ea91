"""Where a host syncs its log: in the event loop, or beside it."""

import asyncio
from typing import Any

from raftcy import HardState
from raftcy.replica.diskloop import DiskLoop
from raftcy.storage.pace import Pace
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import open_log


class Recording:
    """Runs everything at once, and keeps the names of what it ran."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def submit(self, act: Any, done: Any) -> None:
        self.ran.append(act.__qualname__)
        done(act(), None)

    def close(self) -> None:
        pass


class Held(Recording):
    """Runs the next piece of work when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[Any, Any]] = []

    def submit(self, act: Any, done: Any) -> None:
        self.kept.append((act, done))

    def run(self) -> None:
        super().submit(*self.kept.pop(0))


class Nobody:
    def sync_begins(self) -> None:
        pass

    def sync_ended(self) -> None:
        pass


async def synced_aside(segment_size: int) -> list[str]:
    """What ran beside the loop for the first sync of a log, and for a second one."""
    log = open_log(CutDisk(), segment_size=segment_size)
    aside = Recording()
    errors: list[BaseException] = []
    loop = DiskLoop(log, Pace("auto"), aside, Recording(), errors.append, lambda: None)
    for term in (1, 2):
        log.group(1).save(HardState(term=term), None, None)
        loop.staged(Nobody(), True)
        await asyncio.sleep(0)
    assert (loop.syncs, errors) == (2, [])
    return aside.ran


async def test_a_segment_of_many_zeros_is_made_beside_the_loop() -> None:
    """The first write makes a segment, since no spare is ready then. A small one takes no time."""
    assert await synced_aside(64 << 10) == []
    assert await synced_aside(8 << 20) == ["Batch.run"]


async def test_nothing_begins_once_it_has_settled() -> None:
    """What is staged while the last sync is under way has a sync of its own first. What is staged later has none."""
    log = open_log(CutDisk())
    aside = Held()
    errors: list[BaseException] = []
    loop = DiskLoop(log, Pace("thread"), aside, Recording(), errors.append, lambda: None)
    for term in (1, 2):
        log.group(1).save(HardState(term=term), None, None)
        loop.staged(Nobody(), True)
        await asyncio.sleep(0)
    # Waiting with a timeout, as a host does, goes on some turns after the wait has ended.
    settling = asyncio.create_task(asyncio.wait_for(loop.settle(), 10))
    while not settling.done():
        if aside.kept:
            aside.run()
        await asyncio.sleep(0)
    log.group(1).save(HardState(term=3), None, None)
    loop.staged(Nobody(), True)
    await asyncio.sleep(0)
    assert (loop.is_busy, aside.kept, loop.syncs, errors) == (False, [], 2, [])


async def test_it_has_not_settled_while_a_sync_of_a_failed_log_is_under_way() -> None:
    log = open_log(CutDisk())
    aside = Held()
    errors: list[BaseException] = []
    loop = DiskLoop(log, Pace("thread"), aside, Recording(), errors.append, lambda: None)
    log.group(1).save(HardState(term=1), None, None)
    loop.staged(Nobody(), True)
    await asyncio.sleep(0)
    loop._fail(OSError("a chore has failed"))
    settling = asyncio.create_task(loop.settle())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not settling.done()
    aside.run()
    await settling
    assert (loop.is_busy, loop.syncs, [str(each) for each in errors]) == (False, 0, ["a chore has failed"])
