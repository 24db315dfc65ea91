"""The keys in order, and how many of a range are live.

Rules:

- ``keys`` has each key of which an item is kept, deleted ones too. ``dead`` has those of them that are deleted at the
  newest revision. So the live keys of a range are counted by four look-ups, whatever the size of the range.
- The writer and readers on other threads exclude each other by the lock, for one change or one page at a time. Reads
  on the writer's thread need no lock.
"""

from collections.abc import Iterable
from itertools import islice
from threading import Lock

from sortedcontainers import SortedList

ALL_FROM = b"\0"  # the range_end that stands for "all keys from `key` on"


def is_empty(key: bytes, end: bytes) -> bool:
    """Whether a range has no key, whatever the store has."""
    return bool(end) and end != ALL_FROM and end <= key


class KeyIndex:
    """Sorted keys. A range is a key and a range_end as in requests: empty for the key alone, one zero byte for all."""

    __slots__ = ("_dead", "_keys", "_lock")

    def __init__(self, keys: Iterable[bytes] = (), dead: Iterable[bytes] = ()) -> None:
        self._keys: SortedList[bytes] = SortedList()
        self._dead: SortedList[bytes] = SortedList()
        self._lock = Lock()
        # One by one, because a thread that sorts a million keys in one call stops all others meanwhile.
        for key in keys:
            self._keys.add(key)
        for key in dead:
            self._dead.add(key)

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: bytes) -> None:
        """Add a key that is not there."""
        with self._lock:
            self._keys.add(key)

    def remove(self, key: bytes) -> None:
        """Remove a key that is there, and is dead."""
        with self._lock:
            self._keys.remove(key)
        self._dead.remove(key)

    def bury(self, key: bytes) -> None:
        """A live key is deleted."""
        self._dead.add(key)

    def revive(self, key: bytes) -> None:
        """A deleted key is written again."""
        self._dead.remove(key)

    def page(self, key: bytes, end: bytes, size: int, after: bool = False) -> list[bytes]:
        """The first keys of a range, at most ``size``; with ``after`` only those behind ``key``."""
        if not end:
            return [key] if not after and key in self._keys else []
        if is_empty(key, end):
            return []
        top = None if end == ALL_FROM else end
        return list(islice(self._keys.irange(key, top, (not after, False)), size))

    def locked_page(self, key: bytes, end: bytes, size: int, after: bool = False) -> list[bytes]:
        """`page`, for any thread."""
        with self._lock:
            return self.page(key, end, size, after)

    def live(self, key: bytes, end: bytes) -> int:
        """How many keys of a range are not dead."""
        return self._between(self._keys, key, end) - self._between(self._dead, key, end)

    def span(self, key: bytes, end: bytes) -> int:
        """How many keys a range has, dead ones too: how much work it is."""
        return self._between(self._keys, key, end)

    @staticmethod
    def _between(keys: "SortedList[bytes]", key: bytes, end: bytes) -> int:
        if not end:
            return int(key in keys)
        if is_empty(key, end) or not keys:
            return 0
        top = len(keys) if end == ALL_FROM else keys.bisect_left(end)
        return int(top - keys.bisect_left(key))
