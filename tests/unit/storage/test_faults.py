"""The first error of a write or a sync ends the log for all its groups; a clean start follows."""

import errno
from functools import partial

import pytest

from raftcy import (
    ConfState,
    HardState,
    InvariantError,
    MemoryStorage,
    RangeError,
    Snapshot,
    SnapshotMetadata,
    StorageFailed,
)
from raftcy.rafttest.storage_model import contents
from raftcy.storage import group_log, layout
from raftcy.storage.shared_log import SLOW_SYNC_S
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import do_chores, left_by, open_log, wanted_by

from .test_damage import run

GROUPS = (1, 2, 3)


class Fault:
    """Fails at the ``at``-th write or sync: "error" (EIO), "full" (half of the write, then no space)."""

    def __init__(self, at: int, kind: str) -> None:
        self.at = at
        self.kind = kind
        self.count = 0
        self.failed = False

    def __call__(self, kind: str, name: str) -> int | None:
        self.count += 1
        if self.count != self.at:
            assert not self.failed, f"{kind} of {name} after an error"
            return None
        self.failed = True
        if self.kind == "full" and kind == "write":
            return 700
        raise OSError(errno.EIO if self.kind == "error" else errno.ENOSPC, "input/output error", name)


def story(disk: CutDisk, before: dict, after: dict) -> None:
    """A few commits of all groups, with chores; ``before`` and ``after`` have the models around the last sync."""
    log = open_log(disk, segment_size=4096)
    for number in range(9):
        for id in GROUPS:
            model = after[id]
            first = model.last_index() + 1
            state, entries = HardState(term=1 + number, vote=id, commit=first - 1), run(first, 1 + number, 2, 100)
            log.group(id).save(state, entries, None)
            model.save(state, entries, None)
        log.sync()
        for id in GROUPS:
            before[id].save(after[id].initial_state()[0], after[id].entries(first, first + 2, 2**64 - 1), None)
        do_chores(log)
    log.close()


def count_calls() -> int:
    fault = Fault(10**9, "error")
    disk = CutDisk(fault)
    story(disk, {id: MemoryStorage() for id in GROUPS}, {id: MemoryStorage() for id in GROUPS})
    return fault.count


@pytest.mark.parametrize("kind", ["error", "full"])
def test_every_write_and_sync_may_fail(kind: str) -> None:
    """Nothing is written after it, nothing acknowledged is lost, and what is opened next goes on.

    Also without the page cache: after a failed sync it may hold what the disk does not.

    catches: ClickHouse#84434, dqlite#309
    """
    calls = count_calls()
    assert calls > 40
    for at in range(1, calls + 1):
        before = {id: MemoryStorage() for id in GROUPS}
        after = {id: MemoryStorage() for id in GROUPS}
        disk = CutDisk(Fault(at, kind))
        with pytest.raises(StorageFailed) as caught:
            story(disk, before, after)
        assert isinstance(caught.value.__cause__, OSError)
        disk.fault = None
        for left in (disk.killed(), *(disk.after(kept) for kept in disk.every_cut())):
            left_by(left, wanted_by(before, after), f"{kind} at call {at}")
            log = open_log(left)
            for id in GROUPS:
                first = log.group(id).last_index() + 1
                log.group(id).save(HardState(term=99, commit=first - 1), run(first, 99), None)
            log.sync()
            log.close()
            assert all(open_log(left).group(id).term(log.group(id).last_index()) == 99 for id in GROUPS)


def failed() -> tuple:
    disk = CutDisk()
    log = open_log(disk)
    for id in GROUPS:
        log.group(id).save(HardState(term=1), run(1, 1, 3), None)
    log.sync()
    disk.fault = Fault(2, "error")
    log.group(1).save(HardState(term=2), run(4, 2), None)
    with pytest.raises(StorageFailed, match="input/output error"):
        log.sync()
    return disk, log


def test_every_group_of_the_log_has_failed() -> None:
    disk, log = failed()
    calls = len(disk.calls)
    for id in (*GROUPS, 77):
        one = log.group(id)
        for call in (
            partial(one.save, HardState(term=3), None, None),
            partial(one.create_snapshot, 1, None, None),
            partial(one.compact, 1),
            one.sync,
            log.sync,
            log.prepare,
            lambda: log.set_cluster(b"x"),
            lambda: log.drop(1),
        ):
            with pytest.raises(StorageFailed) as caught:
                call()
            assert isinstance(caught.value.__cause__, OSError)
    assert isinstance(log.failure, OSError)
    assert log.chores() == []
    log.close()
    assert len(disk.calls) == calls


def test_a_failed_sync_is_not_taken_for_a_good_one_at_the_next_opening() -> None:
    """The second sync lies: the pages are clean, and the disk has none of it. Opening writes them once more.

    catches: etcd#14098
    """
    disk, _ = failed()
    disk.fault = None
    lying = disk.killed()
    # As the kernel leaves it: what failed is in the page cache, and no sync writes it any more.
    lying.items = []
    log = open_log(lying)
    assert log.group(1).last_index() == 4
    assert open_log(lying.after(())).group(1).last_index() == 4


