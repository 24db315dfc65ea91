"""Instructions per operation, counted by valgrind's cachegrind: ours, or those of a peer's program.

Those of two runs of different length are counted, and the difference is that of the additional operations: what is
done once cancels out.
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
# A compiled program runs through an operation faster, and each of its runs starts anew: longer runs for the same time.
PEER_TIMES = 10


class Failure(Exception):
    """A count could not be made."""


@dataclass(frozen=True)
class Run:
    """A workload with the n of the shorter and of the longer run, and the rest of its command line."""

    workload: str
    short: int
    long: int
    arguments: tuple[str, ...] = ()
    loop: str = "python"


def _cachegrind(command: list[str], text: str | None = None) -> tuple[str, dict[int, int]]:
    """What a command prints, and the instructions of each of its processes."""
    # Sets of strings are walked in the order of their hashes.
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [*_TOOL, *command], cwd=ROOT, env=environment, input=text, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise Failure(f"counting {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout, {int(process): int(each.replace(",", "")) for process, each in _COUNT.findall(done.stderr)}


def count(runs: list[list[str]], layout: int = 0) -> list[int]:
    """Instructions of runs of ``python -m bench`` with these arguments, all but what loading it takes; for ``layout``
    see ``counted``.
    """
    # The two runs of nothing tell what the parent itself adds from one fork to the next.
    said, by_process = _cachegrind([sys.executable, "-m", "bench.counted", str(layout)], json.dumps([[], [], *runs]))
    if len(by_process) != len(runs) + 3:
        raise Failure(f"{len(by_process)} processes were counted instead of {len(runs) + 3}")
    counts = [by_process[process] for process in json.loads(said)]
    between = counts[1] - counts[0]
    return [each - counts[1] - between * number for number, each in enumerate(counts[2:], 1)]


def per_operation(runs: list[Run], layout: int = 0) -> list[float]:
    """Instructions per operation: those of a longer run less those of a shorter one."""
    ends = [(run, n) for run in runs for n in (run.short, run.long)]
    counts = count([[run.workload, "--loop", run.loop, "--n", str(n), *run.arguments] for run, n in ends], layout)
    pairs = zip(runs, counts[::2], counts[1::2], strict=True)
    return [(high - low) / (run.long - run.short) for run, low, high in pairs]


def per_operation_of(command: list[str], run: Run) -> float:
    """The same of a peer's program, which takes the same arguments but for the loop, in runs PEER_TIMES as long."""
    ends = [PEER_TIMES * n for n in (run.short, run.long)]
    counts = []
    for n in ends:
        _, by_process = _cachegrind([*command, run.workload, "--n", str(n), *run.arguments])
        if len(by_process) != 1:
            raise Failure(f"{len(by_process)} processes of {command[0]} were counted instead of one")
        counts += by_process.values()
    return (counts[1] - counts[0]) / (ends[1] - ends[0])
