"""A network that swallows packets for a while: it is reported meanwhile, and messages flow soon after it has healed."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.support.needs import ROOT, missing

pytestmark = pytest.mark.once


@pytest.fixture(scope="module", name="namespaces")
def can_make_namespaces() -> None:
    """Root's right to make a network namespace, and the programs that cut a link in it."""
    if sys.platform != "linux" or os.geteuid() != 0:
        missing("Linux and root, for a network namespace")
    for name in ("ip", "tc", "unshare"):
        if shutil.which(name) is None:
            missing(f"the program {name}")
    # Some containers run as root and yet may not.
    queue = "tc qdisc add dev lo root tbf rate 8bit burst 1 latency 1ms"
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", f"ip link set lo up && {queue}"], capture_output=True, text=True
    )
    if done.returncode != 0:
        missing(f"the right to make network namespaces ({done.stderr.strip()})")


@pytest.mark.parametrize("seconds", [pytest.param(each, marks=pytest.mark.waits(each)) for each in (5, 30, 60)])
def test_after_a_cut(namespaces: None, seconds: int) -> None:
    """The link carries nothing and says nothing. Connections that were open must not wait for TCP's own patience."""
    command = [sys.executable, "-m", "tests.system.transport.cut", str(seconds)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 150)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["before"] > 5
    assert found["during"] == 0
    assert found["first_report"] < 4.0, found
    assert found["reports"] >= 1
    assert found["after_heal"] < 1.0, found
