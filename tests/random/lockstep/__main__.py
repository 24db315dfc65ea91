"""``python -m tests.random.lockstep --runs 10000 --seed 1 --jobs 2``: many random runs of both builds in lockstep."""

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

CHUNK = 50


def chunk(seeds: range) -> tuple[int, int, str]:
    """Run some seeds; returns (runs, events, the first mismatch or an empty text)."""
    import raftcy
    from raftcy._build import load_pure

    from .runs import Mismatch, run

    pure = load_pure("raftcy_pure")
    events = 0
    for done, seed in enumerate(seeds):
        try:
            events += run(raftcy, pure, seed)
        except Mismatch as mismatch:
            return done, events, str(mismatch)
    return len(seeds), events, ""


def main() -> int:
    """Run the command line; returns 0 if the builds never differ."""
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
    runs = events = failed = 0
    with ProcessPoolExecutor(o.jobs) as pool:
        for done, seen, mismatch in pool.map(chunk, parts):
            runs += done
            events += seen
            if mismatch:
                failed += 1
                print(mismatch)
    print(f"{events} events in {time.monotonic() - start:.0f} s")
    print(f"{runs} runs passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
