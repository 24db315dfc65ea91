"""How entries reach the peers, how logs are made to agree, and when an entry is committed (paper 5.3, 5.4)."""

import pytest

from raftcy import (
    NO_LIMIT,
    ConfChange,
    ConfChangeType,
    ConfState,
    Entry,
    HardState,
    MemoryStorage,
    Message,
    MessageType,
    ProgressState,
    Snapshot,
    SnapshotMetadata,
    StateType,
)
from tests.support.logs import Counting, run
from tests.support.network import (
    CANDIDATE,
    DOWN,
    FOLLOWER,
    LEADER,
    PRE_CANDIDATE,
    Network,
    Past,
    beat,
    entries_of,
    let_out,
    log_of,
    make_raft,
    persist,
    persist_and_apply,
    read_messages,
    settle,
    take_role,
    take_waiting,
    terms_of,
    tick,
)
from tests.support.peers import (
    ack,
    answer_heartbeat,
    appends,
    hand,
    make_leader,
    make_quiet_leader,
    propose,
    refuse,
    say,
    send_append,
    snapshot_of,
    the_one,
)
from tests.support.state import dump_raft

APP = MessageType.MSG_APP
APP_RESP = MessageType.MSG_APP_RESP
HEARTBEAT = MessageType.MSG_HEARTBEAT


def data_of(entries: list[Entry]) -> list[bytes]:
    """The payloads of the entries that have one."""
    return [e.data for e in entries if e.data]


# -- a group -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leaders", [[1], [1, 2]], ids=["one_leader", "two_leaders"])
def test_proposals_reach_every_log(leaders: list[int]) -> None:
    """Entries of a leader are committed and applied everywhere, in the same order, also under the next leader.

    answers: TestLogReplication
    """
    net = Network(3)
    proposed = []
    for leader in leaders:
        net.campaign(leader)
        net.propose(leader, b"somedata %d" % leader)
        proposed.append(b"somedata %d" % leader)
    for id in net.ids:
        assert net[id].log.committed == 2 * len(leaders)
        assert data_of(persist_and_apply(net[id])) == proposed


def test_learner_is_replicated_to() -> None:
    """A learner gets entries and the commit index like everybody else, and its progress is tracked.

    answers: TestLearnerLogReplication
    """
    net = Network([Past(term=1), Past(term=1)], learners=[2])
    net[1].randomized_election_timeout = net[1].election_timeout
    tick(net[1], net[1].election_timeout)
    settle(net[1])
    net.beat(1)
    assert net.states() == [LEADER, FOLLOWER]
    assert net[2].is_learner

    net.propose(1, b"somedata")
    assert (net[1].log.committed, net[2].log.committed) == (2, 2)
    assert net[1].tracker.progress[2].match == 2


def test_learner_does_not_count() -> None:
    """A learner's acknowledgement does not count towards a commit (thesis 4.2.1)."""
    net = Network([make_quiet_leader([1, 2], [3]), DOWN, None], learners=[3])
    net.beat(1)
    assert net[1].tracker.progress[3].match == 1
    assert net[1].log.committed == 0


def test_single_node_commits_alone() -> None:
    """The only voter commits what it has stored.

    answers: TestSingleNodeCommit
    """
    net = Network(1)
    net.campaign(1)
    net.propose(1, b"some data")
    net.propose(1, b"some data")
    assert net[1].log.committed == 3


def two_entries_on_a_minority() -> Network:
    """Five nodes; only 1, the leader, and 2 have two more entries after the committed first one."""
    net = Network(5)
    net.campaign(1)
    for id in (3, 4, 5):
        net.cut(1, id)
    net.propose(1, b"some data")
    net.propose(1, b"some data")
    assert [net[id].log.last_index() for id in net.ids] == [3, 3, 1, 1, 1]
    assert net[1].log.committed == 1
    net.heal()
    return net


