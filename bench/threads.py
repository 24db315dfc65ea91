"""Groups in threads: ``python -m bench.threads [WORKLOAD]``.

Each thread owns one group and shares only the package with the others. Prints, for one thread and for more, the units
that all of them finish per second (wall clock, median of the rounds), and the ratio to one thread. With the
interpreter's lock the threads take turns; without it they run in parallel.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import sys
import sysconfig
import threading
import time
from typing import Any

from .group import COMPACT_EVERY, silence
from .measured import counts
from .workloads import KINDS, turns_of

# Name -> (nodes of a group, proposals between two drains, bytes of a proposal), as in the workloads of these names.
WORKLOADS = {"replicate1": (3, 1, 128), "batch": (3, 64, 128), "big": (3, 16, 4096), "five": (5, 64, 128)}


class Worker(threading.Thread):
    """One group, driven by one thread. ``seconds`` is the wall time of its work after all threads are ready."""

    def __init__(self, raftcy: Any, o: argparse.Namespace, seed: int, ready: threading.Barrier) -> None:
        super().__init__()
        self.raftcy = raftcy
        self.options = o
        self.seed = seed
        self.ready = ready
        self.entries = 0
        self.began = self.ended = 0.0
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Make the group in this thread, so that its objects belong to it; then propose and drain."""
        try:
            self._replicate()
        except BaseException as failure:
            self.failure = failure
            self.ready.abort()

    def _replicate(self) -> None:
        o = self.options
        nodes, batch, size = WORKLOADS[o.workload]
        group = KINDS[o.loop](self.raftcy, nodes, random.Random(self.seed))
        group.elect()
        propose, drain, compact = group.members[0].node.propose, group.drainer(), group.compact
        turns = turns_of(batch, size)
        batches = max(1, o.n // batch)
        span = max(1, COMPACT_EVERY // batch)
        self.ready.wait()
        self.began = time.perf_counter()
        for start in range(0, batches, span):
            for turn in itertools.islice(turns, min(span, batches - start)):
                for payload in turn:
                    propose(payload)
                drain()
            compact()
        self.ended = time.perf_counter()
        self.entries = batches * batch
        group.check(1 + self.entries, self.entries, self.entries * size)


def per_second(raftcy: Any, o: argparse.Namespace, threads: int) -> float:
    """Entries per second of all threads together."""
    ready = threading.Barrier(threads)
    workers = [Worker(raftcy, o, o.seed + place, ready) for place in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for worker in workers:
        if worker.failure is not None:
            raise worker.failure
    wall = max(worker.ended for worker in workers) - min(worker.began for worker in workers)
    return sum(worker.entries for worker in workers) / wall


def locked() -> bool:
    """Whether the interpreter's lock lets only one thread run at a time."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def main(argv: list[str]) -> int:
    """Measure and compare."""
    p = argparse.ArgumentParser(prog="python -m bench.threads", description="One group a thread, several threads.")
    p.add_argument("workload", nargs="?", default="batch", choices=sorted(WORKLOADS))
    counts(p, "n")
    p.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="how many; each is compared with the first")
    p.add_argument("--rounds", type=int, default=5, help="of each, taking turns (default: 5)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--loop", choices=sorted(KINDS), default="compiled")
    p.set_defaults(n=256_000)
    o = p.parse_args(argv)
    silence()
    import raftcy

    if o.loop == "compiled" and raftcy.BUILD != "compiled":
        p.error("the pure build has no compiled loop")
    free = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "ordinary"
    print(f"CPython {sys.version.split()[0]}, {free}, lock {'on' if locked() else 'off'}, {raftcy.BUILD} build")
    found: dict[int, list[float]] = {count: [] for count in o.threads}
    for _ in range(o.rounds):
        for count, rates in found.items():
            rates.append(per_second(raftcy, o, count))
    base = statistics.median(found[o.threads[0]])
    for count, rates in found.items():
        rate = statistics.median(rates)
        print(f"{o.workload} {o.loop} loop, {count} threads: {rate:,.0f} entries/s, {rate / base:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
