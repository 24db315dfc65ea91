"""Linearizable reads, in rounds: all reads that arrived before a round began share it.

A round asks the leader for its commit index, under a new context. It ends once the machine has applied up to that
index. Rules:

- A read that arrives during a round waits for the next one. Otherwise the leader's answer could come from before a
  write that the read must see.
- At most one round is under way. A round is lost if it has no answer after some ticks, or if its leader is gone. Its
  reads join the next round, which has a new context, so a late answer to the lost round is ignored.
"""

from typing import Any

from ..errors import Overloaded

_NO_READS: dict[Any, None] = {}


class Barriers:
    """The waiting reads of one member. A read is any hashable object of the caller, such as a future.

    A round is lost after ``patience`` ticks. At most ``limit`` reads wait.
    """

    __slots__ = ("_asked", "_context", "_limit", "_next", "_patience", "_ticks")

    def __init__(self, patience: int, limit: int) -> None:
        self._patience = patience
        self._limit = limit
        # Dictionaries keep the order of arrival, and drop a read in constant time. Most groups of a host with thousands
        # have no reads, and share one that stays empty.
        self._next: dict[Any, None] = _NO_READS
        self._asked: dict[Any, None] = _NO_READS
        self._context: bytes | None = None
        self._ticks = 0

    def __len__(self) -> int:
        return len(self._next) + len(self._asked)

    def add(self, read: Any) -> None:
        """Add a read. Raises Overloaded if too many wait."""
        if len(self._next) + len(self._asked) >= self._limit:
            raise Overloaded(f"{self._limit} reads wait already")
        if self._next is _NO_READS:
            self._next = {}
        self._next[read] = None

    def drop(self, read: Any) -> None:
        """Remove a read whose caller has given up. A read that does not wait is ignored."""
        self._next.pop(read, None)
        self._asked.pop(read, None)

    @property
    def is_due(self) -> bool:
        """Whether a round should begin: reads wait, and no round is under way."""
        return self._context is None and len(self._next) > 0

    def begin(self, context: bytes) -> None:
        """Begin a round under this context. All waiting reads share it."""
        self._asked, self._next = self._next, _NO_READS
        self._context = context
        self._ticks = 0

    def end(self, context: bytes) -> list[Any]:
        """Return the reads of the round with this context, which the machine can answer now; none if it was lost."""
        if context != self._context:
            return []
        ended, self._asked = self._asked, _NO_READS
        self._context = None
        return list(ended)

    def tick(self) -> None:
        """Let a tick pass."""
        if self._context is not None:
            self._ticks += 1
            if self._ticks >= self._patience:
                self.lose()

    def lose(self) -> None:
        """Give up the round under way, if any. Its reads join the next one."""
        if self._context is not None:
            self._next = self._asked | self._next
            self._asked = _NO_READS
            self._context = None

    def take_all(self) -> list[Any]:
        """Remove and return all waiting reads."""
        reads = self._asked | self._next
        self._asked = self._next = _NO_READS
        self._context = None
        return list(reads)
