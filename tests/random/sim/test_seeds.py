"""Seeds of the simulator pass, alone and on both builds in lockstep, and reach what they are meant to reach."""

import os
from types import ModuleType

import pytest

from raftcy import sim
from raftcy.sim import lockstep

# The first seeds belong to `make test`; one in ten of each runs on both builds in lockstep.
SEEDS = range(int(os.environ.get("RAFTCY_SIM_SEEDS", "300")))
FIRST, FIRST_LOCKSTEP = 60, 6


@pytest.mark.once
@pytest.mark.parametrize("part", range(10))
def test_seeds_pass(part: int) -> None:
    """The part of the simulation that runs in every check."""
    for seed in SEEDS[part:FIRST:10]:
        sim.run(seed).check()


@pytest.mark.full
@pytest.mark.once
@pytest.mark.parametrize("part", range(10))
def test_more_seeds_pass(part: int) -> None:
    for seed in SEEDS[FIRST + part :: 10]:
        sim.run(seed).check()


@pytest.mark.parametrize("part", range(3))
def test_both_builds_take_the_same_way(raftcy: ModuleType, part: int) -> None:
    if raftcy.BUILD == "pure":
        with pytest.raises(lockstep.Unavailable):
            lockstep.run(1)
        return
    for seed in SEEDS[part:FIRST_LOCKSTEP:3]:
        lockstep.run(seed).check()


@pytest.mark.full
@pytest.mark.parametrize("part", range(3))
def test_both_builds_take_the_same_way_with_more_seeds(raftcy: ModuleType, part: int) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    for seed in range(FIRST_LOCKSTEP + part, len(SEEDS) // 10, 3):
        lockstep.run(seed).check()


@pytest.mark.once
def test_runs_reach_what_they_are_for() -> None:
    """A few seeds of the profile with everything show all messages, roles, transitions and faults."""
    met = sim.run(0, "default").coverage
    for seed in range(1, 25):
        met.add(sim.run(seed, "default").coverage)
    for line in met.summary()[:4]:
        assert "not reached" not in line


@pytest.mark.parametrize("profile", ["crashes", "async"])
def test_torn_writes(profile: str) -> None:
    """Storages of single calls: what a crash leaves of a write is a prefix of its entries, without the hard state."""
    torn = 0
    for seed in range(12):
        result = sim.run(seed, profile, torn_writes=True)
        result.check()
        torn += result.coverage.counts["faults"]["torn write"]
        assert sim.run(seed, profile, 300).coverage.counts["faults"]["torn write"] == 0
    assert torn > 0
