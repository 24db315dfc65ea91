"""MemoryStorage by examples; the rules for any storage are in raftcy.rafttest.storage_suite."""

import copy
import pickle
import sys
import tracemalloc
from typing import Any

import pytest

from raftcy import (
    NO_LIMIT,
    Compacted,
    ConfState,
    Entry,
    HardState,
    InvariantError,
    MemoryStorage,
    RaftError,
    RangeError,
    Snapshot,
    SnapshotMetadata,
    SnapshotOutOfDate,
    Storage,
    Unavailable,
)
from tests.support.needs import FREE_THREADED

MEMBERS = ConfState(voters=[1, 2, 3], auto_leave=False)
LAST = 2**64 - 1


def log(first: int, *terms: int) -> list[Entry]:
    return [Entry(term=term, index=first + n) for n, term in enumerate(terms)]


def snapshot(index: int, term: int, data: bytes | None = b"data") -> Snapshot:
    return Snapshot(data=data, metadata=SnapshotMetadata(conf_state=MEMBERS, index=index, term=term))


def filled(*terms: int) -> MemoryStorage:
    """A storage whose log begins after index 3 with the first of these terms, and continues with the others."""
    storage = MemoryStorage()
    storage.apply_snapshot(snapshot(3, terms[0]))
    storage.append(log(4, *terms[1:]))
    return storage


def contents(storage: MemoryStorage) -> list[tuple[int, int]]:
    """Index and term of every known place, also the one before the first entry."""
    return [(i, storage.term(i)) for i in range(storage.first_index() - 1, storage.last_index() + 1)]


def everything(storage: MemoryStorage) -> Any:
    first, end = storage.first_index(), storage.last_index() + 1
    entries = storage.entries(first, end, NO_LIMIT) if first < end else []
    return contents(storage), entries, storage.initial_state(), storage.snapshot()


@pytest.mark.parametrize(("i", "found"), [(2, Compacted), (3, 3), (4, 4), (5, 5), (6, Unavailable)])
def test_term(i: int, found: Any) -> None:
    """answers: TestStorageTerm"""
    storage = filled(3, 4, 5)
    if isinstance(found, int):
        assert storage.term(i) == found
    else:
        with pytest.raises(found):
            storage.term(i)


SIZES = [len(e.encode()) for e in log(4, 4, 5, 6)]


