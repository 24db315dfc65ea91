"""``python -m tests.mutants --seeds 500 [--jobs N] [NAME...]``: how many seeds the simulator needs for each fault.

Every fault that the simulator is to find is made in a copy of its own, where seeds are run from 1 on, of the fault's
profile, until one fails. Writes tests/mutants/found.md; with names, only their lines. Exit status 0 if all were found.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .faults import FAULTS, Fault
from .simulated import Found, Line, hunt, lines, simulated, write


def count(fault: Fault, seeds: int) -> Found:
    begun = time.monotonic()
    found = hunt(fault.edits, fault.profile, range(1, seeds + 1))
    told = f"{found.rule}: {found.text}" if found.seed is not None else "NOT FOUND"
    print(f"{fault.name}: {found.seeds} seeds of {fault.profile}, {time.monotonic() - begun:.0f} s, {told}", flush=True)
    return found


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--seeds", type=int, default=500, help="the most for each fault (default 500)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults; all that the simulator is to find")
    o = parser.parse_args()
    faults = [FAULTS[name] for name in o.names] if o.names else simulated()
    begun = time.monotonic()
    with ThreadPoolExecutor(o.jobs) as pool:
        results = list(pool.map(lambda fault: count(fault, o.seeds), faults))
    table = lines() if o.names else {}
    for fault, found in zip(faults, results, strict=True):
        if found.seed is not None and found.rule is not None:
            table[fault.name] = Line(fault.name, fault.profile, found.seed, found.rule)
        else:
            table.pop(fault.name, None)
    write(table)
    missed = [fault.name for fault, found in zip(faults, results, strict=True) if found.seed is None]
    total = sum(found.seeds for found in results)
    print(f"{total} seeds in {time.monotonic() - begun:.0f} s")
    print(
        f"{len(faults) - len(missed)} of {len(faults)} faults found" + (f", not {', '.join(missed)}" if missed else "")
    )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
