"""Bugs of other Raft implementations, each as the story of the harm it did; see tests/catalogue.md."""

from typing import Any

import pytest

from raftcy import (
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    ConfState,
    Entry,
    EntryType,
    HardState,
    InvariantError,
    MemoryStorage,
    Message,
    MessageType,
    ProgressState,
    RawNode,
)
from raftcy.core.entries import entries_size
from tests.support.network import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    Network,
    hup,
    make_config,
    make_raft,
    make_storage,
    persist_and_apply,
    prop,
    read_messages,
    settle,
    terms_of,
    tick,
)
from tests.support.peers import (
    ack,
    answer_heartbeat,
    hand,
    make_quiet_leader,
    refuse,
    run,
    say,
    send_append,
    send_snapshot,
    snapshot_of,
    the_one,
)

ASYNC = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


def ask_for_vote(node: Any, candidate: int, term: int) -> None:
    """A candidate with a perfect log asks a node for its vote."""
    node.step(Message(type=MessageType.MSG_VOTE, from_=candidate, to=node.id, term=term, log_term=9, index=99))


def write_of(rd: Any) -> Message:
    """The write that a Ready asks of the storage thread."""
    return next(m for m in rd.messages if m.type == MessageType.MSG_STORAGE_APPEND)


def finish(node: RawNode, write: Message) -> list[Message]:
    """Deliver the storage thread's answers to the node; returns the messages to others."""
    node.raft.log.storage.append(write.entries)
    for m in write.responses:
        if m.to == node.id:
            node.step(m)
    return [m for m in write.responses if m.to != node.id]


# -- durable state -----------------------------------------------------------------------------------------------------


@ASYNC
@pytest.mark.parametrize("term", [0, 1], ids=["of_a_new_term", "of_the_present_term"])
def test_vote_survives_a_crash(term: int, asynchronous: bool) -> None:
    """A vote is in the hard state, must be synced, and still binds the node after a restart.

    catches: PySyncObj#84, tikv#8381
    """
    storage = make_storage([1, 2, 3])
    storage.set_hard_state(HardState(term=term))
    node = RawNode(make_config(1, storage, async_storage_writes=asynchronous))
    ask_for_vote(node, 2, 1)
    rd = node.ready()
    assert (rd.hard_state, rd.must_sync) == (HardState(term=1, vote=2, commit=0), True)
    if asynchronous:
        write = write_of(rd)
        assert (write.term, write.vote, write.commit) == (1, 2, 0)

    storage.set_hard_state(rd.hard_state)
    again = RawNode(make_config(1, storage))
    ask_for_vote(again, 3, 1)
    [answer] = again.ready().messages
    assert (answer.to, answer.term, answer.reject) == (3, 1, True)


def test_term_survives_a_crash() -> None:
    """A term without a vote and without entries is stored like any other.

    catches: PySyncObj#84
    """
    storage = make_storage([1, 2, 3])
    node = RawNode(make_config(1, storage))
    node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=5))
    [rd] = run(node)
    assert (rd.hard_state, rd.must_sync) == (HardState(term=5, vote=0, commit=0), True)
    assert RawNode(make_config(1, storage)).raft.term == 5


def test_no_answer_before_it_is_stored() -> None:
    """A vote and an acknowledgement wait until the storage thread is done, and then it sends them.

    catches: tikv#8381, redpanda#16105
    """
    node = RawNode(make_config(1, make_storage([1, 2, 3]), async_storage_writes=True))
    ask_for_vote(node, 2, 1)
    rd = node.ready()
    assert [m.type for m in rd.messages] == [MessageType.MSG_STORAGE_APPEND]
    [vote] = finish(node, write_of(rd))
    assert (vote.type, vote.to, vote.reject) == (MessageType.MSG_VOTE_RESP, 2, False)

    say(node.raft, 2, MessageType.MSG_APP, entries=[Entry(term=1, index=1)])
    rd = node.ready()
    assert [m.type for m in rd.messages] == [MessageType.MSG_STORAGE_APPEND]
    [answer] = finish(node, write_of(rd))
    assert (answer.type, answer.to, answer.index) == (MessageType.MSG_APP_RESP, 2, 1)


