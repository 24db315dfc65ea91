"""The members as the client sees them: a process each, and the connection that it opens to the client."""

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from . import channel
from .lines import DemoError

_START_SECONDS = 30.0
_END_SECONDS = 5.0

Heard = Callable[["Process", dict[str, Any]], None]


class Process:
    """One member: its process, what it last said of itself, and a way to tell it something."""

    def __init__(self, id: int, process: asyncio.subprocess.Process) -> None:
        self.id = id
        self.process = process
        self.port = 0
        self.leads = False
        self.term = 0
        self.records = 0
        self.result: dict[str, Any] | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def say(self, data: bytes) -> None:
        """Send a frame; a member that has gone is noticed elsewhere."""
        if self.writer is not None and not self.writer.is_closing():
            self.writer.write(data)
            try:
                await self.writer.drain()
            except ConnectionError:
                return


class Processes:
    """Starts the members, hears them, and leaves none behind.

    ``heard`` is called for each event that a member sends, after its news have been noted in its ``Process``.
    ``changed`` is set whenever there are news, also when a process ends.
    """

    def __init__(self, heard: Heard) -> None:
        self.members: dict[int, Process] = {}
        self.changed = asyncio.Event()
        self.failure: str | None = None
        self._heard = heard
        self._token = secrets.token_hex(16)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, count: int, tick_ms: int, base_port: int) -> None:
        """Start that many members and let them know each other. Raises DemoError if one cannot start."""
        self._server = await asyncio.start_server(self._accept, channel.HOST, 0)
        client_port = self._server.sockets[0].getsockname()[1]
        for id in range(1, count + 1):
            port = base_port + id - 1 if base_port else 0
            words = [str(word) for word in (id, count, tick_ms, port, client_port)]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "raftcy.demo.worker",
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=_environment() | {channel.TOKEN: self._token},
                # Ctrl-C is for the client alone, which then ends its members.
                start_new_session=os.name == "posix",
            )
            member = self.members[id] = Process(id, process)
            self._spawn(self._watch(member))
        await self._wait_for(lambda: all(m.port for m in self.members.values()), _START_SECONDS, "start")
        ports = {m.id: m.port for m in self.members.values()}
        for member in self.members.values():
            await member.say(channel.pack(do="connect", ports=ports))

    async def kill(self, member: Process) -> None:
        """Kill a member, by SIGKILL where there are signals, and wait for its end."""
        del self.members[member.id]
        member.process.kill()
        await member.process.wait()

    async def report(self) -> dict[int, dict[str, Any]]:
        """Ask all members for their results."""
        for member in self.members.values():
            await member.say(channel.pack(do="report"))
        await self._wait_for(lambda: all(m.result for m in self.members.values()), _START_SECONDS, "report")
        return {m.id: m.result for m in self.members.values() if m.result is not None}

    def check(self) -> None:
        """Raise DemoError if a member has said that it failed, or has ended."""
        if self.failure is not None:
            raise DemoError(self.failure)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all members: those that do not go by themselves when the connection closes are killed."""
        leaving, self.members = self.members, {}
        for member in leaving.values():
            if member.writer is not None and error is None:
                member.writer.close()
            else:
                _kill(member)
        for member in leaving.values():
            try:
                async with asyncio.timeout(_END_SECONDS):
                    await member.process.wait()
            except TimeoutError:
                _kill(member)
                await member.process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    async def _wait_for(self, done: Callable[[], bool], seconds: float, what: str) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not done():
                    self.check()
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise DemoError(f"the nodes did not {what} within {seconds:.0f} s") from None

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, member: Process) -> None:
        status = await member.process.wait()
        if self.members.get(member.id) is member:
            # What it said last may still be on its way.
            await asyncio.sleep(0.1)
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            self.failure = self.failure or f"node {member.id} (process {member.process.pid}) ended {how}"
            self.changed.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        member: Process | None = None
        try:
            async for said in channel.unpack(reader):
                if not isinstance(said, dict):
                    return
                if member is None:
                    member = self.members.get(said.get("id", 0))
                    if member is None or not secrets.compare_digest(str(said.get("token")), self._token):
                        return
                    member.writer = writer
                else:
                    self._note(member, said)
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    def _note(self, member: Process, said: dict[str, Any]) -> None:
        match said["event"]:
            case "failed":
                self.failure = said["text"]
            case "listening":
                member.port = said["port"]
            case "state":
                member.leads, member.term = said["leads"], said["term"]
            case "progress":
                member.records = said["records"]
            case "result":
                member.result = said
        self._heard(member, said)
        self.changed.set()


def _kill(member: Process) -> None:
    if member.process.returncode is None:
        member.process.kill()


def _environment() -> dict[str, str]:
    """The environment of a member: this process's, with this very package in front."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    path = os.environ.get("PYTHONPATH")
    return dict(os.environ) | {"PYTHONPATH": root if not path else root + os.pathsep + path}
