"""The log reads across storage and unstable entries: terms, slices, limits, pages, and a failing storage."""

from typing import Any

import pytest

from raftcy import (
    NO_LIMIT,
    Compacted,
    Entry,
    EntryType,
    InvariantError,
    MemoryStorage,
    SnapshotTemporarilyUnavailable,
    StorageFailed,
    Unavailable,
)
from raftcy.core.entries import entries_size
from raftcy.core.log import RaftLog
from raftcy.wire.consts import NO_TERM
from tests.support.logs import STORAGES, Foreign, Texts, climb, new_log, run, snapshot_at, stored


@pytest.mark.parametrize(("count", "waiting"), [(2, ()), (0, (1, 2))])
def test_what_is_not_stored(count: int, waiting: tuple[int, ...]) -> None:
    """Entries that wait for the storage begin after the stored ones, until they are acknowledged.

    In 2019 the test asked the log itself; the rule is the same.

    answers: TestNextUnstableEnts, TestUnstableEnts
    """
    entries = run(1, 1, 2)
    log = new_log(stored(MemoryStorage, None, *entries[:count]), entries[count:])
    found = log.unstable.next_entries()
    assert [e.index for e in found] == list(waiting)
    if found:
        log.unstable.stable_to(found[-1].index, found[-1].term)
    assert log.unstable.next_entries() == []
    assert log.unstable.offset == 3


@pytest.mark.parametrize(("index", "term", "offset"), [(1, 1, 2), (2, 2, 3), (2, 1, 1), (3, 1, 1)])
def test_stable_to(index: int, term: int, offset: int) -> None:
    """An acknowledgement counts if the log has an entry with its index and term.

    answers: TestStableTo
    """
    log = new_log(stored(), run(1, 1, 2))
    log.unstable.stable_to(index, term)
    assert log.unstable.offset == offset


@pytest.mark.parametrize("entries", [[], run(6, 2)], ids=["no entries", "an entry"])
@pytest.mark.parametrize("term", [2, 3])
@pytest.mark.parametrize("index", [6, 5, 4])
def test_stable_to_after_a_snapshot(entries: list[Entry], index: int, term: int) -> None:
    """Acknowledgements from before the snapshot, or of unknown entries, are ignored.

    answers: TestStableToWithSnap
    """
    log = new_log(stored(MemoryStorage, snapshot_at(5, 2)), entries)
    log.unstable.stable_to(index, term)
    assert log.unstable.offset == (7 if entries and (index, term) == (6, 2) else 6)


def test_compaction_leaves_the_rest_in_order() -> None:
    """Of 1000 entries, 750 are stored and then 500 compacted: from the last compacted one on, nothing changes.

    answers: TestCompactionSideEffects
    """
    for kind in STORAGES:
        storage = stored(kind, None, *climb(1, 750))
        log = new_log(storage, climb(751, 1000))
        assert log.maybe_commit(1000, 1000)
        log.applied_to(1000, 0)
        storage.compact(500)
        assert (log.first_index(), log.last_index()) == (501, 1000)
        assert [log.term(index) for index in range(500, 1001)] == list(range(500, 1001))
        assert all(log.match_term(index, index) for index in range(500, 1001))
        assert not log.match_term(499, 499)
        assert log.unstable.next_entries() == climb(751, 1000)
        log.append(climb(1001, 1001))
        assert log.last_index() == 1001
        assert log.entries(1001, NO_LIMIT) == climb(1001, 1001)
        assert log.entries(1002, NO_LIMIT) == []
        assert log.all_entries() == climb(501, 1001)


def test_compaction() -> None:
    """answers: TestCompaction"""
    storage = stored(MemoryStorage, None, *climb(1, 1000))
    log = new_log(storage)
    for index, left in ((300, 700), (500, 500), (800, 200), (900, 100)):
        storage.compact(index)
        assert len(log.all_entries()) == left


@pytest.mark.parametrize(("before", "index", "error"), [(None, 1001, InvariantError), (300, 299, Compacted)])
def test_compaction_out_of_bounds(before: int | None, index: int, error: type[Exception]) -> None:
    """answers: TestCompaction"""
    storage = stored(MemoryStorage, None, *climb(1, 1000))
    log = new_log(storage)
    if before is not None:
        storage.compact(before)
    left = len(log.all_entries())
    with pytest.raises(error):
        storage.compact(index)
    assert len(log.all_entries()) == left


