"""Spreads work over processes, none of which outlives its parent or delays its end.

Rules:

- Results come in the order of the items. An exception of the function is raised in the parent.
- Whatever ends the loop over the results, an interruption for example, kills the workers at once: what they were doing
  has no result yet, and nobody waits for it.
- A worker whose parent is gone, however it went, ends by itself.
- Ctrl-C, which a terminal sends to all processes, is the parent's affair: workers do not see it.
"""

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from types import FrameType
from typing import Any


class Terminated(BaseException):
    """SIGTERM has come, within ``terminable``. A BaseException, so that nothing on the way takes it for an error."""


@contextmanager
def terminable() -> Iterator[None]:
    """Within this, SIGTERM raises Terminated in the main thread, as SIGINT raises KeyboardInterrupt.

    Does nothing in another thread, where signals cannot be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def spread(function: Callable[[Any], Any], items: Sequence[Any], jobs: int) -> Generator[Any, None, None]:
    """Yield what ``function`` returns for each item, in order, computed by ``jobs`` processes.

    The function and the items must be importable or picklable. Close the iterator if you leave it early. Raises
    ChildProcessError if a worker dies.
    """
    workers: list[_Worker] = []
    try:
        for place in range(min(jobs, len(items))):
            workers.append(_Worker(function))
            workers[place].begin(place, items[place])
        waiting: dict[int, Any] = {}
        begun = len(workers)
        for place in range(len(items)):
            while place not in waiting:
                ready = connection.wait([worker.pipe for worker in workers if worker.place is not None])
                for worker in workers:
                    if worker.pipe not in ready or worker.place is None:
                        continue
                    waiting[worker.place] = worker.result()
                    worker.place = None
                    if begun < len(items):
                        worker.begin(begun, items[begun])
                        begun += 1
            yield waiting.pop(place)
    finally:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()


class _Worker:
    """One process, and the ``place`` of the item that it has; None while it has none."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        # Never fork: the calling process may have threads.
        context = get_context("spawn")
        self.place: int | None = None
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(function, theirs), daemon=True)
        with _without_interrupts():
            self.process.start()
        theirs.close()

    def begin(self, place: int, item: Any) -> None:
        self.place = place
        self.pipe.send(item)

    def result(self) -> Any:
        try:
            error, result = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            raise ChildProcessError(f"a worker died with exit code {self.process.exitcode}") from None
        if error is not None:
            raise error
        return result


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Start processes for which SIGINT is blocked from their first instruction on."""
    if os.name != "posix":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(function: Callable[[Any], Any], pipe: Any) -> None:
    """What a worker does until its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            item = pipe.recv()
        except EOFError:
            return
        answer: tuple[Exception | None, Any]
        try:
            answer = (None, function(item))
        except Exception as error:
            answer = (error, None)
        pipe.send(answer)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