def test_old_entries_wait_for_one_of_the_new_term() -> None:
    """A new leader does not commit entries of older terms by counting copies (paper 5.4.2, figure 8).

    answers: TestCannotCommitWithoutNewTermEntry
    """
    net = two_entries_on_a_minority()
    net.ignore(APP)
    net.campaign(2)
    assert (net[2].state, net[2].log.committed) == (LEADER, 1)

    net.heal()
    net.beat(2)
    net.propose(2, b"some data")
    assert net[2].log.committed == 5


def test_first_entry_of_a_leader_commits_older_ones() -> None:
    """A new leader's empty entry also commits the entries before it (paper 5.4.2, 8).

    answers: TestCommitWithoutNewTermEntry
    catches: redisraft#18
    """
    net = two_entries_on_a_minority()
    net.campaign(2)
    assert net[2].log.committed == 4
    assert [terms_of(net[id]) for id in net.ids] == [[1, 1, 1, 2]] * 5


def test_appends_of_an_old_leader_are_ignored() -> None:
    """A late append of a deposed leader changes nothing.

    answers: TestOldMessages
    """
    net = Network(3)
    for leader in (1, 2, 1):
        net.campaign(leader)
    assert net.terms() == [3, 3, 3]
    late = Message(type=APP, from_=2, to=1, term=2, index=2, log_term=2, entries=entries_of([2], first=3))
    net.send(late)
    net.propose(1, b"somedata")

    for id in net.ids:
        assert terms_of(net[id]) == [1, 2, 3, 3]
        assert log_of(net[id]) == log_of(net[1])
    assert net[1].log.committed == 4
    assert net[1].log.all_entries()[3].data == b"somedata"


@pytest.mark.parametrize(
    ("peers", "committed"),
    [
        pytest.param([None, None, None], True, id="all_up"),
        pytest.param([None, None, DOWN], True, id="one_of_three_down"),
        pytest.param([None, DOWN, DOWN], False, id="two_of_three_down"),
        pytest.param([None, DOWN, DOWN, None], False, id="half_of_four_down"),
        pytest.param([None, DOWN, DOWN, None, None], True, id="two_of_five_down"),
    ],
)
def test_proposal_needs_a_quorum(peers: list, committed: bool) -> None:
    """With a quorum a proposal is committed everywhere; without one nobody leads, and it is dropped.

    answers: TestProposal
    """
    net = Network(peers)
    net.campaign(1)
    net.propose(1, b"somedata")
    assert len(net.refused) == (0 if committed else 1)
    expected = [Entry(term=1, index=1), Entry(term=1, index=2, data=b"somedata")] if committed else []
    for raft in net.nodes.values():
        assert log_of(raft) == (expected, len(expected))
    assert net[1].term == 1


@pytest.mark.parametrize("peers", [[None, None, None], [None, None, DOWN]], ids=["all_up", "one_down"])
def test_proposal_at_a_follower(peers: list) -> None:
    """A follower forwards a proposal to its leader.

    answers: TestProposalByProxy
    catches: redisraft#13
    """
    net = Network(peers)
    net.campaign(1)
    net.propose(2, b"somedata")
    expected = [Entry(term=1, index=1), Entry(term=1, index=2, data=b"somedata")]
    for raft in net.nodes.values():
        assert log_of(raft) == (expected, 2)
    assert net[1].term == 1


# -- committing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matches", "terms", "term", "committed"),
    [
        ([1], [1], 1, 1),
        ([1], [1], 2, 0),
        ([2], [1, 2], 2, 2),
        ([1], [2], 2, 1),
        ([2, 1, 1], [1, 2], 1, 1),
        ([2, 1, 1], [1, 1], 2, 0),
        ([2, 1, 2], [1, 2], 2, 2),
        ([2, 1, 2], [1, 1], 2, 0),
        ([2, 1, 1, 1], [1, 2], 1, 1),
        ([2, 1, 1, 1], [1, 1], 2, 0),
        ([2, 1, 1, 2], [1, 2], 1, 1),
        ([2, 1, 1, 2], [1, 1], 2, 0),
        ([2, 1, 2, 2], [1, 2], 2, 2),
        ([2, 1, 2, 2], [1, 1], 2, 0),
    ],
)
def test_commit_by_quorum_and_term(matches: list[int], terms: list[int], term: int, committed: int) -> None:
    """The commit index is the highest that a majority has stored, if its entry has the leader's term (paper 5.4.2).

    answers: TestCommit
    """
    raft = make_raft(1, [1], terms=terms, term=term)
    for id in range(2, len(matches) + 1):
        raft.apply_conf_change(ConfChange(type=ConfChangeType.ADD_NODE, node_id=id).as_v2())
    for id, match in enumerate(matches, 1):
        peer = raft.tracker.progress[id]
        peer.match, peer.next = match, match + 1
    raft.state = LEADER
    # The answer to a probe makes the leader count, even though it contains nothing new.
    ack(raft, len(matches), matches[-1])
    assert raft.log.committed == committed


