"""What a driver checks of a storage before it starts, and the calls around a LogStorage."""

import functools
from typing import Any

import pytest

from raftcy import (
    Config,
    ConfState,
    Contradiction,
    Driver,
    Entry,
    HardState,
    MemoryStorage,
    Peer,
    RangeError,
    Ready,
    Snapshot,
    SnapshotMetadata,
    SnapshotTemporarilyUnavailable,
    StorageFailed,
    Unavailable,
    check_log_storage,
    compact_log,
    save_ready,
)

MEMBERS = ConfState(voters=[1, 2, 3], auto_leave=False)


class Derived(MemoryStorage):
    """A subclass that overrides nothing."""


KINDS = pytest.mark.parametrize("kind", [MemoryStorage, Derived])


def log(first: int, *terms: int) -> list[Entry]:
    return [Entry(term=term, index=first + n) for n, term in enumerate(terms)]


def snapshot(index: int, term: int, members: ConfState = MEMBERS) -> Snapshot:
    return Snapshot(data=b"state", metadata=SnapshotMetadata(conf_state=members, index=index, term=term))


def filled(kind: type[MemoryStorage] = MemoryStorage) -> Any:
    storage = kind()
    storage.save(HardState(term=3, vote=2, commit=4), log(4, 2, 3), snapshot(3, 2))
    return storage


# -- its methods -------------------------------------------------------------------------------------------------------


@KINDS
def test_a_log_storage_is_taken_as_it_is(kind: type[MemoryStorage]) -> None:
    for storage in (kind(), filled(kind)):
        assert check_log_storage(storage) is storage


def without(*names: str, kind: type[MemoryStorage] = MemoryStorage) -> Any:
    """A storage that lacks some methods."""

    class Lacking:
        def __init__(self) -> None:
            self.memory = kind()

        def __getattr__(self, name: str) -> Any:
            if name in names or name == "memory":
                raise AttributeError(name)
            return getattr(self.memory, name)

    return Lacking()


