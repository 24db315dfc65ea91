"""Counts the instructions per operation of raftcy or a peer's program, with valgrind's cachegrind.

It counts two runs of different length. The difference comes from the additional operations, because everything done
once cancels out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_TOOL = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--branch-sim=no", "--cachegrind-out-file=/dev/null"]
_COUNT = re.compile(r"==(\d+)== I +refs: +([\d,]+)")
# A compiled program is faster per operation and starts anew for each run, so longer runs take the same time.
PEER_TIMES = 10


class Failure(Exception):
    """A count failed."""


@dataclass(frozen=True)
class Run:
    """A workload, the n of its shorter and its longer run, and the rest of its command line."""

    workload: str
    short: int
    long: int
    arguments: tuple[str, ...] = ()
    loop: str = "python"


def _cachegrind(command: list[str], text: str | None = None) -> tuple[str, dict[int, int]]:
    """The output of a command, and the instructions of each of its processes."""
    # Sets of strings are iterated in the order of their hashes.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*_TOOL, *command], cwd=ROOT, env=environment, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failure(f"counting {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout, {int(process): int(each.replace(",", "")) for process, each in _COUNT.findall(done.stderr)}


def count(runs: list[list[str]], layout: int = 0) -> list[int]:
    """Instructions of ``python -m bench`` runs with these arguments, without loading; ``layout``: see ``counted``."""
    # Two empty runs show how much the parent adds from one fork to the next.
    said, by_process = _cachegrind([sys.executable, "-m", "bench.counted", str(layout)], json.dumps([[], [], *runs]))
    if len(by_process) != len(runs) + 3:
        raise Failure(f"{len(by_process)} processes were counted instead of {len(runs) + 3}")
    counts = [by_process[process] for process in json.loads(said)]
    between = counts[1] - counts[0]
    return [each - counts[1] - between * number for number, each in enumerate(counts[2:], 1)]


def per_operation(runs: list[Run], layout: int = 0) -> list[float]:
    """Instructions per operation: a longer run minus a shorter one, by the additional operations."""
    ends = [(run, n) for run in runs for n in (run.short, run.long)]
    counts = count([[run.workload, "--loop", run.loop, "--n", str(n), *run.arguments] for run, n in ends], layout)
    pairs = zip(runs, counts[::2], counts[1::2], strict=True)
    return [(high - low) / (run.long - run.short) for run, low, high in pairs]


def per_operation_of(command: list[str], run: Run) -> float:
    """The same for a peer's program, which takes the same arguments except the loop, in runs PEER_TIMES as long."""
    ends = [PEER_TIMES * n for n in (run.short, run.long)]
    counts = []
    for n in ends:
        _, by_process = _cachegrind([*command, run.workload, "--n", str(n), *run.arguments])
        if len(by_process) != 1:
            raise Failure(f"{len(by_process)} processes of {command[0]} were counted instead of one")
        counts += by_process.values()
    return (counts[1] - counts[0]) / (ends[1] - ends[0])
