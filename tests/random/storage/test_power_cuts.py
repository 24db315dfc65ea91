"""After a power cut within any sync, every group is as before it or as after it, and what it says stays said."""

import os

import pytest

from tests.random.storage.cuts import Cuts

RUNS = int(os.environ.get("RAFTCY_STORAGE_RUNS", "4"))


@pytest.mark.once
@pytest.mark.parametrize("seed", range(RUNS))
def test_nothing_acknowledged_is_lost(seed: int) -> None:
    assert Cuts(seed, 30, 60).run() > 200
