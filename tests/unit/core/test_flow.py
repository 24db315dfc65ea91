"""How far ahead a leader sends: one probe, a window by count and bytes, and the limit on uncommitted proposals."""

import pytest

from raftcy import Message, MessageType, ProgressState, ProposalDropped
from tests.support.network import CANDIDATE, FOLLOWER, LEADER, beat, make_raft, prop, read_messages, settle, take_role
from tests.support.peers import (
    ack,
    answer_heartbeat,
    appends,
    apply,
    hand,
    make_leader,
    make_quiet_leader,
    propose,
    the_one,
)

APP = MessageType.MSG_APP


def make_streaming_leader(**options: object) -> object:
    """A leader of two that sends to its peer without waiting for answers, and has sent nothing yet."""
    raft = make_quiet_leader([1, 2], election_tick=5, **options)
    raft.tracker.progress[2].become_replicate()
    return raft


def fill(raft: object) -> None:
    """Propose until the window to node 2 is full, with one message per proposal."""
    while not raft.tracker.progress[2].inflights.full():
        assert the_one(appends(raft, b"somedata"), APP).entries != []


# -- one peer ----------------------------------------------------------------------------------------------------------


def test_leader_counts_its_entries_once_stored() -> None:
    """A leader counts its own entries when they are stored, not when they are proposed (thesis 10.2.1).

    answers: TestProgressLeader
    catches: etcd#14370
    """
    raft = make_leader([1, 2], election_tick=5)
    raft.tracker.progress[2].become_replicate()
    for _ in range(5):
        propose(raft, b"foo")
    own = raft.tracker.progress[1]
    assert own.match == 0
    assert [e.data for e in raft.log.unstable.next_entries()] == [b""] + [b"foo"] * 5

    settle(raft)
    assert (own.match, own.next) == (6, 7)


def test_answered_heartbeat_ends_a_pause() -> None:
    """A paused peer is sent more once it answers a heartbeat; the heartbeat itself changes nothing.

    answers: TestProgressResumeByHeartbeatResp
    """
    raft = make_leader([1, 2], election_tick=5)
    peer = raft.tracker.progress[2]
    peer.msg_app_flow_paused = True
    raft.step(beat(1))
    assert peer.msg_app_flow_paused

    peer.become_replicate()
    assert not peer.msg_app_flow_paused
    peer.msg_app_flow_paused = True
    answer_heartbeat(raft, 2)
    assert not peer.msg_app_flow_paused


def test_probe_is_a_single_append() -> None:
    """While a peer's log is unknown, the leader sends it a single append, even if more is proposed meanwhile.

    answers: TestProgressPaused
    """
    raft = make_leader([1, 2], election_tick=5)
    for _ in range(3):
        propose(raft, b"somedata")
    sent = the_one(read_messages(raft), APP)
    assert [e.data for e in sent.entries] == [b"", b"somedata"]
    assert raft.tracker.progress[2].state == ProgressState.PROBE


def test_window_by_messages_and_bytes() -> None:
    """Messages are filled up to their size limit, and sent until the window reaches its count or its bytes.

    Sixteen proposals of 1,000 bytes surround six of 5,000. A message holds 2,048 bytes, and the window three messages
    or 9,000 bytes of payload; the message that crosses this limit is still sent.

    answers: TestProgressFlowControl
    catches: raft#54
    """
    limits = {"max_inflight_msgs": 3, "max_size_per_msg": 2048, "max_inflight_bytes": 9000}
    raft = make_quiet_leader([1, 2], election_tick=5, **limits)
    raft.tracker.progress[2].become_probe()
    for i in range(22):
        propose(raft, b"b" * 5000 if 10 <= i < 16 else b"a" * 1000)
    probe = the_one(read_messages(raft), APP)
    assert [len(e.data) for e in probe.entries] == [0, 1000]

    last = probe.entries[-1].index
    for counts in ([2, 2, 2], [2, 1, 1], [1, 1], [1, 1], [1, 2, 2], [2]):
        ack(raft, 2, last)
        sent = read_messages(raft)
        assert [(m.type, len(m.entries)) for m in sent] == [(APP, count) for count in counts]
        last = sent[-1].entries[-1].index
    assert last == 23


