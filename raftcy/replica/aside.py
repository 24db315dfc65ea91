"""Runs work on a thread beside the event loop, and reports its end to the loop."""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Protocol


class Aside(Protocol):
    """Runs functions one after the other, beside the event loop."""

    def submit(self, act: Callable[[], Any], done: Callable[[Any, BaseException | None], object]) -> None:
        """Call ``act``, and then, in the event loop, ``done`` with its result and None, or with None and its error."""

    def close(self) -> None:
        """End after all submitted work is done. This call does not wait for that."""


class Thread:
    """An ``Aside`` with one thread, which starts at the first call. Create it inside a running event loop."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._name = name
        self._queue: queue.SimpleQueue[tuple[Callable[[], Any], Callable[[Any, BaseException | None], object]] | None]
        self._queue = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, act: Callable[[], Any], done: Callable[[Any, BaseException | None], object]) -> None:
        """See Aside."""
        if self._thread is None:
            # A daemon thread, so that a disk that never answers cannot keep the process from ending.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._queue.put((act, done))

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            act, done = job
            result, failure = None, None
            try:
                result = act()
            except BaseException as error:
                failure = error
            # If the loop is closed, nobody waits for the result.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(done, result, failure)

    def close(self) -> None:
        """See Aside."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread = None


async def run_aside(aside: Aside, act: Callable[[], Any]) -> Any:
    """Call ``act`` beside the event loop, and wait for its result. If the wait is cancelled, ``act`` goes on."""
    ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def done(result: Any, failure: BaseException | None) -> None:
        if ended.cancelled():
            return
        if failure is None:
            ended.set_result(result)
        else:
            ended.set_exception(failure)

    aside.submit(act, done)
    return await ended


def call_after_all(asides: Iterable[Aside], act: Callable[[], Any]) -> None:
    """Call ``act`` when all of them have done what was submitted to them before, on the one that is last."""
    waited_for = list(asides)
    left = len(waited_for)
    guard = threading.Lock()

    def ended() -> None:
        nonlocal left
        with guard:
            left -= 1
            is_last = left == 0
        if is_last:
            act()

    for aside in waited_for:
        aside.submit(ended, lambda result, failure: None)
