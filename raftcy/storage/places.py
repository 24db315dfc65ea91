"""Where a group's entries stand in the segments: a sparse index, and reading by it.

Rules:

- A place is authoritative from its index up to that of the next place. A record whose entries replace others begins a
  place of its own, and so does the first record of a group in a segment. So whoever reads from a place on, record by
  record, meets the entries it stands for first, in order and without a gap.
- Between two places of a group lie at most ``STRIDE`` bytes of its own and ``REACH`` bytes of all groups, and one
  record more. That bounds both the memory for the index and what is read in vain.
- What is read is verified as at the opening: a bit that has turned since then is Corruption, and never an entry.
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
    """A record with entries from ``first`` on. ``before`` is how many bytes of the group were written before it."""

    first: int
    segment: int
    offset: int
    before: int


class Places:
    """The sparse index of one group. ``written`` is how many bytes it has written in all."""

    __slots__ = ("_end", "_items", "written")

    def __init__(self) -> None:
        self._items: list[Place] = []
        self._end = 0
        self.written = 0

    def clear(self) -> None:
        """Nothing of the group is in the segments any more."""
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
        """Forget the places of the entries up to this index; False if there is none for those after it."""
        at = self._first_above(index + 1) - 1
        if at < 0:
            return False
        del self._items[:at]
        return True

    def put_first(self, first: int, segment: int, offset: int, size: int) -> None:
        """Note a record with the oldest entries, from ``first`` on, which have moved there."""
        before = self._items[0].before if self._items else self.written
        self._items.insert(0, Place(first, segment, offset, before))
        self.written += size

    def ends(self, last: int) -> None:
        """The entries that are noted end with this one."""
        self._end = last

    def _first_above(self, index: int) -> int:
        return bisect_right(self._items, index, key=_index_of)

    def forget(self, index: int) -> None:
        """The entries up to this index are no longer retained."""
        needless = self._first_above(index + 1) - 1
        if needless > 0:
            del self._items[:needless]

    def oldest_segment(self) -> int:
        """The oldest segment that holds an entry; 0 if none does.

        It need not be that of the first entry: what was restated stands behind what followed it.
        """
        return min([place.segment for place in self._items], default=0)

    def last_up_to(self, segment: int) -> int | None:
        """The last index that stands in this segment or before it, 0 if none does; None if the last one of all does."""
        items = self._items
        for at in range(len(items) - 1, -1, -1):
            if items[at].segment <= segment:
                return items[at + 1].first - 1 if at + 1 < len(items) else None
        return 0

    def retained(self) -> int:
        """About how many bytes the retained entries take."""
        return self.written - self._items[0].before if self._items else 0

    def read(self, files: Files, identity: bytes, group: int, lo: int, hi: int, max_size: int) -> list[Entry]:
        """The entries from ``lo`` to ``hi`` - 1, or as many as take ``max_size`` encoded bytes, and one more."""
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
    """The entries from ``lo`` on, at least one, that a place stands for."""
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
    """Those of the entries in a record that come next, and are below ``hi``."""
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
