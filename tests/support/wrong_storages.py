"""Storages with one defect each, derived from the correct one. The storage suite has to find every defect."""

import os
from pathlib import Path
from typing import Any

from raftcy import NO_LIMIT, ConfState, Entry, Snapshot, SnapshotMetadata

from .file_storage import MADE, SAVED, FileStorage, Noted, encoded, pack, record


class SavesNothing(Noted):
    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        self.left = []


class ForgetsHardState(Noted):
    """Keeps the hard state in memory, but not in the file."""

    def saved(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> list[bytes]:
        return super().saved(None, entries, snapshot)


class ForgetsHardStateAtOnce(Noted):
    def store(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> None:
        super().store(None, entries, snapshot)

    def check_save(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> None:
        """Accepts everything."""


class ForgetsSnapshot(Noted):
    def saved(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> list[bytes]:
        return super().saved(hard_state, entries if snapshot is None else [], None)


class ForgetsSnapshotAtOnce(Noted):
    def store(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> None:
        super().store(hard_state, entries if snapshot is None else [], None)

    def check_save(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> None:
        """Accepts everything."""


class WritesInClose(Noted):
    def __init__(self, place: Path) -> None:
        self.waiting: list[bytes] = []
        super().__init__(place)

    def put(self, data: bytes) -> None:
        self.waiting.append(data)

    def close(self) -> None:
        for data in self.waiting:
            super().put(data)
        super().close()


class CutsNoTail(Noted):
    """New entries overwrite old ones, but the old entries behind them stay."""

    def store(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> None:
        last = self.last_index()
        if snapshot is None and entries and self.first_index() <= entries[-1].index < last:
            entries = entries + self.entries(entries[-1].index + 1, last + 1, NO_LIMIT)
        super().store(hard_state, entries, snapshot)


class HardStateFirst(Noted):
    """Correct as long as nothing fails between two records."""

    def saved(self, hard_state: Any, entries: list[Entry], snapshot: Any) -> list[bytes]:
        parts = [(hard_state, [], None), (None, entries, snapshot)]
        return [pack(SAVED, *encoded(*each)) for each in parts]


class ForgetsConfState(Noted):
    """The file has no members for snapshots made here; on reopening they get those of the snapshot before."""

    def members_of(self, made: Snapshot) -> ConfState | None:
        return None if self.snapshot().metadata.conf_state.voters else super().members_of(made)


class LosesBaseTerm(Noted):
    """Compaction loses the term of the entry before the first one."""

    def base(self) -> list[bytes | None]:
        index, _, *rest = super().base()
        return [index, bytes(8), *rest]


class SyncsNothing(Noted):
    """Only the record of flushed bytes shows this."""

    def sync(self) -> None:
        pass


class ReplacesWithoutFlush(Noted):
    """A new file replaces the old one before it is on disk."""

    def replace(self, data: bytes) -> None:
        on_disk = self.on_disk
        super().replace(data)
        self.on_disk = on_disk[: len(on_disk) // 2]


class CutsNoTorn(Noted):
    """Appends behind a torn last record, so that nothing after it is ever read again."""

    def cut(self, size: int) -> None:
        pass


class ReplacesInPlace(Noted):
    """Compaction overwrites the file in place."""

    def replace(self, data: bytes) -> None:
        os.ftruncate(self.file, 0)
        self.left.append({"log": b""})
        FileStorage.put(self, data)
        self.on_disk = data


class WritesBeforeItRefuses(Noted):
    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        self.left = []
        if hard_state is not None:
            self.put(record(pack(SAVED, *encoded(hard_state, [], None))))
            self.memory.set_hard_state(hard_state)
        super().save(None, entries, snapshot)


class MakesWithoutVoters(Noted):
    def create_snapshot(self, i: int, cs: Any, data: Any) -> Snapshot:
        members = cs or self.snapshot().metadata.conf_state
        if i <= self.snapshot().metadata.index or i > self.last_index() or members.voters:
            return super().create_snapshot(i, cs, data)
        metadata = SnapshotMetadata(conf_state=members, index=i, term=self.term(i))
        self.put(record(pack(MADE, self.made(Snapshot(data=data, metadata=metadata)))))
        return self.snapshot()


class ForgetsWhenClosed(Noted):
    """A clean close that loses everything: the file is emptied, as by an application that starts over."""

    def close(self) -> None:
        os.ftruncate(self.file, 0)
        super().close()
