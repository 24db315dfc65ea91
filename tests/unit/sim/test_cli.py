"""``python -m raftcy sim``: its output, its exit status, and what it refuses."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import raftcy
from raftcy import cli
from raftcy.sim import cluster, runner
from raftcy.sim.checkers.base import Violation
from tests.support.needs import ROOT


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_seeds_that_pass(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "--seeds", "3", "--from", "7", "--steps", "200", "--jobs", "1"]) == 0
    told = lines(capsys)
    assert told[0] == "seeds 7 to 9, profile mixed, 200 steps, 1 jobs"
    assert told[-1] == "3 seeds passed, 0 failed"
    assert re.fullmatch(
        r"\d+ events in [\d.]+ s \(\d+ events/s, [\d.]+ seeds/s\), \d+ s of simulated time, \d+ writes and \d+ reads",
        told[-2],
    )
    assert [line.partition(":")[0] for line in told[1:6]] == [
        "messages", "roles", "transitions", "faults", "pairs of faults",
    ]  # fmt: skip


def test_whole_hosts_cannot_be_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    replay = ["sim", "replay", "7", "--profile", "hosts", "--steps", "40"]
    assert cli.main([*replay, "--record", str(tmp_path)]) == 2
    assert "whole hosts" in capsys.readouterr().err
    assert cli.main(replay) == 0
    assert lines(capsys)[-1] == "no rule was violated"


def test_several_processes_do_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The events are the same as with one process."""
    told = []
    for jobs in ("1", "2"):
        assert cli.main(["sim", "--seeds", "22", "--from", "7", "--steps", "40", "--jobs", jobs]) == 0
        told.append(lines(capsys)[-2].partition(" ")[0])
    assert told[0] == told[1]


def test_the_first_seed_comes_from_the_clock(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "--seeds", "1", "--steps", "20", "--jobs", "1"]) == 0
    assert re.match(r"seeds \d+ to \d+, ", lines(capsys)[0])


def test_a_seed_that_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The seed, the shortest schedule, and the command that replays it; then the summary, and status 1."""
    compact = cluster.Member.compact

    def planted(self, keep: int) -> int:  # type: ignore[no-untyped-def]
        at = compact(self, keep)
        if at and self.raft.state == 2:
            raise Violation("planted", f"{self.id} has made a snapshot as leader")
        return at

    monkeypatch.setattr(cluster.Member, "compact", planted)
    assert cli.main(["sim", "--seeds", "4", "--from", "1", "--profile", "snapshots", "--jobs", "1"]) == 1
    told = "\n".join(lines(capsys))
    found = re.search(
        r"seed (\d), profile snapshots: event \d+, .* ms: planted: \d has made a snapshot as leader", told
    )
    assert found is not None
    assert re.search(r"shortest schedule: \d+ of \d+ actions, after \d+ runs", told)
    step_by_step = re.search(rf"python -m raftcy (sim replay {found[1]} --profile snapshots --only \S+)", told)
    assert step_by_step is not None
    assert re.search(r"\d seeds passed, \d failed$", told)
    assert cli.main(step_by_step[1].split()) == 1
    assert lines(capsys)[-1].startswith("*** planted: ")


def test_replay_shows_states_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "replay", "3", "--profile", "elections", "--until", "150"]) == 0
    told = lines(capsys)
    assert told[-1] == "no rule was violated"
    assert sum(bool(re.match(r" +\d+ [\d.]+ ms  ", line)) for line in told) == 150
    places = [place for place, line in enumerate(told) if line.startswith("        -> ")]
    assert places
    assert all(re.match(r" +\d: (State|new|down)", told[place - 1]) for place in places)


def test_replay_to_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["sim", "replay", "3", "--profile", "calm", "--steps", "60", "--only", "0-3"]) == 0
    told = lines(capsys)
    assert "--- all faults end" in told
    assert told[-1] == "no rule was violated"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--seeds", "0"], "must be at least 1"),
        (["--seeds", "x"], "needs a whole number, not 'x'"),
        (["--seed", "7"], "error:"),  # no short form of --seeds
        (["--jobs", "0"], "must be at least 1"),
        (["--steps", "-1"], "must be at least 1"),
        (["--from", "-1"], "must be 0 to 2**64-1"),
        (["--profile", "none"], "invalid choice: 'none'"),
        (["replay"], "required: seed"),
        (["replay", "x"], "needs a whole number, not 'x'"),
        (["replay", "1", "--only", "3-"], "'3-' is not a list of actions such as 3,7-9"),
        (["replay", "1", "--until", "0"], "must be at least 1"),
    ],
)
def test_wrong_arguments(words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["sim", *words])
    assert ended.value.code == 2
    assert text in capsys.readouterr().err


def test_lockstep(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["sim", "--lockstep", "--seeds", "2", "--from", "1", "--steps", "100", "--jobs", "1"])
    captured = capsys.readouterr()
    if raftcy.BUILD == "pure":
        assert (status, captured.out) == (2, "")
        assert "there is no compiled build here" in captured.err
    else:
        assert status == 0
        assert "both builds in lockstep" in captured.out
        assert captured.out.endswith("2 seeds passed, 0 failed\n")


def test_progress_goes_to_standard_error(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PROGRESS_S", 0.0)
    assert cli.main(["sim", "--seeds", "2", "--from", "7", "--steps", "20", "--jobs", "1"]) == 0
    assert re.search(r"^2 of 2 seeds, 0 failed, [\d.]+ seeds/s, \d+ events/s$", capsys.readouterr().err, re.M)


PLUGGED = """
class Sum:
    def __init__(self): self.total = 0
    def command(self, random): return b"%d" % int(random.random() * 9)
    def apply(self, data): self.total += int(data)
    def snapshot(self): return b"%d" % self.total
    def restore(self, data): self.total = int(data or 0)

class Wrong(Sum):
    def apply(self, data):
        super().apply(data)
        assert self.total < 30, "too much"

def test_sum(simulate):
    assert [result.seed for result in simulate(Sum, seeds=9, steps=200)] == [5, 6]

def test_wrong(simulate):
    simulate(Wrong, profile="calm", shrink_s=5)
"""


@pytest.mark.once
def test_the_pytest_plugin(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = "raftcy.sim.pytest_plugin"\n')
    (tmp_path / "test_plugged.py").write_text(PLUGGED)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--sim-seeds",
        "2",
        "--sim-from",
        "5",
        ".",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=300
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "no error: AssertionError: too much" in done.stdout
    assert "shortest schedule" in done.stdout
