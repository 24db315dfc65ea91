"""``python -m tests.random.lockstep --runs 10000 --seed 1 --jobs 2``: many random runs of both builds in lockstep."""

import argparse
import sys
import time
from contextlib import closing

from raftcy.sim.workers import Terminated, spread, terminable

from .chunks import chunk

CHUNK = 10


def main() -> int:
    """Run the command line; returns 0 if the builds never differ, 130 and 143 after SIGINT and SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.random.lockstep")
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="the first of consecutive seeds")
    parser.add_argument("--jobs", type=int, default=2)
    o = parser.parse_args()
    import raftcy

    if raftcy.BUILD != "compiled":
        print("there is no compiled build here to compare with: run `make build`", file=sys.stderr)
        return 2
    start = time.monotonic()
    parts = [range(at, min(at + CHUNK, o.seed + o.runs)) for at in range(o.seed, o.seed + o.runs, CHUNK)]
    runs = events = failed = ended = 0
    try:
        with terminable(), closing(spread(chunk, parts, o.jobs)) as results:
            for done, seen, mismatch in results:
                runs += done
                events += seen
                if mismatch:
                    failed += 1
                    print(mismatch)
    except (KeyboardInterrupt, Terminated) as ending:
        ended = 130 if isinstance(ending, KeyboardInterrupt) else 143
    print(f"{events} events in {time.monotonic() - start:.0f} s")
    print(f"{runs} runs passed, {failed} failed")
    return ended or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main())
