"""Reads the records of a segment, and has the rule of the tail: what may be cut off, and what is damage.

A crash may leave the last write torn: some of its sectors are written, and the others still hold the zeros from before.
Everything before that write was synced, because the log does one write at a time. So at the first place without an
intact record of the chain:

1. If any record after it, or a later segment, was written when the log was known to be synced beyond this place, the
   record here was durable. So it is damage, whatever it looks like.
2. Otherwise it is a torn tail if a whole sector of the record, as far as the write covered it, reads as zeros, or if
   everything from some place in the record on does. A write has no sector of zeros and ends with a byte other than zero
   (``layout``), so neither can be a part of a complete write.
3. Anything else is damage: a bit that has turned leaves the rest of its sector as it was.

Only a torn tail is ever cut off; cutting off damage would lose acknowledged entries. Damage is an error that names file
and offset.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from .files import SECTOR, Files
from .layout import (
    FRAME,
    HEAD_SIZE,
    HEADER,
    MAGIC,
    Head,
    Position,
    body_of,
    header_is_cut,
    last_byte,
    unpack_head,
)

BLOCK = 1 << 20
_ZEROS = bytes(BLOCK)

Visit = Callable[[int, Head, bytes], None]
"""Called with each record: its offset, its head and its body."""


class End(NamedTuple):
    """The end of a segment's records, the checksum of the last one, and the highest mark in them."""

    offset: int
    chain: int
    mark: Position


def read_records(files: Files, name: str, start: int, chain: int, visit: Visit) -> End:
    """Visit the records of a segment, up to the first place without an intact record of the chain.

    ``start`` is the seed of the segment's checksums, ``chain`` the checksum of the record before the first one.
    """
    offset, mark = HEADER, (0, 0)
    block, base = b"", 0
    while True:
        at = offset - base
        if len(block) - at < FRAME:
            block, base, at = files.read(name, offset, BLOCK), offset, 0
        head = unpack_head(block, at, start, offset)
        if head is None or head.previous != chain:
            break
        size = FRAME + head.length
        if len(block) - at < size:
            block, base, at = files.read(name, offset, max(size, BLOCK)), offset, 0
        body = body_of(head, block, at)
        if body is None:
            break
        visit(offset, head, body)
        chain = head.checksum
        mark = max(mark, head.mark)
        offset += size
    return End(offset, chain, mark)


def content_end(files: Files, name: str, at: int, size: int) -> int:
    """Return where the zeros at the end of a file begin; ``at`` if everything from there on is zero."""
    end = at
    while at < size:
        block = files.read(name, at, min(BLOCK, size - at))
        if not block:
            break
        if block != (_ZEROS if len(block) == BLOCK else _ZEROS[: len(block)]):
            end = at + last_byte(block)
        at += len(block)
    return end


def content_start(files: Files, name: str, at: int, end: int) -> int:
    """Return the place of the first byte other than zero; ``end`` if all bytes before it are zeros."""
    while at < end:
        block = files.read(name, at, min(BLOCK, end - at))
        rest = block.lstrip(b"\0")
        if rest:
            return at + len(block) - len(rest)
        if not block:
            break
        at += len(block)
    return end


def marks_behind(files: Files, name: str, start: int, offset: int, end: int) -> Iterator[Position]:
    """Yield the marks of all intact heads anywhere in a part of a segment, in a chain or not."""
    at = offset
    while at < end:
        block = files.read(name, at, min(BLOCK, end - at) + HEAD_SIZE)
        found = block.find(MAGIC)
        while 0 <= found < BLOCK:
            head = unpack_head(block, found, start, at + found)
            if head is not None:
                yield head.mark
            found = block.find(MAGIC, found + 1)
        at += BLOCK


def objection(files: Files, name: str, number: int, start: int, chain: int, offset: int, end: int, size: int) -> str:
    """Return why the record at ``offset`` cannot be torn, "" if it can.

    ``end`` is where the zeros at the end of the file begin, and ``size`` the size of the file.
    """
    head = unpack_head(files.read(name, offset, HEAD_SIZE), 0, start, offset)
    if head is None:
        last = offset + HEAD_SIZE
        if end < last or _lacks_sector(files, name, offset, offset, last, size):
            return ""
        return "no record begins here, and no sector of its head is missing"
    if head.previous != chain:
        return "the record here is intact, but does not follow the one before it"
    last = offset + FRAME + head.length
    if last > size:
        return "the record here is longer than its segment"
    begin = head.mark[1] if head.mark[0] == number else 0
    if end < last or _lacks_sector(files, name, begin, offset, last, size):
        return ""
    return "the record here is damaged, and no sector of it is missing"


def header_objection(files: Files, name: str, end: int) -> str:
    """Return why the header of a segment cannot be torn, "" if it can."""
    if header_is_cut(end) or not files.read(name, 0, HEADER).strip(b"\0"):
        return ""
    return "the header is damaged, and its sector is not missing"


def _lacks_sector(files: Files, name: str, begin: int, first: int, last: int, size: int) -> bool:
    """Whether a sector with a part of ``first`` to ``last`` reads as zeros, from the write's start ``begin`` on."""
    at = first - first % SECTOR
    while at < last:
        block = files.read(name, at, BLOCK)
        if not block:
            return False
        for offset in range(at, min(at + len(block), last), SECTOR):
            lo, hi = max(offset, begin), min(offset + SECTOR, size)
            if lo < hi and block[lo - at : hi - at] == _ZEROS[: hi - lo]:
                return True
        at += len(block)
    return False
