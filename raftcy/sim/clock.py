"""Virtual time, in whole microseconds, and the queue of events. Nothing waits: the clock jumps to the next event.

Events at the same time happen in the order in which they were scheduled. So the order of a run is fully determined.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

MS = 1_000
SECOND = 1_000_000
TICK = 10 * MS
"""The length of a tick of a correct clock, in microseconds."""

Handler = Callable[..., None]


class Clock:
    """``now`` is the current time. ``after`` schedules an event, and ``next`` advances to the next one."""

    __slots__ = ("_due", "_number", "now")

    def __init__(self) -> None:
        self.now = 0
        self._due: list[tuple[int, int, Handler, tuple[Any, ...]]] = []
        self._number = 0

    def after(self, delay: int, handler: Handler, *arguments: Any) -> None:
        """Schedule ``handler(*arguments)`` in ``delay`` microseconds."""
        self._number += 1
        heappush(self._due, (self.now + delay, self._number, handler, arguments))

    def first(self) -> tuple[Handler, tuple[Any, ...]]:
        """Return the next event without removing it."""
        return self._due[0][2:]

    def next(self) -> tuple[Handler, tuple[Any, ...]]:
        """Advance to the next event, and remove and return it."""
        self.now, _, handler, arguments = heappop(self._due)
        return handler, arguments


def ms(time: int) -> str:
    """Format a time in milliseconds, for people."""
    return f"{time / MS:.3f} ms"
