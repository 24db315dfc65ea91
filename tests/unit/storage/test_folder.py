"""A log in a folder: whose it is, who has it open, what its thread does, and how it syncs."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from raftcy import (
    ConfigError,
    Corruption,
    DirectoryInUse,
    DirectoryRefused,
    HardState,
    InvariantError,
    MemoryStorage,
    NewerFormat,
    StorageFailed,
    WrongDirectory,
)
from raftcy.rafttest.storage_model import contents
from raftcy.storage import Bodies, Directory, DiskLog, Pace, directory, open_group
from raftcy.storage.passport import Passport
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import open_log

from .test_damage import run


def segments(path: Path) -> list[int]:
    return sorted(int(each.stem, 16) for each in path.glob("*.log"))


def wait_for(condition: Any) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_space_comes_back_while_a_quiet_group_stays(tmp_path: Path) -> None:
    """Segments go, and spares are made, on a thread; what a group wrote long ago is moved on."""
    model = MemoryStorage()
    with DiskLog(tmp_path, segment_size=8192) as log:
        quiet, busy = log.group(1), log.group(2)
        for storage in (quiet, model):
            storage.save(HardState(term=1, vote=3), run(1, 1, 5), None)
        log.sync()
        fill(log, busy)
        wait_for(lambda: log.tend() or log.log.counters.segments_removed >= 5)
        wait_for(lambda: len(segments(tmp_path)) < 6)
        assert log.log.counters.groups_moved >= 2
        assert contents(quiet) == contents(model)
        wanted = contents(busy)
    assert segments(tmp_path)[0] > 5
    with DiskLog(tmp_path, segment_size=8192) as log:
        assert contents(log.group(1)) == contents(model)
        assert contents(log.group(2)) == wanted


def fill(log: Any, group: Any) -> None:
    """Write and sync many entries, each followed by a snapshot and a compaction close behind it."""
    for number in range(1, 120):
        group.save(HardState(term=1, commit=number), run(number, 1, 1, 700), None)
        if number > 3:
            group.create_snapshot(number - 2, None if number > 4 else members(), b"")
            group.compact(number - 2)
        log.sync()


def members() -> Any:
    from raftcy import ConfState

    return ConfState(voters=[1])


def test_a_group_with_much_holds_its_segment() -> None:
    log = open_log(CutDisk())
    full, busy = log.group(1), log.group(2)
    full.save(HardState(term=1), run(1, 1, 5, 600), None)
    fill(log, busy)
    assert log.segments()[0] == 1
    assert 1 in log.holders()
    full.save(HardState(term=1, commit=5), None, None)
    full.create_snapshot(5, members(), b"")
    full.compact(5)
    for number in range(120, 140):
        busy.save(HardState(term=1, commit=number), run(number, 1, 1, 700), None)
        log.sync()
    assert log.segments()[0] > 5
    assert log.holders() == []


def test_a_folder_is_opened_once(tmp_path: Path) -> None:
    with DiskLog(tmp_path):
        with pytest.raises(DirectoryInUse, match="is in use"):
            DiskLog(tmp_path)
        program = f"from raftcy.storage import DiskLog; DiskLog({str(tmp_path)!r})"
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
        )
        assert "DirectoryInUse" in done.stderr
        assert isinstance(DirectoryInUse("x"), DirectoryRefused)
    DiskLog(tmp_path).close()


def test_a_folder_belongs_to_one_cluster(tmp_path: Path) -> None:
    with DiskLog(tmp_path) as log:
        assert log.log.cluster == b""
        identity = log.log.identity
        log.log.set_cluster(b"one")
        with pytest.raises(WrongDirectory):
            log.log.set_cluster(b"two")
    for cluster in (b"", b"one"):
        with DiskLog(tmp_path, cluster=cluster) as log:
            assert (log.log.cluster, log.log.identity) == (b"one", identity)
    with pytest.raises(WrongDirectory, match=b"two".hex()):
        DiskLog(tmp_path, cluster=b"two")


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"x")
    with pytest.raises(WrongDirectory, match="precious"):
        DiskLog(tmp_path)
    (tmp_path / "identity").write_bytes(b"of something else")
    with pytest.raises(WrongDirectory, match="was not written by raftcy"):
        DiskLog(tmp_path)
    assert (tmp_path / "precious").read_bytes() == b"x"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    import zlib

    DiskLog(tmp_path).close()
    path = tmp_path / "identity"
    body = path.read_bytes()[:-10].replace(b"format 1", b"format 2")
    path.write_bytes(body + f"\n{zlib.crc32(body):08x}\n".encode())
    with pytest.raises(NewerFormat, match="has the format 2; this version of raftcy knows 1"):
        DiskLog(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"format 2", b"format 3"))
    with pytest.raises(Corruption):
        DiskLog(tmp_path)
    path.write_bytes(Passport(b"x" * 16).encode())


@pytest.mark.parametrize(("size", "error"), [(4095, ConfigError), (512, ConfigError), (10_000, ConfigError)])
def test_a_segment_size_is_checked(tmp_path: Path, size: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        DiskLog(tmp_path, segment_size=size)
    DiskLog(tmp_path).close()


def test_an_error_of_the_thread_ends_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = DiskLog(tmp_path, segment_size=8192)
    group = log.group(1)
    group.save(HardState(term=1), run(1, 1, 1, 5000), None)

    def full(*arguments: object) -> int:
        raise OSError(28, "no space left on device")

    log.sync()
    wait_for(lambda: not log._done.empty())
    log._take_done()
    monkeypatch.setattr(directory, "_write", full)
    group.save(None, run(2, 1, 1, 5000), None)
    with pytest.raises(StorageFailed, match="no space left"):
        log.sync()
    with pytest.raises(StorageFailed):
        group.save(None, run(3, 1), None)
    log.close()
    monkeypatch.undo()
    again = open_group(tmp_path, 1, segment_size=8192)
    assert again.last_index() in (1, 2)
    again.close()


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may take a part of a write without an error; one that takes nothing is an error."""
    write = directory._write
    monkeypatch.setattr(directory, "_write", lambda file, data, at, guard: write(file, data[:7], at, guard))
    files = Directory(tmp_path)
    files.write("x", 3, b"0123456789" * 5)
    assert files.read("x", 0, 100) == bytes(3) + b"0123456789" * 5
    monkeypatch.setattr(directory, "_write", lambda file, data, at, guard: 0)
    with pytest.raises(OSError, match="nothing was written"):
        files.write("x", 0, b"x")
    files.close()


