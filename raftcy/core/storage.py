"""Storage, the protocol by which raft reads its log, and MemoryStorage, which keeps a log in memory.

MemoryStorage holds the hard state, one snapshot, and the entries after the last compaction. It never decides what to
write: the driver of a node saves the contents of each Ready (``log_storage``).

Invariants of MemoryStorage:

- (``_index``, ``_term``) is the entry before the first one. Nothing else of that entry is known.
- ``_log[_head + n]`` is the entry with index ``_index + 1 + n``, and places before ``_head`` are None. So a compaction
  costs no more than the entries that it drops, and an entry is found in one step.
- No index exceeds 2**64-2, so that the index after the last one is still a 64-bit number.
"""

from typing import Any, Protocol, runtime_checkable

from ..errors import Compacted, Contradiction, InvariantError, RangeError, SnapshotOutOfDate, Unavailable
from ..wire import blank, immutable
from ..wire import consts as k
from ..wire.checks import instance, octets, u64
from ..wire.kinds import is_local_msg_target
from ..wire.messages import ConfState, Entry, HardState, Snapshot, SnapshotMetadata
from ..wire.whole import begin_whole
from .droplist import drop_oldest
from .entries import fitting
from .ready import Ready


@runtime_checkable
class Storage(Protocol):
    """The storage as raft reads it (etcd's ``raft.Storage``). Raft never writes; ``LogStorage`` adds the write half.

    ``RawNode`` and ``Node`` call these methods, so they must not call back into either. If a method raises an error
    that its docstring does not name, the node dies of StorageFailed. Entries and snapshots are immutable, and may be
    shared.
    """

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """Return the stored hard state, or None, and the members as of the snapshot. Called once, at the start."""

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Return the entries ``lo`` to ``hi`` - 1, in a new list that the caller may change.

        The list may end early, so that its entries have at most ``max_size`` encoded bytes, but it has at least one.
        Raises Compacted if entry ``lo`` is compacted, and Unavailable if an entry is missing.
        """

    def term(self, i: int) -> int:
        """Return the term of entry ``i``, from ``first_index()`` - 1 to ``last_index()``.

        A storage remembers the term of the entry before its first one, although that entry is compacted: raft needs it
        to check that an append follows. Raises Compacted below ``first_index()`` - 1 and Unavailable above
        ``last_index()``.
        """

    def first_index(self) -> int:
        """Return the index of the first entry that ``entries`` can return, after the last compaction or snapshot."""

    def last_index(self) -> int:
        """Return the index of the last entry, or ``first_index()`` - 1 if the log is empty."""

    def snapshot(self) -> Snapshot:
        """Return the newest snapshot, with complete metadata. Its index is 0 if there has been none.

        Raises SnapshotTemporarilyUnavailable while the storage prepares one; raft then asks again later.
        """


class MemoryStorage:
    """A LogStorage in memory (etcd's ``raft.MemoryStorage``): for tests, or in front of a log on disk.

    Unlike etcd's it has no lock, so only one thread may use it at a time. A subclass may override any method; raft then
    calls the subclass, at the price of a Python call per read.

    ``save`` follows the contract of LogStorage. ``set_hard_state``, ``append`` and ``apply_snapshot`` are etcd's single
    calls: each checks its own argument, but not whether the parts fit together. ``compact`` likewise accepts any index
    in the log.

    Arguments are checked before anything changes: TypeError for a wrong type, RangeError for a number that cannot be an
    index. Where etcd panics, InvariantError is raised with etcd's text.
    """

    __slots__ = ("_hard_state", "_head", "_index", "_log", "_snapshot", "_term")

    # Before any ``__init__``, so that a subclass without a call of it is an empty storage too.
    def __cinit__(self) -> None:
        self._hard_state: HardState | None = None
        self._snapshot: Snapshot = complete_snapshot(Snapshot())
        self._index = 0
        self._term = 0
        self._log: list[Any] = []
        self._head = 0

    def __init__(self) -> None:
        """Nothing is left to do: the storage is empty."""

    # -- reading -------------------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """Return the hard state, or None if it was never set, and the members as of the snapshot."""
        return self._hard_state, self._snapshot.metadata.conf_state

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Return the entries ``lo`` to ``hi`` - 1, as many as fit into ``max_size`` encoded bytes, but at least one.

        Raises Compacted if ``lo`` is below the first index, Unavailable if the storage has no entries at all, and
        InvariantError if ``hi`` exceeds the last index + 1 or is below ``lo``.
        """
        return self._entries(u64(lo, "lo"), u64(hi, "hi"), u64(max_size, "max_size"))

    def term(self, i: int) -> int:
        """Return the term of entry ``i``. Raises Compacted below ``first_index()`` - 1, Unavailable beyond the log."""
        return self._term_at(u64(i, "i"))

    def first_index(self) -> int:
        """Return the index after the last compaction or applied snapshot; 1 at first."""
        return self._index + 1

    def last_index(self) -> int:
        """Return the index of the last entry, or of the last compaction or applied snapshot if no entry follows."""
        return self._index + len(self._log) - self._head

    def snapshot(self) -> Snapshot:
        """Return the snapshot that was applied or created last."""
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

    def save(self, hard_state: HardState | None, entries: list[Entry] | None, snapshot: Snapshot | None) -> None:
        """Store the contents of one Ready: all of them, or nothing if it raises. See LogStorage.

        Raises what the single calls raise, and Contradiction if a node could not, or should not, start from the result:
        a snapshot without voters, an entry or a snapshot with a later term than the hard state's, a commit index
        outside the log, a term that falls, a vote that changes within its term.

        On a subclass this calls ``apply_snapshot``, ``append`` and ``set_hard_state`` in that order, after the checks.
        """
        if hard_state is not None and not isinstance(hard_state, HardState):
            instance(hard_state, HardState, "hard_state")
        if snapshot is not None and not isinstance(snapshot, Snapshot):
            instance(snapshot, Snapshot, "snapshot")
        new = consecutive(entries) if entries is not None else None
        if type(self) is MemoryStorage:
            self._store(hard_state, new, snapshot)
            return
        self._check_save(hard_state, new, snapshot)
        if snapshot is not None:
            self.apply_snapshot(snapshot)
        if new is not None:
            self.append(new)
        if hard_state is not None:
            self.set_hard_state(hard_state)

    def _store(self, hard_state: HardState | None, new: list[Entry] | None, snapshot: Snapshot | None) -> None:
        """Do ``save`` for a plain MemoryStorage. The types are checked, and the entries' indexes are consecutive."""
        if snapshot is not None:
            self._check_save(hard_state, new, snapshot)
            self._begin_with(snapshot)
        elif not self._follows(hard_state, new):
            self._check_save(hard_state, new, snapshot)
        if new is not None:
            self._put(new)
        if hard_state is not None:
            self._hard_state = hard_state

    def _save_ready(self, rd: Ready) -> None:
        """Save the parts of a Ready that a node has just made. Only for a storage whose type is MemoryStorage."""
        self._store(rd.hard_state, None if rd._entries is None else _in_order(rd._entries), rd.snapshot)

    def sync(self) -> None:
        """Do nothing. Memory gets no more durable."""

    def close(self) -> None:
        """Do nothing. The storage can still be used."""

    def _follows(self, hard_state: HardState | None, new: list[Entry] | None) -> bool:
        """Whether both can be stored, by a quick test that passes in nearly all cases; else ask ``_check_save``."""
        before = self._hard_state
        if before is None:
            return False
        last = self._index + len(self._log) - self._head
        term = before.term
        commit = before.commit
        if hard_state is not None:
            commit = hard_state.commit
            if hard_state.term != term:
                if hard_state.term < term:
                    return False
                term = hard_state.term
            elif hard_state.vote != before.vote and before.vote != 0:
                return False
        if new is not None and len(new) > 0:
            first = new[0]
            end = first if len(new) == 1 else new[len(new) - 1]
            if first.index <= self._index or first.index > last + 1 or end.term > term:
                return False
            last = end.index
        elif last > self._index:
            end = self._log[len(self._log) - 1]
            if end.term > term:
                return False
        elif self._term > term:
            return False
        return self._index <= commit <= last

    def _check_save(self, hard_state: HardState | None, new: list[Entry] | None, snapshot: Snapshot | None) -> None:
        """Raise the error for storing these three together, if they do not fit."""
        base = self._index
        last = base + len(self._log) - self._head
        term = self._term
        if snapshot is not None:
            self._check_newer(snapshot)
            metadata = snapshot.metadata
            base = last = metadata.index
            term = metadata.term
            if base > 0 and not metadata.conf_state.voters:
                raise without_voters(base)
        elif last > base:
            end = self._log[len(self._log) - 1]
            term = end.term
        if new is not None and len(new) > 0:
            end = new[len(new) - 1]
            if end.index > base:
                first = new[0]
                if first.index > last + 1:
                    raise InvariantError(f"missing log entry [last: {last}, append at: {first.index}]")
                last = end.index
                term = end.term
        before = self._hard_state
        if before is not None and hard_state is not None:
            check_successor(before, hard_state)
        check_hard_state(before if hard_state is None else hard_state, base, last, term)

    def _check_newer(self, snap: Snapshot) -> None:
        metadata = snap.metadata
        index = metadata.index
        if index == k.NO_LIMIT:
            raise RangeError(f"a snapshot's index must be at most 2**64-2, not {index}")
        present = self._snapshot.metadata.index
        if present != 0 and present >= index:
            raise SnapshotOutOfDate()
        check_members(metadata.conf_state)

    def set_hard_state(self, st: HardState | None) -> None:
        """Store the hard state (etcd's ``SetHardState``). None removes it."""
        if st is not None and not isinstance(st, HardState):
            instance(st, HardState, "st")
        self._hard_state = st

    def append(self, entries: list[Entry]) -> None:
        """Store entries with consecutive indexes; they replace the log from their first index on (etcd's ``Append``).

        Entries that are compacted already are skipped. Raises InvariantError if an index is missing among the entries,
        or between the end of the log and them.
        """
        self._put(consecutive(entries))

    def _put(self, new: list[Entry]) -> None:
        """Append entries whose indexes are known to be consecutive."""
        if len(new) == 0:
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
        """Replace log and snapshot by ``snap``, and keep the hard state (etcd's ``ApplySnapshot``).

        Absent fields of its metadata are filled in. Raises SnapshotOutOfDate if the current snapshot is as new; one of
        index 0, which may have set the first members, can always be replaced. Raises RangeError for index 2**64-1.
        """
        instance(snap, Snapshot, "snap")
        self._check_newer(snap)
        self._begin_with(snap)

    def _begin_with(self, snap: Snapshot) -> None:
        metadata = snap.metadata
        self._snapshot = complete_snapshot(snap)
        self._index = metadata.index
        self._term = metadata.term
        self._log = []
        self._head = 0

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """Create, store and return a snapshot of the state up to entry ``i`` (etcd's ``CreateSnapshot``).

        ``cs`` is the result of the last ``apply_conf_change`` up to ``i``, or None if the members are those of the
        current snapshot. ``data`` is the application's state or a reference to it (see LogStorage), or None. The log
        keeps its entries; ``compact`` drops them.

        Raises SnapshotOutOfDate if the current snapshot is as new, Compacted if the term of ``i`` is no longer known,
        InvariantError if ``i`` is beyond the last index, and Contradiction if the snapshot would have no voters. A node
        that starts from such a snapshot never gets a leader, because the changes that added its members are compacted.
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
        term = self._term_at(index)
        if not members.voters:
            raise without_voters(index)
        check_members(members)
        metadata = SnapshotMetadata(conf_state=members, index=index, term=term)
        self._snapshot = complete_snapshot(Snapshot(data=content, metadata=metadata))
        return self._snapshot

    def compact(self, compact_index: int) -> None:
        """Drop the entries up to ``compact_index``, and remember the last one's term (etcd's ``Compact``).

        Takes time for the dropped entries only, however many remain. Raises Compacted if the index is below the first
        one, and InvariantError if it is beyond the last one. As in etcd's raft, it may be beyond the newest snapshot,
        but a restart and slow followers need those entries: ``raftcy.compact_log`` keeps them.
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


