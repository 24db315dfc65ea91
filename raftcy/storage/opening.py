"""Opening a log: it reads and verifies the segments, and makes them durable before the log answers anything.

A record that an opening reads may be in the page cache only: the process that wrote it may have been killed before its
sync, or the sync may have failed. If the node repeated a vote from such a record, a power cut could still erase the
vote, and the node could then vote for another candidate. So the opening writes everything after the last certain sync
again and syncs it, and overwrites a torn tail with zeros. Only then is the log open.
"""

import logging
from collections.abc import Callable
from typing import NamedTuple

from ..errors import Corruption
from . import tail
from .files import FOLDER, Files
from .layout import HEADER, Head, Header, Position, seed, segment_name, segment_number, unpack_header

LOGGER = logging.getLogger("raftcy.storage")

WAY_BACK = (
    "Nothing was changed. What this member has acknowledged may be lost, so it must not vote again: take it out of its "
    "groups and add a new member, with a new id and an empty directory; the others bring it up to date. If the file "
    "was damaged on its way here, put an intact copy in its place"
)

Progress = Callable[[int, int], None]
"""Called with the bytes read so far, and the bytes to read."""

Record = Callable[[int, int, Head, bytes], None]
"""Called with each record: segment, offset, head and body."""


class Cut(NamedTuple):
    """A torn tail: ``size`` bytes from ``offset`` on in a segment's file, left of the last write by a crash."""

    file: str
    offset: int
    size: int


class Found(NamedTuple):
    """The extent of a log: segments from ``first`` to ``last``, with records up to ``offset`` of the last one.

    ``last`` is 0 if the log has no segments, and ``size`` is the size of the last one's file. The log is certain to be
    synced up to ``mark``. ``marked`` says that the last record is the mark of a clean close. ``spare`` has the segments
    after the last one, which hold no records.
    """

    first: int
    last: int
    offset: int
    size: int
    chain: int
    mark: Position
    marked: bool
    cut: Cut | None
    spare: list[int]


def damaged(text: str, file: str, offset: int) -> Corruption:
    """Return the error for damage, with advice on how to recover."""
    return Corruption(f"{text}. {WAY_BACK}", file, offset)


def read_log(files: Files, identity: bytes, record: Record, progress: Progress | None = None) -> Found:
    """Read and verify all segments, change nothing, and call ``record`` with each record.

    Raises Corruption for damage, and every error that ``record`` raises.
    """
    return _Reading(files, identity, record, progress).run()


