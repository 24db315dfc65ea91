"""The schedule of a seed: its actions, and a notation for some of them.

An action is a time, a kind and four numbers from 0 up to 1. Their meaning is decided only when the action is performed
(``actions``), from the state of the cluster at that moment. So any part of a schedule is a schedule, which is what
makes shrinking possible.
"""

from bisect import bisect
from collections.abc import Collection, Iterator
from itertools import accumulate
from math import log
from typing import NamedTuple

from .profiles import Profile
from .streams import stream


class Action(NamedTuple):
    """Action ``number`` of its schedule, at virtual time ``at`` (microseconds). ``u`` to ``x`` decide its arguments."""

    number: int
    at: int
    kind: str
    u: float
    v: float
    w: float
    x: float


def schedule(seed: int, profile: Profile, only: Collection[int] | None = None) -> Iterator[Action]:
    """Yield the actions of a seed, endlessly; with ``only``, just the actions with these numbers."""
    random = stream(seed, "schedule").random
    kinds = list(profile.weights)
    bounds = list(accumulate(profile.weights.values()))
    at = 0
    last = None if only is None else max(only, default=-1)
    number = 0
    while last is None or number <= last:
        at += int(-log(1.0 - random()) * profile.interval)
        kind = kinds[bisect(bounds, random() * bounds[-1])]
        action = Action(number, at, kind, random(), random(), random(), random())
        if only is None or number in only:
            yield action
        number += 1


def numbers(actions: list[int]) -> str:
    """Format ascending numbers of actions as a short text such as ``3,7-9``; ``-`` for none."""
    parts: list[list[int]] = []
    for number in actions:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts) or "-"


def parse(text: str) -> list[int]:
    """Parse the format of ``numbers``. Raises ValueError for anything else."""
    if text == "-":
        return []
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not (low.isdecimal() and (not dash or high.isdecimal())):
            raise ValueError(f"{text!r} is not a list of actions such as 3,7-9")
        if int(high or low) - int(low) > 10**6:
            raise ValueError(f"{part!r} has too many actions")
        found.update(range(int(low), int(high or low) + 1))
    return sorted(found)
