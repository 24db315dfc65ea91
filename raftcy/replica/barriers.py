"""Linearizable reads that wait, in rounds: those that came before a round began share it.

A round asks the leader, under a context of its own, up to where the log is committed; it ends once the machine has
applied that. Rules:

- A read that comes while a round is under way waits for the next one: the leader may have answered the round already,
  from before a write that the read must see.
- At most one round is under way. A round that has no answer after some ticks, or whose leader is gone, is lost. Its
  reads go into the next one, which has a new context: a late answer to the old one means nothing any more.
"""

from typing import Any

from ..errors import Overloaded


class Barriers:
    """The reads of one member. A read is whatever the caller waits with, hashable; nothing here looks into it.

    A round is lost after ``patience`` ticks. At most ``limit`` reads wait.
    """

    __slots__ = ("_asked", "_context", "_limit", "_next", "_patience", "_ticks")

    def __init__(self, patience: int, limit: int) -> None:
        self._patience = patience
        self._limit = limit
        # In the order of their coming; dictionaries, so that any of them is dropped quickly.
        self._next: dict[Any, None] = {}
        self._asked: dict[Any, None] = {}
        self._context: bytes | None = None
        self._ticks = 0

    def __len__(self) -> int:
        return len(self._next) + len(self._asked)

    def add(self, read: Any) -> None:
        """Take a read in. Raises Overloaded if too many wait."""
        if len(self._next) + len(self._asked) >= self._limit:
            raise Overloaded(f"{self._limit} reads wait already")
        self._next[read] = None

    def drop(self, read: Any) -> None:
        """Nobody waits for a read any more."""
        self._next.pop(read, None)
        self._asked.pop(read, None)

    @property
    def is_due(self) -> bool:
        """Whether a round should begin: reads wait, and none is under way."""
        return self._context is None and len(self._next) > 0

    def begin(self, context: bytes) -> None:
        """A round was asked for under this context. All reads that wait now share it."""
        self._asked, self._next = self._next, {}
        self._context = context
        self._ticks = 0

    def end(self, context: bytes) -> list[Any]:
        """The machine answers what was asked under a context: the reads of that round, none if it was lost."""
        if context != self._context:
            return []
        ended, self._asked = self._asked, {}
        self._context = None
        return list(ended)

    def tick(self) -> None:
        """Let a tick pass."""
        if self._context is not None:
            self._ticks += 1
            if self._ticks >= self._patience:
                self.lose()

    def lose(self) -> None:
        """The round under way, if any, will have no answer."""
        if self._context is not None:
            self._next = self._asked | self._next
            self._asked = {}
            self._context = None

    def take_all(self) -> list[Any]:
        """All reads that wait; none of them waits any more."""
        reads = self._asked | self._next
        self._asked = {}
        self._next = {}
        self._context = None
        return list(reads)
