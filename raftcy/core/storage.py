"""Where raft reads its log from: the protocol, and a storage in memory.

Owns what is durable, as far as memory is: the hard state, one snapshot, and the entries after the last compaction.
Never decides what to write: the application writes what a Ready tells it.

Invariants of MemoryStorage:

- The entry at (``_index``, ``_term``) is the one before the first entry; only these two numbers of it are known.
- ``_log[_head + n]`` is the entry of index ``_index + 1 + n``; places before ``_head`` are None. So compaction costs no
  more than the entries that it drops, and reading an entry is one step.
- Indexes end at 2**64-2, so that the index after the last one is still a number.
"""

from typing import Any, Protocol, runtime_checkable

from ..errors import Compacted, InvariantError, RangeError, SnapshotOutOfDate, Unavailable
from ..wire import blank, immutable
from ..wire import consts as k
from ..wire.checks import instance, octets, u64
from ..wire.messages import ConfState, Entry, HardState, Snapshot, SnapshotMetadata
from .droplist import drop_oldest
from .entries import fitting
from .ready import Ready


@runtime_checkable
class Storage(Protocol):
    """What raft reads, and never writes (etcd's ``raft.Storage``). The application writes what each Ready holds.

    Raft calls these methods from within ``RawNode`` and ``Node``, so they must not call back into either. Whatever else
    than the errors named here they raise ends the node with StorageFailed. Entries and snapshots are immutable and
    shared. ``raftcy.rafttest.storage_suite`` checks an implementation.
    """

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """The stored hard state, None if there is none yet, and the members as of the snapshot; read once at start."""

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """The entries of the indexes ``lo`` to ``hi`` - 1, in a new list that the caller may change.

        It may end early so that the encoded sizes sum up to at most ``max_size`` bytes, but holds at least one entry.
        Raises Compacted if ``lo`` was compacted away, Unavailable if an entry is not there.
        """

    def term(self, i: int) -> int:
        """The term of the entry ``i``, of ``first_index()`` - 1 to ``last_index()``.

        The term of the entry before the first one stays known after it was compacted away. Raises Compacted below
        that, Unavailable above the last index.
        """

    def first_index(self) -> int:
        """The index of the first entry that ``entries`` can give: the one after the last compaction or snapshot."""

    def last_index(self) -> int:
        """The index of the last entry; of the entry before the first one if there is none."""

    def snapshot(self) -> Snapshot:
        """The newest snapshot, with complete metadata; of index 0 if there is none.

        Raises SnapshotTemporarilyUnavailable if it has to be made first; raft then asks again later.
        """


