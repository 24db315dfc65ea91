"""The storage suite on the log: in a folder, and on a disk of which it sees all that a crash or a power cut leaves."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raftcy import HardState
from raftcy.rafttest.storage_suite import StorageSuite
from raftcy.storage import Directory, DiskLog, SharedLog
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import do_chores, open_log


class TestInAFolder(StorageSuite):
    """As it is used, but for small segments and little memory, so that the ends of both are met at once."""

    random_runs = 4

    def open(self, place: Path) -> Any:
        log = DiskLog(place, segment_size=8192, memory_size=2000)
        # The suite copies the folder, which must not change meanwhile.
        log.log.landed = None
        group = log.group(7)
        group.close_with(log.close)
        return group

    def test_files_are_for_their_owner_alone(self) -> None:
        storage = self.make()
        storage.save(HardState(term=1), None, None)
        storage.sync()
        place = self._place_of(storage)
        assert {each.name for each in place.iterdir()} >= {"identity", "lock", "0000000000000001.log"}
        assert {stat.S_IMODE(each.stat().st_mode) for each in place.iterdir()} == {0o600}
        storage.close()
        (place / "folder").mkdir()
        Directory(place / "folder" / "made").close()
        assert stat.S_IMODE((place / "folder" / "made").stat().st_mode) == 0o700


class OnADisk(StorageSuite):
    """A group on a CutDisk. A folder of the suite stands for the disk."""

    random_runs = 1

    def open(self, place: Path) -> Any:
        log = open_log(self.disks.setdefault(place, CutDisk()))
        group = log.group(7)
        group.close_with(log.close)
        return group

    @property
    def disks(self) -> dict[Path, CutDisk]:
        found: dict[Path, CutDisk] = self.__dict__.setdefault("_disks", {})
        return found

    def disk_of(self, storage: Any) -> CutDisk:
        return self.disks[self._place_of(storage)]

    def placed(self, disk: CutDisk) -> Path:
        place = self.new_place()
        self.disks[place] = disk
        return place

    def crash(self, storage: Any) -> Any:
        return self._opened(self.placed(self.disk_of(storage).killed()))

    def power_cuts(self, storage: Any) -> Iterator[Path]:
        disk = self.disk_of(storage)
        for kept in disk.some_cuts(4):
            yield self.placed(disk.after(kept))


class TestOnADisk(OnADisk):
    """Calls stage in memory, so between two of them only a sync leaves anything."""


class WrittenThrough:
    """A group that syncs in each call, and keeps what the disk held while it did."""

    def __init__(self, log: SharedLog, disk: CutDisk) -> None:
        self.log = log
        self.disk = disk
        self.group = log.group(7)
        self.disks: list[CutDisk] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.group, name)

    def save(self, *arguments: Any) -> None:
        self.group.save(*arguments)
        self.through()

    def create_snapshot(self, *arguments: Any) -> Any:
        made = self.group.create_snapshot(*arguments)
        self.through()
        return made

    def compact(self, *arguments: Any) -> None:
        self.group.compact(*arguments)
        self.through()

    def through(self) -> None:
        self.disks = []
        disk = self.disk
        disk.on_sync = lambda name: self.disks.append(disk.killed())
        self.log.sync()
        do_chores(self.log)
        disk.on_sync = None

    def close(self) -> None:
        self.log.close()


class TestWithinACall(OnADisk):
    """Every call syncs, and each crash within that sync leaves all of the call or nothing."""

    random_runs = 1
    random_steps = 30

    def open(self, place: Path) -> Any:
        disk = self.disks.setdefault(place, CutDisk())
        return WrittenThrough(open_log(disk), disk)

    def crashes(self, storage: Any) -> Iterator[Path]:
        for disk in storage.disks:
            yield self.placed(disk.killed())
            for kept in disk.some_cuts(10):
                yield self.placed(disk.after(kept))
