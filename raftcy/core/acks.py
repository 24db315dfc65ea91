"""Keeps which number each member has acknowledged, and computes which one a majority has.

The pure twin of ``acks.pyx``; the two agree in everything, errors included. A majority has acknowledged a number if
more than half of the members have acknowledged it or a higher one. Without members, every number counts as
acknowledged.
"""

import struct
from typing import Any

from ..wire import consts as k
from ..wire.whole import has_one_owner, keep_whole
from .progress import Progress

_number = struct.Struct("<Q")


class Acks:
    """The highest number that each id has acknowledged, 0 if it has acknowledged none."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def get(self, id: int) -> int:
        """Return the highest number that ``id`` has acknowledged."""
        return self._numbers.get(id, 0)

    def raise_to(self, id: int, number: int) -> None:
        """Record that ``id`` has acknowledged ``number``. A number that is not higher than before changes nothing."""
        if self._numbers.get(id, 0) < number:
            self._numbers[id] = number

    def majority(self, ids: tuple[int, ...]) -> int:
        """Return the highest number that a majority of ``ids``, which must ascend, has acknowledged.

        Returns 2**64-1 without ids.
        """
        n = len(ids)
        if n == 0:
            return k.NO_LIMIT
        numbers = self._numbers
        return sorted([numbers.get(id, 0) for id in ids])[n - (n // 2 + 1)]

    def items(self) -> list[tuple[int, int]]:
        """Return ``(id, number)`` for each id that has acknowledged a number, by ascending id."""
        return sorted(self._numbers.items())

    def __len__(self) -> int:
        return len(self._numbers)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Acks):
            return NotImplemented
        return self.items() == other.items()

    __hash__: Any = None

    def __repr__(self) -> str:
        return f"Acks({self.items()})"


def majority_match(peers: tuple[Progress, ...]) -> int:
    """Return the highest index that a majority of ``peers`` has stored, or 2**64-1 without peers."""
    n = len(peers)
    if n == 0:
        return k.NO_LIMIT
    return sorted([p.match for p in peers])[n - (n // 2 + 1)]


def pack_number(number: int) -> bytes:
    """Encode a number in 8 bytes, little endian."""
    return _number.pack(number)


def read_number(context: bytes) -> int:
    """Decode the number in the first 8 bytes of ``context``. Raises IndexError if it is shorter."""
    if len(context) < 8:
        raise IndexError("index out of range")
    return int(_number.unpack_from(context)[0])


keep_whole(Acks)
has_one_owner(Acks)