def test_commit_index_never_falls() -> None:
    """Late acknowledgements, and those of a peer with fewer entries, leave the commit index unchanged."""
    raft = make_quiet_leader([1, 2, 3])
    for _ in range(3):
        propose(raft, b"x")
    settle(raft)
    for peer, index, committed in ((2, 3, 3), (3, 1, 3), (2, 2, 3), (3, 4, 4), (2, 4, 4), (2, 0, 4)):
        ack(raft, peer, index)
        assert raft.log.committed == committed


def test_followers_learn_the_commit_index_at_once() -> None:
    """When the commit index rises, everybody gets it, in an empty append if there are no entries to send."""
    raft = make_quiet_leader([1, 2, 3])
    propose(raft, b"x")
    read_messages(raft)
    ack(raft, 2, 2)
    # Node 3 has not answered its probe yet.
    assert [(m.type, m.to, m.commit, m.entries) for m in read_messages(raft)] == [(APP, 2, 2, [])]
    ack(raft, 3, 2)
    assert [(m.type, m.to, m.commit, m.entries) for m in read_messages(raft)] == [(APP, 3, 2, [])]
    # Both know the commit index by now.
    ack(raft, 3, 2)
    assert read_messages(raft) == []


# -- the follower ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [t for t in MessageType if not t.name.startswith("MSG_STORAGE")], ids=str)
@pytest.mark.parametrize("role", [FOLLOWER, PRE_CANDIDATE, CANDIDATE, LEADER], ids=str)
def test_messages_of_an_older_term_do_nothing(kind: MessageType, role: StateType) -> None:
    """Messages of an older term leave a node unchanged. Only a pre-vote gets an answer, a refusal.

    answers: TestStepIgnoreOldTermMsg
    """
    raft = make_raft(1, [1, 2], terms=[1, 1], term=1)
    take_role(raft, role)
    raft.term = 2
    read_messages(raft)
    before = dump_raft(raft)
    raft.step(
        Message(type=kind, from_=2, to=1, term=1, index=2, log_term=1, entries=entries_of([1], first=3), commit=2)
    )
    answers = read_messages(raft)
    assert dump_raft(raft) == before
    refused = [Message(type=MessageType.MSG_PRE_VOTE_RESP, from_=1, to=2, term=2, reject=True)]
    assert answers == (refused if kind == MessageType.MSG_PRE_VOTE else [])


