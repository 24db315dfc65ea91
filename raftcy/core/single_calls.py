"""SingleCalls: adapts a storage that has only etcd's single calls to LogStorage.

Rules:

- Entries are written first, then the hard state. A crash in between leaves entries with a later term than the hard
  state's, without that Ready's vote and commit index. No message that depends on them was sent, so the node may start
  there, in the term of its last entry and without a vote. That term is stored at the start, so that it never falls
  again, even if those entries are overwritten. In the other order, a crash would leave a commit index beyond the log,
  and the node could not start.
- A snapshot is refused. It comes with a hard state, and in either order a crash leaves a storage from which no node can
  start: snapshot first leaves a commit index before the snapshot, hard state first one beyond the log.
"""

from typing import Any

from ..errors import StorageError, StorageFailed
from ..wire.checks import instance, instances
from ..wire.messages import ConfState, Entry, HardState, Snapshot
from .awaitables import refuse_awaitable, refuse_coroutine

NAMES = ("append", "set_hard_state", "apply_snapshot")


def has_single_calls(storage: Any) -> bool:
    """Whether a storage has the methods that SingleCalls needs. Raises TypeError if one is a coroutine function."""
    if not all(callable(getattr(storage, each, None)) for each in NAMES):
        return False
    for each in NAMES:
        refuse_coroutine(storage, each)
    return True


class SingleCalls:
    """A LogStorage on top of a storage whose ``append`` and ``set_hard_state`` are durable when they return."""

    __slots__ = ("_storage",)

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    # -- reading -------------------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """Call the storage's ``initial_state``."""
        return self._storage.initial_state()  # type: ignore[no-any-return]

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Call the storage's ``entries``."""
        return self._storage.entries(lo, hi, max_size)  # type: ignore[no-any-return]

    def term(self, i: int) -> int:
        """Call the storage's ``term``."""
        return self._storage.term(i)  # type: ignore[no-any-return]

    def first_index(self) -> int:
        """Call the storage's ``first_index``."""
        return self._storage.first_index()  # type: ignore[no-any-return]

    def last_index(self) -> int:
        """Call the storage's ``last_index``."""
        return self._storage.last_index()  # type: ignore[no-any-return]

    def snapshot(self) -> Snapshot:
        """Call the storage's ``snapshot``."""
        return self._storage.snapshot()  # type: ignore[no-any-return]

    # -- writing -------------------------------------------------------------------------------------------------

    def save(self, hard_state: HardState | None, entries: list[Entry] | None, snapshot: Snapshot | None) -> None:
        """Write the entries, then the hard state. Raises StorageFailed, and writes nothing, if there is a snapshot."""
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
        """Do nothing, since each single call is durable when it returns."""

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """Call the storage's ``create_snapshot``. Raises StorageError if it has none."""
        return self._method("create_snapshot")(i, cs, data)  # type: ignore[no-any-return]

    def compact(self, compact_index: int) -> None:
        """Call the storage's ``compact``. Raises StorageError if it has none."""
        refuse_awaitable(self._method("compact")(compact_index), "compact")

    def close(self) -> None:
        """Call the storage's ``close``, if it has one."""
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
