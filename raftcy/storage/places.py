"""A sparse index of the places of a group's entries in the segments, and reading by it.

Rules:

- A place is authoritative from its index up to the index of the next place. A record whose entries replace others
  begins a new place, and so does the first record of a group in a segment. So a reader that goes from a place on,
  record by record, meets the place's entries first, in order and without a gap. Without the new places, it could return
  entries that were replaced.
- Two places of a group are at most ``STRIDE`` bytes of the group, ``REACH`` bytes of all groups, and one record apart.
  The first bounds the memory for the index, the second the bytes that a reader skips.
- A reader verifies records as an opening does: a bit that has turned since then is Corruption, and never becomes an
  entry.
"""

from bisect import bisect_right
from typing import NamedTuple

from ..core.entries import entry_size
from ..errors import Corruption
from ..wire import consts as k
from ..wire.messages import Entry
from . import share
from .files import Files
from .layout import FRAME, HEAD_SIZE, body_of, seed, segment_name, unpack_head

STRIDE = 64 << 10
REACH = 256 << 10
_BLOCK = 64 << 10


class Place(NamedTuple):
    """A record with entries from ``first`` on. The group wrote ``before`` bytes before it."""

    first: int
    segment: int
    offset: int
    before: int


class Places:
    """The sparse index of one group. ``written`` counts all bytes that the group has written."""

    __slots__ = ("_end", "_items", "written")

    def __init__(self) -> None:
        self._items: list[Place] = []
        self._end = 0
        self.written = 0

    def clear(self) -> None:
        """Forget all places: the segments hold no entries of the group any more."""
        self._items = []
        self._end = 0

    def put(self, first: int, last: int, segment: int, offset: int, size: int) -> None:
        """Note a record of ``size`` bytes with the entries from ``first`` to ``last``."""
        items = self._items
        while items and items[-1].first >= first:
            items.pop()
        if not items or first <= self._end or self._is_far(items[-1], segment, offset):
            items.append(Place(first, segment, offset, self.written))
        self._end = last
        self.written += size

    def _is_far(self, before: Place, segment: int, offset: int) -> bool:
        return segment != before.segment or self.written - before.before >= STRIDE or offset - before.offset >= REACH

    def keep_after(self, index: int) -> bool:
        """Forget the places of the entries up to this index. False if no place has the next entry."""
        at = self._first_above(index + 1) - 1
        if at < 0:
            return False
        del self._items[:at]
        return True

    def put_first(self, first: int, segment: int, offset: int, size: int) -> None:
        """Note a record to which the oldest entries, from ``first`` on, have moved."""
        before = self._items[0].before if self._items else self.written
        self._items.insert(0, Place(first, segment, offset, before))
        self.written += size

    def ends(self, last: int) -> None:
        """Note that the entries end with this index."""
        self._end = last

    def _first_above(self, index: int) -> int:
        return bisect_right(self._items, index, key=_index_of)

    def forget(self, index: int) -> None:
        """Forget the places of the entries up to this index, which are no longer retained."""
        needless = self._first_above(index + 1) - 1
        if needless > 0:
            del self._items[:needless]

    def oldest_segment(self) -> int:
        """Return the oldest segment that holds an entry; 0 if none does.

        It need not be the segment of the first entry: restated entries are in a later segment than their successors.
        """
        return min([place.segment for place in self._items], default=0)

    def last_up_to(self, segment: int) -> int | None:
        """Return the last index in this segment or before it: 0 if no entry is there, None if the last one is."""
        items = self._items
        for at in range(len(items) - 1, -1, -1):
            if items[at].segment <= segment:
                return items[at + 1].first - 1 if at + 1 < len(items) else None
        return 0

    def retained(self) -> int:
        """Return about how many bytes the retained entries take."""
        return self.written - self._items[0].before if self._items else 0

    def read(self, files: Files, identity: bytes, group: int, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Return the entries from ``lo`` to ``hi`` - 1, or as many as fit into ``max_size`` bytes and one more."""
        found: list[Entry] = []
        size = 0
        while lo < hi and size <= max_size:
            at = self._first_above(lo) - 1
            if at < 0:
                raise Corruption(f"the entry {lo} of the group {group} is in no segment")
            end = self._items[at + 1].first if at + 1 < len(self._items) else hi
            some = _read_from(files, identity, group, self._items[at], lo, min(hi, end), max_size - size)
            found += some
            lo += len(some)
            if max_size != k.NO_LIMIT:
                size += sum(entry_size(e) for e in some)
        return found


def _index_of(place: Place) -> int:
    return place.first


def _read_from(files: Files, identity: bytes, group: int, place: Place, lo: int, hi: int, max_size: int) -> list[Entry]:
    """Return entries of a place from ``lo`` on, at least one."""
    name, start = segment_name(place.segment), seed(identity, place.segment)
    offset, want = place.offset, lo
    found: list[Entry] = []
    size = 0
    block, base = b"", offset
    while want < hi and size <= max_size:
        if offset + HEAD_SIZE > base + len(block):
            block, base = files.read(name, offset, _BLOCK), offset
        head = unpack_head(block, offset - base, start, offset)
        if head is None:
            raise Corruption("a record that was intact when the log was opened is damaged", name, offset)
        if head.group == group and head.length:
            if offset + FRAME + head.length > base + len(block):
                block, base = files.read(name, offset, max(FRAME + head.length, _BLOCK)), offset
            body = body_of(head, block, offset - base)
            if body is None:
                raise Corruption("a record that was intact when the log was opened is damaged", name, offset)
            for e in _entries_in(body, want, hi):
                found.append(e)
                size += entry_size(e)
            want = lo + len(found)
        offset += FRAME + head.length
    return found


def _entries_in(body: bytes, want: int, hi: int) -> list[Entry]:
    """Return the entries of a record from the index ``want`` on that are below ``hi``."""
    found: list[Entry] = []
    for kind, payload in share.items(body):
        if kind in (share.ENTRIES, share.PREFIX):
            span = share.span_of(payload)
            if span.first <= want <= span.last:
                some = span.decode()[want - span.first :]
                some = some[: hi - want]
                found += some
                want += len(some)
    return found
