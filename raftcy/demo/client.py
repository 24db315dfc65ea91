"""The client of the demo: feeds a file to the cluster, kills the leader halfway, and checks the result."""

import asyncio
import hashlib
import os
import signal
import sys
import tempfile
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from .. import BUILD
from . import channel, table
from .lines import MAX_RECORD_BYTES, DemoError, Summary, examine, make_file, read_records
from .processes import Process, Processes

_MEMBERS = 3
_WINDOW_RECORDS = 4096
_WINDOW_BYTES = 8 << 20
_BATCH_BYTES = 64 << 10
# How long without progress until records are sent again, and until the demo gives up.
_RETRY_SECONDS = 2.0
_GIVE_UP_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the demo. Without ``file`` it makes one of ``records`` records. ``port`` 0 means any free ports."""

    file: Path | None = None
    records: int = 60_000
    port: int = 0
    tick_ms: int = 50


async def run(options: Options) -> None:
    """Run the demo and report it on standard output. Raises DemoError, with the reason, if it fails.

    SIGTERM cancels the demo, so that it leaves no processes or files behind.
    """
    task = asyncio.current_task()
    if task is not None and os.name == "posix":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    _say(f"raftcy demo: {_MEMBERS} processes, {BUILD} build; their state is in memory only and gone at the end")
    if options.file is not None:
        await _replicate(options.file, options)
        return
    with tempfile.TemporaryDirectory(prefix="raftcy-demo-") as folder:
        path = Path(folder, "characters.txt")
        make_file(path, options.records)
        await _replicate(path, options)


async def _replicate(path: Path, options: Options) -> None:
    summary = examine(path)
    _say(f"file: {path}, {summary.records:,} records, {summary.size:,} bytes, SHA-256 {summary.digest}")
    if summary.cut:
        _say(f"lines longer than {MAX_RECORD_BYTES >> 10} KiB are cut: {summary.cut:,} records are such pieces")
    client = _Client(path, summary)
    async with client.processes as processes:
        await processes.start(_MEMBERS, options.tick_ms, options.port)
        for member in processes.members.values():
            _say(f"node {member.id}: process {member.process.pid} on {channel.HOST}:{member.port}")
        await client.feed()
        results = await processes.report()
    client.check_file()
    _say(table.survivors(results))
    _say(table.speed(summary.records, client.times))
    _judge(summary, results)
    _say(f"demo ok: {summary.records} records, digest {summary.digest}, on {len(results)} survivors")


def _judge(summary: Summary, results: dict[int, dict[str, Any]]) -> None:
    for id, result in results.items():
        if result["build"] != BUILD:
            raise DemoError(f"node {id} ran the {result['build']} build, not the {BUILD} one")
        if (result["records"], result["digest"]) != (summary.records, summary.digest):
            raise DemoError(
                f"node {id} has {result['records']} records with digest {result['digest']}, "
                f"but the file has {summary.records} with digest {summary.digest}"
            )


class _Client:
    """Sends records in order. Starts again after the last applied one if the leader changes or nothing progresses."""

    def __init__(self, path: Path, summary: Summary) -> None:
        self.processes = Processes(self._on_event)
        self.times = table.Times()
        self._total = summary.records
        self._half = summary.records // 2
        self._path = path
        self._source = read_records(path)
        self._read = hashlib.sha256()
        self._digest = summary.digest
        # Records read but not known to be committed. The first has the number _committed + 1.
        self._window: deque[bytes] = deque()
        self._window_bytes = 0
        self._committed = 0
        self._next = 1
        self._term = 0
        self._killed = False
        self._moved = 0.0
        self._shown = 0

    async def feed(self) -> None:
        """Replicate all records and kill the leader on the way. Returns once all survivors have applied all of them."""
        self._moved = monotonic()
        while not (self._killed and all(m.records >= self._total for m in self.processes.members.values())):
            self.processes.changed.clear()
            self.processes.check()
            leader = self._leader()
            if leader is not None:
                self._follow(leader)
                if not self._killed and self._committed >= self._half:
                    await self._kill(leader)
                else:
                    await self._send(leader)
            await self._wait()
        self.times.ended = monotonic()

    def check_file(self) -> None:
        """Raise DemoError if the records sent differ from the file as first read."""
        if self._read.hexdigest() != self._digest or next(self._source, None) is not None:
            raise DemoError(f"{self._path} changed while the demo read it")

    async def _wait(self) -> None:
        idle = monotonic() - self._moved
        if idle > _GIVE_UP_SECONDS:
            raise DemoError(f"no progress for {idle:.0f} s: {self._committed} of {self._total} records committed")
        try:
            async with asyncio.timeout(_RETRY_SECONDS):
                await self.processes.changed.wait()
        except TimeoutError:
            self._next = self._committed + 1

    def _leader(self) -> Process | None:
        """The leader of the highest term, if any."""
        leaders = [m for m in self.processes.members.values() if m.leads]
        return max(leaders, key=lambda m: m.term, default=None)

    def _follow(self, leader: Process) -> None:
        if leader.term == self._term:
            return
        _say(f"node {leader.id} leads in term {leader.term}")
        self._term = leader.term
        self._next = self._committed + 1
        if self._killed and not self.times.elected:
            self.times.elected = monotonic()

    async def _kill(self, leader: Process) -> None:
        done = f"{self._committed:,} of {self._total:,} records"
        _say(f"node {leader.id}, the leader, is killed (SIGKILL) with {done} committed")
        self.times.killed = monotonic()
        self._killed = True
        await self.processes.kill(leader)

    async def _send(self, leader: Process) -> None:
        """Send the leader as many records as the window has room for."""
        self.times.started = self.times.started or monotonic()
        # Hold back some records, even of few, to send after the leader's death.
        last = self._total if self._killed else self._half + (self._total - self._half) // 2
        while self._next <= last:
            records: list[bytes] = []
            size = 0
            for number in range(self._next, last + 1):
                record = self._record(number)
                if record is None or size >= _BATCH_BYTES:
                    break
                records.append(record)
                size += len(record)
            if not records:
                return
            await leader.send(channel.pack_batch(self._next, records))
            self._next += len(records)

    def _record(self, number: int) -> bytes | None:
        """Return a record, or None if the window has no room for it yet."""
        place = number - self._committed - 1
        if place < len(self._window):
            return self._window[place]
        if len(self._window) >= _WINDOW_RECORDS or self._window_bytes >= _WINDOW_BYTES:
            return None
        record = next(self._source, None)
        if record is None:
            raise DemoError(f"{self._path} got shorter while the demo read it")
        self._read.update(record)
        self._window.append(record)
        self._window_bytes += len(record)
        return record

    def _on_event(self, member: Process, event: dict[str, Any]) -> None:
        if member.records <= self._committed:
            return
        for _ in range(member.records - self._committed):
            self._window_bytes -= len(self._window.popleft())
        self._committed = member.records
        self._next = max(self._next, self._committed + 1)
        self._moved = monotonic()
        if self.times.elected and not self.times.resumed:
            self.times.resumed = self._moved
        self._show()

    def _show(self) -> None:
        tenth = self._committed * 10 // self._total
        if tenth > self._shown:
            self._shown = tenth
            _say(f"{tenth * 10:3d} %  {self._committed:,} records committed")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
