"""What is no node, group or message among those that are given: a TypeError before anything is done, in both builds."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.unit.wire.test_whole import config, storage

ODD: list[Any] = [None, 1, "a", (2,), int]


def group(build: ModuleType) -> Any:
    loopback = build.Loopback()
    given = storage(build)
    loopback.add(build.RawNode(config(build, storage=given)), given)
    return loopback


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
@pytest.mark.parametrize("act", ["tick_groups", "drain_all", "tick_all"])
def test_groups_and_nodes(build: ModuleType, act: str, odd: Any) -> None:
    """catches: faults#D"""
    groups = [group(build), group(build)]
    items = [each.find(1).node for each in groups] if act == "tick_all" else groups
    before = [each.find(1).node.status() for each in groups]
    elapsed = [each.find(1).node.raft.election_elapsed for each in groups]
    with pytest.raises(TypeError, match=r"an item of (groups|nodes) must be of (Loopback|RawNode)"):
        getattr(build, act)([*items, odd])
    assert [each.find(1).node.status() for each in groups] == before
    assert [each.find(1).node.raft.election_elapsed for each in groups] == elapsed
    for given in (items, tuple(items), iter(items), dict.fromkeys(items)):
        getattr(build, act)(given)
    with pytest.raises(TypeError):
        getattr(build, act)(odd)


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: type(odd).__name__)
def test_messages(build: ModuleType, odd: Any) -> None:
    """catches: faults#D"""
    loopback = group(build)
    driver = loopback.find(1)
    good = build.Message(type=build.MessageType.MSG_HEARTBEAT, from_=2, to=1, term=3)
    calls: list[Callable[[Any], Any]] = [loopback.route, driver.step_many, driver.node.step_many]
    for act in calls:
        with pytest.raises(TypeError, match="m must be of Message"):
            act([good, odd])
        assert (driver.inbox, driver.node.basic_status().term) == ([], 1)
        act(())
    for step in (driver.step, driver.node.step):
        with pytest.raises(TypeError):
            step(odd)
    driver.inbox.append(odd)
    with pytest.raises(TypeError, match="m must be of Message"):
        driver.run()
    driver.inbox = [odd, None]
    assert loopback.remove(1) is driver


def test_members_failed_is_raised_for_an_iterator_too(build: ModuleType) -> None:
    groups = [group(build)]
    groups[0].find(1).node.fail(OSError("disk"))
    with pytest.raises(build.MembersFailed):
        build.tick_groups(iter(groups))


@pytest.mark.parametrize("odd", [*ODD, -1, 2**64], ids=lambda odd: type(odd).__name__)
def test_ids_and_arguments_of_a_driver(build: ModuleType, odd: Any) -> None:
    loopback = group(build)
    for act in (loopback.find, loopback.remove):
        if odd == 1:
            continue
        with pytest.raises((TypeError, build.RangeError)):
            act(odd)
    driver = loopback.find(1)
    for act in (driver.store, driver.stored, driver.apply, driver.finish, driver.change):
        with pytest.raises(TypeError):
            act(odd)
    with pytest.raises(TypeError):
        build.Driver(odd, storage(build))
    assert driver.run() in (True, False)
