"""One group's part of a log: a LogStorage that keeps its newest entries in memory and the older ones on disk only.

Invariants:

- ``floor`` ≤ ``base`` ≤ ``last``. Entries after ``base`` can be read. The disk retains the entries after ``floor``, so
  that a damaged newest snapshot can be replaced by the older one and the entries after it. ``floor`` only rises: to
  ``base``, or to the index of the older snapshot if that is lower. A received snapshot raises it to the snapshot's
  index, because no entries lead there.
- ``_runs`` has the term of every index after ``floor``: where each term begins.
- ``_window`` holds the entries from ``_window_first`` to ``last``. Entries leave it only once they are on disk, so a
  staged entry, or one that is being written, is always in it.
- Every change is first checked, then applied here, then staged. So an error leaves both the group and its share as
  they were.
"""

import logging
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from ..core.droplist import drop_oldest
from ..core.entries import fitting, payloads_size
from ..core.storage import (
    check_hard_state,
    check_members,
    check_successor,
    complete_snapshot,
    consecutive,
    without_voters,
)
from ..errors import Compacted, Corruption, InvariantError, RangeError, SnapshotOutOfDate, StorageFailed, Unavailable
from ..wire import consts as k
from ..wire.checks import instance, octets, u64
from ..wire.messages import ConfState, Entry, HardState, Snapshot, SnapshotMetadata
from . import share as shares
from .places import Places
from .share import Begin, Share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .bodies import Bodies
    from .files import Files

LOGGER = logging.getLogger("raftcy.storage")

# As many entries at most leave the memory at once.
_STEP = 1024
# About how many bytes an entry in memory takes in addition to its data.
_OVERHEAD = 200
SHARE_MAX = 2**29
"""The most bytes that a group may stage between two syncs: half of the longest body that a reader accepts."""

SNAPSHOT_MAX = 2**27
"""The longest data of a snapshot that the log itself holds, in bytes. A beginning holds two snapshots."""


class Host:
    """The part of the log that a group needs: where it reads, and whom it informs of staged changes."""

    __slots__ = ("changed", "failed", "files", "identity", "moved")

    def __init__(
        self,
        files: "Files",
        identity: bytes,
        changed: "Callable[[GroupLog], None]",
        moved: "Callable[[GroupLog, int], None]",
    ) -> None:
        self.files = files
        self.identity = identity
        # Callbacks: a group begins to stage a share; the bytes that a group holds in memory change.
        self.changed = changed
        self.moved = moved
        self.failed: BaseException | None = None


