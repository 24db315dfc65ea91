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


class Opened:
    """The disk loop of a new log."""

    def __init__(self, pace: str, aside: Recording, **options: int) -> None:
        self.errors: list[BaseException] = []
        self.log = open_log(CutDisk(), **options)
        self.loop = DiskLoop(self.log, Pace(pace), aside, Recording(), self.errors.append, lambda: None)

    async def stage(self, term: int) -> None:
        """Stage a write that needs a sync, and let one begin."""
        self.log.group(1).save(HardState(term=term), None, None)
        self.loop.staged(Nobody(), True)
        await asyncio.sleep(0)


async def synced_aside(segment_size: int) -> list[str]:
    """What ran beside the loop for the first sync of a log, and for a second one."""
    aside = Recording()
    disk = Opened("auto", aside, segment_size=segment_size)
    for term in (1, 2):
        await disk.stage(term)
    assert (disk.loop.syncs, disk.errors) == (2, [])
    return aside.ran


async def test_a_segment_of_many_zeros_is_made_beside_the_loop() -> None:
    """The first write makes a segment, since no spare is ready then. A small one takes no time."""
    assert await synced_aside(64 << 10) == []
    assert await synced_aside(8 << 20) == ["Batch.run"]


async def test_nothing_begins_once_it_has_settled() -> None:
    """What is staged while the last sync is under way has a sync of its own first. What is staged later has none."""
    aside = Held()
    disk = Opened("thread", aside)
    for term in (1, 2):
        await disk.stage(term)
    # Waiting with a timeout, as a host does, goes on some turns after the wait has ended.
    settling = asyncio.create_task(asyncio.wait_for(disk.loop.settle(), 10))
    while not settling.done():
        if aside.kept:
            aside.run()
        await asyncio.sleep(0)
    await disk.stage(3)
    assert (disk.loop.is_busy, aside.kept, disk.loop.syncs, disk.errors) == (False, [], 2, [])


async def test_it_has_not_settled_while_a_sync_of_a_failed_log_is_under_way() -> None:
    aside = Held()
    disk = Opened("thread", aside)
    await disk.stage(1)
    disk.loop._fail(OSError("a chore has failed"))
    settling = asyncio.create_task(disk.loop.settle())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not settling.done()
    aside.run()
    await settling
    assert (disk.loop.is_busy, disk.loop.syncs) == (False, 0)
    assert [str(each) for each in disk.errors] == ["a chore has failed"]
