"""Replication gives the collector no work and leaves nothing behind: short runs of ``tests.system.leaks.steady``."""

import json
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from tests.support.needs import ROOT

from .steady import CASES, LOOPS, SLACK, measure

pytestmark = pytest.mark.once


def run(build: str, proposals: int) -> list[dict[str, Any]]:
    """The output of the program, run in a separate process so that nothing else is counted."""
    environment = {**os.environ, "RAFTCY_PURE_PYTHON": "1" if build == "pure" else "", "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "tests.system.leaks.steady", str(proposals)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["build"] for line in told} == {build}
    assert [line for line in told if line["objects"] > SLACK or line["blocks"] > SLACK] == []
    assert done.returncode == 0
    return told


def test_the_collector_has_nothing_to_trace(raftcy: ModuleType) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, whose entries and messages the collector does not know")
    told = run("compiled", 10_000)
    assert len(told) == len(CASES) * len(LOOPS)
    assert [line for line in told if line["collections"] > 0] == []


def test_the_pure_build_leaves_nothing_behind() -> None:
    assert len(run("pure", 2_000)) == len(CASES)


@pytest.mark.parametrize("what", ["list", "value"])
def test_what_proposals_leave_behind_is_seen(raftcy: ModuleType, what: str) -> None:
    """Loses a list, or a value that the collector does not track, after each drain."""
    kept: list[Any] = []
    make = {"list": list, "value": raftcy.Entry}[what]
    found = measure(3, "python", 1, 2_000, lambda: kept.append(make()))
    assert found.blocks >= 2_000
    if what == "list":
        assert found.objects >= 2_000
        assert found.collections > 0
