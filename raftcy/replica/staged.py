"""The writes of one group that are staged in the log and not acknowledged yet.

Rules:

- Writes are acknowledged in their order, each once it is durable, and all before it.
- A write that holds nothing but a commit index is never synced for its own sake: a crash may take such an index back.
  If nothing of the group waits, it is acknowledged at once, else together with the last write that waits before it.
  Earlier it must not be: its answers speak of all that the log has, also of entries that are not durable yet.
- The log may hold what a replica before this one has staged. Then nothing is acknowledged before the first sync that
  begins from now on has ended: until then nobody knows how much of the log a crash would leave.
"""

from collections import deque

from .work import Write


class Staged:
    """``term`` and ``vote`` are those of the stored hard state, 0 without one.

    ``unsynced`` says that the log holds something, the hard state perhaps, that was staged before and is not durable.
    """

    __slots__ = ("_syncing", "_term", "_vote", "_waiting", "is_due", "is_unsynced")

    def __init__(self, term: int = 0, vote: int = 0, unsynced: bool = False) -> None:
        self._term = term
        self._vote = vote
        # None stands for what was staged before.
        self._waiting: deque[tuple[Write | None, bool]] = deque()
        # How many of those that wait, from the oldest on, the sync under way makes durable.
        self._syncing = 0
        self.is_due = unsynced
        """Whether a sync should begin for this group: something must last, and no sync under way covers it."""
        self.is_unsynced = unsynced
        """Whether what was staged before may not be durable yet."""
        if unsynced:
            self._waiting.append((None, True))

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, write: Write) -> bool:
        """A write was staged; whether it is to be acknowledged at once."""
        must = self._must_last(write)
        if not must and not self._waiting:
            return True
        self._waiting.append((write, must))
        self.is_due |= must
        return False

    def _must_last(self, write: Write) -> bool:
        """Whether the write holds anything that a crash must not take back."""
        state = write.hard_state
        changed = state is not None and (state.term != self._term or state.vote != self._vote)
        if state is not None:
            self._term, self._vote = state.term, state.vote
        return changed or len(write.entries) > 0 or write.snapshot is not None

    def begin(self) -> None:
        """A sync begins, which makes durable all that is staged now."""
        self._syncing = len(self._waiting)
        self.is_due = False

    def end(self) -> list[Write]:
        """The sync has ended well: the writes to acknowledge now, in order."""
        ended = [self._waiting.popleft()[0] for _ in range(self._syncing)]
        if self._syncing:
            self.is_unsynced = False
        self._syncing = 0
        while self._waiting and not self._waiting[0][1]:
            ended.append(self._waiting.popleft()[0])
        return [write for write in ended if write is not None]
