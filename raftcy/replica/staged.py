"""The writes of one group that are staged in the log and not acknowledged yet.

Rules:

- Writes are acknowledged in their order, each once it and all earlier ones are durable.
- A write with only a commit index does not cause a sync, because a crash may revert a commit index. If no write of the
  group waits, it is acknowledged at once, otherwise together with the last waiting write before it. An earlier
  acknowledgement would be wrong: its answers cover the whole log, including entries that are not durable yet.
"""

from collections import deque

from .work import Write


class Staged:
    """The staged writes. ``term`` and ``vote`` come from the stored hard state, 0 without one."""

    __slots__ = ("_syncing", "_term", "_vote", "_waiting", "is_due")

    def __init__(self, term: int = 0, vote: int = 0) -> None:
        self._term = term
        self._vote = vote
        self._waiting: deque[tuple[Write, bool]] = deque()
        # How many waiting writes, from the oldest on, the present sync makes durable.
        self._syncing = 0
        self.is_due = False
        """Whether a sync should begin for this group: a write must be durable, and no present sync covers it."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, write: Write) -> bool:
        """Note a staged write, and return whether the caller should acknowledge it at once."""
        must = self._must_last(write)
        if not must and not self._waiting:
            return True
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
        ended = [self._waiting.popleft()[0] for _ in range(self._syncing)]
        self._syncing = 0
        while self._waiting and not self._waiting[0][1]:
            ended.append(self._waiting.popleft()[0])
        return ended
