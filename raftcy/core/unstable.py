"""The end of the log, which the storage does not have yet (etcd's ``unstable``).

Rules:

- ``entries[i]`` has index ``offset + i``. Entries before ``offset_in_progress`` are being written, as is ``snapshot``
  while ``snapshot_in_progress`` is set. Invariant: offset <= offset_in_progress <= offset + len(entries).
- A snapshot here replaces everything in the storage. The entries here follow it.
- An acknowledgement counts only if an entry here has its index and its term. If entries were overwritten since their
  write began, its acknowledgement says nothing about the entries that replaced them.
"""

from ..wire import consts as k
from ..wire.messages import Entry, Snapshot
from ..wire.whole import has_one_owner, keep_whole
from .droplist import drop_oldest
from .entries import fitting
from .logger import Log

# Shared by all logs without unstable entries; never filled.
_NO_ENTRIES: list[Entry] = []


class Unstable:
    """The entries and the snapshot that have to be written or are being written."""

    __slots__ = (
        "_entries",
        "_head",
        "count",
        "log",
        "offset",
        "offset_in_progress",
        "snapshot",
        "snapshot_in_progress",
    )

    # The entries are the ``count`` places from _head on: see ``droplist``.
    _entries: list[Entry]

    def __init__(self, offset: int, log: Log) -> None:
        self._hold(_NO_ENTRIES)
        self.snapshot: Snapshot | None = None
        self.offset = offset
        self.offset_in_progress = offset
        self.snapshot_in_progress = False
        self.log = log

    @property
    def entries(self) -> list[Entry]:
        """All entries, as a new list."""
        return self._entries[self._head :]

    @entries.setter
    def entries(self, entries: list[Entry]) -> None:
        self._hold(entries)

    def _hold(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._head = 0
        self.count = len(entries)

    def snapshot_index(self) -> int:
        """Index of the snapshot, or 0 if there is none."""
        return 0 if self.snapshot is None else self.snapshot.metadata.index

    def has_last_index(self) -> bool:
        """Whether the end of the log is here rather than in the storage."""
        return self.count > 0 or self.snapshot is not None

    def last_index(self) -> int:
        """Index of the last entry, or of the snapshot if there are no entries. Needs ``has_last_index``."""
        n = self.count
        return self.offset + n - 1 if n > 0 else self.snapshot_index()

    def look_up(self, index: int) -> int:
        """Return the term at ``index``, or NO_TERM if neither an entry nor the snapshot has that index."""
        if index < self.offset:
            snapshot = self.snapshot
            if snapshot is not None and snapshot.metadata.index == index:
                return snapshot.metadata.term
            return k.NO_TERM
        at = index - self.offset
        if at >= self.count:
            return k.NO_TERM
        e = self._entries[self._head + at]
        return e.term

    def next_entries(self) -> list[Entry]:
        """Return the entries that are not being written yet, as a new list."""
        return self._entries[self._head + (self.offset_in_progress - self.offset) :]

    def has_next_entries(self) -> bool:
        """Whether ``next_entries`` would return any entries."""
        return self.offset + self.count > self.offset_in_progress

    def next_snapshot(self) -> Snapshot | None:
        """Return the snapshot, or None if there is none or it is being written already."""
        return None if self.snapshot_in_progress else self.snapshot

    def accept_in_progress(self) -> None:
        """Record that everything here is being written from now on."""
        if self.count > 0:
            self.offset_in_progress = self.offset + self.count
        if self.snapshot is not None:
            self.snapshot_in_progress = True

    def stable_to(self, index: int, term: int) -> None:
        """Record that the storage has the entries up to (``index``, ``term``), and drop them here.

        Does nothing if no entry here has that index and term.
        """
        log = self.log
        found = self.look_up(index)
        if found == k.NO_TERM:
            if log.info_on():
                log.info(f"entry at index {index} missing from unstable log; ignoring")
            return
        if index < self.offset:
            if log.info_on():
                log.info(f"entry at index {index} matched unstable snapshot; ignoring")
            return
        if found != term:
            if log.info_on():
                log.info(
                    f"entry at (index,term)=({index},{term}) mismatched with "
                    f"entry at ({index},{found}) in unstable log; ignoring"
                )
            return
        num = index + 1 - self.offset
        if num == self.count:
            self._hold(_NO_ENTRIES)
        else:
            self._head = drop_oldest(self._entries, self._head, num)
            self.count -= num
        self.offset = index + 1
        if self.offset_in_progress < self.offset:
            self.offset_in_progress = self.offset

    def stable_snap_to(self, index: int) -> None:
        """Record that the storage has the snapshot at ``index``, and drop it here. Does nothing for another one."""
        if self.snapshot is not None and self.snapshot_index() == index:
            self.snapshot = None
            self.snapshot_in_progress = False

    def restore(self, snapshot: Snapshot) -> None:
        """Replace everything by a snapshot."""
        self.offset = snapshot.metadata.index + 1
        self.offset_in_progress = self.offset
        self._hold(_NO_ENTRIES)
        self.snapshot = snapshot
        self.snapshot_in_progress = False

    def truncate_and_append(self, entries: list[Entry], own: bool = False) -> None:
        """Append entries; they overwrite the log from their first index on, here and in the storage.

        With ``own`` the caller gives up the list, so it is not copied.
        """
        first = entries[0]
        start = first.index
        log = self.log
        if start == self.offset + self.count:
            if self.count == 0:
                self._hold(entries if own else entries[:])
            else:
                self._entries.extend(entries)
                self.count += len(entries)
        elif start <= self.offset:
            if log.info_on():
                log.info(f"replace the unstable entries from index {start}")
            self._hold(entries if own else entries[:])
            self.offset = start
            self.offset_in_progress = start
        else:
            if log.info_on():
                log.info(f"truncate the unstable entries before index {start}")
            self._check_bounds(self.offset, start)
            # Changing the list in place is safe, because every method that returns entries copies them.
            del self._entries[self._head + (start - self.offset) :]
            self._entries.extend(entries)
            self.count = start - self.offset + len(entries)
            if self.offset_in_progress > start:
                self.offset_in_progress = start

    def slice(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Return the entries lo to hi - 1 as a new list, at most ``max_size`` encoded bytes but at least one entry."""
        self._check_bounds(lo, hi)
        at = self._head + (lo - self.offset)
        return self._entries[at : fitting(self._entries, at, at + (hi - lo), max_size)]

    def _check_bounds(self, lo: int, hi: int) -> None:
        if lo > hi:
            self.log.fatal(f"invalid unstable.slice {lo} > {hi}")
        upper = self.offset + self.count
        if lo < self.offset or hi > upper:
            self.log.fatal(f"unstable.slice[{lo},{hi}) out of bound [{self.offset},{upper}]")


keep_whole(Unstable)
has_one_owner(Unstable)
