"""Checks costs that must not grow: ``python -m bench.flat``.

The cost of an entry must not depend on how many entries the log keeps or the storage has yet to write, the cost of a
read not on how many reads wait, and the cost of a group's tick not on the number of groups. Prints the instructions at
both ends of each line, and the CPU time beside them. Fails if the larger number of instructions is more than 1.05 times
the smaller one. The times also depend on caches and on other processes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import ending
from .cachegrind import ROOT, Failure, Run, per_operation

RATIO_MAX = 1.05
# For timed runs: long enough for work that happens once in as many operations as entries wait. Counted runs are too
# short for that.
_N = 200_000
_TURNS = 3


def _entries(kept: int, loop: str) -> Run:
    # The runs include two compactions.
    return Run("batch", 9_984, 29_952, ("--keep", str(kept)), loop)


def _ticks(groups: int, loop: str) -> Run:
    rounds = max(5, 20_000 // groups)
    return Run("ticks", groups, groups * (1 + rounds), ("--groups", str(groups)), loop)


def _waiting(workload: str) -> Callable[[int, str], Run]:
    # Only one loop can drive it, so the asked one is ignored.
    return lambda waiting, _: Run(workload, 200, 1_000, ("--waiting", str(waiting)))


@dataclass(frozen=True)
class Line:
    """A size, from its small to its large end, and the operation whose cost must not grow with it."""

    unit: str
    what: str
    sizes: tuple[int, int]
    run: Callable[[int, str], Run]


LINES = {
    "kept": Line("entry", "entries kept", (1_000, 10_000_000), _entries),
    "groups": Line("tick", "groups", (10, 10_000), _ticks),
    "backlog": Line("entry", "entries waiting", (100, 100_000), _waiting("backlog")),
    "reads": Line("read", "reads waiting", (100, 100_000), _waiting("backlog_reads")),
}


def instructions(line: Line, sizes: tuple[int, int], loop: str) -> list[float]:
    """Instructions per operation at both ends."""
    return [per_operation([line.run(size, loop)])[0] for size in sizes]


def times(line: Line, sizes: tuple[int, int], loop: str) -> list[float]:
    """CPU microseconds per operation at both ends, the best of alternating runs."""
    best = [float("inf")] * len(sizes)
    for _ in range(_TURNS):
        for place, size in enumerate(sizes):
            run = line.run(size, loop)
            command = [sys.executable, "-m", "bench", run.workload, *run.arguments, "--loop", run.loop]
            command += ["--n", str(_N)]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failure(f"{' '.join(command[1:])} failed:\n{done.stdout}{done.stderr}")
            best[place] = min(best[place], json.loads(done.stdout)["extra"]["cpu_us_per_op"])
    return best


def measure(line: Line, sizes: tuple[int, int], loop: str) -> dict[str, Any]:
    """Both ends of a line, for printing and for the results file."""
    return {
        "unit": line.unit,
        "ends": [f"{size:,} {line.what}" for size in sizes],
        "instructions": instructions(line, sizes, loop),
        "cpu_us": times(line, sizes, loop),
    }


def ratio(found: dict[str, Any]) -> float:
    """The instructions at the large end divided by those at the small one."""
    small, large = found["instructions"]
    return float(large / small)


def bent(lines: dict[str, dict[str, Any]]) -> list[str]:
    """The lines that are not flat, in words."""
    return [
        f"per {found['unit']}, with {' and '.join(found['ends'])}: {ratio(found):.3f} times the instructions"
        for found in lines.values()
        if ratio(found) > RATIO_MAX
    ]


def main(argv: list[str]) -> int:
    """Count and compare."""
    p = ending.Parser("bench.flat", "Costs that must not grow with the size.")
    p.add_argument("names", nargs="*", metavar="LINE", help=f"of {', '.join(LINES)}; default: all")
    for name, line in LINES.items():
        help = f"{line.what}, fewest and most"
        p.add_argument(f"--{name}", type=int, nargs=2, default=line.sizes, metavar="N", help=help)
    p.add_argument("--loop", choices=["python", "compiled"], default="compiled", help="of entries and ticks")
    o = p.parse_args(argv)
    if unknown := set(o.names) - set(LINES):
        p.error(f"no such line: {', '.join(sorted(unknown))}; choose from: {', '.join(LINES)}")
    lines: dict[str, dict[str, Any]] = {}
    try:
        for name in o.names or LINES:
            found = lines[name] = measure(LINES[name], tuple(getattr(o, name)), o.loop)
            small, large = found["instructions"]
            fast, slow = found["cpu_us"]
            print(f"per {found['unit']}, with {' and '.join(found['ends'])}:")
            print(f"  {small:,.0f} and {large:,.0f} instructions, {ratio(found):.3f}")
            print(f"  {fast:.2f} and {slow:.2f} µs, {slow / fast:.2f}", flush=True)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    for each in bent(lines):
        print(f"not flat: {each}", file=sys.stderr)
    return 1 if bent(lines) else 0


if __name__ == "__main__":
    sys.exit(ending.run("bench.flat", main, sys.argv[1:]))
