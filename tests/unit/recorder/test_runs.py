"""Random clusters, recorded: recording changes nothing, and a replay on either build repeats the recorded run."""

import os
import random
from types import ModuleType
from typing import Any

import pytest

from tests.random.lockstep.cluster import Cluster, Host, Options
from tests.random.lockstep.runs import lead
from tests.support.recording import TwoSinks, counting, recorder_of

RUNS = int(os.environ.get("RAFTCY_RECORDER_RUNS", "32"))
PARTS = 4


class RecordedHost(Host):
    """A host whose nodes record; each start begins a new recording."""

    def make_node(self, config: Any) -> Any:
        recorder = recorder_of(self.raftcy)
        self.sinks = [*getattr(self, "sinks", []), TwoSinks(ring=recorder.Ring)]
        return recorder.Recorder(self.sinks[-1], counting()).make_raw(config)


class RecordedCluster(Cluster):
    host_class = RecordedHost


def replayed(raftcy: ModuleType, data: bytes) -> int:
    """The number of records that a replay on this build processed."""
    recorder = recorder_of(raftcy)
    recording = recorder.Recording(data)
    assert recording.torn is None
    count = recorder.Replay(recording).run()
    assert count == len(recording.records)
    return int(count)


@pytest.mark.parametrize("part", range(PARTS))
def test_recorded_runs_are_like_plain_ones_and_replay_exactly(
    raftcy: ModuleType, raftcy_pure: ModuleType, part: int
) -> None:
    builds = [raftcy_pure] if raftcy.BUILD == "pure" else [raftcy, raftcy_pure]
    checkpoints = 0
    for seed in range(part, RUNS, PARTS):
        rng = random.Random(seed)
        o = Options(rng)
        # Recorded on one build; if there are two, the plain run uses the other.
        recorded = RecordedCluster(builds[seed % len(builds)], o)
        lead(seed, rng, o, recorded, Cluster(builds[(seed + 1) % len(builds)], o), 120)
        for host in recorded.hosts.values():
            assert isinstance(host, RecordedHost)
            for sinks in host.sinks:
                for build in builds:
                    whole = replayed(build, sinks.whole.to_bytes())
                    assert replayed(build, sinks.small.to_bytes()) <= whole
                small = recorder_of(raftcy).Recording(sinks.small.to_bytes())
                checkpoints += small.records[0].kind == 1
    assert checkpoints > 0