@pytest.mark.parametrize(
    ("lo", "hi", "error"),
    [
        (99, 102, Compacted),
        (100, 102, Compacted),
        (101, 101, None),
        (151, 151, None),
        (200, 200, None),
        (201, 201, None),
        (201, 202, InvariantError),
        (202, 202, InvariantError),
        (150, 149, InvariantError),
    ],
)
def test_bounds(lo: int, hi: int, error: type[Exception] | None) -> None:
    """A slice lies within the log; compacted entries and entries beyond the end give different errors.

    answers: TestIsOutOfBounds
    """
    log = new_log(stored(MemoryStorage, snapshot_at(100)), climb(101, 200))
    if error is None:
        assert log.slice(lo, hi, NO_LIMIT) == []
    else:
        with pytest.raises(error):
            log.slice(lo, hi, NO_LIMIT)


@pytest.mark.parametrize("kind", STORAGES)
@pytest.mark.parametrize("count", [0, 50, 99])
@pytest.mark.parametrize(("index", "term"), [(99, Compacted), (100, 1), (150, 50), (199, 99), (200, Unavailable)])
def test_term(kind: Any, count: int, index: int, term: Any) -> None:
    """Known from the entry before the first one up to the last.

    answers: TestTerm
    """
    entries = run(101, *range(1, 100))
    log = new_log(stored(kind, snapshot_at(100, 1), *entries[:count]), entries[count:])
    check_term(log, index, term)


@pytest.mark.parametrize(
    ("index", "term"), [(100, Compacted), (101, Compacted), (104, Compacted), (105, 1), (106, Unavailable)]
)
def test_term_around_a_snapshot_that_is_not_stored(index: int, term: Any) -> None:
    """The storage's terms belong to another history.

    answers: TestTermWithUnstableSnapshot
    """
    log = new_log(stored(MemoryStorage, snapshot_at(100, 1)))
    log.restore(snapshot_at(105, 1))
    check_term(log, index, term)


def check_term(log: RaftLog, index: int, term: Any) -> None:
    if isinstance(term, int):
        assert log.term(index) == log.term_or_zero(index) == term
        assert log.look_up(index) == term
        assert log.match_term(index, term)
        assert not log.match_term(index, term + 1)
    else:
        assert log.look_up(index) == NO_TERM
        with pytest.raises(term):
            log.term(index)
        assert log.term_or_zero(index) == 0
        assert not log.match_term(index, 0)
    assert not log.match_term(index, NO_TERM)


# -- slices: entries 101 to 199, the first 49 of them stored ---------------------------------------------------------

FIRST, HALF, LAST = 101, 150, 199
SIZE = len(climb(HALF, HALF)[0].encode())


def wide_log(kind: Any = MemoryStorage) -> RaftLog:
    return new_log(stored(kind, snapshot_at(FIRST - 1), *climb(FIRST, HALF - 1)), climb(HALF, LAST))


@pytest.mark.parametrize("kind", STORAGES)
@pytest.mark.parametrize(
    ("lo", "hi", "limit", "end"),
    [
        (FIRST, FIRST, NO_LIMIT, FIRST),
        (FIRST, HALF - 1, NO_LIMIT, HALF - 1),
        (FIRST, HALF, NO_LIMIT, HALF),
        (FIRST, HALF + 1, NO_LIMIT, HALF + 1),
        (FIRST, LAST + 1, NO_LIMIT, LAST + 1),
        (HALF - 1, HALF, NO_LIMIT, HALF),
        (HALF - 1, HALF + 1, NO_LIMIT, HALF + 1),
        (HALF - 1, LAST + 1, NO_LIMIT, LAST + 1),
        (HALF, HALF + 1, NO_LIMIT, HALF + 1),
        (HALF, LAST + 1, NO_LIMIT, LAST + 1),
        (LAST, LAST + 1, NO_LIMIT, LAST + 1),
        # at least one entry, whatever the limit
        (FIRST, LAST + 1, 0, FIRST + 1),
        (HALF - 1, HALF + 1, 0, HALF),
        (HALF, LAST + 1, 0, HALF + 1),
        (HALF + 1, LAST + 1, 0, HALF + 2),
        # less than one, one, more than one
        (FIRST, LAST + 1, SIZE - 1, FIRST + 1),
        (HALF - 1, HALF + 1, SIZE - 1, HALF),
        (HALF, LAST + 1, SIZE - 1, HALF + 1),
        (FIRST, LAST + 1, SIZE, FIRST + 1),
        (HALF - 1, HALF + 1, SIZE, HALF),
        (HALF, LAST + 1, SIZE, HALF + 1),
        (FIRST, LAST + 1, SIZE + 1, FIRST + 1),
        (HALF - 1, HALF + 1, SIZE + 1, HALF),
        (HALF, LAST + 1, SIZE + 1, HALF + 1),
        # two
        (FIRST, LAST + 1, SIZE * 2, FIRST + 2),
        (HALF - 2, HALF + 1, SIZE * 2, HALF),
        (HALF - 1, HALF + 1, SIZE * 2, HALF + 1),
        (HALF, LAST + 1, SIZE * 2, HALF + 2),
        # less than three, three
        (HALF - 2, HALF + 1, SIZE * 3 - 1, HALF),
        (HALF - 1, HALF + 2, SIZE * 3, HALF + 2),
    ],
)
def test_slice(kind: Any, lo: int, hi: int, limit: int, end: int) -> None:
    """A limit covers stored and unstable entries together.

    answers: TestSlice
    """
    log = wide_log(kind)
    found = log.slice(lo, hi, limit)
    assert found == climb(lo, end - 1)
    found.clear()
    assert log.slice(lo, hi, limit) == climb(lo, end - 1)


