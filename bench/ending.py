"""How the commands of the benchmark end: their exit statuses, and ctrl-C with what had been measured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

STATUSES: dict[str, dict[int, str]] = {
    "bench": {
        0: "it was measured",
        1: "the run failed",
        2: "the command line is wrong, or this build cannot run it",
    },
    "bench.report": {
        0: "all was measured",
        1: "a run failed, or with --full a cost is not flat",
        2: "the command line is wrong",
    },
    "bench.durable": {0: "all was measured", 1: "a document has no place for it", 2: "the command line is wrong"},
    "bench.etcd": {0: "all was measured", 1: "a document has no place for it", 2: "the command line is wrong"},
    "bench.instructions": {
        0: "they were counted, and with --check none has grown",
        1: "a count has grown by more than 5 %, or counting failed",
        2: "the command line is wrong, or valgrind or the compiled build is missing",
    },
    "bench.flat": {
        0: "all lines are flat",
        1: "a line is not flat, or counting failed",
        2: "the command line is wrong",
    },
}
"""What the statuses of ``python -m COMMAND`` mean, besides those of signals."""


class Parser(argparse.ArgumentParser):
    """The parser of ``python -m COMMAND``, whose help ends with the exit statuses.

    raftcy is imported for the help alone: a run that is measured should load nothing besides what it measures.
    """

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"python -m {command}", description=description, allow_abbrev=False)
        self._command = command

    def format_help(self) -> str:
        """Return the help."""
        from raftcy._statuses import statuses_text

        self.epilog = statuses_text(STATUSES[self._command])
        return super().format_help()


class Interrupted(Exception):
    """Ctrl-C ended a measurement, which has ``found`` in it what had been measured."""

    def __init__(self, found: Any) -> None:
        super().__init__("interrupted")
        self.found = found


def run(command: str, main: Callable[[list[str]], int], argv: list[str]) -> int:
    """Run a command. If ctrl-C ends it, say so in one line; SIGTERM ends it as any program."""
    try:
        return main(argv)
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        return 130
