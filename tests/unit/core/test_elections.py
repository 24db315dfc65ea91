"""Elections: who may campaign, who gets votes, who wins (paper 5.2, 5.4.1; thesis 9.6 for pre-vote)."""

from math import floor
from random import Random
from typing import Any

import pytest

from raftcy import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeType,
    ConfChangeV2,
    ConfState,
    HardState,
    InvariantError,
    MalformedMessage,
    Message,
    MessageType,
    ProposalDropped,
    RawNode,
    Snapshot,
    SnapshotMetadata,
    StateType,
    Stopped,
)
from tests.support.network import (
    CANDIDATE,
    DOWN,
    FOLLOWER,
    LEADER,
    PRE_CANDIDATE,
    Network,
    Past,
    hup,
    let_out,
    log_of,
    make_config,
    make_raft,
    make_storage,
    member_of,
    prop,
    read_messages,
    settle,
    take_role,
    take_waiting,
    terms_of,
    tick,
)

PRE_VOTE = pytest.mark.parametrize("pre_vote", [False, True], ids=["vote", "pre_vote"])
VOTES = pytest.mark.parametrize("kind", [MessageType.MSG_VOTE, MessageType.MSG_PRE_VOTE], ids=str)
ANSWER = {
    MessageType.MSG_VOTE: MessageType.MSG_VOTE_RESP,
    MessageType.MSG_PRE_VOTE: MessageType.MSG_PRE_VOTE_RESP,
}


def added(id: int) -> ConfChangeV2:
    """The change that makes a node a voter."""
    return ConfChange(type=ConfChangeType.ADD_NODE, node_id=id).as_v2()


# -- winning and losing ------------------------------------------------------------------------------------------------


@PRE_VOTE
@pytest.mark.parametrize(
    ("peers", "role", "term"),
    [
        pytest.param([None, None, None], LEADER, 1, id="all_up"),
        pytest.param([None, None, DOWN], LEADER, 1, id="one_of_three_down"),
        pytest.param([None, DOWN, DOWN], CANDIDATE, 1, id="two_of_three_down"),
        pytest.param([None, DOWN, DOWN, None], CANDIDATE, 1, id="half_of_four_down"),
        pytest.param([None, DOWN, DOWN, None, None], LEADER, 1, id="two_of_five_down"),
        # The longer logs have entries of the campaign's term, so that their owners answer instead of ignoring the
        # request.
        pytest.param([None, Past((1,)), Past((1,)), Past((1, 1)), None], FOLLOWER, 1, id="longer_logs_elsewhere"),
    ],
)
def test_campaign(peers: list, role: StateType, term: int, pre_vote: bool) -> None:
    """A quorum of votes wins a campaign, a quorum of refusals loses it; otherwise it stays open (paper 5.2, 5.4.1).

    With pre-vote an open campaign stays in its first phase, without a new term.

    answers: TestLeaderElection, TestLeaderElectionPreVote
    """
    if pre_vote and role == CANDIDATE:
        role, term = PRE_CANDIDATE, 0
    net = Network(peers, pre_vote=pre_vote)
    net.campaign(1)
    assert (net[1].state, net[1].term) == (role, term)


@PRE_VOTE
def test_everybody_can_lead_in_turn(pre_vote: bool) -> None:
    """Any node can win an election while another one leads and the logs have entries.

    answers: TestLeaderCycle, TestLeaderCyclePreVote
    """
    net = Network(3, pre_vote=pre_vote)
    for campaigner in (1, 2, 3):
        net.campaign(campaigner)
        assert {id: net[id].state for id in net.ids} == {id: LEADER if id == campaigner else FOLLOWER for id in net.ids}