@pytest.mark.parametrize(
    ("index", "log_term", "commit", "terms", "last", "committed", "rejected"),
    [
        # The entry before is missing or has another term.
        (2, 3, 3, [], 2, 0, True),
        (3, 3, 3, [], 2, 0, True),
        # Entries are appended; conflicting ones are deleted, with all that follow them.
        (1, 1, 1, [], 2, 1, False),
        (0, 0, 1, [2], 1, 1, False),
        (2, 2, 3, [2, 2], 4, 3, False),
        (2, 2, 4, [2], 3, 3, False),
        (1, 1, 4, [2], 2, 2, False),
        # Only entries known to match the leader's are committed, whatever its commit index is.
        (1, 1, 3, [], 2, 1, False),
        (1, 1, 3, [2], 2, 2, False),
        (2, 2, 3, [], 2, 2, False),
        (2, 2, 4, [], 2, 2, False),
        # An append that ends before the log does truncates no matching entry.
        (0, 0, 0, [1], 2, 0, False),
        (0, 0, 2, [1, 2], 2, 2, False),
    ],
)
def test_append_at_a_follower(
    index: int, log_term: int, commit: int, terms: list[int], last: int, committed: int, rejected: bool
) -> None:
    """The receiver's rules for appends (paper figure 2), for a log with terms 1 and 2.

    answers: TestHandleMsgApp
    """
    raft = make_raft(1, [1], terms=[1, 2], term=2)
    raft.become_follower(2, 0)
    send_append(raft, 2, index, log_term, terms, commit)
    assert (raft.log.last_index(), raft.log.committed) == (last, committed)
    answer = the_one(read_messages(raft), APP_RESP)
    assert (answer.reject, answer.index) == (rejected, index + len(terms))
    assert raft.lead == 2


def test_append_below_the_commit_index() -> None:
    """Committed entries always match, so an old append is answered with the commit index at once (paper 5.4.3)."""
    raft = make_raft(1, [1, 2], terms=[1, 1, 1], term=1)
    send_append(raft, 2, 3, 1, commit=3)
    read_messages(raft)
    before = log_of(raft)
    send_append(raft, 2, 1, 1, [1], commit=3)
    assert the_one(read_messages(raft), APP_RESP).index == 3
    assert log_of(raft) == before


@pytest.mark.parametrize(("commit", "committed"), [(3, 3), (1, 2)], ids=["newer", "older"])
def test_heartbeat_at_a_follower(commit: int, committed: int) -> None:
    """A heartbeat may raise the commit index, but never lowers it.

    answers: TestHandleHeartbeat
    catches: redisraft#14
    """
    raft = make_raft(1, [1, 2], terms=[1, 2, 3], term=2)
    raft.become_follower(2, 2)
    raft.log.commit_to(2)
    say(raft, 2, HEARTBEAT, commit=commit)
    assert raft.log.committed == committed
    the_one(read_messages(raft), MessageType.MSG_HEARTBEAT_RESP)


def test_heartbeat_keeps_its_sender_in_office() -> None:
    """A follower that hears from its leader waits for another election timeout, and knows whom to follow."""
    raft = make_raft(1, [1, 2], term=1)
    raft.randomized_election_timeout = 10
    for kind in (HEARTBEAT, APP, MessageType.MSG_SNAP):
        tick(raft, 9)
        raft.lead = 0
        say(raft, 2, kind)
        assert (raft.state, raft.lead, raft.election_elapsed) == (FOLLOWER, 2, 0)


# -- answers to a leader -----------------------------------------------------------------------------------------------


def test_heartbeat_answer_of_a_peer_that_lags() -> None:
    """A lagging peer is sent entries at each heartbeat response, until it has acknowledged them.

    answers: TestHandleHeartbeatResp
    """
    raft = make_leader([1, 2], terms=[1, 2, 3], term=3, election_tick=5)
    raft.log.commit_to(raft.log.last_index())
    for _ in range(2):
        answer_heartbeat(raft, 2)
        sent = the_one(read_messages(raft), APP)
        assert [e.index for e in sent.entries] == [4]
    ack(raft, 2, 4)
    read_messages(raft)
    answer_heartbeat(raft, 2)
    assert read_messages(raft) == []


def test_acknowledged_probe_ends_the_wait() -> None:
    """A probed peer is sent nothing more until it answers; other peers do not matter.

    answers: TestMsgAppRespWaitReset
    """
    raft = make_leader([1, 2, 3], election_tick=5)
    persist_and_apply(raft)
    ack(raft, 2, 1)
    assert raft.log.committed == 1
    read_messages(raft)

    propose(raft)
    sent = the_one(read_messages(raft), APP)
    assert (sent.to, [e.index for e in sent.entries]) == (2, [2])
    ack(raft, 3, 1)
    sent = the_one(read_messages(raft), APP)
    assert (sent.to, [e.index for e in sent.entries]) == (3, [2])


