"""Section 5.2: leader election."""

import random

import pytest

from raftcy import Message, MessageType, StateType
from tests.support.network import (
    CANDIDATE,
    FOLLOWER,
    LEADER,
    hup,
    ids_to,
    make_raft,
    prop,
    read_messages,
    settle,
    take_role,
    take_waiting,
    tick,
)
from tests.support.peers import make_member, same_bytes, vote

TICKS = 10
ROLES = pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE], ids=str)


def test_start_as_follower() -> None:
    """Every server starts as a follower without a leader.

    answers: TestStartAsFollower
    """
    raft = make_member()
    assert (raft.state, raft.term, raft.vote, raft.lead) == (FOLLOWER, 0, 0, 0)


@pytest.mark.parametrize("interval", [1, 3])
def test_leader_sends_heartbeats(interval: int) -> None:
    """A leader sends each follower a heartbeat every interval, without an index, a log term, or entries.

    answers: TestLeaderBcastBeat
    """
    raft = make_member(heartbeat_tick=interval)
    take_role(raft, LEADER)
    for _ in range(10):
        raft.step(prop(1, b"x"))
    read_messages(raft)

    wanted = [Message(type=MessageType.MSG_HEARTBEAT, from_=1, to=to, term=1, commit=0) for to in (2, 3)]
    for _ in range(2):
        tick(raft, interval - 1)
        assert read_messages(raft) == []
        tick(raft, 1)
        assert same_bytes(read_messages(raft), wanted)


@ROLES
def test_no_word_from_a_leader_starts_an_election(role: StateType) -> None:
    """A follower or candidate whose timeout ends starts a new term, votes for itself, and asks all others.

    answers: TestFollowerStartElection, TestCandidateStartNewElection
    """
    raft = make_member(election_tick=TICKS, term=1 if role == FOLLOWER else 0)
    take_role(raft, role, lead=2)
    # The timeout is 10 to 19 ticks, so it ends exactly once in 19 ticks.
    tick(raft, 2 * TICKS - 1)
    settle(raft)

    assert (raft.state, raft.term, raft.vote, raft.tracker.votes) == (CANDIDATE, 2, 1, {1: True})
    wanted = [Message(type=MessageType.MSG_VOTE, from_=1, to=to, term=2, index=0, log_term=0) for to in (2, 3)]
    assert same_bytes(read_messages(raft), wanted)


@pytest.mark.parametrize("kind", [MessageType.MSG_HEARTBEAT, MessageType.MSG_APP, MessageType.MSG_SNAP], ids=str)
def test_word_from_the_leader_restarts_the_timeout(kind: MessageType) -> None:
    """A server stays a follower as long as its leader sends to it, and takes the sender for the leader."""
    raft = make_member(election_tick=TICKS, term=1)
    for _ in range(5):
        tick(raft, TICKS - 1)
        raft.step(Message(type=kind, from_=2, to=1, term=1))
        assert (raft.state, raft.lead, raft.election_elapsed) == (FOLLOWER, 2, 0)
    tick(raft, 2 * TICKS - 1)
    assert raft.state == CANDIDATE


@pytest.mark.parametrize(
    ("size", "granted", "refused", "role"),
    [
        # Won: a majority granted.
        (1, (), (), LEADER),
        (3, (2, 3), (), LEADER),
        (3, (2,), (), LEADER),
        (5, (2, 3, 4, 5), (), LEADER),
        (5, (2, 3, 4), (), LEADER),
        (5, (2, 3), (), LEADER),
        # Lost: a majority refused.
        (3, (), (2, 3), FOLLOWER),
        (5, (), (2, 3, 4, 5), FOLLOWER),
        (5, (2,), (3, 4, 5), FOLLOWER),
        # Open.
        (3, (), (), CANDIDATE),
        (5, (2,), (), CANDIDATE),
        (5, (), (2, 3), CANDIDATE),
        (5, (), (), CANDIDATE),
    ],
)
@pytest.mark.parametrize("refusals_first", [False, True])
def test_outcomes_of_one_round(
    size: int, granted: tuple, refused: tuple, role: StateType, refusals_first: bool
) -> None:
    """A candidate wins, loses, or keeps waiting, in whatever order the answers come.

    answers: TestLeaderElectionInOneRoundRPC
    catches: canonical/raft#386
    """
    raft = make_member(size)
    raft.step(hup(1))
    settle(raft)
    answers = [vote(raft, peer) for peer in granted] + [vote(raft, peer, reject=True) for peer in refused]
    for answer in reversed(answers) if refusals_first else answers:
        raft.step(answer)
    assert (raft.state, raft.term) == (role, 1)


