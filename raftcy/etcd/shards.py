"""A dict in parts, so that it never grows in one go.

A dict that is full copies its table, all of it within the call that needs more space: 45 ms at 700,000 keys, and half a
second at ten million. Here each part has a table of its own, and copies only that.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Generic, TypeVar

COUNT: Final = 128
MASK: Final = COUNT - 1

V = TypeVar("V")


class _Part(dict[bytes, V]):
    """A dict that the garbage collector tracks from the start, and so never again once it is frozen.

    A plain dict is tracked only while it has something to be tracked. One that was not when everything was frozen would
    come back with the next write, and be walked through in every full collection: 50 ms at a million keys.
    """

    __slots__ = ()


class Shards(Generic[V]):
    """A mapping of bytes. It is iterated in no order, and as a dict by one thread may be read by others."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: tuple[_Part[V], ...] = tuple([_Part() for _ in range(COUNT)])
        """The parts: that of a key is number ``hash(key) & MASK``. For code that cannot afford a call."""

    def get(self, key: bytes) -> V | None:
        """The value of a key."""
        return self.parts[hash(key) & MASK].get(key)

    def several(self, keys: Iterable[bytes]) -> list[V]:
        """The values of these keys, which must be there."""
        parts = self.parts
        return [parts[hash(key) & MASK][key] for key in keys]

    def __getitem__(self, key: bytes) -> V:
        return self.parts[hash(key) & MASK][key]

    def __setitem__(self, key: bytes, value: V) -> None:
        self.parts[hash(key) & MASK][key] = value

    def __delitem__(self, key: bytes) -> None:
        del self.parts[hash(key) & MASK][key]

    def __contains__(self, key: bytes) -> bool:
        return key in self.parts[hash(key) & MASK]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self.parts)

    def values(self) -> Iterator[V]:
        """All values."""
        return chain.from_iterable([part.values() for part in self.parts])

    def items(self) -> Iterator[tuple[bytes, V]]:
        """All keys with their values."""
        return chain.from_iterable([part.items() for part in self.parts])
