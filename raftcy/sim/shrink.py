"""The shortest schedule that still breaks the same rule, as far as it can be found in a given time.

Any part of a schedule is a schedule, so actions are left out, in ever smaller groups, as long as a run with the rest
breaks the same rule (Zeller's delta debugging). The result cannot be shortened by any one action unless the time ran
out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .lockstep import run as run_in_lockstep
from .runs import Result, run

Run = Callable[[list[int]], Result]


@dataclass(slots=True)
class Shrunk:
    """``result`` is the run of the shortest schedule, ``actions`` the numbers of its actions.

    ``before`` is how many there were, ``runs`` how many were tried, ``finished`` whether nothing was left to try.
    """

    result: Result
    actions: list[int]
    before: int
    runs: int
    finished: bool


def shrink(failed: Result, *, limit_s: float = 30.0, again: Run | None = None) -> Shrunk:
    """Shorten the schedule of a run that failed. ``again`` runs some of its actions, by default as the run was run.

    ValueError for a run that passed.
    """
    if failed.failure is None:
        raise ValueError(f"seed {failed.seed} has passed")
    rule = failed.failure.rule
    again = again or partial(rerun, failed)
    actions = [action.number for action, _ in failed.actions]
    shrunk = Shrunk(failed, actions, len(actions), 0, False)
    end = time.monotonic() + limit_s
    size = max(len(actions) // 2, 1)
    at = 0
    shorter = False
    while time.monotonic() < end:
        if at >= len(shrunk.actions):
            if size == 1 and not shorter:
                shrunk.finished = True
                break
            size, at, shorter = max(size // 2, 1), 0, False
            continue
        rest = shrunk.actions[:at] + shrunk.actions[at + size :]
        result = again(rest)
        shrunk.runs += 1
        if result.failure is not None and result.failure.rule == rule:
            # What was not reached before the failure goes as well.
            shrunk.actions = [action.number for action, _ in result.actions]
            shrunk.result = result
            shorter = True
        else:
            at += size
    return shrunk


def rerun(result: Result, only: list[int]) -> Result:
    """Run some of a run's actions with all else as it was: profile, machine, options, builds."""
    again = run_in_lockstep if result.lockstep else run
    return again(result.seed, result.profile, result.steps, only=only, machine=result.machine, **result.options)


def numbers(actions: list[int]) -> str:
    """Numbers as a short text, ``3,7-9``; ``-`` for none."""
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
