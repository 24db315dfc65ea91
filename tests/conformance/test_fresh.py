"""Fresh random scripts from the reference, with a new seed each day, on both builds.

RAFTCY_FRESH_SEED repeats a day's scripts, and RAFTCY_FRESH_COUNT sets how many of each kind to run. `make fresh
COUNT=1000` runs thousands.
"""

import os
import subprocess
import sys

import pytest

from tests.support.needs import ROOT, needs_go
from tests.support.oracle import oracle_program

COUNT = os.environ.get("RAFTCY_FRESH_COUNT", "150")


@pytest.mark.full
@pytest.mark.once
def test_fresh_scripts() -> None:
    needs_go()
    oracle_program("gen")  # skips, or fails in CI, with the reason if the oracle cannot be built
    seed = os.environ.get("RAFTCY_FRESH_SEED")
    command = [sys.executable, "tools/fresh_scripts.py", "--count", COUNT, *(["--seed", seed] if seed else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" passed, 0 failed") >= 4
