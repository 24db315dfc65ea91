"""Errors whose text is etcd's carry the cause and the remedy as a hint."""

import pickle
from types import ModuleType
from typing import Any

import pytest

from tests.unit.wire.test_whole import config, storage


def told(error: BaseException, *words: str) -> None:
    hint: str = error.hint  # type: ignore[attr-defined]
    for word in words:
        assert word in hint
    assert hint not in str(error)


def two(build: ModuleType, **options: Any) -> Any:
    given = build.MemoryStorage()
    metadata = build.SnapshotMetadata(index=1, term=1, conf_state=build.ConfState(voters=[1, 2]))
    given.save(build.HardState(term=1, commit=1), None, build.Snapshot(metadata=metadata))
    return build.RawNode(config(build, storage=given, **options))


def test_a_hard_state_older_than_the_snapshot(build: ModuleType) -> None:
    """catches: faults#Y4"""
    given = storage(build)
    given.set_hard_state(build.HardState(term=1, commit=0))
    with pytest.raises(build.InvariantError, match=r"^1 state.commit 0 is out of range \[1, 1\]$") as raised:
        build.RawNode(config(build, storage=given))
    told(raised.value, "atomic save", "check_log_storage", "another id")


def test_a_machine_that_is_ahead_of_the_commit_index(build: ModuleType) -> None:
    """catches: faults#Y4"""
    given = storage(build)
    given.append([build.Entry(term=1, index=2)])
    with pytest.raises(build.InvariantError, match=r"^applied\(2\) is out of range") as raised:
        build.RawNode(config(build, storage=given, applied=2))
    told(raised.value, "Config.applied is 2", "applied=1")


def test_a_size_that_was_left_at_zero(build: ModuleType) -> None:
    """catches: faults#Y4"""
    given = storage(build)
    node = build.RawNode(config(build, storage=given, max_size_per_msg=0))
    node.campaign()
    for _ in range(2):
        build.save_ready(given, node.ready())
        node.advance()
    with pytest.raises(build.InvariantError, match=r"^applying entry size \(0-0\)=0 not positive$") as raised:
        node.ready()
    told(raised.value, "max_size_per_msg is 0", "2**20")
    with pytest.raises(build.Stopped) as stopped:
        node.tick()
    told(stopped.value, "max_size_per_msg is 0")


def test_a_wiped_disk(build: ModuleType) -> None:
    """catches: faults#Y4"""
    node = two(build)
    m = build.Message(type=build.MessageType.MSG_HEARTBEAT, from_=2, to=1, term=2, commit=9)
    with pytest.raises(build.LogLost, match=r"^tocommit\(9\) is out of range") as raised:
        node.step(m)
    told(raised.value, "Remove the member", "another id")


def test_dropped_proposals(build: ModuleType) -> None:
    """catches: faults#Y4"""
    cases = {
        "there is no leader": (two(build), "Ready.soft_state"),
        "leadership is being transferred": (_transferring(build), "election timeout"),
        "too much is uncommitted": (_full(build), "max_uncommitted_entries_size"),
        "forwarding to the leader is off": (_follower(build), "at the leader"),
    }
    for reason, (node, remedy) in cases.items():
        with pytest.raises(build.ProposalDropped, match=r"^raft proposal dropped$") as raised:
            node.propose(b"xx")
        assert raised.value.reason == reason
        told(raised.value, remedy)
        again = pickle.loads(pickle.dumps(raised.value))
        assert (again.reason, again.hint) == (reason, raised.value.hint)


def _leader(build: ModuleType, **options: Any) -> Any:
    node = two(build, **options)
    node.campaign()
    build.save_ready(node.raft.log.storage, node.ready())
    node.advance()
    node.step(build.Message(type=build.MessageType.MSG_VOTE_RESP, from_=2, to=1, term=2))
    return node


def _transferring(build: ModuleType) -> Any:
    node = _leader(build)
    node.transfer_leader(2)
    return node


def _full(build: ModuleType) -> Any:
    node = _leader(build, max_uncommitted_entries_size=1)
    node.propose(b"x")
    return node


def _follower(build: ModuleType) -> Any:
    node = two(build, disable_proposal_forwarding=True)
    node.step(build.Message(type=build.MessageType.MSG_HEARTBEAT, from_=2, to=1, term=2))
    return node


def test_most_errors_need_no_hint(build: ModuleType) -> None:
    error = build.Compacted()
    assert error.hint == ""


@pytest.mark.parametrize(("term", "index"), [(0, 9), (1, 9)])
def test_snapshot_of_a_term_that_no_entry_there_can_have(build: ModuleType, term: int, index: int) -> None:
    """A snapshot of term 0, or of a lower term than that of a committed entry before it, used to be taken.

    catches: faults#Y3
    """
    given = build.MemoryStorage()
    members = build.ConfState(voters=[1, 2])
    metadata = build.SnapshotMetadata(index=1, term=2, conf_state=members)
    given.save(build.HardState(term=2, commit=1), None, build.Snapshot(metadata=metadata))
    node = build.RawNode(config(build, storage=given))
    late = build.Snapshot(metadata=build.SnapshotMetadata(index=index, term=term, conf_state=members))
    m = build.Message(type=build.MessageType.MSG_SNAP, from_=2, to=1, term=2, snapshot=late)
    before = node.status()
    with pytest.raises(build.MalformedMessage, match=f"snapshot of term {term}, after committed entries of term 2"):
        node.step(m)
    assert node.status() == before
    node.tick()
