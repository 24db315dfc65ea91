"""The programs of the faults of other implementations print what should happen, on both builds.

Each program's docstring has the lines that it prints, or says that both builds print the same.
"""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import raftcy
from raftcy._build import SWITCH
from tests.support.needs import ROOT, missing, needs_shared

pytestmark = [pytest.mark.once, pytest.mark.waits]

PROGRAMS = Path(__file__).parent / "programs"
PRINTS = "\nIt prints:\n\n"
# Of these, each line is what one of many calls does.
COMPARED = {"d_arguments": 900, "d_none": 300, "e_unfinished_node": 25}
# Published programs that are only helpers, or whose situation another test plays in full, as docs/faults.md says.
ELSEWHERE = {
    "w_sim_signals": "tests.system.faults.test_signals:test_an_interrupted_simulation",
    "x_sample_hangs": "tests.meta.test_docs:test_programs_do_not_hide_errors",
    "wrong_storages": "tests.unit.core.test_storage_on_files:test_what_is_wrong_is_found",
}
HELPERS = {"lib", "store", "kv", "readme"}
BUILDS = sorted({raftcy.BUILD, "pure"})


def names() -> list[str]:
    return sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem not in ("__init__", "parts"))


def printed(name: str, build: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.system.faults.programs.{name}"],
        cwd=ROOT,
        env=os.environ | {SWITCH: "1" if build == "pure" else "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("build_name", BUILDS)
@pytest.mark.parametrize("name", [name for name in names() if name not in COMPARED])
def test_a_program(name: str, build_name: str) -> None:
    if name == "f_partition" and (sys.platform != "linux" or os.geteuid() != 0):
        missing("Linux and root, for a network namespace")
    text = ast.get_docstring(ast.parse((PROGRAMS / f"{name}.py").read_text())) or ""
    _, found, expected = text.partition(PRINTS)
    assert found, "its docstring does not say what it prints"
    assert printed(name, build_name).splitlines() == expected.splitlines()


@pytest.mark.parametrize("name", COMPARED)
def test_both_builds_do_the_same(name: str) -> None:
    told = [printed(name, build).splitlines() for build in BUILDS]
    assert [line for line in told[0] if line.endswith(": CRASH")] == []
    assert len(told[0]) > COMPARED[name]
    assert told[0] == told[-1]


def test_every_published_program_is_here() -> None:
    """A program that was published later is missed here."""
    folder = needs_shared("faults")
    published = {path.stem for path in folder.rglob("*.py")} - HELPERS
    assert published - set(names()) - set(ELSEWHERE) == set()
    for where in ELSEWHERE.values():
        module, _, test = where.partition(":")
        assert callable(getattr(importlib.import_module(module), test))
