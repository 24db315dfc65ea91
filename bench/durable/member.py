"""A member of raftcy's cluster: ``python -m bench.durable.member``, a process that the runner starts (see ``runner``).

Member 1 leads and drives the load from its event loop. Every member ends when its standard input ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from raftcy import Host, Tuning
from raftcy.errors import RaftError
from raftcy.machines import Command, StateMachine
from raftcy.transport import TLS

# A request for the leadership: member 1 has to lead, because the load is made there.
_LEAD = 256
_PATIENCE_S = 30.0
# Longer than any run, so that no snapshot falls into one; the peers make none either.
_TUNING = Tuning(snapshot_entries=10**9, snapshot_bytes=1 << 40)


class Table(StateMachine):
    """The state machine of all contestants: 1,024 keys with the last command of each, and a counter."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.count = 0

    def apply(self, commands: Sequence[Command]) -> list[int]:
        """Keep the commands."""
        values = self.values
        for command in commands:
            data = command.data
            values[data[8:16]] = data
        before = self.count
        self.count = before + len(commands)
        return list(range(before + 1, self.count + 1))

    def capture(self) -> bytes:
        """Return the counter, since nobody restores it."""
        return b"%d" % self.count

    def restore(self, file: Any) -> None:
        """Take the counter."""
        self.count = int(file.read())


class Load:
    """Closed loops of callers in the leader's process."""

    def __init__(self, replica: Any, seconds: float, size: int) -> None:
        self._replica = replica
        self._seconds = seconds
        self._fill = bytes(n * 7 & 255 for n in range(16, size))
        self._sequence = 0
        self._end = 0.0
        self._errors = 0
        self._ops = 0
        self._waits: list[float] = []

    def _command(self) -> bytes:
        self._sequence = sequence = self._sequence + 1
        return sequence.to_bytes(8, "little") + (sequence & 1023).to_bytes(8, "little") + self._fill

    async def run(self, phase: str) -> dict[str, Any]:
        """Run one phase, and return its figures."""
        kind, number = split(phase)
        callers: list[Coroutine[Any, Any, None]]
        if kind == "many":
            callers = [self._many(max(1, number // 2)) for _ in range(min(number, 2))]
        else:
            one = self._write if kind == "write" else self._replica.read
            callers = [self._call(one) for _ in range(number)]
        self._waits, self._errors, self._ops = [], 0, 0
        began = time.perf_counter()
        self._end = began + self._seconds
        await asyncio.gather(*callers)
        seconds = time.perf_counter() - began
        waits = sorted(self._waits) or [0.0]
        return {
            "phase": phase,
            "ops": self._ops,
            "secs": seconds,
            "per_sec": self._ops / seconds,
            "p50_us": waits[len(waits) // 2] * 1e6,
            "p99_us": waits[len(waits) * 99 // 100] * 1e6,
            "errors": self._errors,
        }

    def _write(self) -> Awaitable[Any]:
        future: Awaitable[Any] = self._replica.propose(self._command())
        return future

    async def _call(self, one: Callable[[], Awaitable[Any]]) -> None:
        clock, waits, end = time.perf_counter, self._waits, self._end
        while (began := clock()) < end:
            try:
                await one()
            except RaftError:
                self._errors += 1
                await asyncio.sleep(0.001)
            else:
                self._ops += 1
                waits.append(clock() - began)

    async def _many(self, count: int) -> None:
        clock, command = time.perf_counter, self._command
        while (began := clock()) < self._end:
            answers = await self._replica.propose_many([command() for _ in range(count)])
            lost = sum(1 for answer in answers if isinstance(answer, Exception))
            self._errors += lost
            self._ops += count - lost
            self._waits.append(clock() - began)


def split(phase: str) -> tuple[str, int]:
    """The kind and the number of a phase. Raises ValueError for anything else."""
    found = re.fullmatch(r"(write|many|read|idle)([1-9]\d*)", phase)
    if found is None:
        raise ValueError(f"{phase!r} is no phase such as write64")
    return found[1], int(found[2])


async def _lead(host: Any, replica: Any) -> None:
    """Wait until this member leads, and ask the leader to hand over until then."""
    deadline = time.monotonic() + _PATIENCE_S
    while not replica.is_leader:
        if time.monotonic() > deadline:
            raise SystemExit("member 1 does not lead")
        leader = replica.leader
        if leader not in (None, host.id):
            try:
                await host.request(leader, _LEAD, b"", 2)
            except RaftError as error:
                print(f"waiting to lead: {error}", file=sys.stderr)
        await asyncio.sleep(0.1)
    await replica.propose(bytes(16))


class _Runner:
    """The runner's end of the standard streams: a line on the input begins a phase, and the input's end ends us."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[None] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), self._heard)

    def _heard(self) -> None:
        found = os.read(sys.stdin.fileno(), 4096)
        if not found:
            # At once: the runner removes the directories next.
            os._exit(0)
        for _ in range(found.count(b"\n")):
            self._lines.put_nowait(None)

    async def begins(self, phase: str) -> None:
        """Announce a phase, and wait until the runner lets it begin."""
        print(f"START {phase}", flush=True)
        await self._lines.get()


async def main(o: argparse.Namespace) -> None:
    """Serve, and on member 1 run the phases."""
    runner = _Runner()
    members = {id: f"127.0.0.1:{o.port + id}" for id in range(1, o.nodes + 1)}
    tls = None
    if o.certificates:
        folder = Path(o.certificates)
        tls = TLS(folder / f"{o.id}.pem", folder / f"{o.id}.key", authorities=folder / "authority.pem")
    async with Host(o.dir, id=o.id, members=members, tls=tls, tuning=_TUNING) as host:
        replica = host.replica("table", Table())

        async def hand_over(sender: int, data: bytes) -> bytes:
            if replica.is_leader:
                await replica.transfer(sender, timeout_s=1)
            return b""

        host.serve(_LEAD, hand_over)
        if o.id != 1:
            await host.wait_closed()
            return
        await _lead(host, replica)
        await asyncio.sleep(o.settle)
        load = Load(replica, o.seconds, o.size)
        for phase in o.phases.split(","):
            await runner.begins(phase)
            if split(phase)[0] == "idle":
                await asyncio.sleep(o.seconds)
                figures = {"phase": phase, "ops": 0, "secs": o.seconds, "per_sec": 0.0}
            else:
                figures = await load.run(phase)
            print("END", json.dumps(figures), flush=True)
        print("DONE", flush=True)
        await host.wait_closed()


def parser() -> argparse.ArgumentParser:
    """The command line. The peers take the same, except ``--loop`` and ``--certificates``."""
    p = argparse.ArgumentParser(prog="python -m bench.durable.member")
    p.add_argument("--id", type=int, required=True)
    p.add_argument("--nodes", type=int, default=3)
    p.add_argument("--port", type=int, required=True, help="member i listens at this port + i")
    p.add_argument("--dir", required=True)
    p.add_argument("--phases", default="write1")
    p.add_argument("--seconds", type=float, default=1.0, help="of a phase")
    p.add_argument("--settle", type=float, default=0.5, help="seconds between the election and the first phase")
    p.add_argument("--size", type=int, default=128, help="bytes of a command, at least 16")
    p.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    p.add_argument("--certificates", default="", help="a folder, for TLS")
    return p


if __name__ == "__main__":
    _options = parser().parse_args()
    if _options.loop == "uvloop":
        import uvloop

        uvloop.run(main(_options))
    else:
        asyncio.run(main(_options))
