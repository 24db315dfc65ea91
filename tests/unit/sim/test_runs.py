"""Runs: one seed is one run, in both builds; a failure is found, shortened and reported."""

from dataclasses import fields
from random import Random
from types import ModuleType

import pytest

from raftcy import Config, sim
from raftcy.sim import lockstep
from raftcy.sim.actions import KINDS
from raftcy.sim.checkers import Violation
from raftcy.sim.hosts.deeds import KINDS as HOSTED_KINDS
from raftcy.sim.profiles import PROFILES, find, names
from raftcy.sim.result import command, failure
from raftcy.sim.runs import drive, prepare
from raftcy.sim.schedule import numbers, parse, schedule
from raftcy.sim.shrink import rerun, shortest, shrink
from tests.support.options import FLAGS

STEPS = 300


@pytest.mark.parametrize("profile", names())
def test_a_seed_is_one_run(profile: str) -> None:
    first, second = (sim.run(7, profile, STEPS) for _ in range(2))
    assert first.passed
    assert (first.digest, first.events, first.time) == (second.digest, second.events, second.time)
    assert first.actions == second.actions
    assert sim.run(8, profile, STEPS).digest != first.digest


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_every_profile_passes(profile: str) -> None:
    for seed in range(4):
        sim.run(seed, profile, 800).check()


def test_runs_have_both_ways_of_storage_and_both_ways_to_begin() -> None:
    seen = set()
    for seed in range(20):
        settings = prepare(seed).cluster.settings
        seen |= {("begun", settings.bootstrapped), ("async", settings.of(1)["async_storage_writes"])}
    assert len(seen) == 4


def test_members_have_every_option_both_ways() -> None:
    """Members draw every Config option, also new ones, except the one that leaves safety to the application."""
    drawn = [prepare(seed).cluster.settings.of(1) for seed in range(40)]
    objects = {"id", "storage", "applied", "logger", "trace_logger", "random"}
    assert {frozenset(options) for options in drawn} == {
        frozenset(each.name for each in fields(Config)) - objects - {"disable_conf_change_validation"}
    }
    for name in set(FLAGS) - {"disable_conf_change_validation"}:
        assert {options[name] for options in drawn} == {False, True}, name


def test_time_passes_without_waiting() -> None:
    result = sim.run(1, "calm", STEPS)
    assert result.time > 50_000
    assert (result.writes > 0, result.reads > 0) == (True, True)


# -- both builds --------------------------------------------------------------------------------------------------


