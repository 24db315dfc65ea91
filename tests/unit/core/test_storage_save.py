"""MemoryStorage as a LogStorage: a save stores all of a Ready or nothing, and never anything contradictory."""

import random
from typing import Any

import pytest

from raftcy import (
    NO_LIMIT,
    ConfState,
    Contradiction,
    Entry,
    HardState,
    InvariantError,
    LogStorage,
    MemoryStorage,
    RangeError,
    Snapshot,
    SnapshotMetadata,
    SnapshotOutOfDate,
)

MEMBERS = ConfState(voters=[1, 2, 3], auto_leave=False)


class Derived(MemoryStorage):
    """Saved through its single calls, like every subclass."""


def log(first: int, *terms: int) -> list[Entry]:
    return [Entry(term=term, index=first + n) for n, term in enumerate(terms)]


def snapshot(index: int, term: int, voters: list[int] | None = None) -> Snapshot:
    members = MEMBERS if voters is None else ConfState(voters=voters)
    return Snapshot(data=b"state", metadata=SnapshotMetadata(conf_state=members, index=index, term=term))


def state(term: int, commit: int, vote: int = 0) -> HardState:
    return HardState(term=term, vote=vote, commit=commit)


def filled(kind: type[MemoryStorage] = MemoryStorage) -> MemoryStorage:
    """Entries 4 to 6 with terms 2, 3, 3 after a snapshot of index 3 and term 2; voted for 9 in term 3."""
    storage = kind()
    storage.save(state(3, 4, 9), log(4, 2, 3, 3), snapshot(3, 2))
    return storage


def everything(storage: MemoryStorage) -> Any:
    first, end = storage.first_index(), storage.last_index() + 1
    terms = [storage.term(i) for i in range(first - 1, end)]
    entries = storage.entries(first, end, NO_LIMIT) if first < end else []
    return first, terms, entries, storage.initial_state(), storage.snapshot()


KINDS = pytest.mark.parametrize("kind", [MemoryStorage, Derived])


def test_it_is_a_log_storage() -> None:
    assert isinstance(MemoryStorage(), LogStorage)


@KINDS
def test_all_three_parts(kind: type[MemoryStorage]) -> None:
    """A snapshot first, then the entries after it."""
    storage = filled(kind)
    assert everything(storage) == (4, [2, 2, 3, 3], log(4, 2, 3, 3), (state(3, 4, 9), MEMBERS), snapshot(3, 2))
    storage.save(state(5, 8), log(9, 4, 5), snapshot(8, 4))
    assert everything(storage) == (9, [4, 4, 5], log(9, 4, 5), (state(5, 8), MEMBERS), snapshot(8, 4))


@KINDS
def test_parts_that_are_absent(kind: type[MemoryStorage]) -> None:
    storage = filled(kind)
    before = everything(storage)
    for entries in (None, [], ()):
        storage.save(None, entries, None)  # type: ignore[arg-type]
        assert everything(storage) == before
    storage.save(state(3, 6, 9), None, None)
    assert storage.initial_state()[0] == state(3, 6, 9)
    storage.save(None, iter(log(7, 3)), None)  # type: ignore[arg-type]
    assert storage.last_index() == 7
    storage.save(state(7, 7), None, snapshot(7, 3))
    assert (storage.first_index(), storage.last_index(), storage.snapshot()) == (8, 7, snapshot(7, 3))


@KINDS
def test_entries_replace_what_follows_them(kind: type[MemoryStorage]) -> None:
    storage = filled(kind)
    storage.save(state(5, 4), log(5, 5), None)
    assert everything(storage)[:3] == (4, [2, 2, 5], log(4, 2, 5))
    storage.save(state(6, 4), log(2, 1, 1, 6, 6, 6), None)
    assert everything(storage)[:3] == (4, [2, 6, 6, 6], log(4, 6, 6, 6))
    storage.save(None, log(2, 1, 1), None)
    assert everything(storage)[:3] == (4, [2, 6, 6, 6], log(4, 6, 6, 6))


def test_sync_and_close_leave_it_as_it_is() -> None:
    storage = filled()
    before = everything(storage)
    storage.sync()
    storage.close()
    storage.sync()
    assert everything(storage) == before