@pytest.mark.parametrize("lo", [FIRST - 2, FIRST - 1])
def test_slice_of_what_is_compacted(lo: int) -> None:
    """answers: TestSlice"""
    with pytest.raises(Compacted):
        wide_log().slice(lo, FIRST, NO_LIMIT)


@pytest.mark.parametrize(
    ("lo", "hi", "told"),
    [
        (HALF, HALF - 1, "invalid slice 150 > 149"),
        (LAST + 1, LAST + 2, "slice[200,201) out of bound [101,199]"),
    ],
)
def test_slice_out_of_bounds(lo: int, hi: int, told: str) -> None:
    """answers: TestSlice"""
    with pytest.raises(InvariantError) as caught:
        wide_log().slice(lo, hi, NO_LIMIT)
    assert str(caught.value) == told


class Paged(Foreign):
    """Notes the pages that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.pages: list[list[Entry]] = []

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        page = super().entries(lo, hi, max_size)
        self.pages.append(list(page))
        return page


def short_log(kind: Any, change_at: int = 0) -> RaftLog:
    """Entries 48 to 66, the ones before 57 stored; one of them may be a configuration change."""
    entries = [
        Entry(type=EntryType.CONF_CHANGE_V2 if e.index == change_at else EntryType.NORMAL, term=e.term, index=e.index)
        for e in climb(48, 66)
    ]
    return new_log(stored(kind, snapshot_at(47), *entries[:9]), entries[9:])


PAGE = entries_size(climb(57, 57))


@pytest.mark.parametrize("page_size", [0, 1, 10, 100, PAGE, PAGE + 1])
def test_scan_sees_every_entry(page_size: int) -> None:
    """A change is found wherever it is in a range, with pages of any size, and nowhere else.

    answers: TestScan
    """
    nothing = short_log(MemoryStorage)
    for change in (48, 49, 56, 57, 58, 65, 66):
        log = short_log(MemoryStorage, change)
        for lo in range(48, 67):
            for hi in range(lo, 68):
                assert log.has_unapplied_change(lo, hi, page_size) is (lo <= change < hi)
                assert not nothing.has_unapplied_change(lo, hi, page_size)


@pytest.mark.parametrize(
    ("page_size", "lengths"), [(0, [1] * 9), (PAGE, [1] * 9), (PAGE * 2, [2, 2, 2, 2, 1]), (NO_LIMIT, [9])]
)
def test_scan_reads_full_pages(page_size: int, lengths: list[int]) -> None:
    """answers: TestScan"""
    storage = Paged()
    log = new_log(storage)
    storage.apply_snapshot(snapshot_at(47))
    storage.append(climb(48, 56))
    log = new_log(storage, climb(57, 66))
    assert not log.has_unapplied_change(48, 57, page_size)
    assert [len(page) for page in storage.pages] == lengths
    assert [e for page in storage.pages for e in page] == climb(48, 56)


def test_scan_ends_with_what_it_looks_for() -> None:
    """answers: TestScan"""
    log = short_log(Paged, 49)
    assert log.has_unapplied_change(48, 66, 0)
    assert [[e.index for e in page] for page in log.storage.pages] == [[48], [49]]


# -- an unreliable storage ---------------------------------------------------------------------------------------------


class Failing(MemoryStorage):
    """Fails in one method on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: dict[str, Exception] = {}

    def _maybe(self, method: str) -> None:
        if method in self.fails:
            raise self.fails[method]

    def first_index(self) -> int:
        self._maybe("first_index")
        return super().first_index()

    def last_index(self) -> int:
        self._maybe("last_index")
        return super().last_index()

    def term(self, i: int) -> int:
        self._maybe("term")
        return super().term(i)

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        self._maybe("entries")
        return super().entries(lo, hi, max_size)

    def snapshot(self) -> Any:
        self._maybe("snapshot")
        return super().snapshot()


