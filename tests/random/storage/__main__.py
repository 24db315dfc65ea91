"""``python -m tests.random.storage [--runs N] [--from SEED] [--steps N] [--subsets N] [--jobs N]``.

Runs histories with every cut, each sector lost alone, and random subsets, at each of their syncs, and a kill followed
by a power cut, also while the log is opened. Exit status 0 if nothing that was acknowledged is ever lost.
"""

import argparse
import sys
import time
from contextlib import closing

from raftcy.sim.workers import spread
from tests.support.log_histories import Seen

from .cuts import outcome


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.random.storage")
    parser.add_argument("--runs", type=int, default=1000, help="how many histories")
    parser.add_argument("--from", type=int, default=1000, dest="first", metavar="SEED")
    parser.add_argument("--steps", type=int, default=24, help="how many steps of each are looked at")
    parser.add_argument("--subsets", type=int, default=1000, help="random subsets of each history")
    parser.add_argument("--jobs", type=int, default=1)
    o = parser.parse_args()
    begun, seen, failed = time.monotonic(), Seen(), 0
    histories = [(seed, o.steps, o.subsets) for seed in range(o.first, o.first + o.runs)]
    with closing(spread(outcome, histories, o.jobs)) as results:
        for count, (found, wrong) in enumerate(results, 1):
            seen += found
            if wrong:
                failed += 1
                print(f"history {o.first + count - 1}: {wrong}", flush=True)
            if count % 10 == 0:
                print(f"{count} histories, {seen['states']} states, {time.monotonic() - begun:.0f} s", flush=True)
    print(", ".join(f"{name}: {count}" for name, count in sorted(seen.items())))
    print(f"{o.runs} histories, {seen['states']} states, {failed} failed, {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
