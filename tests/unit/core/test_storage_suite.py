"""The suite for storages passes correct ones, and each of its tests fails for some defect."""

import pickle
from typing import Any
from unittest import SkipTest

import pytest

from raftcy import (
    NO_LIMIT,
    Compacted,
    ConfState,
    Entry,
    HardState,
    InvariantError,
    MemoryStorage,
    Snapshot,
    SnapshotMetadata,
)
from raftcy.rafttest.storage_suite import StorageSuite, failures

from .test_storage_on_files import WRONG


class InMemory(StorageSuite):
    """A storage whose copy survives a crash."""

    def make(self) -> Any:
        return MemoryStorage()

    def crash(self, storage: Any) -> Any:
        return pickle.loads(pickle.dumps(storage))

    def restart(self, storage: Any) -> Any:
        storage.close()
        return self.crash(storage)


class TestMemoryStorage(InMemory):
    pass


class Parts(MemoryStorage):
    """Saves through its single calls, which the subclasses below break."""

    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        super().save(hard_state, entries, snapshot)


class TestParts(InMemory):
    def make(self) -> Any:
        return Parts()


class WithoutTerm:
    def __getattr__(self, name: str) -> Any:
        if name in ("term", "_inner"):
            raise AttributeError(name)
        return getattr(self.__dict__.setdefault("_inner", MemoryStorage()), name)


class StartsAtTwo(Parts):
    def __init__(self) -> None:
        super().__init__()
        self.apply_snapshot(Snapshot(metadata=SnapshotMetadata(index=1, term=1)))


class KeepsFirstHardState(Parts):
    def set_hard_state(self, st: Any) -> None:
        if self.initial_state()[0] is None:
            super().set_hard_state(st)


class LosesPresence(Parts):
    def append(self, entries: list[Entry]) -> None:
        super().append([Entry(type=e.type, term=e.term, index=e.index, data=e.data) for e in entries])


class EndsOneShort(Parts):
    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        found = super().entries(lo, hi, max_size)
        return found[:-1] if len(found) > 2 else found


class NoLimit(Parts):
    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        return super().entries(lo, hi, NO_LIMIT)


class MayBeEmpty(Parts):
    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        found = super().entries(lo, hi, max_size)
        return [] if found and len(found[0].encode()) > max_size else found


class SharesItsList(Parts):
    def __init__(self) -> None:
        super().__init__()
        self.shared: dict[Any, list[Entry]] = {}

    def append(self, entries: list[Entry]) -> None:
        super().append(entries)
        self.shared.clear()

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        found = super().entries(lo, hi, max_size)
        return self.shared.setdefault((lo, hi, max_size), found)


class WritesLater(Parts):
    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[list[Entry]] = []

    def append(self, entries: list[Entry]) -> None:
        self.waiting.append(entries)

    def flush(self) -> None:
        while self.waiting:
            super().append(self.waiting.pop(0))

    def first_index(self) -> int:
        self.flush()
        return super().first_index()

    def last_index(self) -> int:
        self.flush()
        return super().last_index()


class RefusesNothing(Parts):
    def append(self, entries: list[Entry]) -> None:
        if not entries:
            raise InvariantError("nothing to append")
        super().append(entries)


class KeepsTheTail(Parts):
    """Overwrites entries one by one, and leaves the ones after them."""

    def append(self, entries: list[Entry]) -> None:
        last = self.last_index()
        if entries and entries[-1].index < last and entries[-1].index >= self.first_index():
            entries = entries + self.entries(entries[-1].index + 1, last + 1, NO_LIMIT)
        super().append(entries)


class FillsGaps(Parts):
    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        missing = range(self.last_index() + 1, entries[0].index) if entries else []
        super().save(hard_state, [Entry(index=i) for i in missing] + (entries or []), snapshot)


class StoresBeforeItRefuses(Parts):
    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        if hard_state is not None and entries and entries[0].index > self.last_index() + 1:
            self.set_hard_state(hard_state)
        super().save(hard_state, entries, snapshot)


class ForgetsHardStateBySnapshot(Parts):
    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        super().save(hard_state, entries, snapshot)
        if snapshot is not None:
            self.set_hard_state(None)


class KeepsTheLogBySnapshot(Parts):
    def apply_snapshot(self, snap: Snapshot) -> None:
        index, last = snap.metadata.index, self.last_index()
        rest = self.entries(index + 1, last + 1, NO_LIMIT) if self.first_index() <= index + 1 <= last else []
        super().apply_snapshot(snap)
        super().append(rest)


class TakesOldSnapshots(Parts):
    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        newest = self.snapshot().metadata.index
        super().save(hard_state, entries, snapshot if snapshot and snapshot.metadata.index > newest else None)


class WantsAnIndex(Parts):
    def apply_snapshot(self, snap: Snapshot) -> None:
        if snap.metadata.index == 0:
            raise InvariantError("a snapshot needs an index")
        super().apply_snapshot(snap)


class LeavesMetadataAsItCame(Parts):
    def __init__(self) -> None:
        super().__init__()
        self.given = Snapshot()

    def apply_snapshot(self, snap: Snapshot) -> None:
        super().apply_snapshot(snap)
        self.given = snap

    def create_snapshot(self, i: int, cs: Any, data: Any) -> Snapshot:
        self.given = super().create_snapshot(i, cs, data)
        return self.given

    def snapshot(self) -> Snapshot:
        return self.given


class ForgetsMembers(Parts):
    def create_snapshot(self, i: int, cs: Any, data: Any) -> Snapshot:
        return super().create_snapshot(i, cs or ConfState(voters=[9]), data)


class CompactsBySnapshot(Parts):
    def create_snapshot(self, i: int, cs: Any, data: Any) -> Snapshot:
        made = super().create_snapshot(i, cs, data)
        if i >= self.first_index():
            self.compact(i)
        return made


