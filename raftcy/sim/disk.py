"""A simulated disk with explicit sync points. A crash loses what was not synced.

Rules:

- Batches complete in the order in which they were submitted. The data of a batch becomes visible when it completes.
- Completing a batch with ``sync`` makes it and everything before it durable. A batch without ``sync`` holds only a new
  commit index; a crash may lose it until the next sync.
- A batch is written entirely or not at all, as a LogStorage must write it: a crash leaves some of the incomplete
  batches, in their order, and nothing of the others.
- With ``torn``, for storages that are written by single calls, a crash may leave a prefix of the next batch's records:
  its entries, in order, and then its hard state. A batch with a snapshot is still written entirely or not at all. Such
  a disk takes up the term of its last entry before a node starts from it.
- A disk whose write fails raises DiskFailed and accepts nothing more: the member must crash and start again.
"""

from random import Random
from typing import Any

from ..core.storage import MemoryStorage
from ..errors import Compacted, SnapshotTemporarilyUnavailable, Unavailable
from ..replica.work import Write
from ..wire.messages import ConfState, Entry, HardState, Snapshot


class DiskFailed(OSError):
    """The simulated disk failed. This is the only error that is a fault; every other error violates a rule.

    The core may wrap it in StorageFailed.
    """


class Checkpoint:
    """The application's state, stored separately: applied up to ``index``, with the members as of that index."""

    __slots__ = ("data", "index", "members")

    def __init__(self, index: int, members: ConfState, data: bytes) -> None:
        self.index = index
        self.members = members
        self.data = data


class Disk(MemoryStorage):
    """A Storage that can lose data, fail and be slow. ``pending`` holds the incomplete batches."""

    # Public names: the parent's private fields are C fields in the compiled build.
    __slots__ = (
        "checkpoint",
        "failing",
        "latency",
        "pending",
        "random",
        "snapshot_away",
        "synced",
        "torn",
        "unreadable",
    )

    def __init__(self, random: Random, torn: bool = False) -> None:
        super().__init__()
        self.random = random
        self.torn = torn
        self.pending: list[Write] = []
        self.synced: HardState | None = None
        self.checkpoint: Checkpoint | None = None
        self.latency = 0
        self.failing = False
        self.unreadable = False
        self.snapshot_away = False

    # -- what raft reads -----------------------------------------------------------------------------------------

    def initial_state(self) -> tuple[HardState | None, ConfState]:
        """The hard state, and the members as of the index that is applied at the start."""
        hard_state, members = super().initial_state()
        return hard_state, members if self.checkpoint is None else self.checkpoint.members

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        """Entries as in MemoryStorage. Raises DiskFailed if the disk cannot be read."""
        if self.unreadable:
            raise DiskFailed("input/output error")
        return super().entries(lo, hi, max_size)

    def snapshot(self) -> Snapshot:
        """The newest snapshot. Raises SnapshotTemporarilyUnavailable while ``snapshot_away`` is set."""
        if self.snapshot_away:
            raise SnapshotTemporarilyUnavailable()
        return super().snapshot()

    def newest(self) -> Snapshot:
        """The newest snapshot, even while ``snapshot_away`` is set."""
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
        """Draw how long the next batch takes, in microseconds."""
        return int(self.random.random() ** 2 * 2 * self.latency) if self.latency else 0

    def submit(self, batch: Write) -> None:
        """Submit a batch to be written."""
        self.pending.append(batch)

    def complete(self) -> Write:
        """Complete the oldest batch, and sync if it asks for it. Raises DiskFailed if the disk is failing."""
        if self.failing:
            raise DiskFailed("no space left on device")
        batch = self.pending.pop(0)
        self._write(batch)
        if batch.sync:
            self.sync()
        return batch

    def sync(self) -> None:
        """Make everything written durable."""
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
        """Create a snapshot; it replaces an older checkpoint."""
        made = super().create_snapshot(i, cs, data)
        if self.checkpoint is not None and self.checkpoint.index <= i:
            self.checkpoint = None
        return made

    def keep(self, checkpoint: Checkpoint) -> None:
        """Store the application's state, and sync."""
        self.checkpoint = checkpoint
        self.sync()

    def crash(self, random: Random) -> str:
        """Lose what a crash may lose, and end all faults of the disk. Returns a text about what was lost."""
        effects = []
        if self.written() is not self.synced and random.random() < 0.5:
            effects.append("the unsynced commit index is lost")
            self.set_hard_state(self.synced)
        left = len(self.pending)
        while self.pending and random.random() < 0.5:
            self._write(self.pending.pop(0))
        if left:
            effects.append(f"{left - len(self.pending)} of {left} pending writes are complete")
        if self.pending and self._tear(self.pending[0], random):
            effects.append("the next one is torn")
        self.pending.clear()
        self.sync()
        self.failing = self.unreadable = False
        return ", ".join(effects)

    def _tear(self, batch: Write, random: Random) -> bool:
        """Write some of a batch's entries; returns whether any were written."""
        # Drawn in any case, so that runs with and without torn writes differ only by what these leave behind.
        kept = int(random.random() * (len(batch.entries) + 1))
        if not self.torn or batch.snapshot is not None or kept == 0:
            return False
        self.append(batch.entries[:kept])
        return True

    def take_up_term(self) -> None:
        """Store the term of the last entry, without a vote, if the hard state does not know it: the write was torn.

        Nothing was sent on its strength, but a node that started in an older term could give away a vote that it has
        given in this one.
        """
        term = self.term(self.last_index())
        state = self.written()
        if term > (0 if state is None else state.term):
            commit = self.first_index() - 1 if state is None else state.commit
            self.set_hard_state(HardState(term=term, vote=0, commit=commit))
            self.sync()

    def __reduce__(self) -> Any:
        raise TypeError("a simulated disk cannot be pickled")
