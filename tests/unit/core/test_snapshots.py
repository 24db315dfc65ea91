"""Snapshots: how a follower handles one, and when a leader sends one (paper 7; thesis 5)."""

from typing import Any

import pytest

from raftcy import (
    ConfChange,
    ConfChangeType,
    ConfState,
    MemoryStorage,
    Message,
    MessageType,
    ProgressState,
    RawNode,
    Snapshot,
    SnapshotTemporarilyUnavailable,
)
from tests.support.network import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    Network,
    beat,
    log_of,
    make_config,
    make_raft,
    make_storage,
    persist,
    persist_and_apply,
    read_messages,
    settle,
    take_role,
    tick,
)
from tests.support.peers import (
    ack,
    answer_heartbeat,
    appends,
    hand,
    make_quiet_leader,
    propose,
    refuse,
    run,
    send_append,
    send_snapshot,
    snapshot_of,
    the_one,
)
from tests.support.state import dump_raft

APP = MessageType.MSG_APP
APP_RESP = MessageType.MSG_APP_RESP
SNAP = MessageType.MSG_SNAP
JOINT = {"voters": [2, 3, 4], "voters_outgoing": [1, 2, 3]}


def members_of(raft: Any) -> tuple[list[int], list[int]]:
    """The voters and the learners."""
    return raft.tracker.voter_nodes(), raft.tracker.learner_nodes()


# -- a follower's snapshot ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "before", "members", "voters", "learners"),
    [
        pytest.param(1, {"voters": [1, 2]}, {"voters": [1, 2, 3]}, [1, 2, 3], [], id="voters"),
        pytest.param(
            3, {"voters": [1, 2], "learners": [3]}, {"voters": [1, 2], "learners": [3]}, [1, 2], [3], id="learner"
        ),
        pytest.param(1, {"voters": [1, 2]}, JOINT, [1, 2, 3, 4], [], id="outgoing_voter"),
        pytest.param(3, {"voters": [1, 2, 3]}, {"voters": [1, 2], "learners": [3]}, [1, 2], [3], id="demoted"),
        pytest.param(3, {"voters": [1, 2], "learners": [3]}, {"voters": [1, 2, 3]}, [1, 2, 3], [], id="promoted"),
    ],
)
def test_restore(id: int, before: dict, members: dict, voters: list[int], learners: list[int]) -> None:
    """A snapshot replaces the log and the members. It may take a voter's vote or give one, like several changes at
    once.

    Until the application has it, the node does not campaign. The same snapshot again has no effect.

    answers: TestRestore, TestRestoreWithLearner, TestRestoreWithVotersOutgoing, TestRestoreVoterToLearner,
        TestRestoreLearnerPromotion
    catches: etcd#10864, dragonboat#94
    """
    raft = make_raft(id, **before)
    assert raft.is_learner == (id in before.get("learners", ()))
    snapshot = snapshot_of(11, 11, **members)
    assert raft.restore(snapshot)
    assert (raft.log.last_index(), raft.log.term(11), raft.log.committed) == (11, 11, 11)
    assert members_of(raft) == (voters, learners)
    assert raft.tracker.conf_state().equivalent(snapshot.metadata.conf_state)
    assert raft.is_learner == (id in learners)
    assert {each: pr.is_learner for each, pr in raft.tracker.progress.items()} == (
        dict.fromkeys(voters, False) | dict.fromkeys(learners, True)
    )

    assert not raft.restore(snapshot)
    tick(raft, raft.randomized_election_timeout)
    assert (raft.state, read_messages(raft)) == (FOLLOWER, [])


