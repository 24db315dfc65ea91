"""A disk that really fails: ext4 on a file in a tmpfs that is full. The second sync there succeeds, and lies."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from raftcy import Entry, HardState, StorageFailed
from raftcy.storage import DiskLog
from tests.support.needs import needs_tool

from .writer import append, data_of

MIB = 1 << 20


def run(*command: object) -> None:
    subprocess.run([str(each) for each in command], check=True, capture_output=True, timeout=60)


class FullDisk:
    """A file system whose disk takes 24 MiB and no more, until ``grow``."""

    def __init__(self, folder: Path) -> None:
        self.memory = folder / "memory"
        self.mounted = folder / "mounted"
        for each in (self.memory, self.mounted):
            each.mkdir()
        run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", self.memory)
        self.disk = self.memory / "disk"
        with self.disk.open("wb") as file:
            file.truncate(96 * MIB)
        run("mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=1", self.disk)
        self.mount()

    def mount(self) -> None:
        run("mount", "-o", "loop,errors=continue", self.disk, self.mounted)

    def grow(self) -> None:
        """Make space, forget what is in the page cache only, and repair the file system as a start of the machine."""
        run("umount", self.mounted)
        run("mount", "-o", "remount,size=200m", self.memory)
        subprocess.run(["e2fsck", "-fy", str(self.disk)], check=False, capture_output=True, timeout=60)
        self.mount()

    def close(self) -> None:
        for each in (self.mounted, self.memory):
            with suppress(subprocess.CalledProcessError):
                run("umount", each)


@pytest.fixture(name="disk")
def full_disk(tmp_path: Path) -> Iterator[FullDisk]:
    for tool in ("mount", "umount", "mkfs.ext4", "e2fsck"):
        needs_tool(tool)
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount file systems")
    try:
        disk = FullDisk(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs file systems that can be mounted here ({error})")
    yield disk
    disk.close()


def test_a_failed_sync_ends_the_log_and_loses_nothing(disk: FullDisk) -> None:
    folder = disk.mounted / "log"
    log = DiskLog(folder, segment_size=MIB)
    group = log.group(1)
    acknowledged = 0

    def fill() -> None:
        nonlocal acknowledged
        for first in range(1, 10_000_000, 200):
            # Without snapshots, so that the log grows until the disk is full.
            entries = [Entry(term=1, index=n, data=data_of(1, n)) for n in range(first, first + 200)]
            group.save(HardState(term=1, vote=1), entries, None)
            log.sync()
            acknowledged = entries[-1].index

    with pytest.raises(StorageFailed) as caught:
        fill()
    assert isinstance(caught.value.__cause__, OSError)
    assert acknowledged > 1000
    with pytest.raises(StorageFailed):
        group.save(HardState(term=9), None, None)
    log.close()
    disk.grow()
    with DiskLog(folder, segment_size=MIB) as log:
        group = log.group(1)
        assert group.last_index() >= acknowledged
        found = group.entries(group.first_index(), group.last_index() + 1, 2**64 - 1)
        assert [e.data for e in found] == [data_of(1, e.index) for e in found]
        append(group, 10)
        log.sync()
