"""A disk with explicit sync points, which loses at a crash what was not synced.

Rules:

- What is written becomes visible when its batch is complete, in the order of the batches.
- A complete batch with ``sync`` is durable, and so is everything before it. A complete batch without one, which holds
  nothing but a new commit index, may be lost at a crash until the next sync.
- At a crash the batches that are not complete leave a prefix of their records behind (a torn write): of a batch its
  entries in order, then its hard state. A batch with a snapshot is all or nothing.
- A disk that fails a write says so once and takes nothing from then on: whoever uses it has to stop and start again.
"""

from random import Random
from typing import Any

from ..core.storage import MemoryStorage
from ..errors import Compacted, SnapshotTemporarilyUnavailable, Unavailable
from ..replica.work import Write
from ..wire.messages import ConfState, Entry, HardState, Snapshot


class DiskFailed(OSError):
    """The simulated disk has failed: of all errors the only one, in itself or as StorageFailed, that is a fault."""


class Checkpoint:
    """The application's state as stored by itself: applied up to ``index``, with the members as of then."""

    __slots__ = ("data", "index", "members")

    def __init__(self, index: int, members: ConfState, data: bytes) -> None:
        self.index = index
        self.members = members
        self.data = data


class Disk(MemoryStorage):
    """A Storage that can lose, fail and lag. ``pending`` holds the batches that are not complete."""

    # Not private: the parent's fields are C fields in the compiled build.
    __slots__ = (
        "checkpoint",
        "failing",
        "latency",
        "pending",
        "random",
        "snapshot_away",
        "synced",
        "unreadable",
    )

    def __init__(self, random: Random) -> None:
        super().__init__()
        self.random = random
        self.pending: list[Write] = []
        self.synced: HardState | None = None
        self.checkpoint: Checkpoint | None = None
        self.latency = 0
        self.failing = False
        self.unreadable = False
        self.snapshot_away = False

    # -- what raft reads -----------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """The hard state, and the members as of what is applied at the start."""
        hard_state, members = super().initial_state()
        return hard_state, members if self.checkpoint is None else self.checkpoint.members

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Entries as of MemoryStorage; DiskFailed if the disk cannot be read."""
        if self.unreadable:
            raise DiskFailed("input/output error")
        return super().entries(lo, hi, max_size)

    def snapshot(self) -> Snapshot:
        """The newest snapshot; SnapshotTemporarilyUnavailable while there is none to give."""
        if self.snapshot_away:
            raise SnapshotTemporarilyUnavailable()
        return super().snapshot()

    def newest(self) -> Snapshot:
        """The newest snapshot, even while it is not given to raft."""
        return super().snapshot()

    def written(self) -> HardState | None:
        """The hard state as written, synced or not."""
        return super().initial_state()[0]

    def has(self, index: int, term: int) -> bool:
        """Whether the entry is stored, or covered by a snapshot or a compaction."""
        try:
            return self.term(index) == term
        except Compacted:
            return True
        except Unavailable:
            return False

    # -- writing -------------------------------------------------------------------------------------------------

    def delay(self) -> int:
        """How long the next batch takes, in microseconds."""
        return int(self.random.random() ** 2 * 2 * self.latency) if self.latency else 0

    def submit(self, batch: Write) -> None:
        """Begin to write."""
        self.pending.append(batch)

    def complete(self) -> Write:
        """The oldest batch is written, and synced if it asks for that. DiskFailed if the disk fails."""
        if self.failing:
            raise DiskFailed("no space left on device")
        batch = self.pending.pop(0)
        self._write(batch)
        if batch.sync:
            self.sync()
        return batch

    def sync(self) -> None:
        """All that is written is durable."""
        self.synced = self.written()

    def _write(self, batch: Write) -> None:
        if batch.snapshot is not None:
            self.apply_snapshot(batch.snapshot)
            self.checkpoint = None
        if batch.entries:
            self.append(batch.entries)
        if batch.hard_state is not None:
            self.set_hard_state(batch.hard_state)

    def create_snapshot(self, i: int, cs: ConfState | None, data: bytes | None) -> Snapshot:
        """Make a snapshot, which takes the place of an older checkpoint."""
        made = super().create_snapshot(i, cs, data)
        if self.checkpoint is not None and self.checkpoint.index <= i:
            self.checkpoint = None
        return made

    def keep(self, checkpoint: Checkpoint) -> None:
        """Store the application's state, synced."""
        self.checkpoint = checkpoint
        self.sync()

    def crash(self, random: Random) -> str:
        """Lose what a crash may lose, and become a disk in order; says what became of the batches."""
        told = []
        if self.written() is not self.synced and random.random() < 0.5:
            told.append("the commit index that was not synced is lost")
            self.set_hard_state(self.synced)
        left = len(self.pending)
        while self.pending and random.random() < 0.5:
            self._write(self.pending.pop(0))
        if left:
            told.append(f"{left - len(self.pending)} of {left} unfinished writes are whole")
        if self.pending and self._tear(self.pending[0], random):
            told.append("the next one is torn")
        self.pending.clear()
        self.sync()
        self.failing = self.unreadable = False
        return ", ".join(told)

    def _tear(self, batch: Write, random: Random) -> bool:
        """Keep some of a batch's entries."""
        kept = int(random.random() * (len(batch.entries) + 1))
        if batch.snapshot is not None or kept == 0:
            return False
        self.append(batch.entries[:kept])
        return True

    def __reduce__(self) -> Any:
        raise TypeError("a simulated disk cannot be pickled")
