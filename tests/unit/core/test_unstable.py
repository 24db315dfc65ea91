"""The part of the log that is not stored: its contents, entries in the middle of a write, and acknowledgements."""

import tracemalloc
from typing import Any

import pytest

from raftcy import Entry, InvariantError, Snapshot
from raftcy.wire.consts import NO_LIMIT, NO_TERM
from tests.support.logs import Texts, new_log, new_unstable, run, snapshot_at, stored

SNAPSHOT = snapshot_at(4, 1)
EMPTY: list[Entry] = []


@pytest.mark.parametrize(
    ("entries", "snapshot", "first"),
    [(run(5, 1), None, 3), (EMPTY, None, 3), (run(5, 1), SNAPSHOT, 5), (EMPTY, SNAPSHOT, 5)],
)
def test_first_index(entries: list[Entry], snapshot: Snapshot | None, first: int) -> None:
    """Only an unstable snapshot decides where the log begins; without one the storage does.

    answers: TestUnstableMaybeFirstIndex
    """
    log = new_log(stored(snapshot=snapshot_at(2, 1)))
    log.unstable.offset = 5
    log.unstable.entries = entries
    log.unstable.snapshot = snapshot
    assert log.first_index() == first


@pytest.mark.parametrize(
    ("entries", "snapshot", "last"),
    [
        (run(5, 1), None, 5),
        (run(5, 1), SNAPSHOT, 5),
        (EMPTY, SNAPSHOT, 4),
        (EMPTY, None, None),
        (run(5, 1, 1), None, 6),
    ],
)
def test_last_index(entries: list[Entry], snapshot: Snapshot | None, last: int | None) -> None:
    """From the entries, else from the snapshot, else unknown here.

    answers: TestMaybeLastIndex
    """
    unstable = new_unstable(5, entries, snapshot)
    assert unstable.has_last_index() is (last is not None)
    if last is not None:
        assert unstable.last_index() == last


@pytest.mark.parametrize(
    ("offset", "entries", "snapshot", "index", "term"),
    [
        (5, run(5, 1), None, 5, 1),
        (5, run(5, 1), None, 6, None),
        (5, run(5, 1), None, 4, None),
        (5, run(5, 1), SNAPSHOT, 5, 1),
        (5, run(5, 1), SNAPSHOT, 6, None),
        (5, run(5, 1), SNAPSHOT, 4, 1),
        (5, run(5, 1), SNAPSHOT, 3, None),
        (5, EMPTY, SNAPSHOT, 5, None),
        (5, EMPTY, SNAPSHOT, 4, 1),
        (0, EMPTY, None, 5, None),
        (5, run(5, 7, 9), snapshot_at(4, 6), 4, 6),
        (5, run(5, 7, 9), snapshot_at(4, 6), 6, 9),
    ],
)
def test_look_up(offset: int, entries: list[Entry], snapshot: Any, index: int, term: int | None) -> None:
    """The term is known for the entries here and for the snapshot.

    answers: TestUnstableMaybeTerm
    """
    unstable = new_unstable(offset, entries, snapshot)
    assert unstable.look_up(index) == (NO_TERM if term is None else term)


def test_restore() -> None:
    """A snapshot replaces everything, including entries in the middle of a write.

    answers: TestUnstableRestore
    catches: etcd#18055
    """
    unstable = new_unstable(5, run(5, 1), SNAPSHOT, in_progress=6, snapshot_in_progress=True)
    newer = snapshot_at(6, 2)
    unstable.restore(newer)
    assert (unstable.offset, unstable.offset_in_progress) == (7, 7)
    assert unstable.entries == []
    assert unstable.snapshot is newer
    assert unstable.snapshot_in_progress is False
    assert unstable.next_snapshot() is newer


@pytest.mark.parametrize(("in_progress", "waiting"), [(5, run(5, 1, 1)), (6, run(6, 1)), (7, EMPTY)])
def test_next_entries(in_progress: int, waiting: list[Entry]) -> None:
    """The entries that are not being written yet.

    answers: TestUnstableNextEntries
    """
    unstable = new_unstable(5, run(5, 1, 1), in_progress=in_progress)
    assert unstable.next_entries() == waiting
    assert unstable.has_next_entries() is bool(waiting)
    unstable.next_entries().clear()
    assert len(unstable.entries) == 2


