"""Long replication: how often the collector runs, and what each phase leaves behind.

    python -m tests.system.leaks.steady [PROPOSALS]      in each phase, 10,000 by default; on the build of this process

Groups of three, five and seven, drained by the compiled loop and by the one in Python, one proposal at a time and in
batches, compacted as they go. Prints a line of JSON for each. The exit status is 1 if anything is left behind.
"""

import gc
import json
import random
import sys
from array import array
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import raftcy
from bench.group import CompiledGroup, Group, silence

from .__main__ import sizes

LOOPS: dict[str, type[Group]] = {"compiled": CompiledGroup, "python": Group}
PHASES = 3
PROPOSALS = 10_000
KEEP = 500
COMPACT_EVERY = 1_000
# The threshold of CPython up to 3.13: the collector runs after so many more tracked objects were made than freed.
THRESHOLD = 700
# Objects and blocks that a phase may leave, because the interpreter's own come and go. A leak leaves one per proposal.
SLACK = 50
# Nodes, and proposals between two drains. The most exceeds a peer's window of 256 appends.
CASES = ((3, 1), (3, 64), (3, 300), (5, 1), (5, 64), (5, 300), (7, 300))


class Found(NamedTuple):
    """The result of the phases after the first."""

    collections: int
    """How often the collector ran while entries were replicated."""
    objects: int
    """How many more tracked objects exist after a phase than before it; the largest of all phases."""
    blocks: int
    """The same for blocks of Python's allocator."""


def phase(group: Group, numbers: range, batch: int, work: Callable[[], object] | None) -> None:
    """Propose each number, a batch at a time; call ``work`` after each batch; keep the last KEEP entries."""
    propose, drain = group.members[0].node.propose, group.drainer()
    due = numbers.start + COMPACT_EVERY
    for at in range(numbers.start, numbers.stop, batch):
        for number in range(at, at + batch):
            propose(b"%128d" % number)
        drain()
        if work is not None:
            work()
        if at >= due:
            due += COMPACT_EVERY
            group.compact()
    group.compact()


def measure(nodes: int, loop: str, batch: int, proposals: int, work: Callable[[], object] | None = None) -> Found:
    """Run a group through its phases. The first fills caches and does not count."""
    group = LOOPS[loop](raftcy, nodes, random.Random(1), KEEP)
    group.elect()
    length = proposals // batch * batch
    starts = 0

    def started(moment: str, told: dict[str, Any]) -> None:
        nonlocal starts
        starts += moment == "start"

    collections = 0
    marks = [array("q", [0] * PHASES) for _ in range(2)]
    before = gc.get_threshold()
    gc.set_threshold(THRESHOLD, *before[1:])
    gc.callbacks.append(started)
    try:
        for number in range(PHASES):
            sizes()
            starts = 0
            phase(group, range(number * length, (number + 1) * length), batch, work)
            collections += starts if number else 0
            for mark, size in zip(marks, sizes(), strict=False):
                mark[number] = size
    finally:
        gc.callbacks.remove(started)
        gc.set_threshold(*before)
    group.check(1 + PHASES * length, PHASES * length, PHASES * length * 128)
    objects, blocks = (max(late - early for early, late in pairwise(mark)) for mark in marks)
    return Found(collections, objects, blocks)


def main() -> int:
    proposals = int(sys.argv[1]) if len(sys.argv) > 1 else PROPOSALS
    silence()
    grown = False
    for loop in LOOPS if raftcy.BUILD == "compiled" else ["python"]:
        for nodes, batch in CASES:
            found = measure(nodes, loop, batch, proposals)
            grown = grown or found.objects > SLACK or found.blocks > SLACK
            told = {"build": raftcy.BUILD, "loop": loop, "nodes": nodes, "batch": batch, **found._asdict()}
            print(json.dumps(told))
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