def test_learner_is_sent_a_snapshot() -> None:
    """A learner that lacks entries its leader has compacted gets the leader's snapshot.

    answers: TestLearnerReceiveSnapshot
    """
    leader = make_raft(1, [1], [2], term=11)
    assert leader.restore(snapshot_of(11, 11, voters=[1], learners=[2]))
    stored = leader.log.unstable.next_snapshot()
    leader.log.storage.apply_snapshot(stored)
    leader.storage_append_resp(0, 0, 0, stored)

    net = Network([leader, None], learners=[2])
    leader.randomized_election_timeout = leader.election_timeout
    tick(leader, leader.election_timeout)
    settle(leader)
    assert leader.state == LEADER
    net.beat(1)
    assert net[2].log.committed == leader.log.committed == 12
    assert net[2].log.unstable.snapshot.metadata.index == 11


def test_useless_snapshot() -> None:
    """A snapshot of committed entries is ignored; one of entries in the log only commits them.

    answers: TestRestoreIgnoreSnapshot
    catches: etcd#1763
    """
    raft = make_raft(1, [1, 2], terms=[1, 1, 1], term=1)
    raft.log.commit_to(1)
    assert not raft.restore(snapshot_of(1, 1, voters=[1, 2]))
    assert raft.log.committed == 1
    assert not raft.restore(snapshot_of(2, 1, voters=[1, 2]))
    assert (raft.log.committed, raft.log.last_index(), raft.log.unstable.snapshot) == (2, 3, None)


def test_snapshot_replaces_a_log_that_differs() -> None:
    """Entries that conflict with the snapshot or lie behind it are deleted, because nobody knows what they build on."""
    raft = make_raft(1, [1, 2], terms=[1, 1, 1, 1], term=1)
    raft.log.commit_to(1)
    assert raft.restore(snapshot_of(3, 2, voters=[1, 2]))
    assert (raft.log.first_index(), raft.log.last_index(), raft.log.committed) == (4, 3, 3)


@pytest.mark.parametrize("members", [{"voters": [1, 3]}, {}], ids=["others", "nobody"])
def test_snapshot_without_the_node_itself(members: dict) -> None:
    """A node that is not in the snapshot's members ignores it, because nobody would send it any changes afterwards."""
    raft = make_raft(2, [1, 2], term=1)
    send_snapshot(raft, 1, snapshot_of(11, 1, **members))
    assert raft.log.last_index() == 0
    answer = the_one(read_messages(raft), APP_RESP)
    assert (answer.index, answer.reject) == (0, False)


def test_restore_needs_a_follower() -> None:
    """A leader that is given a snapshot does not restore it; for safety it becomes a follower of a new term."""
    raft = make_quiet_leader([1, 2])
    assert not raft.restore(snapshot_of(11, 1, voters=[1, 2]))
    assert (raft.state, raft.term, raft.lead, raft.log.last_index()) == (FOLLOWER, 2, 0, 1)


@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE, LEADER], ids=str)
def test_snapshot_message(role: Any) -> None:
    """The sender of a snapshot is the leader. The answer is the new last index, once the snapshot is stored.

    answers: TestRestoreFromSnapMsg
    """
    raft = make_raft(2, [1, 2])
    take_role(raft, role)
    read_messages(raft)
    hand(raft, Message(type=SNAP, from_=1, to=2, term=2, snapshot=snapshot_of(11, 2, voters=[1, 2])))
    assert (raft.state, raft.lead, raft.term, raft.log.last_index()) == (FOLLOWER, 1, 2, 11)
    assert raft.outbox.msgs == []
    assert the_one(read_messages(raft), APP_RESP).index == 11


def test_snapshot_in_a_ready() -> None:
    """A snapshot is handed out once, to be stored and applied; the entries after it come only when that is done.

    The answer to the leader goes out with the same Ready, and the applied index moves with advance().
    """
    storage = make_storage([1, 2])
    node = RawNode(make_config(1, storage))
    node.step(Message(type=SNAP, from_=2, to=1, term=2, snapshot=snapshot_of(11, 2, voters=[1, 2])))
    node.step(Message(type=APP, from_=2, to=1, term=2, index=11, log_term=2, commit=11))
    rd = node.ready()
    assert (rd.snapshot.metadata.index, rd.committed_entries, rd.applied_cursor()) == (11, [], 11)
    assert [(m.type, m.index) for m in rd.messages] == [(APP_RESP, 11), (APP_RESP, 11)]
    assert node.raft.log.applied == 0
    storage.apply_snapshot(rd.snapshot)
    node.advance()
    assert (node.raft.log.applied, node.raft.log.unstable.snapshot, node.has_ready()) == (11, None, False)


