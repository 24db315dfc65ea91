"""The log of one node: the entries in the storage, followed by the unstable ones (etcd's ``raftLog``).

Rules:

- applied <= applying <= committed. The application has applied entries up to ``applied`` and received them up to
  ``applying``; a quorum has stored them up to ``committed``. None of the three ever falls.
- committed <= last index, except while bootstrapping.
- Entries are handed out up to ``committed``; unless the caller allows unstable ones, only as far as the storage has
  them. None are handed out while a snapshot waits to be stored, because they follow it.
- At most about ``max_applying_size`` encoded bytes may be handed out and unapplied. The entry that crosses the limit is
  still handed out, and then the log pauses.
- ``_last`` and ``_last_term`` are the end of the log, and this module never asks the storage for its last index again.
  So a storage must keep everything that it was given.
- This module only reads the storage. If a read raises anything but ``Compacted`` or ``Unavailable``, the node dies.
- The calls to the storage do not depend on the logger's level. Otherwise a recorded run could not be replayed with
  another logger.
"""

from typing import Any

from ..errors import Compacted, RaftError, RangeError, SnapshotTemporarilyUnavailable, StorageFailed, Unavailable
from ..wire import consts as k
from ..wire.checks import instance, u64
from ..wire.messages import ConfState, Entry, HardState, Snapshot
from ..wire.whole import has_one_owner, keep_whole
from . import hints
from .entries import entries_size
from .logger import Log
from .storage import MemoryStorage, check_initial_state
from .unstable import Unstable


