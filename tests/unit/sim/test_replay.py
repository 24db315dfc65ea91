"""The commands that a failure prints repeat it, whatever the run was made of, and so do those for shrinking."""

import importlib
import pickle
import re
import sys
from functools import partial
from itertools import count
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from raftcy import RawNode, StateType, cli, sim
from raftcy.core.config import Config
from raftcy.sim import lockstep
from raftcy.sim.result import command, failure
from raftcy.sim.shrink import rerun, shortest, shrink
from raftcy.sim.subject import Ledger
from tests.unit.sim.test_findings import REMOVED, SINGLE


class Limited(Ledger):
    """A state machine that fails at its twentieth command."""

    def apply(self, data: bytes) -> None:
        super().apply(data)
        if self.count == 20:
            # Not an assert, because pytest adds to its text.
            raise AssertionError("too much")


class Outer:
    """Has a state machine inside."""

    class Inner(Limited):
        """The same."""


def make_other(config: Config) -> RawNode:
    """A user's function."""
    return RawNode(config)


def printed(text: str) -> list[str]:
    """The commands for a failure and for its shortest schedule."""
    return re.findall(r"(?:replay|step by step): (.*)", text)


def again(line: str, capsys: pytest.CaptureFixture[str], scope: dict[str, Any] | None = None) -> str:
    """Run the command that replays a failure; returns its last line of output."""
    capsys.readouterr()
    words = line.removeprefix("python -m raftcy ")
    if words != line:
        assert cli.main(words.split()) == 1
    else:
        exec(line, scope or {})
    return capsys.readouterr().out.splitlines()[-1]


@pytest.fixture(name="few_runs")
def short_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shrinking believes that each run takes a fifth of a second, so it makes as few runs on any machine."""
    clock = SimpleNamespace(monotonic=count(0.0, 0.2).__next__)
    monkeypatch.setattr(importlib.import_module("raftcy.sim.shrink"), "time", clock)


def failing(**options: Any) -> sim.Result:
    runs = (sim.run(seed, **options) for seed in range(200))
    return next(result for result in runs if not result.passed)


@pytest.mark.usefixtures("few_runs")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"machine": Limited}, id="machine"),
        pytest.param({"machine": Outer.Inner, "steps": 700, "profile": "calm"}, id="inner"),
        pytest.param({"profile": SINGLE, "guard_reads": False}, id="guard"),
        pytest.param({"profile": REMOVED, "machine": Limited, "only": range(0, 400, 2)}, id="part"),
        pytest.param({"machine": Limited, "make_raw": make_other, "hold_votes": False}, id="own node"),
        pytest.param({"machine": Limited, "profile": sim.PROFILES["calm"]}, id="profile as an object"),
    ],
)
def test_what_is_printed_replays_the_failure(options: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    result = failing(**options)
    shrunk = shrink(result, limit_s=3)
    assert shrunk.runs > 1
    assert shrunk.result.failure is not None
    assert shrunk.result.failure.rule == result.failure.rule  # type: ignore[union-attr]
    told = printed(f"{failure(result)}\n{shortest(shrunk)}")
    assert len(told) == 2
    assert again(told[0], capsys) == f"*** {result.failure}"
    assert again(told[1], capsys) == f"*** {shrunk.result.failure}"


@pytest.mark.usefixtures("few_runs")
def test_what_check_prints_replays_the_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(sim.SimulationFailed) as raised:
        sim.check(Limited, profile="calm", shrink_s=3)
    for line in printed(str(raised.value)):
        assert again(line, capsys) == "*** no error: AssertionError: too much"


def test_a_machine_that_cannot_be_imported_goes_by_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    class Here(Limited):
        """Known only in this function."""

    line = command(sim.run(1, "calm", machine=Here))
    assert line == "from raftcy import sim; sim.replay(1, 'calm', machine=Here)"
    assert again(line, capsys, {"Here": Here}) == "*** no error: AssertionError: too much"


@pytest.mark.parametrize("machine", [lambda: Limited(), partial(Limited)])
def test_a_machine_without_a_name_is_left_to_the_reader(machine: Any) -> None:
    assert command(sim.run(1, "calm", 9, machine=machine)).endswith("(1, 'calm', steps=9, machine=<as given>)")


def test_a_program_of_the_main_module_needs_no_import(monkeypatch: pytest.MonkeyPatch) -> None:
    main = ModuleType("__main__")
    mine = type("Mine", (Limited,), {"__module__": "__main__"})
    monkeypatch.setattr(main, "Mine", mine, raising=False)
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert command(sim.run(1, "calm", 9, machine=mine)).endswith("sim; sim.replay(1, 'calm', steps=9, machine=Mine)")


def test_a_run_of_a_part_names_the_part() -> None:
    assert command(sim.run(5, "calm", 60, only={4, 1, 2})) == (
        "python -m raftcy sim replay 5 --profile calm --steps 60 --only 1-2,4"
    )
    assert command(sim.run(5, sim.PROFILES["calm"], 60)) == "python -m raftcy sim replay 5 --profile calm --steps 60"


def test_a_run_again_is_the_same_run() -> None:
    first = sim.run(7, REMOVED, 300, machine=Limited, guard_reads=False)
    # As it arrives from another process.
    first = pickle.loads(pickle.dumps(first))
    second = rerun(first, [action.number for action, _ in first.actions])
    assert (second.machine, second.options, second.profile) == (Limited, {"guard_reads": False}, REMOVED)
    assert (second.digest, second.time, second.failure) == (first.digest, first.time, first.failure)


# -- both builds ---------------------------------------------------------------------------------------------------


@pytest.fixture(name="differing")
def differing_builds(raftcy: ModuleType, raftcy_pure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pure build behaves differently whenever a member becomes leader."""
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    from raftcy_pure.sim import cluster as pure_cluster

    changed = pure_cluster.Cluster.changed

    def differently(self, member, before, after):  # type: ignore[no-untyped-def]
        leads = after.state == StateType.LEADER != before.state
        changed(self, member, before, after._replace(vote=after.vote + 100) if leads else after)

    monkeypatch.setattr(pure_cluster.Cluster, "changed", differently)


