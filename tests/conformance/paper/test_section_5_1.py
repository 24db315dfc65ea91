"""Section 5.1: terms."""

import pytest

from raftcy import Message, MessageType, StateType
from tests.support.network import CANDIDATE, FOLLOWER, LEADER, PRE_CANDIDATE, make_raft, read_messages, take_role
from tests.support.peers import make_member, same_bytes

FROM_LEADERS = (MessageType.MSG_APP, MessageType.MSG_HEARTBEAT, MessageType.MSG_SNAP)
FROM_OTHERS = (
    MessageType.MSG_APP_RESP,
    MessageType.MSG_HEARTBEAT_RESP,
    MessageType.MSG_VOTE,
    MessageType.MSG_VOTE_RESP,
    MessageType.MSG_TIMEOUT_NOW,
)


@pytest.mark.parametrize("kind", FROM_LEADERS + FROM_OTHERS[:-1], ids=str)
@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE, PRE_CANDIDATE, LEADER], ids=str)
def test_higher_term_is_adopted(role: StateType, kind: MessageType) -> None:
    """A node that sees a higher term adopts it, and a candidate or leader becomes a follower at once (5.1).

    answers: TestFollowerUpdateTermFromMessage, TestCandidateUpdateTermFromMessage, TestLeaderUpdateTermFromMessage
    """
    raft = make_member(term=1 if role == FOLLOWER else 0)
    take_role(raft, role, lead=2)
    raft.step(Message(type=kind, from_=2, to=1, term=2))
    assert (raft.term, raft.state, raft.lead) == (2, FOLLOWER, 2 if kind in FROM_LEADERS else 0)


@pytest.mark.parametrize("kind", FROM_LEADERS + FROM_OTHERS, ids=str)
@pytest.mark.parametrize("role", [FOLLOWER, CANDIDATE, LEADER], ids=str)
def test_stale_term_is_ignored(role: StateType, kind: MessageType) -> None:
    """A message of an old term has no effect. It is ignored instead of refused, so no answer is sent (5.1).

    answers: TestRejectStaleTermMessage
    """
    raft = make_raft(1, [1, 2, 3], terms=(1, 2))
    take_role(raft, role, lead=3)
    read_messages(raft)
    raft.election_elapsed = 3

    def seen() -> tuple:
        log = raft.log
        votes = dict(raft.tracker.votes)
        members = [str(raft.tracker.progress[id]) for id in sorted(raft.tracker.progress)]
        return (
            raft.state,
            raft.term,
            raft.vote,
            raft.lead,
            raft.election_elapsed,
            votes,
            members,
            log.committed,
            log.all_entries(),
        )

    before = seen()
    raft.step(Message(type=kind, from_=2, to=1, term=raft.term - 1, index=2, log_term=2, commit=2))
    assert seen() == before
    assert read_messages(raft) == []


def test_stale_term_is_answered_where_silence_would_block() -> None:
    """With quorum checks or pre-vote a stale leader is answered with the newer term (the refusal of 5.1).

    Otherwise a follower with a higher term that cannot be elected would be stuck (thesis 4.2.3).
    """
    raft = make_member(term=2, check_quorum=True)
    raft.step(Message(type=MessageType.MSG_APP, from_=2, to=1, term=1))
    assert same_bytes(read_messages(raft), [Message(type=MessageType.MSG_APP_RESP, from_=1, to=2, term=2)])
