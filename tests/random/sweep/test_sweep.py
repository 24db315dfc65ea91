"""Every exported name called with what it does not expect: no crash, and equal errors in both builds.

`make test` takes a part of the cases, another one for each name; `make test-all` takes them all. `make asan` runs them
on the build that notices a read of foreign memory.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import raftcy
from raftcy._build import SWITCH

from .cases import CONVERTED, Case, all_cases

pytestmark = [pytest.mark.once, pytest.mark.fuzz]

ROOT = Path(__file__).resolve().parents[3]
PART = 8


def outcomes(cases: list[Case], pure: bool) -> list[str]:
    """What became of each case in a process of one build; a crash is one of the outcomes."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.random.sweep.child"],
        input="\n".join(map(json.dumps, cases)),
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {SWITCH: "1" if pure else "0"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def faults(cases: list[Case]) -> list[str]:
    """The cases that end the process, or differ between the builds."""
    found = []
    ours = outcomes(cases, raftcy.BUILD == "pure")
    plain = outcomes(cases, True)
    for case, one, other in zip(cases, ours, plain, strict=True):
        crashed = one.startswith("ends") or other.startswith("ends")
        if crashed or (one != other and case.cls not in CONVERTED):
            found.append(f"{case.cls or 'raftcy'}: {case.statement}: {raftcy.BUILD} {one!r}, pure {other!r}")
    return found


def test_every_name_has_cases(raftcy_pure: ModuleType) -> None:
    """A new name of the API is swept, or listed among those that are not."""
    cases = all_cases(raftcy_pure)
    text = "\n".join(case.statement for case in cases)
    swept = [name for name in raftcy_pure.__all__ if f"raftcy.{name}" in text]
    assert {"RawNode", "Driver", "Loopback", "Message", "tick_groups", "save_ready", "must_sync"} <= set(swept)
    assert len(cases) > 10_000


def test_a_part(raftcy_pure: ModuleType) -> None:
    assert faults(all_cases(raftcy_pure)[::PART]) == []


@pytest.mark.full
def test_all(raftcy_pure: ModuleType) -> None:
    assert faults(all_cases(raftcy_pure)) == []


def test_a_crash_is_an_outcome() -> None:
    crash = Case("", "__import__('os').kill(__import__('os').getpid(), 11)")
    assert [said[:4] for said in outcomes([Case("", "1"), crash, Case("", "None + 1")], True)] == [
        "retu",
        "ends",
        "rais",
    ]
