"""The tracker answers for the present members: what is committed, who is active, and how a vote stands."""

import pickle

import pytest

from raftcy import ConfState, Progress, TrackerConfig, VoteResult
from raftcy.core.inflights import Inflights
from raftcy.core.quorum import JointConfig
from raftcy.core.tracker import ProgressTracker, progress_map_string


def tracker_of(
    voters: dict[int, int], outgoing: tuple[int, ...] = (), learners: tuple[int, ...] = (), auto_leave: bool = False
) -> ProgressTracker:
    """Members with their last stored index; the incoming voters are the members that have no other role."""
    tracker = ProgressTracker(8, 0)
    progress = {id: Progress(match, match + 1, Inflights(8), id in learners) for id, match in voters.items()}
    incoming = [id for id in voters if id not in outgoing and id not in learners]
    config = TrackerConfig(JointConfig(incoming, outgoing), auto_leave, learners)
    tracker.switch(config, progress)
    return tracker


def test_a_new_tracker_has_nobody() -> None:
    tracker = ProgressTracker(8, 100)
    assert (tracker.max_inflight, tracker.max_inflight_bytes) == (8, 100)
    assert tracker.progress == {}
    assert tracker.voter_nodes() == tracker.learner_nodes() == []
    assert tracker.conf_state() == ConfState(auto_leave=False)
    assert not tracker.is_singleton()
    assert tracker.committed() == 2**64 - 1


@pytest.mark.parametrize(
    ("tracker", "committed"),
    [
        (tracker_of({1: 4}), 4),
        (tracker_of({1: 4, 2: 7}), 4),
        (tracker_of({1: 4, 2: 7, 3: 9}), 7),
        (tracker_of({1: 4, 2: 7, 3: 9, 4: 99}, learners=(4,)), 7),
        (tracker_of({1: 4, 2: 7, 3: 9, 4: 2}, outgoing=(4,)), 2),
        (tracker_of({1: 4, 2: 7, 3: 9, 4: 50}, outgoing=(4,)), 7),
        (tracker_of({id: id for id in range(1, 12)}), 6),
        (tracker_of(dict.fromkeys(range(1, 12), 3)), 3),
    ],
)
def test_committed(tracker: ProgressTracker, committed: int) -> None:
    """The majority of each half, without learners; many voters are counted in another way than few."""
    assert tracker.committed() == committed


def test_a_voter_without_progress_has_stored_nothing() -> None:
    tracker = ProgressTracker(8, 0)
    tracker.switch(TrackerConfig(JointConfig([1, 2, 3])), {1: Progress(5, 6), 2: Progress(4, 5)})
    assert tracker.committed() == 4
    tracker.switch(TrackerConfig(JointConfig(range(1, 11))), {1: Progress(5, 6)})
    assert tracker.committed() == 0


def test_members() -> None:
    tracker = tracker_of({3: 0, 1: 0, 2: 0, 9: 0, 7: 0}, outgoing=(9,), learners=(7,), auto_leave=True)
    assert tracker.voter_nodes() == [1, 2, 3, 9]
    assert tracker.learner_nodes() == [7]
    assert tracker.conf_state() == ConfState(voters=[1, 2, 3], voters_outgoing=[9], learners=[7], auto_leave=True)
    assert not tracker.is_singleton()
    assert tracker_of({4: 0, 7: 0}, learners=(7,)).is_singleton()
    assert not tracker_of({4: 0, 7: 0}, outgoing=(7,)).is_singleton()


def test_quorum_active() -> None:
    """Learners do not make a quorum, however active they are."""
    tracker = tracker_of({1: 0, 2: 0, 3: 0, 4: 0, 5: 0}, learners=(4, 5))
    for id in (1, 4, 5):
        tracker.progress[id].recent_active = True
    assert not tracker.quorum_active()
    tracker.progress[2].recent_active = True
    assert tracker.quorum_active()


def test_votes() -> None:
    """Each member's first vote stands; votes of learners and strangers neither count nor decide."""
    tracker = tracker_of({1: 0, 2: 0, 3: 0, 4: 0}, learners=(4,))
    assert tracker.tally_votes() == (0, 0, VoteResult.PENDING)
    for id, granted in ((1, True), (4, True), (9, True), (2, False), (2, True)):
        tracker.record_vote(id, granted)
    assert tracker.votes == {1: True, 4: True, 9: True, 2: False}
    assert tracker.tally_votes() == (1, 1, VoteResult.PENDING)
    tracker.record_vote(3, False)
    assert tracker.tally_votes() == (1, 2, VoteResult.LOST)
    tracker.reset_votes()
    assert tracker.tally_votes() == (0, 0, VoteResult.PENDING)


def test_progress_map_as_text() -> None:
    tracker = tracker_of({2: 1, 1: 4})
    assert progress_map_string(tracker.progress) == (
        "1: StateProbe match=4 next=5 inactive\n2: StateProbe match=1 next=2 inactive\n"
    )


def test_config_as_a_value() -> None:
    config = TrackerConfig(JointConfig([1, 2], [3]), True, {5}, [3])
    assert str(config) == "voters=(1 2)&&(3) learners=(5) learners_next=(3) autoleave"
    assert repr(config) == f"<TrackerConfig {config}>"
    assert str(TrackerConfig()) == "voters=()"
    copy = pickle.loads(pickle.dumps(config))
    assert copy == config
    assert hash(copy) == hash(config)
    assert config != TrackerConfig(JointConfig([1, 2], [3]), False, {5}, [3])
    assert config != str(config)
    assert (TrackerConfig(learners=()).learners, config.learners_next) == (None, frozenset({3}))
