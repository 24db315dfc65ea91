"""The writes of one group that are staged in the log and not acknowledged yet.

Rules:

- Writes are acknowledged in their order, each once it and all earlier ones are durable.
- A write with only a commit index does not cause a sync, because a crash may revert a commit index. If no write of the
  group waits, it is acknowledged at once, otherwise together with the last waiting write before it. An earlier
  acknowledgement would be wrong: its answers cover the whole log, including entries that are not durable yet.
- The log may hold something that an earlier replica has staged. Nothing is acknowledged then before the first sync
  that begins afterwards has ended: a crash before that could take back any part of what the log shows.
"""

from .work import Write

# Shared by all groups whose writes are acknowledged. It stays empty.
_NO_WRITES: list[tuple[Write | None, bool]] = []


class Staged:
    """The staged writes. ``term`` and ``vote`` come from the stored hard state, 0 without one.

    ``unsynced`` says that the log holds writes of an earlier replica that are not durable.
    """

    __slots__ = ("_syncing", "_term", "_vote", "_waiting", "is_due", "is_unsynced")

    def __init__(self, term: int = 0, vote: int = 0, unsynced: bool = False) -> None:
        self._term = term
        self._vote = vote
        # None stands for the writes of an earlier replica.
        self._waiting: list[tuple[Write | None, bool]] = _NO_WRITES
        # How many waiting writes, from the oldest on, the present sync makes durable.
        self._syncing = 0
        self.is_due = unsynced
        """Whether a sync should begin for this group: a write must be durable, and no present sync covers it."""
        self.is_unsynced = unsynced
        """Whether the log may hold writes of an earlier replica that are not durable yet."""
        if unsynced:
            self._waiting = [(None, True)]

    def begin_log(self, term: int) -> None:
        """Note that the log, which was empty, was begun with a hard state of ``term`` that is not durable yet."""
        self._term = term
        self._waiting = [*self._waiting, (None, True)]
        self.is_due = self.is_unsynced = True

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, write: Write) -> bool:
        """Note a staged write, and return whether the caller should acknowledge it at once."""
        must = self._must_last(write)
        if not must and not self._waiting:
            return True
        if self._waiting is _NO_WRITES:
            self._waiting = []
        self._waiting.append((write, must))
        self.is_due |= must
        return False

    def _must_last(self, write: Write) -> bool:
        """Whether the write has anything that a crash must not revert."""
        state = write.hard_state
        changed = state is not None and (state.term != self._term or state.vote != self._vote)
        if state is not None:
            self._term, self._vote = state.term, state.vote
        return changed or len(write.entries) > 0 or write.snapshot is not None

    def begin(self) -> None:
        """Note that a sync begins, which makes all staged writes durable."""
        self._syncing = len(self._waiting)
        self.is_due = False

    def end(self) -> list[Write]:
        """Note that the sync has succeeded, and return the writes to acknowledge now, in order."""
        ended = [write for write, _ in self._waiting[: self._syncing]]
        del self._waiting[: self._syncing]
        if self._syncing:
            self.is_unsynced = False
        self._syncing = 0
        while self._waiting and not self._waiting[0][1]:
            ended.append(self._waiting.pop(0)[0])
        if not self._waiting:
            self._waiting = _NO_WRITES
        return [write for write in ended if write is not None]
