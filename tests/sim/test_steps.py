"""The rules of single steps are shown to bite, as in `test_checkers`."""

from typing import Any

import pytest

from raftcy import Entry, HardState, Message, MessageType, StateType
from raftcy.sim.checkers.quotas import QuotasReturn
from raftcy.sim.checkers.steps import (
    AppliedIsDurable,
    CountedIsDurable,
    ElectedByQuorum,
    OldMessages,
    OwnTerm,
    UndisturbedLeaders,
)

from .test_checkers import CANDIDATE, FOLLOWER, LEADER, START, breaks, made_disk, member, view

pytestmark = pytest.mark.once
PRE_CANDIDATE = int(StateType.PRE_CANDIDATE)


def voted(rule: ElectedByQuorum, voter: int, term: int) -> None:
    rule.sending(member(voter), Message(type=MessageType.MSG_VOTE_RESP, to=1, from_=voter, term=term))


def candidate(vote: int = 1, **options: Any) -> Any:
    return member(1, disk=made_disk(hard_state=HardState(term=4, vote=vote, commit=0)), **options)


def test_a_leader_by_too_few_votes() -> None:
    elected = view(term=4, state=LEADER)
    rule = ElectedByQuorum()
    voted(rule, 2, 3)
    with breaks(rule, r"by the votes of \[1\] of \[1, 2, 3\]"):
        rule.changed(candidate(), START, elected)
    voted(rule, 2, 4)
    rule.changed(candidate(), START, elected)
    with breaks(rule, r"by the votes of \[2\] of \[1, 2, 3\]"):
        rule.changed(candidate(vote=0), START, elected)
    with breaks(rule, r"by the votes of \[2\] of \[2, 4, 5\]"):
        rule.changed(candidate(voters=(2, 4, 5)), START, elected)


def test_a_vote_within_the_lease() -> None:
    rule = UndisturbedLeaders()
    asked = Message(type=MessageType.MSG_VOTE, to=1, from_=2, term=4)
    follower = member(1, lead=3, term=3)
    for raft in (follower.raft,):
        raft.check_quorum, raft.election_elapsed, raft.election_timeout = True, 2, 5
    rule.taking(follower, asked)
    rule.taken(follower, asked)
    rule.taking(follower, asked)
    follower.raft.term = 4
    with breaks(rule, "1 takes up term 4 from 2 in the lease of 3"):
        rule.taken(follower, asked)
    follower.raft.term, follower.raft.election_elapsed = 3, 5
    rule.taking(follower, asked)
    follower.raft.term = 4
    rule.taken(follower, asked)


def test_a_pre_candidate_in_a_new_term() -> None:
    rule = UndisturbedLeaders()
    rule.changed(member(1), view(term=3), view(term=3, state=PRE_CANDIDATE))
    rule.changed(member(1), view(term=3, state=PRE_CANDIDATE), view(term=4, state=CANDIDATE))
    with breaks(rule, "from term 3 to 4"):
        rule.changed(member(1), view(term=3), view(term=4, state=PRE_CANDIDATE))


def test_an_old_message_that_counts() -> None:
    rule = OldMessages()
    peer = type("Peer", (), {"id": 2, "match": 5, "next": 6})()
    leader = member(1, term=4)
    leader.raft.tracker._peers, leader.raft.tracker.votes = [peer], {}
    leader.view = lambda: (leader.raft.term,)
    for term in (3, 4):
        answer = Message(type=MessageType.MSG_APP_RESP, to=1, from_=2, term=term, index=7)
        rule.taking(leader, answer)
        rule.taken(leader, answer)
        rule.taking(leader, answer)
        peer.match += 1
        if term == 3:
            with breaks(rule, "1 in term 4 goes from"):
                rule.taken(leader, answer)
        else:
            rule.taken(leader, answer)


def test_a_leader_without_an_entry_of_its_term() -> None:
    rule = OwnTerm()
    rule.changed(member(1, 1, 4), START, view(term=4, state=LEADER))
    with breaks(rule, "begins to lead term 4 with a last entry of term 1"):
        rule.changed(member(1, 1, 1), START, view(term=4, state=LEADER))


def test_an_older_term_counted() -> None:
    rule = OwnTerm()
    before = view(term=4, state=LEADER, commit=1)
    rule.changed(member(1, 1, 1, 4), before, view(term=4, state=LEADER, commit=3))
    rule.changed(member(1, 1, 1, 4), view(term=4, commit=1), view(term=4, commit=2))
    with breaks(rule, r"leader of term 4, commits \(2, term 1\)"):
        rule.changed(member(1, 1, 1, 4), before, view(term=4, state=LEADER, commit=2))


def test_applied_before_it_is_stored() -> None:
    rule = AppliedIsDurable()
    rule.applying(member(1, 1, 1), Entry(term=1, index=2))
    with breaks(rule, r"1 applies \(3, term 1\)"):
        rule.applying(member(1, 1, 1), Entry(term=1, index=3))


def test_counted_and_not_stored() -> None:
    peer = type("Peer", (), {"id": 2, "match": 3})()
    members = {2: member(2, 1, 1, 4)}
    rule = CountedIsDurable(members)
    leader = member(1, 1, 1, 4)
    leader.raft.tracker._peers = [peer]
    leading = view(term=4, state=LEADER)
    rule.changed(leader, START, leading)
    members[2].disk = made_disk(1, 1, 3)
    with breaks(rule, r"counts \(3, term 4\) as stored by 2"):
        rule.changed(leader, START, leading)
    rule.changed(leader, START, view(term=4, state=LEADER, commit=3))
    members[2].disk = made_disk(1, 1, hard_state=HardState(term=5))
    rule.changed(leader, START, leading)


def test_bytes_counted_without_leading() -> None:
    rule = QuotasReturn()
    holder = member(1, uncommitted_size=7)
    rule.changed(holder, view(state=LEADER), view(state=LEADER, last=1))
    for before, after in ((LEADER, FOLLOWER), (FOLLOWER, FOLLOWER), (CANDIDATE, LEADER)):
        with breaks(rule, "with 7 bytes uncommitted"):
            rule.changed(holder, view(state=before), view(state=after, last=1))
