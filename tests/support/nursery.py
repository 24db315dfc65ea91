"""Members as processes that start in milliseconds: a nursery has imported everything, and forks them.

`Nursery` is the side of the test, and `obey` that of the nursery. Lines go from the one to the other: ``start WORD …``
and ``kill NAME …`` (SIGKILL). Each is answered with a line once the members are started, or dead: how the killed ones
have ended, as ``subprocess`` has it.
"""

import asyncio
import gc
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from .needs import ROOT


class Nursery:
    """The process that starts and kills the members: a module with its arguments."""

    def __init__(self, *line: str) -> None:
        self._line = ("-m", *line)
        self._process: Any = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The nursery, which kills at its end whatever members are left."""
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, *self._line, cwd=ROOT, stdin=pipe, stdout=pipe
        )
        try:
            yield
        finally:
            self._process.stdin.close()
            async with asyncio.timeout(30):
                await self._process.wait()

    async def order(self, what: str, words: Iterable[object]) -> list[int]:
        """Start or kill members; how the killed ones have ended."""
        self._process.stdin.write(f"{what} {' '.join(map(str, words))}\n".encode())
        told = (await self._process.stdout.readline()).split()
        if not told or told[0].decode() != what:
            raise AssertionError(f"the nursery has ended: {told}")
        return [int(each) for each in told[1:]]


def fork(log: Path, live: Callable[[], int]) -> int:
    """Fork a member, and return its process. What it says goes to a file; ``live`` returns its exit status."""
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        os.setsid()
        told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, target in ((nothing, 0), (told, 1), (told, 2)):
            os.dup2(descriptor, target)
        status = live()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def obey(start: Callable[[list[str]], dict[str, int]]) -> None:
    """Obey until the input ends; then kill all that are left. ``start`` forks members, and returns their processes."""
    running: dict[str, int] = {}
    gc.freeze()
    try:
        for line in sys.stdin:
            what, *words = line.split()
            ends = []
            if what == "start":
                running |= start(words)
            else:
                for name in words:
                    os.kill(running[name], signal.SIGKILL)
                ends = [os.waitstatus_to_exitcode(os.waitpid(running.pop(name), 0)[1]) for name in words]
            print(what, *ends, flush=True)
    finally:
        for process in running.values():
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
