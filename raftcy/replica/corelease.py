"""CoreLease: keeps a leader that reads by the lease of the core from answering after it has handed over.

The receiver of MsgTimeoutNow campaigns without waiting until the lease has ended. A leader whose Config has
``ReadOnlyOption.LEASE_BASED`` therefore answers no read after it has sent this message, for the rest of its term.
"""

from typing import Any

from ..core.raft import Raft
from ..wire import consts as k
from ..wire.messages import Message


class CoreLease:
    """Knows the term in which MsgTimeoutNow was sent, 0 for none, and the term of the last round."""

    __slots__ = ("_handed_over", "_polled_term")

    def __init__(self) -> None:
        self._handed_over = 0
        self._polled_term = 0

    def objection(self, raft: Raft) -> str:
        """Return why a read must not be requested now, or an empty text."""
        if raft.state == k.LEADER and self._handed_over == raft.term:
            return "a leader that has sent MsgTimeoutNow cannot answer reads by its lease"
        return ""

    def is_late(self, raft: Raft) -> bool:
        """Return whether a read of this round may have been answered by the lease after MsgTimeoutNow had left."""
        late = self._handed_over != 0 and self._polled_term <= self._handed_over
        self._polled_term = raft.term
        return late

    def leaving(self, messages: list[Message]) -> list[Message]:
        """Leave out the answers to reads that were given by the lease after MsgTimeoutNow had left."""
        handed = self._handed_over
        for m in messages:
            kind: Any = m.type
            if kind == k.TIMEOUT_NOW:
                self._handed_over = m.term
        if handed == 0:
            return messages
        return [m for m in messages if m.type != k.READ_INDEX_RESP or m.term != handed]
