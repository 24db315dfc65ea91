"""Unmodified clients of etcd against one member: etcdctl, curl's JSON, Python's and Go's clients, etcd's benchmark."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from .members import running
from .toolbox import built, python_with

pytestmark = pytest.mark.once

MATRIX = Path(__file__).with_name("client_matrix.py")


@pytest.mark.waits(40)
def test_every_client(tmp_path: Path) -> None:
    # An older etcdctl too, if the system has one.
    programs = [str(built("etcdctl")), *filter(None, [shutil.which("etcdctl")])]
    environment = {
        **os.environ,
        "ETCDCTL": ":".join(programs),
        "ETCD3_PY": str(python_with("etcd3")),
        "GOCLIENT": str(built("goclient")),
        "BENCHMARK": str(built("benchmark")),
    }
    command = [python_with("clients"), MATRIX]
    with running(tmp_path) as members:
        done = subprocess.run(
            [*command, members.endpoints[0]], env=environment, capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr[-5000:]}"
    assert f"{12 + len(programs)} passed, 0 failed" in done.stdout
