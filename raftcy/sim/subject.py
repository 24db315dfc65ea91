"""State machines that a simulated cluster replicates: the protocol, and the one that is used by default."""

import zlib
from random import Random
from typing import Protocol


class Machine(Protocol):
    """What is replicated. It must be deterministic: the same commands in the same order give the same snapshot.

    A command may be applied more than once, since a network may deliver a forwarded proposal twice.
    """

    def command(self, random: Random) -> bytes:
        """A command to propose next, drawn from ``random``; the state must not change."""

    def apply(self, data: bytes) -> None:
        """Apply a committed command."""

    def snapshot(self) -> bytes:
        """The whole state; equal states give equal bytes."""

    def restore(self, data: bytes) -> None:
        """Take over the state of a snapshot, b"" for the state at the beginning."""


class Ledger:
    """Counts the commands and chains their checksums, so that any difference in the order shows for ever."""

    def __init__(self) -> None:
        self.count = 0
        self.chain = 0

    def command(self, random: Random) -> bytes:
        """Up to some hundred bytes, mostly few, now and then none."""
        size = int(random.random() ** 3 * 300)
        return bytes([size % 251]) * size

    def apply(self, data: bytes) -> None:
        """Chain a command."""
        self.count += 1
        self.chain = zlib.crc32(data, self.chain)

    def snapshot(self) -> bytes:
        """Both numbers."""
        return b"%d %d" % (self.count, self.chain)

    def restore(self, data: bytes) -> None:
        """Both numbers."""
        self.count, self.chain = map(int, data.split()) if data else (0, 0)
