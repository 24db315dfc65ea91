"""The event loop of one simulated process, in virtual time.

asyncio's futures and tasks run on it unchanged, so a Host and its Replicas do too. Rules:

- Every callback of a process runs in its loop, one at a time, and in the order of the calls. So a run is the same each
  time, as long as nobody iterates over a set of futures or asks the real clock.
- Callbacks take no virtual time, except for what ``spend`` adds: a sync in the loop, for example. Meanwhile the process
  does nothing else.
- ``time`` is the process's own clock. It may run fast or slow, but never backwards.
- A process that is killed never runs again, not even its ``finally`` blocks, as far as anybody outside can see.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from typing import Any, cast

from ...errors import InvariantError
from ..clock import SECOND, Clock

ROUNDS_MOST = 1_000
"""The most rounds of a loop at one moment. A dozen are normal; with more, the process is in an endless loop."""
_CLOSES_MOST = 10


class ProcessLoop(asyncio.AbstractEventLoop):
    """The loop of one process. ``run`` runs all that is due, and is called by ``clock`` through ``turn``.

    ``turn`` is called, as an event of the clock, when something is due. ``failed`` is called with each error that a
    callback raises.
    """

    def __init__(self, clock: Clock, turn: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        self._clock = clock
        self._turn = turn
        self._failed = failed
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = 0
        self._tasks: dict[asyncio.Task[Any], None] = {}
        # The moment of the clock at which ``turn`` is due next, and the number of that event; earlier events are void.
        self._due = -1
        self._event = 0
        self._begun_us, self._begun_s = clock.now, 0.0
        self._rate = 1.0
        self._ahead_us = 0
        self._busy_until = 0
        self._runs = False
        self.alive = True
        self.paused = False

    # -- the process's clock -------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the process's own time, in seconds since its start."""
        return self._begun_s + self._rate * (self._clock.now + self._ahead_us - self._begun_us) / SECOND

    def set_rate(self, rate: float) -> None:
        """Let the process's clock run at ``rate`` times the true speed from now on."""
        self._begun_s, self._begun_us, self._rate = self.time(), self._clock.now + self._ahead_us, rate
        self._arm()

    @property
    def true_us(self) -> int:
        """The true time, in microseconds, with what the running callback has spent."""
        return self._clock.now + self._ahead_us

    @property
    def ahead_us(self) -> int:
        """How much later than the clock's ``now`` the running callback is, because of what it has spent."""
        return self._ahead_us

    def spend(self, time_us: int) -> None:
        """Let the running callback take virtual time, during which the process does nothing else."""
        if self._runs:
            self._ahead_us += time_us

    # -- what asyncio calls --------------------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *arguments: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """See asyncio."""
        handle = asyncio.Handle(callback, arguments, self, context)
        if self.alive:
            self._ready.append(handle)
            if not self._runs:
                self._arm()
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *arguments: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return self.call_at(self.time() + delay, callback, *arguments, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *arguments: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        handle = asyncio.TimerHandle(when, callback, arguments, self, context)
        if self.alive:
            self._number += 1
            heappush(self._timers, (when, self._number, handle))
            if not self._runs:
                self._arm()
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is skipped when it is due."""

    def create_future(self) -> "asyncio.Future[Any]":
        """See asyncio."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None, **options: Any) -> Any:
        """See asyncio. In a killed process, the coroutine never runs."""
        if not self.alive:
            close(coro)
            future = self.create_future()
            future.cancel()
            return future
        task = asyncio.Task(cast("Coroutine[Any, Any, Any]", coro), loop=self, name=name, context=context)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)

    def get_debug(self) -> bool:
        """See asyncio."""
        return False

    def is_running(self) -> bool:
        """See asyncio."""
        return self._runs

    def is_closed(self) -> bool:
        """See asyncio."""
        return not self.alive

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an error of a callback. Errors that nobody has retrieved are reported at no certain time: ignored."""
        error = context.get("exception")
        if self.alive and self._runs and error is not None and "never retrieved" not in context.get("message", ""):
            self._failed(error)

    # -- running -------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Schedule the next turn."""
        if not self.alive:
            return
        now = self._clock.now
        if self._ready:
            at = now
        else:
            while self._timers and self._timers[0][2].cancelled():
                heappop(self._timers)
            if not self._timers:
                return
            left_s = (self._timers[0][0] - self.time()) / self._rate
            # One microsecond more than the whole ones, so that the timer is certainly due then.
            at = now + max(0, int(left_s * SECOND) + 1)
        at = max(at, self._busy_until)
        if self._due < 0 or at < self._due:
            self._due = at
            self._event += 1
            self._clock.after(at - now, self.turn, self._event)

    def turn(self, event: int = 0) -> None:
        """Run what is due, if this event is still the one that was scheduled last."""
        if event == self._event and self.alive:
            self._due = -1
            if not self.paused:
                self._turn()

    def resume(self) -> None:
        """Go on after a pause."""
        self.paused = False
        self._due = -1
        self._arm()

    def run(self) -> None:
        """Run everything that is due now, and schedule the next turn."""
        if self._clock.now < self._busy_until or self.paused or not self.alive:
            self._arm()
            return
        self.do(self._run_all)

    def _run_all(self) -> None:
        for _ in range(ROUNDS_MOST):
            self._take_timers()
            if not self._ready or self._ahead_us or not self.alive:
                return
            for _ in range(len(self._ready)):
                if not self.alive:
                    return
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        raise InvariantError(f"a process does not stop after {ROUNDS_MOST} rounds at one moment")

    def do(self, act: Callable[..., Any], *arguments: Any) -> Any:
        """Call something in this loop, as if it were a callback."""
        asyncio._set_running_loop(self)
        self._runs = True
        try:
            return act(*arguments)
        finally:
            asyncio._set_running_loop(None)
            self._runs = False
            self._busy_until = max(self._busy_until, self._clock.now + self._ahead_us)
            self._ahead_us = 0
            self._arm()

    def post(self, callback: Callable[..., object], *arguments: Any) -> None:
        """Let the process call something in the turn that the caller gives it now."""
        if self.alive:
            self._ready.append(asyncio.Handle(callback, arguments, self))

    def _take_timers(self) -> None:
        now = self.time()
        timers = self._timers
        while timers and timers[0][0] <= now:
            handle = heappop(timers)[2]
            if not handle.cancelled():
                self._ready.append(handle)

    # -- the end -------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """End the process at once. Its coroutines are closed, so that nothing of them runs later."""
        self.alive = False
        self._ready.clear()
        self._timers.clear()
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            for task in list(self._tasks):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                close(task.get_coro())
        finally:
            asyncio._set_running_loop(running)
        self._tasks.clear()
        self._ready.clear()


def close(coro: Any) -> None:
    """Close a coroutine, even one that waits for something in its ``finally`` blocks."""
    for _ in range(_CLOSES_MOST):
        try:
            coro.close()
        except BaseException:
            continue
        return