@pytest.mark.parametrize(
    ("snapshot", "in_progress", "found"), [(None, False, False), (SNAPSHOT, False, True), (SNAPSHOT, True, False)]
)
def test_next_snapshot(snapshot: Snapshot | None, in_progress: bool, found: bool) -> None:
    """The snapshot, unless it is being written.

    answers: TestUnstableNextSnapshot
    """
    unstable = new_unstable(5, snapshot=snapshot, snapshot_in_progress=in_progress)
    assert unstable.next_snapshot() is (snapshot if found else None)


@pytest.mark.parametrize("snapshot_in_progress", [False, True])
@pytest.mark.parametrize("snapshot", [None, SNAPSHOT])
@pytest.mark.parametrize(("count", "in_progress"), [(0, 5), (1, 5), (2, 5), (2, 6), (2, 7)])
def test_accept_in_progress(count: int, in_progress: int, snapshot: Any, snapshot_in_progress: bool) -> None:
    """From then on everything here is being written.

    answers: TestUnstableAcceptInProgress
    """
    busy = snapshot is not None and snapshot_in_progress
    unstable = new_unstable(5, run(5, *[1] * count), snapshot, in_progress, busy)
    unstable.accept_in_progress()
    assert unstable.offset_in_progress == 5 + count
    assert unstable.snapshot_in_progress is (snapshot is not None)
    assert unstable.next_entries() == []
    assert unstable.next_snapshot() is None


@pytest.mark.parametrize(
    ("offset", "entries", "in_progress", "snapshot", "acknowledged", "after"),
    [
        (0, EMPTY, 0, None, (5, 1), (0, 0, 0)),
        (5, run(5, 1), 6, None, (5, 1), (6, 6, 0)),
        (5, run(5, 1, 1), 6, None, (5, 1), (6, 6, 1)),
        (5, run(5, 1, 1), 7, None, (5, 1), (6, 7, 1)),  # more is being written
        (6, run(6, 2), 7, None, (6, 1), (6, 7, 1)),  # of another term
        (5, run(5, 1), 6, None, (4, 1), (5, 6, 1)),  # of an entry that is no longer here
        (5, run(5, 1), 6, None, (4, 2), (5, 6, 1)),
        (5, run(5, 1), 6, SNAPSHOT, (5, 1), (6, 6, 0)),
        (5, run(5, 1, 1), 6, SNAPSHOT, (5, 1), (6, 6, 1)),
        (5, run(5, 1, 1), 7, SNAPSHOT, (5, 1), (6, 7, 1)),
        (6, run(6, 2), 7, snapshot_at(5, 1), (6, 1), (6, 7, 1)),
        (5, run(5, 1), 6, SNAPSHOT, (4, 1), (5, 6, 1)),  # the snapshot's own index
        (5, run(5, 2), 6, snapshot_at(4, 2), (4, 1), (5, 6, 1)),
        (5, run(5, 1, 1), 5, None, (6, 1), (7, 7, 0)),  # before a write was reported
    ],
)
def test_stable_to(
    offset: int, entries: list[Entry], in_progress: int, snapshot: Any, acknowledged: Any, after: Any
) -> None:
    """Entries leave once they are stored, by the index and term of the last one.

    An acknowledgement of an overwritten entry says nothing about the entry that replaced it.

    answers: TestUnstableStableTo
    catches: redpanda#16105
    """
    unstable = new_unstable(offset, entries, snapshot, in_progress)
    unstable.stable_to(*acknowledged)
    assert (unstable.offset, unstable.offset_in_progress, len(unstable.entries)) == after
    assert unstable.snapshot is snapshot


