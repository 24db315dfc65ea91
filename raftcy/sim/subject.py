"""State machines for a simulated cluster: the protocol, and the default."""

import zlib
from random import Random
from typing import Protocol


class Machine(Protocol):
    """A replicated state machine. It must be deterministic: the same commands in the same order give the same snapshot.

    The same command may be applied twice, because the network may deliver a forwarded proposal twice. A machine that
    has ``apply_at(index, term, data, members)`` is called by that in place of ``apply``.
    """

    def command(self, random: Random) -> bytes:
        """Return a command to propose, drawn from ``random``. Must not change the state."""

    def apply(self, data: bytes) -> None:
        """Apply a committed command."""

    def snapshot(self) -> bytes:
        """Return the whole state. Equal states must give equal bytes."""

    def restore(self, data: bytes) -> None:
        """Restore the state of a snapshot; ``b""`` stands for the initial state."""


class Ledger:
    """Counts the commands and chains their checksums, so any difference in their order shows in every later state."""

    def __init__(self) -> None:
        self.count = 0
        self.chain = 0

    def command(self, random: Random) -> bytes:
        """Return 0 to 299 bytes, mostly few."""
        size = int(random.random() ** 3 * 300)
        return bytes([size % 251]) * size

    def apply(self, data: bytes) -> None:
        """Add a command to the chain."""
        self.count += 1
        self.chain = zlib.crc32(data, self.chain)

    def snapshot(self) -> bytes:
        """Return the count and the checksum."""
        return b"%d %d" % (self.count, self.chain)

    def restore(self, data: bytes) -> None:
        """Restore the count and the checksum."""
        self.count, self.chain = map(int, data.split()) if data else (0, 0)
