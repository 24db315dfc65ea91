"""The six calls through which a log reaches its files, and their guarantees, on which the log relies.

An implementation of ``Files`` decides what a file is: ``Directory`` uses a folder of the operating system, tests and
simulators use bytes in memory. Names are plain file names, without subfolders.

Until a ``sync`` of the file has returned, a power cut may keep or lose each 512-byte sector of a write independently;
the same holds for each change of a name, until a ``sync`` of the folder. A sector is never half old and half new.
"""

from typing import Protocol

SECTOR = 512
"""The bytes that a disk writes whole or not at all."""

FOLDER = ""
"""The name that ``Files.sync`` takes for the folder itself."""


class Files(Protocol):
    """One folder of files. Every call may raise OSError; after an error of a write or a sync, the log stops using it.

    ``write`` and ``sync`` may run on another thread than the other calls, but only one of them at a time for each file.
    ``rename`` and ``remove`` may also run there, for files that nothing else uses.
    """

    def names(self) -> dict[str, int]:
        """The files with their sizes, in bytes."""

    def read(self, name: str, at: int, size: int) -> bytes:
        """Return ``size`` bytes of a file from ``at`` on, fewer at its end. FileNotFoundError if it does not exist."""

    def write(self, name: str, at: int, data: bytes) -> None:
        """Write all of ``data``, or raise OSError. Makes a missing file, accessible to its owner only."""

    def sync(self, name: str) -> None:
        """Make the contents of a file durable, or, for ``FOLDER``, the list of the files with their names."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name. A file that already has that name is replaced."""

    def remove(self, name: str) -> None:
        """Remove a file. A missing file is not an error."""
