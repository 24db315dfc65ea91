"""Runs many seeds on several processes, and writes a summary."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial

from .._progress import Progress
from .clock import SECOND
from .coverage import Coverage
from .lockstep import run as run_in_lockstep
from .result import Result, failure
from .runs import run
from .shrink import shortest, shrink
from .workers import spread

SHRINK_S = 30.0
SHRUNK_MOST = 3


@dataclass(slots=True)
class Options:
    """What to run: ``seeds`` consecutive seeds, from ``first`` on, on ``jobs`` processes.

    ``shrink`` says whether to look for the shortest schedule of the first failures, which takes up to half a minute.
    """

    seeds: int
    first: int
    jobs: int
    profile: str
    steps: int
    lockstep: bool = False
    shrink: bool = True


@dataclass(slots=True)
class Totals:
    """The sum of all results so far."""

    passed: int = 0
    failed: list[Result] = field(default_factory=list)
    events: int = 0
    time: int = 0
    writes: int = 0
    reads: int = 0
    coverage: Coverage = field(default_factory=Coverage)

    def add(self, result: Result) -> None:
        """Add the result of a run."""
        if result.passed:
            self.passed += 1
        else:
            self.failed.append(result)
        self.events += result.events
        self.time += result.time
        self.writes += result.writes
        self.reads += result.reads
        self.coverage.add(result.coverage)

    def merge(self, other: "Totals") -> None:
        """Add the totals of another."""
        self.passed += other.passed
        self.failed += other.failed
        self.events += other.events
        self.time += other.time
        self.writes += other.writes
        self.reads += other.reads
        self.coverage.add(other.coverage)


def one(o: Options, seed: int) -> Totals:
    """Run a seed in this process."""
    totals = Totals()
    totals.add(run_in_lockstep(seed, o.profile, o.steps) if o.lockstep else run(seed, o.profile, o.steps))
    return totals


def run_seeds(o: Options, write: Callable[[str], object] = print, totals: Totals | None = None) -> Totals:
    """Run seeds as the options say. Writes each failure as it occurs, and at the end a summary with the outcome last.

    Shows progress on a terminal. If it is interrupted, the summary is that of the seeds that had ended, and so are
    ``totals``, if they are given.
    """
    how = ", both builds in lockstep" if o.lockstep else ""
    write(f"seeds {o.first} to {o.first + o.seeds - 1}, profile {o.profile}, {o.steps} steps, {o.jobs} jobs{how}")
    totals = Totals() if totals is None else totals
    begun = time.monotonic()
    try:
        with Progress("raftcy sim") as progress:
            _run_all(o, totals, begun, progress, write)
    except Exception:
        raise
    except BaseException:
        _write_summary(totals, time.monotonic() - begun, write)
        raise
    _write_summary(totals, time.monotonic() - begun, write)
    return totals


def _run_all(o: Options, totals: Totals, begun: float, progress: Progress, write: Callable[[str], object]) -> None:
    with closing(_parts(o)) as parts:
        for part in parts:
            if part.failed:
                progress.erase()
            for result in part.failed:
                _write_failure(result, o, len(totals.failed), write)
            totals.merge(part)
            if progress.is_due():
                seconds = time.monotonic() - begun
                done = totals.passed + len(totals.failed)
                rate = f"{done / seconds:.1f} seeds/s, {totals.events / seconds:.0f} events/s"
                progress.show(f"{done} of {o.seeds} seeds, {len(totals.failed)} failed, {rate}")


def _parts(o: Options) -> Generator[Totals, None, None]:
    """The totals of each seed, in order: one at a time, so that an interruption takes back as little as possible."""
    seeds = range(o.first, o.first + o.seeds)
    work = partial(one, o)
    if o.jobs == 1 or len(seeds) == 1:
        yield from map(work, seeds)
    else:
        yield from spread(work, seeds, o.jobs)


def _write_failure(result: Result, o: Options, place: int, write: Callable[[str], object]) -> None:
    write(failure(result))
    if place >= SHRUNK_MOST or not o.shrink:
        return
    write(shortest(shrink(result, limit_s=SHRINK_S)))


def _write_summary(totals: Totals, seconds: float, write: Callable[[str], object]) -> None:
    for line in totals.coverage.summary():
        write(line)
    seeds = totals.passed + len(totals.failed)
    seconds = max(seconds, 0.001)
    write(
        f"{totals.events} events in {seconds:.1f} s ({totals.events / seconds:.0f} events/s, {seeds / seconds:.1f} "
        f"seeds/s), {totals.time / SECOND:.0f} s of simulated time, {totals.writes} writes and {totals.reads} reads"
    )
    if totals.failed:
        write(f"failed seeds: {' '.join(str(result.seed) for result in totals.failed[:100])}")
    write(f"{totals.passed} seeds passed, {len(totals.failed)} failed")
