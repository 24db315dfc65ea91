"""The client of the demo: feeds a file to the cluster, kills its members on the way, and checks the result."""

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
from .authority import make_certificates
from .lines import MAX_RECORD_BYTES, DemoError, Summary, examine, make_file, read_records
from .ports import free_ports
from .processes import Process, Processes

_MEMBERS = (1, 2, 3)
_WINDOW_RECORDS = 4096
_WINDOW_BYTES = 8 << 20
_BATCH_BYTES = 64 << 10
# How long without progress until records are sent again, and until the demo gives up.
_RETRY_SECONDS = 2.0
_GIVE_UP_SECONDS = 60.0
# After a refusal: until the records are sent again.
_PAUSE_SECONDS = 0.02
# A line of progress comes at least so often.
_SHOW_SECONDS = 1.0


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
    _say(f"raftcy demo: {len(_MEMBERS)} processes, {BUILD} build; their state is on disk, and removed at the end")
    with tempfile.TemporaryDirectory(prefix="raftcy-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        path = options.file
        if path is None:
            path = folder / "characters.txt"
            make_file(path, options.records)
        await _replicate(path, folder, options)


async def _replicate(path: Path, folder: Path, options: Options) -> None:
    summary = examine(path)
    _say(f"file: {path}, {summary.records:,} records, {summary.size:,} bytes, SHA-256 {summary.digest}")
    if summary.cut:
        _say(f"lines longer than {MAX_RECORD_BYTES >> 10} KiB are cut: {summary.cut:,} records are such pieces")
    if await make_certificates(folder, _MEMBERS):
        _say("TLS 1.3 between the nodes, with certificates that openssl has made for this run")
    else:
        _say("no TLS between the nodes: there is no openssl to make certificates")
    ports = _ports(options.port)
    client = _Client(path, summary)
    async with Processes(client.take, folder, options.tick_ms, ports) as processes:
        await processes.start(*_MEMBERS)
        for member in processes.members.values():
            _say(f"node {member.id}: process {member.process.pid} on {channel.HOST}:{ports[member.id - 1]}")
        await processes.wait_ready()
        await client.replicate(processes)
        results = await processes.report()
    client.check_file()
    _say(table.members(results))
    _say(table.times(summary.records, client.times))
    _judge(summary, results)
    _say(f"demo ok: {summary.records} records, digest {summary.digest}, on {len(results)} survivors")


def _ports(base: int) -> list[int]:
    """Return the ports of the members: from ``base`` on, or ports that are free now."""
    if base:
        return [base + number for number in range(len(_MEMBERS))]
    return free_ports(len(_MEMBERS))


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
    """Sends records in order, and kills members on the way.

    It begins again after the last acknowledged record when the leader changes, refuses a record, or says nothing. A
    record is acknowledged once it and all records before it are committed, durable and applied.
    """

    def __init__(self, path: Path, summary: Summary) -> None:
        self.times = table.Times()
        self._total = summary.records
        self._path = path
        self._source = read_records(path)
        self._read = hashlib.sha256()
        self._digest = summary.digest
        # Records read but not acknowledged. The first has the number _acknowledged + 1.
        self._window: deque[bytes] = deque()
        self._window_bytes = 0
        self._acknowledged = 0
        self._next = 1
        self._term = 0
        self._refused = False
        self._moved = 0.0
        self._shown = 0
        self._shown_at = 0.0

    async def replicate(self, processes: Processes) -> None:
        """Replicate all records. Kill the leader after a third of them, and all members after two thirds.

        Some records are always held back until after the next kill, even of a file with few.
        """
        total = self._total
        first, second = total // 3, total * 2 // 3
        times = self.times
        times.started = self._moved = self._shown_at = monotonic()
        await self._feed(processes, first, (first + second) // 2)
        leader = await self._find_leader(processes)
        _say(f"node {leader.id}, the leader, is killed (SIGKILL) with {self._done()}")
        killed = monotonic()
        await processes.kill(leader.id)
        await self._recover(processes, (first + second) // 2)
        times.failover = monotonic() - killed
        _say(f"node {leader.id} is started again")
        await processes.start(leader.id)
        await self._feed(processes, second, (second + total) // 2)
        await processes.wait_ready()
        _say(f"all nodes are killed at once (SIGKILL) with {self._done()}")
        killed = monotonic()
        await processes.kill(*_MEMBERS)
        await processes.start(*_MEMBERS)
        _say("all nodes are started again")
        await self._recover(processes, total)
        times.restart = monotonic() - killed
        await self._feed(processes, total, total)
        times.ended = monotonic()
        await processes.wait_ready()

    def check_file(self) -> None:
        """Raise DemoError if the records sent differ from the file as first read."""
        if self._read.hexdigest() != self._digest or next(self._source, None) is not None:
            raise DemoError(f"{self._path} changed while the demo read it")

    def take(self, member: Process, event: dict[str, Any]) -> None:
        """Take an event of a member. For ``Processes``."""
        if event["event"] != "answered":
            return
        if not event["all"]:
            self._refused = True
        if event["records"] <= self._acknowledged:
            return
        for _ in range(event["records"] - self._acknowledged):
            self._window_bytes -= len(self._window.popleft())
        if self._acknowledged == 0:
            _say("the first record is on the disks of a majority, and applied")
        self._acknowledged = event["records"]
        self._next = max(self._next, self._acknowledged + 1)
        self._moved = monotonic()
        self._show()

    # -- steps

    async def _recover(self, processes: Processes, last: int) -> None:
        """Wait until a leader has acknowledged one more record, or leads, if no record may be sent now."""
        if self._acknowledged < last:
            await self._feed(processes, self._acknowledged + 1, last)
        else:
            await self._find_leader(processes)

    async def _feed(self, processes: Processes, goal: int, last: int) -> None:
        """Send records up to the number ``last``, until all up to ``goal`` are acknowledged."""
        while self._acknowledged < goal:
            processes.changed.clear()
            leader = _leader(processes)
            if leader is not None:
                await self._send(leader, last)
            await self._wait(processes)

    async def _find_leader(self, processes: Processes) -> Process:
        while True:
            processes.changed.clear()
            leader = _leader(processes)
            if leader is not None:
                self._follow(leader)
                return leader
            await self._wait(processes)

    async def _wait(self, processes: Processes) -> None:
        """Wait for news, but not long."""
        processes.check()
        now = monotonic()
        idle = now - self._moved
        if idle > _GIVE_UP_SECONDS:
            raise DemoError(f"no progress for {idle:.0f} s: {self._done()}")
        if now - self._shown_at >= _SHOW_SECONDS:
            self._show(always=True)
        try:
            async with asyncio.timeout(min(_SHOW_SECONDS / 2, _RETRY_SECONDS)):
                await processes.changed.wait()
        except TimeoutError:
            if idle > _RETRY_SECONDS:
                self._next = self._acknowledged + 1

    def _follow(self, leader: Process) -> None:
        if leader.term == self._term:
            return
        _say(f"node {leader.id} leads in term {leader.term}")
        self._term = leader.term
        self._next = self._acknowledged + 1
        self._refused = False
        leader.open_batches = 0

    async def _send(self, leader: Process, last: int) -> None:
        """Send the leader as many records as the window has room for, up to the number ``last``."""
        self._follow(leader)
        if self._refused:
            # What follows a refused record is refused too, so wait until that is over.
            if leader.open_batches > 0:
                return
            await asyncio.sleep(_PAUSE_SECONDS)
            self._refused = False
            self._next = self._acknowledged + 1
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
            leader.open_batches += 1
            await leader.send(channel.pack_batch(self._next, records))
            self._next += len(records)

    def _record(self, number: int) -> bytes | None:
        """Return a record, or None if the window has no room for it yet."""
        place = number - self._acknowledged - 1
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

    # -- what is shown

    def _done(self) -> str:
        return f"{self._acknowledged:,} of {self._total:,} records committed"

    def _show(self, always: bool = False) -> None:
        """Show the progress at each tenth, or now."""
        tenth = self._acknowledged * 10 // self._total
        if tenth > self._shown or always:
            self._shown = max(tenth, self._shown)
            self._shown_at = monotonic()
            percent = self._acknowledged * 100 // self._total
            _say(f"{percent:3d} %  {self._acknowledged:,} records committed")


def _leader(processes: Processes) -> Process | None:
    """Return the leader of the highest term, if any."""
    leaders = [m for m in processes.members.values() if m.leads]
    return max(leaders, key=lambda m: m.term, default=None)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
