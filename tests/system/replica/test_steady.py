"""Memory and the event loop under load; the long forms are ``steady`` and ``blocked``, run as modules."""

import subprocess
import sys
from pathlib import Path

import pytest

import raftcy
from tests.support.needs import ROOT

from .steady import Size, grown

pytestmark = pytest.mark.once


def test_memory_stays_flat() -> None:
    """In a process of its own, so that nothing else is counted.

    A tenth of the proposals is as many as lie between two snapshots, so the log behind each is as long.
    """
    command = [sys.executable, "-m", "tests.system.replica.steady", "--proposals", "200000", "--reconnects", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_grows_is_found() -> None:
    """Two blocks for each of a million commands, as a leak of an entry leaves."""
    sizes = [Size(50 << 20, 200_000 + 200_000 * n, 40_000) for n in range(10)]
    assert len(grown(sizes)) == 1
    assert grown([Size(50 << 20, 200_000 + 100 * n, 40_000) for n in range(10)]) == []


@pytest.mark.waits(45)
def test_a_large_log_blocks_nobody(tmp_path: Path) -> None:
    """In a process of its own, because a collection of all that pytest holds takes longer than what is measured."""
    if raftcy.BUILD == "pure":
        pytest.skip("the limit is for the compiled build")
    command = [sys.executable, "-m", "tests.system.replica.blocked", "--mib", "64", "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
