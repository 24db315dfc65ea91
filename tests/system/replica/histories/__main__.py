"""Histories of operations on real processes in network namespaces, checked for linearizability with porcupine.

    python -m tests.system.replica.histories --runs 10 --operations 5000

It needs Linux, root and Go. Each history has a cluster of its own, whose members are killed, paused, cut off from each
other in all ways, added, removed and replaced while clients operate. In every second one, leaders read by a lease, with
clocks that drift and jump. ``history`` says what must hold.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from .checking import build_checker
from .history import history
from .network import can_make_networks


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--operations", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1, help="that of the first history (1); timing differs each time")
    o = parser.parse_args()
    if not can_make_networks():
        sys.exit("this needs Linux and the right to make network namespaces and bridges")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="h") as folder:
        checker = build_checker(Path(folder))
        for number in range(o.seed, o.seed + o.runs):
            place = Path(folder, str(number))
            place.mkdir()
            told = asyncio.run(history(place, checker, o.operations, number, lease=number % 2 == 0))
            counts = ", ".join(f"{count} {name}" for name, count in sorted(told.faults.items()))
            print(f"history {number}: {told.operations} operations in {told.seconds:.0f} s; {counts}")
            print(f"  {told.applied} commands applied, {told.rejected} rejected, {told.doubts} unknown: {told.fates}")
            print(f"  careless clients: {told.careless}; {len(told.wrong)} wrong", flush=True)
            for each in told.wrong:
                print(f"  WRONG: {each}", flush=True)
            failed += bool(told.wrong)
    print(f"{o.runs - failed} of {o.runs} histories are as they must be")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
