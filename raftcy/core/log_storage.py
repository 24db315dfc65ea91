"""Where a log is written: the protocol that whoever drives a node relies on, and what keeps to it.

Raft only reads a storage; its driver writes. What one Ready holds belongs together: a hard state without its entries,
or a snapshot without its hard state, is a storage from which no node can start, or one that has forgotten a vote. So a
LogStorage takes the three parts in one call, and keeps all of them or none.
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
from .storage import MemoryStorage, Storage, check_hard_state, without_voters

_READS = ("initial_state", "entries", "term", "first_index", "last_index", "snapshot")
_WRITES = ("save", "sync", "create_snapshot", "compact", "close")


@runtime_checkable
class LogStorage(Storage, Protocol):
    """A Storage with its write half. One driver owns it; raft reads it while the driver runs.

    ``save``, ``create_snapshot`` and ``compact`` take effect at once for whoever reads, and are durable with the next
    ``sync``. After a crash the storage is as after one of these calls: all before it are there whole, all after it are
    gone, and nothing that was synced is missing. What a storage finds when it is opened, it makes durable before it
    answers: a write that was not synced may be in memory only. Arguments are checked first, so a call that raises
    because of them has changed nothing. After any other error, of the disk for example, the storage must take nothing
    more until it is opened anew: what was half written is not known.

    Snapshots are kept by value or by reference: raft and the storage never look into ``Snapshot.data``, which is the
    state itself or the name of a body that lies elsewhere, such as a file and its checksum. By reference, the body is
    durable before the snapshot is given to ``save`` or ``create_snapshot``, and its owner removes it only after a newer
    snapshot is synced. The storage removes no body.

    ``raftcy.rafttest.storage_suite`` checks an implementation.
    """

    def save(self, hard_state: HardState | None, entries: list[Entry] | None, snapshot: Snapshot | None) -> None:
        """Stage what one Ready holds: all of it, or nothing. Each part may be None, and ``entries`` empty.

        A snapshot replaces the log, ``entries`` follow it; without one they replace what is stored from the index of
        the first one on. Those at or below the index before the log are skipped. The hard state replaces the stored
        one. Raises SnapshotOutOfDate for a snapshot that is not newer than the present one (a present one of index 0
        may be replaced by another), and an error of its choice for entries that leave a gap.
        """

    def sync(self) -> None:
        """Make durable whatever was staged here. Groups that share a log may all stage first; one sync serves all."""

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """Make, stage and return a snapshot of the state up to the entry ``i``, which the log keeps.

        ``cs`` are the members as of ``i``, None if they are those of the present snapshot; ``data`` is the state or a
        reference to it. The term is the entry's. Raises SnapshotOutOfDate if the present snapshot is as new, and an
        error of its choice if ``i`` is beyond the last index or the snapshot would have no voters.
        """

    def compact(self, compact_index: int) -> None:
        """Drop the entries up to this index, whose term stays known.

        Raises Compacted below the first index, and an error of its choice beyond the last one. A driver does not go
        beyond the newest snapshot: see ``compact_log``.
        """

    def close(self) -> None:
        """Release files and locks. What was saved and not synced may be lost; what was synced never is."""


def save_ready(storage: LogStorage, ready: Ready) -> None:
    """Save what a Ready holds, and sync if it must be: what a loop written out does before it sends and applies.

    The same as ``storage.save(ready.hard_state, ready.entries, ready.snapshot)``, then ``storage.sync()`` if
    ``ready.must_sync``. Raises what these raise; StorageFailed if one of them returns something to await.
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
    """Drop the entries up to this index, as long as the newest snapshot has them.

    Raises Contradiction beyond the newest snapshot, where a restart would find the entries neither in the log nor in a
    snapshot, and a slow follower could never be caught up. MemoryStorage itself takes any index, as etcd's does: an
    application with a state of its own on disk may know better. Raises SnapshotTemporarilyUnavailable if the storage
    has no snapshot to give now, and what ``storage.compact`` raises.
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
    """What a driver writes to: ``storage`` itself if it is a LogStorage, else an adapter to its single calls.

    Called before the node is made, whose Config gets the result; ``applied`` is ``Config.applied``. Raises

    - TypeError for a storage that is neither, that misses or inherits what it has to define, or that defines a
      coroutine function: raft and its drivers call a storage and never wait for it.
    - Contradiction for a storage from which a node must not start: entries or a snapshot of a later term than the hard
      state's, a commit index outside the log, a log that begins after its snapshot and ``applied``, a snapshot without
      voters.
    - StorageFailed if reading it fails, or gives something that is no answer.
    """
    log = writable_log(storage)
    _check_start(log, u64(applied, "applied"))
    return log


def writable_log(storage: Any) -> LogStorage:
    """``storage`` if it is a LogStorage, else an adapter to its single calls, by what it defines; nothing is read.

    Raises TypeError as ``check_log_storage`` does, which also judges what the storage holds.
    """
    name = type(storage).__name__
    _must_define(storage, _READS, f"{name} is no Storage")
    if any(callable(getattr(storage, each, None)) for each in ("save", "sync")):
        _must_define(storage, _WRITES, f"{name} is no LogStorage")
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
    """A subclass of MemoryStorage that writes elsewhere by single calls has to say how it writes them together."""
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
    """Raise what speaks against a node that starts from this storage."""
    hard_state, members = _ask(log, "initial_state", _initial_state)
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
    """The storage's answer, checked; StorageFailed if it has none."""
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


def _initial_state(answer: Any) -> tuple[HardState | None, ConfState]:
    hard_state, members = answer
    if hard_state is not None:
        instance(hard_state, HardState, "the hard state")
    return hard_state, instance(members, ConfState, "the members")
