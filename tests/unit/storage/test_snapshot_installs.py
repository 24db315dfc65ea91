"""A received snapshot is installed whole or not at all, wherever the disk fails or the power is cut."""

from typing import Any

import pytest

from raftcy import HardState, Snapshot, SnapshotMetadata, StorageFailed
from raftcy.storage.bodies import Reference
from raftcy.storage.group_log import GroupLog
from tests.support.cut_disk import CutDisk
from tests.support.failing_disk import KINDS, Fault
from tests.support.log_histories import do_chores, open_log

from .test_bodies import MEMBERS, body_of, put, state, two_snapshots

RECEIVED = state(70_000, 5)


def begun() -> tuple[CutDisk, Any, dict[int, bytes]]:
    """A log with snapshots at 5 and 10; the bodies by their indexes."""
    disk = CutDisk()
    log, older, newest = two_snapshots(disk)
    return disk, log, {5: older, 10: newest, 40: RECEIVED}


def announced() -> Reference:
    """The reference that the leader sends."""
    other = open_log(CutDisk())
    bodies = other.group(3, bodies=True).bodies
    assert bodies is not None
    return put(bodies.write(40, 9), RECEIVED)


def install(log: Any, reference: Reference) -> None:
    """Receive the snapshot, its hard state and the entries after it."""
    group: GroupLog = log.group(3)
    assert group.bodies is not None
    put(group.bodies.receive(reference), RECEIVED)
    metadata = SnapshotMetadata(conf_state=MEMBERS, index=40, term=9)
    group.save(HardState(term=9, commit=40), [], Snapshot(data=reference.encode(), metadata=metadata))
    log.sync()
    do_chores(log)
    group.save(HardState(term=9, commit=40, vote=2), None, None)
    log.sync()


def whole(disk: CutDisk, known: dict[int, bytes]) -> int:
    """Open the log, whose snapshot has its body and whose commit index is in it; the snapshot's index."""
    group = open_log(disk).group(3, bodies=True)
    index = group.snapshot().metadata.index
    assert body_of(group) == known[index]
    hard_state, _ = group.initial_state()
    assert hard_state is not None
    assert group.first_index() - 1 <= hard_state.commit <= group.last_index()
    assert hard_state.commit >= index
    return index


def test_the_power_is_cut_anywhere_in_it() -> None:
    """catches: etcd#10219"""
    reference = announced()
    disk, log, known = begun()
    seen = set()

    def on_sync(name: str) -> None:
        for kept in [*disk.every_cut(), *disk.each_lost()]:
            seen.add(whole(disk.after(kept), known))
        seen.add(whole(disk.killed(), known))

    disk.on_sync = on_sync
    install(log, reference)
    assert seen == {10, 40}


@pytest.mark.parametrize("kind", KINDS)
def test_the_disk_fails_anywhere_in_it(kind: str) -> None:
    """catches: etcd#10219"""
    reference = announced()
    found = set()
    for at in range(1, 100):
        disk, log, known = begun()
        disk.fault = fault = Fault(at, kind)
        if not fails(log, reference):
            break
        disk.fault = None
        for left in (disk.killed(), disk.after(())):
            found.add(whole(left, known))
            again = open_log(left)
            again.group(3, bodies=True)
            install_again(again, reference)
            again.close()
            assert whole(left, known) == 40
        assert fault.has_failed
    assert at > 8
    assert found == {10, 40}


def fails(log: Any, reference: Reference) -> bool:
    try:
        install(log, reference)
    except StorageFailed:
        return True
    return False


def install_again(log: Any, reference: Reference) -> None:
    """The leader sends it once more, if it was not installed."""
    if log.group(3).snapshot().metadata.index < 40:
        install(log, reference)
