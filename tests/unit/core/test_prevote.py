"""Pre-vote: asks whether an election could be won before it raises any term (thesis 9.6)."""

import pytest

from raftcy import Message, MessageType
from tests.support.network import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    PRE_CANDIDATE,
    Network,
    Past,
    hup,
    make_raft,
    read_messages,
    settle,
)


def roles_and_terms(net: Network) -> list[tuple[int, int]]:
    """The role and the term of each node."""
    return list(zip(net.states(), net.terms(), strict=True))


# -- the two phases ----------------------------------------------------------------------------------------------------


def test_pre_vote_asks_about_the_next_term() -> None:
    """The requests name the term of the possible election; the node's term, vote and storage stay unchanged."""
    raft = make_raft(1, [1, 2, 3], terms=(1, 4), pre_vote=True)
    raft.step(hup(1))
    assert (raft.state, raft.term, raft.vote, raft.lead) == (PRE_CANDIDATE, 4, 0, 0)
    asked = {"type": MessageType.MSG_PRE_VOTE, "from_": 1, "term": 5, "index": 2, "log_term": 4}
    assert raft.outbox.msgs == [Message(to=2, **asked), Message(to=3, **asked)]


def test_won_pre_vote_begins_the_election() -> None:
    """A quorum of granted pre-votes raises the term and asks for votes, which are counted from zero."""
    raft = make_raft(1, [1, 2, 3], pre_vote=True)
    raft.step(hup(1))
    settle(raft)
    raft.outbox.msgs.clear()
    raft.step(Message(type=MessageType.MSG_PRE_VOTE_RESP, from_=2, to=1, term=1))
    assert (raft.state, raft.term, raft.vote) == (CANDIDATE, 1, 1)
    asked = {"type": MessageType.MSG_VOTE, "from_": 1, "term": 1, "index": 0, "log_term": 0}
    assert read_messages(raft) == [Message(to=2, **asked), Message(to=3, **asked)]
    assert raft.state == CANDIDATE


def test_lost_pre_vote_changes_no_term() -> None:
    """A pre-candidate refused by a quorum of its own term becomes a follower again, in that term."""
    raft = make_raft(1, [1, 2, 3], term=2, pre_vote=True)
    raft.step(hup(1))
    settle(raft)
    for voter in (2, 3):
        assert raft.state == PRE_CANDIDATE
        raft.step(Message(type=MessageType.MSG_PRE_VOTE_RESP, from_=voter, to=1, term=2, reject=True))
    assert (raft.state, raft.term) == (FOLLOWER, 2)


def test_refusal_of_a_higher_term_teaches_the_term() -> None:
    """A refused pre-vote carries the voter's term, and the pre-candidate adopts a higher one at once."""
    raft = make_raft(1, [1, 2, 3], term=2, pre_vote=True)
    raft.step(hup(1))
    settle(raft)
    raft.step(Message(type=MessageType.MSG_PRE_VOTE_RESP, from_=2, to=1, term=7, reject=True))
    assert (raft.state, raft.term, raft.vote) == (FOLLOWER, 7, 0)


def test_votes_mean_nothing_to_a_pre_candidate() -> None:
    """In either phase, answers of the other phase do not count."""
    raft = make_raft(1, [1, 2, 3], term=1, pre_vote=True)
    raft.step(hup(1))
    for voter in (2, 3):
        raft.step(Message(type=MessageType.MSG_VOTE_RESP, from_=voter, to=1, term=1))
    assert raft.state == PRE_CANDIDATE
    raft.become_candidate()
    for voter in (2, 3):
        raft.step(Message(type=MessageType.MSG_PRE_VOTE_RESP, from_=voter, to=1, term=raft.term))
    assert raft.state == CANDIDATE


def test_pre_vote_of_an_old_term_is_refused_with_the_present_one() -> None:
    """A node with an old term learns the newer one by asking for pre-votes; other requests of old terms get no answer.

    catches: canonical/raft#279
    """
    raft = make_raft(1, [1, 2, 3], term=5)
    raft.step(Message(type=MessageType.MSG_VOTE, from_=2, to=1, term=3, index=9, log_term=3))
    raft.step(Message(type=MessageType.MSG_PRE_VOTE, from_=2, to=1, term=3, index=9, log_term=3))
    assert read_messages(raft) == [Message(type=MessageType.MSG_PRE_VOTE_RESP, from_=1, to=2, term=5, reject=True)]


