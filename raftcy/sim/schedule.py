"""The schedule that a seed gives: its actions, and how some of them are written down.

An action is a time, a kind and four numbers from 0 up to 1. What these stand for is decided when it is performed
(``actions``), from the cluster as it is then: so any part of a schedule is a schedule.
"""

from bisect import bisect
from collections.abc import Collection, Iterator
from itertools import accumulate
from math import log
from typing import NamedTuple

from .profiles import Profile
from .streams import stream


class Action(NamedTuple):
    """``number`` in its schedule, ``at`` in virtual microseconds, ``kind``, and what its arguments are made of."""

    number: int
    at: int
    kind: str
    u: float
    v: float
    w: float
    x: float


def schedule(seed: int, profile: Profile, only: Collection[int] | None = None) -> Iterator[Action]:
    """The actions of a seed, without end; with ``only``, those of these numbers."""
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
    """Numbers of actions as a short text, ``3,7-9``; ``-`` for none."""
    parts: list[list[int]] = []
    for number in actions:
        if parts and parts[-1][-1] == number - 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts) or "-"


def parse(text: str) -> list[int]:
    """The inverse of ``numbers``; ValueError for anything else."""
    if text == "-":
        return []
    found: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not (low.isdecimal() and (not dash or high.isdecimal())):
            raise ValueError(f"{text!r} is no list of actions such as 3,7-9")
        if int(high or low) - int(low) > 10**6:
            raise ValueError(f"{part!r} are too many actions")
        found.update(range(int(low), int(high or low) + 1))
    return sorted(found)
