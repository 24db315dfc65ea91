"""Compares a storage with a MemoryStorage, the model of ``storage_suite``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from ..core.storage import MemoryStorage
from ..errors import Compacted, Unavailable
from ..wire import consts as k
from ..wire.messages import ConfState, Entry, HardState, Snapshot


@dataclass(frozen=True)
class Contents:
    """Everything that raft can read from a storage."""

    hard_state: HardState
    members: ConfState
    first_index: int
    last_index: int
    terms: list[int]
    entries: list[bytes]
    snapshot: Snapshot
    has_data: bool

    def differences(self, wanted: "Contents") -> str:
        """Describe each field that differs from the wanted one."""
        told = []
        for field in fields(self):
            found, other = getattr(self, field.name), getattr(wanted, field.name)
            if found != other:
                told.append(f"{field.name}: expected {other!r}, found {found!r}")
        return "; ".join(told)


def contents(storage: Any) -> Contents:
    """Read everything from a storage. A hard state that was never stored counts as an empty one."""
    hard_state, members = storage.initial_state()
    first, last = storage.first_index(), storage.last_index()
    entries = storage.entries(first, last + 1, k.NO_LIMIT) if first <= last else []
    return Contents(
        HardState() if hard_state is None else hard_state,
        members,
        first,
        last,
        [storage.term(i) for i in range(first - 1, last + 1)],
        [e.encode() for e in entries],
        storage.snapshot(),
        storage.snapshot().has("data"),
    )


def holds(storage: Any, model: MemoryStorage, every_range: bool = True) -> None:
    """Raise AssertionError unless all reads, errors included, have the same result as in the model."""
    found, wanted = contents(storage), contents(model)
    true(f"it holds what was saved ({found.differences(wanted)})", found == wanted)
    first, last = wanted.first_index, wanted.last_index
    raises(Unavailable, f"term({last + 1})", lambda: storage.term(last + 1))
    if first > 1:
        raises(Compacted, f"term({first - 2})", lambda: storage.term(first - 2))
    raises(Compacted, f"entries({first - 1}, …)", lambda: storage.entries(first - 1, last + 1, k.NO_LIMIT))
    for lo, hi in _ranges(first, last + 1) if every_range else []:
        equal(f"the entries {lo} to {hi - 1}", storage.entries(lo, hi, k.NO_LIMIT), model.entries(lo, hi, k.NO_LIMIT))


def one_of(storage: Any, models: list[MemoryStorage], when: str) -> MemoryStorage:
    """Return the newest model that equals the storage. Raises AssertionError if none does."""
    found = contents(storage)
    for model in reversed(models):
        if found == contents(model):
            return model
    nearest = found.differences(contents(models[-1]))
    among = f"any of {len(models)} calls since the last sync" if len(models) > 1 else "the last sync"
    raise AssertionError(f"{when}: the storage differs from its state after {among}; from the last one in {nearest}")


def _ranges(first: int, end: int) -> Iterator[tuple[int, int]]:
    for lo in range(first, end):
        for hi in range(lo + 1, end + 1):
            yield lo, hi


def complete(snapshot: Snapshot) -> None:
    """Raise AssertionError unless all fields of a snapshot's metadata are present."""
    for name in ("conf_state", "index", "term"):
        true(f"{name} of the metadata is there", snapshot.metadata.has(name))
    true("auto_leave of the snapshot's members is there", snapshot.metadata.conf_state.has("auto_leave"))


def true(what: str, condition: bool) -> None:
    """Raise AssertionError with ``what`` was expected, unless ``condition`` is true."""
    if not condition:
        raise AssertionError(f"expected that {what}")


def equal(what: str, found: Any, wanted: Any) -> None:
    """Raise AssertionError unless both values are equal."""
    if found != wanted:
        raise AssertionError(f"{what}: expected {wanted!r}, found {found!r}")


def raises(error: type[Exception], what: str, call: Callable[[], Any]) -> None:
    """Raise AssertionError unless the call raises ``error``."""
    try:
        found = call()
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{what}: expected {error.__name__}, found {other!r}") from other
    raise AssertionError(f"{what}: expected {error.__name__}, found {found!r}")


def run(first: int, term: int, count: int) -> list[Entry]:
    """Return ``count`` entries of one term from index ``first`` on, each with different data."""
    return [Entry(term=term, index=first + n, data=b"entry %d" % (first + n)) for n in range(count)]
