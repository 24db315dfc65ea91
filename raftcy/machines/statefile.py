"""The file of a snapshot: first the group's state (the head), then the state machine's (the body).

::

    "raftcysm"  format (4 bytes)  head  body
    head, body: piece ... piece end
    piece:      length (4 bytes, 1 to 65536)  checksum (4 bytes)  data
    end:        0 (4 bytes)                   checksum (4 bytes)

Numbers are little endian. Each checksum is the CRC-32 of the data, continued from the checksum before it, so a reader
notices a missing, repeated or exchanged piece. The checksum of an end continues over one more byte, so head and body
cannot be confused. A reader checks the whole head before anything changes, and each piece of the body before the
machine reads it.
"""

import struct
import zlib
from collections.abc import Iterator

from ..errors import Corruption, UpgradeNeeded
from .statemachine import Readable, Writable, read_full

MAGIC = b"raftcysm"
FORMAT = 1
PIECE_BYTES = 1 << 16
_END = b"\0"
_NUMBERS = struct.Struct("<II")
_FORMAT = struct.Struct("<I")


class StateWriter:
    """Writes a snapshot to ``file``: ``write`` the head, call `end`, ``write`` the body, and call `end` again."""

    def __init__(self, file: Writable) -> None:
        self._file = file
        self._waiting = bytearray()
        self._sum = FORMAT
        file.write(MAGIC + _FORMAT.pack(FORMAT))

    def write(self, data: bytes) -> int:
        """Write data of the head or the body."""
        waiting = self._waiting
        waiting += data
        if len(waiting) >= PIECE_BYTES:
            whole = len(waiting) - len(waiting) % PIECE_BYTES
            for at in range(0, whole, PIECE_BYTES):
                self._piece(bytes(waiting[at : at + PIECE_BYTES]))
            del waiting[:whole]
        return len(data)

    def _piece(self, data: bytes) -> None:
        self._sum = zlib.crc32(data, self._sum)
        self._file.write(_NUMBERS.pack(len(data), self._sum) + data)

    def end(self) -> None:
        """Write the buffered data, and the end of the head or of the body."""
        if self._waiting:
            self._piece(bytes(self._waiting))
            self._waiting.clear()
        self._sum = zlib.crc32(_END, self._sum)
        self._file.write(_NUMBERS.pack(0, self._sum))


class StateReader:
    """Reads a snapshot from ``file``: the constructor reads ``head``, and ``read`` reads the body.

    Raises Corruption for bytes that no StateWriter has written, and UpgradeNeeded for a later format.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._at = 0
        self._ended = False
        self._left = b""
        if self._exactly(len(MAGIC)) != MAGIC:
            raise Corruption("this is not a snapshot of a state machine: it begins with other bytes")
        (format,) = _FORMAT.unpack(self._exactly(_FORMAT.size))
        if format != FORMAT:
            raise UpgradeNeeded("snapshot format", format, FORMAT)
        self._sum = FORMAT
        parts = []
        while part := self._piece():
            parts.append(part)
        self.head = b"".join(parts)

    def _exactly(self, size: int) -> bytes:
        data = read_full(self._file, size)
        self._at += len(data)
        if len(data) < size:
            raise Corruption(f"the snapshot is cut off at offset {self._at}")
        return data

    def _piece(self) -> bytes:
        """Read the next piece; an end returns no bytes."""
        begin = self._at
        size, told = _NUMBERS.unpack(self._exactly(_NUMBERS.size))
        if size > PIECE_BYTES:
            raise Corruption(f"the snapshot is damaged at offset {begin}: a piece of {size} bytes")
        data = self._exactly(size)
        self._sum = zlib.crc32(data or _END, self._sum)
        if self._sum != told:
            raise Corruption(f"the snapshot is damaged between offsets {begin} and {self._at}")
        return data

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` bytes of the machine's data, fewer only at the end; the rest if it is negative."""
        parts = []
        wanted = size
        while wanted != 0:
            if not self._left:
                if self._ended:
                    break
                self._left = self._piece()
                if not self._left:
                    self._ended = True
                    break
            part = self._left if wanted < 0 else self._left[:wanted]
            self._left = self._left[len(part) :]
            parts.append(part)
            if wanted > 0:
                wanted -= len(part)
        return b"".join(parts)

    def finish(self) -> None:
        """Check, after the machine has read its state, that no data is left and that nothing follows.

        Raises Corruption if the machine left some of its data unread, because its state would differ from the saved
        one.
        """
        left = len(self._left)
        while not self._ended:
            piece = self._piece()
            self._ended = not piece
            left += len(piece)
        if self._file.read(1):
            raise Corruption(f"something follows the snapshot's end at offset {self._at}")
        if left:
            raise Corruption(f"the state machine has not read the last {left} bytes of its snapshot")


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into pieces."""
    for at in range(0, len(data), PIECE_BYTES):
        yield data[at : at + PIECE_BYTES]
