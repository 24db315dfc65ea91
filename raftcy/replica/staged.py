"""The writes of one group that are staged in the log and not acknowledged yet.

Rules:

- Writes are acknowledged in their order, each once it is durable, and all before it.
- A write that holds nothing but a commit index is never synced for its own sake: a crash may take such an index back.
  If nothing of the group waits, it is acknowledged at once, else together with the last write that waits before it.
  Earlier it must not be: its answers speak of all that the log has, also of entries that are not durable yet.
"""

from collections import deque

from .work import Write


class Staged:
    """``term`` and ``vote`` are those of the stored hard state, 0 without one."""

    __slots__ = ("_syncing", "_term", "_vote", "_waiting", "is_due")

    def __init__(self, term: int = 0, vote: int = 0) -> None:
        self._term = term
        self._vote = vote
        self._waiting: deque[tuple[Write, bool]] = deque()
        # How many of those that wait, from the oldest on, the sync under way makes durable.
        self._syncing = 0
        self.is_due = False
        """Whether a sync should begin for this group: something must last, and no sync under way covers it."""

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
        self._syncing = 0
        while self._waiting and not self._waiting[0][1]:
            ended.append(self._waiting.popleft()[0])
        return ended
