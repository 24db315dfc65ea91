"""A log is opened again wherever its last record ends: at, before and behind the border of a segment."""

from collections.abc import Iterator

import pytest

from raftcy import HardState, MemoryStorage
from raftcy.rafttest.storage_model import contents
from raftcy.storage.shared_log import SharedLog
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import do_chores, open_log

from .test_damage import run

SEGMENT = 4096


def logs(disk: CutDisk) -> Iterator[tuple[SharedLog, str]]:
    """The log, opened after a kill, a power cut and a clean close, and after it was closed once more."""
    for left, how in ((disk.killed(), "a kill"), (disk.after(()), "a power cut")):
        log = open_log(left, segment_size=SEGMENT)
        yield log, how
        log.close()
        for again in (left, left.after(())):
            log = open_log(again, segment_size=SEGMENT)
            yield log, f"{how}, then closed"
            log.abandon()


def log_of(sizes: list[int], closing: bool) -> tuple[CutDisk, MemoryStorage, SharedLog]:
    """A log whose records have entries of these sizes, and its model."""
    disk = CutDisk()
    log, model = open_log(disk, segment_size=SEGMENT), MemoryStorage()
    for number, size in enumerate(sizes, 1):
        for storage in (log.group(1), model):
            storage.save(HardState(term=1, commit=number - 1), run(number, 1, 1, size), None)
        log.sync()
        do_chores(log)
        if closing:
            log.close()
            log = open_log(disk, segment_size=SEGMENT)
    log.abandon()
    return disk, model, log


@pytest.mark.parametrize("closing", [False, True])
def test_a_record_may_end_anywhere_in_a_segment(closing: bool) -> None:
    """catches: hashicorp/raft-wal#31"""
    ends = set()
    segments = set()
    for size in [*range(100, 2600, 97), *range(2700, 3400, 6)]:
        disk, model, log = log_of([size, 40], closing)
        ends.add(log._offset)
        segments.add(log.segments()[1])
        for found, how in logs(disk):
            assert contents(found.group(1)) == contents(model), f"{size} bytes, after {how}"
    # A clean close ends with a sector.
    assert len(ends) > (5 if closing else 60)
    assert segments >= {1, 2}


def test_a_log_goes_on_from_every_segment_boundary() -> None:
    """Opened after each write, for as long as it takes to fill many segments; the next write follows the last one."""
    disk, model = CutDisk(), MemoryStorage()
    segments = set()
    for number in range(1, 80):
        log = open_log(disk, segment_size=SEGMENT)
        assert contents(log.group(1)) == contents(model)
        for storage in (log.group(1), model):
            storage.save(HardState(term=1, commit=number - 1), run(number, 1, 1, 97 * number % 2900), None)
        log.sync()
        segments.add(log.segments()[1])
        if number % 3:
            log.abandon()
            disk = disk.killed() if number % 2 else disk.after(())
        else:
            log.close()
    assert len(segments) > 15
