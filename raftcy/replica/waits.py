"""Waits of callers: for an applied index, or for the next change of something."""

import asyncio
import heapq

from ..errors import Overloaded

Waits = dict["asyncio.Future[None]", None]
"""Futures that wait for the same, in order of arrival. (A set of them would have another order in each run.)"""


def wake(waits: Waits) -> None:
    """Wake everybody who waits. Each removes itself."""
    for wait in waits:
        if not wait.done():
            wait.set_result(None)


# Most groups of a host with thousands have no waits, and share what stays empty.
NOBODY: Waits = {}
_NO_WAITS: list[tuple[int, int, "asyncio.Future[None]"]] = []


class AppliedWaits:
    """Waits for the machine to have applied up to an index. At most ``limit`` wait."""

    __slots__ = ("_count", "_heap", "_limit", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self._loop = loop
        self._limit = limit
        # By index and order of arrival.
        self._heap: list[tuple[int, int, asyncio.Future[None]]] = _NO_WAITS
        self._count = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, index: int) -> "asyncio.Future[None]":
        """Return a future that ends once ``index`` is applied. Raises Overloaded if too many wait."""
        if len(self._heap) >= self._limit:
            # Cancelled waits stay in the heap until it is full.
            self._heap = [each for each in self._heap if not each[2].done()]
            heapq.heapify(self._heap)
            if len(self._heap) >= self._limit:
                raise Overloaded(f"{self._limit} reads wait already")
        wait: asyncio.Future[None] = self._loop.create_future()
        if self._heap is _NO_WAITS:
            self._heap = []
        self._count += 1
        heapq.heappush(self._heap, (index, self._count, wait))
        return wait

    def wake(self, applied: int) -> None:
        """Wake everybody who waits for an index up to ``applied``."""
        heap = self._heap
        while heap and heap[0][0] <= applied:
            _, _, wait = heapq.heappop(heap)
            if not wait.done():
                wait.set_result(None)

    def take_all(self) -> list["asyncio.Future[None]"]:
        """Remove and return all waits."""
        heap, self._heap = self._heap, _NO_WAITS
        return [wait for _, _, wait in heap]