def test_own_acknowledgement_of_an_older_term() -> None:
    """A deposed leader ignores that its old entries are stored, because they may be overwritten by now.

    answers: TestLeaderMsgAppSelfAckAfterTermChange
    """
    raft = make_leader([1, 2, 3], election_tick=5)
    propose(raft, b"somedata")
    waiting = take_waiting(raft)
    assert [(m.type, m.to, m.index) for m in waiting] == [(APP_RESP, 1, 1), (APP_RESP, 1, 2)]
    hand(raft, Message(type=HEARTBEAT, from_=2, to=1, term=2))
    before = dump_raft(raft)
    let_out(raft, waiting)
    assert (raft.state, raft.term, raft.lead) == (FOLLOWER, 2, 2)
    assert dump_raft(raft) == before


@pytest.mark.parametrize(
    ("index", "reject", "match", "next", "sent"),
    [
        # A refusal of anything but the last probe means nothing.
        pytest.param(3, True, 0, 3, [], id="stale_refusal"),
        # A refused probe is followed by one further back.
        pytest.param(2, True, 0, 2, [(2, 1, 0, 2)], id="refusal"),
        # The entry is committed, and both peers learn that; the last entry goes along.
        pytest.param(2, False, 2, 4, [(2, 2, 2, 1), (3, 2, 2, 1)], id="acknowledgement"),
        # The peer has no entries but agrees to that, so everything is sent.
        pytest.param(0, False, 0, 4, [(2, 0, 0, 3)], id="acknowledged_probe"),
    ],
)
def test_answer_to_a_probe(index: int, reject: bool, match: int, next: int, sent: list) -> None:
    """A leader with two entries of its term and a third one gets an answer; `sent` is (to, index, commit, n).

    answers: TestLeaderAppResp
    """
    raft = make_raft(1, [1, 2, 3], terms=[1, 1], term=0)
    take_role(raft, LEADER)
    read_messages(raft)
    say(raft, 2, APP_RESP, index=index, reject=reject, reject_hint=index)
    peer = raft.tracker.progress[2]
    assert (peer.match, peer.next) == (match, next)
    messages = read_messages(raft)
    assert {m.type for m in messages} <= {APP}
    assert [(m.to, m.index, m.commit, len(m.entries)) for m in messages] == sent


def test_unreachable_peer_is_probed() -> None:
    """A peer that could not be reached is probed after its last known entry.

    answers: TestRecvMsgUnreachable
    """
    raft = make_quiet_leader([1, 2], terms=[1, 2, 3], term=3)
    peer = raft.tracker.progress[2]
    peer.match = 3
    peer.become_replicate()
    peer.next = 5
    raft.step(Message(type=MessageType.MSG_UNREACHABLE, from_=2, to=1))
    assert (peer.state, peer.match, peer.next) == (ProgressState.PROBE, 3, 4)


def test_acknowledgements_out_of_order() -> None:
    """A late refusal does not make a leader go back before entries that the peer is known to have.

    answers: TestLogReplicationWithReorderedMessage
    """
    leader = make_quiet_leader([1, 2])
    leader.tracker.progress[2].become_replicate()
    follower = make_raft(2, [1, 2])
    first = the_one(appends(leader, b"somedata"), APP)
    second = the_one(appends(leader, b"somedata"), APP)

    hand(follower, second)
    late = the_one(read_messages(follower), APP_RESP)
    assert (late.reject, late.reject_hint, late.index) == (True, 0, 2)
    hand(follower, first)
    accepted = the_one(read_messages(follower), APP_RESP)
    assert (accepted.reject, accepted.index) == (False, 2)
    hand(leader, accepted)
    the_one(read_messages(leader), APP)
    peer = leader.tracker.progress[2]
    assert peer.match == 2

    leader.step(Message(type=MessageType.MSG_UNREACHABLE, from_=2, to=1))
    assert peer.state == ProgressState.PROBE
    hand(leader, late)
    assert the_one(read_messages(leader), APP).index == peer.match


# -- the leader's messages ---------------------------------------------------------------------------------------------


