"""tools/venv.sh, which every target of the Makefile begins with: what it says, and ctrl-C at any moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.needs import ROOT, needs_tool

pytestmark = [pytest.mark.once, pytest.mark.skipif(os.name != "posix", reason="needs a shell")]


def test_ctrl_c_while_it_makes_the_environment(tmp_path: Path) -> None:
    """It ends at once with one line, without a traceback, and leaves nothing that looks like an environment."""
    line = [needs_tool("sh"), "tools/venv.sh", str(tmp_path / "venv"), "build"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "start_new_session": True}
    environment = os.environ | {"PYTHON": sys.executable}
    with subprocess.Popen(
        line, cwd=ROOT, env=environment, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"making {tmp_path / 'venv'} with Python {sys.version.split()[0]}\n"
        while not (tmp_path / "venv" / "bin").exists():
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.read() == "interrupted; the same command goes on from here\n"
        assert process.wait(30) == 130
    assert not (tmp_path / "venv" / "bin" / "python").exists()


def test_a_failure_ends_it(tmp_path: Path) -> None:
    """First an interpreter that can make no environment, then a pip that can install nothing."""
    broken = tmp_path / "python3"
    broken.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exit 3\nexec {sys.executable} "$@"\n')
    broken.chmod(0o755)
    venv = tmp_path / "venv"
    line = [needs_tool("sh"), "tools/venv.sh", str(venv), "build"]

    def fails(python: str) -> str:
        environment = os.environ | {"PYTHON": python, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
        done = subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode != 0
        return done.stderr

    assert "cannot make a virtual environment" in fails(str(broken))
    assert not venv.exists()
    for _ in range(2):  # it is not taken for done the next time
        assert "ERROR: " in fails(sys.executable)
    assert not (venv / ".group-build").exists()


def test_it_finds_an_interpreter_and_says_what_it_lacks() -> None:
    def found(**environment: str) -> subprocess.CompletedProcess[str]:
        line = [needs_tool("sh"), "tools/venv.sh", "--find"]
        return subprocess.run(line, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60)

    assert found(PYTHON=sys.executable).stdout == f"{sys.executable}\n"
    refused = found(PYTHON="/nowhere/python3")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "raftcy needs Python 3.11 or later; PYTHON=/nowhere/python3 is not that\n"


def test_groups_are_read_with_what_they_include() -> None:
    line = [sys.executable, "tools/group.py", "run"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["setuptools", "cython>=3.3.1,<4", "protobuf"]
