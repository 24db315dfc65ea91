"""Flat lines: ``python -m bench.flat``.

What an entry costs must not depend on how many are kept in the log, nor a group's tick on how many groups there are.
Prints the instructions at both ends, and the CPU time beside them. Fails if the larger number of instructions is more
than 1.05 times the smaller one; the times also tell of the caches, and of the neighbours.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

from .instructions import ROOT, Failure, per_operation

RATIO_MAX = 1.05
KEPT = (1_000, 10_000_000)
GROUPS = (10, 10_000)
_TURNS = 3


def entries(kept: int, loop: str) -> float:
    """Instructions per entry of ``batch`` with that many entries kept; two compactions are among them."""
    return per_operation([("batch", loop, 9_984, 29_952, ["--keep", str(kept)])])[0]


def ticks(groups: int, loop: str) -> float:
    """Instructions per group and tick."""
    rounds = max(5, 20_000 // groups)
    return per_operation([("ticks", loop, groups, groups * (1 + rounds), ["--groups", str(groups)])])[0]


def times(workload: str, option: str, sizes: list[int], loop: str) -> list[float]:
    """CPU microseconds per operation at each size, the best of runs that take turns."""
    best = [float("inf")] * len(sizes)
    for _ in range(_TURNS):
        for place, size in enumerate(sizes):
            command = [sys.executable, "-m", "bench", workload, option, str(size), "--loop", loop, "--n", "200000"]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Failure(f"{' '.join(command[1:])} failed:\n{done.stdout}{done.stderr}")
            best[place] = min(best[place], json.loads(done.stdout)["extra"]["cpu_us_per_op"])
    return best


def main(argv: list[str]) -> int:
    """Count and compare."""
    p = argparse.ArgumentParser(prog="python -m bench.flat", description="Costs that must not grow with the size.")
    p.add_argument("--kept", type=int, nargs=2, default=KEPT, metavar="N", help="entries kept, smallest and largest")
    p.add_argument("--groups", type=int, nargs=2, default=GROUPS, metavar="N", help="groups, fewest and most")
    p.add_argument("--loop", choices=["python", "compiled"], default="compiled")
    o = p.parse_args(argv)
    lines = [("entry", "entries kept", entries, ("batch", "--keep"), o.kept)]
    lines += [("tick of a group", "groups", ticks, ("ticks", "--groups"), o.groups)]
    fine = True
    try:
        for unit, what, of, run, sizes in lines:
            small, large = (of(size, o.loop) for size in sizes)
            fine = fine and large <= RATIO_MAX * small
            fast, slow = times(*run, sizes, o.loop)
            print(f"per {unit}, with {sizes[0]:,} and {sizes[1]:,} {what}:")
            print(f"  {small:,.0f} and {large:,.0f} instructions, {large / small:.3f}")
            print(f"  {fast:.2f} and {slow:.2f} µs, {slow / fast:.2f}", flush=True)
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
