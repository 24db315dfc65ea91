"""Measures how long each call of an event loop lasts, so that a test can say that nothing blocks it.

It counts the CPU time of the loop's thread, because the wall clock of a busy machine says more about the others. A sync
in the loop waits without using the CPU, so it does not count.
"""

import asyncio
import time
from typing import Any


class Watchdog:
    """A context manager. ``worst`` has the longest calls since it was entered: seconds, and what was called."""

    def __init__(self, least_s: float = 0.02) -> None:
        self._least_s = least_s
        self._run: Any = None
        self.worst: list[tuple[float, str]] = []
        self.calls = 0

    def __enter__(self) -> "Watchdog":
        handle: Any = asyncio.Handle
        run = self._run = handle._run
        clock = time.thread_time

        def watched(each: Any) -> None:
            began = clock()
            run(each)
            lasted = clock() - began
            self.calls += 1
            if lasted > self._least_s:
                self.worst.append((lasted, repr(each)))

        handle._run = watched
        return self

    def __exit__(self, *error: object) -> None:
        handle: Any = asyncio.Handle
        handle._run = self._run
        self.worst.sort(reverse=True)

    @property
    def longest_s(self) -> float:
        """The longest call; 0 if none was longer than ``least_s``."""
        return max([seconds for seconds, _ in self.worst], default=0.0)
