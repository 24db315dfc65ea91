"""Nothing grows on either build, and a leak would be noticed."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

from raftcy._build import _compilable
from tests.support.needs import ROOT

from .__main__ import grows, growth
from .work import everything

pytestmark = pytest.mark.once

ROUNDS = 24


@pytest.mark.parametrize("pure", ["", "1"], ids=["compiled", "pure"])
def test_nothing_grows(raftcy: ModuleType, pure: str) -> None:
    """Measured in a separate process, so that nothing else is counted."""
    if not pure and raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    environment = {**os.environ, "RAFTCY_PURE_PYTHON": pure, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", "tests.system.leaks", str(ROUNDS)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stderr == ""
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["build"] == ("pure" if pure else "compiled")
    assert done.returncode == 0, told


def test_every_compiled_module_works(raftcy_pure: ModuleType) -> None:
    """A round calls a function of each compiled module, or of its plain twin; importing alone does not count."""
    folder = Path(raftcy_pure.__file__ or "").parent
    wanted = {name: str(folder.joinpath(*name.split(".")).with_suffix(".py")) for name in _compilable()}
    assert len(wanted) > 20
    for name in wanted:
        importlib.import_module(f"raftcy_pure.{name}")
    # The first round does not count, because it may import further modules.
    everything(raftcy_pure)
    ran: set[str] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        ran.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        everything(raftcy_pure)
    finally:
        sys.setprofile(before)
    assert [name for name, file in wanted.items() if file not in ran] == []


@pytest.mark.parametrize("what", ["list", "value", "memory"])
def test_leaks_are_seen(raftcy: ModuleType, what: str) -> None:
    """Loses a list, a value that the collector does not track, or plain memory in each round."""
    kept: list[Any] = []
    make = {"list": list, "value": raftcy.Message, "memory": lambda: b"x" * 200_000}[what]
    found = growth(lambda: kept.append(make()), ROUNDS)
    assert grows(found, ROUNDS), found
    assert not grows(growth(make, ROUNDS), ROUNDS)