def test_one_entry_for_each_message() -> None:
    """A size limit of 0 means one entry per message: an entry is sent however large it is."""
    raft = make_quiet_leader([1, 2], max_size_per_msg=0)
    for _ in range(3):
        propose(raft, b"a" * 100)
    read_messages(raft)
    ack(raft, 2, 1)
    assert [[e.index for e in m.entries] for m in read_messages(raft) if m.entries] == [[2], [3], [4]]


# -- the window --------------------------------------------------------------------------------------------------------


def test_full_window_sends_no_more() -> None:
    """Each proposal is its own message until the window is full; then nothing is sent.

    answers: TestMsgAppFlowControlFull
    """
    raft = make_streaming_leader()
    for _ in range(raft.tracker.max_inflight):
        the_one(appends(raft, b"somedata"), APP)
    peer = raft.tracker.progress[2]
    assert peer.is_paused()
    assert peer.inflights.count() == 256
    for _ in range(10):
        assert appends(raft, b"somedata") == []


def test_window_moves_with_acknowledgements() -> None:
    """An acknowledgement frees the messages that it covers; an old one frees none.

    answers: TestMsgAppFlowControlMoveForward
    """
    raft = make_streaming_leader(max_inflight_msgs=64)
    fill(raft)
    peer = raft.tracker.progress[2]
    # The first message holds entries 1 and 2.
    for index in range(2, 64):
        ack(raft, 2, index)
        read_messages(raft)
        the_one(appends(raft, b"somedata"), APP)
        assert peer.is_paused()
        for old in range(index):
            ack(raft, 2, old)
            assert peer.is_paused()
        assert read_messages(raft) == []

    ack(raft, 2, 68)
    assert peer.inflights.count() == 64 - 5
    assert not peer.is_paused()


def test_full_window_lets_one_empty_append_out_for_each_heartbeat() -> None:
    """Without this, replication would stop after a lost window: the answer to the empty append shows what is missing.

    answers: TestMsgAppFlowControlRecvHeartbeat
    """
    raft = make_streaming_leader()
    fill(raft)
    peer = raft.tracker.progress[2]
    for answers in range(1, 5):
        for _ in range(answers):
            assert peer.is_paused()
            answer_heartbeat(raft, 2)
            assert the_one(read_messages(raft), APP).entries == []
        for _ in range(10):
            assert peer.is_paused()
            assert appends(raft, b"somedata") == []
        answer_heartbeat(raft, 2)
        read_messages(raft)


def test_window_by_bytes_alone() -> None:
    """The window is full when its payload reaches the limit, even if the count has room.

    catches: raft#54
    """
    raft = make_streaming_leader(max_size_per_msg=100, max_inflight_bytes=100)
    assert len(the_one(appends(raft, b"x" * 40), APP).entries) == 2
    the_one(appends(raft, b"x" * 40), APP)
    the_one(appends(raft, b"x" * 40), APP)
    peer = raft.tracker.progress[2]
    assert (peer.inflights.count(), peer.inflights.bytes, peer.is_paused()) == (3, 120, True)
    assert appends(raft, b"x") == []
    ack(raft, 2, 2)
    assert [[e.index for e in m.entries] for m in read_messages(raft) if m.entries] == [[5]]


def test_entries_without_payload_need_no_bytes() -> None:
    """Only payload counts in the window's bytes, so empty entries fill the window by their number alone."""
    raft = make_streaming_leader(max_size_per_msg=10, max_inflight_bytes=10, max_inflight_msgs=5)
    for _ in range(5):
        the_one(appends(raft), APP)
    peer = raft.tracker.progress[2]
    assert (peer.inflights.bytes, peer.inflights.count(), peer.is_paused()) == (0, 5, True)


