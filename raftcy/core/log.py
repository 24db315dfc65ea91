"""One node's log: what the storage holds, continued by what is unstable (etcd's ``raftLog``).

Rules:

- applied <= applying <= committed. ``applied`` is what the application has confirmed, ``applying`` what it was handed,
  ``committed`` what a quorum has stored. None of them ever falls.
- committed <= last index, except while bootstrapping.
- Entries are handed out up to ``committed``, or only up to what is in the storage, by the caller's word; never while a
  snapshot waits to be stored or applied.
- What was handed out and not yet confirmed is limited by ``max_applying_size`` encoded bytes; the entry that crosses
  the limit is the last one before a pause.
- The log ends with what was appended last, here or before the start: ``_last`` and ``_last_term``. So a storage must
  keep what it was given, and is never asked for its last index again.
- The storage is only read. An answer other than ``Compacted`` or ``Unavailable`` to a read ends the node.
- What the storage is asked does not depend on which texts the logger wants, so that a run can be replayed without them.
"""

from typing import Any

from ..errors import Compacted, RaftError, SnapshotTemporarilyUnavailable, StorageFailed, Unavailable
from ..wire import consts as k
from ..wire.messages import Entry, Snapshot
from ..wire.whole import keep_whole
from .entries import entries_size
from .logger import Log
from .storage import MemoryStorage
from .unstable import Unstable


