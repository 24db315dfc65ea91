"""A recording's newest records, in memory."""

import os
from collections import deque
from itertools import chain
from pathlib import Path

from ..wire.whole import begin_whole, has_one_owner


class Ring:
    """The newest records, in at most ``max_bytes`` of memory.

    It is made of segments, each of which begins with the whole state of the node; the oldest one goes as a whole. So
    between three quarters and all of ``max_bytes`` are of use. A state that is larger than a quarter of ``max_bytes``
    stretches its segment to twice its own size, and the ring beyond ``max_bytes`` if it must: one segment is always
    kept.

    With ``save_to`` the ring is written to that file, over what is there, when the node dies.
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
        """Bytes held, the header aside."""
        return self._size

    def begin(self, header: bytes) -> None:
        """As Sink says."""
        self._header = header

    def write(self, frame: bytes) -> bool:
        """As Sink says."""
        size = len(frame)
        self._newest.append(frame)
        self._newest_size += size
        self._size += size
        if self._size > self.max_bytes:
            self._drop()
        return self._newest_size >= self._limit

    def checkpoint(self, frame: bytes) -> None:
        """As Sink says."""
        self._older.append(self._newest)
        self._newest = []
        self._newest_size = 0
        self.write(frame)
        self._limit = max(self.max_bytes // 4, 2 * len(frame))

    def _drop(self) -> None:
        while self._size > self.max_bytes and len(self._older) > 0:
            self._size -= sum(map(len, self._older.popleft()))

    def died(self) -> None:
        """As Sink says."""
        if self._save_to is not None:
            self.save(self._save_to)

    def to_bytes(self) -> bytes:
        """The recording as it would stand in a file."""
        return b"".join([self._header, *chain.from_iterable(self._older), *self._newest])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recording to a file, in place of one that is there; as a whole or not at all."""
        target = Path(path)
        written = target.with_name(target.name + ".tmp")
        written.write_bytes(self.to_bytes())
        written.replace(target)


begin_whole(Ring)
has_one_owner(Ring)
