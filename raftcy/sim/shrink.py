"""Shortens the schedule of a failed run, as far as possible in a given time, while it still violates the same rule.

Any part of a schedule is a schedule. So actions are removed, in smaller and smaller groups, for as long as a run with
the rest violates the same rule (Zeller's delta debugging). Unless the time runs out, no single action can be removed
from the result.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from .clock import ms
from .lockstep import run as run_in_lockstep
from .result import Result, command
from .runs import run

Again = Callable[[list[int]], Result]
SHOWN_MOST = 60


@dataclass(slots=True)
class Shrunk:
    """``result`` is the run with the shortest schedule, and ``actions`` the numbers of its actions.

    ``before`` is the number of actions at the beginning, ``runs`` the number of runs tried. ``finished`` is False if
    the time ran out.
    """

    result: Result
    actions: list[int]
    before: int
    runs: int
    finished: bool


def shrink(failed: Result, *, limit_s: float = 30.0, again: Again | None = None) -> Shrunk:
    """Shorten the schedule of a failed run within ``limit_s`` seconds.

    ``again`` runs a part of the schedule; by default it repeats the run with all else unchanged. Raises ValueError if
    the run passed.
    """
    if failed.failure is None:
        raise ValueError(f"seed {failed.seed} passed")
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
            # Also drops the actions that were not reached before the failure.
            shrunk.actions = [action.number for action, _ in result.actions]
            shrunk.result = result
            shorter = True
        else:
            at += size
    return shrunk


def rerun(result: Result, only: list[int]) -> Result:
    """Run some of a run's actions with everything else unchanged: profile, machine, options, builds."""
    again = run_in_lockstep if result.lockstep else run
    return again(result.seed, result.profile, result.steps, only=only, machine=result.machine, **result.options)


def shortest(shrunk: Shrunk) -> str:
    """Describe the shortest schedule of a failure."""
    result = shrunk.result
    found = result.failure
    how = "" if shrunk.finished else ", when the time was up"
    lines = [f"  shortest schedule: {len(shrunk.actions)} of {shrunk.before} actions, after {shrunk.runs} runs{how}"]
    shown = result.actions[-SHOWN_MOST:]
    if len(shown) < len(result.actions):
        lines.append(f"    ... {len(result.actions) - len(shown)} before")
    lines += [f"    {ms(action.at)} [{action.number}] {effect or action.kind}" for action, effect in shown]
    if found is not None:
        lines.append(f"    event {found.event}, {ms(found.time)}: {found}")
    lines.append(f"  step by step: {command(result, shrunk.actions)}")
    return "\n".join(lines)
