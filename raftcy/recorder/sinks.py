"""Where a recording goes: a file, or a ring of the newest records in memory."""

import os
from collections import deque
from pathlib import Path
from typing import Protocol

_CHECKPOINT_BYTES = 4 << 20


class Sink(Protocol):
    """What a RecordedNode writes to. An OSError ends the recording, not the node."""

    def begin(self, header: bytes) -> None:
        """The header of the recording; called once, before everything else."""

    def write(self, frame: bytes) -> bool:
        """A record. Returns whether a checkpoint is to come next."""

    def checkpoint(self, frame: bytes) -> None:
        """A record from which a replay can begin."""

    def died(self) -> None:
        """The node is dead: no record follows."""


class FileSink:
    """A recording in a file, from the start of the node on.

    ``path`` must not exist. A whole state is put between the records every ``checkpoint_bytes``, against which replays
    are held; 0 for none. With ``flush`` each record is handed to the operating system at once and so survives the end
    of the process; without, up to 64 KiB are lost then. The node's death flushes in any case.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, checkpoint_bytes: int = _CHECKPOINT_BYTES, flush: bool = False
    ) -> None:
        if checkpoint_bytes < 0:
            raise ValueError(f"checkpoint_bytes must not be negative, not {checkpoint_bytes}")
        self._file = open(path, "xb", buffering=0 if flush else 1 << 16)  # noqa: SIM115 (closed by close)
        self._checkpoint_bytes = checkpoint_bytes
        self._since = 0

    def begin(self, header: bytes) -> None:
        """As Sink says."""
        self._file.write(header)

    def write(self, frame: bytes) -> bool:
        """As Sink says."""
        self._file.write(frame)
        self._since += len(frame)
        return 0 < self._checkpoint_bytes <= self._since

    def checkpoint(self, frame: bytes) -> None:
        """As Sink says."""
        self._since = 0
        self._file.write(frame)

    def died(self) -> None:
        """As Sink says."""
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "FileSink":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class Ring:
    """The newest records, in at most ``max_bytes`` of memory.

    It is made of segments, each of which begins with the whole state of the node; the oldest one goes as a whole. So
    between three quarters and all of ``max_bytes`` are of use. A state that is larger than a quarter of ``max_bytes``
    stretches its segment to twice its own size, and the ring beyond ``max_bytes`` if it must: one segment is always
    kept.

    With ``save_to`` the ring is written to that file, over what is there, when the node dies.
    """

    def __init__(self, max_bytes: int, *, save_to: str | os.PathLike[str] | None = None) -> None:
        if max_bytes < 4096:
            raise ValueError(f"max_bytes must be at least 4096, not {max_bytes}")
        self.max_bytes = max_bytes
        self._save_to = save_to
        self._header = b""
        self._segments: deque[list[bytes]] = deque()
        self._sizes: deque[int] = deque()
        self._size = 0
        self._limit = max_bytes // 4

    @property
    def size(self) -> int:
        """Bytes held, the header aside."""
        return self._size

    def begin(self, header: bytes) -> None:
        """As Sink says."""
        self._header = header
        self._segments.append([])
        self._sizes.append(0)

    def write(self, frame: bytes) -> bool:
        """As Sink says."""
        self._segments[-1].append(frame)
        self._grow(len(frame))
        return self._sizes[-1] >= self._limit

    def checkpoint(self, frame: bytes) -> None:
        """As Sink says."""
        self._segments.append([frame])
        self._sizes.append(0)
        self._grow(len(frame))
        self._limit = max(self.max_bytes // 4, 2 * len(frame))

    def _grow(self, size: int) -> None:
        self._sizes[-1] += size
        self._size += size
        while self._size > self.max_bytes and len(self._segments) > 1:
            self._segments.popleft()
            self._size -= self._sizes.popleft()

    def died(self) -> None:
        """As Sink says."""
        if self._save_to is not None:
            self.save(self._save_to)

    def to_bytes(self) -> bytes:
        """The recording as it would stand in a file."""
        return b"".join([self._header, *(frame for segment in self._segments for frame in segment)])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recording to a file, in place of one that is there; as a whole or not at all."""
        target = Path(path)
        written = target.with_name(target.name + ".tmp")
        written.write_bytes(self.to_bytes())
        written.replace(target)
