"""Snapshots of a driver in two steps: begun at an applied index, stored when their state is written."""

from typing import Any

import pytest

from raftcy.errors import InvariantError, SnapshotTooLarge, Stopped
from raftcy.wire.changes import ConfChange
from raftcy.wire.enums import ConfChangeType, MessageType
from raftcy.wire.messages import ConfState, Message, Snapshot, SnapshotMetadata

from .test_driver import INDEX, Machine, leader, run


def put(driver: Any, *data: bytes) -> None:
    for each in data:
        driver.propose(each)
    run(driver)


def test_a_snapshot_is_that_of_the_index_where_it_began() -> None:
    driver = leader()
    put(driver, b"a")
    at, members = driver.applied, driver.members
    making = driver.begin_snapshot()
    assert (making.index, making.members) == (at, members)
    assert driver.begin_snapshot() is None, "one at a time"
    assert driver.make_snapshot(0) is None
    put(driver, b"b", b"c")
    driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4))
    run(driver)
    first = driver.storage.first_index()
    made = driver.end_snapshot(making, b"the state", 0)
    assert (made.metadata.index, made.metadata.conf_state, made.data) == (at, members, b"the state")
    assert driver.storage.snapshot() == made
    assert first <= at
    assert driver.storage.first_index() == at + 1
    assert driver.begin_snapshot().index == driver.applied


def test_entries_before_a_snapshot_are_kept() -> None:
    driver = leader()
    put(driver, *[b"x"] * 9)
    making = driver.begin_snapshot()
    put(driver, b"y")
    driver.end_snapshot(making, b"", 3)
    assert driver.storage.first_index() == making.index - 2


def test_what_was_not_begun_does_not_end() -> None:
    driver = leader()
    put(driver, b"a")
    making = driver.begin_snapshot()
    driver.drop_snapshot(making)
    for act in (lambda: driver.end_snapshot(making, b"", 0), lambda: driver.drop_snapshot(making)):
        with pytest.raises(InvariantError, match="was not begun, or has ended"):
            act()
    assert driver.begin_snapshot() is not None


def test_a_received_snapshot_overtakes() -> None:
    driver = leader()
    put(driver, b"a")
    making = driver.begin_snapshot()
    state = driver.storage.initial_state()[0]
    metadata = SnapshotMetadata(conf_state=ConfState(voters=[1, 2]), index=INDEX + 100, term=state.term + 1)
    snapshot = Snapshot(data=b"theirs", metadata=metadata)
    driver.inbox.append(Message(type=MessageType.MSG_SNAP, from_=2, to=1, term=state.term + 1, snapshot=snapshot))
    run(driver)
    assert driver.applied == INDEX + 100
    assert driver.waiting_snapshots() == []
    assert driver.end_snapshot(making, b"mine", 0) is None
    assert driver.storage.snapshot().data == b"theirs"


def test_a_state_that_no_message_can_carry_needs_a_reference() -> None:
    driver = leader(max_message_bytes=100)
    put(driver, b"a")
    making = driver.begin_snapshot()
    with pytest.raises(SnapshotTooLarge):
        driver.end_snapshot(making, bytes(101), 0)
    assert driver.end_snapshot(driver.begin_snapshot(), bytes(100), 0) is not None


def test_a_dead_member_ends_nothing() -> None:
    driver = leader()
    put(driver, b"a")
    making = driver.begin_snapshot()
    driver.fail(RuntimeError("it broke"))
    with pytest.raises(Stopped):
        driver.end_snapshot(making, b"", 0)


class Wishing(Machine):
    """Its snapshots are made by its owner."""

    capture = None

    def __init__(self) -> None:
        super().__init__()
        self.wishes = 0

    def wish_snapshot(self) -> None:
        self.wishes += 1


def test_a_snapshot_that_a_peer_needs_is_wished_for() -> None:
    """It is sent once it is made, when the node asks again."""
    sent: list[Message] = []
    machine = Wishing()
    driver = leader(machine=machine, send=sent.extend)
    put(driver, b"a")
    driver.end_snapshot(driver.begin_snapshot(), b"older", 0)
    driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=2))
    run(driver)

    def snapshots() -> list[bytes]:
        """What the new member was sent after it answered a round of appends or heartbeats."""
        driver.tick()
        run(driver)
        term = driver.node.raft.term
        asked = [m for m in sent if m.type in (MessageType.MSG_APP, MessageType.MSG_HEARTBEAT)]
        answers = {
            MessageType.MSG_APP: MessageType.MSG_APP_RESP,
            MessageType.MSG_HEARTBEAT: MessageType.MSG_HEARTBEAT_RESP,
        }
        sent.clear()
        for m in asked:
            reject = m.type == MessageType.MSG_APP
            answer = Message(type=answers[m.type], from_=2, to=1, term=term, index=m.index, reject=reject)
            driver.inbox.append(answer)
        run(driver)
        return [m.snapshot.data for m in sent if m.snapshot is not None]

    assert snapshots() == []
    assert machine.wishes > 0
    driver.end_snapshot(driver.begin_snapshot(), b"newer", 0)
    wishes = machine.wishes
    found: list[bytes] = []
    for _ in range(10):
        found += snapshots()
    assert found[:1] == [b"newer"]
    assert machine.wishes == wishes