class RaftLog:
    """Made by Raft. Reads the storage through four methods below, at C speed where it is a plain MemoryStorage."""

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
        self.unstable = Unstable(last + 1, log)
        self._last = last
        self._last_term = self._first_known_term(last)
        self.committed = first - 1
        self.applying = first - 1
        self.applied = first - 1
        self.max_applying_size = max_applying_size
        self.applying_size = 0
        self.applying_paused = False
        # Asked for a snapshot in place of the storage, if somebody can make a new one.
        self.offer: Any = None

    def __str__(self) -> str:
        u = self.unstable
        return (
            f"committed={self.committed}, applied={self.applied}, applying={self.applying}, "
            f"unstable.offset={u.offset}, unstable.offsetInProgress={u.offset_in_progress}, "
            f"len(unstable.Entries)={u.count}"
        )

    # -- the storage ---------------------------------------------------------------------------------------------

    def _storage_first(self) -> int:
        if self._memory is not None:
            return self._memory.first_index()
        try:
            return self.storage.first_index()  # type: ignore[no-any-return]
        except Exception as error:
            raise _failed(error) from error

    def _storage_last(self) -> int:
        if self._memory is not None:
            return self._memory.last_index()
        try:
            return self.storage.last_index()  # type: ignore[no-any-return]
        except Exception as error:
            raise _failed(error) from error

    def _storage_term(self, index: int) -> int:
        try:
            if self._memory is not None:
                return self._memory._term_at(index)
            return self.storage.term(index)  # type: ignore[no-any-return]
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
            raise StorageFailed(f"the storage failed: asked for the entries {lo} to {hi - 1} it gave {wrong}")
        return found

    def snapshot(self) -> Snapshot:
        """The newest snapshot; SnapshotTemporarilyUnavailable if the storage says so."""
        if self.unstable.snapshot is not None:
            return self.unstable.snapshot
        try:
            return self.storage.snapshot() if self.offer is None else self.offer()  # type: ignore[no-any-return]
        except SnapshotTemporarilyUnavailable:
            raise
        except Exception as error:
            raise _failed(error) from error

    # -- where the log begins and ends ---------------------------------------------------------------------------

    def first_index(self) -> int:
        """Index of the first entry that is not compacted."""
        if self.unstable.snapshot is not None:
            return self.unstable.snapshot_index() + 1
        return self._storage_first()

    def last_index(self) -> int:
        """Index of the last entry, or of the snapshot that the log begins with."""
        return self._last

    def last_term(self) -> int:
        """Term of the last entry."""
        return self._last_term

    def _first_known_term(self, last: int) -> int:
        try:
            return self._storage_term(last)
        except (Compacted, Unavailable) as error:
            self.log.fatal(f"unexpected error when getting the last term at {last}: {error}")
            raise

    # -- terms ---------------------------------------------------------------------------------------------------

    def look_up(self, index: int) -> int:
        """The term at ``index``, NO_TERM where it is not known. That before the first entry is known."""
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
        """The term at ``index``; Compacted or Unavailable where it is not known."""
        term = self.look_up(index)
        if term == k.NO_TERM:
            raise self._missing(index)
        return term

    def term_or_zero(self, index: int) -> int:
        """The term at ``index``, 0 where it is not known."""
        term = self.look_up(index)
        return 0 if term == k.NO_TERM else term

    def _missing(self, index: int) -> RaftError:
        return Unavailable() if index > self._last else Compacted()

    def match_term(self, index: int, term: int) -> bool:
        """Whether the entry at ``index`` is known and of ``term``."""
        found = self.look_up(index)
        # A peer may name the term that no entry has.
        return found == term and found != k.NO_TERM

    def is_up_to_date(self, index: int, term: int) -> bool:
        """Whether a log that ends with (``index``, ``term``) is at least as good as this one (paper 5.4.1)."""
        ours = self._last_term
        return term > ours or (term == ours and index >= self._last)

    # -- appending -----------------------------------------------------------------------------------------------

    def maybe_append(self, index: int, term: int, committed: int, entries: list[Entry]) -> bool:
        """Append a leader's entries after (``index``, ``term``), and commit what it says; False if that is not here."""
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
        """Append entries, overwriting what is there from the first one's index on; returns the last index.

        A list that is the log's ``own`` from now on need not be copied.
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
        """Index of the first entry that the log does not have, or has with another term; 0 if it has them all."""
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
        """The highest index up to ``index`` whose term is at most ``term``, or is not known; and that term, or 0.

        This is where another log that has ``term`` at ``index`` may agree with this one at the
        best (paper 5.3, the end). Terms never fall along a log, so it is searched in steps that double and then halve.
        """
        if index == 0:
            return 0, 0
        found = self.look_up(index)
        if found == k.NO_TERM:
            return index, 0
        if found <= term:
            return index, found
        # Invariant: at high the term is known and too new; at low it is not, or 0, as before the first entry.
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
        """Commit up to ``index`` if its entry is of ``term``: only own entries are counted (paper 5.4.2)."""
        if term != 0 and index > self.committed and self.match_term(index, term):
            self.commit_to(index)
            return True
        return False

    def commit_to(self, index: int) -> None:
        """Raise ``committed``; never lowers it."""
        if self.committed < index:
            last = self._last
            if last < index:
                self.log.fatal(
                    f"tocommit({index}) is out of range [lastIndex({last})]. "
                    "Was the raft log corrupted, truncated, or lost?"
                )
            self.committed = index

    # -- applying ------------------------------------------------------------------------------------------------

    def max_appliable_index(self, allow_unstable: bool) -> int:
        """The highest index that may be handed out."""
        if not allow_unstable and self.unstable.offset <= self.committed:
            return self.unstable.offset - 1
        return self.committed

    def has_next_committed(self, allow_unstable: bool) -> bool:
        """Whether ``next_committed`` has any."""
        if self.applying_paused or self.unstable.snapshot is not None:
            return False
        return self.applying < self.max_appliable_index(allow_unstable)

    def next_committed(self, allow_unstable: bool) -> list[Entry]:
        """Committed entries that were not handed out yet, as many as the limit lets through."""
        if not self.has_next_committed(allow_unstable):
            return []
        lo = self.applying + 1
        hi = self.max_appliable_index(allow_unstable) + 1
        if self.max_applying_size <= self.applying_size:
            self.log.fatal(f"applying entry size ({self.max_applying_size}-{self.applying_size})=0 not positive")
        try:
            return self.slice(lo, hi, self.max_applying_size - self.applying_size)
        except (Compacted, Unavailable) as error:
            self.log.fatal(f"unexpected error when getting unapplied entries ({error})")
            raise

    def accept_applying(self, index: int, size: int, allow_unstable: bool) -> None:
        """Entries up to ``index``, of ``size`` encoded bytes, were handed out."""
        if self.committed < index:
            self.log.fatal(
                f"applying({index}) is out of range [prevApplying({self.applying}), committed({self.committed})]"
            )
        self.applying = index
        self.applying_size += size
        # Less was handed out than could have been, so the limit was reached; it may be too small for the next entry.
        self.applying_paused = self.applying_size >= self.max_applying_size or index < self.max_appliable_index(
            allow_unstable
        )

    def applied_to(self, index: int, size: int) -> None:
        """The application has confirmed entries up to ``index``, of ``size`` encoded bytes."""
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
        """Entries from ``index`` on, at most ``max_size`` encoded bytes but at least one; Compacted if it is gone."""
        last = self._last
        if index > last:
            return []
        return self.slice(index, last + 1, max_size)

    def all_entries(self) -> list[Entry]:
        """Every entry there is."""
        return self.entries(self.first_index(), k.NO_LIMIT)

    def slice(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Entries of the indexes lo to hi - 1, at most ``max_size`` encoded bytes but at least one."""
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
            # The limit lets at least one entry through, but here that one is not needed.
            return stored
        return stored + rest

    def has_unapplied_change(self, lo: int, hi: int, page_size: int) -> bool:
        """Whether any entry of the indexes lo to hi - 1 is a configuration change; read a page at a time."""
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
        """Begin anew with a snapshot from the leader; it is unstable until it is stored."""
        metadata = snapshot.metadata
        if self.log.info_on():
            self.log.info(f"log [{self}] starts to restore snapshot [index: {metadata.index}, term: {metadata.term}]")
        self.committed = metadata.index
        self.unstable.restore(snapshot)
        self._last = metadata.index
        self._last_term = metadata.term


def _no_answer(found: list[Any], lo: int, hi: int) -> str | None:
    """What is wrong with a storage's answer for the indexes lo to hi - 1: it must be one or more, from lo on."""
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
