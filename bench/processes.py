"""Three processes on the loopback address replicate values end to end, measured by wall clock.

A member is a function ``member(place, ports, pipe, size)`` that runs in its own process. Messages through the pipe: it
sends ``("ready", leads)`` once a leader is known. On ``("go", n, outstanding)`` the leader proposes n values, at most
``outstanding`` of them neither applied nor refused, and sends ``("done",)``. On ``("count",)`` a member sends
``("count", applied, CPU seconds)``. It exits on ``("end",)``.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from raftcy.demo.ports import free_ports

from .measured import Measured

HOST = "127.0.0.1"
SIZE = 3
_PATIENCE_S = 60.0
Member = Callable[[int, "list[int]", Connection, int], None]


def _hear(pipe: Connection, kind: str) -> Any:
    if not pipe.poll(_PATIENCE_S):
        raise SystemExit(f"a member did not say {kind} within {_PATIENCE_S:.0f} s")
    try:
        said = pipe.recv()
    except EOFError:
        raise SystemExit("a member has ended") from None
    if said[0] != kind:
        raise SystemExit(f"a member said {said} instead of {kind}")
    return said


def _leader(pipes: list[Connection]) -> Connection:
    """The pipe of the leading member, once all members know a leader."""
    leading = [pipe for pipe in pipes if _hear(pipe, "ready")[1]]
    if len(leading) != 1:
        raise SystemExit(f"{len(leading)} members lead")
    return leading[0]


def _counts(pipes: list[Connection]) -> list[tuple[int, float]]:
    for pipe in pipes:
        pipe.send(("count",))
    return [_hear(pipe, "count")[1:] for pipe in pipes]


def _measure(pipes: list[Connection], n: int, outstanding: int) -> Measured:
    out = Measured(n)
    leader = _leader(pipes)
    cpu = [seconds for _, seconds in _counts(pipes)]
    start = time.perf_counter()
    leader.send(("go", n, outstanding))
    _hear(leader, "done")
    out.seconds = time.perf_counter() - start
    deadline = time.monotonic() + _PATIENCE_S
    while any(applied < n for applied, _ in _counts(pipes)) and time.monotonic() < deadline:
        time.sleep(0.01)
    counts = _counts(pipes)
    if any(applied != n for applied, _ in counts):
        raise SystemExit(f"{[applied for applied, _ in counts]} values were applied instead of {n} each")
    out.cpu_seconds = sum(after for _, after in counts) - sum(cpu)
    out.extra["outstanding"] = outstanding
    return out


def cluster(member: Member, n: int, outstanding: int, size: int) -> Measured:
    """Start the members, measure, and stop them."""
    context = multiprocessing.get_context("spawn")
    ports = free_ports(SIZE)
    pipes: list[Connection] = []
    processes = []
    for place in range(SIZE):
        ours, its = context.Pipe()
        process = context.Process(target=member, args=(place, ports, its, size), daemon=True)
        process.start()
        its.close()
        pipes.append(ours)
        processes.append(process)
    try:
        return _measure(pipes, n, outstanding)
    finally:
        for pipe in pipes:
            try:
                pipe.send(("end",))
            except OSError:
                continue
        for process in processes:
            process.join(5)
            if process.is_alive():
                process.kill()
