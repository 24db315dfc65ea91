"""Finds the inputs of a corpus worth keeping: the shortest ones that together reach every step that all of them reach.

A step is a pair of lines run one after the other in a function of the pure build.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from .targets import TARGETS

Step = tuple[str, int, int]


def reached(target: str, builds: list[ModuleType], data: bytes) -> set[Step]:
    """The steps that an input reaches."""
    folder = str(Path(builds[-1].__file__ or "").parent)
    found: set[Step] = set()

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        if event != "call" or not frame.f_code.co_filename.startswith(folder):
            return None
        last = 0
        name = frame.f_code.co_filename

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal last
            if event == "line":
                found.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return line

        return line

    sys.settrace(watch)
    try:
        TARGETS[target](builds, data)
    finally:
        sys.settrace(None)
    return found


def worth_keeping(target: str, builds: list[ModuleType], inputs: Iterable[bytes], most_bytes: int) -> list[bytes]:
    """The inputs that reach new steps, the most for their length first, up to `most_bytes` in total."""
    rest = {data: reached(target, builds, data) for data in set(inputs)}
    kept: list[bytes] = []
    known: set[Step] = set()
    while rest:
        best = max(rest, key=lambda data: (len(rest[data] - known) / (len(data) + 8), -len(data), data))
        if not rest[best] - known or sum(map(len, kept)) + len(best) > most_bytes:
            break
        kept.append(best)
        known |= rest.pop(best)
    return kept