class MemoryStorage:
    """A Storage in memory (etcd's ``raft.MemoryStorage``): for tests, or in front of a log on disk.

    It has one owner: unlike etcd's it has no lock, and must not be used from two threads at once. A subclass may
    override any method and raft will call that, at the price of a Python call for each read.

    Arguments are checked before anything changes: TypeError for a wrong type, RangeError for a number that is no index.
    What the reference panics at is an InvariantError with its text.
    """

    __slots__ = ("_hard_state", "_head", "_index", "_log", "_snapshot", "_term")

    def __init__(self) -> None:
        self._hard_state: HardState | None = None
        self._snapshot: Snapshot = _complete(Snapshot())
        self._index = 0
        self._term = 0
        self._log: list[Any] = []
        self._head = 0

    # -- reading -------------------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """The hard state as it was set, None if it never was, and the members as of the snapshot."""
        return self._hard_state, self._snapshot.metadata.conf_state

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """The entries of ``lo`` to ``hi`` - 1, as many as fit into ``max_size`` encoded bytes, but at least one.

        Raises Compacted if ``lo`` is below the first index, Unavailable if the storage has no entries at all, and
        InvariantError if ``hi`` is beyond the last index + 1 or below ``lo``.
        """
        return self._entries(u64(lo, "lo"), u64(hi, "hi"), u64(max_size, "max_size"))

    def term(self, i: int) -> int:
        """The term of the entry ``i``; Compacted before ``first_index()`` - 1, Unavailable above ``last_index()``."""
        return self._term_at(u64(i, "i"))

    def first_index(self) -> int:
        """The index after that of the last compaction or applied snapshot; 1 at the start."""
        return self._index + 1

    def last_index(self) -> int:
        """The index of the last entry, or of the last compaction or applied snapshot."""
        return self._index + len(self._log) - self._head

    def snapshot(self) -> Snapshot:
        """The snapshot that was applied or created last."""
        return self._snapshot

    def _entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        if lo <= self._index:
            raise Compacted()
        last = self.last_index()
        if hi > last + 1:
            raise InvariantError(f"entries' hi({hi}) is out of bound lastindex({last})")
        if last == self._index:
            raise Unavailable()
        if lo > hi:
            raise InvariantError(f"invalid slice {lo} > {hi}")
        at = self._head + (lo - self._index - 1)
        end = at + (hi - lo)
        return self._log[at : fitting(self._log, at, end, max_size)]

    def _term_at(self, i: int) -> int:
        if i == self._index:
            return self._term
        if i < self._index:
            raise Compacted()
        if i > self.last_index():
            raise Unavailable()
        e = self._log[self._head + (i - self._index - 1)]
        return e.term  # type: ignore[no-any-return]

    # -- writing -------------------------------------------------------------------------------------------------

    def save(self, ready: Ready) -> None:
        """Store all that a Ready wants stored: its hard state, its snapshot, its entries.

        Raises what ``apply_snapshot`` and ``append`` raise, and TypeError for what is no Ready.
        """
        instance(ready, Ready, "ready")
        rd = ready
        if rd.hard_state is not None:
            self.set_hard_state(rd.hard_state)
        if rd.snapshot is not None:
            self.apply_snapshot(rd.snapshot)
        if rd._entries is not None:
            self.append(rd._entries)

    def set_hard_state(self, st: HardState | None) -> None:
        """Store the hard state; None forgets it."""
        if st is not None and not isinstance(st, HardState):
            instance(st, HardState, "st")
        self._hard_state = st

    def append(self, entries: list[Entry]) -> None:
        """Store entries with consecutive indexes; what was stored from the first one's index on is cut off.

        Those below the first index are skipped. Raises InvariantError if an index is missing between the last stored
        entry and these, or among these.
        """
        new = _consecutive(entries)
        if not new:
            return
        first = new[0]
        skip = 0
        if first.index <= self._index:
            if new[-1].index <= self._index:
                return
            skip = self._index + 1 - first.index
        keep = first.index + skip - (self._index + 1)
        stored = len(self._log) - self._head
        if keep > stored:
            raise InvariantError(f"missing log entry [last: {self.last_index()}, append at: {first.index}]")
        if keep < stored:
            del self._log[self._head + keep :]
        if len(new) == 1:
            self._log.append(new[0])
        else:
            self._log.extend(new[skip:] if skip else new)

    def apply_snapshot(self, snap: Snapshot) -> None:
        """Replace everything but the hard state by a snapshot.

        What its metadata lacks is filled in. Raises SnapshotOutOfDate unless it is newer than the present one, or that
        one has index 0, as when only the members were set so far; RangeError for an index of 2**64-1.
        """
        instance(snap, Snapshot, "snap")
        metadata = snap.metadata
        if metadata.index == k.NO_LIMIT:
            raise RangeError(f"a snapshot's index must be at most 2**64-2, not {metadata.index}")
        present = self._snapshot.metadata.index
        if present != 0 and present >= metadata.index:
            raise SnapshotOutOfDate()
        self._snapshot = _complete(snap)
        self._index = metadata.index
        self._term = metadata.term
        self._log = []
        self._head = 0

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """Make, keep and return a snapshot of the state up to the entry ``i``. No entries go: see ``compact``.

        ``cs`` is what the last ``apply_conf_change`` up to ``i`` returned; None if the members are those of the present
        snapshot. ``data`` is the application's state, None for none. Raises SnapshotOutOfDate if the present snapshot
        is as new, Compacted if the term of ``i`` is no longer known, InvariantError if ``i`` is beyond the last index.
        """
        index = u64(i, "i")
        if cs is not None:
            instance(cs, ConfState, "cs")
        content = octets(data, "data") if data is not None else None
        if index <= self._snapshot.metadata.index:
            raise SnapshotOutOfDate()
        last = self.last_index()
        if index > last:
            raise InvariantError(f"snapshot {index} is out of bound lastindex({last})")
        members = self._snapshot.metadata.conf_state if cs is None else cs
        metadata = SnapshotMetadata(conf_state=members, index=index, term=self._term_at(index))
        self._snapshot = _complete(Snapshot(data=content, metadata=metadata))
        return self._snapshot

    def compact(self, compact_index: int) -> None:
        """Drop the entries up to this index, whose term stays known. Only what is applied may be dropped.

        The cost is that of the entries that go, however many stay. Raises Compacted if the index is below the
        first one, InvariantError if it is beyond the last one.
        """
        index = u64(compact_index, "compact_index")
        if index <= self._index:
            raise Compacted()
        last = self.last_index()
        if index > last:
            raise InvariantError(f"compact {index} is out of bound lastindex({last})")
        term = self._term_at(index)
        self._head = drop_oldest(self._log, self._head, index - self._index)
        self._index = index
        self._term = term

    # -- as an object --------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"<{name} entries {self._index + 1} to {self.last_index()}, snapshot {self._snapshot.metadata.index}>"

    def __reduce__(self) -> Any:
        state = (self._hard_state, self._snapshot, self._index, self._term, self._log[self._head :])
        return _restored, (type(self), *state), getattr(self, "__dict__", None) or None


