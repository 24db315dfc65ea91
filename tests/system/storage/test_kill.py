"""A process that writes is killed again and again: every entry that it had acknowledged is there, as it was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raftcy.storage import DiskLog
from tests.support.needs import ROOT

from .writer import GROUPS, data_of

pytestmark = pytest.mark.waits(5)

ROUNDS = int(os.environ.get("RAFTCY_STORAGE_KILLS", "15"))


def written(folder: Path, rng: random.Random) -> dict[int, int]:
    """Run the writer for a while and kill it; the last index of each group that it has acknowledged."""
    command = [sys.executable, "-m", "tests.system.storage.writer", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        told = first + process.stdout.read()
    lines = [line.split() for line in told.splitlines() if told.endswith("\n") or line != told.splitlines()[-1]]
    return {int(id): int(index) for id, index in lines}


def test_what_was_acknowledged_survives_kills(tmp_path: Path) -> None:
    rng = random.Random(1)
    known = dict.fromkeys(GROUPS, 0)
    for _ in range(ROUNDS):
        known |= written(tmp_path, rng)
        with DiskLog(tmp_path, segment_size=64 << 10) as log:
            for id, index in known.items():
                group = log.group(id)
                assert group.last_index() >= index
                found = group.entries(group.first_index(), group.last_index() + 1, 2**64 - 1)
                assert [e.data for e in found] == [data_of(id, e.index) for e in found]
                known[id] = group.last_index()
    assert min(known.values()) > 1000
    assert len(list(tmp_path.glob("*.log"))) < 40