@pytest.mark.usefixtures("differing")
def test_a_difference_between_the_builds_is_shortened_and_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = "sim --lockstep --seeds 1 --from 3 --profile calm --steps 200 --jobs 1"
    assert cli.main(arguments.split()) == 1
    told = printed(capsys.readouterr().out)
    replayed = "python -m raftcy sim replay 3 --profile calm --steps 200"
    assert [line.partition(" --only ")[0] for line in told] == [f"{replayed} --lockstep", replayed]
    assert told[1].endswith(" --lockstep")
    for line in told:
        capsys.readouterr()
        assert cli.main(line.split()[3:]) == 1
        assert "*** both builds agree: after event " in capsys.readouterr().out


@pytest.mark.usefixtures("differing")
def test_a_machine_of_ones_own_in_lockstep(capsys: pytest.CaptureFixture[str]) -> None:
    result = lockstep.run(3, "calm", machine=Empty, guard_reads=False)
    line = command(result)
    assert line.endswith("sim.replay(3, 'calm', machine=Empty, guard_reads=False, lockstep=True)")
    exec(line, {})
    assert "*** both builds agree: " in capsys.readouterr().out
    shrunk = shrink(result, limit_s=5)
    assert shrunk.result.lockstep
    assert shrunk.actions == []


class Empty(Ledger):
    """A state machine that proposes only empty commands."""

    def command(self, random: Random) -> bytes:
        return b""


def test_replay_in_lockstep(raftcy: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """It shows the same as without; it needs a second build."""
    words = ["sim", "replay", "3", "--profile", "calm", "--steps", "60"]
    assert cli.main(words) == 0
    plain = capsys.readouterr().out
    for line in ([*words, "--lockstep"], ["sim", "--lockstep", *words[1:]]):
        status = cli.main(line)
        told = capsys.readouterr()
        if raftcy.BUILD == "pure":
            assert (status, told.out) == (2, "")
            assert "there is no compiled build here" in told.err
        else:
            assert (status, told.out) == (0, plain)


def test_lockstep_takes_profiles_by_name(raftcy: ModuleType) -> None:
    if raftcy.BUILD == "pure":
        with pytest.raises(lockstep.Unavailable):
            sim.replay(1, "calm", lockstep=True)
        return
    for call in (lockstep.run, partial(sim.replay, lockstep=True)):
        with pytest.raises(ValueError, match="lockstep takes a profile by its name"):
            call(1, SINGLE)