@pytest.mark.parametrize(
    ("entries", "in_progress", "new", "after"),
    [
        (run(5, 1), 5, run(6, 1, 1), (5, 5, run(5, 1, 1, 1))),
        (run(5, 1), 6, run(6, 1, 1), (5, 6, run(5, 1, 1, 1))),
        (run(5, 1), 5, run(5, 2, 2), (5, 5, run(5, 2, 2))),
        (run(5, 1), 5, run(4, 2, 2, 2), (4, 4, run(4, 2, 2, 2))),
        (run(5, 1), 6, run(5, 2, 2), (5, 5, run(5, 2, 2))),
        (run(5, 1, 1, 1), 5, run(6, 2), (5, 5, run(5, 1, 2))),
        (run(5, 1, 1, 1), 5, run(7, 2, 2), (5, 5, run(5, 1, 1, 2, 2))),
        (run(5, 1, 1, 1), 6, run(6, 2), (5, 6, run(5, 1, 2))),
        (run(5, 1, 1, 1), 7, run(6, 2), (5, 6, run(5, 1, 2))),
    ],
)
def test_truncate_and_append(entries: list[Entry], in_progress: int, new: list[Entry], after: Any) -> None:
    """New entries replace the old ones from their first index on, and are written even if these were being written.

    answers: TestUnstableTruncateAndAppend
    catches: ClickHouse#84434
    """
    unstable = new_unstable(5, entries, in_progress=in_progress)
    taken = unstable.next_entries()
    given = list(new)
    unstable.truncate_and_append(new)
    assert (unstable.offset, unstable.offset_in_progress, unstable.entries) == after
    assert unstable.next_entries() == [e for e in unstable.entries if e.index >= unstable.offset_in_progress]
    assert new == given
    assert taken == [e for e in entries if e.index >= in_progress]


def test_stable_snap_to() -> None:
    """Only the snapshot that is here can be acknowledged.

    catches: etcd#18055
    """
    unstable = new_unstable(5, snapshot=SNAPSHOT, snapshot_in_progress=True)
    unstable.stable_snap_to(3)
    assert unstable.snapshot is SNAPSHOT
    unstable.stable_snap_to(4)
    assert unstable.snapshot is None
    assert unstable.snapshot_in_progress is False
    unstable.stable_snap_to(4)
    assert unstable.snapshot_index() == 0


@pytest.mark.parametrize(
    ("lo", "hi", "told"),
    [
        (6, 5, "invalid unstable.slice 6 > 5"),
        (4, 6, "unstable.slice[4,6) out of bound [5,7]"),
        (5, 8, "unstable.slice[5,8) out of bound [5,7]"),
    ],
)
def test_slice_out_of_bounds(lo: int, hi: int, told: str) -> None:
    unstable = new_unstable(5, run(5, 1, 1))
    with pytest.raises(InvariantError) as caught:
        unstable.slice(lo, hi, NO_LIMIT)
    assert str(caught.value) == told


@pytest.mark.parametrize(("max_size", "count"), [(0, 1), (16, 2), (17, 2), (NO_LIMIT, 3)])
def test_slice_keeps_to_its_limit(max_size: int, count: int) -> None:
    """Like limitSize: entries of 8 bytes each, and always at least one."""
    entries = [Entry(term=1, index=index, data=b"ab") for index in range(5, 8)]
    assert [len(e.encode()) for e in entries] == [8, 8, 8]
    assert new_unstable(5, entries).slice(5, 8, max_size) == entries[:count]


def test_a_backlog_is_not_copied() -> None:
    """Neither for an append that carries little of it, nor for a conflict at its end."""
    unstable = new_unstable(1, [Entry(term=1, index=index) for index in range(1, 100_001)])
    other = [Entry(term=2, index=100_000)]
    tracemalloc.start()
    try:
        assert len(unstable.slice(1, 100_001, 0)) == 1
        unstable.truncate_and_append(other)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
    assert unstable.entries[-1] is other[0]


def test_what_is_passed_over_or_replaced_is_told() -> None:
    logger = Texts()
    unstable = new_unstable(5, run(5, 1, 1), SNAPSHOT, logger=logger)
    unstable.stable_to(9, 1)
    unstable.stable_to(4, 1)
    unstable.stable_to(5, 3)
    unstable.truncate_and_append(run(6, 2))
    unstable.truncate_and_append(run(5, 2))
    unstable.truncate_and_append(run(6, 2))
    assert logger.lines == [
        "entry at index 9 missing from unstable log; ignoring",
        "entry at index 4 matched unstable snapshot; ignoring",
        "entry at (index,term)=(5,3) mismatched with entry at (5,1) in unstable log; ignoring",
        "truncate the unstable entries before index 6",
        "replace the unstable entries from index 5",
    ]
