"""The two ids of the storage threads are no members, wherever a member may come from; nothing changes before."""

from types import ModuleType
from typing import Any

import pytest

from tests.unit.wire.test_whole import config, storage

IDS = [2**64 - 1, 2**64 - 2]
PLACES = ["voters", "learners", "voters_outgoing", "learners_next"]

pytestmark = pytest.mark.parametrize("id", IDS)


def leader(build: ModuleType) -> tuple[Any, Any]:
    given = storage(build)
    driver = build.Driver(build.RawNode(config(build, storage=given)), given)
    driver.node.campaign()
    while driver.run():
        pass
    return driver, given


def members(build: ModuleType, place: str, id: int) -> Any:
    fields = {"voters": [1], "learners": [], "voters_outgoing": [1], "learners_next": []}
    if place in ("voters", "learners"):
        fields.update(voters_outgoing=[])
    fields[place] = [*fields[place], id]
    if place == "learners_next":
        fields["voters_outgoing"] = [1, id]
    return build.ConfState(**fields)


def changes(build: ModuleType, id: int) -> list[Any]:
    kinds = build.ConfChangeType
    single = [build.ConfChange(type=kind, node_id=id) for kind in (kinds.ADD_NODE, kinds.ADD_LEARNER_NODE)]
    steps = [build.ConfChangeSingle(type=kinds.ADD_NODE, node_id=9), build.ConfChangeSingle(node_id=id)]
    return [*single, build.ConfChangeV2(changes=steps)]


def test_changes(build: ModuleType, id: int) -> None:
    """catches: faults#T"""
    for change in changes(build, id):
        driver, _ = leader(build)
        node = driver.node
        before = node.status()
        with pytest.raises(build.ConfChangeError, match="storage thread"):
            node.propose_conf_change(change)
        with pytest.raises(build.ConfChangeError, match="storage thread"):
            node.apply_conf_change(change)
        entry = build.Entry(type=build.EntryType.CONF_CHANGE_V2, data=change.as_v2().encode())
        forwarded = build.Message(type=build.MessageType.MSG_PROP, from_=2, to=1, entries=[entry])
        with pytest.raises(build.MalformedMessage, match="storage thread"):
            node.step(forwarded)
        assert node.status() == before
        assert not driver.run()


def test_a_committed_change_is_empty(build: ModuleType, id: int) -> None:
    """What an older version, or another implementation, has brought into the log.

    catches: faults#T
    """
    given = storage(build)
    change = build.ConfChange(type=build.ConfChangeType.ADD_NODE, node_id=id)
    entry = build.Entry(type=build.EntryType.CONF_CHANGE, term=1, index=2, data=change.encode())
    given.save(build.HardState(term=1, commit=2), [entry], None)
    driver = build.Driver(build.RawNode(config(build, storage=given)), given)
    while driver.run():
        pass
    assert driver.applied == 2
    assert driver.members.voters == [1]
    assert "storage thread" in str(driver.refused_change)


def test_a_member_that_is_there_can_be_removed(build: ModuleType, id: int) -> None:
    driver, _ = leader(build)
    change = build.ConfChange(type=build.ConfChangeType.REMOVE_NODE, node_id=id)
    assert driver.propose_change(change) is None


def test_bootstrap(build: ModuleType, id: int) -> None:
    """catches: faults#T"""
    with pytest.raises(build.RangeError, match="storage thread"):
        build.Peer(id=id)
    node = build.RawNode(config(build, storage=build.MemoryStorage()))
    before = node.status()
    peer = type("Peer", (), {"id": id, "context": b""})
    with pytest.raises(build.BootstrapError, match="local target"):
        node.bootstrap([build.Peer(id=1), peer])
    assert node.status() == before
    assert not node.has_ready()


@pytest.mark.parametrize("place", PLACES)
def test_snapshots(build: ModuleType, id: int, place: str) -> None:
    """catches: faults#T"""
    there = members(build, place, id)
    snapshot = build.Snapshot(metadata=build.SnapshotMetadata(index=9, term=1, conf_state=there))
    driver, given = leader(build)
    before = given.snapshot(), given.initial_state(), given.last_index()
    for act in (
        lambda: given.apply_snapshot(snapshot),
        lambda: given.save(None, None, snapshot),
        lambda: given.create_snapshot(2, there, b""),
    ):
        with pytest.raises(build.Contradiction, match="storage thread"):
            act()
    assert (given.snapshot(), given.initial_state(), given.last_index()) == before
    term = driver.node.basic_status().term + 1
    metadata = build.SnapshotMetadata(index=9, term=term, conf_state=there)
    m = build.Message(
        type=build.MessageType.MSG_SNAP, from_=2, to=1, term=term, snapshot=build.Snapshot(metadata=metadata)
    )
    state = driver.node.status()
    with pytest.raises(build.MalformedMessage, match="storage thread"):
        driver.node.step(m)
    assert driver.node.status() == state


@pytest.mark.parametrize("place", PLACES)
def test_restart(build: ModuleType, id: int, place: str) -> None:
    """catches: faults#T"""
    there = members(build, place, id)

    class Old(build.MemoryStorage):  # type: ignore[misc, name-defined]
        """A storage that took the member."""

        def initial_state(self) -> Any:
            return super().initial_state()[0], there

    given = Old()
    with pytest.raises(build.Contradiction, match="storage thread"):
        build.check_log_storage(given)
    with pytest.raises(build.ConfigError, match="storage thread"):
        build.RawNode(config(build, storage=given))