def test_heartbeat_tells_no_more_than_is_stored() -> None:
    """A heartbeat has the commit index, but at most the receiver's match, and nothing else.

    The receiver accepts it without checking its log, which may differ beyond the match.

    answers: TestBcastBeat
    """
    storage = MemoryStorage()
    storage.apply_snapshot(snapshot_of(1000, 1, voters=[1, 2, 3]))
    storage.set_hard_state(HardState(term=1, commit=1000))
    raft = make_leader([], storage=storage)
    for _ in range(10):
        propose(raft)
    read_messages(raft)
    last = raft.log.last_index()
    assert (last, raft.log.committed) == (1011, 1000)
    slow, good = raft.tracker.progress[2], raft.tracker.progress[3]
    slow.match, slow.next = 5, 6
    good.match, good.next = last, last + 1

    raft.step(beat(1))
    assert read_messages(raft) == [
        Message(type=HEARTBEAT, from_=1, to=2, term=2, commit=5),
        Message(type=HEARTBEAT, from_=1, to=3, term=2, commit=1000),
    ]


@pytest.mark.parametrize(("role", "count"), [(LEADER, 2), (CANDIDATE, 0), (PRE_CANDIDATE, 0), (FOLLOWER, 0)], ids=str)
def test_only_a_leader_sends_heartbeats(role: StateType, count: int) -> None:
    """MsgBeat is for leaders; other roles ignore it.

    answers: TestRecvMsgBeat
    """
    raft = make_raft(1, [1, 2, 3], terms=[1, 1], term=1)
    take_role(raft, role)
    read_messages(raft)
    raft.step(beat(1))
    assert [m.type for m in read_messages(raft)] == [HEARTBEAT] * count


@pytest.mark.parametrize(
    ("streaming", "next"), [pytest.param(True, 6, id="replicate"), pytest.param(False, 2, id="probe")]
)
def test_next_runs_ahead_while_streaming(streaming: bool, next: int) -> None:
    """A streaming peer is sent entries without waiting for answers; a probe stays where it is.

    answers: TestLeaderIncreaseNext
    """
    raft = make_leader([1, 2], terms=[1, 2, 3], term=3)
    peer = raft.tracker.progress[2]
    if streaming:
        peer.become_replicate()
    else:
        peer.become_probe()
    peer.next = 2
    propose(raft, b"somedata")
    assert peer.next == next


def test_sending_to_a_probed_peer() -> None:
    """One append, then only heartbeats; each heartbeat response allows one more append.

    answers: TestSendAppendForProgressProbe
    """
    raft = make_quiet_leader([1, 2])
    peer = raft.tracker.progress[2]
    peer.become_probe()
    sent = the_one(appends(raft, b"somedata"), APP)
    assert (sent.index, [e.index for e in sent.entries]) == (0, [1, 2])
    for _ in range(3):
        assert peer.msg_app_flow_paused
        for _ in range(10):
            assert appends(raft, b"somedata") == []
        tick(raft, raft.heartbeat_timeout)
        assert peer.msg_app_flow_paused
        the_one(read_messages(raft), HEARTBEAT)

    answer_heartbeat(raft, 2)
    sent = the_one(read_messages(raft), APP)
    assert (sent.index, len(sent.entries)) == (0, 32)
    assert peer.msg_app_flow_paused


def test_sending_to_a_peer_that_follows() -> None:
    """Each proposal is sent at once.

    answers: TestSendAppendForProgressReplicate
    """
    raft = make_quiet_leader([1, 2])
    raft.tracker.progress[2].become_replicate()
    for i in range(10):
        sent = the_one(appends(raft, b"somedata"), APP)
        assert [e.index for e in sent.entries] == ([1, 2] if i == 0 else [i + 2])


def test_sending_to_a_peer_that_waits_for_a_snapshot() -> None:
    """A peer that waits for its snapshot is sent nothing.

    answers: TestSendAppendForProgressSnapshot
    """
    raft = make_quiet_leader([1, 2])
    raft.tracker.progress[2].become_snapshot(10)
    for _ in range(10):
        assert appends(raft, b"somedata") == []


