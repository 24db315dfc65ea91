"""Configuration changes: which are refused, and how a configuration comes back from a snapshot."""

import re
from typing import Any

import pytest

from raftcy import ConfChangeError, ConfChangeSingle, ConfState, Progress, TrackerConfig, conf_changes_from_string
from raftcy.core.confchange import Changer, restore
from raftcy.core.inflights import Inflights
from raftcy.core.quorum import JointConfig
from raftcy.core.tracker import ProgressTracker

MEMBERS = [
    ConfState(auto_leave=False),
    ConfState(voters=[1, 2, 3], auto_leave=False),
    ConfState(voters=[1, 2, 3], learners=[4, 5, 6], auto_leave=False),
    ConfState(voters=[1, 2, 3], learners=[5], voters_outgoing=[1, 2, 4, 6], learners_next=[4], auto_leave=False),
    ConfState(voters=[1], voters_outgoing=[2], auto_leave=True),
]


@pytest.mark.parametrize("members", MEMBERS, ids=str)
def test_restore(members: ConfState) -> None:
    """A snapshot's members come back unchanged, joint or not.

    answers: confchange.TestRestore
    """
    limits = ProgressTracker(20, 30)
    tracker = restore(limits, 10, members)
    assert tracker is not limits
    assert limits.progress == {}
    assert tracker.conf_state() == members
    assert members.equivalent(tracker.conf_state())
    assert (tracker.max_inflight, tracker.max_inflight_bytes) == (20, 30)
    for id, pr in tracker.progress.items():
        assert (pr.match, pr.next, pr.is_learner) == (0, 10, id in members.learners)
        assert pr.inflights == Inflights(20, 30)
        assert pr.recent_active


@pytest.mark.parametrize(
    ("members", "told"),
    [
        (ConfState(learners=[1]), "removed all voters"),
        (ConfState(voters_outgoing=[1]), "removed all voters"),
    ],
)
def test_restore_of_impossible_members(members: ConfState, told: str) -> None:
    with pytest.raises(ConfChangeError, match=rf"^{told}$"):
        restore(ProgressTracker(20, 0), 10, members)


def tracker_of(voters: Any, outgoing: Any = (), learners: Any = (), learners_next: Any = (), **other: Any) -> Any:
    """A tracker put together by hand; `progress` maps ids to whether they are learners."""
    progress = other.get("progress", dict.fromkeys((*voters, *outgoing), False) | dict.fromkeys(learners, True))
    tracker = ProgressTracker(8, 0)
    tracker.switch(
        TrackerConfig(JointConfig(voters, outgoing), other.get("auto_leave", False), learners, learners_next),
        {id: Progress(3, 4, Inflights(8), learner) for id, learner in progress.items()},
    )
    return tracker


@pytest.mark.parametrize(
    ("tracker", "told"),
    [
        (tracker_of([1], progress={}), "no progress for 1"),
        (
            tracker_of([1], [2], [], [3], progress={1: False, 2: False, 3: False}),
            "3 is in LearnersNext, but not Voters[1]",
        ),
        (
            tracker_of([1], [2], [], [2], progress={1: False, 2: True}),
            "2 is in LearnersNext, but is already marked as learner",
        ),
        (tracker_of([1], [2], [2], progress={1: False, 2: True}), "2 is in Learners and Voters[1]"),
        (tracker_of([1, 2], [], [2], progress={1: False, 2: True}), "2 is in Learners and Voters[0]"),
        (tracker_of([1], [], [2], progress={1: False, 2: False}), "2 is in Learners, but is not marked as learner"),
    ],
)
def test_a_configuration_that_contradicts_itself(tracker: ProgressTracker, told: str) -> None:
    """No change to such a configuration is accepted."""
    for attempt in (
        lambda: Changer(tracker, 10).simple([]),
        lambda: Changer(tracker, 10).enter_joint(False, []),
        lambda: Changer(tracker, 10).leave_joint(),
    ):
        with pytest.raises(ConfChangeError, match=rf"^{re.escape(told)}$"):
            attempt()


@pytest.mark.parametrize(
    ("tracker", "how", "changes", "told"),
    [
        (tracker_of([1], [2]), "simple", "v3", "can't apply simple config change in joint config"),
        (tracker_of([1, 2]), "simple", "v3 v4", "more than one voter changed without entering joint config"),
        (tracker_of([1, 2]), "simple", "v3 r1", "more than one voter changed without entering joint config"),
        (tracker_of([1]), "simple", "r1", "removed all voters"),
        (tracker_of([1]), "simple", "l1", "removed all voters"),
        (tracker_of([1], [2]), "enter", "v3", "config is already joint"),
        (tracker_of([]), "enter", "v3", "can't make a zero-voter config joint"),
        (tracker_of([1, 2]), "enter", "r1 r2", "removed all voters"),
        (tracker_of([1]), "leave", "", "can't leave a non-joint config"),
    ],
)
def test_what_is_refused(tracker: ProgressTracker, how: str, changes: str, told: str) -> None:
    """A refused change leaves everything unchanged."""
    before = str(tracker.config), {id: str(pr) for id, pr in tracker.progress.items()}
    changer = Changer(tracker, 10)
    steps = conf_changes_from_string(changes)
    attempts = {
        "simple": lambda: changer.simple(steps),
        "enter": lambda: changer.enter_joint(False, steps),
        "leave": changer.leave_joint,
    }
    with pytest.raises(ConfChangeError, match=rf"^{re.escape(told)}$"):
        attempts[how]()
    assert (str(tracker.config), {id: str(pr) for id, pr in tracker.progress.items()}) == before


def test_an_unknown_kind_of_change() -> None:
    with pytest.raises(ConfChangeError, match=r"^unexpected conf type 7$"):
        Changer(tracker_of([1]), 10).simple([ConfChangeSingle(type=7, node_id=2)])


def test_a_refused_entry_changes_nothing() -> None:
    """An application refuses a committed change by setting its node to 0; its kind does not matter then."""
    tracker = tracker_of([1], (), [2])
    config, progress = Changer(tracker, 10).simple([ConfChangeSingle(type=kind, node_id=0) for kind in (0, 1, 3, 7)])
    assert config == tracker.config
    assert progress == tracker.progress


def test_the_outcome_is_a_copy() -> None:
    tracker = tracker_of([1, 2])
    config, progress = Changer(tracker, 10).simple(conf_changes_from_string("v3"))
    assert str(config) == "voters=(1 2 3)"
    assert str(tracker.config) == "voters=(1 2)"
    assert sorted(tracker.progress) == [1, 2]
    progress[1].match = 9
    assert tracker.progress[1].match == 3
    assert (progress[3].match, progress[3].next, progress[3].recent_active) == (0, 10, True)


@pytest.mark.parametrize(("last", "next"), [(0, 1), (1, 1), (10, 10)])
def test_a_new_peer_is_probed_from_the_end(last: int, next: int) -> None:
    _, progress = Changer(tracker_of([1]), last).simple(conf_changes_from_string("l2"))
    assert (progress[2].match, progress[2].next) == (0, next)