def test_one_sync_for_each_group_commit() -> None:
    disk = CutDisk()
    log = open_log(disk)
    for id in GROUPS:
        log.group(id).save(HardState(term=1), run(1, 1, 3), None)
    log.sync()
    before = len(disk.calls)
    for number in range(10):
        for id in GROUPS:
            log.group(id).save(None, run(4 + number, 1), None)
        log.group(2).sync()
    name = "0000000000000001.log"
    assert disk.calls[before:] == [("write", name), ("sync", name)] * 10
    assert log.counters.syncs == 11
    assert log.counters.records == 33


def test_a_commit_index_alone_is_not_written() -> None:
    """Only the next sync writes it; a sync with nothing staged does nothing."""
    disk = CutDisk()
    log = open_log(disk)
    log.group(1).save(HardState(term=1), run(1, 1, 3), None)
    log.sync()
    before = len(disk.calls)
    for commit in (1, 2, 3):
        log.group(1).save(HardState(term=1, commit=commit), None, None)
    assert len(disk.calls) == before
    assert log.group(1).initial_state()[0].commit == 3
    log.sync()
    assert len(disk.calls) == before + 2
    log.group(1).save(HardState(term=1, commit=3), [], None)
    log.sync()
    assert len(disk.calls) == before + 2


def test_a_slow_sync_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    times = iter([0.0, SLOW_SYNC_S / 2, 10.0, 10.1 + SLOW_SYNC_S])
    log = open_log(CutDisk(), clock=lambda: next(times))
    log.group(1).save(HardState(term=1), None, None)
    log.sync()
    assert (log.counters.slow_syncs, caplog.text) == (0, "")
    log.group(1).save(HardState(term=2), None, None)
    log.sync()
    assert log.counters.slow_syncs == 1
    assert "a write with its sync took 1.1 s" in caplog.text


def test_a_write_may_take_place_elsewhere_while_more_is_staged() -> None:
    """The middle part runs on a thread; what is staged meanwhile is in the next batch, and what it replaces too."""
    disk = CutDisk()
    log = open_log(disk, memory_size=0)
    model = MemoryStorage()
    group = log.group(1)
    for storage in (group, model):
        storage.save(HardState(term=1), run(1, 1, 5), None)
    batch = log.prepare()
    for storage in (group, model):
        storage.save(HardState(term=2), run(3, 2, 1), None)
    assert contents(group) == contents(model)
    batch.run()
    assert contents(group) == contents(model)
    log.finish(batch)
    assert contents(group) == contents(model)
    assert log.in_memory > 0
    log.sync()
    assert log.in_memory == 0
    assert contents(group) == contents(model)
    log.abandon()
    assert contents(open_log(disk).group(1)) == contents(model)


def test_a_log_may_be_closed_again_and_again() -> None:
    """In a segment that is full to the last byte as well: a second mark would have no space."""
    disk = CutDisk()
    for number in range(1, 4):
        log = open_log(disk, segment_size=4096)
        log.group(1).save(HardState(term=1), run(number, 1, 1, 9000), None)
        log.close()
        size = sum(disk.names().values())
        for _ in range(3):
            open_log(disk, segment_size=4096).close()
        assert sum(disk.names().values()) == size
        assert open_log(disk, segment_size=4096).group(1).last_index() == number


def test_what_a_reader_would_refuse_is_not_staged(monkeypatch: pytest.MonkeyPatch) -> None:
    """One limit, checked before anything changes, and below what is believed on reading.

    catches: etcd#14025
    """
    assert 2 * group_log.SNAPSHOT_MAX + group_log.SHARE_MAX < layout.BODY_MAX
    monkeypatch.setattr(group_log, "SHARE_MAX", 20_000)
    monkeypatch.setattr(group_log, "SNAPSHOT_MAX", 5_000)
    disk = CutDisk()
    log = open_log(disk)
    one = log.group(1)
    one.save(HardState(term=1, commit=2), run(1, 1, 3, 5_000), None)
    before = contents(one)
    metadata = SnapshotMetadata(conf_state=ConfState(voters=[1]), index=9, term=1)
    for call in (
        partial(one.save, HardState(term=2, vote=1), run(4, 1, 1, 5_000), None),
        partial(one.save, HardState(term=1, commit=9), None, Snapshot(data=bytes(5_001), metadata=metadata)),
        partial(one.create_snapshot, 2, ConfState(voters=[1]), bytes(5_001)),
    ):
        with pytest.raises(RangeError):
            call()
        assert contents(one) == before
    log.sync()
    one.save(HardState(term=2, vote=1), run(4, 1, 1, 5_000), None)
    with pytest.raises(InvariantError):
        layout.pack_record(bytes(layout.BODY_MAX + 1), 1, 0, (0, 0), 0, 0)