# -- where logs differ -------------------------------------------------------------------------------------------------


def voter(id: int, terms: list[int], **state: int) -> object:
    """One of three voters with these entries and this hard state."""
    storage = MemoryStorage()
    members = ConfState(voters=[1, 2, 3])
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=members)))
    storage.append(entries_of(terms))
    storage.set_hard_state(HardState(**state))
    return make_raft(id, storage=storage)


@pytest.mark.parametrize(
    ("leader_terms", "follower_terms", "compact", "hint", "following"),
    [
        # The leader skips entries that the follower cannot have.
        ([1, 2, 2, 4, 4, 4, 4], [1, 2, 2] + [3] * 8, 0, (7, 3), (3, 2)),
        ([1, 2, 2, 3, 4, 4, 4, 5], [1, 2, 2] + [3] * 8, 0, (8, 3), (4, 3)),
        # The follower skips entries that the leader cannot have: with equally long logs, and with either log longer.
        ([1] * 4, [1, 2, 2, 4], 0, (1, 1), (1, 1)),
        ([1] * 6, [1, 2, 2, 4], 0, (1, 1), (1, 1)),
        ([1] * 4, [1, 2, 2, 4, 4, 4], 0, (1, 1), (1, 1)),
        # The follower's log is just short.
        ([1, 1, 1, 4, 5], [1, 1, 1, 4], 0, (4, 4), (4, 4)),
        # The leader's whole tail, then the follower's, has terms that the other does not have.
        ([2] + [5] * 8, [2] + [4] * 5, 0, (6, 4), (1, 2)),
        ([2] * 5, [2] + [4] * 7, 0, (1, 2), (1, 2)),
        # The follower has compacted its log beyond the question, so it does not know the term.
        ([1, 1, 3], [1, 1, 3, 3, 3], 5, (3, 0), (2, 1)),
    ],
)
def test_logs_agree_after_one_refusal(
    leader_terms: list[int], follower_terms: list[int], compact: int, hint: tuple, following: tuple
) -> None:
    """Both sides skip whole terms: `hint` is the refusal's place, and `following` the place before the next append.

    Each is (index, term). The paper mentions the optimization at the end of 5.3.

    answers: TestFastLogRejection
    """
    last = leader_terms[-1]
    leader = voter(1, leader_terms, term=last - 1, commit=len(leader_terms))
    take_role(leader, LEADER)
    assert leader.term == last
    take_waiting(leader)
    follower = voter(2, follower_terms, term=last, vote=1, commit=0)
    if compact:
        follower.log.storage.compact(compact)

    say(follower, 1, HEARTBEAT)
    hand(leader, the_one(read_messages(follower), MessageType.MSG_HEARTBEAT_RESP))
    hand(follower, the_one(read_messages(leader), APP))
    refusal = the_one(read_messages(follower), APP_RESP)
    assert refusal.reject
    assert (refusal.reject_hint, refusal.log_term) == hint
    hand(leader, refusal)
    sent = the_one(read_messages(leader), APP)
    assert (sent.index, sent.log_term) == following


def test_refusal_in_the_stream_leads_to_a_probe() -> None:
    """A refusal in a stream makes the leader probe after the peer's last known entry; old refusals are ignored."""
    raft = make_quiet_leader([1, 2])
    ack(raft, 2, 1)
    for _ in range(3):
        propose(raft, b"x")
    read_messages(raft)
    peer = raft.tracker.progress[2]
    refuse(raft, 2, 1)
    assert (peer.state, peer.next, read_messages(raft)) == (ProgressState.REPLICATE, 5, [])
    refuse(raft, 2, 3, hint=1, log_term=1)
    assert (peer.state, peer.match, peer.next) == (ProgressState.PROBE, 1, 2)
    assert [e.index for e in the_one(read_messages(raft), APP).entries] == [2, 3, 4]