def test_appends_after_a_snapshot_that_is_not_stored() -> None:
    """The log continues after a snapshot at once, but hands out no entries before the snapshot is done."""
    raft = make_raft(1, [1, 2], term=2)
    send_snapshot(raft, 2, snapshot_of(11, 2, voters=[1, 2]))
    send_append(raft, 2, 11, 2, [2, 2], commit=13)
    assert (raft.log.last_index(), raft.log.committed) == (13, 13)
    assert (raft.log.has_next_committed(True), raft.promotable()) == (False, False)
    snapshot = raft.log.unstable.snapshot
    raft.log.storage.apply_snapshot(snapshot)
    raft.storage_append_resp(2, 13, 2, snapshot)
    assert raft.log.applied == 11
    assert raft.promotable()


# -- the leader's snapshots --------------------------------------------------------------------------------------------


def make_snapshot_leader(*voters: int) -> Any:
    """A leader of nodes 1 and 2 whose log begins after a snapshot at index 11, with its own entry at 12."""
    raft = make_raft(1, voters, term=11)
    assert raft.restore(snapshot_of(11, 11, voters=[1, 2]))
    take_role(raft, LEADER)
    settle(raft)
    assert (raft.log.first_index(), raft.log.last_index()) == (12, 12)
    return raft


def test_peer_that_lacks_compacted_entries_is_sent_a_snapshot() -> None:
    """A peer whose next entry is compacted gets the snapshot, and the leader waits.

    answers: TestProvideSnap, TestSendingSnapshotSetPendingSnapshot
    """
    raft = make_snapshot_leader(1)
    peer = raft.tracker.progress[2]
    peer.next = raft.log.first_index()
    refuse(raft, 2, peer.next - 1)
    sent = the_one(read_messages(raft), SNAP)
    assert sent.snapshot == snapshot_of(11, 11, voters=[1, 2])
    assert (peer.state, peer.pending_snapshot, peer.next) == (ProgressState.SNAPSHOT, 11, 12)


def test_silent_peer_is_not_sent_a_snapshot() -> None:
    """A snapshot may be large, so only a recently active peer gets one.

    answers: TestIgnoreProvidingSnap
    """
    raft = make_snapshot_leader(1)
    peer = raft.tracker.progress[2]
    peer.next = raft.log.first_index() - 1
    peer.recent_active = False
    assert appends(raft, b"somedata") == []
    answer_heartbeat(raft, 2)
    the_one(read_messages(raft), SNAP)


def test_snapshot_holds_up_entries() -> None:
    """A peer that waits for a snapshot is sent nothing, not even after a heartbeat.

    answers: TestPendingSnapshotPauseReplication
    """
    raft = make_snapshot_leader(1, 2)
    raft.tracker.progress[2].become_snapshot(11)
    assert appends(raft, b"somedata") == []
    answer_heartbeat(raft, 2)
    assert read_messages(raft) == []


@pytest.mark.parametrize(("failed", "next"), [(True, 1), (False, 12)], ids=["failure", "finish"])
def test_reported_snapshot(failed: bool, next: int) -> None:
    """After a report the peer is probed, but not at once: from its match after a failure, else after the snapshot.

    After a success the peer's answer follows; after a failure, the next heartbeat is soon enough.

    answers: TestSnapshotFailure, TestSnapshotSucceed
    """
    raft = make_snapshot_leader(1, 2)
    peer = raft.tracker.progress[2]
    peer.next = 1
    peer.become_snapshot(11)
    raft.step(Message(type=MessageType.MSG_SNAP_STATUS, from_=2, to=1, reject=failed))
    assert (peer.state, peer.pending_snapshot, peer.next) == (ProgressState.PROBE, 0, next)
    assert peer.msg_app_flow_paused
    assert appends(raft, b"somedata") == []
    answer_heartbeat(raft, 2)
    the_one(read_messages(raft), SNAP if failed else APP)


