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
        await loop.settle()
    assert (loop.syncs, errors) == (2, [])
    return aside.ran


async def test_a_segment_of_many_zeros_is_made_beside_the_loop() -> None:
    """The first write makes a segment, since no spare is ready then. A small one takes no time."""
    assert await synced_aside(64 << 10) == []
    assert await synced_aside(8 << 20) == ["Batch.run"]
