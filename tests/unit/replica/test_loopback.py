"""Members of one process: a member that dies takes nobody down, and the fate of a snapshot is always reported."""

from typing import Any

import pytest

from raftcy import (
    Driver,
    HardState,
    Loopback,
    MembersFailed,
    Message,
    MessageType,
    ProgressState,
    RawNode,
    Snapshot,
    SnapshotMetadata,
    StateType,
    drain_all,
    tick_groups,
)

from .test_driver import INDEX, Broken, Machine, begun, config


def group(name: str = "", size: int = 3, absent: int = 0) -> Loopback:
    loopback = Loopback(name)
    for id in range(1, size + 1):
        if id != absent:
            join(loopback, id, size)
    loopback.find(1).node.campaign()
    loopback.drain()
    assert loopback.find(1).node.raft.state == StateType.LEADER
    return loopback


def join(loopback: Loopback, id: int, size: int = 3) -> Driver:
    storage = begun(Broken(), list(range(1, size + 1)))
    return loopback.add(RawNode(config(storage, id)), storage, Machine())


def applied(loopback: Loopback) -> dict[int, int]:
    return {id: loopback.find(id).applied for id in (1, 2, 3)}


def drain_each(groups: list[Loopback]) -> None:
    for each in groups:
        each.drain()


RUNS = {"drain": drain_each, "tick_groups": tick_groups, "drain_all": drain_all}


@pytest.mark.parametrize("run", RUNS)
def test_a_member_that_dies_takes_nobody_down(run: str) -> None:
    """The rest of its group and the groups after it continue; the failure names the place, once.

    catches: faults#C
    """
    groups = [group("first"), group("second"), group("third")]
    bad = groups[1].find(2)
    bad.storage.broken = True
    for each in groups:
        each.find(1).propose(b"x")
    with pytest.raises(MembersFailed, match=r"member 2 of <Loopback 'second' of .*OSError: no space left") as caught:
        RUNS[run](groups)
    assert [(loopback, id) for loopback, id, _ in caught.value.failures] == [(groups[1], 2)]
    assert caught.value.__cause__ is bad.failure
    assert groups[1].failures == {2: bad.failure}
    for each in groups if run != "drain" else groups[:2]:
        assert {id: at for id, at in applied(each).items() if id != 2 or each is not groups[1]} == dict.fromkeys(
            [id for id in (1, 2, 3) if id != 2 or each is not groups[1]], INDEX + 2
        )
    for each in groups:
        each.find(1).propose(b"y")
    tick_groups(groups)
    assert [each.find(3).applied for each in groups] == [INDEX + 3] * 3


def test_a_member_that_died_elsewhere_is_noticed() -> None:
    loopback = group()
    dead = loopback.find(3)
    dead.fail(OSError("pulled out"))
    with pytest.raises(MembersFailed, match="member 3"):
        loopback.tick()
    assert loopback.find(1).node.raft.state == StateType.LEADER
    loopback.tick()
    loopback.drain()


def test_what_ends_the_program_is_not_kept_back() -> None:
    """A KeyboardInterrupt inside a machine propagates at once; the member is dead, because it has half applied."""

    class Interrupted(Machine):
        def apply(self, entries: list[Any]) -> list[int]:
            raise KeyboardInterrupt

    loopback = Loopback()
    storage = begun(Broken(), [1])
    loopback.add(RawNode(config(storage)), storage, Interrupted())
    loopback.find(1).node.campaign()
    loopback.drain()
    loopback.find(1).propose(b"x")
    with pytest.raises(KeyboardInterrupt):
        loopback.drain()
    with pytest.raises(MembersFailed):
        loopback.drain()


def test_a_dead_member_can_be_replaced() -> None:
    loopback = group()
    loopback.find(3).fail(OSError("pulled out"))
    with pytest.raises(MembersFailed):
        loopback.drain()
    gone = loopback.remove(3)
    assert gone is not None
    assert loopback.find(3) is None
    assert not loopback.failures
    assert loopback.remove(3) is None
    storage = gone.storage
    loopback.add(RawNode(config(storage, 3)), storage, Machine())
    loopback.find(1).propose(b"x")
    tick_groups([loopback])
    assert loopback.find(3).applied == loopback.find(1).applied