def _restored(cls: Any, hard_state: Any, snapshot: Snapshot, index: int, term: int, log: list[Entry]) -> MemoryStorage:
    """What pickles of either build call."""
    storage: MemoryStorage = cls.__new__(cls)
    MemoryStorage.__init__(storage)
    _refill(storage, hard_state, snapshot, index, term, log)
    return storage


def _refill(
    storage: MemoryStorage, hard_state: Any, snapshot: Snapshot, index: int, term: int, log: list[Entry]
) -> None:
    storage._hard_state = hard_state
    storage._snapshot = snapshot
    storage._index = index
    storage._term = term
    storage._log = log


def _consecutive(entries: Any) -> list[Entry]:
    """The entries as a list, each index one more than the one before."""
    new = entries if type(entries) is list else list(entries)
    for item in new:
        if not isinstance(item, Entry):
            instance(item, Entry, "an item of entries")
    last = 0
    for place in range(len(new)):
        e = new[place]
        if place > 0 and e.index != last + 1:
            raise InvariantError(f"missing log entry [last: {last}, append at: {e.index}]")
        last = e.index
    if last == k.NO_LIMIT:
        raise RangeError(f"an entry's index must be at most 2**64-2, not {last}")
    return new


def _complete(snapshot: Any) -> Snapshot:
    """The snapshot with all of its metadata present (etcd's ``EnsureSnapshot``); itself if it has them already."""
    given = snapshot._metadata
    if given is not None and given._present == k.D_ALL and given._conf_state._present & k.C_AUTO_LEAVE:
        return snapshot  # type: ignore[no-any-return]
    s = blank.snapshot()
    s.data = snapshot.data
    s._metadata = _complete_metadata(snapshot.metadata)
    s._present = snapshot._present | k.S_METADATA
    s._unknown = snapshot._unknown
    immutable.freeze(s)
    return s


def _complete_metadata(metadata: Any) -> SnapshotMetadata:
    d = blank.metadata()
    d._conf_state = _complete_conf_state(metadata.conf_state)
    d.index = metadata.index
    d.term = metadata.term
    d._present = k.D_ALL
    d._unknown = metadata._unknown
    immutable.freeze(d)
    return d


def _complete_conf_state(conf_state: Any) -> ConfState:
    if conf_state._present & k.C_AUTO_LEAVE:
        return conf_state  # type: ignore[no-any-return]
    c = blank.conf_state()
    c._voters = conf_state._voters
    c._learners = conf_state._learners
    c._voters_outgoing = conf_state._voters_outgoing
    c._learners_next = conf_state._learners_next
    c._present = k.C_AUTO_LEAVE
    c._unknown = conf_state._unknown
    immutable.freeze(c)
    return c