@pytest.mark.parametrize(
    ("voted_for", "candidate", "refused"),
    [(0, 2, False), (0, 3, False), (2, 2, False), (3, 3, False), (2, 3, True), (3, 2, True)],
)
def test_one_vote_in_a_term(voted_for: int, candidate: int, refused: bool) -> None:
    """A server votes for one candidate in a term, the first that asks; if that candidate asks again, it grants again.

    The vote comes from storage, as after a restart. The answer waits until the vote of this term is stored.

    answers: TestFollowerVote
    catches: camunda#5356, canonical/raft#386
    """
    raft = make_member(term=1, vote=voted_for)
    raft.step(Message(type=MessageType.MSG_VOTE, from_=candidate, to=1, term=1))
    wanted = Message(type=MessageType.MSG_VOTE_RESP, from_=1, to=candidate, term=1, reject=True if refused else None)
    assert raft.outbox.msgs == []
    assert same_bytes(take_waiting(raft), [wanted])
    assert raft.vote == (voted_for or candidate)


@pytest.mark.parametrize("term", [1, 2])
def test_candidate_recognizes_a_leader(term: int) -> None:
    """A candidate that receives entries from a leader of its own or a later term follows that leader.

    answers: TestCandidateFallback
    """
    raft = make_member()
    raft.step(hup(1))
    assert (raft.state, raft.term) == (CANDIDATE, 1)
    raft.step(Message(type=MessageType.MSG_APP, from_=2, to=1, term=term))
    assert (raft.state, raft.term, raft.lead) == (FOLLOWER, term, 2)


# -- random timeouts ---------------------------------------------------------------------------------------------------


@ROLES
@pytest.mark.parametrize("chance", [None, random.Random(52)], ids=["system", "seeded"])
def test_timeouts_are_random(role: StateType, chance: object) -> None:
    """Every timeout from the election timeout up to twice that occurs, and no other.

    answers: TestFollowerElectionTimeoutRandomized, TestCandidateElectionTimeoutRandomized
    """
    raft = make_member(election_tick=TICKS, random=chance)
    found = set()
    for _ in range(50 * TICKS):
        if role == FOLLOWER:
            raft.become_follower(raft.term + 1, 2)
        else:
            raft.become_candidate()
        ticks = 0
        while not read_messages(raft):
            raft.tick()
            ticks += 1
        found.add(ticks)
    assert found == set(range(TICKS, 2 * TICKS))


@ROLES
def test_timeouts_seldom_collide(role: StateType) -> None:
    """Usually one of five servers times out before the others, so votes are seldom split.

    answers: TestFollowersElectionTimeoutNonconflict, TestCandidatesElectionTimeoutNonconflict
    """
    ids = ids_to(5)
    group = [make_raft(id, ids, election_tick=TICKS) for id in ids]
    rounds = 1000
    conflicts = 0
    for _ in range(rounds):
        for raft in group:
            if role == FOLLOWER:
                raft.become_follower(raft.term + 1, 0)
            else:
                raft.become_candidate()
        first = 0
        while first == 0:
            for raft in group:
                raft.tick()
                first += bool(read_messages(raft))
        conflicts += first > 1
    # The smallest of five draws out of ten is shared with a probability of 0.233.
    assert 0.2 < conflicts / rounds <= 0.3
