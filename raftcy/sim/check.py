"""Runs many seeds with a given state machine."""

from collections.abc import Callable

from .profiles import MIXED, Profile
from .result import STEPS, Result, SimulationFailed, failure
from .runs import run
from .shrink import shortest, shrink
from .subject import Machine


def check(
    machine: Callable[[], Machine],
    seeds: int = 20,
    *,
    first: int = 1,
    profile: str | Profile = MIXED,
    steps: int = STEPS,
    shrink_s: float = 30.0,
) -> list[Result]:
    """Run ``seeds`` consecutive seeds from ``first`` on, with state machines made by ``machine``. Returns the results.

    Raises SimulationFailed at the first seed that violates a rule. The text includes the shortest schedule that
    ``shrink`` finds within ``shrink_s`` seconds. An error raised by the state machine also violates a rule.
    """
    results = []
    for seed in range(first, first + seeds):
        result = run(seed, profile, steps, machine=machine)
        if result.failure is not None:
            shrunk = shrink(result, limit_s=shrink_s)
            raise SimulationFailed(f"{failure(result)}\n{shortest(shrunk)}")
        results.append(result)
    return results
