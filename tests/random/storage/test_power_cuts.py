"""After a power cut within any sync, every group is as before it or as after it, and what it says stays said."""

import os

import pytest

from tests.random.storage.cuts import Cuts
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import History

RUNS = int(os.environ.get("RAFTCY_STORAGE_RUNS", "4"))


@pytest.mark.once
@pytest.mark.parametrize("seed", range(RUNS))
def test_nothing_acknowledged_is_lost(seed: int) -> None:
    """catches: etcd#14098, hashicorp/raft-wal#31, cockroach#3728, etcd#8455, PySyncObj#197"""
    seen = Cuts(seed, 40, 60).run()
    assert seen["cuts"] + seen["single losses"] + seen["subsets"] > 40
    assert seen["kills"] >= 10


@pytest.mark.parametrize("seed", range(RUNS))
def test_long_histories_equal_the_model(seed: int) -> None:
    """Segments are freed, groups are moved, logs are opened: every group holds what MemoryStorage holds.

    catches: etcd#22442, raft-engine#142
    """
    history = History(1000 + seed, CutDisk())
    freed = 0
    for _ in range(600):
        history.step()
        history.check()
        freed = max(freed, history.log.segments()[0])
    assert freed > 10
