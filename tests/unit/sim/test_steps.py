"""The rules of single steps find broken histories, as in `test_checkers`."""

from types import SimpleNamespace
from typing import Any

import pytest

from raftcy import Entry, HardState, Message, MessageType, Snapshot, SnapshotMetadata, StateType
from raftcy.core.acks import Acks
from raftcy.replica.work import Write
from raftcy.sim.checkers.quotas import QuotasReturn
from raftcy.sim.checkers.steps import (
    HANDOVERS_MOST,
    AppliedIsDurable,
    CommitsWhatItKnows,
    CountedIsDurable,
    ElectedByQuorum,
    HandoversEnd,
    OldMessages,
    OwnTerm,
    ReadsByQuorum,
    StoredOnce,
    UndisturbedLeaders,
)

from .test_checkers import CANDIDATE, FOLLOWER, LEADER, START, breaks, entries, made_disk, member, view

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
    follower.raft.check_quorum, follower.raft.election_elapsed, follower.raft.election_timeout = True, 2, 5
    rule.taking(follower, asked)
    rule.taken(follower, asked)
    rule.taking(follower, asked)
    follower.raft.term = 4
    with breaks(rule, "1 adopts term 4 from 2 within the lease of 3"):
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
    peer = SimpleNamespace(id=2, match=5, next=6)
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
    peer = SimpleNamespace(id=2, match=3)
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


def storing(offset: int, snapshot: int = 0, first: int = 0) -> Any:
    """A member whose disk has two entries, and which waits for entries from `offset` on and for a snapshot."""
    waiting = SimpleNamespace(metadata=SimpleNamespace(index=snapshot)) if snapshot else None
    unstable = SimpleNamespace(offset=offset, snapshot=waiting, snapshot_index=lambda: snapshot, entries=[])
    if first:
        unstable.entries = entries(1, first=first)
    made = member(1, 1, 1)
    made.raft.log.unstable = unstable
    return made


def batch_of(first: int = 0, snapshot: int = 0) -> Write:
    made = Snapshot(metadata=SnapshotMetadata(index=snapshot, term=1)) if snapshot else None
    return Write(None, entries(1, first=first) if first else [], made, True)


def test_an_entry_that_counts_as_stored_already() -> None:
    rule = StoredOnce()
    rule.storing(storing(3), batch_of(first=3))
    rule.storing(storing(12, snapshot=11), batch_of(first=3))
    with breaks(rule, r"stores \(3, term 1\), but considers everything before 4 stored"):
        rule.storing(storing(4), batch_of(first=3))


def test_a_snapshot_that_nobody_waits_for() -> None:
    rule = StoredOnce()
    rule.storing(storing(12, snapshot=11), batch_of(snapshot=11))
    rule.storing(storing(22, snapshot=21), batch_of(snapshot=11))
    with breaks(rule, "stores snapshot 11, but waits for 0"):
        rule.storing(storing(12), batch_of(snapshot=11))


def test_more_that_counts_as_stored_than_is() -> None:
    rule = StoredOnce()
    rule.changed(storing(3), START, START)
    rule.changed(storing(12, snapshot=11), START, START)
    with breaks(rule, "considers everything before 4 stored, but its log on disk ends at 2"):
        rule.changed(storing(4), START, START)
    rule.changed(storing(3, first=3), START, START)
    with breaks(rule, "has entry 2 in memory at offset 3"):
        rule.changed(storing(3, first=2), START, START)


@pytest.mark.parametrize(("brought", "before", "after", "wrong"), [(2, 4, 7, False), (1, 4, 7, True), (0, 7, 7, False)])
def test_an_append_that_commits_what_it_does_not_know(brought: int, before: int, after: int, wrong: bool) -> None:
    rule = CommitsWhatItKnows()
    follower = member(1)
    append = Message(
        type=MessageType.MSG_APP, to=1, from_=2, index=5, commit=9, entries=entries(*[1] * brought, first=6)
    )
    follower.raft.log.committed = before
    rule.taking(follower, append)
    follower.raft.log.committed = after
    if wrong:
        with breaks(rule, "goes from commit index 4 to 7"):
            rule.taken(follower, append)
    else:
        rule.taken(follower, append)


def acks_of(numbers: dict[int, int]) -> Acks:
    acks = Acks()
    for id, number in numbers.items():
        acks.raise_to(id, number)
    return acks


@pytest.mark.parametrize(
    ("acks", "confirmed", "text"),
    [
        ({1: 3, 2: 2}, 2, ""),
        ({1: 3, 2: 3}, 2, "counts a response to read 2 for 3"),
        ({1: 3, 2: 2}, 3, r"considers read 3 confirmed by \[1\] of \[1, 2, 3\]"),
    ],
)
def test_a_read_that_was_not_confirmed(acks: dict[int, int], confirmed: int, text: str) -> None:
    rule = ReadsByQuorum()
    leader = member(1, state=LEADER)
    answer = Message(type=MessageType.MSG_HEARTBEAT_RESP, to=1, from_=2, context=(2).to_bytes(8, "little"))
    leader.raft.read_only = SimpleNamespace(acks=acks_of({1: 3}), confirmed=1)
    rule.taking(leader, answer)
    leader.raft.read_only = SimpleNamespace(acks=acks_of(acks), confirmed=confirmed)
    if text:
        with breaks(rule, text):
            rule.taken(leader, answer)
    else:
        rule.taken(leader, answer)


def test_a_handover_without_an_end() -> None:
    rule = HandoversEnd()
    leader = member(1, state=LEADER)
    heartbeat = Message(type=MessageType.MSG_HEARTBEAT, to=2, from_=1)

    def beat(transferee: int, *elapsed: int) -> None:
        for each in elapsed:
            leader.raft.lead_transferee, leader.raft.election_elapsed = transferee, each
            rule.sending(leader, heartbeat)

    beat(2, *[0, 1, 2] * HANDOVERS_MOST)
    beat(3, 0, 1, 2)
    beat(0, 0, 1, 2)
    beat(2, *[0, 1, 2] * (HANDOVERS_MOST + 1))
    with breaks(rule, f"is still transferring to 2 after {HANDOVERS_MOST + 1} election timeouts"):
        beat(2, 0)


def test_a_peer_without_a_next_index() -> None:
    rule = QuotasReturn()
    leader = member(1, state=LEADER)
    leader.raft.tracker.find = lambda id: SimpleNamespace(id=id, match=5, next=4 + id)
    rule.taken(leader, Message(type=MessageType.MSG_APP_RESP, to=1, from_=2))
    with breaks(rule, "has match 5 and next 5 for 1"):
        rule.taken(leader, Message(type=MessageType.MSG_APP_RESP, to=1, from_=1))
