"""Reads bytes as decisions: a fuzzer that changes a byte changes what the reader does."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """The decisions in a run of bytes, one after the other; once the bytes are used up, always the first option."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        """How many bytes are unused."""
        return len(self._data) - self._at

    def below(self, count: int) -> int:
        """A number from 0 to count - 1; `count` is at most 256."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1] % count

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def flag(self) -> bool:
        """Yes or no."""
        return self.below(2) == 1

    def flags(self, count: int) -> list[bool]:
        """That many booleans, eight from each byte, the lowest bit first."""
        found: list[bool] = []
        while len(found) < count:
            bits = self.below(256)
            found += [bool(bits >> place & 1) for place in range(min(8, count - len(found)))]
        return found

    def octets(self, count: int) -> bytes:
        """Up to `count` bytes, unchanged."""
        taken = self._data[self._at : self._at + count]
        self._at += len(taken)
        return taken
