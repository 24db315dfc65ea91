"""``python -m tests.random.storage [--histories N] [--from SEED] [--steps N] [--subsets N] [--jobs N]``.

Runs histories with every cut, each sector lost alone, and random subsets, at each of their syncs, and a kill followed
by a power cut. Exit status 0 if nothing that was acknowledged is ever lost.
"""

import argparse
import sys
import time
from contextlib import closing

from raftcy.sim.workers import spread

from .cuts import outcome


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.random.storage")
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--from", type=int, default=1000, dest="first", metavar="SEED")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--subsets", type=int, default=1000, help="random subsets of each history")
    parser.add_argument("--jobs", type=int, default=1)
    o = parser.parse_args()
    begun, states, failed = time.monotonic(), 0, 0
    histories = [(seed, o.steps, o.subsets) for seed in range(o.first, o.first + o.histories)]
    with closing(spread(outcome, histories, o.jobs)) as results:
        for count, (seen, wrong) in enumerate(results, 1):
            states += seen
            if wrong:
                failed += 1
                print(f"history {o.first + count - 1}: {wrong}", flush=True)
            if count % 10 == 0:
                print(f"{count} histories, {states} states, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{o.histories} histories, {states} states, {failed} failed, {time.monotonic() - begun:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
