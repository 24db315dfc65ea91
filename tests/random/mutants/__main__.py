"""``python -m tests.random.mutants [--seeds 500] [--jobs N] [--stale] [NAME...]``: the seeds that each fault needs.

For each fault that the simulator must find, makes a copy of the package with that fault, and runs the seeds of the
fault's profile from 1 on until one fails. Writes tests/random/mutants/found.md; with names, only their lines. The exit
status is 0 if all faults were found.

Run it after every change that gives seeds other runs, because ``test_simulated`` then reports that the table is out of
date. ``--stale`` first tries the seed in the table, and counts again only the faults that this seed no longer finds,
which takes a tenth of the time. It does not notice when an earlier seed would now be enough, so after a change of the
simulator's draws count all of them. ``--check`` does the same without writing, and exits with status 1 if the table is
out of date.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from raftcy.sim.workers import Terminated, terminable

from .faults import FAULTS, Fault
from .simulated import Found, Line, hunt, lines, simulated, write
from .tree import stop_all


def count(fault: Fault, seeds: int) -> Found:
    begun = time.monotonic()
    found = hunt(fault.edits, fault.profile, range(1, seeds + 1))
    told = f"{found.rule}: {found.text}" if found.seed is not None else "NOT FOUND"
    print(f"{fault.name}: {found.seeds} seeds of {fault.profile}, {time.monotonic() - begun:.0f} s, {told}", flush=True)
    return found


def holds(fault: Fault, table: dict[str, Line]) -> bool:
    """Whether the seed in the table breaks the rule in the table."""
    line = table.get(fault.name)
    if line is None or line.profile != fault.profile:
        return False
    found = hunt(fault.edits, fault.profile, [line.seeds])
    good = (found.seed, found.rule) == (line.seeds, line.rule)
    print(f"{fault.name}: seed {line.seeds} of {fault.profile}, {'up to date' if good else 'OUT OF DATE'}", flush=True)
    return good


@contextmanager
def _stopping(pool: ThreadPoolExecutor) -> Iterator[None]:
    """If this is left early, by SIGINT or SIGTERM for example, end what runs and forget what waits."""
    try:
        yield
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        stop_all()
        raise


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.random.mutants")
    parser.add_argument("--seeds", type=int, default=500, help="the most for each fault (default 500)")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--stale", action="store_true", help="only faults for which the table is out of date")
    parser.add_argument("--check", action="store_true", help="report these faults, and write nothing")
    parser.add_argument("names", nargs="*", metavar="NAME", help="faults (default: all that the simulator must find)")
    o = parser.parse_args()
    faults = [FAULTS[name] for name in o.names] if o.names else simulated()
    table = lines() if o.names or o.stale or o.check else {}
    begun = time.monotonic()
    with ThreadPoolExecutor(o.jobs) as pool, _stopping(pool):
        if o.stale or o.check:
            good = list(pool.map(lambda fault: holds(fault, table), faults))
            faults = [fault for fault, same in zip(faults, good, strict=True) if not same]
        if o.check:
            print(f"{len(good) - len(faults)} of {len(good)} lines of the table are up to date")
            return 1 if faults else 0
        results = list(pool.map(lambda fault: count(fault, o.seeds), faults))
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
    try:
        with terminable():
            status = main()
    except KeyboardInterrupt:
        status = 130
    except Terminated:
        status = 143
    sys.exit(status)