@pytest.mark.parametrize(
    ("lo", "hi", "max_size", "found"),
    [
        (2, 6, NO_LIMIT, Compacted),
        (3, 4, NO_LIMIT, Compacted),
        (4, 5, NO_LIMIT, log(4, 4)),
        (4, 6, NO_LIMIT, log(4, 4, 5)),
        (4, 7, NO_LIMIT, log(4, 4, 5, 6)),
        (4, 7, 0, log(4, 4)),
        (4, 7, sum(SIZES[:2]), log(4, 4, 5)),
        (4, 7, sum(SIZES[:2]) + SIZES[2] // 2, log(4, 4, 5)),
        (4, 7, sum(SIZES) - 1, log(4, 4, 5)),
        (4, 7, sum(SIZES), log(4, 4, 5, 6)),
        (5, 5, NO_LIMIT, []),
        (6, 5, NO_LIMIT, InvariantError),
        (4, 8, NO_LIMIT, InvariantError),
        (4, LAST, NO_LIMIT, InvariantError),
    ],
)
def test_entries(lo: int, hi: int, max_size: int, found: Any) -> None:
    """answers: TestStorageEntries"""
    storage = filled(3, 4, 5, 6)
    if isinstance(found, list):
        assert storage.entries(lo, hi, max_size) == found
    else:
        with pytest.raises(found):
            storage.entries(lo, hi, max_size)


def test_entries_without_any() -> None:
    """An empty log is reported only once the end is within the log."""
    storage = MemoryStorage()
    with pytest.raises(Unavailable):
        storage.entries(1, 1, NO_LIMIT)
    with pytest.raises(InvariantError, match=r"entries' hi\(2\) is out of bound lastindex\(0\)"):
        storage.entries(1, 2, NO_LIMIT)
    with pytest.raises(Compacted):
        storage.entries(0, 9, NO_LIMIT)


def test_last_index() -> None:
    """answers: TestStorageLastIndex"""
    storage = filled(3, 4, 5)
    assert storage.last_index() == 5
    storage.append(log(6, 5))
    assert storage.last_index() == 6


def test_first_index() -> None:
    """answers: TestStorageFirstIndex"""
    storage = filled(3, 4, 5)
    assert storage.first_index() == 4
    storage.compact(4)
    assert storage.first_index() == 5


@pytest.mark.parametrize(
    ("index", "refused", "left"),
    [
        (2, True, [(3, 3), (4, 4), (5, 5)]),
        (3, True, [(3, 3), (4, 4), (5, 5)]),
        (4, False, [(4, 4), (5, 5)]),
        (5, False, [(5, 5)]),
    ],
)
def test_compact(index: int, refused: bool, left: list[tuple[int, int]]) -> None:
    """answers: TestStorageCompact"""
    storage = filled(3, 4, 5)
    if refused:
        with pytest.raises(Compacted):
            storage.compact(index)
    else:
        storage.compact(index)
    assert contents(storage) == left
    assert storage.snapshot() == snapshot(3, 3)


@pytest.mark.parametrize("index", [4, 5])
def test_create_snapshot(index: int) -> None:
    """answers: TestStorageCreateSnapshot"""
    storage = filled(3, 4, 5)
    made = storage.create_snapshot(index, ConfState(voters=[1, 2, 3]), b"other")
    assert made == snapshot(index, index, b"other")
    assert storage.snapshot() == made
    assert made.metadata.conf_state.has("auto_leave")
    assert contents(storage) == [(3, 3), (4, 4), (5, 5)]


def test_create_snapshot_of_what_is_compacted() -> None:
    storage = filled(3, 4, 5, 6)
    storage.compact(5)
    with pytest.raises(Compacted):
        storage.create_snapshot(4, MEMBERS, b"")
    assert storage.snapshot() == snapshot(3, 3)
    assert storage.create_snapshot(5, MEMBERS, b"data") == snapshot(5, 5)


def test_create_snapshot_keeps_absent_data_absent() -> None:
    storage = filled(3, 4)
    assert storage.create_snapshot(4, None, None).encode() == snapshot(4, 4, None).encode()


@pytest.mark.parametrize(
    ("entries", "left"),
    [
        (log(1, 1, 2), [(3, 3), (4, 4), (5, 5)]),
        (log(3, 3, 4, 5), [(3, 3), (4, 4), (5, 5)]),
        (log(3, 3, 6, 6), [(3, 3), (4, 6), (5, 6)]),
        (log(3, 3, 4, 5, 5), [(3, 3), (4, 4), (5, 5), (6, 5)]),
        (log(2, 3, 3, 5), [(3, 3), (4, 5)]),
        (log(4, 5), [(3, 3), (4, 5)]),
        (log(6, 5), [(3, 3), (4, 4), (5, 5), (6, 5)]),
    ],
)
def test_append(entries: list[Entry], left: list[tuple[int, int]]) -> None:
    """answers: TestStorageAppend"""
    storage = filled(3, 4, 5)
    storage.append(entries)
    assert contents(storage) == left


def test_apply_snapshot() -> None:
    """answers: TestStorageApplySnapshot"""
    storage = MemoryStorage()
    storage.apply_snapshot(snapshot(4, 4))
    assert contents(storage) == [(4, 4)]
    assert storage.snapshot() == snapshot(4, 4)
    with pytest.raises(SnapshotOutOfDate):
        storage.apply_snapshot(snapshot(3, 3))
    assert storage.snapshot() == snapshot(4, 4)
    members_only = MemoryStorage()
    members_only.apply_snapshot(Snapshot(data=b"data", metadata=SnapshotMetadata(conf_state=MEMBERS)))
    assert members_only.initial_state() == (None, MEMBERS)
    assert contents(members_only) == [(0, 0)]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda s: s.entries(4, 7, 0), "entries' hi(7) is out of bound lastindex(5)"),
        (lambda s: s.compact(6), "compact 6 is out of bound lastindex(5)"),
        (lambda s: s.compact(LAST), f"compact {LAST} is out of bound lastindex(5)"),
        (lambda s: s.create_snapshot(6, None, None), "snapshot 6 is out of bound lastindex(5)"),
        (lambda s: s.append(log(7, 5)), "missing log entry [last: 5, append at: 7]"),
        (lambda s: s.append(log(6, 5) + log(8, 5)), "missing log entry [last: 6, append at: 8]"),
        (lambda s: s.append(log(6, 5, 5) + log(6, 5)), "missing log entry [last: 7, append at: 6]"),
    ],
)
def test_what_the_reference_panics_at(call: Any, text: str) -> None:
    storage = filled(3, 4, 5)
    before = everything(storage)
    with pytest.raises(InvariantError) as caught:
        call(storage)
    assert str(caught.value) == text
    assert everything(storage) == before


