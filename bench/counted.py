"""What ``instructions`` runs under valgrind: many runs of the benchmark, each in a fork of one process.

``python -m bench.counted`` reads lists of arguments of ``python -m bench`` from its input, as JSON, and prints the
process that ran each, as JSON too. Valgrind prints the count of each process when it ends. A fork starts with the count
of its parent, so that loading everything is paid once.
"""

from __future__ import annotations

import json
import os
import sys

from .__main__ import main


def run(arguments: list[str]) -> int:
    """Run in a fork, with nothing to run for no arguments; its process. Raises SystemExit if it fails."""
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
    import raftcy  # noqa: F401 - loaded before the forks

    print(json.dumps([run(arguments) for arguments in json.load(sys.stdin)]))