def test_own_vote_counts_once_it_is_stored() -> None:
    """A candidate asks for votes while it stores its own, and cannot be elected before that is stored.

    catches: nebula#3415
    """
    raft = make_raft(1, [1, 2, 3])
    raft.step(hup(1))
    say(raft, 2, MessageType.MSG_VOTE_RESP)
    assert (raft.state, raft.vote) == (CANDIDATE, 1)
    settle(raft)
    assert raft.state == LEADER


@ASYNC
def test_only_voter_waits_for_its_storage(asynchronous: bool) -> None:
    """A group of one commits a proposal with the Ready after the one that stored it.

    catches: etcd#14370
    """
    node = RawNode(make_config(1, make_storage([1]), async_storage_writes=asynchronous))
    node.campaign()
    if asynchronous:
        while node.has_ready():
            finish(node, write_of(node.ready()))
            node.raft.log.applied_to(node.raft.log.committed, 0)
    else:
        run(node)
    node.propose(b"x")
    before = node.raft.log.committed
    rd = node.ready()
    assert [e.data for e in rd.entries] == [b"x"]
    assert (rd.committed_entries, node.raft.log.committed) == ([], before)


def test_commit_index_beyond_the_log_ends_the_start() -> None:
    """A start fails if the hard state commits beyond the log; it does not wait for the entries.

    catches: PySyncObj#197
    """
    storage = make_storage([1, 2, 3], terms=[1, 1])
    storage.set_hard_state(HardState(term=1, commit=3))
    with pytest.raises(InvariantError, match=r"^1 state.commit 3 is out of range \[0, 2\]$"):
        RawNode(make_config(1, storage))


# -- votes -------------------------------------------------------------------------------------------------------------


def test_vote_outlasts_what_the_leader_sends() -> None:
    """Appends, heartbeats and snapshots of the present term keep the vote, and so does forgetting the leader.

    catches: nats-server#5314, camunda#5356
    """
    raft = make_raft(1, [1, 2, 3], term=1, vote=2)
    send_append(raft, 2, 0, 0, [1])
    say(raft, 2, MessageType.MSG_HEARTBEAT)
    send_snapshot(raft, 2, snapshot_of(9, 1, voters=[1, 2, 3]))
    raft.step(Message(type=MessageType.MSG_FORGET_LEADER))
    read_messages(raft)
    assert (raft.vote, raft.lead) == (2, 0)
    ask_for_vote(raft, 3, 1)
    assert the_one(read_messages(raft), MessageType.MSG_VOTE_RESP).reject


def test_vote_outlasts_a_lost_election() -> None:
    """A candidate that becomes a follower of its own term keeps the vote for itself.

    catches: camunda#5356
    """
    raft = make_raft(1, [1, 2, 3])
    raft.step(hup(1))
    settle(raft)
    for voter in (2, 3):
        say(raft, voter, MessageType.MSG_VOTE_RESP, reject=True)
    read_messages(raft)
    assert (raft.state, raft.vote) == (FOLLOWER, 1)
    ask_for_vote(raft, 2, 1)
    assert the_one(read_messages(raft), MessageType.MSG_VOTE_RESP).reject


def test_former_leader_is_elected_by_a_node_that_still_follows_it() -> None:
    """With one node down, a leader that stepped down gets the pre-vote of a node that does not know that yet.

    This node did not vote for it in the present term.

    catches: hashicorp/raft#605
    """
    net = Network(3, pre_vote=True)
    net.cut(1, 2)
    net.campaign(1)
    net.heal()
    net.beat(1)
    net.isolate(3)
    net[1].become_follower(net[1].term, 0)
    assert (net[2].vote, net[2].lead) == (0, 1)
    net.campaign(1)
    assert (net[1].state, net[1].term) == (LEADER, 2)


def test_candidate_grants_pre_votes() -> None:
    """With one of three nodes down and a candidate that cannot win by its log, the candidate helps the other to win.

    catches: rabbitmq/ra#442
    """
    net = Network(3, pre_vote=True)
    net.campaign(1)
    net.isolate(3)
    net.propose(1, b"x")
    net.isolate(1)
    net[2].become_pre_candidate()
    net[2].become_candidate()
    net.heal()
    net.isolate(3)
    net[1].become_follower(net[1].term, 0)
    net.campaign(1)
    net.campaign(1)
    assert net.states()[:2] == [LEADER, FOLLOWER]


