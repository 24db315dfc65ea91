"""The writes in the order of their revisions: what a watcher that is behind reads."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from ..errors import InvariantError
from .items import MOD, Item

CHUNK = 512


class RevisionLog:
    """Items in order of (mod_revision, sub), in chunks, so that the oldest are dropped without moving the others.

    A full chunk is a tuple, which the garbage collector need not look into.
    """

    __slots__ = ("_chunks", "_firsts", "_last")

    def __init__(self) -> None:
        self._chunks: list[Sequence[Item]] = []
        self._firsts: list[Item] = []
        self._last: list[Item] = []

    def __len__(self) -> int:
        return sum(map(len, self._chunks))

    def append(self, item: Item) -> None:
        """Add the next write."""
        last = self._last
        if last and item <= last[-1]:
            raise InvariantError(f"write {item[:2]} does not come after {last[-1][:2]}")
        if not last or len(last) >= CHUNK:
            if last:
                self._chunks[-1] = tuple(last)
            self._last = last = []
            self._chunks.append(last)
            self._firsts.append(item)
        last.append(item)

    def read(self, revision: int, size: int) -> list[Item]:
        """The writes from a revision on: at least ``size`` of them if there are so many, and no revision in part."""
        found: list[Item] = []
        for item in self.walk(revision):
            if len(found) >= size and item[MOD] != found[-1][MOD]:
                break
            found.append(item)
        return found

    def walk(self, revision: int) -> Iterator[Item]:
        """All writes from a revision on. Those that are added or dropped meanwhile may be among them, or not."""
        mark = (revision,)
        place = max(bisect_left(self._firsts, mark) - 1, 0)
        for chunk in self._chunks[place:]:
            if chunk[-1] >= mark:
                yield from chunk if chunk[0] >= mark else chunk[bisect_left(chunk, mark) :]

    def drop(self, revision: int, size: int) -> Sequence[Item]:
        """Drop the oldest writes below a revision, about ``size`` of them at most, and return them."""
        if not self._chunks:
            return []
        oldest = self._chunks[0]
        count = bisect_left(oldest, (revision,), 0, min(len(oldest), size))
        dropped = oldest[:count]
        if count == len(oldest):
            del self._chunks[0], self._firsts[0]
            if not self._chunks:
                self._last = []
        elif count:
            self._chunks[0] = rest = oldest[count:]
            self._firsts[0] = rest[0]
            if len(self._chunks) == 1:
                self._last = list(rest)
                self._chunks[0] = self._last
        return dropped
