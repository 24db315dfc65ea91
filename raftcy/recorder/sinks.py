"""Where a recording goes: the protocol, and a file. ``ring`` has the other one."""

import os
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
