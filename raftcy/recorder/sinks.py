"""Sink, the protocol by which a recording is written, and FileSink, which writes it to a file."""

import errno
import os
from typing import Protocol

_CHECKPOINT_BYTES = 4 << 20


class Sink(Protocol):
    """Receives a recording from a Recorder. An error that a method raises ends the recording, not the node.

    An error that is not an Exception, such as KeyboardInterrupt, ends the recording as well, and the recorded call
    raises it.
    """

    def begin(self, header: bytes) -> None:
        """Write the header of the recording. Called once, before all other methods."""

    def write(self, frame: bytes) -> bool:
        """Write a record. Return whether the Recorder should write a checkpoint next."""

    def checkpoint(self, frame: bytes) -> None:
        """Write a record with the whole state, from which a replay can start."""

    def died(self) -> None:
        """Called when the node has died. No record follows."""


class FileSink:
    """Writes a recording to a file, from the start of the node on.

    ``path`` must not exist. After every ``checkpoint_bytes`` bytes the recording gets the whole state, which replays
    compare with theirs; 0 means never. With ``flush``, each record is passed to the operating system at once, so it
    survives the end of the process; otherwise up to 64 KiB can be lost. The node's death flushes in any case.

    Raises FileExistsError if ``path`` exists, other OSErrors if it cannot be created, and ValueError if
    ``checkpoint_bytes`` is negative. After ``close``, the methods of Sink raise OSError with EBADF.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, checkpoint_bytes: int = _CHECKPOINT_BYTES, flush: bool = False
    ) -> None:
        if checkpoint_bytes < 0:
            raise ValueError(f"checkpoint_bytes must not be negative, not {checkpoint_bytes}")
        self._file = open(path, "xb", buffering=1 << 16)  # noqa: SIM115 (closed by close)
        self._path = os.fspath(path)
        self._flush = flush
        self._checkpoint_bytes = checkpoint_bytes
        self._since = 0

    def begin(self, header: bytes) -> None:
        """Write the header: see Sink."""
        self._put(header)

    def write(self, frame: bytes) -> bool:
        """Write a record: see Sink."""
        self._put(frame)
        self._since += len(frame)
        return 0 < self._checkpoint_bytes <= self._since

    def checkpoint(self, frame: bytes) -> None:
        """Write a whole state: see Sink."""
        self._since = 0
        self._put(frame)

    def died(self) -> None:
        """Flush the file: see Sink."""
        self._open()
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> None:
        """Raise OSError if the file is closed, where Python would raise ValueError."""
        if self._file.closed:
            raise OSError(errno.EBADF, "the file of the recording is closed", self._path)

    def _put(self, data: bytes) -> None:
        self._open()
        self._file.write(data)
        if self._flush:
            self._file.flush()

    def __enter__(self) -> "FileSink":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
