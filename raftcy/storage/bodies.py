"""Snapshots as files: a state of any size, written in pieces, and found again by a short reference.

``Snapshot.data`` is the reference, and it travels and is stored like any other data. The writer writes the file aside,
syncs it, renames it and syncs the folder before the reference exists, so a crash never leaves a reference without its
file. Each piece has a checksum that begins with the checksum of the piece before it, the first one with group, index
and term; the reference has the last checksum. So a reader notices a piece that is damaged, exchanged, stale or missing,
and also a whole file of another snapshot. Body and reference do not depend on the directory: the reference of a
snapshot is the same on every member.

The file's name contains the checksum. Otherwise a body from a leader could replace another body of the same index,
which was made here and to which the log refers.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass

from ..errors import Contradiction, Corruption, InvariantError, StorageFailed
from ..wire.messages import Snapshot
from .files import FOLDER, Files
from .opening import damaged

PIECE = 64 << 10
"""How many bytes of a body one checksum covers."""

_FORMAT = 1
_MAGIC = b"\xd5raftsnp"
_REFERENCE_MAGIC = b"\xd5raftref"
_HEADER = struct.Struct("<8sIQQQ")
_PIECE = struct.Struct("<II")
_TOTAL = struct.Struct("<Q")
_REFERENCE = struct.Struct("<8sQQQQI")
_U32 = struct.Struct("<I")
HEADER_SIZE = _HEADER.size + _U32.size
END_SIZE = _PIECE.size + _TOTAL.size


@dataclass(frozen=True)
class Reference:
    """Names a body by group, index and term, with its size in bytes and the checksum of its last piece."""

    group: int
    index: int
    term: int
    size: int
    checksum: int

    @property
    def name(self) -> str:
        """The name of the file."""
        return f"{_stem(self.group, self.index, self.term)}-{self.checksum:08x}.snap"

    @property
    def file_size(self) -> int:
        """The size of the file, in bytes."""
        return HEADER_SIZE + self.size + _PIECE.size * -(-self.size // PIECE) + END_SIZE

    def encode(self) -> bytes:
        """The data of the snapshot."""
        data = _REFERENCE.pack(_REFERENCE_MAGIC, *astuple(self))
        return data + _U32.pack(zlib.crc32(data))


def reference_of(data: bytes) -> Reference | None:
    """Return the reference that the data of a snapshot encodes, None if it encodes none."""
    if len(data) != _REFERENCE.size + _U32.size or data[:8] != _REFERENCE_MAGIC:
        return None
    if zlib.crc32(data[:-4]) != _U32.unpack_from(data, _REFERENCE.size)[0]:
        return None
    return Reference(*_REFERENCE.unpack_from(data)[1:])


def _stem(group: int, index: int, term: int) -> str:
    return f"{group:016x}-{index:016x}-{term:016x}"


def _header(group: int, index: int, term: int) -> bytes:
    data = _HEADER.pack(_MAGIC, _FORMAT, group, index, term)
    return data + _U32.pack(zlib.crc32(data))


class BodyWriter:
    """Writes one body. It may run on any thread, but a group may have only one writer at a time.

    Its errors are StorageFailed, and end this body only: it removes what it has written, and the log goes on.
    """

    def __init__(self, files: Files, group: int, index: int, term: int, wanted: Reference | None = None) -> None:
        self._files = files
        self._place = (group, index, term)
        self._wanted = wanted
        self._aside = f"{_stem(group, index, term)}.part"
        self._waiting = bytearray()
        self._at = 0
        self._size = 0
        self._done = False
        header = _header(group, index, term)
        self._checksum = zlib.crc32(header)
        try:
            files.remove(self._aside)
        except OSError as error:
            raise self._failed(error) from error
        self._put(header)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to the body."""
        if self._done:
            raise InvariantError("the body is finished")
        self._waiting += data
        while len(self._waiting) >= PIECE:
            self._put_piece(bytes(self._waiting[:PIECE]))
            del self._waiting[:PIECE]

    def _put_piece(self, piece: bytes) -> None:
        self._checksum = zlib.crc32(piece, self._checksum)
        self._size += len(piece)
        self._put(_PIECE.pack(len(piece), self._checksum) + piece)

    def _put(self, data: bytes) -> None:
        try:
            self._files.write(self._aside, self._at, data)
        except OSError as error:
            raise self._failed(error) from error
        self._at += len(data)

    def finish(self) -> Reference:
        """Make the body durable under its name, and return its reference.

        Raises Corruption, and leaves nothing of the body, if it differs from the announced one (``Bodies.receive``).
        """
        if self._done:
            raise InvariantError("the body is finished")
        if self._waiting:
            self._put_piece(bytes(self._waiting))
            self._waiting.clear()
        total = _TOTAL.pack(self._size)
        self._put(_PIECE.pack(0, zlib.crc32(total, self._checksum)) + total)
        reference = Reference(*self._place, self._size, self._checksum)
        if self._wanted is not None and reference != self._wanted:
            self.abort()
            raise Corruption(f"a body came as {reference}, but was announced as {self._wanted}")
        try:
            self._files.sync(self._aside)
            self._files.rename(self._aside, reference.name)
            self._files.sync(FOLDER)
        except OSError as error:
            raise self._failed(error) from error
        self._done = True
        return reference

    def abort(self) -> None:
        """Give up, and remove the written part. After ``finish`` this does nothing."""
        if self._done:
            return
        self._done = True
        with suppress(OSError):  # the next opening removes it
            self._files.remove(self._aside)

    def _failed(self, error: OSError) -> StorageFailed:
        self.abort()
        return StorageFailed(f"the snapshot {self._aside} cannot be written: {error}")