@pytest.mark.parametrize(
    ("storage", "text"),
    [
        (None, r"NoneType is not a Storage: it has no initial_state\(\), entries\(\), term\(\), first_index\(\)"),
        (without("term", "snapshot"), r"Lacking is not a Storage: it has no term\(\), snapshot\(\)$"),
        (without("sync"), r"Lacking is not a LogStorage: it has no sync\(\)$"),
        (without("save"), r"Lacking is not a LogStorage: it has no save\(\)$"),
        (without("create_snapshot", "compact", "close"), r"has no create_snapshot\(\), compact\(\), close\(\)$"),
        (without("save", "sync", "append"), r"Lacking cannot be written to: it needs save\(\) and sync\(\)"),
    ],
)
def test_what_is_neither_is_refused(storage: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        check_log_storage(storage)


METHODS = ["initial_state", "entries", "term", "first_index", "last_index", "snapshot"]
METHODS += ["save", "sync", "create_snapshot", "compact", "close"]


@pytest.mark.parametrize("name", [*METHODS, "append", "set_hard_state", "apply_snapshot"])
def test_coroutine_functions_are_refused(name: str) -> None:
    """Nobody would await them, so they would acknowledge writes that never happened."""
    single = name not in METHODS
    storage = without("save", "sync") if single else without()

    async def method(*_: Any) -> None:
        raise AssertionError("nobody runs this")

    async def generator(*_: Any) -> Any:
        yield None

    class Callable:
        __call__ = method

    for given in (method, generator, functools.partial(method, 1), Callable()):
        setattr(storage, name, given)
        with pytest.raises(TypeError, match=rf"^Lacking.{name}\(\) must be a plain function: nobody awaits"):
            check_log_storage(storage)


@pytest.mark.parametrize("name", ["append", "set_hard_state", "apply_snapshot"])
def test_a_subclass_that_writes_in_parts_has_to_say_how_it_saves(name: str) -> None:
    """MemoryStorage.save would call the overridden methods one by one; a save of its own is atomic.

    catches: faults#A
    """
    parts = type("Parts", (MemoryStorage,), {name: lambda self, _: None})
    with pytest.raises(TypeError, match=rf"Parts overrides {name}\(\) and inherits save\(\).*: override save\(\) too"):
        check_log_storage(parts())
    whole = type("Whole", (parts,), {"save": lambda self, *_: None})
    storage = whole()
    assert check_log_storage(storage) is storage


# -- its contents ------------------------------------------------------------------------------------------------------


def compacted(storage: MemoryStorage) -> None:
    storage.compact(4)


STARTS: dict[str, tuple[Any, str]] = {
    "entries of a later term": (
        lambda s: s.append(log(6, 4)),
        "ends at 6 with term 4, but the hard state is of term 3",
    ),
    "entries without a hard state": (lambda s: s.set_hard_state(None), "but there is no hard state"),
    "an empty hard state": (lambda s: s.set_hard_state(HardState()), "but there is no hard state"),
    "commit beyond the log": (lambda s: s.set_hard_state(HardState(term=3, commit=6)), "beyond the last entry 5"),
    "commit before the log": (lambda s: s.set_hard_state(HardState(term=3, commit=2)), "before the snapshot"),
    "a snapshot without voters": (
        lambda s: s.apply_snapshot(snapshot(4, 3, ConfState(learners=[1]))),
        "a snapshot at 4 without voters",
    ),
    "compacted beyond the snapshot": (compacted, "begins after 4, but the newest snapshot ends at 3 and only 0 is"),
}


@KINDS
@pytest.mark.parametrize("what", STARTS)
def test_contradictions_are_refused_at_the_start(what: str, kind: type[MemoryStorage]) -> None:
    """catches: faults#X5"""
    change, text = STARTS[what]
    storage = filled(kind)
    check_log_storage(storage)
    change(storage)
    with pytest.raises(Contradiction, match=text):
        check_log_storage(storage)


def test_beginnings_are_taken() -> None:
    """Empty, with members alone, or with a first snapshot made by hand; a later snapshot needs a hard state."""
    storage = MemoryStorage()
    check_log_storage(storage)
    storage.apply_snapshot(snapshot(0, 0))
    check_log_storage(storage)
    storage.apply_snapshot(snapshot(5, 1))
    check_log_storage(storage)
    storage.apply_snapshot(snapshot(9, 2))
    with pytest.raises(Contradiction, match="ends at 9 with term 2, but there is no hard state"):
        check_log_storage(storage)
    storage.set_hard_state(HardState(term=2, commit=9))
    check_log_storage(storage)


def test_what_is_applied_need_not_be_in_the_snapshot() -> None:
    """A state machine with its own disk has applied the entries compacted beyond the snapshot."""
    storage = filled()
    storage.compact(4)
    for applied in (0, 3):
        with pytest.raises(Contradiction, match=f"and only {applied} is applied"):
            check_log_storage(storage, applied)
    check_log_storage(storage, 4)
    check_log_storage(storage, applied=5)
    with pytest.raises(RangeError):
        check_log_storage(storage, -1)


def test_a_snapshot_that_is_not_ready() -> None:
    """Raft asks again later, so this is not an error."""

    class Away(MemoryStorage):
        def snapshot(self) -> Snapshot:
            raise SnapshotTemporarilyUnavailable()

    storage = filled(Away)
    storage.compact(4)
    check_log_storage(storage)


class Broken(MemoryStorage):
    """Gives fixed answers."""

    answers: dict[str, Any] = {}

    def _answer(self, name: str, *arguments: Any) -> Any:
        if name not in self.answers:
            return getattr(super(), name)(*arguments)
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def initial_state(self) -> Any:
        return self._answer("initial_state")

    def term(self, i: int) -> Any:
        return self._answer("term", i)

    def first_index(self) -> Any:
        return self._answer("first_index")

    def last_index(self) -> Any:
        return self._answer("last_index")

    def snapshot(self) -> Any:
        return self._answer("snapshot")


@pytest.mark.parametrize(
    ("name", "answer", "text"),
    [
        ("initial_state", OSError("gone"), r"the storage failed in initial_state\(\): OSError\('gone'\)"),
        ("initial_state", None, "TypeError"),
        ("initial_state", (5, MEMBERS), "the hard state must be of HardState, not int"),
        ("initial_state", (None, None), "the members must be of ConfState, not NoneType"),
        ("term", Unavailable(), r"the storage failed in term\(\): Unavailable"),
        ("term", -1, r"the answer must be 0 to 2\*\*64-1, not -1"),
        ("first_index", "1", "the answer must be an int, not str"),
        ("last_index", 2**64, "the answer must be 0 to"),
        ("snapshot", None, "the answer must be of Snapshot, not NoneType"),
        ("last_index", SnapshotTemporarilyUnavailable(), r"the storage failed in last_index\(\)"),
    ],
)
def test_a_storage_that_does_not_answer(name: str, answer: Any, text: str) -> None:
    storage = filled(Broken)
    storage.answers = {name: answer}
    with pytest.raises(StorageFailed, match=text):
        check_log_storage(storage)


def test_indexes_that_cross() -> None:
    storage = filled(Broken)
    storage.answers = {"last_index": 2}
    with pytest.raises(Contradiction, match="a log cannot begin at the index 4 and end at 2"):
        check_log_storage(storage)
    storage.answers = {"first_index": 0}
    with pytest.raises(Contradiction, match="a log cannot begin at the index 0 and end at 5"):
        check_log_storage(storage)


# -- calls -------------------------------------------------------------------------------------------------------------


class Noting(MemoryStorage):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Any] = []

    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        self.calls.append((hard_state, entries, snapshot))
        super().save(hard_state, entries, snapshot)

    def sync(self) -> None:
        self.calls.append("sync")


