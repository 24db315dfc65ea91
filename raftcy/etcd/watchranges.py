"""Which watchers want the events of a key: found by look-ups, not by asking every watcher.

A watch is of one key, of a prefix, of all keys from one on, or of any other range. Keys and prefixes are found in
dicts, prefixes by one look-up for each length that some watch has. All other ranges stand in order of their starts.
"""

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import Generic, TypeVar

from .keyindex import ALL_FROM

T = TypeVar("T")


def prefix_end(prefix: bytes) -> bytes:
    """The range_end of a prefix: the first key behind all keys that begin with it; one zero byte if there is none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1]) if kept else ALL_FROM


class WatchRanges(Generic[T]):
    """Values by the ranges that they belong to: one value for each range."""

    __slots__ = ("_bounds", "_exact", "_from", "_others", "_prefixes")

    def __init__(self) -> None:
        self._exact: dict[bytes, T] = {}
        self._prefixes: dict[int, dict[bytes, T]] = {}
        self._from: list[tuple[bytes, T]] = []
        self._others: list[tuple[bytes, bytes, T]] = []
        self._bounds: list[bytes] = []  # the greatest end of all ranges up to each of `_others`

    def get(self, key: bytes, end: bytes) -> T | None:
        """The value of a range."""
        if not end:
            return self._exact.get(key)
        if end == ALL_FROM:
            return next((value for start, value in self._from if start == key), None)
        if end == prefix_end(key):
            return self._prefixes.get(len(key), {}).get(key)
        return next((value for start, top, value in self._others if (start, top) == (key, end)), None)

    def add(self, key: bytes, end: bytes, value: T) -> None:
        """Add a range that has no value yet."""
        if not end:
            self._exact[key] = value
        elif end == ALL_FROM:
            insort(self._from, (key, value), key=lambda each: each[0])
        elif end == prefix_end(key):
            self._prefixes.setdefault(len(key), {})[key] = value
        else:
            insort(self._others, (key, end, value), key=lambda each: each[:2])
            self._bounds = []

    def remove(self, key: bytes, end: bytes) -> None:
        """Remove a range that has a value."""
        if not end:
            del self._exact[key]
        elif end == ALL_FROM:
            self._from = [each for each in self._from if each[0] != key]
        elif end == prefix_end(key):
            found = self._prefixes[len(key)]
            del found[key]
            if not found:
                del self._prefixes[len(key)]
        else:
            self._others = [each for each in self._others if each[:2] != (key, end)]
            self._bounds = []

    def find(self, key: bytes) -> list[T]:
        """The values of all ranges that have this key."""
        found = []
        if (value := self._exact.get(key)) is not None:
            found.append(value)
        for length, prefixes in self._prefixes.items():
            if (value := prefixes.get(key[:length])) is not None:
                found.append(value)
        if self._from:
            for start, value in self._from:
                if start > key:
                    break
                found.append(value)
        if self._others:
            found += self._within(key)
        return found

    def _within(self, key: bytes) -> Iterator[T]:
        others = self._others
        if not self._bounds:
            top = b""
            for _, end, _ in others:
                top = max(top, end)
                self._bounds.append(top)
        place = bisect_right(others, key, key=lambda each: each[0])
        while place > 0 and self._bounds[place - 1] > key:
            place -= 1
            if others[place][1] > key:
                yield others[place][2]
