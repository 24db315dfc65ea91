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
        self.is_ready = False
        self.leads = False
        self.term = 0
        self.open_batches = 0
        """Batches that were sent to it, and are not answered yet."""
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

    ``folder`` is for their data, and has their certificates. Member n listens at ``ports[n - 1]``.

    Calls ``on_event`` for each event of a member, after updating its ``Process``. ``changed`` is set for each event,
    and when a process ends.
    """

    def __init__(self, on_event: OnEvent, folder: Path, tick_ms: int, ports: list[int]) -> None:
        self.members: dict[int, Process] = {}
        self.changed = asyncio.Event()
        self.failure: str | None = None
        self._on_event = on_event
        self._arguments = [str(folder), str(tick_ms)]
        self._ports = ports
        self._token = secrets.token_hex(16)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, *ids: int) -> None:
        """Start members, again if they were killed."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, channel.HOST, 0)
        client_port = self._server.sockets[0].getsockname()[1]
        for id in ids:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "raftcy.demo.worker",
                str(id),
                *self._arguments,
                *map(str, [client_port, *self._ports]),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                env=_environment() | {channel.TOKEN: self._token},
                # Ctrl-C must reach only the client, which then ends the members.
                start_new_session=os.name == "posix",
            )
            member = self.members[id] = Process(id, process)
            self._spawn(self._watch(member))

    async def wait_ready(self) -> None:
        """Wait until all members run. Raises DemoError if one cannot."""
        await self._wait_for(lambda: all(m.is_ready for m in self.members.values()), _START_SECONDS, "start")

    async def kill(self, *ids: int) -> None:
        """Kill members at once, with SIGKILL where there are signals, and wait until they have ended.

        Nothing that they have said and that was not read yet is read any more.
        """
        members = [self.members.pop(id) for id in ids]
        for member in members:
            _kill(member)
        for member in members:
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
                elif self.members.get(member.id) is member:
                    self._note(member, event)
                else:
                    return
        except (ConnectionError, ValueError):
            return
        finally:
            writer.close()

    def _note(self, member: Process, event: dict[str, Any]) -> None:
        match event["event"]:
            case "failed":
                self.failure = event["text"]
            case "ready":
                member.is_ready = True
            case "state":
                member.leads, member.term = event["leads"], event["term"]
            case "answered":
                member.open_batches -= 1
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