def check_initial_state(answer: Any) -> tuple[HardState | None, ConfState]:
    """Return what a storage's ``initial_state`` answered. Raises TypeError if that is no answer."""
    if not isinstance(answer, tuple) or len(answer) != 2:
        raise TypeError(f"initial_state() must return a hard state and the members, not {answer!r}")
    if answer[0] is not None:
        instance(answer[0], HardState, "the hard state")
    instance(answer[1], ConfState, "the members")
    return answer


def check_hard_state(state: HardState | None, base: int, last: int, term: int) -> None:
    """Raise Contradiction unless the log fits the hard state ``state``.

    The log ends at index ``last`` with ``term``, and ``base`` is the index before its first entry. Without a hard
    state, or with an empty one, the log may have no entries, and its snapshot a term of at most 1, as when an
    application creates the first one itself.
    """
    if state is None or (state.term == 0 and state.commit == 0 and state.vote == 0):
        if last > base or term > 1:
            raise _newer_than(last, term, "there is no hard state")
        return
    if term > state.term:
        raise _newer_than(last, term, f"the hard state is of term {state.term}")
    if state.commit < base:
        raise Contradiction(
            f"the commit index {state.commit} of the hard state lies before the snapshot or compaction at {base}: "
            "a snapshot and the hard state of the same Ready must be saved together"
        )
    if state.commit > last:
        raise Contradiction(
            f"the commit index {state.commit} of the hard state lies beyond the last entry {last}: "
            "entries and the hard state of the same Ready must be saved together"
        )


