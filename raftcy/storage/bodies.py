"""Snapshots as files: a state of any size, written in pieces, and found again by a short reference.

``Snapshot.data`` is the reference, and it travels and is stored like any other data. Data that does not begin like a
reference is the state itself: a small state costs less in the log, where it shares the next sync, than in a file, which
takes two syncs. The writer writes the file aside, syncs it, renames it and syncs the folder. Only then does the
reference exist, so a crash never leaves a reference without its file. Each piece has a checksum that begins with the
checksum of the piece before it, the first one with group, index and term; the reference has the last checksum. So a
reader notices a piece that is damaged, exchanged, stale or missing, and also a whole file of another snapshot. Body and
reference do not depend on the directory: the reference of a snapshot is the same on every member.

The file's name contains the checksum. Otherwise a body from a leader could replace another body of the same index,
which was made here and to which the log refers.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import astuple, dataclass

from ..errors import Contradiction, Corruption, InvariantError, RangeError, StorageFailed
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
# While a large body is written, it is synced so often. Otherwise the log's next sync could wait for all of it.
_SYNC_EVERY = 32 << 20
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


def is_reference(data: bytes) -> bool:
    """Whether the data of a snapshot begins like a reference; if not, it is the state itself."""
    return data[:8] == _REFERENCE_MAGIC


def group_of_body(name: str) -> int | None:
    """Return the group of a body by the name of its file, None for any other file."""
    if not name.endswith(".snap"):
        return None
    try:
        return int(name[:16], 16)
    except ValueError:
        return None


def _stem(group: int, index: int, term: int) -> str:
    return f"{group:016x}-{index:016x}-{term:016x}"


def _header(group: int, index: int, term: int) -> bytes:
    data = _HEADER.pack(_MAGIC, _FORMAT, group, index, term)
    return data + _U32.pack(zlib.crc32(data))


class BodyWriter:
    """Writes one body. It may run on any thread. A group may write one body and receive others at the same time.

    Its errors are StorageFailed, and end this body only: it removes what it has written, and the log goes on.
    """

    def __init__(self, files: Files, group: int, index: int, term: int, wanted: Reference | None = None) -> None:
        self._files = files
        self._place = (group, index, term)
        self._wanted = wanted
        # A body that arrives must not mix with one of the same index that is made here.
        arriving = "" if wanted is None else f"-{wanted.checksum:08x}"
        self._aside = f"{_stem(group, index, term)}{arriving}.part"
        self._waiting = bytearray()
        self._at = 0
        self._size = 0
        self._synced = 0
        self._done = False
        header = _header(group, index, term)
        self._checksum = zlib.crc32(header)
        try:
            files.remove(self._aside)
        except OSError as error:
            raise self._failed(error) from error
        self._put(header)

    @property
    def size(self) -> int:
        """How many bytes of the body were given so far."""
        return self._size + len(self._waiting)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to the body."""
        if self._done:
            raise InvariantError("the body is finished")
        with memoryview(data) as view:
            at = 0
            if self._waiting:
                at = PIECE - len(self._waiting)
                self._waiting += view[:at]
                if len(self._waiting) < PIECE:
                    return
                self._put_piece(bytes(self._waiting))
                self._waiting.clear()
            while len(view) - at >= PIECE:
                self._put_piece(bytes(view[at : at + PIECE]))
                at += PIECE
            self._waiting += view[at:]

    def _put_piece(self, piece: bytes) -> None:
        self._checksum = zlib.crc32(piece, self._checksum)
        self._size += len(piece)
        self._put(_PIECE.pack(len(piece), self._checksum) + piece)

    def _put(self, data: bytes) -> None:
        try:
            self._files.write(self._aside, self._at, data)
            self._at += len(data)
            if self._at - self._synced >= _SYNC_EVERY:
                self._synced = self._at
                self._files.sync(self._aside)
        except OSError as error:
            raise self._failed(error) from error

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