@PRE_VOTE
def test_new_leader_overwrites_entries_of_a_higher_term(pre_vote: bool) -> None:
    """Uncommitted entries are overwritten, even by entries of a lower term (paper 5.4.2, figure 8).

    Node 1 led term 1 and reached only node 2. Node 3 led term 2, elected by 4 and 5, and reached nobody. Node 1 loses
    the election of term 2, which it did not know of, and wins that of term 3.

    answers: TestLeaderElectionOverwriteNewerLogs, TestLeaderElectionOverwriteNewerLogsPreVote
    """
    voter = Past(vote=3, term=2)
    net = Network([Past((1,)), Past((1,)), Past((2,)), voter, voter], pre_vote=pre_vote)
    net.campaign(1)
    assert (net[1].state, net[1].term) == (FOLLOWER, 2)
    net.campaign(1)
    assert (net[1].state, net[1].term) == (LEADER, 3)
    assert [terms_of(net[id]) for id in net.ids] == [[1, 3]] * 5


@PRE_VOTE
def test_single_node_elects_itself(pre_vote: bool) -> None:
    """The only voter needs no other node to be elected.

    answers: TestSingleNodeCandidate, TestSingleNodePreCandidate
    """
    net = Network(1, pre_vote=pre_vote)
    net.campaign(1)
    assert (net[1].state, net[1].term, net[1].lead) == (LEADER, 1, 1)


def test_dueling_candidates() -> None:
    """Of two candidates that cannot hear each other, one wins; the other has the shorter log and can only disturb.

    Its next campaign makes the leader step down by the higher term, and all nodes refuse it (paper 5.4.1).

    answers: TestDuelingCandidates
    """
    net = Network(3)
    net.cut(1, 3)
    net.campaign(1)
    net.campaign(3)
    assert net.states() == [LEADER, FOLLOWER, CANDIDATE]

    net.heal()
    net.campaign(3)
    assert [member_of(net[id]) for id in net.ids] == [(FOLLOWER, 2, 1), (FOLLOWER, 2, 1), (FOLLOWER, 2, 0)]


def test_dueling_pre_candidates() -> None:
    """With pre-vote the candidate with the shorter log is refused before it raises a term (thesis 9.6).

    answers: TestDuelingPreCandidates
    """
    net = Network(3, pre_vote=True)
    net.cut(1, 3)
    net.campaign(1)
    net.campaign(3)
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]

    net.heal()
    net.campaign(3)
    assert [member_of(net[id]) for id in net.ids] == [(LEADER, 1, 1), (FOLLOWER, 1, 1), (FOLLOWER, 1, 0)]


def test_candidate_concedes_to_the_leader_of_its_term() -> None:
    """A candidate that hears from the leader of its own term follows it and takes over its log (paper 5.2).

    answers: TestCandidateConcede
    """
    net = Network(3)
    net.isolate(1)
    net.campaign(1)
    net.campaign(3)
    assert net.states() == [CANDIDATE, FOLLOWER, LEADER]

    net.heal()
    net.beat(3)
    net.propose(3, b"force follower")
    net.beat(3)

    assert (net[1].state, net[1].term, net[1].lead) == (FOLLOWER, 1, 3)
    entries, committed = log_of(net[3])
    assert ([(e.index, e.term, e.data) for e in entries], committed) == ([(1, 1, b""), (2, 1, b"force follower")], 2)
    assert log_of(net[1]) == log_of(net[2]) == log_of(net[3])


@pytest.mark.parametrize("kind", [MessageType.MSG_HEARTBEAT, MessageType.MSG_APP], ids=str)
def test_candidate_of_an_older_term_adopts_the_leader(kind: MessageType) -> None:
    """A candidate follows a leader of a higher term, and adopts that term (paper 5.1, 5.2).

    answers: TestCandidateResetTermMsgHeartbeat, TestCandidateResetTermMsgApp
    """
    net = Network(3)
    net.campaign(1)
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]
    net.isolate(3)
    net.campaign(2)
    net.campaign(1)
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]

    tick(net[3], net[3].randomized_election_timeout)
    settle(net[3])
    assert (net[3].state, net[3].term, net[1].term) == (CANDIDATE, 2, 3)

    net.heal()
    net.send(Message(type=kind, from_=1, to=3, term=net[1].term))
    assert (net[3].state, net[3].term, net[3].lead) == (FOLLOWER, 3, 1)