BAD_NUMBERS = [
    (-1, RangeError, "must be 0 to 2**64-1, not -1"),
    (2**64, RangeError, f"must be 0 to 2**64-1, not {2**64}"),
    (1.5, TypeError, "must be an int, not float"),
    ("1", TypeError, "must be an int, not str"),
    (True, TypeError, "must be an int, not bool"),
    (None, TypeError, "must be an int, not NoneType"),
]
NUMBERS: dict[str, Any] = {
    "i": lambda s, n: s.term(n),
    "lo": lambda s, n: s.entries(n, 5, 0),
    "hi": lambda s, n: s.entries(4, n, 0),
    "max_size": lambda s, n: s.entries(4, 5, n),
    "compact_index": lambda s, n: s.compact(n),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(("number", "error", "text"), BAD_NUMBERS)
def test_numbers_are_checked(name: str, number: Any, error: type[Exception], text: str) -> None:
    storage = filled(3, 4, 5)
    before = everything(storage)
    with pytest.raises(error) as caught:
        NUMBERS[name](storage, number)
    assert str(caught.value) == f"{name} {text}"
    assert everything(storage) == before


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda s: s.create_snapshot(-1, None, None), RangeError, "i must be 0 to 2**64-1, not -1"),
        (lambda s: s.create_snapshot(5, [1], None), TypeError, "cs must be of ConfState, not list"),
        (lambda s: s.create_snapshot(5, MEMBERS, "x"), TypeError, "data must be bytes, not str"),
        (lambda s: s.apply_snapshot(None), TypeError, "snap must be of Snapshot, not NoneType"),
        (lambda s: s.set_hard_state(1), TypeError, "st must be of HardState, not int"),
        (lambda s: s.append(None), TypeError, "'NoneType' object is not iterable"),
        (lambda s: s.append([*log(6, 5), b""]), TypeError, "an item of entries must be of Entry, not bytes"),
        (lambda s: s.apply_snapshot(snapshot(LAST, 9)), RangeError, None),
    ],
)
def test_values_are_checked(call: Any, error: type[Exception], text: str | None) -> None:
    storage = filled(3, 4, 5)
    before = everything(storage)
    with pytest.raises(error) as caught:
        call(storage)
    assert text is None or str(caught.value) == text
    assert everything(storage) == before


def test_the_last_index_has_an_index_after_it() -> None:
    """Otherwise the next index would not fit 64 bits."""
    storage = MemoryStorage()
    storage.apply_snapshot(snapshot(LAST - 2, 9))
    storage.append(log(LAST - 1, 9))
    with pytest.raises(RangeError, match=r"must be at most 2\*\*64-2"):
        storage.append(log(LAST, 9))
    assert (storage.first_index(), storage.last_index()) == (LAST - 1, LAST - 1)
    assert storage.entries(LAST - 1, LAST, NO_LIMIT) == log(LAST - 1, 9)
    storage.compact(LAST - 1)
    assert (storage.first_index(), storage.last_index()) == (LAST, LAST - 1)
    with pytest.raises(Unavailable):
        storage.term(LAST)


def test_entries_of_index_zero_are_skipped() -> None:
    """Index 0 is before the log, so the log never gets an entry with that index."""
    storage = MemoryStorage()
    storage.append([Entry(term=1)])
    assert contents(storage) == [(0, 0)]
    storage.append(log(0, 7, 1, 2))
    assert contents(storage) == [(0, 0), (1, 1), (2, 2)]


def test_any_iterable_of_entries_can_be_appended() -> None:
    storage = MemoryStorage()
    storage.append(iter(log(1, 1, 2)))  # type: ignore[arg-type]
    storage.append(tuple(log(3, 2)))  # type: ignore[arg-type]
    assert contents(storage) == [(0, 0), (1, 1), (2, 2), (3, 2)]


def test_hard_state_is_kept_as_it_is() -> None:
    storage = MemoryStorage()
    assert storage.initial_state()[0] is None
    state = HardState(term=1)
    storage.set_hard_state(state)
    assert storage.initial_state()[0] is state
    storage.set_hard_state(None)
    assert storage.initial_state()[0] is None


def test_a_complete_snapshot_is_kept_as_it_is() -> None:
    storage = MemoryStorage()
    given = snapshot(4, 4)
    storage.apply_snapshot(given)
    assert storage.snapshot() is given


