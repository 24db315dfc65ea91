"""Section 5.4: safety."""

import pytest

from raftcy import NO_LIMIT, Message, MessageType
from tests.support.network import (
    LEADER,
    Network,
    Past,
    entries_of,
    make_raft,
    member_of,
    prop,
    read_messages,
    settle,
    take_role,
    terms_of,
    tick,
)
from tests.support.peers import make_member


@pytest.mark.parametrize(("terms", "term"), [((1,), 2), ((1, 2), 3)])
def test_vote_request_names_the_last_entry(terms: tuple, term: int) -> None:
    """A request for a vote names the candidate's last entry and goes to all others (5.4.1).

    answers: TestVoteRequest
    """
    raft = make_member()
    entries = entries_of(terms)
    raft.step(Message(type=MessageType.MSG_APP, from_=2, to=1, term=term - 1, entries=entries))
    read_messages(raft)
    tick(raft, 2 * raft.election_timeout - 1)
    last = entries[-1]
    assert read_messages(raft) == [
        Message(type=MessageType.MSG_VOTE, from_=1, to=to, term=term, index=last.index, log_term=last.term)
        for to in (2, 3)
    ]


@pytest.mark.parametrize(
    ("terms", "log_term", "index", "refused"),
    [
        # Both logs end in the same term: the longer one is better.
        ((1,), 1, 1, False),
        ((1,), 1, 2, False),
        ((1, 1), 1, 1, True),
        # The candidate's log ends in a higher term.
        ((1,), 2, 1, False),
        ((1,), 2, 2, False),
        ((1, 1), 2, 1, False),
        # The voter's log ends in a higher term.
        ((2,), 1, 1, True),
        ((2,), 1, 2, True),
        ((2, 2), 1, 1, True),
        ((1, 2), 1, 1, True),
    ],
)
def test_voter_refuses_a_worse_log(terms: tuple, log_term: int, index: int, refused: bool) -> None:
    """A voter refuses a candidate whose log is less up to date than its own (5.4.1).

    answers: TestVoter
    """
    raft = make_raft(1, [1, 2], terms=terms, term=0)
    raft.step(Message(type=MessageType.MSG_VOTE, from_=2, to=1, term=3, log_term=log_term, index=index))
    [answer] = read_messages(raft)
    assert (answer.type, answer.to, answer.term, answer.reject) == (MessageType.MSG_VOTE_RESP, 2, 3, refused)


@pytest.mark.parametrize(("acknowledged", "committed"), [(1, 0), (2, 0), (3, 3)])
def test_only_entries_of_the_present_term_are_counted(acknowledged: int, committed: int) -> None:
    """Entries of older terms are not committed by counting copies, only by an entry of the present term (5.4.2).

    answers: TestLeaderOnlyCommitsLogFromCurrentTerm
    catches: PySyncObj#169
    """
    raft = make_raft(1, [1, 2], terms=(1, 2))
    take_role(raft, LEADER)
    read_messages(raft)
    raft.step(prop(1))
    assert raft.term == 3
    raft.step(Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=3, index=acknowledged))
    settle(raft)
    assert raft.log.committed == committed


@pytest.mark.parametrize("spread", [False, True], ids=["d", "e"])
def test_figure_8(spread: bool) -> None:
    """An old entry on a majority is not safe yet; with an entry of the leader's term after it, it is (5.4.2).

    Node 1 led term 2 and reached node 2. Node 5 led term 3, elected by 3 and 4, and reached nobody. Now node 1 leads
    term 4 and brings its entry of term 2 to node 3 (c). If its entry of term 4 goes nowhere, node 5 can be elected and
    overwrite everything (d). If that entry spreads too, node 5 can no longer be elected (e).

    catches: PySyncObj#169
    """
    pasts = [Past(terms, term=3) for terms in [(1, 2), (1, 2), (1,), (1,), (1, 3)]]
    # One entry per message, so that entries can be lost one by one.
    net = Network(pasts, max_size_per_msg=0, max_committed_size_per_ready=NO_LIMIT)

    def passes(m: Message) -> bool:
        taken = m.type == MessageType.MSG_APP and net[m.to].log.match_term(m.index, m.log_term)
        return spread or not taken or all(e.term < 4 for e in m.entries)

    net.isolate(4)
    net.isolate(5)
    net.hook = passes
    net.campaign(1)
    # Node 2 already has its entries from before; the leader learns that even if the new entry was lost.
    net.send(Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=4, index=2))
    assert member_of(net[1]) == (LEADER, 4, 3)
    assert [net[1].tracker.progress[id].match for id in (2, 3)] == ([3, 3] if spread else [2, 2])
    assert net[1].log.committed == (3 if spread else 0)

    net.heal()
    net.hook = None
    net.isolate(1)
    for _ in range(2):
        # The votes of term 4 are already spent.
        net.campaign(5)
    if spread:
        assert net[5].state != LEADER
        assert [terms_of(net[id]) for id in (2, 3)] == [[1, 2, 4]] * 2
    else:
        assert net[5].state == LEADER
        assert [terms_of(net[id]) for id in (2, 3, 4, 5)] == [[1, 3, 5]] * 4