# -- the voter's side --------------------------------------------------------------------------------------------------


@VOTES
@pytest.mark.parametrize("role", list(StateType), ids=str)
def test_vote_from_any_role(role: StateType, kind: MessageType) -> None:
    """In every role a node grants a request of a higher term from a better log (paper 5.1).

    Granting a vote makes it a follower in the new term; granting a pre-vote changes nothing (thesis 9.6).

    answers: TestVoteFromAnyState, TestPreVoteFromAnyState
    catches: rabbitmq/ra#442
    """
    raft = make_raft(1, [1, 2, 3], term=1)
    take_role(raft, role, lead=3)
    raft.outbox.msgs.clear()
    take_waiting(raft)
    before = raft.term, raft.vote, raft.lead

    asked = raft.term + 1
    raft.step(Message(type=kind, from_=2, to=1, term=asked, log_term=asked, index=42))

    assert read_messages(raft) == [Message(type=ANSWER[kind], from_=1, to=2, term=asked)]
    if kind == MessageType.MSG_VOTE:
        assert (raft.state, raft.term, raft.vote) == (FOLLOWER, asked, 2)
    else:
        assert (raft.state, (raft.term, raft.vote, raft.lead)) == (role, before)


@VOTES
@pytest.mark.parametrize(
    ("role", "index", "log_term", "vote", "refused"),
    [
        (FOLLOWER, 0, 0, 0, True),
        (FOLLOWER, 0, 1, 0, True),
        (FOLLOWER, 0, 2, 0, True),
        (FOLLOWER, 0, 3, 0, False),
        (FOLLOWER, 1, 0, 0, True),
        (FOLLOWER, 1, 1, 0, True),
        (FOLLOWER, 1, 2, 0, True),
        (FOLLOWER, 1, 3, 0, False),
        (FOLLOWER, 2, 0, 0, True),
        (FOLLOWER, 2, 1, 0, True),
        (FOLLOWER, 2, 2, 0, False),
        (FOLLOWER, 2, 3, 0, False),
        (FOLLOWER, 3, 0, 0, True),
        (FOLLOWER, 3, 1, 0, True),
        (FOLLOWER, 3, 2, 0, False),
        (FOLLOWER, 3, 3, 0, False),
        (FOLLOWER, 3, 2, 2, False),
        (FOLLOWER, 3, 2, 1, True),
        (LEADER, 3, 3, 1, True),
        (PRE_CANDIDATE, 3, 3, 1, True),
        (CANDIDATE, 3, 3, 1, True),
    ],
)
def test_vote_rule(role: StateType, index: int, log_term: int, vote: int, refused: bool, kind: MessageType) -> None:
    """A node votes for a log at least as good as its own, here (term 2, index 2), and once in a term.

    The request has the voter's own term, so only logs and earlier votes decide (paper 5.2, 5.4.1).

    answers: TestRecvMsgVote, TestRecvMsgPreVote
    catches: camunda#5356
    """
    raft = make_raft(1, [1], terms=(2, 2))
    raft.state = role
    raft.vote = vote
    raft.term = max(2, log_term)
    raft.step(Message(type=kind, from_=2, to=1, term=raft.term, index=index, log_term=log_term))
    [answer] = read_messages(raft)
    assert (answer.type, answer.to, answer.reject) == (ANSWER[kind], 2, refused)
    assert (raft.state, raft.vote) == (role, 2 if kind == MessageType.MSG_VOTE and not refused else vote)


def test_no_vote_in_a_term_whose_leader_is_known() -> None:
    """A node that follows a leader votes for no other node in that term, even if it has not voted yet.

    It does grant a pre-vote for the next term, unless a lease forbids it (thesis 9.6).

    catches: hashicorp/raft#605
    """
    raft = make_raft(1, [1, 2, 3], term=1)
    raft.become_follower(1, 3)
    raft.step(Message(type=MessageType.MSG_VOTE, from_=2, to=1, term=1))
    raft.step(Message(type=MessageType.MSG_PRE_VOTE, from_=2, to=1, term=1))
    raft.step(Message(type=MessageType.MSG_PRE_VOTE, from_=2, to=1, term=2))
    assert [(m.type, m.term, m.reject) for m in read_messages(raft)] == [
        (MessageType.MSG_VOTE_RESP, 1, True),
        (MessageType.MSG_PRE_VOTE_RESP, 1, True),
        (MessageType.MSG_PRE_VOTE_RESP, 2, False),
    ]
    assert (raft.vote, raft.lead) == (0, 3)


