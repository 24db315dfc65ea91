"""``python -m tests.random.races --runs 1000 --seed 1 --jobs 2``: many random schedules of transports and of nodes."""

import argparse
import sys
import time
from contextlib import closing

from raftcy.sim.workers import spread

from .chunks import KINDS, chunk

CHUNK = 25


def main() -> int:
    """Run what the command line asks for; 0 if nothing was ever left."""
    parser = argparse.ArgumentParser(prog="python -m tests.random.races")
    parser.add_argument("--runs", type=int, default=1_000, help="schedules of each kind")
    parser.add_argument("--seed", type=int, default=1, help="the first of consecutive seeds")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kind", choices=KINDS, action="append")
    o = parser.parse_args()
    start = time.monotonic()
    failed = 0
    seeds = [range(at, min(at + CHUNK, o.seed + o.runs)) for at in range(o.seed, o.seed + o.runs, CHUNK)]
    for kind in o.kind or KINDS:
        with closing(spread(chunk, [(kind, each) for each in seeds], o.jobs)) as results:
            for wrong in results:
                failed += len(wrong)
                for line in wrong:
                    print(line, flush=True)
        print(f"{kind}: {o.runs} schedules, {time.monotonic() - start:.0f} s", flush=True)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