def test_unreachable_peer_has_an_empty_window() -> None:
    """Messages on the way may be lost, so the leader probes again, right after the last entry known to be stored."""
    raft = make_streaming_leader(max_inflight_msgs=4)
    fill(raft)
    ack(raft, 2, 3)
    read_messages(raft)
    raft.step(Message(type=MessageType.MSG_UNREACHABLE, from_=2, to=1))
    peer = raft.tracker.progress[2]
    assert (peer.match, peer.next, peer.inflights.count(), peer.is_paused()) == (3, 4, 0, False)
    assert the_one(appends(raft, b"x"), APP).index == 3
    assert appends(raft, b"x") == []


# -- the quota of uncommitted proposals --------------------------------------------------------------------------------


def commit_and_apply(raft: object, *peers: int) -> None:
    """The peers store everything, which commits it; then the application applies it."""
    read_messages(raft)
    for peer in peers:
        ack(raft, peer, raft.log.last_index())
    read_messages(raft)
    assert raft.log.committed == raft.log.last_index()
    apply(raft, raft.log.next_committed(True))


def test_quota_of_uncommitted_payload() -> None:
    """Proposals are dropped while too much payload is uncommitted; applying entries frees their share.

    A proposal larger than the quota passes if the quota is not used up, and one without payload always passes: the
    first entry of a leader and the entry that leaves a joint configuration must never be dropped.

    answers: TestUncommittedEntryLimit
    catches: cockroach#31689
    """
    count, data = 1024, b"testdata"
    raft = make_leader(
        [1, 2, 3], election_tick=5, max_uncommitted_entries_size=count * len(data), max_inflight_msgs=2 * count
    )
    assert raft.uncommitted_size == 0
    raft.tracker.progress[2].become_replicate()
    raft.tracker.progress[3].become_replicate()
    for _ in range(count):
        propose(raft, data)
    with pytest.raises(ProposalDropped, match=r"^raft proposal dropped$") as caught:
        propose(raft, data)
    assert caught.value.reason == "too much is uncommitted"
    assert len(read_messages(raft)) == 2 * count
    commit_and_apply(raft, 2, 3)
    assert raft.uncommitted_size == 0

    last = raft.log.last_index()
    propose(raft, data)
    propose(raft, *[data] * (count - 2))
    hand(raft, prop(1, data))
    with pytest.raises(ProposalDropped):
        propose(raft, data)
    assert raft.log.last_index() == last + count
    commit_and_apply(raft, 2, 3)

    propose(raft, *[data] * (2 * count))
    with pytest.raises(ProposalDropped):
        propose(raft, data)
    propose(raft)
    assert [len(m.entries) for m in read_messages(raft)] == [2 * count] * 2 + [1] * 2
    commit_and_apply(raft, 2, 3)
    assert raft.uncommitted_size == 0


def test_dropped_proposal_leaves_no_entry() -> None:
    """The quota drops a proposal as a whole: the log stays unchanged, and no message is sent."""
    raft = make_streaming_leader(max_uncommitted_entries_size=10)
    propose(raft, b"12345678")
    read_messages(raft)
    with pytest.raises(ProposalDropped):
        propose(raft, b"1", b"2", b"3")
    assert (raft.log.last_index(), raft.uncommitted_size, read_messages(raft)) == (2, 8, [])
    propose(raft, b"1", b"2")
    assert raft.uncommitted_size == 10


def test_quota_begins_anew_with_each_role() -> None:
    """A new leader starts with an empty quota; applying its predecessor's entries does not lower it below zero.

    catches: cockroach#31689
    """
    raft = make_raft(1, [1, 2], max_uncommitted_entries_size=10)
    take_role(raft, LEADER)
    propose(raft, b"1234567890")
    with pytest.raises(ProposalDropped):
        propose(raft, b"x")

    for role, size in ((FOLLOWER, 0), (CANDIDATE, 0), (LEADER, 0)):
        if role == LEADER:
            raft.become_leader()
        else:
            take_role(raft, role)
        assert raft.uncommitted_size == size
    propose(raft, b"x")
    commit_and_apply(raft, 2)
    assert raft.uncommitted_size == 0


def test_no_limit_by_default() -> None:
    """A quota of 0 means no limit."""
    raft = make_quiet_leader([1, 2])
    for _ in range(4):
        propose(raft, b"x" * 2**20)
    assert raft.uncommitted_size == 4 * 2**20
