"""The file of a snapshot: what the group itself keeps, then what the state machine has written.

::

    "raftcysm"  format (4 bytes)  head  piece ... piece  end
    head, piece:  length (4 bytes, not 0)  checksum (4 bytes)  data
    end:          0 (4 bytes)              checksum (4 bytes)

Numbers are little endian. Each checksum is the CRC-32 of the data, continued from the one before it, so a piece that is
missing, twice or in another's place is found. A piece is checked before the machine reads any of it.
"""

import struct
import zlib
from collections.abc import Iterator

from ..errors import Corruption, UpgradeNeeded
from .statemachine import Readable, Writable

MAGIC = b"raftcysm"
FORMAT = 1
PIECE_BYTES = 1 << 16
HEAD_BYTES_MOST = 1 << 30
_NUMBERS = struct.Struct("<II")
_FORMAT = struct.Struct("<I")


class StateWriter:
    """Writes a snapshot to ``file``: the head at once, then what ``write`` is given, and the end at ``close``."""

    def __init__(self, file: Writable, head: bytes) -> None:
        if not 0 < len(head) <= HEAD_BYTES_MOST:
            raise ValueError(f"a head of {len(head)} bytes")
        self._file = file
        self._waiting = bytearray()
        self._sum = zlib.crc32(head, FORMAT)
        file.write(MAGIC + _FORMAT.pack(FORMAT))
        file.write(_NUMBERS.pack(len(head), self._sum) + head)

    def write(self, data: bytes) -> int:
        """Take data of the machine."""
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

    def close(self) -> None:
        """Write what waits, and the end. The file itself stays open."""
        if self._waiting:
            self._piece(bytes(self._waiting))
            self._waiting.clear()
        self._file.write(_NUMBERS.pack(0, self._sum))


class StateReader:
    """Reads a snapshot from ``file``: ``head`` at once, then the machine's data by ``read``.

    Raises Corruption for what a StateWriter has not written, and UpgradeNeeded for a later format.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._at = 0
        self._ended = False
        self._left = b""
        if self._exactly(len(MAGIC)) != MAGIC:
            raise Corruption("this is no snapshot of a state machine: its first bytes are others")
        (format,) = _FORMAT.unpack(self._exactly(_FORMAT.size))
        if format != FORMAT:
            raise UpgradeNeeded("snapshot format", format, FORMAT)
        self._sum = FORMAT
        self.head = self._piece(HEAD_BYTES_MOST)
        if not self.head:
            raise Corruption("the snapshot has no head")

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size > 0:
            part = self._file.read(size)
            if not part:
                raise Corruption(f"the snapshot is cut off at offset {self._at}")
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _piece(self, most: int) -> bytes:
        begin = self._at
        size, told = _NUMBERS.unpack(self._exactly(_NUMBERS.size))
        if size > most:
            raise Corruption(f"the snapshot is damaged at offset {begin}: a piece of {size} bytes")
        data = self._exactly(size)
        self._sum = zlib.crc32(data, self._sum)
        if self._sum != told:
            raise Corruption(f"the snapshot is damaged between offsets {begin} and {self._at}")
        return data

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes of the machine's data, fewer only at the end; all that is left if it is negative."""
        parts = []
        wanted = size
        while wanted != 0:
            if not self._left:
                if self._ended:
                    break
                self._left = self._piece(PIECE_BYTES)
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
        """The machine has read all that it wants. Checks what it left, and that nothing follows.

        Raises Corruption if it left data that it has written: it would have another state than the one that was saved.
        """
        left = len(self._left)
        while not self._ended:
            piece = self._piece(PIECE_BYTES)
            self._ended = not piece
            left += len(piece)
        if self._file.read(1):
            raise Corruption(f"something follows the snapshot's end at offset {self._at}")
        if left:
            raise Corruption(f"the state machine has not read the last {left} bytes of its snapshot")


def pieces(data: bytes) -> Iterator[bytes]:
    """Bytes cut into pieces."""
    for at in range(0, len(data), PIECE_BYTES):
        yield data[at : at + PIECE_BYTES]
