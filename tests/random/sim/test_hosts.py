"""Whole hosts in the simulator: seeds of each profile pass, alone and on both builds, and reach what they are for."""

import os
from collections.abc import Sequence
from types import ModuleType

import pytest

from raftcy import sim
from raftcy.sim import lockstep
from raftcy.sim.profiles import HOSTS, PROFILES
from raftcy.sim.runs import prepare

NAMES = sorted(profile.name for profile in PROFILES.values() if profile.hosts)
SEEDS = range(int(os.environ.get("RAFTCY_SIM_SEEDS", "300")) // 12)
FIRST = 3
# Seeds that reach what few do: programs too old for the version of their group, changes that are refused or pending.
RARE: dict[str, Sequence[int]] = {"upgrades": range(16, 26), "changing": (68, 75)}


@pytest.mark.once
@pytest.mark.parametrize("profile", NAMES)
def test_seeds_pass(profile: str) -> None:
    for seed in SEEDS[:FIRST]:
        sim.run(seed, profile).check()


@pytest.mark.full
@pytest.mark.once
@pytest.mark.parametrize("profile", NAMES)
def test_more_seeds_pass(profile: str) -> None:
    for seed in SEEDS[FIRST:]:
        sim.run(seed, profile).check()


@pytest.mark.parametrize("profile", NAMES)
def test_both_builds_take_the_same_way(raftcy: ModuleType, profile: str) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    lockstep.run(1, profile, 500).check()


@pytest.mark.once
def test_a_seed_takes_the_same_way_again() -> None:
    first, again = (sim.run(3, HOSTS) for _ in range(2))
    assert (first.digest, first.events, first.time) == (again.digest, again.events, again.time)
    assert first.digest != sim.run(4, HOSTS).digest


@pytest.mark.once
def test_a_part_of_a_schedule_can_be_replayed() -> None:
    """What the tools print of a run is the run; and a schedule of nothing settles by itself."""
    lines: list[str] = []
    assert sim.replay(5, HOSTS, 300, only=[2, 3, 40], until=200, write=lines.append) is None
    assert any("action [2]" in line for line in lines)
    assert any("-> 1: one" in line for line in lines)
    calm = sim.run(5, HOSTS, 300, only=[])
    calm.check()
    assert calm.actions == []


@pytest.mark.once
def test_hosts_take_no_other_machine() -> None:
    with pytest.raises(ValueError, match="whole hosts"):
        prepare(1, "service", machine=lambda: sim.Ledger())
    with pytest.raises(ValueError, match="whole hosts"):
        prepare(1, "service", hold_votes=False)


@pytest.mark.full
@pytest.mark.once
def test_runs_reach_what_they_are_for() -> None:
    """All messages, roles, transitions, faults, ends of processes and outcomes of calls come in a few seeds of each."""
    met = sim.run(0, "service").coverage
    for profile in NAMES:
        for seed in (*range(1, 16), *RARE.get(profile, ())):
            met.add(sim.run(seed, profile).coverage)
    for line in met.summary():
        assert "not reached" not in line or line.startswith("pairs")
