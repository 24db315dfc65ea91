"""Manages the workers for the client: their processes, and the connections that they open to the client."""

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

OnEvent = Callable[["Process", dict[str, Any]], None]


class Process:
    """One member: its process, the state that it last reported, and the connection to it."""

    def __init__(self, id: int, process: asyncio.subprocess.Process) -> None:
        self.id = id
        self.process = process
        self.port = 0
        self.leads = False
        self.term = 0
        self.records = 0
        self.result: dict[str, Any] | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def send(self, data: bytes) -> None:
        """Send a frame. Ignores a broken connection: ``Processes`` notices when the process ends."""
        if self.writer is not None and not self.writer.is_closing():
            self.writer.write(data)
            try:
                await self.writer.drain()
            except ConnectionError:
                return


class Processes:
    """Starts the members, receives their events, and ends them all.

    Calls ``on_event`` for each event of a member, after updating its ``Process``. ``changed`` is set for each event,
    and when a process ends.
    """

    def __init__(self, on_event: OnEvent) -> None:
        self.members: dict[int, Process] = {}
        self.changed = asyncio.Event()
        self.failure: str | None = None
        self._on_event = on_event
        self._token = secrets.token_hex(16)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, count: int, tick_ms: int, base_port: int) -> None:
        """Start ``count`` members and connect them with each other. Raises DemoError if one cannot start."""
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
                # Ctrl-C must reach only the client, which then ends the members.
                start_new_session=os.name == "posix",
            )
            member = self.members[id] = Process(id, process)
            self._spawn(self._watch(member))
        await self._wait_for(lambda: all(m.port for m in self.members.values()), _START_SECONDS, "start")
        ports = {m.id: m.port for m in self.members.values()}
        for member in self.members.values():
            await member.send(channel.pack(do="connect", ports=ports))

    async def kill(self, member: Process) -> None:
        """Kill a member, with SIGKILL where there are signals, and wait until it has ended."""
        del self.members[member.id]
        member.process.kill()
        await member.process.wait()

    async def report(self) -> dict[int, dict[str, Any]]:
        """Ask all members for their results."""
        for member in self.members.values():
            await member.send(channel.pack(do="report"))
        await self._wait_for(lambda: all(m.result for m in self.members.values()), _START_SECONDS, "report")
        return {m.id: m.result for m in self.members.values() if m.result is not None}

    def check(self) -> None:
        """Raise DemoError if a member has reported a failure or has ended."""
        if self.failure is not None:
            raise DemoError(self.failure)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all members: close their connections, and kill those that do not exit."""
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
            # Its last event, with the reason, may still be under way.
            await asyncio.sleep(0.1)
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            self.failure = self.failure or f"node {member.id} (process {member.process.pid}) ended {how}"
            self.changed.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._spawn(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        member: Process | None = None
        try:
            async for event in channel.unpack(reader):
                if not isinstance(event, dict):
                    return
                if member is None:
                    member = self.members.get(event.get("id", 0))
                    if member is None or not secrets.compare_digest(str(event.get("token")), self._token):
                        return
                    member.writer = writer
                else:
                    self._note(member, event)
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    def _note(self, member: Process, event: dict[str, Any]) -> None:
        match event["event"]:
            case "failed":
                self.failure = event["text"]
            case "listening":
                member.port = event["port"]
            case "state":
                member.leads, member.term = event["leads"], event["term"]
            case "progress":
                member.records = event["records"]
            case "result":
                member.result = event
        self._on_event(member, event)
        self.changed.set()


def _kill(member: Process) -> None:
    if member.process.returncode is None:
        member.process.kill()


def _environment() -> dict[str, str]:
    """The environment for a member: that of this process, with this package first on the path."""
    root = str(Path(__file__).resolve().parent.parent.parent)
    path = os.environ.get("PYTHONPATH")
    return dict(os.environ) | {"PYTHONPATH": root if not path else root + os.pathsep + path}
