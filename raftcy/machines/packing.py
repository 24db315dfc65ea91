"""The encoding of numbers and bytes in this room's formats, and a strict reader for them.

A number is a varint: seven bits per byte, lowest first, at most 64 bits, in its shortest form. Bytes follow their
length. Every value has exactly one encoding, so equal data gives equal bytes.
"""

from ..errors import DecodeError
from ..wire.checks import u64


def number(value: int) -> bytes:
    """Encode a number from 0 to 2**64-1; TypeError or RangeError for anything else."""
    value = u64(value, "number")
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def block(data: bytes) -> bytes:
    """Encode a block: its length, then the data."""
    return number(len(data)) + data


class Reader:
    """Reads bytes from ``at`` on. Every method raises DecodeError if the bytes are cut off or not canonical."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def number(self, least: int = 0, most: int = 2**64 - 1) -> int:
        """Read a number from ``least`` to ``most``."""
        data, at = self.data, self.at
        if at < len(data) and least <= data[at] <= most and data[at] < 0x80:
            self.at = at + 1
            return data[at]
        value = shift = 0
        while True:
            if at >= len(data):
                raise DecodeError("a number is cut off", at)
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise DecodeError("a number is longer than 64 bits", self.at)
        if byte == 0 and shift > 0:
            raise DecodeError("a number is not in its shortest form", self.at)
        if value > most or value < least:
            raise DecodeError(f"{value} is not from {least} to {most}", self.at)
        self.at = at
        return value

    def take(self, size: int) -> bytes:
        """Read the next ``size`` bytes."""
        if size > len(self.data) - self.at:
            raise DecodeError("the bytes are cut off", self.at)
        found = self.data[self.at : self.at + size]
        self.at += size
        return found

    def block(self) -> bytes:
        """Read a block of bytes."""
        return self.take(self.number())

    def count(self, least_bytes: int = 1) -> int:
        """Read the number of items that follow, each of at least ``least_bytes``; more than can fit are refused."""
        begin = self.at
        count = self.number()
        if count > (len(self.data) - self.at) // least_bytes:
            raise DecodeError(f"{count} items do not fit in", begin)
        return count

    def rest(self) -> bytes:
        """Read all remaining bytes."""
        return self.take(len(self.data) - self.at)

    def end(self) -> None:
        """Refuse any remaining bytes."""
        if self.at != len(self.data):
            raise DecodeError(f"{len(self.data) - self.at} bytes are left over", self.at)