REFUSED: dict[str, tuple[Any, Any, Any, type[Exception], str]] = {
    "hard state of another kind": (1, log(7, 3), None, TypeError, "hard_state must be of HardState, not int"),
    "entries of another kind": (state(9, 4), [*log(7, 3), b""], None, TypeError, "an item of entries must be of Entry"),
    "entries that are no list": (state(9, 4), 5, None, TypeError, "not iterable"),
    "snapshot of another kind": (state(9, 4), log(7, 3), b"", TypeError, "snapshot must be of Snapshot, not bytes"),
    "a gap after the log": (state(9, 4), log(8, 3), None, InvariantError, "missing log entry [last: 6, append at: 8]"),
    "a gap within": (state(9, 4), log(7, 3) + log(9, 3), None, InvariantError, "[last: 7, append at: 9]"),
    "a gap after the snapshot": (state(9, 8), log(10, 4), snapshot(8, 4), InvariantError, "[last: 8, append at: 10]"),
    "the last index": (state(9, 8), log(2**64 - 1, 4), None, RangeError, "must be at most 2**64-2"),
    "a snapshot at the last index": (state(9, 8), None, snapshot(2**64 - 1, 4), RangeError, "must be at most 2**64-2"),
    "an old snapshot": (state(9, 6), log(7, 3), snapshot(3, 2), SnapshotOutOfDate, "older than the existing snapshot"),
    "no voters": (state(9, 8), None, snapshot(8, 4, []), Contradiction, "a snapshot at 8 without voters"),
    "entries of a later term": (
        None,
        log(7, 4),
        None,
        Contradiction,
        "ends at 7 with term 4, but the hard state is of",
    ),
    "entries of a later term than given": (state(4, 4), log(7, 5), None, Contradiction, "the hard state is of term 4"),
    "a snapshot of a later term": (state(3, 8, 9), None, snapshot(8, 4), Contradiction, "ends at 8 with term 4"),
    "commit beyond the log": (
        state(3, 7, 9),
        None,
        None,
        Contradiction,
        "commit index 7 of the hard state lies beyond",
    ),
    "commit beyond a cut": (state(9, 6), log(5, 9), None, Contradiction, "lies beyond the last entry 5"),
    "commit cut off": (None, log(3, 3), snapshot(8, 3), Contradiction, "4 of the hard state lies before the snapshot"),
    "commit before the snapshot": (
        state(9, 7),
        None,
        snapshot(8, 4),
        Contradiction,
        "commit index 7 of the hard state",
    ),
    "a term that falls": (state(2, 4), None, None, Contradiction, "must not fall from 3 to 2"),
    "a hard state that is empty": (HardState(), None, None, Contradiction, "must not fall from 3 to 0"),
    "a second vote": (
        state(3, 4, 8),
        None,
        None,
        Contradiction,
        "the vote of term 3 was given to 9 and must not change",
    ),
    "a vote taken back": (state(3, 4), None, None, Contradiction, "must not change to 0"),
}


@KINDS
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_changes_nothing(what: str, kind: type[MemoryStorage]) -> None:
    """Whichever part is wrong, none of the three is stored."""
    hard_state, entries, given, error, text = REFUSED[what]
    storage = filled(kind)
    before = everything(storage)
    with pytest.raises(error) as caught:
        storage.save(hard_state, entries, given)
    assert text in str(caught.value)
    assert everything(storage) == before


@KINDS
def test_the_beginning(kind: type[MemoryStorage]) -> None:
    """Without a hard state a log may only hold a first snapshot: entries, or a later term, mean a lost vote."""
    storage = kind()
    with pytest.raises(Contradiction, match="ends at 1 with term 0, but there is no hard state"):
        storage.save(None, log(1, 0), None)
    with pytest.raises(Contradiction, match="ends at 5 with term 2, but there is no hard state"):
        storage.save(HardState(), None, snapshot(5, 2))
    assert everything(storage)[:3] == (1, [0], [])
    storage.save(None, None, snapshot(0, 0))
    assert storage.initial_state() == (None, MEMBERS)
    storage.save(None, None, snapshot(5, 1))
    storage.save(state(1, 6, 1), log(6, 1), None)
    assert everything(storage)[:3] == (6, [1, 1], log(6, 1))


