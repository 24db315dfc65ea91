"""Nothing grows on either build, and a leak would be seen."""

import json
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest

from .._needs import FREE_THREADED, ROOT, missing
from .__main__ import grows, growth

pytestmark = pytest.mark.once

ROUNDS = 12


@pytest.fixture(autouse=True)
def has_proc() -> None:
    """Blocks are counted by CPython, resident memory by Linux."""
    if sys.implementation.name != "cpython":
        pytest.skip("needs CPython, which counts its blocks")
    if FREE_THREADED:
        pytest.skip("needs an interpreter with its lock: without it, memory is given back later, and not in rounds")
    if not os.path.exists("/proc/self/statm"):
        missing("/proc/self/statm")


@pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])
def test_nothing_grows(raftcy: ModuleType, pure: str) -> None:
    """In a process of its own, so that nothing else is counted."""
    if not pure and raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    environment = {**os.environ, "RAFTCY_PURE_PYTHON": pure, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "tests.leaks", str(ROUNDS)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["build"] == ("pure" if pure else "compiled")
    assert done.returncode == 0, told


@pytest.mark.parametrize("what", ["list", "value", "memory"])
def test_leaks_are_seen(raftcy: ModuleType, what: str) -> None:
    """A list, a value that the collector does not know, or plain memory, lost in each round."""
    kept: list[Any] = []
    make = {"list": list, "value": raftcy.Message, "memory": lambda: b"x" * 200_000}[what]
    found = growth(lambda: kept.append(make()), ROUNDS)
    assert grows(found, ROUNDS), found
    assert not grows(growth(make, ROUNDS), ROUNDS)
