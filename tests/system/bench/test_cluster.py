"""raftcy's benchmark of three processes replicates values end to end."""

import json
import os
import subprocess
import sys

import pytest

import raftcy
from tests.support.needs import ROOT


@pytest.mark.parametrize("outstanding", [1, 50])
def test_cluster(outstanding: int) -> None:
    words = ["cluster", "--n", "200", "--outstanding", str(outstanding)]
    environment = {**os.environ, "RAFTCY_PURE_PYTHON": "0" if raftcy.BUILD == "compiled" else "1"}
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    line = json.loads(done.stdout)
    assert (line["n"], line["build"], line["extra"]["outstanding"]) == (200, raftcy.BUILD, outstanding)