@KINDS
def test_what_single_calls_have_left(kind: type[MemoryStorage]) -> None:
    """Single calls check only their own argument; the next save reports contradictions."""
    storage = filled(kind)
    storage.append(log(7, 8))
    with pytest.raises(Contradiction, match="ends at 7 with term 8, but the hard state is of term 4"):
        storage.save(state(4, 4), None, None)
    storage.save(state(8, 4), None, None)
    compacted = kind()
    compacted.append(log(1, 5))
    compacted.compact(1)
    with pytest.raises(Contradiction, match="ends at 1 with term 5, but the hard state is of term 4"):
        compacted.save(state(4, 1), None, None)


class Parts(MemoryStorage):
    """Notes the single calls, and fails after some."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def apply_snapshot(self, snap: Snapshot) -> None:
        self.calls.append("snapshot")
        super().apply_snapshot(snap)

    def append(self, entries: list[Entry]) -> None:
        self.calls.append("entries")
        super().append(entries)

    def set_hard_state(self, st: HardState | None) -> None:
        self.calls.append("hard state")
        super().set_hard_state(st)


def test_a_subclass_that_overrides_single_calls_gets_them() -> None:
    """The hard state comes last: a crash before it leaves no commit index beyond the log."""
    storage = Parts()
    storage.save(state(4, 3), log(4, 4), snapshot(3, 2))
    assert storage.calls == ["snapshot", "entries", "hard state"]
    with pytest.raises(InvariantError):
        storage.save(state(5, 4), log(6, 4), None)
    assert storage.calls == ["snapshot", "entries", "hard state"]


def test_a_snapshot_without_voters_is_not_made() -> None:
    """If a log began with bootstrap, its members are in entries, not in a snapshot, so None finds no voters.

    catches: faults#X5
    """
    storage = MemoryStorage()
    storage.save(state(1, 2), log(1, 1, 1), None)
    before = everything(storage)
    for members in (None, ConfState(), ConfState(learners=[1]), ConfState(voters_outgoing=[1])):
        with pytest.raises(Contradiction, match="a snapshot at 2 without voters: no node that starts from it"):
            storage.create_snapshot(2, members, b"state")
        assert everything(storage) == before
    storage.create_snapshot(2, MEMBERS, b"state")
    storage.save(None, log(3, 1), None)
    assert storage.create_snapshot(3, None, b"later").metadata.conf_state == MEMBERS


def arguments(rng: random.Random, storage: MemoryStorage) -> tuple[Any, Any, Any]:
    """Three parts that nearly fit."""
    last, base = storage.last_index(), storage.first_index() - 1
    hard_state = state(rng.randrange(5), rng.randint(max(0, base - 1), last + 2), rng.randrange(3))
    entries = log(rng.randint(max(0, base - 1), last + 2), *sorted(rng.randrange(5) for _ in range(rng.randrange(4))))
    index = rng.randint(base, last + 3)
    given = snapshot(index, rng.randrange(5), rng.choice([[1], [1], []])) if rng.random() < 0.2 else None
    return rng.choice([None, hard_state, hard_state]), rng.choice([None, entries, entries]), given


def test_the_short_way_is_the_long_way() -> None:
    """MemoryStorage skips checks that most saves cannot fail, a subclass makes all of them; both give the same."""
    rng = random.Random(3)
    stored = refused = 0
    for _ in range(400):
        one, other = MemoryStorage(), Derived()
        for _ in range(25):
            given = arguments(rng, one)
            outcomes = []
            for storage in (one, other):
                try:
                    outcomes.append(storage.save(*given))
                except (Contradiction, InvariantError, SnapshotOutOfDate) as error:
                    outcomes.append(f"{type(error).__name__}: {error}")
            assert outcomes[0] == outcomes[1], given
            assert everything(one) == everything(other)
            stored += outcomes[0] is None
            refused += outcomes[0] is not None
    assert stored > 1_000
    assert refused > 1_000
