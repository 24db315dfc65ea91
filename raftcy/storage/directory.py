"""A folder of the operating system as ``Files``, and the lock on it.

``sync`` is ``fdatasync`` on Linux. It is ``F_FULLFSYNC`` on macOS, where ``fsync`` leaves the data in the disk's cache.
It is ``FlushFileBuffers`` on Windows, where a folder cannot be synced and NTFS itself keeps the order of names. None of
them helps against a disk that reports unwritten data as written.
"""

import errno
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import DirectoryInUse
from .files import FOLDER

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = "lock"
_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_FLAGS = _READING | os.O_RDWR | os.O_CREAT


class Directory:
    """The files of a folder. It makes the folder, accessible to its owner only, if it does not exist.

    It locks the folder until ``close``, and raises DirectoryInUse if another process, or another Directory, has locked
    it. With ``reading`` it makes and writes nothing, and the folder must exist.
    """

    def __init__(self, path: str | os.PathLike[str], *, reading: bool = False) -> None:
        self.path = Path(path)
        self._open: dict[str, int] = {}
        self._guard = threading.Lock()
        self._closed = False
        self._lock = -1
        self._reading = reading
        if reading:
            if not (self.path / LOCK).exists():
                os.listdir(self.path)
                return
            flags = _READING
        else:
            _make_folder(self.path)
            flags = _FLAGS
        self._lock = os.open(self.path / LOCK, flags, _FILE_MODE)
        try:
            _lock(self._lock)
        except OSError as error:
            os.close(self._lock)
            raise DirectoryInUse(
                f"{self.path} is in use: another process, or another log in this one, has it open"
            ) from error

    # -- the six calls -------------------------------------------------------------------------------------------

    def names(self) -> dict[str, int]:
        """See Files. The lock file is left out."""
        found = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and entry.name != LOCK:
                    found[entry.name] = entry.stat(follow_symlinks=False).st_size
        return found

    def read(self, name: str, at: int, size: int) -> bytes:
        """See Files."""
        if name.endswith(".log"):
            return self._read(self._file(name, making=False), at, size)
        # Snapshots are closed again at once: thousands of them would use up the file descriptors.
        file = os.open(self.path / name, _READING)
        try:
            return self._read(file, at, size)
        finally:
            os.close(file)

    def _read(self, file: int, at: int, size: int) -> bytes:
        parts = []
        while size > 0:
            part = _read(file, size, at, self._guard)
            if not part:
                break
            parts.append(part)
            at += len(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, name: str, at: int, data: bytes) -> None:
        """See Files."""
        file = self._file(name, making=True)
        view = memoryview(data)
        while view:
            count = _write(file, view, at, self._guard)
            if count == 0:
                raise OSError(f"{name}: nothing was written of {len(view)} bytes")
            # A write may take only a part, for example on a full disk. Writing the rest then raises the reason.
            view = view[count:]
            at += count

    def sync(self, name: str) -> None:
        """See Files."""
        if name != FOLDER:
            _sync(self._file(name, making=False))
        else:
            _sync_names(self.path)

    def rename(self, old: str, new: str) -> None:
        """See Files."""
        self._forget(old)
        self._forget(new)
        os.replace(self.path / old, self.path / new)

    def remove(self, name: str) -> None:
        """See Files."""
        self._forget(name)
        with suppress(FileNotFoundError):
            os.unlink(self.path / name)

    # -- files that are open -------------------------------------------------------------------------------------

    def _file(self, name: str, making: bool) -> int:
        with self._guard:
            self._check_open(name)
            file = self._open.get(name, -1)
            if file < 0:
                flags = _READING if self._reading else _FLAGS if making else _FLAGS & ~os.O_CREAT
                file = self._open[name] = os.open(self.path / name, flags, _FILE_MODE)
            return file

    def _forget(self, name: str) -> None:
        with self._guard:
            self._check_open(name)
            file = self._open.pop(name, -1)
        if file >= 0:
            os.close(file)

    def _check_open(self, name: str) -> None:
        """Raise OSError after ``close``: without the lock, another process may have the folder open."""
        if self._closed:
            raise OSError(errno.EBADF, "the folder is closed", name)

    def close(self) -> None:
        """Close all files and release the lock. May be called twice. Later calls that change a file raise OSError."""
        with self._guard:
            self._closed = True
            files, self._open = list(self._open.values()), {}
        for file in files:
            os.close(file)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _make_folder(path: Path) -> None:
    """Make a folder, and the missing ones above it, and make their names durable.

    Otherwise a power cut could take the whole folder, with all that was synced in it. The name of a folder that exists
    may not be durable either, because an earlier start may have been killed in between.
    """
    path = path.absolute()
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    for each in missing or [path]:
        # Who may not read the folder above did not make this one in it.
        with suppress(PermissionError):
            _sync_names(each.parent)


def _sync_names(path: Path) -> None:
    """Make the names in a folder durable, where a platform can do that."""
    if hasattr(os, "O_DIRECTORY"):
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _sync_folder(folder)
        finally:
            os.close(folder)


def _lock(file: int) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt

        locking: Any = msvcrt
        locking.locking(file, locking.LK_NBLCK, 1)


def _fullfsync(file: int) -> None:
    """Sync a file on macOS. A file system without F_FULLFSYNC, for example on a network, gets an fsync."""
    control: Any = fcntl
    try:
        control.fcntl(file, control.F_FULLFSYNC)
    except OSError as error:
        # Any other error comes from the disk. A second sync would succeed and hide it.
        if error.errno not in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY):
            raise
        os.fsync(file)


def _syncing() -> Callable[[int], None]:
    if sys.platform == "darwin":
        return _fullfsync
    return getattr(os, "fdatasync", os.fsync)


_sync = _syncing()
_sync_folder: Callable[[int], None] = _fullfsync if sys.platform == "darwin" else os.fsync


if hasattr(os, "pread"):

    def _read(file: int, size: int, at: int, guard: threading.Lock) -> bytes:
        return os.pread(file, size, at)

    def _write(file: int, data: memoryview, at: int, guard: threading.Lock) -> int:
        return os.pwrite(file, data, at)

else:

    def _read(file: int, size: int, at: int, guard: threading.Lock) -> bytes:
        with guard:
            os.lseek(file, at, os.SEEK_SET)
            return os.read(file, size)

    def _write(file: int, data: memoryview, at: int, guard: threading.Lock) -> int:
        with guard:
            os.lseek(file, at, os.SEEK_SET)
            return os.write(file, data)