def test_completing_metadata_loses_nothing() -> None:
    """Unknown fields on every level stay; absent ones are added in the order of their numbers."""
    unknown = b"\xa2\x06\x01x"
    members = ConfState.decode(b"\x08\x01\x10\x02\x18\x03\x20\x04" + unknown)
    metadata = SnapshotMetadata.decode(b"\x0a\x0c" + members.encode() + b"\x18\x07" + unknown)
    given = Snapshot.decode(b"\x0a\x01z\x12" + bytes([len(metadata.encode())]) + metadata.encode() + unknown)
    storage = MemoryStorage()
    storage.apply_snapshot(given)
    whole_members = b"\x08\x01\x10\x02\x18\x03\x20\x04\x28\x00" + unknown
    whole_metadata = b"\x0a\x0e" + whole_members + b"\x10\x00\x18\x07" + unknown
    assert storage.snapshot().encode() == b"\x0a\x01z\x12" + bytes([len(whole_metadata)]) + whole_metadata + unknown
    assert storage.initial_state()[1].encode() == whole_members
    assert given.metadata.encode() == metadata.encode()


def test_subclasses_are_called() -> None:
    """Raft uses a subclass's methods, also through methods that are not overridden."""

    class Delayed(MemoryStorage):
        def snapshot(self) -> Snapshot:
            return snapshot(9, 9)

        def last_index(self) -> int:
            return super().last_index() - 1

    storage = Delayed()
    storage.append(log(1, 1, 1))
    assert storage.snapshot() == snapshot(9, 9)
    with pytest.raises(InvariantError, match=r"compact 2 is out of bound lastindex\(1\)"):
        storage.compact(2)


def test_it_is_a_storage() -> None:
    assert isinstance(MemoryStorage(), Storage)
    assert not isinstance(object(), Storage)


class Labelled(MemoryStorage):
    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies_are_independent(duplicate: Any) -> None:
    storage = Labelled("mine")
    storage.apply_snapshot(snapshot(3, 3))
    storage.set_hard_state(HardState(term=4, vote=1, commit=3))
    storage.append(log(4, 4, 5, 6))
    storage.compact(4)
    before = everything(storage)
    other = duplicate(storage)
    assert type(other) is Labelled
    assert other.label == "mine"
    assert everything(other) == before
    other.append(log(5, 9))
    other.compact(5)
    assert everything(storage) == before


def test_repr() -> None:
    assert repr(filled(3, 4, 5)) == "<MemoryStorage entries 4 to 5, snapshot 3>"
    assert repr(Labelled("x")) == "<Labelled entries 1 to 0, snapshot 0>"


def test_compaction_frees_what_goes() -> None:
    """The storage does not keep compacted entries alive."""
    data = b"payload" * 1000
    storage = MemoryStorage()
    storage.append([Entry(term=1, index=i, data=data) for i in range(1, 11)])
    held = sys.getrefcount(data)
    storage.compact(3)
    assert sys.getrefcount(data) == held - 3


@pytest.mark.parametrize("window", [0, 1, 100])
def test_a_log_that_moves_on_takes_no_more_room(window: int) -> None:
    """With endless compaction behind the end, the storage holds only the window and entries dropped lately."""
    storage = MemoryStorage()
    tracemalloc.start()
    try:
        for i in range(1, 20_001):
            storage.append([Entry(term=i // 100, index=i)])
            if i > window:
                storage.compact(i - window)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 40_000
    assert contents(storage) == [(i, i // 100) for i in range(20_000 - window, 20_001)]
    assert [e.index for e in everything(storage)[1]] == list(range(20_001 - window, 20_001))


def test_work_at_the_end_of_a_log_copies_none_of_it() -> None:
    """A copy of the list would take twice the limit, so a call that makes one shows in the peak of memory."""
    tracemalloc.start()
    try:
        storage = MemoryStorage()
        storage.append([Entry(term=1, index=i, data=b"x") for i in range(1, 50_001)])
        copies = 0
        for _ in range(100):
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            last = storage.last_index()
            storage.append([Entry(term=1, index=last + 1)])
            storage.entries(storage.first_index(), last + 2, 0)
            storage.term(last // 2 + storage.first_index() // 2)
            storage.compact(storage.first_index())
            copies += tracemalloc.get_traced_memory()[1] - held >= 200_000
    finally:
        tracemalloc.stop()
    # Without the interpreter's lock, a growing list is copied, which happens here once.
    assert copies <= (1 if FREE_THREADED else 0)


def test_errors_are_raft_errors() -> None:
    for error in (Compacted, Unavailable, SnapshotOutOfDate, InvariantError, RangeError):
        assert issubclass(error, RaftError)
