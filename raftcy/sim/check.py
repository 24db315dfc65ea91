"""A state machine of one's own, over many seeds."""

from collections.abc import Callable

from .machine import Machine
from .profiles import MIXED, Profile
from .result import STEPS, Result, SimulationFailed, failure
from .runs import run
from .shrink import shortest, shrink


def check(
    machine: Callable[[], Machine],
    seeds: int = 20,
    *,
    first: int = 1,
    profile: str | Profile = MIXED,
    steps: int = STEPS,
    shrink_s: float = 30.0,
) -> list[Result]:
    """Run ``seeds`` consecutive seeds with state machines made by ``machine``; the results.

    Raises SimulationFailed at the first that breaks a rule, with its shortest schedule as far as ``shrink_s`` seconds
    suffice to find it. What the machine raises is a broken rule too.
    """
    results = []
    for seed in range(first, first + seeds):
        result = run(seed, profile, steps, machine=machine)
        if result.failure is not None:
            shrunk = shrink(result, limit_s=shrink_s)
            raise SimulationFailed(f"{failure(result)}\n{shortest(shrunk)}")
        results.append(result)
    return results
