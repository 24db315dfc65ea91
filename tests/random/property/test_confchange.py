"""Random membership changes: joint and simple changes lead to the same members, and to the right ones."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from raftcy import ConfChangeError, ConfChangeSingle, ConfChangeType, ConfState, TrackerConfig
from raftcy.core.confchange import Changer, restore
from raftcy.core.tracker import ProgressTracker
from tests.support import naive

LETTERS = {
    "v": ConfChangeType.ADD_NODE,
    "l": ConfChangeType.ADD_LEARNER_NODE,
    "r": ConfChangeType.REMOVE_NODE,
    "u": ConfChangeType.UPDATE_NODE,
}
# Voter 1 always stays, so there is always a voter.
SETUPS = st.lists(st.integers(2, 5), max_size=5).map(lambda ids: [("v", 1), *(("v", id) for id in ids)])
CHANGES = st.lists(st.tuples(st.sampled_from("vlru"), st.integers(2, 10)), min_size=1, max_size=9)


def steps(changes: list[tuple[str, int]]) -> list[ConfChangeSingle]:
    return [ConfChangeSingle(type=LETTERS[letter], node_id=id) for letter, id in changes]


def changed_singly(setup: list[tuple[str, int]], changes: list[tuple[str, int]] = ()) -> Changer:
    """A group that was built by one simple change after the other."""
    changer = Changer(ProgressTracker(10, 0), 10)
    for step in steps([*setup, *changes]):
        changer.tracker.switch(*changer.simple([step]))
    return changer


def state(changer: Changer) -> tuple[TrackerConfig, dict[int, Any]]:
    return changer.tracker.config, changer.tracker.progress


@settings(max_examples=300)
@given(SETUPS, CHANGES)
def test_simple_and_joint_changes_lead_to_the_same(setup: Any, changes: Any) -> None:
    """A joint change, left by itself or on demand, and a series of simple ones give the same members (thesis 4.1, 4.3).

    answers: TestConfChangeQuick
    """
    simple = changed_singly(setup, changes)
    joint = changed_singly(setup)
    members = naive.Members({id: "v" for _, id in setup})
    assert str(joint.tracker.config) == members.text()

    automatic, progress = joint.enter_joint(True, steps(changes))
    explicit, same = joint.enter_joint(False, steps(changes))
    assert str(automatic) == f"{explicit} autoleave"
    assert progress == same
    members.outgoing = members.in_role("v")
    members.change(changes)
    assert str(explicit) == members.text()

    outcomes = []
    for config in (automatic, explicit):
        joint.tracker.switch(config, progress)
        outcomes.append(joint.leave_joint())
    assert outcomes[0] == outcomes[1]
    joint.tracker.switch(*outcomes[1])
    members.outgoing = set()
    assert str(joint.tracker.config) == members.text()
    assert state(joint) == state(simple)


@given(SETUPS, CHANGES, st.integers(0, 3))
def test_every_voter_and_learner_has_its_progress(setup: Any, changes: Any, how: int) -> None:
    """Nobody else has one. A voter that waits to become a learner still counts as a voter."""
    changer = changed_singly(setup, changes[:how])
    changer.tracker.switch(*changer.enter_joint(False, steps(changes)))
    config, progress = state(changer)
    learners = config.learners or set()
    assert set(progress) == set(config.voters.ids()) | learners
    assert {id for id, pr in progress.items() if pr.is_learner} == learners
    assert (config.learners_next or set()) <= set(config.voters.outgoing)


@given(SETUPS, st.lists(st.tuples(st.sampled_from("vlru"), st.integers(1, 6)), max_size=5))
def test_simple_changes_of_several_members(setup: Any, changes: Any) -> None:
    """One step may change several members if at most one voter joins or leaves and one voter stays."""
    changer = changed_singly(setup)
    members = naive.Members({id: "v" for _, id in setup})
    before = members.in_role("v")
    members.change(changes)
    after = members.in_role("v")
    unchanged = str(changer.tracker.config)
    try:
        config, _ = changer.simple(steps(changes))
    except ConfChangeError as error:
        told = str(error)
        assert (
            told == "removed all voters" if not after else "more than one voter changed without entering joint config"
        )
        assert not after or len(before ^ after) > 1
    else:
        assert str(config) == members.text()
        assert len(before ^ after) <= 1
    assert str(changer.tracker.config) == unchanged


@st.composite
def conf_states(draw: Any) -> ConfState:
    """Valid members: learners vote in neither half, but future learners vote in the outgoing half."""
    ids = draw(st.lists(st.integers(1, 30), unique=True, min_size=1, max_size=11))
    count = draw(st.integers(1, min(5, len(ids))))
    voters, ids = ids[:count], ids[count:]
    count = draw(st.integers(0, min(3, len(ids))))
    removed, learners = ids[:count], ids[count:]
    outgoing = [*draw(st.lists(st.sampled_from(voters), unique=True)), *removed]
    return ConfState(
        voters=voters,
        learners=learners,
        voters_outgoing=outgoing,
        learners_next=draw(st.lists(st.sampled_from(removed), unique=True)) if removed else [],
        auto_leave=bool(outgoing) and draw(st.booleans()),
    )


@settings(max_examples=300)
@given(conf_states())
def test_restore(members: ConfState) -> None:
    """Every valid configuration comes back from a snapshot unchanged.

    answers: confchange.TestRestore
    """
    found = restore(ProgressTracker(20, 0), 10, members).conf_state()
    assert found == ConfState(
        voters=sorted(members.voters),
        learners=sorted(members.learners),
        voters_outgoing=sorted(members.voters_outgoing),
        learners_next=sorted(members.learners_next),
        auto_leave=members.auto_leave,
    )
    assert members.equivalent(found)
    assert found.equivalent(members)