def far_behind() -> Loopback:
    """A group whose member 3 has never run and needs a snapshot by now."""
    loopback = group(absent=3)
    leader = loopback.find(1)
    for n in range(4):
        leader.propose(b"%d" % n)
    loopback.drain()
    assert leader.make_snapshot(0) is not None
    return loopback


def progress(loopback: Loopback) -> Any:
    return loopback.find(1).node.raft.tracker.find(3)


def probe(loopback: Loopback) -> None:
    """Let the leader find out how far member 3 is behind, so that it sends the snapshot."""
    raft = loopback.find(1).node.raft
    heard = Message(type=MessageType.MSG_HEARTBEAT_RESP, from_=3, to=1, term=raft.term)
    rejected = Message(
        type=MessageType.MSG_APP_RESP, from_=3, to=1, term=raft.term, index=progress(loopback).next - 1, reject=True
    )
    loopback.route([heard, rejected])


def test_a_snapshot_to_nobody_is_reported() -> None:
    """Otherwise the leader would wait for its end, and never send that peer anything again.

    catches: faults#K
    """
    loopback = far_behind()
    probe(loopback)
    loopback.drain()
    assert progress(loopback).state == ProgressState.SNAPSHOT
    loopback.tick()
    assert progress(loopback).state != ProgressState.SNAPSHOT
    join(loopback, 3)
    tick_groups([loopback] * 12)
    assert loopback.find(3).applied == loopback.find(1).applied


def test_a_snapshot_in_the_inbox_of_a_replaced_member_is_reported() -> None:
    """catches: faults#K"""
    loopback = far_behind()
    driver = join(loopback, 3)
    leader = loopback.find(1)
    probe(loopback)
    leader.run()
    assert [m.type for m in driver.inbox][-1] == MessageType.MSG_SNAP
    assert progress(loopback).state == ProgressState.SNAPSHOT
    join(loopback, 3)
    loopback.drain()
    tick_groups([loopback] * 12)
    assert loopback.find(3).applied == leader.applied


def test_a_snapshot_to_a_member_that_dies_is_reported() -> None:
    """catches: faults#K"""
    loopback = far_behind()
    driver = join(loopback, 3)
    probe(loopback)
    loopback.find(1).run()
    assert [m.type for m in driver.inbox][-1] == MessageType.MSG_SNAP
    driver.inbox.insert(0, Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=3, term=9, commit=99))
    with pytest.raises(MembersFailed, match="LogLost"):
        loopback.drain()
    loopback.tick()
    assert progress(loopback).state != ProgressState.SNAPSHOT


def test_a_refused_snapshot_is_reported() -> None:
    """catches: faults#K"""
    loopback = group()
    leader = loopback.find(1)
    progress(loopback).become_snapshot(INDEX)
    bad = Snapshot(metadata=SnapshotMetadata(conf_state=None, index=INDEX + 9, term=1))
    term = leader.node.raft.term
    loopback.route([Message(type=MessageType.MSG_SNAP, from_=1, to=3, term=term, snapshot=bad)])
    loopback.drain()
    loopback.tick()
    assert loopback.find(3).failure is None
    assert loopback.find(3).applied < INDEX + 9
    assert progress(loopback).state != ProgressState.SNAPSHOT


def test_a_storage_that_was_stopped_may_go_on() -> None:
    """Everything that a dead member stored before its failure is complete."""
    loopback = group()
    bad = loopback.find(2)
    bad.storage.broken = True
    loopback.find(1).propose(b"x")
    with pytest.raises(MembersFailed):
        loopback.drain()
    bad.storage.broken = False
    assert bad.storage.initial_state()[0] == HardState(term=2, vote=1, commit=INDEX + 1)