def test_scan_for_changes_reads_a_page_at_a_time() -> None:
    """A node that campaigns with many unapplied entries reads no more from its storage at once than the limit.

    catches: raft#32
    """
    asked = []

    class Counting(MemoryStorage):
        def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
            asked.append(max_size)
            return super().entries(lo, hi, max_size)

    storage = Counting()
    storage.apply_snapshot(snapshot_of(0, 0, voters=[1]))
    storage.append([Entry(term=1, index=index, data=b"x" * 50) for index in range(1, 101)])
    storage.set_hard_state(HardState(term=1, commit=100))
    raft = make_raft(1, storage=storage, max_committed_size_per_ready=500)
    raft.step(hup(1))
    assert raft.state == CANDIDATE
    assert set(asked) == {500}
    assert len(asked) > 10


# -- logs --------------------------------------------------------------------------------------------------------------


def test_append_from_the_beginning_after_a_compaction() -> None:
    """An old append from before the compaction arrives again and changes nothing.

    catches: willemt/raft#118
    """
    storage = make_storage([1, 2, 3], terms=[1] * 5)
    storage.set_hard_state(HardState(term=1, commit=5))
    storage.compact(3)
    raft = make_raft(1, storage=storage, applied=5)
    before = raft.log.all_entries()
    for _ in range(2):
        send_append(raft, 2, 0, 0, [1] * 5, commit=5)
        answer = the_one(read_messages(raft), MessageType.MSG_APP_RESP)
        assert (answer.index, answer.reject) == (5, False)
    assert raft.log.all_entries() == before
    assert (raft.log.last_index(), raft.log.unstable.entries) == (5, [])


def test_log_that_was_cut_is_as_short_as_it_is() -> None:
    """Cut entries are gone from everything that knew them: length, last term, entries, and requests to peers.

    catches: cockroach#63302
    """
    raft = make_raft(1, [1, 2, 3], terms=[1, 1, 1, 1], term=2)
    send_append(raft, 2, 1, 1, [2])
    assert (raft.log.last_index(), raft.log.last_term(), terms_of(raft)) == (2, 2, [1, 2])
    read_messages(raft)
    raft.step(hup(1))
    assert {(m.index, m.log_term) for m in raft.outbox.msgs} == {(2, 2)}


def test_append_after_a_compaction_behind_a_full_window() -> None:
    """A peer with a full window whose next entry is compacted gets a snapshot, not an empty append.

    catches: raft#31
    """
    raft = make_quiet_leader([1, 2], max_inflight_msgs=1)
    ack(raft, 2, 1)
    read_messages(raft)
    for data in (b"a", b"b"):
        raft.step(prop(1, data))
        persist_and_apply(raft)
    assert raft.tracker.progress[2].inflights.full()
    ack(raft, 1, 3)
    raft.log.commit_to(3)
    persist_and_apply(raft)
    raft.log.storage.create_snapshot(3, ConfState(voters=[1, 2]), b"data")
    raft.log.storage.compact(3)
    raft.outbox.msgs.clear()
    answer_heartbeat(raft, 2)
    refuse(raft, 2, 2, hint=1, log_term=1)
    kinds = {m.type for m in read_messages(raft)}
    assert kinds == {MessageType.MSG_SNAP}
    assert raft.tracker.progress[2].state == ProgressState.SNAPSHOT


# -- asynchronous storage ----------------------------------------------------------------------------------------------


def test_write_that_was_overwritten_and_written_again() -> None:
    """An entry is written, overwritten, and written again; the answer to the first write says nothing about the third.

    catches: ClickHouse#102629
    """
    node = RawNode(make_config(1, make_storage([1, 2, 3]), async_storage_writes=True))
    writes = []
    for sender, term, entry_term in ((2, 1, 1), (3, 2, 2), (2, 3, 1)):
        node.step(
            Message(type=MessageType.MSG_APP, from_=sender, to=1, term=term, entries=[Entry(term=entry_term, index=1)])
        )
        write = write_of(node.ready())
        assert [e.term for e in write.entries] == [entry_term]
        writes.append(write)
    unstable = node.raft.log.unstable
    for write in writes[:2]:
        finish(node, write)
        assert ([e.term for e in unstable.entries], unstable.offset) == ([1], 1)
    finish(node, writes[2])
    assert (unstable.entries, unstable.offset) == ([], 2)