class Bodies:
    """The bodies of one group's snapshots: see ``SharedLog.group``."""

    def __init__(self, files: Files, group: int) -> None:
        self._files = files
        self._group = group

    def write(self, index: int, term: int) -> BodyWriter:
        """Begin the body of a snapshot of this member. ``finish`` returns the reference for ``create_snapshot``."""
        return BodyWriter(self._files, self._group, index, term)

    def receive(self, reference: Reference) -> BodyWriter:
        """Begin the body of a snapshot that another member sends. ``finish`` compares it with the reference."""
        if reference.group != self._group:
            raise Contradiction(f"a body of the group {reference.group} is none of the group {self._group}")
        return BodyWriter(self._files, self._group, reference.index, reference.term, reference)

    def read(self, reference: Reference) -> Iterator[bytes]:
        """Yield the body in verified pieces.

        Raises Corruption for damage, which may show only at the end, and OSError if the file cannot be read.
        """
        name, at = reference.name, HEADER_SIZE
        files = self._files
        header = _header(reference.group, reference.index, reference.term)
        sizes = files.names()
        if name not in sizes:
            raise damaged("the body of a snapshot is missing", name, 0)
        if files.read(name, 0, HEADER_SIZE) != header:
            raise damaged("the header is damaged", name, 0)
        checksum, left = zlib.crc32(header), reference.size
        while left:
            due = min(PIECE, left)
            piece = files.read(name, at, _PIECE.size + due)
            if piece[: _PIECE.size] != _PIECE.pack(due, checksum := zlib.crc32(piece[_PIECE.size :], checksum)):
                raise damaged("a piece of a snapshot is damaged", name, at)
            yield piece[_PIECE.size :]
            at += len(piece)
            left -= due
        total = _TOTAL.pack(reference.size)
        end = _PIECE.pack(0, zlib.crc32(total, checksum)) + total
        if checksum != reference.checksum:
            raise damaged("this is not the body that the log refers to", name, 0)
        if files.read(name, at, END_SIZE + 1) != end or sizes[name] != reference.file_size:
            raise damaged("the end of a snapshot is damaged", name, at)

    def verify(self, snapshot: Snapshot) -> None:
        """Read the body of a snapshot, if it has one, to verify it. Raises Corruption if it is damaged."""
        reference = self.reference(snapshot)
        if reference is not None:
            for _ in self.read(reference):
                pass

    def reference(self, snapshot: Snapshot) -> Reference | None:
        """Return a snapshot's reference, None without data. Raises Corruption if the data is not its reference."""
        if not snapshot.data:
            return None
        found = reference_of(snapshot.data)
        metadata = snapshot.metadata
        if found is None or (found.group, found.index, found.term) != (self._group, metadata.index, metadata.term):
            raise Corruption(f"the data of the snapshot {metadata.index} does not refer to its body")
        return found

    def check(self, snapshot: Snapshot) -> None:
        """Raise Contradiction if a new snapshot has data that does not refer to a body of this group on disk."""
        try:
            reference = self.reference(snapshot)
        except Corruption as error:
            raise Contradiction(
                f"{error}: write it by bodies first, and take the reference that finish() gives"
            ) from None
        if reference is not None and self._files.names().get(reference.name) != reference.file_size:
            raise Contradiction(f"the body {reference.name} is not there, or not finished")

    def names_of(self, snapshot: Snapshot) -> list[str]:
        """Return a list with the name of the body's file; it is empty if the snapshot has no body."""
        found = reference_of(snapshot.data)
        return [] if found is None or found.group != self._group else [found.name]

    def strays(self, kept: list[Snapshot]) -> list[str]:
        """The files of this group's bodies that belong to none of these snapshots."""
        names = {name for each in kept for name in self.names_of(each)}
        mine = f"{self._group:016x}-"
        return sorted(
            name
            for name in self._files.names()
            if name.startswith(mine) and name.endswith(".snap") and name not in names
        )
