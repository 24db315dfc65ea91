"""Seeds of the profile with idle groups, whose members sleep."""

import os
from types import ModuleType
from typing import Any

import pytest

from raftcy import sim
from raftcy.replica.together import Together
from raftcy.sim import lockstep
from raftcy.sim.checkers.sleep import SleepEnds

SEEDS = int(os.environ.get("RAFTCY_SIM_SEEDS", "300"))


@pytest.mark.once
@pytest.mark.parametrize("part", range(4))
def test_seeds_pass(part: int) -> None:
    for seed in range(part, SEEDS // 5, 4):
        sim.run(seed, "sleeping").check()


@pytest.mark.full
@pytest.mark.once
def test_more_seeds_pass() -> None:
    for seed in range(SEEDS // 5, SEEDS):
        sim.run(seed, "sleeping").check()


def test_both_builds_take_the_same_way(raftcy: ModuleType) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    for seed in range(max(3, SEEDS // 60)):
        lockstep.run(seed, "sleeping").check()


@pytest.mark.once
def test_members_sleep_and_wake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile would prove nothing if nobody slept, or if only work woke anybody."""
    ticks = {True: 0, False: 0}
    woken = []
    judge, wake = SleepEnds.ticked, Together._wake

    def ticked(self: SleepEnds, member: Any) -> None:
        ticks[member.is_asleep] += 1
        judge(self, member)

    def woke(self: Together, seat: object, after: int) -> None:
        woken.append(after)
        wake(self, seat, after)  # type: ignore[arg-type]

    monkeypatch.setattr(SleepEnds, "ticked", ticked)
    monkeypatch.setattr(Together, "_wake", woke)
    for seed in range(20):
        sim.run(seed, "sleeping").check()
    assert ticks[True] > ticks[False] / 10
    assert sum(1 for after in woken if after) > 20, "few slept under a host that fell silent"
    assert woken.count(0) > 200
