"""Random runs of the compiled and the pure build in lockstep have equal outcomes, log lines, messages and states."""

import os
from types import ModuleType

import pytest

from .chunks import chunk
from .runs import run

RUNS = int(os.environ.get("RAFTCY_LOCKSTEP_RUNS", "200"))
PARTS = 10


@pytest.mark.parametrize("part", range(PARTS))
def test_builds_never_differ(raftcy: ModuleType, raftcy_pure: ModuleType, part: int) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    for seed in range(part, RUNS, PARTS):
        run(raftcy, raftcy_pure, seed)


@pytest.mark.parametrize("part", range(4))
def test_runs_are_reproducible(raftcy: ModuleType, part: int) -> None:
    """A run depends only on its seed: the same build twice does the same."""
    for seed in range(1_000 + part, 1_020, 4):
        assert run(raftcy, raftcy, seed, events=60) > 0


def test_what_a_worker_of_the_command_does(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    del raftcy_pure
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    runs, events, mismatch = chunk(range(1, 3))
    assert (runs, events > 0, mismatch) == (2, True, "")
