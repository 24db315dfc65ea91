"""A run's time, its JSON line, and the options that every program takes."""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Callable
from typing import Any


class Measured:
    """A run's wall and CPU time, and further results."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.extra: dict[str, Any] = {}

    def run(self, work: Callable[[], object]) -> None:
        """Time ``work``."""
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.cpu_seconds += time.process_time() - cpu
        self.seconds += time.perf_counter() - wall


def expect(out: Measured, messages: float | None) -> None:
    """Check the messages per unit, which all implementations share; None allows any. Raises SystemExit."""
    if messages is not None and out.extra["messages_per_op"] != messages:
        raise SystemExit(f"{out.extra['messages_per_op']} messages an operation instead of {messages}")


def line(out: Measured, peer: str, version: str, build: str, loop: str, workload: str) -> str:
    """A run's JSON line."""
    out.extra["cpu_us_per_op"] = round(out.cpu_seconds / out.n * 1e6, 4)
    fields = {
        "peer": peer,
        "version": version,
        "build": build,
        "loop": loop,
        "workload": workload,
        "n": out.n,
        "seconds": round(out.seconds, 6),
        "cpu_seconds": round(out.cpu_seconds, 6),
        "per_sec": round(out.n / out.seconds, 1),
        "extra": out.extra,
    }
    return json.dumps(fields)


def positive(text: str) -> int:
    """A command-line number that must be above 0."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"needs a number, not {text}") from None
    if value <= 0:
        raise argparse.ArgumentTypeError("must be greater than 0")
    return value


_HELP = {
    "n": "units of the workload (entries, operations, groups times ticks)",
    "nodes": "nodes of a group, or voters for quorum",
    "size": "bytes of a proposal",
    "batch": "proposals between two drains, or entries of the codec's message",
    "groups": "groups of three for ticks (default: 1000)",
    "outstanding": "values that the cluster's client keeps outstanding (default: 1)",
    "waiting": "writes or reads that wait, for backlog and backlog_reads (default: 1000)",
    "keep": "entries that compaction keeps (default: 1000)",
}


def counts(p: argparse.ArgumentParser, *names: str) -> None:
    """Add options whose numbers must be above 0."""
    for name in names:
        p.add_argument(f"--{name}", type=positive, help=_HELP[name])
