"""Encoded messages put together: a message is the sequence of its encoded fields, in any order.

So what is encoded once is never decoded to be sent again. A KeyValue is kept as it stands in an answer, a page of a
range is a join, and the events of a write are encoded once for all watchers. Single messages are protobuf's to encode,
but for the two of every put: the KeyValue and the header.
"""

from typing import Final

_SMALL: Final = 1 << 14
_MIDDLE: Final = 1 << 28


def _varint(number: int) -> bytes:
    """Encode an unsigned number in groups of seven bits, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


# What one and two bytes can hold: most lengths, and small numbers.
_TABLE: Final = [_varint(number) for number in range(_SMALL)]


# The first two bytes of longer ones: revisions, in a store that has lived for a minute.
_BEGIN: Final = [bytes((number & 0x7F | 0x80, number >> 7 | 0x80)) for number in range(_SMALL)]


def varint(number: int) -> bytes:
    """Encode a number from 0 to 2**64 - 1, or an int64 below 0 as protobuf does, in ten bytes."""
    if 0 <= number < _SMALL:
        return _TABLE[number]
    if 0 < number < _MIDDLE:
        return _BEGIN[number & 0x3FFF] + _TABLE[number >> 14]
    return _varint(number & 0xFFFF_FFFF_FFFF_FFFF)


def tag(number: int, wire_type: int = 2) -> bytes:
    """The tag of a field: 0 for numbers, 2 for messages and bytes."""
    return varint(number << 3 | wire_type)


def field(start: bytes, message: bytes) -> bytes:
    """A field with this tag that holds an encoded message."""
    size = len(message)
    return b"".join((start, _TABLE[size] if size < _SMALL else _varint(size), message))


def number(start: bytes, value: int) -> bytes:
    """A field with this tag that holds a number; nothing for 0, as proto3 has it."""
    return start + varint(value) if value else b""
