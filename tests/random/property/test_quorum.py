"""Quorums of any size with any acknowledgements, compared with their definition."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from raftcy import Progress, TrackerConfig, VoteResult
from raftcy.core.inflights import Inflights
from raftcy.core.quorum import JointConfig, MajorityConfig
from raftcy.core.tracker import ProgressTracker
from tests.support import naive

IDS = st.one_of(st.integers(1, 15), st.integers(1, 2**64 - 1))
VOTERS = st.sets(IDS, max_size=7)
INDEXES = st.one_of(st.integers(0, 6), st.integers(0, 2**64 - 1))


@st.composite
def voters_and(draw: Any, values: Any, size: int = 7) -> Any:
    """Two sets of voters, and values for some of them and for some others."""
    one = draw(st.sets(IDS, max_size=size))
    two = draw(st.one_of(st.just(set()), st.just(set(one)), VOTERS, st.sets(st.sampled_from(sorted(one or {1})))))
    known = draw(st.dictionaries(st.one_of(st.sampled_from(sorted(one | two) or [1]), IDS), values))
    return one, two, known


@settings(max_examples=200)
@given(voters_and(INDEXES))
def test_committed_index(drawn: Any) -> None:
    """answers: TestQuick"""
    one, two, acked = drawn
    majority, joint = MajorityConfig(one), JointConfig(one, two)
    index = majority.committed_index(acked)
    assert index == naive.committed(one, acked)
    assert joint.committed_index(acked) == min(index, naive.committed(two, acked))
    assert joint.committed_index(acked) == JointConfig(two, one).committed_index(acked)
    assert JointConfig(one, one).committed_index(acked) == JointConfig(one).committed_index(acked) == index
    for id in one:
        # A voter behind the index cannot change it by falling further behind, and progress of a voter never lowers it.
        if acked.get(id, 0) < index:
            assert majority.committed_index({**acked, id: 0}) == index
        assert majority.committed_index({**acked, id: 2**64 - 1}) >= index


@settings(max_examples=200)
@given(voters_and(st.booleans()))
def test_vote_result(drawn: Any) -> None:
    one, two, votes = drawn
    majority, joint = MajorityConfig(one), JointConfig(one, two)
    result = majority.vote_result(votes)
    assert result.name == naive.vote(one, votes)
    assert joint.vote_result(votes).name == naive.joint_vote(naive.vote(one, votes), naive.vote(two, votes))
    assert JointConfig(two, one).vote_result(votes) == joint.vote_result(votes)
    assert JointConfig(one, one).vote_result(votes) == result
    if result != VoteResult.PENDING:
        # A decided vote stays decided, however the others vote.
        for missing in one - set(votes):
            assert {majority.vote_result({**votes, missing: vote}) for vote in (True, False)} == {result}


@given(voters_and(INDEXES, size=11), st.sets(IDS, max_size=3))
def test_tracker_commits_as_the_quorum_does(drawn: Any, others: set[int]) -> None:
    """The tracker counts in different ways for few and for many voters."""
    one, two, acked = drawn
    learners = others - one - two
    tracker = ProgressTracker(4, 0)
    progress = {id: Progress(acked.get(id, 0), 1, Inflights(4), id in learners) for id in one | two | learners}
    tracker.switch(TrackerConfig(JointConfig(one, two), False, learners), progress)
    assert tracker.committed() == min(naive.committed(one, acked), naive.committed(two, acked))


@given(voters_and(st.booleans()), st.sets(IDS, max_size=3))
def test_tracker_votes_as_the_quorum_does(drawn: Any, others: set[int]) -> None:
    """For elections, and for the check that a quorum is active, where a missing answer counts as no."""
    one, two, votes = drawn
    learners = others - one - two
    members = one | two | learners
    tracker = ProgressTracker(4, 0)
    progress = {id: Progress(0, 1, Inflights(4), id in learners, votes.get(id, False)) for id in members}
    tracker.switch(TrackerConfig(JointConfig(one, two), False, learners), progress)
    active = {id: votes.get(id, False) for id in one | two}
    assert tracker.quorum_active() is (naive.joint_vote(naive.vote(one, active), naive.vote(two, active)) == "WON")
    for id, granted in votes.items():
        tracker.record_vote(id, granted)
        tracker.record_vote(id, not granted)
    counted = [votes[id] for id in votes if id in one | two]
    expected = naive.joint_vote(naive.vote(one, votes), naive.vote(two, votes))
    assert tracker.tally_votes() == (counted.count(True), counted.count(False), VoteResult[expected])