class _Reading:
    def __init__(self, files: Files, identity: bytes, record: Record, progress: Progress | None) -> None:
        self.files = files
        self.identity = identity
        self.record = record
        self.progress = progress
        self.sizes = {segment_number(name): size for name, size in files.names().items() if segment_number(name)}
        self.numbers = sorted(self.sizes)
        self.total = sum(self.sizes.values())
        self.done = 0
        self.end = tail.End(0, 0, (0, 0))
        self.last = 0
        self.marked = False
        self.cut: Cut | None = None

    def run(self) -> Found:
        for before, number in zip(self.numbers, self.numbers[1:], strict=False):
            if number != before + 1:
                raise damaged("the segment is missing", segment_name(before + 1), 0)
        for number in self.numbers:
            if not self.read_segment(number):
                break
        spare = [number for number in self.numbers if number > self.last]
        first = self.numbers[0] if self.last else 0
        size = self.sizes.get(self.last, 0)
        mark = max(self.end.mark, (first, 0))
        return Found(first, self.last, self.end.offset, size, self.end.chain, mark, self.marked, self.cut, spare)

    def read_segment(self, number: int) -> bool:
        """Read a segment, and return False if the log ends before it or in it."""
        name, size, start = segment_name(number), self.sizes[number], seed(self.identity, number)
        sector = self.files.read(name, 0, HEADER)
        header = unpack_header(sector, start)
        if header is None:
            self.without_header(number)
            return False
        self.check_header(header, number)
        before = self.end.mark
        chain = header.chain

        def visit(offset: int, head: Head, body: bytes) -> None:
            self.marked = not body
            self.record(number, offset, head, body)

        end = tail.read_records(self.files, name, start, chain, visit)
        self.end = tail.End(end.offset, end.chain, max(before, header.mark, end.mark))
        self.last = number
        if self.end.mark > (number, end.offset):
            raise damaged("a record is missing that was synced", name, end.offset)
        content = tail.content_end(self.files, name, end.offset, size)
        if content > end.offset:
            self.judge(number, content)
        self.done += size
        if self.progress is not None:
            self.progress(self.done, self.total)
        return self.cut is None

    def check_header(self, header: Header, number: int) -> None:
        """Raise Corruption unless the segment continues the one before it."""
        name = segment_name(number)
        if header.number != number:
            raise damaged(f"the segment says that it is number {header.number}", name, 0)
        if header.size != self.sizes[number]:
            raise damaged(f"the file has {self.sizes[number]} bytes, not {header.size}", name, self.sizes[number])
        if self.last and (header.ended != self.end.offset or header.chain != self.end.chain):
            raise damaged(
                f"no intact record stands here, but the next segment follows one that ends at {header.ended}",
                segment_name(self.last),
                self.end.offset,
            )

    def without_header(self, number: int) -> None:
        """Judge a segment without an intact header: it is not begun, its first write is torn, or it is damaged."""
        name, size = segment_name(number), self.sizes[number]
        content = tail.content_end(self.files, name, 0, size)
        self.check_behind(number, 0, content)
        if content:
            why = tail.header_objection(self.files, name, content)
            if why:
                raise damaged(why, name, 0)
            if number == self.numbers[0] != 1:
                raise damaged("the header of the oldest segment is missing", name, 0)
            self.cut = Cut(name, 0, content)

    def judge(self, number: int, content: int) -> None:
        """Judge bytes after the last record of a segment: note them as a torn tail, or raise Corruption."""
        name, size, start = segment_name(number), self.sizes[number], seed(self.identity, number)
        offset = self.end.offset
        if self.ended_here(number):
            first = tail.content_start(self.files, name, offset, content)
            raise damaged("only zeros may follow the last record of a segment", name, first)
        self.check_behind(number, offset, content)
        why = tail.objection(self.files, name, number, start, self.end.chain, offset, content, size)
        if why:
            raise damaged(why, name, offset)
        self.cut = Cut(name, offset, content - offset)

    def ended_here(self, number: int) -> bool:
        """Whether the next segment says that this one ended where its intact records end."""
        if number + 1 not in self.sizes:
            return False
        sector = self.files.read(segment_name(number + 1), 0, HEADER)
        header = unpack_header(sector, seed(self.identity, number + 1))
        return header is not None and (header.ended, header.chain) == (self.end.offset, self.end.chain)

    def check_behind(self, number: int, offset: int, content: int) -> None:
        """Raise Corruption if anything after a place was written when the place was known to be synced."""
        name, start = segment_name(number), seed(self.identity, number)
        for mark in tail.marks_behind(self.files, name, start, offset, content):
            if mark > (number, offset):
                raise damaged("what stood here was synced: a later record says so", name, offset)
        for later in self.numbers:
            if later > number and tail.content_end(self.files, segment_name(later), 0, self.sizes[later]):
                raise damaged("what stood here was synced: a later segment is begun", name, offset)


def make_durable(files: Files, found: Found) -> None:
    """Write everything after the last certain sync again, overwrite a torn tail with zeros, and sync.

    It removes segments that are not begun, because their names may not be durable.
    """
    if found.last:
        for number in range(found.mark[0], found.last + 1):
            name = segment_name(number)
            at = found.mark[1] if number == found.mark[0] else 0
            end = found.offset if number == found.last else tail.content_end(files, name, 0, files.names()[name])
            while at < end:
                block = files.read(name, at, min(tail.BLOCK, end - at))
                files.write(name, at, block)
                at += len(block)
            if number == found.last and found.cut is not None and found.cut.file == name:
                _write_zeros(files, name, found.cut.offset, found.cut.size)
            files.sync(name)
    for number in found.spare:
        files.remove(segment_name(number))
    files.sync(FOLDER)
    if found.cut is not None:
        LOGGER.warning(
            "%s: the last write was torn by a crash; %d bytes from offset %d on were cut off, nothing of which had "
            "been acknowledged",
            found.cut.file,
            found.cut.size,
            found.cut.offset,
        )


def _write_zeros(files: Files, name: str, at: int, size: int) -> None:
    while size > 0:
        some = min(size, tail.BLOCK)
        files.write(name, at, bytes(some))
        at += some
        size -= some