READS = {
    "first_index": lambda log: log.first_index(),
    # Only a new log asks for it.
    "last_index": lambda log: new_log(log.storage),
    "term": lambda log: log.term(2),
    "entries": lambda log: log.slice(1, 3, NO_LIMIT),
    "snapshot": lambda log: log.snapshot(),
}


@pytest.mark.parametrize("method", READS)
def test_a_storage_that_fails(method: str) -> None:
    """The storage's error is kept as the cause. The last index is read only when the log is made."""
    storage = Failing()
    storage.append(run(1, 1, 1, 1))
    log = new_log(storage)
    READS[method](log)
    error = OSError("the disk is gone")
    storage.fails[method] = error
    with pytest.raises(StorageFailed, match=r"^the storage failed: OSError\('the disk is gone'\)$") as caught:
        READS[method](log)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("method", ["term", "entries"])
def test_a_storage_that_has_compacted_meanwhile(method: str) -> None:
    """Compacted is an ordinary answer."""
    storage = Failing()
    storage.append(run(1, 1, 1, 1))
    log = new_log(storage)
    storage.fails[method] = Compacted()
    with pytest.raises(Compacted):
        READS[method](log)


def test_a_snapshot_that_is_not_ready() -> None:
    storage = Failing()
    log = new_log(storage)
    storage.fails["snapshot"] = SnapshotTemporarilyUnavailable()
    with pytest.raises(SnapshotTemporarilyUnavailable):
        log.snapshot()


def test_a_storage_that_denies_its_entries() -> None:
    """Between its first and last index a storage must have entries."""
    storage = Failing()
    storage.append(run(1, 1, 1, 1))
    log = new_log(storage)
    storage.fails["entries"] = Unavailable()
    with pytest.raises(InvariantError, match=r"^entries\[1:3\) is unavailable from storage$"):
        log.slice(1, 3, NO_LIMIT)
    storage.fails["term"] = Unavailable()
    with pytest.raises(InvariantError, match=r"^unexpected error when getting the last term at 3: "):
        new_log(storage)


class Answering(MemoryStorage):
    """Gives a fixed answer to every question."""

    answer: Any = None

    def entries(self, lo: int, hi: int, max_size: int) -> Any:
        return super().entries(lo, hi, max_size) if self.answer is None else self.answer


ONE, TWO, THREE, FOUR = run(1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([], "no entry"),
        ((), "no entry"),
        ([TWO, TWO], "entry 2 in place of 3"),
        ([THREE, TWO], "entry 3 in place of 2"),
        ([ONE, TWO], "entry 1 in place of 2"),
        ([TWO, FOUR], "entry 4 in place of 3"),
        ([TWO, THREE, FOUR], "3 entries"),
        ([TWO, None], "a NoneType in place of 3"),
        (["x"], "a str in place of 2"),
        (b"xy", "a int in place of 2"),
    ],
)
def test_a_storage_that_gives_other_entries(answer: Any, told: str) -> None:
    """Doubled, reversed, foreign, too many, or none: an answer starts at the first index, or the node dies."""
    storage = Answering()
    storage.append([ONE, TWO, THREE, FOUR])
    log = new_log(storage)
    storage.answer = answer
    text = f"^the storage failed: for entries 2 to 3 it returned {told}$"
    with pytest.raises(StorageFailed, match=text):
        log.slice(2, 4, NO_LIMIT)
    with pytest.raises(StorageFailed, match=text):
        log.has_unapplied_change(2, 4, NO_LIMIT)
    log.committed = 3
    log.applied_to(1, 0)
    with pytest.raises(StorageFailed, match=text):
        log.next_committed(True)


def test_a_slice_ends_where_the_storage_ends_it() -> None:
    """A storage may have lower limits and return less than asked; no entry is left out between two pages."""

    class Brief(Foreign):
        def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
            return super().entries(lo, min(hi, lo + 2), max_size)

    storage = stored(Brief, None, *climb(1, 5))
    log = new_log(storage, climb(6, 8))
    assert log.slice(1, 9, NO_LIMIT) == climb(1, 2)
    assert log.slice(5, 9, NO_LIMIT) == climb(5, 8)


def test_the_log_as_text() -> None:
    log = new_log(stored(MemoryStorage, None, *run(1, 1, 1)), run(3, 2, 2), logger=Texts())
    log.commit_to(2)
    log.accept_applying(1, 0, True)
    log.unstable.accept_in_progress()
    assert str(log) == (
        "committed=2, applied=0, applying=1, unstable.offset=3, unstable.offsetInProgress=5, len(unstable.Entries)=2"
    )