class SnapshotsAgain(Parts):
    def create_snapshot(self, i: int, cs: Any, data: Any) -> Snapshot:
        return self.snapshot() if i == self.snapshot().metadata.index else super().create_snapshot(i, cs, data)


class CompactsTooFar(Parts):
    def compact(self, compact_index: int) -> None:
        super().compact(
            min(compact_index + 1, self.last_index()) if compact_index >= self.first_index() else compact_index
        )


class ForgetsTheTerm(Parts):
    """Loses the term before the first entry."""

    def term(self, i: int) -> int:
        if i == self.first_index() - 1 and i > 0:
            raise Compacted()
        return super().term(i)


class CompactsTwice(Parts):
    def compact(self, compact_index: int) -> None:
        if compact_index >= self.first_index():
            super().compact(compact_index)


class CompactsBeyond(Parts):
    def compact(self, compact_index: int) -> None:
        super().compact(min(compact_index, self.last_index()))


class RefusesOverlap(Parts):
    def append(self, entries: list[Entry]) -> None:
        if entries and entries[0].index < self.first_index():
            raise Compacted()
        super().append(entries)


class Narrow(Parts):
    def last_index(self) -> int:
        return super().last_index() & (2**63 - 1)


class ForgetsNowAndThen(Parts):
    """Fails only later: every twelfth append loses its last entry."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def append(self, entries: list[Entry]) -> None:
        self.count += bool(entries)
        super().append(entries[:-1] if self.count % 12 == 0 else entries)


class ForgetsVotes(Parts):
    def set_hard_state(self, st: Any) -> None:
        super().set_hard_state(HardState(term=st.term, commit=st.commit))


BROKEN = {
    WithoutTerm: "test_it_has_every_method",
    StartsAtTwo: "test_a_new_storage_is_empty",
    KeepsFirstHardState: "test_the_hard_state_comes_back",
    ForgetsVotes: "test_the_hard_state_comes_back",
    LosesPresence: "test_entries_come_back_as_they_were",
    EndsOneShort: "test_every_range_can_be_read",
    NoLimit: "test_a_limit_ends_a_range",
    MayBeEmpty: "test_a_limit_ends_a_range",
    SharesItsList: "test_a_returned_list_is_the_callers",
    WritesLater: "test_a_saved_list_is_the_callers",
    RefusesNothing: "test_saving_nothing_changes_nothing",
    KeepsTheTail: "test_entries_replace_what_follows",
    FillsGaps: "test_a_gap_is_refused",
    StoresBeforeItRefuses: "test_a_gap_is_refused",
    ForgetsHardStateBySnapshot: "test_a_snapshot_replaces_the_log",
    KeepsTheLogBySnapshot: "test_a_snapshot_replaces_the_log",
    TakesOldSnapshots: "test_an_old_snapshot_is_refused",
    WantsAnIndex: "test_members_can_be_set_first",
    LeavesMetadataAsItCame: "test_metadata_is_complete",
    ForgetsMembers: "test_a_snapshot_is_made_of_what_is_stored",
    CompactsBySnapshot: "test_a_snapshot_is_made_of_what_is_stored",
    SnapshotsAgain: "test_a_snapshot_of_nothing_new_is_refused",
    CompactsTooFar: "test_compaction_drops_a_prefix",
    ForgetsTheTerm: "test_compaction_drops_a_prefix",
    CompactsTwice: "test_compaction_has_its_bounds",
    CompactsBeyond: "test_compaction_has_its_bounds",
    RefusesOverlap: "test_the_log_goes_on_after_compaction",
    Narrow: "test_indexes_may_be_large",
    ForgetsNowAndThen: "test_random_histories",
}


def suite_of(make_one: Any) -> StorageSuite:
    class Suite(InMemory):
        random_runs = 3

        def make(self) -> Any:
            return make_one()

    return Suite()


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert failures(suite_of(MemoryStorage)) == []


@pytest.mark.parametrize("broken", BROKEN, ids=lambda cls: cls.__name__)
def test_a_broken_storage_fails(broken: Any) -> None:
    found = dict(failures(suite_of(broken)))
    assert BROKEN[broken] in found, sorted(found)
    assert str(found[BROKEN[broken]])


def test_a_node_notices_too() -> None:
    """A node that runs on a storage notices when the storage loses what it acknowledged."""
    assert "test_a_node_runs_on_it" in dict(failures(suite_of(ForgetsNowAndThen)))


def test_every_test_can_fail() -> None:
    tests = {name for name in dir(StorageSuite) if name.startswith("test_")}
    assert tests == {*BROKEN.values(), *WRONG.values(), "test_a_node_runs_on_it"}


def test_opening_has_to_be_written() -> None:
    """A suite for the former interface, with ``make`` and ``reopen``, says what it lacks."""
    with pytest.raises(NotImplementedError, match=r"override open\(place\)"):
        StorageSuite().make()

    class Before(StorageSuite):
        def make(self) -> Any:
            return MemoryStorage()

        def reopen(self, storage: Any) -> Any:
            return storage

    suite = Before()
    for call in (suite.crash, suite.restart):
        with pytest.raises(NotImplementedError, match=r"or make\(\), crash\(storage\) and restart\(storage\)"):
            call(suite.make())


def test_what_cannot_be_done_is_skipped_and_told() -> None:
    class WithoutSnapshots(TestMemoryStorage):
        random_runs = 1

        def test_a_snapshot_is_made_of_what_is_stored(self) -> None:
            raise SkipTest("snapshots are made elsewhere")

    ((name, error),) = failures(WithoutSnapshots())
    assert name == "test_a_snapshot_is_made_of_what_is_stored"
    assert isinstance(error, SkipTest)
