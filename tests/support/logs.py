"""Logs for tests: stored entries, unstable entries, and the log lines."""

from collections.abc import Iterable
from typing import Any

from raftcy import NO_LIMIT, Entry, EntryType, MemoryStorage, Snapshot, SnapshotMetadata
from raftcy.core.log import RaftLog
from raftcy.core.logger import Log, default_logger
from raftcy.core.unstable import Unstable


class Foreign(MemoryStorage):
    """A storage that a log reads through its public methods, as it does any storage but our own."""


STORAGES = [MemoryStorage, Foreign]


class Counting(MemoryStorage):
    """A storage that counts the calls that ask for a term or for entries."""

    asked = 0

    def term(self, i: int) -> int:
        self.asked += 1
        return super().term(i)

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        self.asked += 1
        return super().entries(lo, hi, max_size)


class Texts:
    """A logger that keeps its texts."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, text: str) -> None:
        self.lines.append(text)

    info = warning = error = critical = debug


def run(first: int, *terms: int) -> list[Entry]:
    """Entries from index `first` on, with these terms."""
    return [Entry(term=term, index=index) for index, term in enumerate(terms, first)]


def climb(first: int, last: int) -> list[Entry]:
    """Entries whose term equals their index, with an explicit type."""
    return [Entry(type=EntryType.NORMAL, term=index, index=index) for index in range(first, last + 1)]


def snapshot_at(index: int, term: int = 0, data: bytes | None = None) -> Snapshot:
    """A snapshot up to an entry."""
    return Snapshot(data=data, metadata=SnapshotMetadata(index=index, term=term))


def stored(kind: type[MemoryStorage] = MemoryStorage, snapshot: Snapshot | None = None, *entries: Entry) -> Any:
    """A storage of this kind that begins with a snapshot."""
    storage = kind()
    if snapshot is not None:
        storage.apply_snapshot(snapshot)
    storage.append(list(entries))
    return storage


def new_log(
    storage: Any = None, unstable: Iterable[Entry] = (), max_applying_size: int = NO_LIMIT, logger: Any = None
) -> RaftLog:
    """A log with unstable entries on a storage, by default an empty one."""
    log = RaftLog(storage or MemoryStorage(), Log(logger or default_logger()), max_applying_size)
    log.append(list(unstable))
    return log


def new_unstable(
    offset: int,
    entries: Iterable[Entry] = (),
    snapshot: Snapshot | None = None,
    in_progress: int | None = None,
    snapshot_in_progress: bool = False,
    logger: Any = None,
) -> Unstable:
    """An Unstable, put together by hand."""
    unstable = Unstable(offset, Log(logger or default_logger()))
    unstable.entries = list(entries)
    unstable.snapshot = snapshot
    unstable.offset_in_progress = offset if in_progress is None else in_progress
    unstable.snapshot_in_progress = snapshot_in_progress
    return unstable
