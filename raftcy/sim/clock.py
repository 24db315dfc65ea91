"""Virtual time, in whole microseconds, and what is to happen when. Nothing waits: the clock jumps to the next event.

Events of one time happen in the order in which they were put there, so that a run has one order only.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

MS = 1_000
SECOND = 1_000_000
TICK = 10 * MS
"""How long a tick of a clock that goes right takes."""

Handler = Callable[..., None]


class Clock:
    """``now`` is the present; ``after`` puts an event into the future, ``next`` goes there."""

    __slots__ = ("_due", "_number", "now")

    def __init__(self) -> None:
        self.now = 0
        self._due: list[tuple[int, int, Handler, tuple[Any, ...]]] = []
        self._number = 0

    def after(self, delay: int, handler: Handler, *arguments: Any) -> None:
        """Let ``handler(*arguments)`` happen ``delay`` microseconds from now."""
        self._number += 1
        heappush(self._due, (self.now + delay, self._number, handler, arguments))

    def first(self) -> tuple[Handler, tuple[Any, ...]]:
        """The next event, which stays where it is."""
        return self._due[0][2:]

    def next(self) -> tuple[Handler, tuple[Any, ...]]:
        """Go to the next event and take it."""
        self.now, _, handler, arguments = heappop(self._due)
        return handler, arguments


def ms(time: int) -> str:
    """A time for people, in milliseconds."""
    return f"{time / MS:.3f} ms"
