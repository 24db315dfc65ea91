"""MemoryStorage compared with a plain list: it is the model for other storages, so it needs a model itself."""

import pickle
import random
from typing import Any

import pytest

from raftcy import (
    NO_LIMIT,
    Compacted,
    ConfState,
    Entry,
    HardState,
    MemoryStorage,
    Snapshot,
    SnapshotMetadata,
    Unavailable,
)
from raftcy.rafttest.storage_history import draw

MEMBERS = ConfState(voters=[1, 2, 3], learners=[7], auto_leave=False)
RUNS = 60
STEPS = 80


class Derived(MemoryStorage):
    """Saved through its single calls."""


class Plain:
    """The plainest model: the index and term before the log, and the log."""

    def __init__(self) -> None:
        self.hard_state: Any = None
        self.index = 0
        self.before = 0
        self.log: list[Entry] = []
        self.snapshot = Snapshot()

    def term(self, i: int) -> int:
        return self.before if i == self.index else self.log[i - self.index - 1].term

    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        if snapshot is not None:
            self.apply_snapshot(snapshot)
        if entries:
            self.append(entries)
        if hard_state is not None:
            self.hard_state = hard_state

    def append(self, entries: list[Entry]) -> None:
        entries = [e for e in entries if e.index > self.index]
        if entries:
            self.log = [e for e in self.log if e.index < entries[0].index] + entries

    def apply_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.index, self.before, self.log = snapshot.metadata.index, snapshot.metadata.term, []

    def create_snapshot(self, i: int, cs: Any, data: Any) -> Snapshot:
        members = cs or self.snapshot.metadata.conf_state
        self.snapshot = Snapshot(data=data, metadata=SnapshotMetadata(conf_state=members, index=i, term=self.term(i)))
        return self.snapshot

    def compact(self, i: int) -> None:
        self.before, self.log, self.index = self.term(i), self.log[i - self.index :], i


def same(storage: MemoryStorage, plain: Plain) -> None:
    first, last = plain.index + 1, plain.index + len(plain.log)
    assert (storage.first_index(), storage.last_index()) == (first, last)
    assert [storage.term(i) for i in range(first - 1, last + 1)] == [plain.term(i) for i in range(first - 1, last + 1)]
    if plain.log:
        assert storage.entries(first, last + 1, NO_LIMIT) == plain.log
    assert storage.snapshot() == plain.snapshot
    assert storage.snapshot().has("data") == plain.snapshot.has("data")
    assert storage.initial_state() == (plain.hard_state, plain.snapshot.metadata.conf_state)
    with pytest.raises(Unavailable):
        storage.term(last + 1)
    with pytest.raises(Compacted):
        storage.entries(first - 1, last + 1, NO_LIMIT)
    if first > 1:
        with pytest.raises(Compacted):
            storage.term(first - 2)


@pytest.mark.parametrize("kind", [MemoryStorage, Derived])
def test_histories_of_saves(kind: type[MemoryStorage]) -> None:
    """Saves as a driver makes them; a crash is a copy."""
    for seed in range(RUNS):
        rng = random.Random(seed)
        storage, plain = kind(), Plain()
        for _ in range(STEPS):
            name, *arguments = draw(rng, storage)
            if name in ("crash", "restart"):
                storage = pickle.loads(pickle.dumps(storage))
            elif name != "sync":
                assert getattr(storage, name)(*arguments) == getattr(plain, name)(*arguments)
            same(storage, plain)


def run(rng: random.Random, first: int) -> list[Entry]:
    term = rng.randrange(1, 50)
    return [Entry(term=term, index=first + n, data=rng.randbytes(3)) for n in range(rng.randrange(6))]


def test_single_calls() -> None:
    """Any sequence of calls, even ones that no node makes, so the commit index does not matter."""
    for seed in range(RUNS):
        rng = random.Random(seed)
        storage, plain = MemoryStorage(), Plain()
        for _ in range(STEPS):
            last = storage.last_index()
            newest = storage.snapshot().metadata.index
            step: tuple[str, Any] | None = None
            choice = rng.randrange(10)
            if choice < 5:
                step = "append", run(rng, rng.randint(max(1, plain.index - 2), last + 1))
            elif choice < 7 and plain.log:
                step = "compact", rng.randint(plain.index + 1, last)
            elif choice == 7:
                state = HardState(term=rng.randrange(9), commit=rng.randrange(99))
                storage.set_hard_state(state)
                plain.hard_state = state
            elif choice == 8 and last > max(newest, plain.index):
                index = rng.randint(max(newest, plain.index) + 1, last)
                made = storage.create_snapshot(index, MEMBERS, b"made")
                assert made == plain.create_snapshot(index, MEMBERS, b"made")
            elif choice == 9:
                metadata = SnapshotMetadata(conf_state=MEMBERS, index=max(1, newest) + rng.randrange(1, 9), term=3)
                step = "apply_snapshot", Snapshot(data=rng.randbytes(3), metadata=metadata)
            if step is not None:
                getattr(storage, step[0])(step[1])
                getattr(plain, step[0])(step[1])
            same(storage, plain)


def test_the_histories_hold_every_kind_of_step() -> None:
    """A history without one of them would compare little."""
    rng = random.Random(0)
    storage = MemoryStorage()
    seen = set()
    for _ in range(500):
        step = draw(rng, storage)
        kind = step[0]
        if kind == "save":
            state, entries, snapshot = step[1:]
            cuts = bool(entries) and snapshot is None and entries[0].index <= storage.last_index()
            kind = f"save {state is not None:d}{bool(entries):d}{snapshot is not None:d}{cuts:d}"
        seen.add(kind)
        if step[0] in ("save", "create_snapshot", "compact"):
            getattr(storage, step[0])(*step[1:])
    wanted = {"save 0000", "save 1000", "save 0100", "save 1100", "save 1101", "save 1010", "save 1110"}
    assert seen == wanted | {"create_snapshot", "compact", "sync", "crash", "restart"}
