"""Reads by the lease of the driver: no run within the bound of the clocks is stale, and runs beyond it are noticed."""

from dataclasses import replace

import pytest

from raftcy import sim
from raftcy.sim.profiles import DRIFT, PROFILES

RULES = ("leases exclude other leaders", "linearizable reads and writes")


@pytest.mark.once
@pytest.mark.parametrize("part", range(3))
def test_seeds_pass(part: int) -> None:
    for seed in range(part, 12, 3):
        sim.run(seed, "drifting").check()


@pytest.mark.full
@pytest.mark.once
@pytest.mark.parametrize("part", range(10))
def test_more_seeds_pass(part: int) -> None:
    for seed in range(12 + part, 132, 10):
        sim.run(seed, "drifting").check()


@pytest.mark.once
def test_clocks_beyond_the_bound_are_noticed() -> None:
    """Leases allow for ``DRIFT``. With clocks that drift further, another leader is elected while one still reads."""
    beyond = replace(PROFILES["drifting"], drift=2 * DRIFT)
    for seed in range(1, 60):
        failure = sim.run(seed, beyond).failure
        if failure is not None:
            assert failure.rule in RULES
            return
    pytest.fail("nothing was noticed")
