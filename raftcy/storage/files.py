"""The six calls through which a log reaches its files, and what the log relies on in them.

Whoever implements ``Files`` decides what a file is: ``Directory`` has a folder of the operating system, a test or a
simulator has bytes in memory. Names are plain file names; there are no folders in folders.

A power cut may keep or lose each 512-byte sector of a write, and each change of a name, by itself, until a ``sync`` of
that file, or of the folder, has returned. A sector is never half old and half new.
"""

from typing import Protocol

SECTOR = 512
"""What a disk writes whole or not at all, in bytes."""

FOLDER = ""
"""The name that ``Files.sync`` takes for the folder itself."""


class Files(Protocol):
    """One folder of files. Every call may raise OSError; after one of a write or a sync, the log uses it no more.

    ``write`` and ``sync`` of a file may run on another thread than the other calls, but only one of them at a time for
    a file; ``rename`` and ``remove`` may as well, for files that nothing else uses.
    """

    def names(self) -> dict[str, int]:
        """The files with their sizes, in bytes."""

    def read(self, name: str, at: int, size: int) -> bytes:
        """The bytes of a file from ``at`` on: ``size`` of them, fewer at its end. FileNotFoundError without it."""

    def write(self, name: str, at: int, data: bytes) -> None:
        """Write all of ``data``, or raise OSError. Makes the file, for its owner alone, if it is not there."""

    def sync(self, name: str) -> None:
        """Make all that was written to a file durable; of ``FOLDER``, which files there are and their names."""

    def rename(self, old: str, new: str) -> None:
        """Give a file another name, in place of a file that has it."""

    def remove(self, name: str) -> None:
        """Remove a file. A file that is not there is no error."""