def check_successor(before: HardState, after: HardState) -> None:
    """Raise Contradiction if hard state ``after`` revokes the term or the vote of ``before``."""
    if after.term < before.term:
        raise Contradiction(f"the term of the hard state must not fall from {before.term} to {after.term}")
    if after.term == before.term and before.vote != 0 and after.vote != before.vote:
        raise Contradiction(
            f"the vote of term {after.term} was given to {before.vote:x} and must not change to {after.vote:x}"
        )


def check_members(members: ConfState) -> None:
    """Raise Contradiction if the id of a storage thread is among the members."""
    for id in members.voters + members.learners + members.voters_outgoing + members.learners_next:
        if is_local_msg_target(id):
            raise Contradiction(f"{id} cannot be a member: messages to it are for a storage thread")


def without_voters(index: int) -> Contradiction:
    """Return the error for a snapshot at ``index`` without voters."""
    return Contradiction(
        f"a snapshot at {index} without voters: no node that starts from it could ever have a leader. "
        "Give it the ConfState that the last apply_conf_change up to there returned"
    )


def _newer_than(last: int, term: int, but: str) -> Contradiction:
    return Contradiction(
        f"the log ends at {last} with term {term}, but {but}: a vote of a term up to {term} may be lost. "
        "Entries, snapshot and hard state of the same Ready must be saved together"
    )


def _restored(cls: Any, hard_state: Any, snapshot: Snapshot, index: int, term: int, log: list[Entry]) -> MemoryStorage:
    """Unpickle a storage. Pickles of both builds name this function."""
    storage: MemoryStorage = cls.__new__(cls)
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


def consecutive(entries: Any) -> list[Entry]:
    """Return the entries as a list, after checking that they are entries in order (``_in_order``)."""
    new = entries if type(entries) is list else list(entries)
    for item in new:
        if type(item) is not Entry:
            instance(item, Entry, "an item of entries")
    return _in_order(new)


def _in_order(new: list[Entry]) -> list[Entry]:
    """Return the list, after checking that each index is one more than the one before."""
    if not new:
        return new
    e = new[0]
    last = e.index - 1
    for e in new:
        if e.index != last + 1:
            raise InvariantError(f"missing log entry [last: {last}, append at: {e.index}]")
        last = e.index
    if last == k.NO_LIMIT:
        raise RangeError(f"an entry's index must be at most 2**64-2, not {last}")
    return new


def complete_snapshot(snapshot: Any) -> Snapshot:
    """Return the snapshot with all metadata fields present, itself if they are already (etcd's ``EnsureSnapshot``)."""
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


begin_whole(MemoryStorage)
