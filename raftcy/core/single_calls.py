"""A storage that is written by single calls, in the form of a LogStorage.

Rules:

- Entries are written first, then the hard state. A crash between the two leaves entries of a term that the hard state
  does not know, and neither vote nor commit index of that Ready. Nothing was sent on their strength, so a node may
  start from there, in the term of its last entry and without a vote; that is stored at the start, so that the term
  never falls again, even if these entries are overwritten. The other way round a crash would leave a commit index
  beyond the log, and no start would be possible.
- A snapshot is refused. It comes with a hard state, and either order has a crash from which no node can start: first
  the snapshot leaves a commit index before it, first the hard state one beyond the log.
"""

from typing import Any

from ..errors import StorageError, StorageFailed
from ..wire.checks import instance, instances
from ..wire.messages import ConfState, Entry, HardState, Snapshot
from .awaitables import refuse_awaitable, refuse_coroutine

NAMES = ("append", "set_hard_state", "apply_snapshot")


def has_single_calls(storage: Any) -> bool:
    """Whether a storage defines what SingleCalls calls. Raises TypeError if one of them is a coroutine function."""
    if not all(callable(getattr(storage, each, None)) for each in NAMES):
        return False
    for each in NAMES:
        refuse_coroutine(storage, each)
    return True


class SingleCalls:
    """A LogStorage made of a storage whose ``append`` and ``set_hard_state`` are each durable when they return."""

    __slots__ = ("_storage",)

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    # -- reading -------------------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """As the storage has it."""
        return self._storage.initial_state()  # type: ignore[no-any-return]

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """As the storage has them."""
        return self._storage.entries(lo, hi, max_size)  # type: ignore[no-any-return]

    def term(self, i: int) -> int:
        """As the storage has it."""
        return self._storage.term(i)  # type: ignore[no-any-return]

    def first_index(self) -> int:
        """As the storage has it."""
        return self._storage.first_index()  # type: ignore[no-any-return]

    def last_index(self) -> int:
        """As the storage has it."""
        return self._storage.last_index()  # type: ignore[no-any-return]

    def snapshot(self) -> Snapshot:
        """As the storage has it."""
        return self._storage.snapshot()  # type: ignore[no-any-return]

    # -- writing -------------------------------------------------------------------------------------------------

    def save(self, hard_state: HardState | None, entries: list[Entry] | None, snapshot: Snapshot | None) -> None:
        """Write the entries, then the hard state. Raises StorageFailed for a snapshot, before anything is written."""
        if hard_state is not None:
            instance(hard_state, HardState, "hard_state")
        new = instances(entries, Entry, "an item of entries") if entries is not None else []
        if snapshot is not None:
            instance(snapshot, Snapshot, "snapshot")
            raise StorageFailed(
                f"a snapshot has come, but {type(self._storage).__name__} has no save(): by single calls a snapshot "
                "and its hard state cannot be stored so that a crash between them does no harm. "
                "Give the storage save() and sync() (see LogStorage)"
            )
        if new:
            refuse_awaitable(self._storage.append(new), "append")
        if hard_state is not None:
            refuse_awaitable(self._storage.set_hard_state(hard_state), "set_hard_state")

    def sync(self) -> None:
        """Nothing is to be done: each single call is durable when it returns."""

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """As the storage does it; StorageError if it does not."""
        return self._method("create_snapshot")(i, cs, data)  # type: ignore[no-any-return]

    def compact(self, compact_index: int) -> None:
        """As the storage does it; StorageError if it does not."""
        refuse_awaitable(self._method("compact")(compact_index), "compact")

    def close(self) -> None:
        """As the storage does it, if it does."""
        close = getattr(self._storage, "close", None)
        if close is not None:
            refuse_awaitable(close(), "close")

    def _method(self, name: str) -> Any:
        method = getattr(self._storage, name, None)
        if method is None:
            raise StorageError(f"{type(self._storage).__name__} has no {name}()")
        return method

    def __repr__(self) -> str:
        return f"<SingleCalls {self._storage!r}>"