@pytest.mark.parametrize(
    ("kind", "index", "elapsed"),
    [
        (MessageType.MSG_VOTE, 1, 0),
        (MessageType.MSG_VOTE, 0, 4),
        (MessageType.MSG_PRE_VOTE, 1, 4),
        (MessageType.MSG_PRE_VOTE, 0, 4),
    ],
)
def test_only_a_granted_vote_restarts_the_timeout(kind: MessageType, index: int, elapsed: int) -> None:
    """Only a granted vote restarts the wait for a leader (paper figure 2, followers), not a refusal or a pre-vote."""
    raft = make_raft(1, [1, 2, 3], terms=(1,))
    tick(raft, 4)
    raft.step(Message(type=kind, from_=2, to=1, term=1, log_term=1, index=index))
    assert raft.election_elapsed == elapsed


@VOTES
def test_answer_waits_for_the_storage(kind: MessageType) -> None:
    """The answer leaves only after term and vote are stored (paper figure 2, persistent state).

    catches: tikv#8381
    """
    raft = make_raft(1, [1, 2, 3])
    raft.step(Message(type=kind, from_=2, to=1, term=1))
    assert raft.outbox.msgs == []
    assert take_waiting(raft) == [Message(type=ANSWER[kind], from_=1, to=2, term=1)]


@VOTES
def test_vote_request_without_a_term_is_refused(kind: MessageType) -> None:
    """The answer would have no term, so the request is malformed and changes nothing."""
    node = RawNode(make_config(1, make_storage([1, 2, 3])))
    with pytest.raises(MalformedMessage, match=r"^term should be set when sending " + str(ANSWER[kind]) + "$"):
        node.step(Message(type=kind, from_=2, to=1))
    assert (node.raft.vote, node.has_ready()) == (0, False)


# -- counting votes ----------------------------------------------------------------------------------------------------


def granted_by(raft: object, voter: int, reject: bool = False) -> None:
    """Give a candidate the answer of one voter."""
    raft.step(Message(type=MessageType.MSG_VOTE_RESP, from_=voter, to=1, term=raft.term, reject=reject))


def candidate(voters: list[int], learners: tuple[int, ...] = ()) -> object:
    """Node 1 as a candidate that has its own vote."""
    raft = make_raft(1, voters, learners)
    raft.step(hup(1))
    settle(raft)
    return raft


def test_each_voter_counts_once() -> None:
    """A voter's first answer counts; repetitions and corrections do not (paper 5.2)."""
    raft = candidate([1, 2, 3, 4, 5])
    for _ in range(3):
        granted_by(raft, 2)
    granted_by(raft, 3, reject=True)
    granted_by(raft, 3)
    assert raft.state == CANDIDATE
    granted_by(raft, 4)
    assert raft.state == LEADER


def test_votes_of_learners_and_strangers_do_not_count() -> None:
    """Only voters elect, whoever else answers."""
    raft = candidate([1, 2, 3], learners=(4,))
    granted_by(raft, 4)
    granted_by(raft, 9)
    assert raft.state == CANDIDATE
    granted_by(raft, 2)
    assert raft.state == LEADER


def test_joint_configuration_needs_both_majorities() -> None:
    """While the members change jointly, an election needs a majority of the old and of the new voters (thesis 4.3).

    catches: async-raft#62, redisraft#17
    """
    raft = make_raft(1, [1, 2, 3])
    steps = [ConfChangeSingle(type=ConfChangeType.ADD_NODE, node_id=id) for id in (4, 5)]
    gone = [ConfChangeSingle(type=ConfChangeType.REMOVE_NODE, node_id=id) for id in (2, 3)]
    raft.apply_conf_change(ConfChangeV2(changes=steps + gone))
    raft.step(hup(1))
    assert sorted(m.to for m in read_messages(raft)) == [2, 3, 4, 5]
    granted_by(raft, 4)
    granted_by(raft, 5)
    assert raft.state == CANDIDATE
    granted_by(raft, 3)
    assert raft.state == LEADER


