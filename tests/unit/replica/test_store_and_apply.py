"""The driver's steps that do the work themselves, for a shell that never has to wait."""

from types import ModuleType
from typing import Any

import pytest

BASE = 5


class Machine:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.restored: list[bytes] = []
        self.error: Exception | None = None

    def apply(self, entries: list[Any]) -> list[int]:
        if self.error is not None:
            raise self.error
        self.data += [entry.data for entry in entries]
        return [len(entry.data) for entry in entries]

    def restore(self, snapshot: Any) -> None:
        if self.error is not None:
            raise self.error
        self.restored.append(snapshot.data)


def member(build: ModuleType, *voters: int, storage: Any = None, **fields: Any) -> tuple[Any, Machine]:
    """The driver of node 1, which knows its members and nothing else, and its machine."""
    if storage is None:
        storage = build.MemoryStorage()
    machine = Machine()
    metadata = build.SnapshotMetadata(index=BASE, term=1, conf_state=build.ConfState(voters=list(voters)))
    storage.apply_snapshot(build.Snapshot(metadata=metadata))
    storage.set_hard_state(build.HardState(term=1, vote=0, commit=BASE))
    fields = {"id": 1, "election_tick": 10, "heartbeat_tick": 1, "max_size_per_msg": 1 << 20} | fields
    config = build.Config(storage=storage, max_inflight_msgs=256, **fields)
    return build.Driver(build.RawNode(config), storage, machine), machine


def rounds(d: Any) -> list[str]:
    """Run all rounds step by step; returns what each did."""
    done = []
    while (work := d.poll()) is not None:
        if work.write is not None:
            d.store(work.write)
            done.append(f"stored {len(work.write.entries)}")
        while (batch := d.next_batch()) is not None:
            d.apply(batch)
            assert not batch.entries or d.applied == batch.entries[-1].index
            d.finish(batch)
            done.append(f"applied {len(batch.entries)}")
    return done


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_member_alone(build: ModuleType, asynchronous: bool) -> None:
    d, machine = member(build, 1, async_storage_writes=asynchronous)
    d.node.campaign()
    rounds(d)
    assert d.propose(b"one", "tag one") is True
    change = build.ConfChange(type=build.ConfChangeType.ADD_LEARNER_NODE, node_id=2)
    assert d.propose_change(change, "tag change") is None
    assert d.propose(b"three", "tag three") is True
    done = rounds(d)
    assert "stored 3" in done
    assert sum(int(each.split()[1]) for each in done if each.startswith("applied")) == 3
    assert machine.data == [b"one", b"three"]
    assert d.applied == d.storage.last_index() == BASE + 4
    assert d.members == build.ConfState(voters=[1], learners=[2])
    outcomes = [(o.tag, o.what, o.answer) for o in d.take_outcomes()]
    assert outcomes == [("tag one", "applied", 3), ("tag change", "applied", None), ("tag three", "applied", 5)]


def test_messages_wait_for_the_write(build: ModuleType) -> None:
    d, _ = member(build, 1, 2)
    d.node.campaign()
    work = d.poll()
    assert work.messages == []
    (vote,) = d.store(work.write)
    assert vote.type == build.MessageType.MSG_VOTE
    assert d.storage.initial_state()[0].vote == 1


def test_a_snapshot_is_stored_and_restored(build: ModuleType) -> None:
    d, machine = member(build, 1, 2)
    members = build.ConfState(voters=[1, 2, 3])
    metadata = build.SnapshotMetadata(index=50, term=2, conf_state=members)
    snapshot = build.Snapshot(data=b"state", metadata=metadata)
    assert d.step(build.Message(type=build.MessageType.MSG_SNAP, to=1, from_=2, term=2, snapshot=snapshot)) is None
    work = d.poll()
    (answer,) = d.store(work.write)
    assert (answer.type, answer.index) == (build.MessageType.MSG_APP_RESP, 50)
    assert d.storage.snapshot() == snapshot
    batch = d.next_batch()
    d.apply(batch)
    d.finish(batch)
    assert (d.applied, d.members, machine.restored) == (50, members, [b"state"])


def test_a_storage_that_cannot_show_its_snapshot_now_hides_no_newer_one(build: ModuleType) -> None:
    """The driver knows by itself which snapshot is the newest: it stores newer ones, and none that was overtaken."""

    class Storage(build.MemoryStorage):  # type: ignore[name-defined,misc]
        away = False

        def snapshot(self) -> Any:
            if self.away:
                raise build.SnapshotTemporarilyUnavailable()
            return super().snapshot()

    storage = Storage()
    d, machine = member(build, 1, storage=storage)
    machine.capture = lambda: b"state"
    d.node.campaign()
    rounds(d)
    storage.away = True
    assert d.make_snapshot(0).data == b"state"
    d.propose(b"x")
    rounds(d)
    making = d.begin_snapshot()
    metadata = build.SnapshotMetadata(index=50, term=9, conf_state=build.ConfState(voters=[1, 2]))
    snapshot = build.Snapshot(data=b"theirs", metadata=metadata)
    assert d.step(build.Message(type=build.MessageType.MSG_SNAP, to=1, from_=2, term=9, snapshot=snapshot)) is None
    rounds(d)
    assert d.end_snapshot(making, b"state", 0) is None
    assert d.failure is None
    storage.away = False
    assert storage.snapshot() == snapshot


