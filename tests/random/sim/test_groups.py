"""Groups in the simulator: sessions, time and versions around each ready machine, under all faults."""

import os
from collections import Counter
from types import ModuleType

import pytest

from raftcy import sim
from raftcy.sim import groups, lockstep
from raftcy.sim.profiles import PROFILES

pytest.importorskip("msgspec")

GROUPS = sorted(profile.name for profile in PROFILES.values() if profile.group)
SEEDS = range(int(os.environ.get("RAFTCY_SIM_SEEDS", "300")) // 6)
FIRST, FIRST_LOCKSTEP = 6, 1


def test_each_ready_machine_has_a_profile() -> None:
    assert GROUPS == sorted(groups.MODELS)


@pytest.mark.once
@pytest.mark.parametrize("profile", GROUPS)
def test_seeds_pass(profile: str) -> None:
    for seed in SEEDS[:FIRST]:
        sim.run(seed, profile).check()


@pytest.mark.full
@pytest.mark.once
@pytest.mark.parametrize("profile", GROUPS)
def test_more_seeds_pass(profile: str) -> None:
    for seed in SEEDS[FIRST:]:
        sim.run(seed, profile).check()


@pytest.mark.parametrize("profile", GROUPS)
def test_both_builds_take_the_same_way(raftcy: ModuleType, profile: str) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    for seed in SEEDS[:FIRST_LOCKSTEP]:
        lockstep.run(seed, profile).check()


@pytest.mark.once
def test_runs_reach_what_they_are_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of sessions end in every way, sessions expire, and the version rises, within a few seeds."""
    met: Counter[str] = Counter()
    expected, apply_at, restore = groups.Watch.expected, groups.GroupSubject.apply_at, groups.GroupSubject.restore

    def counted(self: groups.Watch, session: int, number: int, acknowledged: int) -> tuple[str, bytes]:
        found = expected(self, session, number, acknowledged)
        met[found[0]] += number < 2**63
        return found

    def at(self: groups.GroupSubject, *entry: object) -> None:
        version, open = self.watch.version, set(self.watch.open)
        apply_at(self, *entry)  # type: ignore[arg-type]
        met["rise"] += self.watch.version - version
        met["ended"] += len(open - set(self.watch.open))

    def restored(self: groups.GroupSubject, data: bytes) -> None:
        restore(self, data)
        met["restored"] += len(data) > 0

    monkeypatch.setattr(groups.Watch, "expected", counted)
    monkeypatch.setattr(groups.GroupSubject, "apply_at", at)
    monkeypatch.setattr(groups.GroupSubject, "restore", restored)
    for seed in range(8):
        sim.run(seed, "lock").check()
    assert set(met) == {"applied", "kept", "acknowledged", "window", "expired", "rise", "ended", "restored"}
    assert min(met.values()) >= 5, met