@PRE_VOTE
def test_own_vote_after_a_lost_election(pre_vote: bool) -> None:
    """A candidate's own vote does not count if it is stored only after the candidate became a follower.

    answers: TestCandidateSelfVoteAfterLostElection, TestCandidateSelfVoteAfterLostElectionPreVote
    """
    raft = make_raft(1, [1, 2, 3], pre_vote=pre_vote)
    raft.step(hup(1))
    own = take_waiting(raft)
    assert [m.to for m in own] == [1]

    raft.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=raft.term))
    assert raft.state == FOLLOWER
    let_out(raft, own)
    assert raft.state == FOLLOWER
    assert raft.tracker.tally_votes()[:2] == (0, 0)


def test_own_pre_vote_after_the_pre_vote_is_won() -> None:
    """A candidate's own pre-vote does not count in the election that the others' pre-votes have started meanwhile.

    answers: TestCandidateDeliversPreCandidateSelfVoteAfterBecomingCandidate
    """
    raft = make_raft(1, [1, 2, 3], pre_vote=True)
    raft.step(hup(1))
    assert raft.state == PRE_CANDIDATE
    own = take_waiting(raft)
    for voter in (2, 3):
        # A pre-vote is granted for the term asked about, one above the present one.
        raft.step(Message(type=MessageType.MSG_PRE_VOTE_RESP, from_=voter, to=1, term=1))
    assert (raft.state, raft.term) == (CANDIDATE, 1)

    let_out(raft, own)
    assert raft.state == CANDIDATE
    own = take_waiting(raft)
    assert raft.tracker.tally_votes()[:2] == (0, 0)

    granted_by(raft, 2)
    assert raft.state == CANDIDATE
    let_out(raft, own)
    assert raft.state == LEADER


@pytest.mark.parametrize("role", [CANDIDATE, PRE_CANDIDATE], ids=str)
def test_candidate_drops_proposals(role: StateType) -> None:
    """A campaigning node knows no leader to forward a proposal to."""
    raft = make_raft(1, [1, 2, 3])
    take_role(raft, role)
    with pytest.raises(ProposalDropped):
        raft.step(prop(1, b"x"))
    assert raft.log.last_index() == 0


# -- learners ----------------------------------------------------------------------------------------------------------


def test_learner_never_campaigns_by_timeout() -> None:
    """A learner never campaigns, however long it waits (thesis 4.2.1).

    answers: TestLearnerElectionTimeout
    catches: redpanda#8495
    """
    raft = make_raft(2, [1], [2], term=1)
    raft.randomized_election_timeout = raft.election_timeout
    tick(raft, 10 * raft.election_timeout)
    assert (raft.state, raft.term, read_messages(raft)) == (FOLLOWER, 1, [])


def test_learner_can_be_elected_once_it_is_promoted() -> None:
    """After the change that promotes it to voter, a learner can campaign and win.

    answers: TestLearnerPromotion
    """
    net = Network(2, learners=[2])
    net[1].randomized_election_timeout = net[1].election_timeout
    net.tick(1, net[1].election_timeout)
    assert net.states() == [LEADER, FOLLOWER]
    net.beat(1)

    assert net[2].is_learner
    for id in net.ids:
        net[id].apply_conf_change(added(2))
    assert not net[2].is_learner

    net[2].randomized_election_timeout = net[2].election_timeout
    net.tick(2, net[2].election_timeout)
    assert net.states() == [FOLLOWER, LEADER]


