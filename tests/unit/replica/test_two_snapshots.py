"""A second snapshot is stored before the first is restored: the machine ends with the second one."""

from types import ModuleType
from typing import Any

import pytest

from .test_store_and_apply import BASE, Machine, member, rounds


def given(build: ModuleType, index: int, term: int = 2) -> Any:
    """A MsgSnap of the leader, node 2."""
    metadata = build.SnapshotMetadata(index=index, term=term, conf_state=build.ConfState(voters=[1, 2]))
    snapshot = build.Snapshot(data=b"state at %d" % index, metadata=metadata)
    return build.Message(type=build.MessageType.MSG_SNAP, to=1, from_=2, term=term, snapshot=snapshot)


def appended(build: ModuleType, first: int, count: int, term: int = 2) -> Any:
    """A MsgApp of the leader whose entries are committed."""
    entries = [build.Entry(index=n, term=term, data=b"%d" % n) for n in range(first, first + count)]
    return build.Message(
        type=build.MessageType.MSG_APP,
        to=1,
        from_=2,
        term=term,
        index=first - 1,
        log_term=term,
        entries=entries,
        commit=first + count - 1,
    )


def applied(d: Any, machine: Machine) -> list[str]:
    """Apply all batches; what the machine was given, in order."""
    done: list[str] = []
    while (batch := d.next_batch()) is not None:
        before = len(machine.restored), len(machine.data)
        d.apply(batch)
        d.finish(batch)
        done += [each.decode() for each in machine.restored[before[0] :] + machine.data[before[1] :]]
    return done


@pytest.mark.parametrize("between", [0, 3])
def test_the_later_one_is_restored_last(build: ModuleType, between: int) -> None:
    """Both writes are durable by the same sync, as after a disk that hung.

    catches: etcd#18055
    """
    d, machine = member(build, 1, 2, async_storage_writes=True)
    writes = []
    messages = [given(build, 50), *([appended(build, 51, between)] if between else []), given(build, 60)]
    for m in messages:
        assert d.step(m) is None
        work = d.poll()
        assert work is not None
        writes.append(work.write)
    while (work := d.poll()) is not None:
        writes.append(work.write)
    answers = [answer for write in writes if write is not None for answer in d.store(write)]
    assert max(m.index for m in answers if m.type == build.MessageType.MSG_APP_RESP) == 60
    done = applied(d, machine)
    assert done[-1] == "state at 60"
    assert d.applied == 60
    assert d.step(appended(build, 61, 2)) is None
    rounds(d)
    assert machine.data[-2:] == [b"61", b"62"]
    assert d.applied == d.node.raft.log.applied == 62
    assert d.failure is None


def test_the_first_is_being_restored_when_the_second_is_stored(build: ModuleType) -> None:
    d, machine = member(build, 1, 2, async_storage_writes=True)
    assert d.step(given(build, 50)) is None
    first = d.poll().write
    assert d.step(given(build, 60)) is None
    second = d.poll().write
    d.store(first)
    batch = d.next_batch()
    assert batch.snapshot.metadata.index == 50
    d.apply(batch)
    d.store(second)
    d.finish(batch)
    rounds(d)
    applied(d, machine)
    assert machine.restored[-1] == b"state at 60"
    assert d.applied == d.node.raft.log.applied == 60
    assert d.step(appended(build, 61, 1)) is None
    rounds(d)
    assert machine.data == [b"61"]
    assert d.storage.last_index() == BASE + 56
