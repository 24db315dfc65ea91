"""The bytes of a segment: its header, and the frame of a record. ``docs/storage.md`` has them as tables.

This module does not interpret the bodies of records; it knows nothing of entries. Numbers are little-endian.

- A segment begins with a sector for its header; records follow without gaps; the rest is zeros.
- A record is a head, a body, and one byte ``END``. The head has a separate checksum, so that its length can be trusted
  when the body is damaged. That checksum covers the checksum of the body, so it stands for the whole record. The next
  record repeats it (``previous``): that is the chain.
- The checksum of a head begins with the directory's identity, the segment's number and the record's place, so a record
  from any other place never fits.
- No sector of a write is all zeros: a record begins with ``MAGIC`` and ends with ``END``, and a body with a long run of
  zeros is masked. So a sector that reads as zeros was not written.
"""

import struct
import zlib
from hashlib import shake_128
from typing import NamedTuple

from ..errors import InvariantError
from .files import SECTOR

FORMAT = 1
"""The version of the format that this module writes. It reads nothing newer."""

MAGIC = b"\xd5rec"
END = b"\xa7"
HEAD_SIZE = 48
FRAME = HEAD_SIZE + len(END)
"""The bytes of a record without its body."""

FILLER = 0xFF
"""The first byte of a body that only takes up space."""

HEADER = SECTOR
"""Where the first record of a segment begins."""

BODY_MAX = 2**30
"""The longest body of a record, in bytes. A writer refuses longer ones, so a reader takes them for damage."""

_HEAD = struct.Struct("<4sIIIQQQI")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_SEGMENT = struct.Struct("<8sIIQQQQQ")
_SEGMENT_MAGIC = b"\xd5raftlog"
_SEGMENT_END = _SEGMENT.size + _U32.size + len(END)
_ZEROS = bytes(SECTOR - 64)

Position = tuple[int, int]
"""A place in the log: the number of a segment and an offset in it, in bytes. Positions compare as they follow."""


class Header(NamedTuple):
    """The header of a segment, which also describes the end of the segment before.

    ``size`` is the size of the file. ``chain`` is the checksum of the last record before this segment, and ``ended``
    the offset at which that record ended. ``mark`` is the position up to which the log was known to be synced.
    """

    number: int
    size: int
    chain: int
    ended: int
    mark: Position


class Head(NamedTuple):
    """The head of a record. ``checksum`` is the checksum of the head itself."""

    length: int
    body_checksum: int
    previous: int
    group: int
    mark: Position
    mask: int
    checksum: int


def segment_name(number: int) -> str:
    """The name of a segment's file."""
    return f"{number:016x}.log"


def segment_number(name: str) -> int:
    """The number of a segment by the name of its file; 0 for any other file."""
    stem, _, ending = name.partition(".")
    if ending != "log" or len(stem) != 16:
        return 0
    try:
        number = int(stem, 16)
    except ValueError:
        return 0
    return number if segment_name(number) == name else 0


def seed(identity: bytes, number: int) -> int:
    """Return the start value of a segment's checksums."""
    return zlib.crc32(_U64.pack(number), zlib.crc32(identity))


def pack_header(header: Header, seed: int) -> bytes:
    """The first sector of a segment."""
    data = _SEGMENT.pack(
        _SEGMENT_MAGIC, FORMAT, header.chain, header.number, header.size, header.ended, header.mark[0], header.mark[1]
    )
    return (data + _U32.pack(zlib.crc32(data, seed)) + END).ljust(HEADER, b"\0")


def unpack_header(data: bytes, seed: int) -> Header | None:
    """Decode the first sector of a segment; None if it is damaged."""
    if len(data) < HEADER or data[_SEGMENT_END - 1 : HEADER] != END.ljust(HEADER - _SEGMENT_END + 1, b"\0"):
        return None
    magic, version, chain, number, size, ended, mark_segment, mark_offset = _SEGMENT.unpack_from(data)
    (checksum,) = _U32.unpack_from(data, _SEGMENT.size)
    if magic != _SEGMENT_MAGIC or version != FORMAT or checksum != zlib.crc32(data[: _SEGMENT.size], seed):
        return None
    return Header(number, size, chain, ended, (mark_segment, mark_offset))


def header_is_cut(end: int) -> bool:
    """Whether a segment whose bytes from ``end`` on are zeros lacks a part of its header."""
    return end < _SEGMENT_END


def pack_record(body: bytes, group: int, previous: int, mark: Position, seed: int, offset: int) -> tuple[bytes, int]:
    """Return a record for this place, and its checksum for the chain. Raises InvariantError if its body is too long."""
    if len(body) > BODY_MAX:
        raise InvariantError(f"the body of a record has {len(body)} bytes")
    mask = 0
    if _ZEROS in body:
        body, mask = _masked(body)
    head = _HEAD.pack(MAGIC, len(body), zlib.crc32(body), previous, group, mark[0], mark[1], mask)
    checksum = zlib.crc32(head, zlib.crc32(_U64.pack(offset), seed))
    return b"".join((head, _U32.pack(checksum), body, END)), checksum


def unpack_head(data: bytes | memoryview, at: int, seed: int, offset: int) -> Head | None:
    """Decode the head at ``at`` in ``data``, which is at ``offset`` in its segment; None if no intact head is there."""
    if len(data) - at < HEAD_SIZE:
        return None
    magic, length, body_checksum, previous, group, mark_segment, mark_offset, mask = _HEAD.unpack_from(data, at)
    (checksum,) = _U32.unpack_from(data, at + _HEAD.size)
    if magic != MAGIC or length > BODY_MAX:
        return None
    if zlib.crc32(data[at : at + _HEAD.size], zlib.crc32(_U64.pack(offset), seed)) != checksum:
        return None
    return Head(length, body_checksum, previous, group, (mark_segment, mark_offset), mask, checksum)


def body_of(head: Head, data: bytes | memoryview, at: int) -> bytes | None:
    """Return the body of the record at ``at``, as ``pack_record`` got it; None if it is damaged."""
    first, last = at + HEAD_SIZE, at + HEAD_SIZE + head.length
    body = bytes(data[first:last])
    if len(body) != head.length or data[last : last + 1] != END or zlib.crc32(body) != head.body_checksum:
        return None
    return _stirred(body, head.mask) if head.mask else body


def _masked(body: bytes) -> tuple[bytes, int]:
    """Return a body without long runs of zeros, and the number of the mask that restores the original."""
    mask = 1
    while True:
        stirred = _stirred(body, mask)
        if _ZEROS not in stirred:
            return stirred, mask
        mask += 1


def _stirred(body: bytes, mask: int) -> bytes:
    stream = shake_128(_U32.pack(mask)).digest(len(body))
    return (int.from_bytes(body, "little") ^ int.from_bytes(stream, "little")).to_bytes(len(body), "little")


def last_byte(data: bytes | memoryview) -> int:
    """Where the zeros at the end of some bytes begin."""
    return len(bytes(data).rstrip(b"\0"))