def test_learner_votes_when_asked() -> None:
    """A learner votes when asked: the candidate may know of its promotion before the learner has applied it.

    answers: TestLearnerCanVote
    """
    raft = make_raft(2, [1], [2], term=1)
    raft.step(Message(type=MessageType.MSG_VOTE, from_=1, to=2, term=2, log_term=11, index=11))
    assert read_messages(raft) == [Message(type=MessageType.MSG_VOTE_RESP, from_=2, to=1, term=2)]


# -- timeouts ----------------------------------------------------------------------------------------------------------


class Cycle:
    """A random source that gives 0 to n-1 in turn."""

    def __init__(self) -> None:
        self.given = -1

    def randrange(self, n: int) -> int:
        """The next number."""
        self.given = (self.given + 1) % n
        return self.given


ELAPSED = pytest.mark.parametrize(
    ("elapsed", "share"), [(5, 0.0), (10, 0.1), (13, 0.4), (15, 0.6), (18, 0.9), (20, 1.0)]
)


@ELAPSED
def test_timeouts_are_spread_evenly(elapsed: int, share: float) -> None:
    """All timeouts from the election timeout to twice that less one are equally likely (paper 5.2).

    answers: TestPastElectionTimeout
    """
    raft = make_raft(1, [1], random=None)
    draws = 4000
    past = 0
    for _ in range(draws):
        raft.become_follower(0, 0)
        raft.election_elapsed = elapsed
        past += raft.past_election_timeout()
    found = past / draws
    assert share == (found if share in (0.0, 1.0) else floor(found * 10 + 0.5) / 10)


@ELAPSED
def test_timeout_is_drawn_once_for_each_change_of_role(elapsed: int, share: float) -> None:
    """Each number of the given random source gives one timeout, and nothing else draws in between."""
    raft = make_raft(1, [1], random=Cycle())
    past = 0
    for _ in range(10):
        raft.become_candidate()
        raft.election_elapsed = elapsed
        past += raft.past_election_timeout()
    assert past / 10 == share


class HandsOn:
    """A random source that asks another one."""

    def __init__(self, source: Random) -> None:
        self.source = source

    def randrange(self, n: int) -> int:
        """A number of the other source."""
        return self.source.randrange(n)


def drawn_timeouts(source: object, election_tick: int, draws: int = 100) -> list[int]:
    """The timeouts of a node whose roles change."""
    raft = make_raft(1, [1], random=source, election_tick=election_tick)
    found = []
    for _ in range(draws):
        raft.become_follower(0, 0)
        found.append(raft.randomized_election_timeout)
    return found


@pytest.mark.parametrize("election_tick", [2, 3, 4, 7, 8, 9, 10, 255, 256, 257, 2**30 + 1, 2**31 - 1])
def test_plain_random_draws_as_by_randrange(election_tick: int) -> None:
    """A plain random.Random is not called by randrange, yet gives the same numbers and ends in the same state."""
    plain, asked = Random(election_tick), Random(election_tick)
    assert drawn_timeouts(plain, election_tick) == drawn_timeouts(HandsOn(asked), election_tick)
    assert plain.getstate() == asked.getstate()


class Derived(Random):
    """A random.Random with its own randrange."""

    def randrange(self, *args: Any, **kwargs: Any) -> int:
        """Always the same number."""
        return 7


def test_overridden_randrange_of_a_random_is_called() -> None:
    replaced = Random(1)
    replaced.randrange = Derived().randrange  # type: ignore[method-assign]
    for source in (Derived(1), replaced):
        assert drawn_timeouts(source, 10, 3) == [17, 17, 17]