def test_a_difference_between_the_builds_is_found(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    from raftcy_pure.sim import cluster as pure_cluster

    changed = pure_cluster.Cluster.changed
    seen = []

    def differently(self, member, before, after):  # type: ignore[no-untyped-def]
        seen.append(after)
        changed(self, member, before, after._replace(last=after.last + (len(seen) == 9)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pure_cluster.Cluster, "changed", differently)
        found = lockstep.run(3)
    assert found.failure is not None
    assert found.failure.rule == "both builds agree"


# -- schedules ----------------------------------------------------------------------------------------------------


def test_a_schedule_knows_every_action_and_every_action_is_in_a_profile() -> None:
    weights = {kind for profile in PROFILES.values() if not profile.hosts for kind in profile.weights}
    assert weights == set(KINDS)
    hosted = {kind for profile in PROFILES.values() if profile.hosts for kind in profile.weights}
    assert hosted == set(HOSTED_KINDS)


def test_part_of_a_schedule_is_that_part() -> None:
    every = schedule(5, PROFILES["default"])
    first = [next(every) for _ in range(20)]
    assert list(schedule(5, PROFILES["default"], [3, 7, 8])) == [first[3], first[7], first[8]]
    assert list(schedule(5, PROFILES["default"], [])) == []


def test_actions_in_part_give_a_run_too() -> None:
    result = sim.run(5, "default", STEPS, only=[1, 4, 5])
    assert [action.number for action, _ in result.actions] == [1, 4, 5]
    assert result.passed


def test_a_profile_must_be_known() -> None:
    with pytest.raises(ValueError, match="unknown profile 'x', not one of mixed, hosts, default"):
        sim.run(1, "x")
    assert find("mixed", 3).name in PROFILES


@pytest.mark.parametrize(("given", "text"), [([], "-"), ([3], "3"), ([1, 2, 3, 7, 9, 10], "1-3,7,9-10")])
def test_numbers_as_a_text(given: list[int], text: str) -> None:
    assert numbers(given) == text
    assert parse(text) == given


@pytest.mark.parametrize("text", ["", "x", "1,,2", "1-", "-2", "1-x", "0-99999999"])
def test_texts_that_are_not_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="action"):
        parse(text)


# -- failures -----------------------------------------------------------------------------------------------------


class Forgetful:
    """A state machine with a defect: its snapshot leaves something out."""

    def __init__(self) -> None:
        self.seen = 0
        self.last = 0

    def command(self, random: Random) -> bytes:
        return bytes([int(random.random() * 256)])

    def apply(self, data: bytes) -> None:
        self.seen += 1
        self.last = (self.last + data[0] * self.seen) % 251

    def snapshot(self) -> bytes:
        return b"%d" % self.last

    def restore(self, data: bytes) -> None:
        self.last = int(data or 0)
        self.seen = 0


@pytest.fixture(scope="module", name="failed")
def failed_run() -> sim.Result:
    results = (sim.run(seed, "snapshots", machine=Forgetful) for seed in range(50))
    return next(result for result in results if not result.passed)


def test_a_defect_of_the_state_machine_is_found(failed: sim.Result) -> None:
    assert failed.failure is not None
    assert failed.failure.rule == "state machine safety"
    with pytest.raises(sim.SimulationFailed, match=rf"seed {failed.seed}, profile snapshots: event \d+"):
        failed.check()


def test_a_failure_is_shortened_to_what_it_needs(failed: sim.Result) -> None:
    shrunk = shrink(failed, limit_s=600)
    assert shrunk.finished
    assert len(shrunk.actions) <= len(failed.actions) // 4
    assert shrunk.result.failure is not None
    assert shrunk.result.failure.rule == "state machine safety"
    for left_out in shrunk.actions:
        less = rerun(failed, [each for each in shrunk.actions if each != left_out])
        assert less.failure is None or less.failure.rule != "state machine safety"
    told = shortest(shrunk)
    assert f"shortest schedule: {len(shrunk.actions)} of {shrunk.before} actions" in told
    assert f"sim.replay({failed.seed}, 'snapshots', only={shrunk.actions}, machine=Forgetful)" in told


def test_shrinking_ends_in_time(failed: sim.Result) -> None:
    shrunk = shrink(failed, limit_s=0, again=lambda only: pytest.fail("the time was up"))
    assert (shrunk.finished, shrunk.runs, shrunk.result) == (False, 0, failed)
    assert "the time was up" in shortest(shrunk)


def test_only_a_failure_can_be_shortened() -> None:
    with pytest.raises(ValueError, match="seed 1 passed"):
        shrink(sim.run(1, "calm", 50))


def test_the_command_names_what_is_not_usual() -> None:
    result = sim.Result(5, "mixed", sim.STEPS)
    assert command(result) == "python -m raftcy sim replay 5"
    words = "python -m raftcy sim replay 5 --profile calm --steps 9 --only 1-2"
    assert command(sim.Result(5, "calm", 9), [1, 2]) == words
    assert failure(result) == "seed 5 passed"


def test_an_error_of_the_core_is_a_failure() -> None:
    """A driver that applies uncommitted entries: the core raises the error, and the run names it."""
    run = prepare(1, "calm")
    node = run.cluster.members[1].node
    run.cluster.clock.after(1, lambda: node.raft.log.applied_to(10**6, 0))
    with pytest.raises(Violation, match=r"^no error: InvariantError: .*applied\(1000000\) is out of range"):
        drive(run, 10)