def test_entries_of_one_message_come_from_storage_and_memory() -> None:
    """A message combines stored entries and unstable ones, up to its size limit."""
    raft = make_quiet_leader([1, 2], max_size_per_msg=NO_LIMIT)
    propose(raft, b"stored")
    persist(raft)
    propose(raft, b"not stored")
    assert (raft.log.unstable.offset, len(raft.log.unstable.entries)) == (3, 1)
    read_messages(raft)
    answer_heartbeat(raft, 2)
    sent = the_one(read_messages(raft), APP)
    assert data_of(sent.entries) == [b"stored", b"not stored"]


# -- one broadcast -----------------------------------------------------------------------------------------------------


def test_a_broadcast_looks_up_once_what_all_are_sent() -> None:
    """The storage is read as often for a broadcast to many peers as for one of them.

    Peers that are sent nothing, or other entries, do not change that.
    """

    def asked(voters: int, paused: tuple[int, ...] = (), behind: tuple[int, ...] = ()) -> int:
        storage = Counting()
        storage.apply_snapshot(snapshot_of(4, 1, voters=list(range(1, voters + 1))))
        storage.append(run(5, 1, 1, 1))
        storage.set_hard_state(HardState(term=1, commit=7))
        raft = make_raft(1, storage=storage)
        take_role(raft, LEADER)
        persist(raft)
        for peer in range(2, voters + 1):
            raft.tracker.progress[peer].become_replicate()
            raft.tracker.progress[peer].next = 5 if peer in behind else 6
        for peer in paused:
            raft.tracker.progress[peer].msg_app_flow_paused = True
        read_messages(raft)
        storage.asked = 0
        sent = {m.to: m for m in appends(raft, b"somedata")}
        assert [*sent] == [peer for peer in range(2, voters + 1) if peer not in paused]
        for peer in behind:
            m = sent.pop(peer)
            assert (m.index, m.log_term, [e.index for e in m.entries]) == (4, 1, [5, 6, 7, 8, 9])
        for m in sent.values():
            assert (m.index, m.log_term, [e.index for e in m.entries]) == (5, 1, [6, 7, 8, 9])
            assert m.entries is sent[2].entries
        return storage.asked

    assert asked(2) == asked(3) == asked(9) == 2
    assert asked(9, paused=(3, 5, 6)) == 2
    assert asked(9, behind=(4,)) == 2 + 2


def test_peers_of_one_broadcast_get_what_is_theirs() -> None:
    """Lagging peers and peers with a full window, in the middle of peers that follow."""
    raft = make_quiet_leader([1, 2, 3, 4, 5, 6], terms=[1, 1, 1], term=1, max_inflight_msgs=1)
    progress = raft.tracker.progress
    for peer, next in ((2, 5), (4, 5), (5, 5), (6, 3)):
        progress[peer].become_replicate()
        progress[peer].next = next
    progress[3].become_probe()
    progress[3].next = 1
    progress[4].inflights.add(4, 10)
    sent = {m.to: (m.index, m.log_term, [e.index for e in m.entries]) for m in appends(raft, b"somedata")}
    assert sent == {2: (4, 2, [5]), 3: (0, 0, [1, 2, 3, 4, 5]), 4: (4, 2, []), 5: (4, 2, [5]), 6: (2, 1, [3, 4, 5])}


def test_what_was_sent_stays_as_it_was() -> None:
    """As the leader's log and a follower's log grow or are cut, the messages between them stay unchanged."""
    leader = make_quiet_leader([1, 2, 3])
    for peer in (2, 3):
        ack(leader, peer, 1)
    read_messages(leader)
    first, _ = appends(leader, b"first")
    second, _ = appends(leader, b"second")
    follower = make_raft(2, [1, 2, 3], terms=[1], term=1)
    for m in (first, second):
        hand(follower, m)
    assert data_of(follower.log.all_entries()) == [b"first", b"second"]
    follower.become_follower(2, 0)
    send_append(follower, 3, 1, 1, terms=[2])
    assert terms_of(follower) == [1, 2]
    assert (data_of(first.entries), data_of(second.entries)) == ([b"first"], [b"second"])