def test_report_of_a_snapshot_that_nobody_waits_for() -> None:
    """Reports about peers that wait for no snapshot, or about strangers, change nothing."""
    raft = make_snapshot_leader(1, 2)
    before = dump_raft(raft)
    for id in (1, 2, 9):
        for failed in (False, True):
            raft.step(Message(type=MessageType.MSG_SNAP_STATUS, from_=id, to=1, reject=failed))
    assert dump_raft(raft) == before


@pytest.mark.parametrize(
    ("index", "streaming"),
    [pytest.param(11, True, id="the_snapshot"), pytest.param(12, True, id="more"), pytest.param(10, False, id="less")],
)
def test_acknowledgement_ends_the_wait(index: int, streaming: bool) -> None:
    """Once a peer has reached the leader's log, by this snapshot or otherwise, it no longer waits for one.

    answers: TestSnapshotAbort
    """
    raft = make_snapshot_leader(1, 2)
    peer = raft.tracker.progress[2]
    peer.next = 1
    peer.become_snapshot(11)
    ack(raft, 2, index)
    if not streaming:
        assert (peer.state, peer.pending_snapshot, read_messages(raft)) == (ProgressState.SNAPSHOT, 11, [])
        return
    # Entry 12, the leader's first, was sent if it was missing.
    assert (peer.state, peer.pending_snapshot, peer.next) == (ProgressState.REPLICATE, 0, 13)
    assert peer.inflights.count() == 12 - index


def test_slow_node_catches_up() -> None:
    """A snapshot and later entries bring a node up to date that missed a hundred entries, compacted since.

    answers: TestSlowNodeRestore
    """
    net = Network(3)
    net.campaign(1)
    net.isolate(3)
    for _ in range(101):
        net.propose(1)
    leader = net[1]
    persist_and_apply(leader)
    net.storage(1).create_snapshot(leader.log.applied, ConfState(voters=leader.tracker.voter_nodes()), None)
    net.storage(1).compact(leader.log.applied)

    net.heal()
    seen: list[MessageType] = []
    net.hook = lambda m: seen.append(m.type) or True
    net.beat(1)
    assert leader.tracker.progress[3].recent_active
    net.propose(1)
    net.propose(1)
    assert seen.count(SNAP) == 1
    assert net[3].log.committed == leader.log.committed == 104
    assert net[3].log.last_index() == leader.log.last_index()


def test_new_peer_is_brought_up_by_a_snapshot() -> None:
    """Every step from the first append to a new peer, which it must refuse, to a stream of entries.

    Two steps differ from etcd's raft of 2019, whose test tells this story. A new peer is sent the last entry at once,
    when the change that adds it is applied. It gets no empty append with the commit index, because it has learned that
    from the snapshot.

    answers: TestSnapshotSucceedViaAppResp
    """
    leader = make_quiet_leader([1])
    propose(leader)
    persist(leader)
    storage = leader.log.storage
    assert leader.log.committed == storage.last_index() == 2
    storage.create_snapshot(2, ConfState(voters=[1, 2]), b"")
    storage.compact(1)
    follower = make_raft(2, [1, 2])
    leader.apply_conf_change(ConfChange(type=ConfChangeType.ADD_NODE, node_id=2).as_v2())

    def carried(sender: Any, receiver: Any, kind: MessageType) -> Message:
        m = the_one(read_messages(sender), kind)
        hand(receiver, m)
        return m

    first = carried(leader, follower, APP)
    assert (first.index, [e.index for e in first.entries]) == (1, [2])
    refusal = carried(follower, leader, APP_RESP)
    assert (refusal.reject, refusal.reject_hint) == (True, 0)
    assert carried(leader, follower, SNAP).snapshot.metadata.index == 2
    assert carried(follower, leader, APP_RESP).index == 2
    peer = leader.tracker.progress[2]
    assert (peer.state, peer.match, peer.next) == (ProgressState.REPLICATE, 2, 3)
    assert (read_messages(leader), read_messages(follower)) == ([], [])
    assert follower.log.committed == 2

    propose(leader, b"x")
    assert [e.index for e in carried(leader, follower, APP).entries] == [3]
    carried(follower, leader, APP_RESP)
    assert leader.log.committed == 3


