"""Three Hosts in one process and one event loop, with their logs on disk and real sockets.

The CPU time of an operation, or its instructions, is that of all three members without the waiting. So it can be
counted on a busy machine, where three processes measure their neighbours.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from raftcy.demo.ports import free_ports

from .measured import Measured
from .processes import HOST, SIZE

_GROUP = "bench"
# Few ticks in a run that is measured, since their number depends on the time and not on the operations. A short run
# would mostly wait for its leader.
_TICK_MS, _SHORT_TICK_MS, _SHORT_N = 1_000, 50, 1_000


def _machine(raftcy: Any) -> Any:
    from raftcy.machines import StateMachine

    class Counter(StateMachine):
        """Counts commands, and answers with their number."""

        def __init__(self) -> None:
            self.count = 0

        def apply(self, commands: Sequence[Any]) -> list[int]:
            """Count them."""
            before = self.count
            self.count += len(commands)
            return list(range(before + 1, self.count + 1))

        def capture(self) -> bytes:
            """Return the number."""
            return b"%d" % self.count

        def restore(self, file: Any) -> None:
            """Take the number."""
            self.count = int(file.read())

    return Counter()


async def _leader(replicas: list[Any]) -> Any:
    """Wait until all of them follow one leader."""
    while True:
        leaders = {replica.leader for replica in replicas}
        found = [replica for replica in replicas if replica.is_leader]
        if found and leaders == {found[0].id}:
            return found[0]
        await asyncio.sleep(0.01)


async def _loops(operation: Callable[[], Awaitable[Any]], n: int, outstanding: int) -> None:
    """Await ``n`` operations from closed loops of callers."""

    async def caller(count: int) -> None:
        for _ in range(count):
            await operation()

    callers = min(n, outstanding)
    await asyncio.gather(*[caller(n // callers + (place < n % callers)) for place in range(callers)])


async def _measure(raftcy: Any, o: argparse.Namespace, kind: str, folder: Path) -> Measured:
    from raftcy import Host, Tuning

    # The shortest that is allowed, so that a leader is elected soon.
    tick_ms = _TICK_MS if o.n >= _SHORT_N else _SHORT_TICK_MS
    tuning = Tuning(tick_ms=tick_ms, election_ms=2 * tick_ms, snapshot_entries=10**9, snapshot_bytes=1 << 40)
    members = {id: f"{HOST}:{port}" for id, port in enumerate(free_ports(SIZE), 1)}
    out = Measured(o.n)
    data = bytes(128 if kind == "read" else o.size or 128)
    async with AsyncExitStack() as stack:
        hosts = [Host(folder / str(id), id=id, members=members, tuning=tuning) for id in members]
        await asyncio.gather(*[stack.enter_async_context(host) for host in hosts])
        machines = [_machine(raftcy) for _ in hosts]
        replicas = [host.replica(_GROUP, machine) for host, machine in zip(hosts, machines, strict=True)]
        leader = await _leader(replicas)
        await leader.propose(data)
        if kind == "many":
            batch = [data] * (o.outstanding // 2 or 1)
            work = _loops(lambda: leader.propose_many(batch), -(-o.n // len(batch)), 2)
            out.n = -(-o.n // len(batch)) * len(batch)
        else:
            operation = leader.read if kind == "read" else lambda: leader.propose(data)
            work = _loops(operation, o.n, o.outstanding)
        wanted = 1 if kind == "read" else out.n + 1
        await _timed(out, work)
        for replica in replicas:
            await replica.read()
        if [machine.count for machine in machines] != [wanted] * SIZE:
            raise SystemExit(f"{[machine.count for machine in machines]} commands were applied instead of {wanted}")
    out.extra["outstanding"] = o.outstanding
    return out


async def _timed(out: Measured, work: Awaitable[Any]) -> None:
    import time

    wall, cpu = time.perf_counter(), time.process_time()
    await work
    out.cpu_seconds = time.process_time() - cpu
    out.seconds = time.perf_counter() - wall


def run(raftcy: Any, o: argparse.Namespace, kind: str) -> Measured:
    """Propose commands one by one ("write") or many in a call ("many"), or read ("read"), on the leader."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(raftcy, o, kind, Path(folder)))
