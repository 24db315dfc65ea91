"""Repeats the work and measures how much memory it leaves behind.

    python -m tests.system.leaks [ROUNDS]      on the build of this process; RAFTCY_PURE_PYTHON=1 for the pure one

The first rounds fill caches and free lists and are not counted. The exit status is 1 if anything grows.
"""

import gc
import json
import os
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import raftcy

from .work import everything

WARM_UP = 4
PARTS = 4
clear_caches = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
MOST_KIB = 512


class Sizes(NamedTuple):
    """The memory of a process."""

    objects: int
    blocks: int
    kib: int


def fill_free_lists() -> None:
    """Compiled classes keep the memory of some dead objects; bring all of these lists to the same length."""
    for make in (raftcy.Message, raftcy.Entry, raftcy.HardState, raftcy.ConfState, raftcy.SnapshotMetadata):
        del [make() for _ in range(1000)][:]
    for make in (raftcy.Snapshot, raftcy.ConfChange, raftcy.ConfChangeSingle, raftcy.ConfChangeV2, raftcy.Ready):
        del [make() for _ in range(1000)][:]


def sizes() -> Sizes:
    """This process's objects known to the collector, blocks of Python's allocator, and resident memory."""
    fill_free_lists()
    # Python's attribute caches keep the names that they saw last.
    clear_caches()
    gc.collect()
    objects = len(gc.get_objects())
    blocks = sys.getallocatedblocks()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sizes(objects, blocks, pages * os.sysconf("SC_PAGE_SIZE") // 1024)


def growth(work: Callable[[], None], rounds: int) -> Sizes:
    """The growth over one part of the rounds: the least that any of the PARTS shows.

    A leak shows in every part. The allocator takes memory in large pieces, so it shows only in some.
    """
    for _ in range(WARM_UP):
        work()
    marks = [sizes()]
    for _ in range(PARTS):
        for _ in range(rounds // PARTS):
            work()
        marks.append(sizes())
    parts = [[late - early for early, late in zip(*pair, strict=True)] for pair in pairwise(marks)]
    return Sizes(*(min(part) for part in zip(*parts, strict=True)))


def grows(found: Sizes, rounds: int) -> bool:
    """Whether this is a leak: one object or block in each round, or memory that no object holds."""
    return found.objects >= rounds // PARTS or found.blocks >= rounds // PARTS or found.kib > MOST_KIB


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    found = growth(lambda: everything(raftcy), rounds)
    print(json.dumps({"build": raftcy.BUILD, "rounds": rounds, **found._asdict()}))
    return int(grows(found, rounds))


if __name__ == "__main__":
    sys.exit(main())