def test_only_segments_stay_open(tmp_path: Path) -> None:
    """Thousands of groups have two snapshots each."""
    files = Directory(tmp_path)
    for number in range(50):
        Bodies(files, number).write(1, 1).finish()
    for name in files.names():
        files.read(name, 0, 100)
    assert files._open == {}
    files.write("0000000000000001.log", 0, b"x")
    assert files.read("0000000000000001.log", 0, 9) == b"x"
    assert len(files._open) == 1
    files.close()
    assert files._open == {}


def test_a_log_that_is_closed_takes_nothing_more(tmp_path: Path) -> None:
    log = DiskLog(tmp_path)
    log.group(1).save(HardState(term=1), run(1, 1, 3), None)
    log.close()
    log.close()
    with pytest.raises(StorageFailed, match="the log is closed"):
        log.sync()
    assert log.log.chores() == []


def test_one_batch_at_a_time() -> None:
    log = open_log(CutDisk())
    assert log.prepare() is None
    log.group(1).save(HardState(term=1), None, None)
    batch = log.prepare()
    assert batch is not None
    with pytest.raises(InvariantError, match="finish it first"):
        log.prepare()
    batch.run()
    log.finish(batch)
    with pytest.raises(InvariantError, match="not under way"):
        log.finish(batch)


def test_an_interrupted_sync_ends_the_log() -> None:
    """Whether it has written anything is not known, and nobody may go on."""

    def interrupt(kind: str, name: str) -> int | None:
        raise KeyboardInterrupt

    disk = CutDisk()
    log = open_log(disk)
    log.group(1).save(HardState(term=1), None, None)
    disk.fault = interrupt
    with pytest.raises(KeyboardInterrupt):
        log.sync()
    with pytest.raises(StorageFailed):
        log.sync()


def test_where_to_sync() -> None:
    pace = Pace()
    assert not pace.on_thread(100)
    pace.took(0.0049)
    assert not pace.on_thread(100)
    pace.took(0.0051)
    for _ in range(20):
        assert pace.on_thread(100)
        pace.took(0.001)
    assert not pace.on_thread(100)
    for sync, wanted in (("thread", True), ("loop", False)):
        pace = Pace(sync)
        for seconds in (0.0, 10.0, 0.0):
            assert pace.on_thread(100) is wanted
            pace.took(seconds)
            assert pace.on_thread(100 << 20) is wanted
    assert not Pace().on_thread(1 << 20)
    assert Pace().on_thread((1 << 20) + 1)
    with pytest.raises(ConfigError):
        Pace("never")


def test_what_a_sync_is_on_this_platform() -> None:
    assert directory._sync is {"darwin": directory._fullfsync}.get(sys.platform, getattr(os, "fdatasync", os.fsync))


@pytest.mark.skipif(not hasattr(os, "O_DIRECTORY"), reason="needs folders that can be synced")
def test_a_power_cut_does_not_take_the_folder_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each folder that an opening makes has its name synced; so has one that an earlier start may have just made."""
    synced: list[str] = []

    def sync(file: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{file}") if sys.platform == "linux" else "")
        os.fsync(file)

    monkeypatch.setattr(directory, "_sync_folder", sync)
    path = tmp_path / "one" / "two"
    Directory(path).close()
    again = len(synced)
    Directory(path).close()
    assert len(synced) == again + 1 == 3
    if sys.platform == "linux":
        assert set(synced[:2]) == {str(tmp_path.resolve()), str(tmp_path.resolve() / "one")}
        assert synced[2:] == [str(tmp_path.resolve() / "one")]


class Control:
    """What macOS has in fcntl."""

    F_FULLFSYNC = 51

    def __init__(self, error: int) -> None:
        self.error = error

    def fcntl(self, file: int, command: int) -> None:
        assert (file, command) == (7, 51)
        if self.error:
            raise OSError(self.error, "no")


def test_a_full_sync_hides_no_error_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where there is no such sync is another one made; after an error of the disk that one would lie."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for number, plain in ((0, []), (errno.ENOTSUP, [7]), (errno.EINVAL, [7])):
        monkeypatch.setattr(directory, "fcntl", Control(number))
        directory._fullfsync(7)
        assert synced == plain
        synced.clear()
    monkeypatch.setattr(directory, "fcntl", Control(errno.EIO))
    with pytest.raises(OSError, match="no"):
        directory._fullfsync(7)
    assert synced == []


def test_opening_says_how_far_it_is(tmp_path: Path) -> None:
    with DiskLog(tmp_path, segment_size=8192) as log:
        for number in range(1, 30):
            log.group(1).save(HardState(term=1), run(number, 1, 1, 1000), None)
            log.sync()
    told: list[tuple[int, int]] = []
    DiskLog(tmp_path, segment_size=8192, progress=lambda done, total: told.append((done, total))).close()
    assert len(told) > 3
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == 8192 * len(told)