def test_answer_for_an_entry_that_was_replaced() -> None:
    """An entry that replaces one in the middle of a write is written too, and counts only by its own answer.

    catches: redpanda#16105, ClickHouse#84434
    """
    raft = make_raft(1, [1, 2, 3], terms=[1], term=3)
    send_append(raft, 2, 1, 1, [2, 2])
    unstable = raft.log.unstable
    unstable.accept_in_progress()
    send_append(raft, 2, 2, 2, [3])
    assert [(e.index, e.term) for e in unstable.next_entries()] == [(3, 3)]
    raft.storage_append_resp(3, 3, 2, None)
    assert [e.term for e in unstable.entries] == [2, 3]
    raft.storage_append_resp(3, 3, 3, None)
    assert unstable.entries == []


def test_two_snapshots_in_short_order() -> None:
    """A snapshot that arrives while an older one is being stored is stored too, and counts only then.

    catches: etcd#18055
    """
    node = RawNode(make_config(1, make_storage([1, 2, 3]), async_storage_writes=True))
    writes = []
    for index in (11, 21):
        snapshot = snapshot_of(index, 1, voters=[1, 2, 3])
        node.step(Message(type=MessageType.MSG_SNAP, from_=2, to=1, term=1, snapshot=snapshot))
        writes.append(write_of(node.ready()))
    assert [write.snapshot.metadata.index for write in writes] == [11, 21]
    log = node.raft.log
    for write, left in zip(writes, (21, 0), strict=True):
        node.raft.log.storage.apply_snapshot(write.snapshot)
        finish(node, write)
        assert (log.applied, log.unstable.snapshot_index()) == (write.snapshot.metadata.index, left)
    assert (log.first_index(), log.last_index()) == (22, 21)


# -- snapshots and members ---------------------------------------------------------------------------------------------


def test_candidate_takes_a_snapshot() -> None:
    """A candidate that gets a snapshot from the leader of its term follows that leader.

    catches: nebula#1769
    """
    raft = make_raft(2, [1, 2, 3])
    raft.step(hup(2))
    settle(raft)
    raft.outbox.msgs.clear()
    assert (raft.state, raft.term) == (CANDIDATE, 1)
    send_snapshot(raft, 1, snapshot_of(9, 1, voters=[1, 2, 3]))
    assert (raft.state, raft.lead, raft.log.last_index()) == (FOLLOWER, 1, 9)
    assert the_one(read_messages(raft), MessageType.MSG_APP_RESP).index == 9


def test_learner_by_snapshot_does_not_campaign() -> None:
    """A node that a snapshot makes, or leaves, a learner does not campaign after storing it.

    catches: dragonboat#94, redpanda#8495
    """
    for before in ({"voters": [1, 2, 3]}, {"voters": [1, 2], "learners": [3]}):
        raft = make_raft(3, **before, term=1)
        snapshot = snapshot_of(9, 1, voters=[1, 2], learners=[3])
        send_snapshot(raft, 1, snapshot)
        read_messages(raft)
        raft.log.storage.apply_snapshot(snapshot)
        raft.storage_append_resp(0, 0, 0, snapshot)
        tick(raft, raft.randomized_election_timeout)
        assert (raft.state, raft.promotable(), raft.outbox.msgs) == (FOLLOWER, False, [])


def test_joint_configuration_is_left_once() -> None:
    """A leader that applies entry by entry proposes to leave once, however long applying takes.

    catches: etcd#12136
    """
    raft = make_quiet_leader([1])
    persist_and_apply(raft)
    changes = [ConfChangeSingle(type=ConfChangeType.ADD_LEARNER_NODE, node_id=id) for id in (2, 3)]
    change = ConfChangeV2(transition=ConfChangeTransition.JOINT_IMPLICIT, changes=changes)
    entry = Entry(type=EntryType.CONF_CHANGE_V2, data=change.encode())
    hand(raft, Message(type=MessageType.MSG_PROP, from_=1, to=1, entries=[entry]))
    for data in (b"x", b"y"):
        raft.step(prop(1, data))
    settle(raft)
    entries = raft.log.next_committed(True)
    raft.apply_conf_change(change)
    for each in entries:
        raft.storage_apply_resp([each], entries_size([each]))
    leaving = [e for e in raft.log.all_entries() if e.type == EntryType.CONF_CHANGE_V2 and not e.data]
    assert [e.index for e in leaving] == [5]
