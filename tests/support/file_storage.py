"""A LogStorage in one file, as small as a correct one can be; and one that notes what a crash may leave of it.

The file is a sequence of records, each with its length and a checksum. Everything that a call stores is one record, so
a crash leaves all of it or nothing. When the storage is opened, it reads all records, cuts off a torn last one, and
answers from memory from then on. Compaction writes a new file beside the old one, which then replaces the old one.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raftcy import NO_LIMIT, ConfState, Contradiction, Entry, HardState, MemoryStorage, Snapshot, SnapshotMetadata

_HEAD = struct.Struct(">II")
_SIZE = struct.Struct(">I")
_ABSENT = 2**32 - 1
SAVED, MADE, BASE = b"save", b"made", b"base"


def pack(*parts: bytes | None) -> bytes:
    """Pack parts, each with its size; None differs from an empty one."""
    return b"".join(_SIZE.pack(_ABSENT) if each is None else _SIZE.pack(len(each)) + each for each in parts)


def unpack(body: bytes) -> list[Any]:
    parts: list[bytes | None] = []
    at = 0
    while at < len(body):
        (size,) = _SIZE.unpack_from(body, at)
        at += _SIZE.size
        parts.append(None if size == _ABSENT else body[at : at + size])
        at += 0 if size == _ABSENT else size
    return parts


def record(body: bytes) -> bytes:
    return _HEAD.pack(len(body), zlib.crc32(body)) + body


def records(data: bytes) -> Iterator[bytes]:
    """The bodies of the records, up to the first incomplete one."""
    at = 0
    while at + _HEAD.size <= len(data):
        size, checksum = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + size]
        if len(body) < size or zlib.crc32(body) != checksum:
            return
        yield body
        at += _HEAD.size + size


class FileStorage:
    """The storage that the module describes. After an error of the file it accepts nothing more."""

    def __init__(self, place: Path) -> None:
        self.path = place / "log"
        self.memory = MemoryStorage()
        self.failed = False
        self.file = os.open(self.path, os.O_RDWR | os.O_CREAT)
        data = self.path.read_bytes()
        whole = 0
        for body in records(data):
            self.replay(*unpack(body))
            whole += _HEAD.size + len(body)
        self.cut(whole)
        self.flush()

    def replay(self, kind: bytes, *parts: Any) -> None:
        if kind == SAVED:
            self.store(*decoded(*parts))
        elif kind == MADE:
            made = Snapshot.decode(parts[0])
            data = made.data if made.has("data") else None
            self.memory.create_snapshot(made.metadata.index, self.members_of(made), data)
        else:
            self.begin(*(int.from_bytes(each) for each in parts[:2]), *decoded(*parts[2:]))

    def begin(self, base: int, term: int, hard_state: Any, entries: list[Entry], snapshot: Any) -> None:
        """The state after a compaction: the log after ``base``, and a snapshot that ends there or later."""
        metadata = SnapshotMetadata(conf_state=snapshot.metadata.conf_state, index=base, term=term)
        later = snapshot.metadata.index > base
        self.memory.apply_snapshot(Snapshot(metadata=metadata) if later else snapshot)
        self.store(hard_state, entries, None)
        if later:
            self.replay(MADE, snapshot.encode())

    # -- reading -------------------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        return self.memory.initial_state()

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        return self.memory.entries(lo, hi, max_size)

    def term(self, i: int) -> int:
        return self.memory.term(i)

    def first_index(self) -> int:
        return self.memory.first_index()

    def last_index(self) -> int:
        return self.memory.last_index()

    def snapshot(self) -> Snapshot:
        return self.memory.snapshot()

    # -- writing -------------------------------------------------------------------------------------------------

    def save(self, hard_state: HardState | None, entries: list[Entry] | None, snapshot: Snapshot | None) -> None:
        new = list(entries or [])
        self.check_save(hard_state, new, snapshot)
        self.write(*self.saved(hard_state, new, snapshot))
        self.store(hard_state, new, snapshot)

    def check_save(self, hard_state: HardState | None, entries: list[Entry], snapshot: Snapshot | None) -> None:
        """Raise the error for an invalid save, before anything is written."""
        trial = MemoryStorage()
        first, last = self.first_index(), self.last_index()
        members = ConfState(voters=[1])
        if first > 1:
            metadata = SnapshotMetadata(conf_state=members, index=first - 1, term=self.term(first - 1))
            trial.apply_snapshot(Snapshot(metadata=metadata))
        trial.append(self.memory.entries(first, last + 1, NO_LIMIT) if first <= last else [])
        trial.set_hard_state(self.initial_state()[0])
        if self.snapshot().metadata.index >= first:
            trial.create_snapshot(self.snapshot().metadata.index, members, None)
        trial.save(hard_state, entries, snapshot)

    def saved(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> list[bytes]:
        """The bodies of the records that a save writes."""
        return [pack(SAVED, *encoded(hard_state, entries, snapshot))]

    def store(self, hard_state: HardState | None, entries: list[Entry], snapshot: Snapshot | None) -> None:
        """Put saved or replayed values into memory."""
        if snapshot is not None:
            self.memory.apply_snapshot(snapshot)
        self.memory.append(entries)
        if hard_state is not None:
            self.memory.set_hard_state(hard_state)

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        made = self.memory.create_snapshot(i, cs, data)
        self.write(pack(MADE, self.made(made)))
        return made

    def made(self, snapshot: Snapshot) -> bytes:
        return snapshot.encode()

    def members_of(self, made: Snapshot) -> ConfState | None:
        """The members of a snapshot that was read."""
        return made.metadata.conf_state

    def compact(self, compact_index: int) -> None:
        newest = self.snapshot().metadata.index
        if self.first_index() <= compact_index <= self.last_index() and compact_index > newest:
            raise Contradiction(f"the newest snapshot ends at {newest}")
        self.memory.compact(compact_index)
        self.replace(record(pack(BASE, *self.base())))

    def base(self) -> list[bytes | None]:
        """Everything that a compaction keeps, as the parts of one record."""
        base, last = self.first_index() - 1, self.last_index()
        entries = self.entries(base + 1, last + 1, NO_LIMIT) if base < last else []
        numbers = [each.to_bytes(8) for each in (base, self.term(base))]
        return [*numbers, *encoded(self.initial_state()[0], entries, self.snapshot())]

    def write(self, *bodies: bytes) -> None:
        for body in bodies:
            self.put(record(body))

    def sync(self) -> None:
        self.flush()

    def close(self) -> None:
        os.close(self.file)

    # -- the file ------------------------------------------------------------------------------------------------

    def attempt(self, work: Any, *arguments: Any) -> Any:
        if self.failed:
            raise OSError("the storage has failed")
        try:
            return work(*arguments)
        except OSError:
            self.failed = True
            raise

    def put(self, data: bytes) -> None:
        """Append to the file."""
        os.lseek(self.file, 0, os.SEEK_END)
        while data:
            data = data[self.attempt(os.write, self.file, data) :]

    def flush(self) -> None:
        self.attempt(os.fsync, self.file)

    def cut(self, size: int) -> None:
        os.ftruncate(self.file, size)

    def replace(self, data: bytes) -> None:
        """Replace the file by a new one: first the data reaches the disk, then the new name."""
        other = self.path.with_name("log.new")
        file = os.open(other, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self.attempt(os.write, file, data)
        self.attempt(os.fsync, file)
        self.attempt(os.replace, other, self.path)
        os.close(self.file)
        self.file = file
        folder = os.open(self.path.parent, os.O_RDONLY)
        self.attempt(os.fsync, folder)
        os.close(folder)


def encoded(hard_state: Any, entries: list[Entry], snapshot: Any) -> list[bytes | None]:
    head = [None if each is None else each.encode() for each in (hard_state, snapshot)]
    return [*head, *(each.encode() for each in entries)]


def decoded(hard_state: Any, snapshot: Any, *entries: bytes) -> tuple[Any, list[Entry], Any]:
    return (
        None if hard_state is None else HardState.decode(hard_state),
        [Entry.decode(each) for each in entries],
        None if snapshot is None else Snapshot.decode(snapshot),
    )


class Noted(FileStorage):
    """Notes the states that a crash during the last call may leave of the file, and how much of it is on disk."""

    left: list[dict[str, bytes]]
    on_disk: bytes = b""

    def __init__(self, place: Path) -> None:
        self.left = []
        super().__init__(place)

    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        self.left = []
        super().save(hard_state, entries, snapshot)

    def create_snapshot(self, i: int, cs: Any, data: Any) -> Snapshot:
        self.left = []
        return super().create_snapshot(i, cs, data)

    def compact(self, compact_index: int) -> None:
        self.left = []
        super().compact(compact_index)

    def put(self, data: bytes) -> None:
        before = self.path.read_bytes()
        for count in (0, len(data) // 2, len(data)):
            self.left.append({"log": before + data[:count]})
        super().put(data)

    def replace(self, data: bytes) -> None:
        before = self.path.read_bytes()
        for count in (0, len(data)):
            self.left.append({"log": before, "log.new": data[:count]})
        super().replace(data)
        self.left.append({"log": data})
        self.on_disk = data

    def flush(self) -> None:
        """Only noted, because nothing here depends on the real disk."""
        self.on_disk = self.path.read_bytes()