def test_out_of_their_order_nothing_is_done(build: ModuleType) -> None:
    d, _ = member(build, 1, 2)
    d.node.campaign()
    work = d.poll()
    before = d.storage.initial_state()
    with pytest.raises(build.InvariantError):
        d.store(build.Write(None, [], None, False))
    batch = build.Batch(None, [build.Entry(index=BASE + 1, data=b"x")], [])
    with pytest.raises(build.InvariantError):
        d.apply(batch)
    assert d.storage.initial_state() == before
    assert d.failure is None
    d.store(work.write)
    with pytest.raises(build.InvariantError):
        d.store(work.write)
    d.finish(d.next_batch())
    assert d.failure is None


def test_a_storage_that_fails_ends_the_member(build: ModuleType) -> None:
    """catches: faults#B"""
    error = OSError("no space")

    class Full(build.MemoryStorage):  # type: ignore[name-defined,misc]
        full = False

        def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
            if self.full:
                raise error
            super().save(hard_state, entries, snapshot)

    d, _ = member(build, 1, 2, storage=Full())
    d.node.campaign()
    work = d.poll()
    d.storage.full = True
    with pytest.raises(OSError, match="no space"):
        d.store(work.write)
    assert d.failure is error
    with pytest.raises(build.Stopped):
        d.stored(work.write)
    with pytest.raises(build.Stopped):
        d.poll()


@pytest.mark.parametrize("what", ["entries", "snapshot"])
def test_a_machine_that_fails_ends_the_member(build: ModuleType, what: str) -> None:
    d, machine = member(build, 1, 2)
    kind = build.MessageType
    if what == "snapshot":
        metadata = build.SnapshotMetadata(index=50, term=2, conf_state=build.ConfState(voters=[1, 2]))
        m = build.Message(type=kind.MSG_SNAP, to=1, from_=2, term=2, snapshot=build.Snapshot(metadata=metadata))
    else:
        entry = build.Entry(term=2, index=BASE + 1, data=b"x")
        fields = {"log_term": 1, "index": BASE, "entries": [entry], "commit": BASE + 1}
        m = build.Message(type=kind.MSG_APP, to=1, from_=2, term=2, **fields)
    assert d.step(m) is None
    d.store(d.poll().write)
    machine.error = ValueError("broken")
    with pytest.raises(ValueError, match="broken"):
        d.apply(d.next_batch())
    assert d.failure is machine.error
    with pytest.raises(build.Stopped):
        d.next_batch()


def test_a_change_that_is_refused_says_why(build: ModuleType) -> None:
    d, _ = member(build, 1)
    assert d.refused_change is None
    d.node.campaign()
    rounds(d)
    before = d.members
    assert d.propose_change(build.ConfChange(type=build.ConfChangeType.REMOVE_NODE, node_id=1)) is None
    rounds(d)
    assert isinstance(d.refused_change, build.ConfChangeError)
    assert str(d.refused_change) == "removed all voters"
    assert d.refused_change.__traceback__ is None
    assert d.members == before
    assert d.propose_change(build.ConfChange(type=build.ConfChangeType.ADD_LEARNER_NODE, node_id=2)) is None
    rounds(d)
    assert d.refused_change is None
    assert d.members == build.ConfState(voters=[1], learners=[2])


def test_many_messages_in_one_call(build: ModuleType) -> None:
    d, _ = member(build, 1, 2)
    kind = build.MessageType
    heartbeat = build.Message(type=kind.MSG_HEARTBEAT, to=1, from_=2, term=3)
    stranger = build.Message(type=kind.MSG_APP_RESP, to=1, from_=9, term=1)
    local = build.Message(type=kind.MSG_BEAT, to=1, from_=2)
    refused = d.step_many([stranger, heartbeat, local, heartbeat])
    assert [(place, type(error)) for place, error in refused] == [
        (0, build.StepPeerNotFound),
        (2, build.StepLocalMessage),
    ]
    assert d.node.basic_status().term == 3
    assert d.step_many([]) == []
    lost = build.Message(type=kind.MSG_HEARTBEAT, to=1, from_=2, term=3, commit=BASE + 1)
    with pytest.raises(build.LogLost):
        d.step_many([heartbeat, lost, heartbeat])
    assert isinstance(d.failure, build.LogLost)
