"""The cluster of a history as its clients and its faults see it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.needs import ROOT

from .nursery import REMOVED

FOUNDERS = (1, 2, 3)
ANSWER_S = 20.0
"""Every question to a member has an answer by then, unless the member is killed. Its own timeouts are far shorter."""


class Silent(Exception):
    """A member has not answered in time, which it always should."""


class Line:
    """A connection to a member, for one question at a time."""

    def __init__(self, id: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.id = id
        self._reader = reader
        self._writer = writer

    async def ask(self, name: str, **question: Any) -> Any:
        """Ask. Raises OSError if the member ends before, Silent if it does not answer, and RuntimeError for errors."""
        self._writer.write(json.dumps({"ask": name, **question}).encode() + b"\n")
        try:
            async with asyncio.timeout(ANSWER_S):
                line = await self._reader.readline()
        except TimeoutError:
            raise Silent(f"member {self.id} has not answered {name} for {ANSWER_S:.0f} s") from None
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the member has ended")
        found = json.loads(line)
        if "error" in found:
            raise RuntimeError(found["error"])
        return found["ok"]

    def close(self) -> None:
        self._writer.close()


class Cluster:
    """The members. ``members`` are those that are not removed; ``removed`` have to end by themselves."""

    def __init__(self, folder: Path, lease: bool) -> None:
        self.folder = folder
        self.members: set[int] = set(FOUNDERS)
        self.removed: set[int] = set()
        # Where processes are, and should be.
        self.running: set[int] = set()
        self.wrong: list[str] = []
        self._lease = lease
        self._lock = asyncio.Lock()
        self._process: Any = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Cluster"]:
        """The nursery, with the founders started."""
        options = [str(self.folder), str(int(self._lease)), *map(str, FOUNDERS)]
        pipe = asyncio.subprocess.PIPE
        line = ["-m", "tests.system.replica.histories.nursery", *options]
        self._process = await asyncio.create_subprocess_exec(sys.executable, *line, cwd=ROOT, stdin=pipe, stdout=pipe)
        try:
            for id in FOUNDERS:
                await self.start(id)
            yield self
        finally:
            self._process.stdin.close()
            async with asyncio.timeout(30):
                await self._process.wait()

    async def order(self, *words: Any) -> Any:
        """Give the nursery an order, and return its answer."""
        async with self._lock:
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            line = await self._process.stdout.readline()
        if not line:
            raise AssertionError("the nursery has ended")
        return json.loads(line)

    async def start(self, id: int) -> None:
        """Start a member."""
        await self.order("start", id, sorted(self.members - {id}))
        self.running.add(id)

    async def kill(self, ids: list[int]) -> None:
        """Kill members. None of them may have ended before, unless it was removed."""
        self.running -= set(ids)
        for id, status in zip(ids, await self.order("kill", ids), strict=True):
            if status is not None and not (status == REMOVED and id in self.removed):
                self.wrong.append(f"member {id} has ended by itself with {status}")

    async def connect(self, id: int) -> Line:
        """A connection to a member. OSError if it is down."""
        path = self.folder / f"{id}.sock"
        return Line(id, *await asyncio.open_unix_connection(path, limit=1 << 24))

    async def ask(self, id: int, name: str, **question: Any) -> Any:
        """Ask a member one question, as ``Line.ask``."""
        line = await self.connect(id)
        try:
            return await line.ask(name, **question)
        finally:
            line.close()

    async def until(self, what: str, seconds: float, attempt: Any) -> Any:
        """Try until ``attempt()`` returns something else than None, or note that it never did."""
        end = asyncio.get_running_loop().time() + seconds
        why: Any = None
        while asyncio.get_running_loop().time() < end:
            try:
                found = await attempt()
                if found is not None:
                    return found
            except (OSError, RuntimeError) as error:
                why = error
            await asyncio.sleep(0.05)
        self.wrong.append(f"{what} has not happened in {seconds:.0f} s: {why!r}")
        return None
