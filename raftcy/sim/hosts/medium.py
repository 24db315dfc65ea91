"""A disk in memory whose power can be cut: the six calls of ``raftcy.storage``, with all that a cut may leave.

What was written since the last completed sync of its file is an item for each 512-byte sector, and so is each change of
a name since the last sync of the folder. A power cut keeps any set of the items (``after``); a kill of the process
keeps all of them, unsynced as they were (``killed``).
"""

import errno
from collections.abc import Callable, Collection
from typing import Self

from ...storage.files import FOLDER, SECTOR


class File:
    """What is in a file: ``durable`` for certain, ``content`` for whoever reads it now."""

    __slots__ = ("content", "durable")

    def __init__(self, content: bytes | bytearray = b"") -> None:
        self.content = bytearray(content)
        self.durable = bytearray(content)


Item = tuple[str, File | None, int, bytes, str]
"""A sector of a file (kind, file, place, bytes, ""), or a change of a name ("name", file or None, 0, b"", name)."""


class Medium:
    """The files of one directory, as ``storage.files.Files``.

    ``before`` is called before each write, sync and rename with its kind and name. It may raise. It may also return how
    many bytes of a write are written before it fails because the disk is full.
    """

    def __init__(self, before: Callable[[str, str], int | None] | None = None) -> None:
        self.files: dict[str, File] = {}
        self.durable_files: dict[str, File] = {}
        self.items: list[Item] = []
        self.before = before

    # -- the six calls -------------------------------------------------------------------------------------------

    def names(self) -> dict[str, int]:
        """See Files."""
        return {name: len(file.content) for name, file in self.files.items()}

    def read(self, name: str, at: int, size: int) -> bytes:
        """See Files."""
        if name not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return bytes(self.files[name].content[at : at + size])

    def write(self, name: str, at: int, data: bytes) -> None:
        """See Files."""
        some = self._try("write", name)
        if name not in self.files:
            self.files[name] = File()
            self.items.append(("name", self.files[name], 0, b"", name))
        self._put(self.files[name], at, data if some is None else data[:some])
        if some is not None:
            raise OSError(errno.ENOSPC, "no space left on device", name)

    def _put(self, file: File, at: int, data: bytes) -> None:
        _store(file.content, at, data)
        end = at + len(data)
        begin = at
        while at < end:
            stop = min(end, at - at % SECTOR + SECTOR)
            self.items.append(("sector", file, at, data[at - begin : stop - begin], ""))
            at = stop

    def sync(self, name: str) -> None:
        """See Files. What an earlier sync has failed to write is clean to the kernel, and is never written."""
        try:
            self._try("sync", name)
        except OSError:
            file = self.files.get(name)
            self.items = [item for item in self.items if item[0] == "name" or item[1] is not file]
            raise
        self._make_durable(name)

    def _make_durable(self, name: str) -> None:
        if name == FOLDER:
            self.durable_files = dict(self.files)
            self.items = [item for item in self.items if item[0] != "name"]
            return
        file = self.files[name]
        left = []
        for item in self.items:
            if item[0] == "sector" and item[1] is file:
                _store(file.durable, item[2], item[3])
            else:
                left.append(item)
        self.items = left

    def rename(self, old: str, new: str) -> None:
        """See Files. A rename is one item: the file is under its old name, or under its new one."""
        self._try("rename", old)
        file = self.files.pop(old)
        self.files[new] = file
        self.items.append(("name", file, 0, old.encode(), new))

    def remove(self, name: str) -> None:
        """See Files."""
        if self.files.pop(name, None) is not None:
            self.items.append(("name", None, 0, b"", name))

    def _try(self, kind: str, name: str) -> int | None:
        return None if self.before is None else self.before(kind, name)

    # -- what a crash leaves -------------------------------------------------------------------------------------

    def after(self, kept: Collection[int]) -> Self:
        """Return the disk after a power cut that has kept the items at these places."""
        left, copies = self._with(kept)
        for file in copies.values():
            file.durable = bytearray(file.content)
        left.durable_files = dict(left.files)
        return left

    def _with(self, kept: Collection[int]) -> tuple[Self, dict[int, File]]:
        """Return what is durable with these items in addition, and the copies of files by the ids of the originals."""
        copies: dict[int, File] = {}

        def copy(file: File) -> File:
            return copies.setdefault(id(file), File(file.durable))

        left = type(self)()
        left.files = {name: copy(file) for name, file in self.durable_files.items()}
        for place in sorted(kept):
            kind, file, at, data, name = self.items[place]
            if kind == "sector" and file is not None:
                _store(copy(file).content, at, data)
            elif file is None:
                left.files.pop(name, None)
            else:
                if data:
                    left.files.pop(data.decode(), None)
                left.files[name] = copy(file)
        return left, copies

    def killed(self) -> Self:
        """Return the disk as the next process finds it; what was not synced still is not."""
        copies: dict[int, File] = {}

        def copy(file: File | None) -> File | None:
            if file is None:
                return None
            if id(file) not in copies:
                made = copies[id(file)] = File(file.content)
                made.durable = bytearray(file.durable)
            return copies[id(file)]

        left = type(self)()
        left.files = {name: copy(file) or File() for name, file in self.files.items()}
        left.durable_files = {name: copy(file) or File() for name, file in self.durable_files.items()}
        left.items = [(kind, copy(file), at, data, name) for kind, file, at, data, name in self.items]
        return left


def _store(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content += bytes(at - len(content))
    content[at : at + len(data)] = data