class Busy(MemoryStorage):
    """A storage without a snapshot for now."""

    busy = True

    def snapshot(self) -> Snapshot:
        if self.busy:
            raise SnapshotTemporarilyUnavailable
        return super().snapshot()


def test_snapshot_that_is_not_ready() -> None:
    """A leader whose storage has no snapshot yet asks again when it next hears from the peer."""
    storage = Busy()
    storage.busy = False
    storage.apply_snapshot(snapshot_of(11, 1, voters=[1, 2]))
    storage.busy = True
    raft = make_raft(1, storage=storage)
    take_role(raft, LEADER)
    settle(raft)
    peer = raft.tracker.progress[2]
    refuse(raft, 2, 11)
    for _ in range(2):
        answer_heartbeat(raft, 2)
        assert (read_messages(raft), peer.state) == ([], ProgressState.PROBE)
    storage.busy = False
    answer_heartbeat(raft, 2)
    the_one(read_messages(raft), SNAP)
    assert peer.state == ProgressState.SNAPSHOT


def test_snapshot_that_is_not_stored_is_passed_on() -> None:
    """A leader may send a snapshot before its own storage has it."""
    raft = make_snapshot_leader(1)
    assert raft.log.storage.last_index() == 0
    refuse(raft, 2, 11)
    assert the_one(read_messages(raft), SNAP).snapshot.metadata.index == 11


def test_peer_with_an_old_snapshot() -> None:
    """A peer that an old snapshot leaves behind the log's beginning is sent another one."""
    storage = make_storage([1, 2])
    node = RawNode(make_config(1, storage))
    node.step(Message(type=SNAP, from_=2, to=1, term=1, snapshot=snapshot_of(11, 1, voters=[1, 2])))
    run(node)
    raft = node.raft
    take_role(raft, LEADER)
    for _ in range(4):
        propose(raft, b"x")
    run(node)
    peer = raft.tracker.progress[2]
    refuse(raft, 2, 11)
    the_one(read_messages(raft), SNAP)
    ack(raft, 2, 16)
    run(node)
    assert raft.log.committed == 16
    storage.create_snapshot(16, ConfState(voters=[1, 2]), b"")
    storage.compact(16)
    peer.match = 0
    peer.become_snapshot(11)
    raft.step(beat(1))
    read_messages(raft)
    ack(raft, 2, 11)
    assert (peer.state, read_messages(raft)) == (ProgressState.SNAPSHOT, [])
    raft.step(Message(type=MessageType.MSG_SNAP_STATUS, from_=2, to=1))
    answer_heartbeat(raft, 2)
    assert the_one(read_messages(raft), SNAP).snapshot.metadata.index == 16


def test_logs_are_equal_after_a_snapshot() -> None:
    """From the snapshot on, the receiver's log equals the leader's."""
    net = Network(3)
    net.isolate(3)
    net.campaign(1)
    for _ in range(3):
        net.propose(1, b"x")
    persist_and_apply(net[1])
    net.storage(1).create_snapshot(3, ConfState(voters=[1, 2, 3]), b"data")
    net.storage(1).compact(3)
    net.propose(1, b"y")
    net.heal()
    net.beat(1)
    assert net[3].log.unstable.snapshot.data == b"data"
    assert [e.index for e in net[3].log.all_entries()] == [4, 5]
    assert log_of(net[3]) == log_of(net[1])
