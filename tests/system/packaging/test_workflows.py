"""The workflows of continuous integration are valid, and give away nothing that they need not."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import ROOT, missing, needs_go

pytestmark = [pytest.mark.packaging, pytest.mark.once]

ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


def workflows() -> list[str]:
    found = sorted(str(path) for path in (ROOT / ".github" / "workflows").glob("*.yml"))
    if not found:
        pytest.skip("an sdist has no workflows")
    return found


def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    go = needs_go()
    files = workflows()
    done = subprocess.run([go, "run", ACTIONLINT, *files], cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_zizmor_finds_nothing() -> None:
    zizmor = Path(sys.executable).with_name("zizmor")
    if not zizmor.exists():
        missing("zizmor (the dependency group lint)")
    command = [str(zizmor), "--offline", "--no-progress", *workflows()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
