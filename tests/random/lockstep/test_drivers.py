"""The driver, and the calls that do more at once, match a plain loop over Ready message for message.

This holds for every storage and every carrier.
"""

import random
from types import ModuleType
from typing import Any

import pytest

from .cluster import Options
from .drivers import Group, LoopbackGroup, RunGroup, ShortGroup, StepsGroup, draw

RUNS = 12
KINDS = [ShortGroup, LoopbackGroup, RunGroup, StepsGroup]
EVENTS = 60


def options(seed: int) -> Options:
    o = Options(random.Random(seed))
    o.flags["async_storage_writes"] = False
    return o


def compare(one: Any, other: Any, seed: int, o: Options) -> int:
    """Run two groups through the same events; returns the number of messages sent."""
    rng = random.Random(seed)
    ids = list(one.hosts)
    for number in range(EVENTS):
        event = ("campaign", 1) if number == 0 else draw(rng, ids, o)
        told = one.run(event), other.run(event)
        assert told[0] == told[1], (seed, number, event)
    return int(one.sent)


@pytest.mark.parametrize("storage", ["memory", "saving", "wrapped"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_same_as_a_loop_written_out(raftcy: ModuleType, kind: Any, storage: str) -> None:
    sent = 0
    for seed in range(RUNS):
        o = options(seed)
        group = kind(raftcy, o, storage)
        sent += compare(Group(raftcy, o, reports=kind is LoopbackGroup), group, seed, o)
        if storage == "saving":
            assert all(host.storage.saved > 0 for host in group.hosts.values() if host.applied > o.index)
    assert sent > 1_000


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_same_in_both_builds(raftcy: ModuleType, raftcy_pure: ModuleType, kind: Any) -> None:
    if raftcy.BUILD == "pure":
        pytest.skip("needs the compiled build, which this run does not use")
    for seed in range(100, 100 + RUNS):
        o = options(seed)
        compare(Group(raftcy_pure, o, reports=kind is LoopbackGroup), kind(raftcy, o), seed, o)


def test_what_kills_a_node_is_raised(raftcy: ModuleType) -> None:
    """For example an acknowledgement of entries that are gone: the drain raises LogLost, once."""
    o = options(1)
    group = LoopbackGroup(raftcy, o)
    kind = raftcy.MessageType.MSG_HEARTBEAT
    group.deliver([raftcy.Message(type=kind, to=1, from_=2, term=5, commit=o.index + 9)])
    with pytest.raises(raftcy.MembersFailed) as caught:
        group.loopback.drain()
    assert isinstance(caught.value.__cause__, raftcy.LogLost)
    group.loopback.drain()
    with pytest.raises(raftcy.Stopped):
        group.hosts[1].node.tick()


def test_parts_that_are_not_wanted(raftcy: ModuleType) -> None:
    """Without a carrier and an application, messages are dropped, and everything else continues."""
    o = options(1)
    o.flags["pre_vote"] = False
    host = Group(raftcy, o).hosts[1]
    driver = raftcy.Driver(host.node, host.storage)
    assert not driver.run()
    host.node.campaign()
    assert driver.run()
    assert host.storage.initial_state()[0] == raftcy.HardState(term=1, vote=1, commit=o.index)