def test_a_ready_is_saved_whole() -> None:
    """It is synced only if it has to be."""
    state, entries, begin = HardState(term=1, commit=5), log(6, 1), snapshot(5, 1)
    plain, noting = MemoryStorage(), Noting()
    for storage in (plain, noting):
        save_ready(storage, Ready(hard_state=state, entries=entries, snapshot=begin, must_sync=True))
        save_ready(storage, Ready(hard_state=HardState(term=1, commit=6)))
        assert storage.initial_state()[0] == HardState(term=1, commit=6)
        assert (storage.first_index(), storage.last_index(), storage.snapshot().metadata.index) == (6, 6, 5)
    assert noting.calls == [(state, entries, begin), "sync", (HardState(term=1, commit=6), [], None)]
    with pytest.raises(Contradiction):
        save_ready(plain, Ready(hard_state=HardState(term=1, commit=7)))
    for other in (None, state, "x"):
        with pytest.raises(TypeError, match="ready must be of Ready, not"):
            save_ready(plain, other)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["save", "sync"])
def test_an_unawaited_coroutine_does_not_save(name: str) -> None:
    async def later(*_: Any) -> None:
        raise AssertionError("nobody runs this")

    storage = type("Later", (MemoryStorage,), {name: lambda self, *given: later(*given)})()
    check_log_storage(storage)
    with pytest.raises(StorageFailed, match=rf"{name}\(\) of the storage returned a coroutine: nobody awaits it"):
        save_ready(storage, Ready(hard_state=HardState(term=1), must_sync=True))


@KINDS
def test_a_log_is_compacted_up_to_its_snapshot(kind: type[MemoryStorage]) -> None:
    """catches: faults#X5"""
    storage = filled(kind)
    with pytest.raises(Contradiction, match="ends at 3: compacting up to 4 would lose the entries after it"):
        compact_log(storage, 4)
    assert storage.first_index() == 4
    storage.create_snapshot(4, None, b"four")
    compact_log(storage, 4)
    assert (storage.first_index(), storage.term(4)) == (5, 2)
    with pytest.raises(RangeError, match="compact_index must be"):
        compact_log(storage, -1)


def test_a_node_is_driven_through_the_checks() -> None:
    """From the first start over a snapshot and a compaction to the next start, with the members kept."""
    storage = MemoryStorage()

    def started() -> Driver:
        given = {"id": 1, "election_tick": 10, "heartbeat_tick": 1, "max_size_per_msg": 1 << 20}
        return Driver.start(Config(storage=storage, max_inflight_msgs=9, **given))

    driver = started()
    driver.node.bootstrap([Peer(1)])
    for _ in range(2):
        while driver.run():
            pass
        driver.node.campaign()
    with pytest.raises(Contradiction, match="without voters"):
        storage.create_snapshot(driver.applied, None, b"state")
    storage.create_snapshot(driver.applied, driver.members, b"state")
    compact_log(storage, driver.applied)
    again = started()
    assert again.members.voters == [1]
    assert again.node.basic_status().hard_state.term == driver.node.basic_status().hard_state.term
    again.node.campaign()
    assert again.node.has_ready()
