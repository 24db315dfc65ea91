"""Where a recording goes: the protocol, and a file. ``ring`` has the other one."""

import errno
import os
from typing import Protocol

_CHECKPOINT_BYTES = 4 << 20


class Sink(Protocol):
    """What a Recorder writes to. Whatever a sink raises ends the recording, not the node.

    What is no Exception, as KeyboardInterrupt, ends the recording too, and is raised by the call that was recorded.
    """

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
    of the process; without, up to 64 KiB are lost then. The node's death flushes in any case. Where the file is closed,
    the calls of a Sink raise an OSError of EBADF.
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
        """As Sink says."""
        self._put(header)

    def write(self, frame: bytes) -> bool:
        """As Sink says."""
        self._put(frame)
        self._since += len(frame)
        return 0 < self._checkpoint_bytes <= self._since

    def checkpoint(self, frame: bytes) -> None:
        """As Sink says."""
        self._since = 0
        self._put(frame)

    def died(self) -> None:
        """As Sink says."""
        self._open()
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _open(self) -> None:
        """Python has a ValueError for a closed file, which is none of a sink's."""
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
