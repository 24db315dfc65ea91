"""An event loop whose clock jumps: a minute of timers takes no time, and every run is the same."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any


class _Jumping(selectors.SelectSelector):
    """Instead of sleeping, advances the clock."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("the loop would wait endlessly: nothing is scheduled")
        self.now += timeout
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets. Its time is virtual and starts at 0."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run_virtually(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main)


def run_story(story: Coroutine[Any, Any, None]) -> None:
    """Run a story to its end in virtual time; no task of it may be left."""

    async def all_of_it() -> None:
        async with asyncio.timeout(300):
            await story
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    run_virtually(all_of_it())


async def caught(wait: Any) -> BaseException:
    """Return the error that a wait raises."""
    try:
        await wait
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")