class RaftLog:
    """The log of one node. Raft creates it.

    All reads of the storage go through the methods below that start with ``_storage``, and ``snapshot``. They take a
    short cut for a plain MemoryStorage, which the compiled build runs at C speed.
    """

    __slots__ = (
        "_last",
        "_last_term",
        "_memory",
        "applied",
        "applying",
        "applying_paused",
        "applying_size",
        "committed",
        "log",
        "max_applying_size",
        "offer",
        "storage",
        "unstable",
    )

    def __init__(self, storage: Any, log: Log, max_applying_size: int) -> None:
        self.storage = storage
        self._memory = storage if type(storage) is MemoryStorage else None
        self.log = log
        first = self._storage_first()
        last = self._storage_last()
        if last + 1 < first:
            raise StorageFailed(f"the storage failed: a log cannot begin at the index {first} and end at {last}")
        self.unstable = Unstable(last + 1, log)
        self._last = last
        self._last_term = self._first_known_term(last)
        self.committed = first - 1
        self.applying = first - 1
        self.applied = first - 1
        self.max_applying_size = max_applying_size
        self.applying_size = 0
        self.applying_paused = False
        # Called instead of the storage's ``snapshot``, if the application can create a snapshot on demand.
        self.offer: Any = None

    def __str__(self) -> str:
        u = self.unstable
        return (
            f"committed={self.committed}, applied={self.applied}, applying={self.applying}, "
            f"unstable.offset={u.offset}, unstable.offsetInProgress={u.offset_in_progress}, "
            f"len(unstable.Entries)={u.count}"
        )

    # -- the storage ---------------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """Return the hard state and the members that the storage holds at the start."""
        try:
            return check_initial_state(self.storage.initial_state())
        except Exception as error:
            raise _failed(error) from error

    def _storage_first(self) -> int:
        if self._memory is not None:
            return self._memory.first_index()
        try:
            first = u64(self.storage.first_index(), "first_index()")
            if first == 0:
                raise RangeError("first_index() must be at least 1, not 0")
            return first
        except Exception as error:
            raise _failed(error) from error

    def _storage_last(self) -> int:
        if self._memory is not None:
            return self._memory.last_index()
        try:
            last = u64(self.storage.last_index(), "last_index()")
            if last == k.NO_LIMIT:
                raise RangeError(f"last_index() must be at most 2**64-2, not {last}")
            return last
        except Exception as error:
            raise _failed(error) from error

    def _storage_term(self, index: int) -> int:
        try:
            if self._memory is not None:
                return self._memory._term_at(index)
            term = u64(self.storage.term(index), "term()")
            if term == k.NO_TERM:
                raise RangeError(f"term() must be at most 2**64-2, not {term}")
            return term
        except (Compacted, Unavailable):
            raise
        except Exception as error:
            raise _failed(error) from error

    def _storage_entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        try:
            if self._memory is not None:
                return self._memory._entries(lo, hi, max_size)
            found = list(self.storage.entries(lo, hi, max_size))
        except Compacted:
            raise
        except Unavailable:
            self.log.fatal(f"entries[{lo}:{hi}) is unavailable from storage")
            raise
        except Exception as error:
            raise _failed(error) from error
        wrong = _no_answer(found, lo, hi)
        if wrong is not None:
            raise StorageFailed(f"the storage failed: for entries {lo} to {hi - 1} it returned {wrong}")
        return found

    def snapshot(self, to: int = 0) -> Snapshot:
        """Return the newest snapshot, for node ``to``. Raises SnapshotTemporarilyUnavailable if there is none."""
        if self.unstable.snapshot is not None:
            return self.unstable.snapshot
        try:
            found = self.storage.snapshot() if self.offer is None else self.offer(to)
            if not isinstance(found, Snapshot):
                instance(found, Snapshot, "snapshot()")
            return found  # type: ignore[no-any-return]
        except SnapshotTemporarilyUnavailable:
            raise
        except Exception as error:
            raise _failed(error) from error

    # -- where the log begins and ends ---------------------------------------------------------------------------

    def first_index(self) -> int:
        """Index of the first entry that is not compacted, or of the next entry if there are none."""
        if self.unstable.snapshot is not None:
            return self.unstable.snapshot_index() + 1
        return self._storage_first()

    def last_index(self) -> int:
        """Index of the last entry, or of the snapshot if no entry follows it."""
        return self._last

    def last_term(self) -> int:
        """Term at ``last_index``."""
        return self._last_term

    def _first_known_term(self, last: int) -> int:
        try:
            return self._storage_term(last)
        except (Compacted, Unavailable) as error:
            self.log.fatal(f"unexpected error when getting the last term at {last}: {error}")
            raise

    # -- terms ---------------------------------------------------------------------------------------------------

    def look_up(self, index: int) -> int:
        """Return the term at ``index``, or NO_TERM if the log does not know it.

        It knows the term of each entry that it has, and of the index before the first one.
        """
        if index >= self._last:
            return self._last_term if index == self._last else k.NO_TERM
        term = self.unstable.look_up(index)
        if term != k.NO_TERM:
            return term
        if index + 1 < self.first_index():
            return k.NO_TERM
        try:
            return self._storage_term(index)
        except (Compacted, Unavailable):
            return k.NO_TERM

    def term(self, index: int) -> int:
        """Return the term at ``index``. Raises Compacted before the start of the log, Unavailable beyond its end."""
        term = self.look_up(index)
        if term == k.NO_TERM:
            raise self._missing(index)
        return term

    def term_or_zero(self, index: int) -> int:
        """Return the term at ``index``, or 0 if the log does not know it."""
        term = self.look_up(index)
        return 0 if term == k.NO_TERM else term

    def _missing(self, index: int) -> RaftError:
        return Unavailable() if index > self._last else Compacted()

    def match_term(self, index: int, term: int) -> bool:
        """Whether the log knows that the entry at ``index`` has ``term``."""
        found = self.look_up(index)
        # A peer can send any number as a term, also NO_TERM.
        return found == term and found != k.NO_TERM

    def is_up_to_date(self, index: int, term: int) -> bool:
        """Whether a log that ends with (``index``, ``term``) is at least as up to date as this one (paper 5.4.1)."""
        ours = self._last_term
        return term > ours or (term == ours and index >= self._last)

    # -- appending -----------------------------------------------------------------------------------------------

    def maybe_append(self, index: int, term: int, committed: int, entries: list[Entry]) -> bool:
        """Append a leader's entries after (``index``, ``term``) and commit up to ``committed`` as far as they reach.

        Entries that the log already has stay; from the first conflict on, the leader's replace them. Return False, and
        change nothing, if the log has no entry (``index``, ``term``).
        """
        if not self.match_term(index, term):
            return False
        last_new = index + len(entries)
        conflict = self.find_conflict(entries)
        if conflict != 0:
            if conflict <= self.committed:
                self.log.fatal(f"entry {conflict} conflict with committed entry [committed({self.committed})]")
            skip = conflict - (index + 1)
            if skip > len(entries):
                self.log.fatal(f"index, {skip}, is out of range [{len(entries)}]")
            if skip > 0:
                self.append(entries[skip:], True)
            else:
                self.append(entries, False)
        self.commit_to(committed if committed < last_new else last_new)
        return True

    def append(self, entries: list[Entry], own: bool = False) -> int:
        """Append entries, overwriting the log from their first index on. Return the last index.

        With ``own`` the caller gives up the list, so it is not copied.
        """
        if len(entries) == 0:
            return self._last
        first = entries[0]
        if first.index <= self.committed:
            self.log.fatal(f"after({first.index - 1}) is out of range [committed({self.committed})]")
        self.unstable.truncate_and_append(entries, own)
        end = entries[len(entries) - 1]
        self._last = end.index
        self._last_term = end.term
        return self._last

    def find_conflict(self, entries: list[Entry]) -> int:
        """Return the index of the first entry that the log lacks or has with another term, or 0 if it has them all."""
        for e in entries:
            if not self.match_term(e.index, e.term):
                if e.index <= self._last:
                    existing = self.term_or_zero(e.index)
                    if self.log.info_on():
                        self.log.info(
                            f"found conflict at index {e.index} [existing term: {existing}, conflicting term: {e.term}]"
                        )
                return e.index
        return 0

    def find_conflict_by_term(self, index: int, term: int) -> tuple[int, int]:
        """Return the highest index up to ``index`` whose term is at most ``term`` or unknown, and that term or 0.

        A log that has ``term`` at ``index`` can agree with this one up to that point at the most (end of paper 5.3).
        Terms never fall along a log, so the search takes steps that double, and then halve.
        """
        if index == 0:
            return 0, 0
        found = self.look_up(index)
        if found == k.NO_TERM:
            return index, 0
        if found <= term:
            return index, found
        # Invariant: the term at high is known and too new. The term at low is unknown, or low enough, or low is 0.
        first = self.first_index()
        high = index
        low = first - 2 if first > 1 else 0
        step = 1
        searching_back = True
        while high - low > 1:
            searching_back = searching_back and step < high - low
            at = high - step if searching_back else low + (high - low) // 2
            found = self.look_up(at)
            if found != k.NO_TERM and found > term:
                high = at
                step += step
            else:
                low = at
                searching_back = False
        return low, self.term_or_zero(low) if low != 0 else 0

    # -- committing ----------------------------------------------------------------------------------------------

    def maybe_commit(self, index: int, term: int) -> bool:
        """Commit up to ``index`` if its entry has ``term``, the leader's (paper 5.4.2). Return whether it did."""
        if term != 0 and index > self.committed and self.match_term(index, term):
            self.commit_to(index)
            return True
        return False

    def commit_to(self, index: int) -> None:
        """Raise ``committed`` to ``index``; a lower index changes nothing. Raises InvariantError beyond the log."""
        if self.committed < index:
            last = self._last
            if last < index:
                self.log.fatal(
                    f"tocommit({index}) is out of range [lastIndex({last})]. "
                    "Was the raft log corrupted, truncated, or lost?",
                    hints.LOG_LOST,
                )
            self.committed = index

    # -- applying ------------------------------------------------------------------------------------------------

    def max_appliable_index(self, allow_unstable: bool) -> int:
        """The highest index that may be handed out. Without ``allow_unstable``, the storage must have the entry."""
        if not allow_unstable and self.unstable.offset <= self.committed:
            return self.unstable.offset - 1
        return self.committed

    def has_next_committed(self, allow_unstable: bool) -> bool:
        """Whether ``next_committed`` would return any entries."""
        if self.applying_paused or self.unstable.snapshot is not None:
            return False
        return self.applying < self.max_appliable_index(allow_unstable)

    def next_committed(self, allow_unstable: bool) -> list[Entry]:
        """Return the committed entries that were not handed out yet, as many as ``max_applying_size`` allows."""
        if not self.has_next_committed(allow_unstable):
            return []
        lo = self.applying + 1
        hi = self.max_appliable_index(allow_unstable) + 1
        if self.max_applying_size <= self.applying_size:
            self.log.fatal(
                f"applying entry size ({self.max_applying_size}-{self.applying_size})=0 not positive",
                hints.SIZE_IS_ZERO if self.max_applying_size == 0 else "",
            )
        try:
            return self.slice(lo, hi, self.max_applying_size - self.applying_size)
        except (Compacted, Unavailable) as error:
            self.log.fatal(f"unexpected error when getting unapplied entries ({error})")
            raise

    def accept_applying(self, index: int, size: int, allow_unstable: bool) -> None:
        """Record that entries up to ``index``, ``size`` bytes when encoded, were handed out."""
        if self.committed < index:
            self.log.fatal(
                f"applying({index}) is out of range [prevApplying({self.applying}), committed({self.committed})]"
            )
        self.applying = index
        self.applying_size += size
        # Fewer entries than possible were handed out, so the limit held the next one back even if bytes are left.
        self.applying_paused = self.applying_size >= self.max_applying_size or index < self.max_appliable_index(
            allow_unstable
        )

    def applied_to(self, index: int, size: int) -> None:
        """Record that the application has applied entries up to ``index``, ``size`` bytes when encoded."""
        if self.committed < index or index < self.applied:
            self.log.fatal(
                f"applied({index}) is out of range [prevApplied({self.applied}), committed({self.committed})]"
            )
        self.applied = index
        if self.applying < index:
            self.applying = index
        self.applying_size = self.applying_size - size if self.applying_size > size else 0
        self.applying_paused = self.applying_size >= self.max_applying_size

    # -- reading -------------------------------------------------------------------------------------------------

    def entries(self, index: int, max_size: int) -> list[Entry]:
        """Return entries from ``index`` on, at most ``max_size`` encoded bytes but at least one entry.

        The list is empty beyond the end of the log. Raises Compacted if the entry at ``index`` is compacted.
        """
        last = self._last
        if index > last:
            return []
        return self.slice(index, last + 1, max_size)

    def all_entries(self) -> list[Entry]:
        """Return all entries."""
        return self.entries(self.first_index(), k.NO_LIMIT)

    def slice(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Return the entries lo to hi - 1, at most ``max_size`` encoded bytes but at least one entry.

        Raises Compacted if lo is compacted, and InvariantError if hi is beyond the end of the log.
        """
        self._check_bounds(lo, hi)
        if lo == hi:
            return []
        unstable = self.unstable
        if lo >= unstable.offset:
            return unstable.slice(lo, hi, max_size)
        cut = hi if hi < unstable.offset else unstable.offset
        stored = self._storage_entries(lo, cut, max_size)
        if hi <= unstable.offset or len(stored) < cut - lo:
            return stored
        size = entries_size(stored)
        if size >= max_size:
            return stored
        rest = unstable.slice(unstable.offset, hi, max_size - size)
        if len(rest) == 1 and size + entries_size(rest) > max_size:
            # ``slice`` returns at least one entry even if it is too large, but ``stored`` already satisfies that rule.
            return stored
        return stored + rest

    def has_unapplied_change(self, lo: int, hi: int, page_size: int) -> bool:
        """Whether any of the entries lo to hi - 1 is a configuration change. Reads ``page_size`` bytes at a time."""
        while lo < hi:
            page = self.slice(lo, hi, page_size)
            for e in page:
                if e._type == k.CONF_CHANGE or e._type == k.CONF_CHANGE_V2:
                    return True
            lo += len(page)
        return False

    def _check_bounds(self, lo: int, hi: int) -> None:
        if lo > hi:
            self.log.fatal(f"invalid slice {lo} > {hi}")
        first = self.first_index()
        if lo < first:
            raise Compacted()
        last = self._last
        if hi > last + 1:
            self.log.fatal(f"slice[{lo},{hi}) out of bound [{first},{last}]")

    def restore(self, snapshot: Snapshot) -> None:
        """Replace the whole log by a snapshot from the leader. The snapshot is unstable until it is stored."""
        metadata = snapshot.metadata
        if self.log.info_on():
            self.log.info(f"log [{self}] starts to restore snapshot [index: {metadata.index}, term: {metadata.term}]")
        self.committed = metadata.index
        self.unstable.restore(snapshot)
        self._last = metadata.index
        self._last_term = metadata.term


def _no_answer(found: list[Any], lo: int, hi: int) -> str | None:
    """Return what is wrong with a storage's answer for the entries lo to hi - 1, or None if at least the first came."""
    if len(found) == 0:
        return "no entry"
    if len(found) > hi - lo:
        return f"{len(found)} entries"
    for place in range(len(found)):
        if not isinstance(found[place], Entry):
            return f"a {type(found[place]).__name__} in place of {lo + place}"
        e = found[place]
        if e.index != lo + place:
            return f"entry {e.index} in place of {lo + place}"
    return None


def _failed(error: Exception) -> StorageFailed:
    return StorageFailed(f"the storage failed: {error!r}")


keep_whole(RaftLog)
has_one_owner(RaftLog)
