"""Ring: a sink that keeps the newest records in memory."""

import os
from collections import deque
from itertools import chain
from pathlib import Path

from ..wire.whole import begin_whole, has_one_owner


class Ring:
    """Keeps the newest records, in at most ``max_bytes`` of memory.

    The ring consists of segments, each of which starts with the whole state of the node, and it drops the oldest
    segment as a whole. So three quarters to all of ``max_bytes`` are in use. If a state is larger than a quarter of
    ``max_bytes``, its segment grows to twice the size of the state. The newest segment is always kept, even if it alone
    exceeds ``max_bytes``.

    With ``save_to``, the ring is written to that file when the node dies, and replaces a file that is there. Raises
    ValueError if ``max_bytes`` is below 4096.
    """

    __slots__ = ("_header", "_limit", "_newest", "_newest_size", "_older", "_save_to", "_size", "max_bytes")

    def __cinit__(self) -> None:
        self.max_bytes = 4096
        self._save_to: str | os.PathLike[str] | None = None
        self._header = b""
        self._older: deque[list[bytes]] = deque()
        self._newest: list[bytes] = []
        self._newest_size = 0
        self._size = 0
        self._limit = 1024

    def __init__(self, max_bytes: int, save_to: str | os.PathLike[str] | None = None) -> None:
        if max_bytes < 4096:
            raise ValueError(f"max_bytes must be at least 4096, not {max_bytes}")
        self.max_bytes = max_bytes
        self._save_to = save_to
        self._limit = max_bytes // 4

    @property
    def size(self) -> int:
        """Bytes in the ring, without the header."""
        return self._size

    def begin(self, header: bytes) -> None:
        """Keep the header: see Sink."""
        self._header = header

    def write(self, frame: bytes) -> bool:
        """Add a record: see Sink."""
        size = len(frame)
        self._newest.append(frame)
        self._newest_size += size
        self._size += size
        if self._size > self.max_bytes:
            self._drop()
        return self._newest_size >= self._limit

    def checkpoint(self, frame: bytes) -> None:
        """Start a new segment with a state: see Sink."""
        self._older.append(self._newest)
        self._newest = []
        self._newest_size = 0
        self.write(frame)
        self._limit = max(self.max_bytes // 4, 2 * len(frame))

    def _drop(self) -> None:
        while self._size > self.max_bytes and len(self._older) > 0:
            self._size -= sum(map(len, self._older.popleft()))

    def died(self) -> None:
        """Save the ring, if ``save_to`` is set: see Sink."""
        if self._save_to is not None:
            self.save(self._save_to)

    def to_bytes(self) -> bytes:
        """Return the recording in the form of a file."""
        return b"".join([self._header, *chain.from_iterable(self._older), *self._newest])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recording to a file, replacing one that is there. A crash leaves the old file or the new one."""
        target = Path(path)
        written = target.with_name(target.name + ".tmp")
        written.write_bytes(self.to_bytes())
        written.replace(target)


begin_whole(Ring)
has_one_owner(Ring)
