"""LogStorage, the protocol by which the driver of a node writes its log, and functions that use it.

Raft only reads a storage; its driver writes. The parts of one Ready belong together. A crash that leaves a hard state
without its entries, or a snapshot without its hard state, leaves a storage from which no node can start, or one that
has forgotten a vote. So a LogStorage takes all three parts in one call, and keeps all of them or none.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from ..errors import Contradiction, SnapshotTemporarilyUnavailable, StorageFailed
from ..wire.checks import instance, u64
from ..wire.messages import ConfState, Entry, HardState, Snapshot
from . import single_calls
from .awaitables import refuse_awaitable, refuse_coroutine
from .ready import Ready
from .single_calls import SingleCalls
from .storage import MemoryStorage, Storage, check_hard_state, check_initial_state, check_members, without_voters

_READS = ("initial_state", "entries", "term", "first_index", "last_index", "snapshot")
_WRITES = ("save", "sync", "create_snapshot", "compact", "close")


@runtime_checkable
class LogStorage(Storage, Protocol):
    """A Storage that can also be written. One driver owns it, and raft reads it while the driver runs.

    The effect of ``save``, ``create_snapshot`` and ``compact`` can be read at once, and is durable after the next
    ``sync``. A crash leaves the storage as it was after one of these calls: that call and all before it are complete,
    all later ones are gone, and nothing that was synced is missing. Opening a storage makes its contents durable before
    it answers a read, because unsynced writes of the previous process may still be only in the system's cache.

    A storage checks arguments first, so a call that raises because of them changes nothing. After any other error, such
    as that of a disk, it must refuse all further calls until it is opened again, since a part may have been written.

    ``Snapshot.data`` is the application's state itself, or a reference to a body elsewhere, such as a file name with a
    checksum; raft and the storage never look into it. The application must make the body durable before it passes the
    reference to ``save`` or ``create_snapshot``, and may remove it only after a newer snapshot is synced. The storage
    removes no bodies.

    ``raftcy.rafttest.storage_suite`` checks an implementation.
    """

    def save(self, hard_state: HardState | None, entries: list[Entry] | None, snapshot: Snapshot | None) -> None:
        """Stage the contents of one Ready: all of them, or nothing. Each part may be None, and ``entries`` empty.

        A snapshot replaces the log, and ``entries`` follow it. Without a snapshot, the entries replace the log from
        their first index on. Entries at or below the index before the log are skipped. The hard state replaces the
        stored one.

        Raises SnapshotOutOfDate if the current snapshot is as new as the given one, unless its index is 0, and an error
        of its choice if the entries leave a gap.
        """

    def sync(self) -> None:
        """Make all staged writes durable. Groups that share one log may all stage first and then sync once."""

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """Create, stage and return a snapshot of the state up to entry ``i``, with that entry's term.

        ``cs`` is the members as of ``i``, or None if they are those of the current snapshot. ``data`` is the state or a
        reference to it. The log keeps its entries. Raises SnapshotOutOfDate if the current snapshot is as new, and an
        error of its choice if ``i`` is beyond the last index or the snapshot would have no voters.
        """

    def compact(self, compact_index: int) -> None:
        """Drop the entries up to ``compact_index``, and remember the last one's term.

        Raises Compacted below the first index, and an error of its choice beyond the last one. A driver never compacts
        beyond the newest snapshot: see ``compact_log``.
        """

    def close(self) -> None:
        """Release files and locks. Writes that were not synced may be lost; synced ones never are."""


def save_ready(storage: LogStorage, ready: Ready) -> None:
    """Save the contents of a Ready, and sync if required. A loop of your own calls it before it sends and applies.

    Does ``storage.save(ready.hard_state, ready.entries, ready.snapshot)``, then ``storage.sync()`` if
    ``ready.must_sync``. Raises what these raise, StorageFailed if one of them returns an awaitable, and TypeError if
    ``ready`` is not a Ready.
    """
    if not isinstance(ready, Ready):
        instance(ready, Ready, "ready")
    rd = ready
    if type(storage) is MemoryStorage:
        memory = storage
        memory._save_ready(rd)
        return
    other: Any = storage
    refuse_awaitable(other.save(rd.hard_state, rd.entries, rd.snapshot), "save")
    if rd.must_sync:
        refuse_awaitable(other.sync(), "sync")


def compact_log(storage: LogStorage, compact_index: int) -> None:
    """Drop the entries up to ``compact_index``, provided that the newest snapshot covers them.

    Raises Contradiction if the index is beyond the newest snapshot: a restart would find the entries neither in the log
    nor in a snapshot, and slow followers could never catch up. (``MemoryStorage.compact`` accepts such an index, as
    etcd's does, for applications that keep their state on disk themselves.) Raises SnapshotTemporarilyUnavailable if
    the storage has no snapshot at the moment, and what ``storage.compact`` raises.
    """
    index = u64(compact_index, "compact_index")
    newest = storage.snapshot().metadata.index
    if index > newest:
        raise Contradiction(
            f"the newest snapshot ends at {newest}: compacting up to {index} would lose the entries after it. "
            "Call create_snapshot first"
        )
    log: Any = storage
    refuse_awaitable(log.compact(index), "compact")


def check_log_storage(storage: Any, applied: int = 0) -> LogStorage:
    """Return a LogStorage for ``storage``, after checking that a node may start from it.

    That is ``storage`` itself, or an adapter if it has only etcd's single calls. Call this before creating the node,
    and put the result into its Config. ``applied`` is ``Config.applied``. Raises

    - TypeError for a storage that is neither, that lacks or inherits a method that it has to define, or that defines
      one as a coroutine function: raft and its drivers call a storage and never await it;
    - Contradiction if a node must not start from it: an entry or a snapshot has a later term than the hard state, the
      commit index is outside the log, the log begins after both its snapshot and ``applied``, or a snapshot has no
      voters;
    - StorageFailed if a read raises an error or returns a value of the wrong type.

    If the storage has only single calls, a crash between two of them may have left entries with a later term than the
    hard state's. Then this function stores that term, without a vote.
    """
    log = writable_log(storage)
    _check_start(log, u64(applied, "applied"))
    return log


def check_start(storage: Any, applied: int = 0) -> None:
    """Refuse a LogStorage from which a node must not start, as ``check_log_storage`` does; nothing is written.

    Does nothing for a Storage without ``save`` and ``sync``: its owner writes it by calls of its own, so that nothing
    is known of what a crash may leave.
    """
    if all(callable(getattr(storage, each, None)) for each in ("save", "sync")):
        _check_start(storage, u64(applied, "applied"))


def writable_log(storage: Any) -> LogStorage:
    """Return ``storage`` if it is a LogStorage, or an adapter if it has only single calls, without reading it.

    Raises TypeError as ``check_log_storage`` does, which also checks the contents of the storage.
    """
    name = type(storage).__name__
    _must_define(storage, _READS, f"{name} is not a Storage")
    if any(callable(getattr(storage, each, None)) for each in ("save", "sync")):
        _must_define(storage, _WRITES, f"{name} is not a LogStorage")
        _must_not_inherit(storage)
        return storage  # type: ignore[no-any-return]
    if single_calls.has_single_calls(storage):
        return SingleCalls(storage)
    raise TypeError(
        f"{name} cannot be written to: it needs save() and sync() (see LogStorage), "
        "or append(), set_hard_state() and apply_snapshot()"
    )


def _must_define(storage: Any, names: tuple[str, ...], what: str) -> None:
    missing = [f"{each}()" for each in names if not callable(getattr(storage, each, None))]
    if missing:
        raise TypeError(f"{what}: it has no {', '.join(missing)}")
    for each in names:
        refuse_coroutine(storage, each)


def _must_not_inherit(storage: Any) -> None:
    """Refuse a subclass of MemoryStorage that overrides single calls but not ``save``.

    The inherited ``save`` calls them one after the other, so a crash in between would leave a part of the Ready.
    """
    if not isinstance(storage, MemoryStorage) or _overrides(storage, "save"):
        return
    for each in single_calls.NAMES:
        if _overrides(storage, each):
            raise TypeError(
                f"{type(storage).__name__} overrides {each}() and inherits save(), which calls it without being "
                "atomic: override save() too"
            )


def _overrides(storage: Any, method: str) -> bool:
    return getattr(type(storage), method) is not getattr(MemoryStorage, method)


def _check_start(log: LogStorage, applied: int) -> None:
    """Raise Contradiction or StorageFailed if a node must not start from this storage."""
    hard_state, members = _ask(log, "initial_state", check_initial_state)
    first = _ask(log, "first_index", _number)
    last = _ask(log, "last_index", _number)
    if first == 0 or last < first - 1:
        raise Contradiction(f"a log cannot begin at the index {first} and end at {last}")
    base = first - 1
    term = _ask(log, "term", _number, last)
    if isinstance(log, SingleCalls) and last > base and (hard_state is None or term > hard_state.term):
        commit = base if hard_state is None else hard_state.commit
        hard_state = HardState(term=term, vote=0, commit=commit)
        _ask(log, "save", _nothing, hard_state, None, None)
    check_hard_state(hard_state, base, last, term)
    check_members(members)
    if base > 0 and not members.voters:
        raise without_voters(base)
    try:
        newest = _ask(log, "snapshot", _snapshot).metadata.index
    except SnapshotTemporarilyUnavailable:
        return
    if base > newest and base > applied:
        raise Contradiction(
            f"the log begins after {base}, but the newest snapshot ends at {newest} and only {applied} is applied: "
            "what was compacted in between is lost"
        )


def _ask(log: LogStorage, method: str, checked: Callable[[Any], Any], *arguments: Any) -> Any:
    """Call a method of the storage and return its checked result. Raises StorageFailed if either fails."""
    try:
        return checked(getattr(log, method)(*arguments))
    except Exception as error:
        if method == "snapshot" and isinstance(error, SnapshotTemporarilyUnavailable):
            raise
        raise StorageFailed(f"the storage failed in {method}(): {error!r}") from error


def _number(answer: Any) -> int:
    return u64(answer, "the answer")


def _nothing(answer: Any) -> None:
    refuse_awaitable(answer, "save")


def _snapshot(answer: Any) -> Any:
    return instance(answer, Snapshot, "the answer")
