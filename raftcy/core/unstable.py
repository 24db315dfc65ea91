"""The end of the log that the storage does not have yet (etcd's ``unstable``).

Rules:

- ``entries[i]`` has the index ``offset + i``. Entries before ``offset_in_progress`` are being written, as is
  ``snapshot`` while ``snapshot_in_progress``. Invariant: offset <= offset_in_progress <= offset + len(entries).
- A snapshot here replaces everything in the storage; entries follow it.
- An acknowledgement counts only if index and term are those of an entry here: one for entries that were since
  overwritten says nothing about those that took their place.
"""

from ..wire import consts as k
from ..wire.messages import Entry, Snapshot
from ..wire.whole import keep_whole
from .droplist import drop_oldest
from .entries import fitting
from .logger import Log

# What an empty one has; never filled.
_NO_ENTRIES: list[Entry] = []


class Unstable:
    """What is to be written, and what is being written."""

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

    # Places from _head on are in use, ``count`` of them: see ``front``.
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
        """All entries; a new list."""
        return self._entries[self._head :]

    @entries.setter
    def entries(self, entries: list[Entry]) -> None:
        self._hold(entries)

    def _hold(self, entries: list[Entry]) -> None:
        self._entries = entries
        self._head = 0
        self.count = len(entries)

    def snapshot_index(self) -> int:
        """Index of the snapshot; 0 if there is none."""
        return 0 if self.snapshot is None else self.snapshot.metadata.index

    def has_last_index(self) -> bool:
        """Whether the log's last index is known here."""
        return self.count > 0 or self.snapshot is not None

    def last_index(self) -> int:
        """Index of the last entry, or of the snapshot; only if ``has_last_index``."""
        n = self.count
        return self.offset + n - 1 if n > 0 else self.snapshot_index()

    def look_up(self, index: int) -> int:
        """The term at ``index``, NO_TERM where it is not known here."""
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
        """Entries that are not being written yet; a new list."""
        return self._entries[self._head + (self.offset_in_progress - self.offset) :]

    def has_next_entries(self) -> bool:
        """Whether ``next_entries`` has any."""
        return self.offset + self.count > self.offset_in_progress

    def next_snapshot(self) -> Snapshot | None:
        """The snapshot, if it is not being written yet."""
        return None if self.snapshot_in_progress else self.snapshot

    def accept_in_progress(self) -> None:
        """Everything here is being written from now on."""
        if self.count > 0:
            self.offset_in_progress = self.offset + self.count
        if self.snapshot is not None:
            self.snapshot_in_progress = True

    def stable_to(self, index: int, term: int) -> None:
        """The entry at (``index``, ``term``) and those before it are in the storage."""
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
        """The snapshot of ``index`` is in the storage."""
        if self.snapshot is not None and self.snapshot_index() == index:
            self.snapshot = None
            self.snapshot_in_progress = False

    def restore(self, snapshot: Snapshot) -> None:
        """Begin anew with a snapshot."""
        self.offset = snapshot.metadata.index + 1
        self.offset_in_progress = self.offset
        self._hold(_NO_ENTRIES)
        self.snapshot = snapshot
        self.snapshot_in_progress = False

    def truncate_and_append(self, entries: list[Entry], own: bool = False) -> None:
        """Append; entries from the first new index on, here or in the storage, are overwritten.

        A list that is ``own`` belongs to nobody else from now on, so it need not be copied.
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
            # In place: whoever was given entries has a list of their own.
            del self._entries[self._head + (start - self.offset) :]
            self._entries.extend(entries)
            self.count = start - self.offset + len(entries)
            if self.offset_in_progress > start:
                self.offset_in_progress = start

    def slice(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Entries of the indexes lo to hi - 1, at most ``max_size`` encoded bytes but at least one; a new list."""
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
