"""The shortest schedule that still breaks the same rule, as far as it can be found in a given time.

Any part of a schedule is a schedule, so actions are left out, in ever smaller groups, as long as a run with the rest
breaks the same rule (Zeller's delta debugging). The result cannot be shortened by any one action unless the time ran
out.
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
    """``result`` is the run of the shortest schedule, ``actions`` the numbers of its actions.

    ``before`` is how many there were, ``runs`` how many were tried, ``finished`` whether nothing was left to try.
    """

    result: Result
    actions: list[int]
    before: int
    runs: int
    finished: bool


def shrink(failed: Result, *, limit_s: float = 30.0, again: Again | None = None) -> Shrunk:
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


def shortest(shrunk: Shrunk) -> str:
    """The shortest schedule of a failure."""
    result = shrunk.result
    found = result.failure
    how = "" if shrunk.finished else ", and the time was up"
    lines = [f"  shortest schedule: {len(shrunk.actions)} of {shrunk.before} actions, after {shrunk.runs} runs{how}"]
    shown = result.actions[-SHOWN_MOST:]
    if len(shown) < len(result.actions):
        lines.append(f"    ... {len(result.actions) - len(shown)} before")
    lines += [f"    {ms(action.at)} [{action.number}] {told or action.kind}" for action, told in shown]
    if found is not None:
        lines.append(f"    event {found.event}, {ms(found.time)}: {found}")
    lines.append(f"  step by step: {command(result, shrunk.actions)}")
    return "\n".join(lines)
