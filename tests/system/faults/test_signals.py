"""Commands that start processes, and signals: all of them are gone within a second, and what had passed is printed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import raftcy
from raftcy._build import SWITCH
from tests.support.needs import ROOT

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see all processes"),
]

SECONDS = 1.0
# A machine that is busy with something else takes its time to clean up.
LIMIT_S = 1.5 if os.getloadavg()[0] < 2 * (os.cpu_count() or 1) else 10.0
# A worker that has taken so much processor time has finished many seeds of few steps, on the pure build too.
WORKED_S = 2.5
SIM = ["-m", "raftcy", "sim", "--seeds", "100000", "--steps", "100", "--jobs", "2"]
# What each command runs, and what it has printed once it is in the middle of its work.
COMMANDS = {
    "sim": (SIM, ""),
    "sim in one process": ([*SIM[:-1], "1"], ""),
    "long seeds": (["-m", "raftcy", "sim", "--seeds", "10", "--steps", "1000000", "--jobs", "2"], ""),
    "lockstep": (["-m", "tests.random.lockstep", "--runs", "100000", "--jobs", "2"], ""),
    "mutants": (["-m", "tests.random.mutants", "--check", "--jobs", "2"], ""),
    "demo": (["-m", "raftcy", "demo", "--records", "138000"], "leads in term"),
}
WAYS: dict[str, tuple[Callable[[int], None], int]] = {
    "SIGINT to the group": (lambda pid: os.killpg(pid, signal.SIGINT), 130),
    "SIGINT": (lambda pid: os.kill(pid, signal.SIGINT), 130),
    "SIGTERM": (lambda pid: os.kill(pid, signal.SIGTERM), 143),
}


def status(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the name: state, parent, group; None if the process is gone."""
    try:
        found = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if found[0] == "Z" else found


def descendants(pid: int) -> set[int]:
    """All processes below one, whatever group they are in."""
    parents: dict[int, int] = {}
    for each in os.listdir("/proc"):
        if each.isdigit() and (found := status(int(each))) is not None:
            parents[int(each)] = int(found[1])
    below = {pid}
    while grown := {each for each, parent in parents.items() if parent in below} - below:
        below |= grown
    return below - {pid}


def cpu_s(pid: int) -> float:
    """The seconds of processor time that a process has taken, none of its children; 0 if it is gone."""
    found = status(pid)
    return (int(found[11]) + int(found[12])) / os.sysconf("SC_CLK_TCK") if found else 0.0


def _heed_interrupts() -> None:
    """A shell that runs the tests in the background has SIGINT ignored, which processes inherit."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Started:
    """A command in the middle of its work, with all its processes."""

    def __init__(self, name: str, output: Path, pure: bool) -> None:
        words, told = COMMANDS[name]
        self.output = output
        environment = {**os.environ, SWITCH: "1" if pure else "0", "PYTHONUNBUFFERED": "1"}
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=_heed_interrupts,
            )
        self.below: set[int] = set()
        workers = 1 if name.endswith("one process") else 2
        limit = time.monotonic() + 60
        while time.monotonic() < limit and self.process.poll() is None:
            self.below = descendants(self.process.pid)
            if told in output.read_text() and (workers == 1 or len(self.below) >= workers):
                break
            time.sleep(0.05)
        while not told and time.monotonic() < limit and self.process.poll() is None:
            self.below = descendants(self.process.pid)
            # In a pipe, a command says nothing of its progress.
            if sum(cpu_s(each) > WORKED_S for each in self.below | {self.process.pid}) >= workers:
                break
            time.sleep(0.05)

    def left(self) -> set[int]:
        """What is left of the processes after at most a second."""
        limit = time.monotonic() + SECONDS * (LIMIT_S / 1.5)
        while (left := {each for each in self.below if status(each)}) and time.monotonic() < limit:
            time.sleep(0.02)
        return left

    def kill(self) -> None:
        for each in self.below | {self.process.pid}:
            if status(each):
                os.kill(each, signal.SIGKILL)
        self.process.wait()


def ended_by(way: str, name: str, output: Path, pure: bool) -> tuple[int, set[int], float, str]:
    """Exit status, processes that are left, seconds until the end, and what was printed."""
    act, _ = WAYS[way]
    started = Started(name, output, pure)
    try:
        assert started.process.poll() is None, output.read_text()
        begun = time.monotonic()
        act(started.process.pid)
        code = started.process.wait(timeout=30)
        took = time.monotonic() - begun
        return code, started.left(), took, output.read_text()
    finally:
        started.kill()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["sim", "sim in one process"])
def test_an_interrupted_simulation(name: str, way: str, tmp_path: Path) -> None:
    """Nothing is left after a second, and what had passed is printed.

    catches: faults#W
    """
    code, left, took, told = ended_by(way, name, tmp_path / "told", raftcy.BUILD == "pure")
    assert left == set()
    assert took < LIMIT_S, told
    assert (code, "Traceback" in told) == (WAYS[way][1], False), told
    passed = re.search(r"(\d+) seeds passed, 0 failed$", told, re.M)
    assert passed is not None, told
    assert int(passed[1]) > 0


@pytest.mark.parametrize("pure", [False, True])
def test_workers_do_not_outlive_a_parent_that_was_killed(pure: bool, tmp_path: Path) -> None:
    """Not even to the end of what they are doing.

    catches: faults#W
    """
    started = Started("long seeds", tmp_path / "told", pure)
    try:
        assert len(started.below) >= 2
        started.process.kill()
        started.process.wait()
        assert started.left() == set()
    finally:
        started.kill()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["lockstep", "mutants", "demo"])
def test_other_commands_that_start_processes(name: str, way: str, tmp_path: Path) -> None:
    if name == "lockstep" and raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build")
    code, left, took, told = ended_by(way, name, tmp_path / "told", raftcy.BUILD == "pure")
    assert left == set()
    assert took < LIMIT_S, told
    assert (code, "Traceback" in told) == (WAYS[way][1], False), told
    if name == "lockstep":
        assert re.search(r"\d+ runs passed, 0 failed$", told, re.M), told
