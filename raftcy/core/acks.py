"""What members have acknowledged, and what a majority of them has.

The plain twin of ``acks.pyx``; both sides agree in everything, errors included. A majority has acknowledged a number
if more than half of the members have acknowledged it or a higher one; without members every number is.
"""

import struct
from typing import Any

from ..wire import consts as k
from ..wire.whole import keep_whole
from .progress import Progress

_number = struct.Struct("<Q")


class Acks:
    """The highest number that each id has acknowledged; 0 for an id that has none."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def get(self, id: int) -> int:
        """The number of an id."""
        return self._numbers.get(id, 0)

    def raise_to(self, id: int, number: int) -> None:
        """An id has acknowledged ``number``; a lower one than before changes nothing."""
        if self._numbers.get(id, 0) < number:
            self._numbers[id] = number

    def majority(self, ids: tuple[int, ...]) -> int:
        """The highest number that a majority of ``ids``, which ascend, has acknowledged; 2**64-1 without ids."""
        n = len(ids)
        if n == 0:
            return k.NO_LIMIT
        numbers = self._numbers
        return sorted([numbers.get(id, 0) for id in ids])[n - (n // 2 + 1)]

    def items(self) -> list[tuple[int, int]]:
        """(id, number) of each id that has one, by ascending id."""
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
    """The highest index that a majority of these Progress has stored; 2**64-1 without any."""
    n = len(peers)
    if n == 0:
        return k.NO_LIMIT
    return sorted([p.match for p in peers])[n - (n // 2 + 1)]


def pack_number(number: int) -> bytes:
    """8 bytes, little endian."""
    return _number.pack(number)


def read_number(context: bytes) -> int:
    """The number that at least 8 bytes begin with."""
    if len(context) < 8:
        raise IndexError("index out of range")
    return int(_number.unpack_from(context)[0])


keep_whole(Acks)
