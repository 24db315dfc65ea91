"""What a schedule has left behind, and how its calls are cut short."""

import asyncio
import gc
import os
import random
import warnings
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 10.0


class Leak(AssertionError):
    """Something is left."""


def sockets() -> set[str]:
    """The open sockets of this process, where the system tells."""
    folder = Path("/proc/self/fd")
    found = set()
    for each in folder.iterdir() if folder.exists() else ():
        try:
            target = os.readlink(each)
        except OSError:
            continue
        if target.startswith("socket:"):
            found.add(target)
    return found


class Calls:
    """Calls that run side by side. Each may be cancelled after some turns of the loop, or its coroutine closed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._tasks: list[asyncio.Task[Any]] = []

    async def begin(self, work: Coroutine[Any, Any, Any], cut: float = 0.4) -> None:
        """Begin a call; with the probability ``cut`` it is cut short."""
        rng = self._rng
        if rng.random() < cut / 3:
            await self._step_and_close(work)
            return
        task = asyncio.ensure_future(work)
        self._tasks.append(task)
        if rng.random() < cut:
            asyncio.get_running_loop().call_soon(self._cut_later, task, rng.choice((0, 0, 1, 1, 2, 3, 5, 8, 20)))

    def _cut_later(self, task: asyncio.Task[Any], turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._cut_later, task, turns - 1)
        else:
            task.cancel()

    async def _step_and_close(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine to its first wait, by a task that is gone then, and close it, as garbage collection does."""

        async def first_step() -> None:
            try:
                waited = work.send(None)
            except (StopIteration, asyncio.CancelledError):
                return
            except Exception:
                return
            if waited is not None:
                # It is nobody's future now; the task that would have waited for it is not there.
                waited._asyncio_future_blocking = False
            work.close()

        await asyncio.ensure_future(first_step())

    async def end(self) -> list[BaseException]:
        """Wait for all of them, which must not take long, and return what they raised."""
        if not self._tasks:
            return []
        done, pending = await asyncio.wait(self._tasks, timeout=PATIENCE_SECONDS)
        if pending:
            raise Leak(f"calls that wait for ever: {[task.get_coro() for task in pending]}")
        return [error for task in done if not task.cancelled() and (error := task.exception()) is not None]


async def nothing_is_left(before: set[str]) -> None:
    """Raise Leak for tasks, and for sockets that were not there before."""
    await asyncio.sleep(0)
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if tasks:
        raise Leak(f"tasks: {tasks}")
    # A look-up that nobody waits for any more may still be at work in its thread, with a socket of its own.
    end = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while sockets() - before and asyncio.get_running_loop().time() < end:
        await asyncio.sleep(0.01)
    if left := sockets() - before:
        raise Leak(f"sockets: {sorted(left)}")


def run(schedule: Coroutine[Any, Any, None]) -> None:
    """Run a schedule in an event loop of its own. What the loop or the garbage collector complains of is a leak too."""
    complaints: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        await schedule

    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    complaints += [str(each.message) for each in heard]
    if complaints:
        raise Leak(f"complaints: {complaints}")
