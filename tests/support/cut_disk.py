"""A disk in memory whose power can be cut: the six calls of ``raftcy.storage``, with all that a cut may leave.

What was written since the last completed sync of its file is an item for each 512-byte sector, and so is each change of
a name since the last sync of the folder. A power cut keeps any set of the items (``after``); a kill of the process
keeps all of them, or the first ones if it comes within a write, unsynced as they were (``killed``).
"""

import errno
from collections.abc import Callable, Collection, Iterator
from random import Random

from raftcy.storage.files import FOLDER, SECTOR


class File:
    """What is in a file: ``durable`` for certain, ``content`` for whoever reads it now."""

    def __init__(self, content: bytes = b"") -> None:
        self.content = bytearray(content)
        self.durable = bytes(content)


Item = tuple[str, File | None, int, bytes, str]
"""A sector of a file (kind, file, place, bytes, ""), or a change of a name ("name", file or None, 0, b"", name)."""


class CutDisk:
    """See the module. ``fault`` is called before each write and sync with its kind and name, and may raise.

    It may also return how many bytes of a write are written before it fails, by disk full.
    """

    def __init__(self, fault: Callable[[str, str], int | None] | None = None) -> None:
        self.files: dict[str, File] = {}
        self.durable_files: dict[str, File] = {}
        self.items: list[Item] = []
        self.fault = fault
        self.calls: list[tuple[str, str]] = []
        # Called when a sync of a file begins, before anything is durable.
        self.on_sync: Callable[[str], None] | None = None

    # -- the six calls -------------------------------------------------------------------------------------------

    def names(self) -> dict[str, int]:
        return {name: len(file.content) for name, file in self.files.items()}

    def read(self, name: str, at: int, size: int) -> bytes:
        if name not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", name)
        return bytes(self.files[name].content[at : at + size])

    def write(self, name: str, at: int, data: bytes) -> None:
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
        while at < end:
            stop = min(end, at - at % SECTOR + SECTOR)
            self.items.append(("sector", file, at, data[len(data) - (end - at) : len(data) - (end - stop)], ""))
            at = stop

    def sync(self, name: str) -> None:
        if self.on_sync is not None:
            self.on_sync(name)
        self._try("sync", name)
        if name == FOLDER:
            self.durable_files = dict(self.files)
            self.items = [item for item in self.items if item[0] != "name"]
            return
        file = self.files[name]
        # Only what waits is written: what an earlier sync has failed to write is clean to the kernel, and never is.
        durable = bytearray(file.durable)
        for kind, other, at, data, _ in self.items:
            if kind == "sector" and other is file:
                _store(durable, at, data)
        file.durable = bytes(durable)
        self.items = [item for item in self.items if item[1] is not file or item[0] == "name"]

    def rename(self, old: str, new: str) -> None:
        self._try("rename", old)
        file = self.files.pop(old)
        self.files[new] = file
        # A rename is one item: the file is under its old name, or under its new one.
        self.items.append(("name", file, 0, old.encode(), new))

    def remove(self, name: str) -> None:
        if self.files.pop(name, None) is not None:
            self.items.append(("name", None, 0, b"", name))

    def _try(self, kind: str, name: str) -> int | None:
        self.calls.append((kind, name))
        return None if self.fault is None else self.fault(kind, name)

    # -- what a crash leaves -------------------------------------------------------------------------------------

    def after(self, kept: Collection[int]) -> "CutDisk":
        """The disk after a power cut that has kept the items at these places."""
        left, copies = self._with(kept)
        for file in copies.values():
            file.durable = bytes(file.content)
        left.durable_files = dict(left.files)
        return left

    def _with(self, kept: Collection[int]) -> "tuple[CutDisk, dict[int, File]]":
        """What is durable with these items in addition, and the copies of files by the ids of their originals."""
        copies: dict[int, File] = {}

        def copy(file: File) -> File:
            return copies.setdefault(id(file), File(file.durable))

        left = CutDisk()
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

    def killed(self, count: int | None = None) -> "CutDisk":
        """The disk as the next process finds it; what was not synced still is not.

        With ``count``, the process had written the first so many items when it was killed.
        """
        if count is not None:
            left, copies = self._with(range(count))
            left.items = self.items[:count]
        else:
            copies = {}
            left = CutDisk()
            left.items = list(self.items)
            for file in [*self.files.values(), *self.durable_files.values(), *[item[1] for item in self.items]]:
                if file is not None and id(file) not in copies:
                    copies[id(file)] = File(file.durable)
                    copies[id(file)].content = bytearray(file.content)
            left.files = {name: copies[id(file)] for name, file in self.files.items()}

        def copy(file: File | None) -> File | None:
            return None if file is None else copies.setdefault(id(file), File(file.durable))

        left.durable_files = {name: copy(file) or File() for name, file in self.durable_files.items()}
        left.items = [(kind, copy(file), at, data, name) for kind, file, at, data, name in left.items]
        return left

    def every_cut(self) -> Iterator[range]:
        """The items that are kept if they reach the disk one after the other."""
        return (range(count) for count in range(len(self.items) + 1))

    def each_lost(self) -> Iterator[list[int]]:
        """The items that are kept if one alone is lost."""
        places = range(len(self.items))
        return ([place for place in places if place != lost] for lost in places)

    def some_cuts(self, count: int) -> Iterator[Collection[int]]:
        """About so many of every cut and of each lost item, evenly chosen, the first and the last among them."""
        for states in (list(self.every_cut()), list(self.each_lost())):
            step = max(1, 2 * len(states) // count)
            yield from states[::step]
            yield from states[-1:]

    def some_lost(self, random: Random, count: int) -> Iterator[list[int]]:
        """Any items that are kept, by chance, so many times."""
        for _ in range(count):
            share = random.random()
            yield [place for place in range(len(self.items)) if random.random() < share]


def _store(content: bytearray, at: int, data: bytes) -> None:
    if len(content) < at:
        content += bytes(at - len(content))
    content[at : at + len(data)] = data
