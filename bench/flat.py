"""Flat lines, in instructions: ``python -m bench.flat``.

What an entry costs must not depend on how many are kept in the log, nor a group's tick on how many groups there are.
Prints the instructions at both ends and fails if the larger is more than 1.05 times the smaller one.
"""

from __future__ import annotations

import argparse
import sys

from .instructions import Failure, per_operation

RATIO_MAX = 1.05
KEPT = (1_000, 10_000_000)
GROUPS = (10, 10_000)


def entries(kept: int, loop: str) -> float:
    """Instructions per entry of ``batch`` with that many entries kept; two compactions are among them."""
    return per_operation([("batch", loop, 9_984, 29_952, ["--keep", str(kept)])])[0]


def ticks(groups: int, loop: str) -> float:
    """Instructions per group and tick."""
    rounds = max(5, 20_000 // groups)
    return per_operation([("ticks", loop, groups, groups * (1 + rounds), ["--groups", str(groups)])])[0]


def main(argv: list[str]) -> int:
    """Count and compare."""
    p = argparse.ArgumentParser(prog="python -m bench.flat", description="Costs that must not grow with the size.")
    p.add_argument("--kept", type=int, nargs=2, default=KEPT, metavar="N", help="entries kept, smallest and largest")
    p.add_argument("--groups", type=int, nargs=2, default=GROUPS, metavar="N", help="groups, fewest and most")
    p.add_argument("--loop", choices=["python", "compiled"], default="compiled")
    o = p.parse_args(argv)
    fine = True
    try:
        for what, of, sizes in (("entry, entries kept", entries, o.kept), ("tick of a group, groups", ticks, o.groups)):
            small, large = (of(size, o.loop) for size in sizes)
            fine = fine and large <= RATIO_MAX * small
            print(f"per {what}: {small:,.0f} with {sizes[0]:,}, {large:,.0f} with {sizes[1]:,}: {large / small:.3f}")
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