class BodyReader:
    """Reads one body in verified pieces, from the byte ``at`` of it on: a multiple of PIECE, or its end.

    Raises Corruption for damage, and OSError if the file cannot be read. Damage before ``at`` shows at the end only.
    """

    def __init__(self, files: Files, reference: Reference, at: int = 0) -> None:
        if at != reference.size and (at % PIECE or not 0 <= at < reference.size):
            raise RangeError(f"no piece of a body of {reference.size} bytes begins at {at}")
        self._files = files
        self._reference = reference
        self._left = reference.size - at
        self._ended = False
        header = _header(reference.group, reference.index, reference.term)
        if self._read(0, HEADER_SIZE) != header:
            raise damaged("the header is damaged", reference.name, 0)
        before = -(-at // PIECE)
        self._at = HEADER_SIZE + at + before * _PIECE.size
        self._checksum = zlib.crc32(header)
        if before:
            last = HEADER_SIZE + (before - 1) * (PIECE + _PIECE.size)
            self._checksum = _PIECE.unpack(self._read(last, _PIECE.size).ljust(_PIECE.size, b"\0"))[1]

    def _read(self, at: int, size: int) -> bytes:
        try:
            return self._files.read(self._reference.name, at, size)
        except FileNotFoundError:
            raise damaged("the body of a snapshot is missing", self._reference.name, 0) from None

    def next(self) -> bytes:
        """Return the next piece, b"" at the end, once the end of the file is verified too."""
        if self._ended:
            return b""
        name = self._reference.name
        if self._left:
            due = min(PIECE, self._left)
            data = self._read(self._at, _PIECE.size + due)
            piece = data[_PIECE.size :]
            self._checksum = zlib.crc32(piece, self._checksum)
            if data[: _PIECE.size] != _PIECE.pack(due, self._checksum):
                raise damaged("a piece of a snapshot is damaged", name, self._at)
            self._at += len(data)
            self._left -= due
            return piece
        total = _TOTAL.pack(self._reference.size)
        end = _PIECE.pack(0, zlib.crc32(total, self._checksum)) + total
        if self._checksum != self._reference.checksum:
            raise damaged("this is not the body that the log refers to", name, 0)
        if self._read(self._at, END_SIZE + 1) != end:
            raise damaged("the end of a snapshot is damaged", name, self._at)
        self._ended = True
        return b""


class BodyFile:
    """A body as a file to read from, for a state machine. ``read`` raises what ``BodyReader.next`` raises."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader
        self._waiting = b""

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end; the rest if ``size`` is negative."""
        parts = []
        while size != 0:
            if not self._waiting:
                self._waiting = self._reader.next()
                if not self._waiting:
                    break
            part = self._waiting if size < 0 else self._waiting[:size]
            self._waiting = self._waiting[len(part) :]
            parts.append(part)
            if size > 0:
                size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class Bodies:
    """The bodies of one group's snapshots: see ``SharedLog.group``."""

    def __init__(self, files: Files, group: int) -> None:
        self.files = files
        self._group = group

    def write(self, index: int, term: int) -> BodyWriter:
        """Begin the body of a snapshot of this member. ``finish`` returns the reference for ``create_snapshot``."""
        return BodyWriter(self.files, self._group, index, term)

    def receive(self, reference: Reference) -> BodyWriter:
        """Begin the body of a snapshot that another member sends. ``finish`` compares it with the reference."""
        if reference.group != self._group:
            raise Contradiction(f"a body of the group {reference.group} is none of the group {self._group}")
        return BodyWriter(self.files, self._group, reference.index, reference.term, reference)

    def read(self, reference: Reference, at: int = 0) -> Iterator[bytes]:
        """Yield the body in verified pieces, from the byte ``at`` on: see BodyReader."""
        reader = BodyReader(self.files, reference, at)
        while piece := reader.next():
            yield piece

    def open(self, reference: Reference) -> BodyFile:
        """Return the body as a file. Raises Corruption if it is missing or its header is damaged."""
        return BodyFile(BodyReader(self.files, reference))

    def remove(self, reference: Reference) -> None:
        """Remove a body to which the log does not refer."""
        self.files.remove(reference.name)

    def verify(self, snapshot: Snapshot) -> None:
        """Read the body of a snapshot, if it has one, to verify it. Raises Corruption if it is damaged."""
        reference = self.reference(snapshot)
        if reference is not None:
            for _ in self.read(reference):
                pass

    def reference(self, snapshot: Snapshot) -> Reference | None:
        """Return a snapshot's reference, None if its data is the state itself.

        Raises Corruption if the data begins like a reference, and is none of this group and snapshot.
        """
        if not is_reference(snapshot.data):
            return None
        found = reference_of(snapshot.data)
        metadata = snapshot.metadata
        if found is None or (found.group, found.index, found.term) != (self._group, metadata.index, metadata.term):
            raise Corruption(f"the data of the snapshot {metadata.index} does not refer to its body")
        return found

    def has(self, reference: Reference) -> bool:
        """Whether there is a finished file with this name and size. Raises OSError if it cannot be read."""
        try:
            return len(self.files.read(reference.name, reference.file_size - 1, 2)) == 1
        except FileNotFoundError:
            return False

    def check(self, snapshot: Snapshot) -> None:
        """Raise Contradiction if a new snapshot refers to a body that is not on disk, or to another snapshot's."""
        try:
            reference = self.reference(snapshot)
        except Corruption as error:
            raise Contradiction(
                f"{error}: write it by bodies first, and take the reference that finish() gives"
            ) from None
        if reference is not None and not self.has(reference):
            raise Contradiction(f"the body {reference.name} is not there, or not finished")

    def names_of(self, snapshot: Snapshot) -> list[str]:
        """Return a list with the name of the body's file; it is empty if the snapshot has no body."""
        found = reference_of(snapshot.data)
        return [] if found is None or found.group != self._group else [found.name]

    def strays(self, kept: list[Snapshot], names: Iterable[str]) -> list[str]:
        """Return those of this group's bodies, ``names``, that belong to none of these snapshots."""
        needed = {name for each in kept for name in self.names_of(each)}
        return sorted(name for name in names if name not in needed)