# -- roles -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "term", "lead"),
    [
        (FOLLOWER, FOLLOWER, 1, 0),
        (FOLLOWER, PRE_CANDIDATE, 0, 0),
        (FOLLOWER, CANDIDATE, 1, 0),
        (FOLLOWER, LEADER, None, None),
        (PRE_CANDIDATE, FOLLOWER, 0, 0),
        (PRE_CANDIDATE, PRE_CANDIDATE, 0, 0),
        (PRE_CANDIDATE, CANDIDATE, 1, 0),
        (PRE_CANDIDATE, LEADER, 0, 1),
        (CANDIDATE, FOLLOWER, 0, 0),
        (CANDIDATE, PRE_CANDIDATE, 0, 0),
        (CANDIDATE, CANDIDATE, 1, 0),
        (CANDIDATE, LEADER, 0, 1),
        (LEADER, FOLLOWER, 1, 0),
        (LEADER, PRE_CANDIDATE, None, None),
        (LEADER, CANDIDATE, None, None),
        (LEADER, LEADER, 0, 1),
    ],
)
def test_transitions(old: StateType, new: StateType, term: int | None, lead: int | None) -> None:
    """Which role may follow which (paper figure 4): a leader cannot campaign, and a follower cannot lead.

    answers: TestStateTransition
    """
    raft = make_raft(1, [1])
    raft.state = old
    change = {
        FOLLOWER: lambda: raft.become_follower(term, lead),
        PRE_CANDIDATE: raft.become_pre_candidate,
        CANDIDATE: raft.become_candidate,
        LEADER: raft.become_leader,
    }[new]
    if term is None:
        with pytest.raises(InvariantError, match=r"^invalid transition "):
            change()
        assert raft.state == old
    else:
        change()
        assert (raft.state, raft.term, raft.lead) == (new, term, lead)


@pytest.mark.parametrize(("role", "last"), [(FOLLOWER, 0), (PRE_CANDIDATE, 0), (CANDIDATE, 0), (LEADER, 1)])
def test_higher_term_makes_a_follower(role: StateType, last: int) -> None:
    """A message of a higher term ends every role; only a leader's message says whom to follow (paper 5.1).

    answers: TestAllServerStepdown
    """
    raft = make_raft(1, [1, 2, 3], term=1 if role == FOLLOWER else 0)
    take_role(raft, role)
    for kind, lead in ((MessageType.MSG_VOTE, 0), (MessageType.MSG_APP, 2)):
        raft.step(Message(type=kind, from_=2, to=1, term=3, log_term=3))
        assert member_of(raft) == (FOLLOWER, 3, last)
        assert (len(raft.log.all_entries()), raft.lead) == (last, lead)


def test_no_campaign_in_the_last_term() -> None:
    """Terms have 64 bits; a node whose next term would not fit keeps its role."""
    raft = make_raft(1, [1], term=2**64 - 2)
    raft.step(hup(1))
    settle(raft)
    assert (raft.state, raft.term) == (FOLLOWER, 2**64 - 2)


@PRE_VOTE
def test_no_campaign_while_a_snapshot_waits(pre_vote: bool) -> None:
    """A node does not campaign before it has stored a received snapshot: until then its log is incomplete."""
    raft = make_raft(1, [1, 2], pre_vote=pre_vote)
    members = ConfState(voters=[1, 2])
    snapshot = Snapshot(metadata=SnapshotMetadata(index=5, term=1, conf_state=members))
    raft.step(Message(type=MessageType.MSG_SNAP, from_=2, to=1, term=1, snapshot=snapshot))
    assert raft.log.unstable.snapshot == snapshot
    raft.step(hup(1))
    assert (raft.promotable(), raft.state) == (False, FOLLOWER)

    raft.log.storage.apply_snapshot(snapshot)
    raft.step(Message(type=MessageType.MSG_STORAGE_APPEND_RESP, to=1, snapshot=snapshot))
    raft.step(hup(1))
    assert (raft.promotable(), raft.state) == (True, PRE_CANDIDATE if pre_vote else CANDIDATE)


def test_no_campaign_over_a_log_that_was_compacted_too_far() -> None:
    """Committed but unapplied entries may hold a change; if they are gone, the storage has lost them."""
    storage = make_storage([1], terms=(1, 1))
    storage.set_hard_state(HardState(term=1, commit=2))
    node = RawNode(make_config(1, storage))
    storage.compact(2)
    text = r"^error scanning unapplied entries \[1, 3\): requested index is unavailable due to compaction$"
    with pytest.raises(InvariantError, match=text):
        node.campaign()
    with pytest.raises(Stopped):
        node.campaign()