# -- clusters ----------------------------------------------------------------------------------------------------------


def test_node_with_a_smaller_term_can_complete_an_election() -> None:
    """A node that missed terms returns as the leader disappears: the two remaining nodes elect one of them.

    answers: TestNodeWithSmallerTermCanCompleteElection
    """
    net = Network([Past(term=1)] * 3, pre_vote=True)
    net.cut(1, 3)
    net.cut(2, 3)
    net.campaign(1)
    assert net.states()[:2] == [LEADER, FOLLOWER]
    net.campaign(3)
    assert net[3].state == PRE_CANDIDATE
    net.campaign(2)
    assert roles_and_terms(net) == [(FOLLOWER, 3), (LEADER, 3), (PRE_CANDIDATE, 1)]

    net.heal()
    net.cut(2, 1)
    net.cut(2, 3)
    net.campaign(3)
    net.campaign(1)
    assert LEADER in (net[1].state, net[3].state)


def test_split_vote_is_settled_in_the_next_round() -> None:
    """Two nodes that win their pre-votes at the same time split the votes; the next campaign wins.

    answers: TestPreVoteWithSplitVote
    catches: raft-rs#83
    """
    net = Network([Past(term=1)] * 3, pre_vote=True)
    net.campaign(1)
    net.isolate(1)
    net.send(hup(2), hup(3))
    assert roles_and_terms(net)[1:] == [(CANDIDATE, 3), (CANDIDATE, 3)]

    net.campaign(2)
    assert roles_and_terms(net)[1:] == [(LEADER, 4), (FOLLOWER, 4)]


def test_pre_candidate_gives_up_its_lease() -> None:
    """With leases on, a node that has timed out itself forgets its leader, and grants the other's pre-vote.

    answers: TestPreVoteWithCheckQuorum
    """
    net = Network([Past(term=1)] * 3, pre_vote=True, check_quorum=True)
    net.campaign(1)
    net.isolate(1)
    assert net.states() == [LEADER, FOLLOWER, FOLLOWER]

    net.campaign(3)
    assert (net[2].state, net[3].state, net[2].lead, net[3].lead) == (FOLLOWER, PRE_CANDIDATE, 1, 0)
    net.campaign(2)
    assert (net[2].state, net[3].state) == (LEADER, FOLLOWER)


# -- rolling out -------------------------------------------------------------------------------------------------------


@pytest.fixture(name="mixed")
def rollout() -> Network:
    """Three nodes get pre-vote one by one, node 3 last and while it is away.

    Node 1 leads term 2 with node 2. Node 3, without pre-vote, has campaigned in vain up to term 4 and lacks an entry.
    """
    on = Past(term=1, options={"pre_vote": True})
    net = Network([on, on, Past(term=1)])
    net.campaign(1)
    net.isolate(3)
    net.propose(1, b"some data")
    net.campaign(3)
    net.campaign(3)
    assert roles_and_terms(net) == [(LEADER, 2), (FOLLOWER, 2), (CANDIDATE, 4)]
    net[3].pre_vote = True
    net.heal()
    return net


def test_rollout_completes_an_election(mixed: Network) -> None:
    """The node with the higher term cannot win by its log, the other not by its term, until it learns that term.

    answers: TestPreVoteMigrationCanCompleteElection
    catches: canonical/raft#279, raft-rs#83
    """
    mixed.isolate(1)
    mixed.campaign(3)
    mixed.campaign(2)
    assert roles_and_terms(mixed)[1:] == [(FOLLOWER, 4), (PRE_CANDIDATE, 4)]

    mixed.campaign(3)
    mixed.campaign(2)
    assert (mixed[2].state, mixed[3].state) == (LEADER, FOLLOWER)


def test_rollout_frees_a_stuck_pre_candidate(mixed: Network) -> None:
    """Its log loses it the pre-votes, and its term keeps it from following; its answer makes the leader move on.

    answers: TestPreVoteMigrationWithFreeStuckPreCandidate
    catches: raft-rs#83
    """
    for _ in range(2):
        mixed.campaign(3)
        assert mixed.states() == [LEADER, FOLLOWER, PRE_CANDIDATE]
    mixed.send(Message(type=MessageType.MSG_HEARTBEAT, from_=1, to=3, term=mixed[1].term))
    assert (mixed[1].state, mixed[1].term, mixed[3].term) == (FOLLOWER, 4, 4)
