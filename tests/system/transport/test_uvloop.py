"""The tests of the transport once more on uvloop's event loop, where that is installed. raftcy never needs it."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.support.needs import ROOT

pytestmark = pytest.mark.once


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="needs the package uvloop, an extra")
@pytest.mark.waits(30)
def test_transport_on_uvloop() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/transport"]
    environment = {**os.environ, "RAFTCY_UVLOOP": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
