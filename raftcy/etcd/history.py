"""All kept items of all keys, and what compaction takes away.

Rules:

- ``newest`` has the last item of each key, ``older`` those before it, the oldest first. A writer fills ``older`` before
  ``newest``, and never changes in place what a reader may hold, except that it appends. So a reader on another thread
  that looks at ``newest`` first finds each item at one of the two places.
- After a compaction at C, a key keeps its items from C on, since a watch may still begin there. If it has none at C,
  it keeps the last one before too, unless that is a delete.
- What a compaction takes away is gone at once for every reader, but freed later, in steps: ``freed`` is how far that
  is. It follows the log, since only a later write makes an item superfluous. Nothing is freed that an open reader
  shows; a reader that nobody holds any more counts as closed.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol
from weakref import ref

from .items import FRAMED, KEY, MOD, VERSION, Item
from .keyindex import KeyIndex
from .revisionlog import RevisionLog
from .shards import MASK, Shards

# A longer history is a list, which grows in place; a shorter one a tuple, which the garbage collector need not track.
_SHORT = 8


class Reader(Protocol):
    """Somebody who reads the history as it was after a compaction."""

    @property
    def compacted(self) -> int:
        """That compaction."""

    @property
    def is_closed(self) -> bool:
        """Whether it has read all."""


def _first_kept(items: Sequence[Item], compacted: int) -> int:
    """The place of the first item that a compaction keeps: the first at its revision, else the last one before."""
    first = bisect_left(items, (compacted,))
    if first < len(items) and items[first][MOD] == compacted:
        return first
    return max(first - 1, 0)


class History:
    """The items, with their order by key and by revision."""

    __slots__ = ("_goal", "_readers", "_rest", "compacted", "freed", "index", "last", "log", "newest", "older", "size")

    def __init__(self) -> None:
        self.newest: Shards[Item] = Shards()
        self.older: Shards[Sequence[Item]] = Shards()
        self.index = KeyIndex()
        self.log = RevisionLog()
        self.compacted = -1
        self.freed = -1
        self.size = 0
        self.last = 0  # the revision of the last write, which may belong to a transaction that has not ended
        self._readers: list[ref[Reader]] = []
        self._goal = -1
        self._rest: Iterator[Item] | None = None

    # -- writing --

    def write(self, item: Item, before: Item | None) -> None:
        """Add an item, the newest of all; ``before`` is the newest one of its key."""
        key = item[KEY]
        if before is None:
            self.newest[key] = item
            self.index.add(key)
        else:
            part = hash(key) & MASK
            self._supersede(self.older.parts[part], key, before)
            self.newest.parts[part][key] = item
            if not before[VERSION]:
                self.index.revive(key)
        if not item[VERSION]:
            self.index.bury(key)
        self.size += len(item[FRAMED])
        self.last = item[MOD]
        self.log.append(item)

    def supersede(self, key: bytes, before: Item) -> None:
        """Put an item behind the older ones of its key."""
        self._supersede(self.older.parts[hash(key) & MASK], key, before)

    @staticmethod
    def _supersede(part: dict[bytes, Sequence[Item]], key: bytes, before: Item) -> None:
        older = part.get(key)
        if older is None:
            part[key] = (before,)
        elif isinstance(older, list):
            older.append(before)
        elif len(older) < _SHORT:
            part[key] = (*older, before)
        else:
            part[key] = [*older, before]

    # -- reading --

    def at(self, key: bytes, revision: int) -> Item | None:
        """The live item of a key at a revision."""
        item = self.newest.parts[hash(key) & MASK].get(key)
        if item is not None and item[MOD] > revision:
            older = self.older.get(key) or ()
            place = bisect_right(older, (revision + 1,))
            item = older[place - 1] if place else None
        return item if item is not None and item[VERSION] else None

    def before(self, item: Item) -> Item | None:
        """The live item of a key before a write, if no compaction has passed it."""
        return self.at(item[KEY], item[MOD] - 1) if item[MOD] > self.compacted else None

    def kept(self, key: bytes, compacted: int, revision: int) -> list[Item]:
        """The items of a key at a revision, the oldest first, as they are kept after a compaction."""
        newest = self.newest.get(key)
        if newest is None:
            return []
        items = list(self.older.get(key) or ())
        if not items or items[-1] < newest:  # else a writer has superseded it in between
            items.append(newest)
        if items[-1][MOD] > revision:
            del items[bisect_right(items, (revision + 1,)) :]
        first = _first_kept(items, compacted)
        if first > 0:
            del items[:first]
        if items and not items[0][VERSION] and items[0][MOD] < compacted:
            del items[0]
        return items

    # -- compacting --

    def keep_for(self, reader: Reader) -> None:
        """Free nothing that this reader shows, until it is closed or gone."""
        self._readers.append(ref(reader))

    def _floor(self) -> int:
        """Up to which compaction space may be freed."""
        if not self._readers:
            return self.compacted
        readers = [(each, reader) for each in self._readers if (reader := each()) is not None and not reader.is_closed]
        self._readers = [each for each, _ in readers]
        return min([self.compacted, *(reader.compacted for _, reader in readers)])

    def free(self, size: int) -> bool:
        """Free what compactions have taken away, in a step that looks at ``size`` writes; whether more can be freed."""
        if self._goal <= self.freed:
            self._goal = self._floor()
            if self._goal <= self.freed:
                return False
        goal = self._goal
        dropped = self.log.drop(goal, size)
        for item in dropped:
            if self._cut(item[KEY], goal) is not item:
                self.size -= len(item[FRAMED])
        if dropped:
            return True
        return self._cut_at_goal(goal, size)

    def _cut_at_goal(self, goal: int, size: int) -> bool:
        """The last steps: the writes at the compact revision itself stay in the log, but supersede older ones."""
        if self._rest is None:
            self._rest = self.log.walk(goal)
        looked = list(islice(self._rest, size))
        for item in looked:
            if item[MOD] == goal:
                self._cut(item[KEY], goal)
        if len(looked) == size and looked[-1][MOD] == goal:
            return True
        self.freed = goal
        self._rest = None
        return self._floor() > goal

    def _cut(self, key: bytes, goal: int) -> Item | None:
        """Let go of the items of a key that a compaction takes away, and return the oldest one that is left.

        The space of an item is counted where it leaves the log, and that of an item which a former compaction has kept,
        so that it has left the log before, here.
        """
        newest = self.newest.get(key)
        if newest is None:
            return None
        older = self.older.get(key) or ()
        if older:
            first = _first_kept(older, goal)
            if newest[MOD] <= goal and older[first][MOD] < goal:
                first = len(older)  # superseded by the newest one
            if first > 0:
                if older[0][MOD] < self.freed:
                    self.size -= len(older[0][FRAMED])
                older = self._shorten(key, older, first)
        oldest = older[0] if older else newest
        if oldest[VERSION] or oldest[MOD] >= goal:
            return oldest
        if older:
            older = self._shorten(key, older, 1)
            return older[0] if older else newest
        self.index.remove(key)
        del self.newest[key]
        return None

    def _shorten(self, key: bytes, older: Sequence[Item], count: int) -> Sequence[Item]:
        if count == len(older):
            del self.older[key]
            return ()
        rest = older[count:]
        self.older[key] = rest = rest if len(rest) > _SHORT else tuple(rest)
        return rest
