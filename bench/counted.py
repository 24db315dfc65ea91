"""The program that ``instructions`` runs under valgrind: many benchmark runs, each in a fork of one process.

``python -m bench.counted LAYOUT`` reads lists of arguments of ``python -m bench`` from its input, as JSON, and prints
the process of each run, as JSON too. Valgrind prints the count of each process when it ends. A fork starts with the
count of its parent, so everything is loaded only once.

CPython caches type look-ups in a table that is indexed by the addresses of the names. If two names of an inner loop
share a place there, each pass costs hundreds of instructions more, and the addresses depend on everything loaded
before, down to the length of the checkout's path. Another LAYOUT, from 0 on, moves everything that is loaded here.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable


def _displaced(layout: int) -> list[bytes]:
    """Objects that leave holes of all sizes in the allocator's pools, for later objects; none for layout 0."""
    if layout == 0:
        return []
    held = [bytes(size) for size in range(1, 480, 16) for _ in range(200)]
    random.Random(layout).shuffle(held)
    del held[::2]
    return held


def _loaded() -> Callable[[list[str]], int]:
    """The benchmark's main function, with everything it needs loaded."""
    import raftcy  # noqa: F401 - before the forks

    from .__main__ import main

    return main


def run(main: Callable[[list[str]], int], arguments: list[str]) -> int:
    """Run ``main`` in a fork, idle without arguments; returns its process. Raises SystemExit if it fails."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if arguments:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            status = main(arguments) if arguments else 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return child


if __name__ == "__main__":
    _held = _displaced(int(sys.argv[1]))
    _main = _loaded()
    print(json.dumps([run(_main, arguments) for arguments in json.load(sys.stdin)]))