class GroupLog:
    """The LogStorage of one group: see ``SharedLog.group``.

    Changes are durable only after ``sync``, which writes the staged changes of all groups of the log. After the first
    error of the files, every call of every group raises StorageFailed, with that error as its cause.
    """

    __slots__ = (
        "_base",
        "_base_term",
        "_closing",
        "_flying",
        "_flying_needless",
        "_head",
        "_host",
        "_last",
        "_runs",
        "_staged_from",
        "_state",
        "_syncing",
        "_window",
        "_window_first",
        "begun",
        "bodies",
        "dropped",
        "floor",
        "floor_term",
        "flying_span",
        "id",
        "is_flying",
        "loose",
        "newest",
        "older",
        "places",
        "rests",
        "share",
        "window_bytes",
    )

    def __init__(self, id: int, host: Host, syncing: "Callable[[], None]") -> None:
        self.id = id
        self._host = host
        self._syncing = syncing
        self._closing: Callable[[], None] | None = None
        self._state: HardState | None = None
        self.newest: Snapshot = complete_snapshot(Snapshot())
        self.older: Snapshot | None = None
        self.floor = self.floor_term = 0
        self._base = self._base_term = 0
        self._last = 0
        self._runs: tuple[list[int], list[int]] = ([], [])
        self._window: list[Any] = []
        self._head = 0
        self._window_first = 1
        self.window_bytes = 0
        self.places = Places()
        self.share: Share | None = None
        # The first staged index, and the first index that is being written; 0 for none.
        self._staged_from = self._flying = 0
        self._flying_needless: list[Snapshot] = shares.NO_SNAPSHOTS
        # Whether any share of the group is being written.
        self.is_flying = False
        # The first and the last index of the entries that are being written.
        self.flying_span: tuple[int, int] | None = None
        self.dropped = False
        # The segment of the group's beginning, and the oldest segment that the group needs; 0 before the first record.
        self.begun = self.rests = 0
        # Set while a log is read and the beginning of the group has not come yet.
        self.loose = False
        # Keeps the bodies of the group's snapshots; None if the log itself holds their data.
        self.bodies: Bodies | None = None

    # -- reading -------------------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """Return the hard state, None before the first was saved, and the members as of the newest snapshot."""
        return self._state, self.newest.metadata.conf_state

    def first_index(self) -> int:
        """The index after that of the last compaction or received snapshot; 1 at the start."""
        return self._base + 1

    def last_index(self) -> int:
        """The index of the last entry, or of the last compaction or received snapshot."""
        return self._last

    def snapshot(self) -> Snapshot:
        """The snapshot that was saved or created last."""
        return self.newest

    def term(self, i: int) -> int:
        """The term of the entry ``i``; Compacted before ``first_index()`` - 1, Unavailable above ``last_index()``."""
        index = u64(i, "i")
        if index < self._base:
            raise Compacted()
        if index > self._last:
            raise Unavailable()
        return self._term_at(index)

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """The entries of ``lo`` to ``hi`` - 1, as many as fit into ``max_size`` encoded bytes, but at least one.

        This call reads entries that have left the memory from disk. Raises Compacted if ``lo`` is below the first
        index, Unavailable if the log has no entries, InvariantError if ``hi`` is beyond the last index + 1 or below
        ``lo``, and Corruption if an entry on disk was damaged since it was written.
        """
        lo, hi, max_size = u64(lo, "lo"), u64(hi, "hi"), u64(max_size, "max_size")
        if lo <= self._base:
            raise Compacted()
        if hi > self._last + 1:
            raise InvariantError(f"entries' hi({hi}) is out of bound lastindex({self._last})")
        if self._last == self._base:
            raise Unavailable()
        if lo > hi:
            raise InvariantError(f"invalid slice {lo} > {hi}")
        if lo >= self._window_first:
            at = self._head + lo - self._window_first
            return self._window[at : fitting(self._window, at, at + hi - lo, max_size)]
        self.check_alive()
        return self._read(lo, hi, max_size)

    def _read(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Return entries of which at least the first one is on disk only."""
        end = min(hi, self._window_first)
        try:
            found = self.places.read(self._host.files, self._host.identity, self.id, lo, end, max_size)
        except OSError as error:
            raise StorageFailed(f"a segment cannot be read: {error}") from error
        if len(found) == end - lo and end < hi:
            found += self._window[self._head : self._head + hi - end]
        return found[: fitting(found, 0, len(found), max_size)]

    def _term_at(self, index: int) -> int:
        if index == self._base:
            return self._base_term
        if index == self.floor:
            return self.floor_term
        first, terms = self._runs
        return terms[bisect_right(first, index) - 1]

    # -- writing -------------------------------------------------------------------------------------------------

    def save(self, hard_state: HardState | None, entries: list[Entry] | None, snapshot: Snapshot | None) -> None:
        """Stage the contents of one Ready: all of them, or nothing if it raises. See LogStorage.

        Raises the same errors as MemoryStorage.save; RangeError for more than half a gibibyte between two syncs; and
        StorageFailed after an error of the files. With ``bodies``, also raises Contradiction for a snapshot whose data
        does not refer to a body on disk.
        """
        self.check_alive()
        if hard_state is not None:
            instance(hard_state, HardState, "hard_state")
        if snapshot is not None:
            instance(snapshot, Snapshot, "snapshot")
        new = consecutive(entries) if entries else []
        self._check_save(hard_state, new, snapshot)
        size = _bytes(new)
        self._check_size(size, None if snapshot is None else snapshot.data)
        if snapshot is not None:
            complete = complete_snapshot(snapshot)
            if self.bodies is not None:
                self.bodies.check(complete)
            # Nothing leads from an older snapshot to this one, so an older one could never take its place.
            needless = [each for each in (self.older, self.newest) if each is not None]
            self._begin_with(complete)
            share = self._staged()
            share.receive(complete)
            share.dropped = [*share.dropped, *needless]
        if new and new[-1].index > self._base:
            new = new[max(self._base + 1 - new[0].index, 0) :]
            self._put(new[0].index, new[-1].index, shares.runs_of(new), new)
            share = self._staged()
            share.put(new)
            share.size += size
            self._staged_from = min(self._staged_from or new[0].index, new[0].index)
        if hard_state is not None and (hard_state != self._state or self._state is None):
            self._state = hard_state
            self._staged().hard = hard_state

    def _check_save(self, hard_state: HardState | None, new: list[Entry], snapshot: Snapshot | None) -> None:
        """Raise an error if these three must not be saved together."""
        base, last = self._base, self._last
        term = self._term_at(last)
        if snapshot is not None:
            self._check_newer(snapshot)
            metadata = snapshot.metadata
            base = last = metadata.index
            term = metadata.term
            if base > 0 and not metadata.conf_state.voters:
                raise without_voters(base)
        if new and new[-1].index > base:
            if new[0].index > last + 1:
                raise InvariantError(f"missing log entry [last: {last}, append at: {new[0].index}]")
            last = new[-1].index
            term = new[-1].term
        if self._state is not None and hard_state is not None:
            check_successor(self._state, hard_state)
        state = self._state if hard_state is None else hard_state
        check_hard_state(HardState() if state is None else state, base, last, term)

    def _check_size(self, entries: int, data: bytes | None) -> None:
        """Raise RangeError for sizes that a reader would refuse."""
        if data is not None and len(data) > SNAPSHOT_MAX:
            raise RangeError(f"a snapshot in the log may have at most {SNAPSHOT_MAX} bytes of data: use bodies")
        staged = 0 if self.share is None else self.share.size
        if staged + entries + len(data or b"") > SHARE_MAX:
            raise RangeError(f"a group may stage at most {SHARE_MAX} bytes between two syncs")

    def _check_newer(self, snapshot: Snapshot) -> None:
        index = snapshot.metadata.index
        if index == k.NO_LIMIT:
            raise RangeError(f"a snapshot's index must be at most 2**64-2, not {index}")
        present = self.newest.metadata.index
        if present != 0 and present >= index:
            raise SnapshotOutOfDate()
        check_members(snapshot.metadata.conf_state)

    def sync(self) -> None:
        """Write the staged changes of this and all other groups of the log, and sync once.

        Raises StorageFailed if a write or the sync fails; the log is dead then.
        """
        self._syncing()

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """Stage and return a snapshot of the state up to the entry ``i``. See LogStorage.

        Raises SnapshotOutOfDate if the present snapshot is as new, Compacted if the term of ``i`` is no longer known,
        InvariantError if ``i`` is beyond the last index, and Contradiction if the snapshot would have no voters. With
        ``bodies``, also raises Contradiction if ``data`` does not refer to a body of this index and term on disk.
        """
        self.check_alive()
        index = u64(i, "i")
        if cs is not None:
            instance(cs, ConfState, "cs")
        content = octets(data, "data") if data is not None else None
        if index <= self.newest.metadata.index:
            raise SnapshotOutOfDate()
        if index > self._last:
            raise InvariantError(f"snapshot {index} is out of bound lastindex({self._last})")
        members = self.newest.metadata.conf_state if cs is None else cs
        term = self.term(index)
        if not members.voters:
            raise without_voters(index)
        check_members(members)
        self._check_size(0, content)
        metadata = SnapshotMetadata(conf_state=members, index=index, term=term)
        made = complete_snapshot(Snapshot(data=content, metadata=metadata))
        if self.bodies is not None:
            self.bodies.check(made)
        needless = self._needless()
        self._made(made)
        share = self._staged()
        share.made = [*share.made, made]
        share.size += len(made.data)
        share.dropped = [*share.dropped, *needless]
        return made

    def compact(self, compact_index: int) -> None:
        """Drop the entries up to this index. The term of this index stays known.

        The entries stay on disk as long as the older snapshot needs them. Raises Compacted if the index is below the
        first one, and InvariantError if it is beyond the last one.
        """
        self.check_alive()
        index = u64(compact_index, "compact_index")
        if index <= self._base:
            raise Compacted()
        if index > self._last:
            raise InvariantError(f"compact {index} is out of bound lastindex({self._last})")
        self._compact(index)
        self._staged().compact = index

    def close(self) -> None:
        """Close the log if ``open_group`` opened it for this group alone; otherwise do nothing.

        Changes that were saved but not synced may be lost.
        """
        if self._closing is not None:
            self._closing()

    def sync_with(self, syncing: "Callable[[], None]") -> None:
        """Make ``sync`` call ``syncing``, of somebody who syncs the log later. It makes nothing durable itself then."""
        self._syncing = syncing

    def close_with(self, closing: "Callable[[], None]") -> None:
        """Make ``close`` call ``closing``, because the log belongs to this group alone."""
        self._closing = closing

    def check_alive(self) -> None:
        """Raise StorageFailed if the log has failed, or the group was dropped."""
        if self.dropped:
            raise StorageFailed(f"the group {self.id} was dropped from the log")
        if self._host.failed is not None:
            raise StorageFailed(f"the log has failed: {self._host.failed}") from self._host.failed

    def _needless(self) -> list[Snapshot]:
        """Return the snapshot that the next one made here makes needless: each group keeps the newest two."""
        return [self.older] if self.older is not None and self.newest.metadata.index > 0 else []

    def _staged(self) -> Share:
        if self.share is None:
            self.share = Share()
            self._host.changed(self)
        return self.share

    # -- what a call, or a record that is read, makes of the group -----------------------------------------------

    def _begin_with(self, snapshot: Snapshot) -> None:
        self.newest, self.older = snapshot, None
        metadata = snapshot.metadata
        self._base = self.floor = self._last = metadata.index
        self._base_term = self.floor_term = metadata.term
        self._runs = ([], [])
        self.places.clear()
        self._clear_window(metadata.index + 1)

    def _put(self, first: int, last: int, runs: list[tuple[int, int]], entries: list[Entry] | None) -> None:
        """Append entries that connect to the log. ``entries`` is None if they are on disk only."""
        indexes, terms = self._runs
        while indexes and indexes[-1] >= first:
            indexes.pop()
            terms.pop()
        for index, term in runs:
            if not terms or terms[-1] != term:
                indexes.append(index)
                terms.append(term)
        self._last = last
        if entries is None:
            self._clear_window(last + 1)
            return
        keep = first - self._window_first
        if keep < 0:
            self._clear_window(first)
            keep = 0
        if self._head + keep < len(self._window):
            self._count(-_bytes(self._window[self._head + keep :]))
            del self._window[self._head + keep :]
        self._window += entries
        self._count(_bytes(entries))

    def _made(self, snapshot: Snapshot) -> None:
        if self.newest.metadata.index > 0:
            self.older = self.newest
        self.newest = snapshot
        self._raise_floor()

    def _compact(self, index: int) -> None:
        self._base_term = self._term_at(index)
        self._base = index
        if self._window_first <= index:
            self._drop(min(index, self._last) + 1 - self._window_first)
        self._raise_floor()

    def _raise_floor(self) -> None:
        older = self.older
        target = self._base if older is None else min(self._base, older.metadata.index)
        if target <= self.floor:
            return
        term = self._term_at(target)
        indexes, terms = self._runs
        needless = bisect_right(indexes, target + 1) - 1
        if target == self._last:
            self._runs = ([], [])
        elif needless > 0:
            del indexes[:needless], terms[:needless]
        self.floor, self.floor_term = target, term
        self.places.forget(target)

    # -- entries in memory ---------------------------------------------------------------------------------------

    def _count(self, size: int) -> None:
        self.window_bytes += size
        self._host.moved(self, size)

    def _clear_window(self, first: int) -> None:
        if self.window_bytes:
            self._count(-self.window_bytes)
        self._window = []
        self._head = 0
        self._window_first = first

    def _drop(self, count: int) -> None:
        self._count(-_bytes(self._window[self._head : self._head + count]))
        self._head = drop_oldest(self._window, self._head, count)
        self._window_first += count

    def evict(self, size: int) -> None:
        """Drop about ``size`` bytes of entries from memory, the oldest first, if they are on disk."""
        end = min(self._staged_from or self._last + 1, self._flying or self._last + 1)
        count = freed = 0
        most = end - self._window_first
        step = _STEP
        while count < most and freed < size:
            at = self._head + count
            step = min(step, most - count)
            some = _bytes(self._window[at : at + step])
            if step > 1 and freed + some > size:
                step //= 2
            else:
                freed += some
                count += step
        if count:
            self._drop(count)

    # -- bodies --------------------------------------------------------------------------------------------------

    def keep_bodies(self, bodies: "Bodies", names: "Iterable[str]" = ()) -> list[str]:
        """Keep snapshots as bodies from now on: verify the newest body, and return the files that nothing needs.

        ``names`` are the files of all bodies of this group.

        If the newest body is damaged, the older snapshot takes its place, provided that the log reaches from there to
        everything committed. Raises Corruption if it does not.
        """
        try:
            bodies.verify(self.newest)
        except Corruption as error:
            why = self._cannot_fall_back(bodies)
            if why:
                raise Corruption(f"{error.text}. {why}", error.file, error.offset) from error
            LOGGER.warning("group %d: %s; the snapshot before it is used", self.id, error)
            self._fall_back()
            self._staged().fallen = True
        self.bodies = bodies
        return bodies.strays([each for each in (self.newest, self.older) if each is not None], names)

    def _cannot_fall_back(self, bodies: "Bodies") -> str:
        """Return why the older snapshot cannot replace the newest one, "" if it can."""
        older = self.older
        if older is None:
            return "There is no older snapshot"
        index, term = older.metadata.index, older.metadata.term
        commit = 0 if self._state is None else self._state.commit
        if self.floor > index:
            return f"The older snapshot ends at {index}, but the log reaches back to {self.floor} only"
        if self._term_at(index) != term:
            return f"The older snapshot ends with the term {term}, but the log has {self._term_at(index)} there"
        if commit > self._last:
            return f"The log ends at {self._last}, but {commit} is committed"
        try:
            bodies.verify(older)
        except Corruption as error:
            return f"The older snapshot is damaged too: {error}"
        return ""

    def _fall_back(self) -> None:
        older = self.older
        if older is None or older.metadata.index < self.floor:
            raise Corruption(f"the group {self.id} has no older snapshot to fall back to")
        self.newest, self.older = older, None
        self._base_term = self._term_at(older.metadata.index)
        self._base = older.metadata.index

    def take_share(self) -> Share | None:
        """Take the staged share, which is being written from now on."""
        share, self.share = self.share, None
        self._flying, self._staged_from = self._staged_from, 0
        self.flying_span = None
        self.is_flying = share is not None
        if share is not None:
            self._flying_needless = share.dropped
            if share.entries:
                self.flying_span = (share.entries[0].index, share.entries[-1].index)
        return share

    def landed(self) -> list[str]:
        """Note that the last share taken is durable, and return the files that nothing needs any more."""
        self._flying = 0
        self.is_flying = False
        self.flying_span = None
        needless, self._flying_needless = self._flying_needless, shares.NO_SNAPSHOTS
        return [] if self.bodies is None else [name for each in needless for name in self.bodies.names_of(each)]

    @property
    def is_unsynced(self) -> bool:
        """Whether a crash now could take back a part of the group that is staged or being written."""
        return self.share is not None or self.is_flying

    def drop(self) -> None:
        """Stage that the group is gone."""
        share = Share()
        share.dropped = [each for each in (self.older, self.newest) if each is not None]
        self.share = share
        self.dropped = True
        self._clear_window(self._last + 1)

    def restated(self, upto: int) -> Begin:
        """Return a beginning of this group for a later segment; the caller adds the entries up to its ``prefix``."""
        prefix = min(max(upto, self.floor), self._last)
        runs = list(zip(*self._runs, strict=True))
        return Begin(self.floor, self.floor_term, self._base, self._base_term, prefix, self._last, runs)

    def rest_on(self, begin: Begin, segment: int, offset: int, size: int) -> None:
        """Note a record with a beginning of the group. Earlier records up to ``prefix`` are not needed any more."""
        if begin.prefix == begin.last:
            self.places.clear()
        elif not self.places.keep_after(begin.prefix):
            raise Corruption(f"the entry {begin.prefix + 1} of the group {self.id} is missing")
        self.begun = segment
        self.rests = min(segment, self.places.oldest_segment() or segment)
        if begin.floor < begin.prefix:
            self.places.put_first(begin.floor + 1, segment, offset, size)
            if begin.prefix == begin.last:
                self.places.ends(begin.last)

    def retained(self, hi: int, max_size: int) -> list[Entry]:
        """Return the retained entries up to ``hi``, or as many as fit into ``max_size`` encoded bytes and one more."""
        lo = self.floor + 1
        if lo >= self._window_first:
            at = self._head + lo - self._window_first
            return self._window[at : at + hi + 1 - lo]
        end = min(hi + 1, self._window_first)
        found = self.places.read(self._host.files, self._host.identity, self.id, lo, end, max_size)
        if len(found) == end - lo and end <= hi:
            found += self._window[self._head : self._head + hi + 1 - end]
        return found

    def retained_bytes(self) -> int:
        """Return about how many bytes a restatement of the group takes."""
        return self.places.retained() + len(self.newest.data) + len(self.older.data if self.older else b"")

    def describe(self, parts: list[bytes]) -> None:
        """Append the snapshots and the hard state, which a beginning holds in addition to entries."""
        if self.older is not None:
            shares.add(parts, shares.OLDER, self.older.encode())
        if self.newest.metadata.index or self.newest.metadata.conf_state.voters or self.newest.has("data"):
            shares.add(parts, shares.NEWEST, self.newest.encode())
        if self._state is not None:
            shares.add(parts, shares.HARD, self._state.encode())

    def replay(self, body: bytes, segment: int, offset: int, size: int) -> bool:
        """Apply a record, and return whether the group still exists. Corruption if the record contradicts the group."""
        here = (segment, offset)
        for kind, payload in shares.items(body):
            if kind == shares.BEGIN:
                self._begin(shares.begin_of(payload), here, size)
            elif kind == shares.ENTRIES:
                self._replay_entries(shares.span_of(payload), here, size)
            elif kind == shares.HARD:
                self._state = shares.hard_state_of(payload)
            elif kind == shares.RECEIVED:
                self._begin_with(shares.snapshot_of(payload))
            elif kind == shares.DROP:
                return False
            elif kind == shares.PREFIX:
                shares.span_of(payload)
            elif kind == shares.NEWEST:
                self.newest = shares.snapshot_of(payload)
            elif kind == shares.OLDER:
                self.older = shares.snapshot_of(payload)
            elif kind == shares.FALL_BACK:
                if not self.loose:
                    self._fall_back()
            elif not self.loose:
                self._replay_change(kind, payload)
        return True

    def _begin(self, begin: Begin, here: tuple[int, int], size: int) -> None:
        if self.loose:
            # The segment with its other entries is gone, so another beginning follows: the group was restated again.
            if begin.prefix < begin.last and not (self.floor <= begin.prefix and self._last == begin.last):
                return
        elif (self._last, self.floor, self._base) != (begin.last, begin.floor, begin.base):
            raise Corruption(
                f"the group {self.id} is said to have the entries {begin.base + 1} to {begin.last}, "
                f"but the records before leave it with {self._base + 1} to {self._last}"
            )
        term = self._term_at(self._last) if begin.prefix < begin.last else 0
        self.loose = False
        self.floor, self.floor_term = begin.floor, begin.floor_term
        self._base, self._base_term = begin.base, begin.base_term
        self._last = begin.last
        self._runs = ([index for index, _ in begin.runs], [term for _, term in begin.runs])
        if term and self._term_at(self._last) != term:
            raise Corruption(f"the group {self.id} is said to end with another term than {term}")
        self._state, self.newest, self.older = None, complete_snapshot(Snapshot()), None
        self._clear_window(self._last + 1)
        self.rest_on(begin, *here, size)

    def _replay_entries(self, span: shares.Span, here: tuple[int, int], size: int) -> None:
        if self.loose and (span.first <= self.floor or self._last == 0):
            self.floor = self._base = self._last = span.first - 1
            self._runs = ([], [])
            self.places.clear()
        if not self.floor < span.first <= self._last + 1:
            raise Corruption(f"the group {self.id} goes on with the entry {span.first} after {self._last}")
        self._put(span.first, span.last, span.runs, None)
        self.places.put(span.first, span.last, *here, size)

    def _replay_change(self, kind: int, payload: memoryview) -> None:
        if kind == shares.MADE:
            self._made(shares.snapshot_of(payload))
            return
        index = shares.index_of(payload)
        if not self._base < index <= self._last:
            raise Corruption(f"the group {self.id} is compacted to {index}, but has {self._base + 1} to {self._last}")
        self._compact(index)

    def __repr__(self) -> str:
        return f"<GroupLog {self.id} entries {self._base + 1} to {self._last}, snapshot {self.newest.metadata.index}>"


def _bytes(entries: list[Entry]) -> int:
    return payloads_size(entries) + _OVERHEAD * len(entries)
