"""Very many items in order, which cost the garbage collector nothing."""

from collections.abc import Iterable, Iterator
from typing import Final

from .items import Item

PAGE_ITEMS: Final = 1000


class Pages:
    """Items in tuples of up to ``PAGE_ITEMS``, or more if more are added at once.

    The collector looks at each entry of a list whenever it looks at all objects, 100 ms at a million entries; a tuple
    of what it need not track it does not track either.
    """

    __slots__ = ("_count", "_full", "_last")

    def __init__(self) -> None:
        self._full: list[tuple[Item, ...]] = []
        self._last: list[Item] = []
        self._count = 0

    def extend(self, items: Iterable[Item]) -> None:
        """Add items behind the others."""
        last = self._last
        before = len(last)
        last += items
        self._count += len(last) - before
        if len(last) >= PAGE_ITEMS:
            self._full.append(tuple(last))
            self._last = []

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, place: int) -> Item:
        for page in self.pages():
            if place < len(page):
                return page[place]
            place -= len(page)
        raise IndexError("there are not so many items")

    def upto(self, count: int) -> "Pages":
        """The first items, so many at most."""
        found = Pages()
        for page in self.pages():
            found.extend(page[: count - len(found)])
            if len(found) >= count:
                break
        return found

    def __iter__(self) -> Iterator[Item]:
        for page in self.pages():
            yield from page

    def drain(self) -> Iterator[tuple[Item, ...] | list[Item]]:
        """`pages`, and let go of each: to let go of a million items at once takes 10 ms and more."""
        full, self._full = self._full, []
        last, self._last = self._last, []
        self._count = 0
        full.reverse()
        while full:
            yield full.pop()
        if last:
            yield last

    def pages(self) -> Iterator[tuple[Item, ...] | list[Item]]:
        """The items in pages, none of which is empty."""
        yield from self._full
        if self._last:
            yield self._last
