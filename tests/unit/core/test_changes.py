"""Configuration changes and member lists as values."""

import pytest

from raftcy import ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, ConfChangeV2, ConfState

AUTO, IMPLICIT, EXPLICIT = (
    ConfChangeTransition.AUTO,
    ConfChangeTransition.JOINT_IMPLICIT,
    ConfChangeTransition.JOINT_EXPLICIT,
)
ADD = ConfChangeSingle(type=ConfChangeType.ADD_NODE, node_id=0)
REMOVE = ConfChangeSingle(type=ConfChangeType.REMOVE_NODE, node_id=0)


@pytest.mark.parametrize(
    ("change", "leaves"),
    [
        (ConfChangeV2(), True),
        (ConfChangeV2(transition=AUTO), True),
        (ConfChangeV2(transition=AUTO, changes=[]), True),
        (ConfChangeV2(transition=AUTO, context=b"for the application"), True),
        (ConfChangeV2(transition=AUTO, changes=[ADD]), False),
        (ConfChangeV2(transition=AUTO, changes=[ADD, REMOVE]), False),
        (ConfChangeV2(transition=IMPLICIT), False),
        (ConfChangeV2(transition=EXPLICIT), False),
    ],
)
def test_leave_joint(change: ConfChangeV2, leaves: bool) -> None:
    """A change without any content leaves a joint configuration; its context belongs to the application.

    A new field would have to be checked too, so this counts the fields.

    answers: TestLeaveJoint
    """
    assert change.leave_joint() is leaves
    assert ConfChangeV2.decode(change.encode()).leave_joint() is leaves
    assert ConfChangeV2.__match_args__ == ("transition", "changes", "context")


@pytest.mark.parametrize(
    ("transition", "count", "auto_leave", "joint"),
    [
        (AUTO, 0, False, False),
        (AUTO, 1, False, False),
        (AUTO, 2, True, True),
        (IMPLICIT, 0, True, True),
        (IMPLICIT, 1, True, True),
        (EXPLICIT, 1, False, True),
        (EXPLICIT, 2, False, True),
    ],
)
def test_enter_joint(transition: ConfChangeTransition, count: int, auto_leave: bool, joint: bool) -> None:
    """A change needs a joint configuration if it has several parts or asks for one."""
    assert ConfChangeV2(transition=transition, changes=[ADD] * count).enter_joint() == (auto_leave, joint)


def test_enter_joint_by_an_unknown_transition() -> None:
    with pytest.raises(ValueError, match=r"^unknown transition: 9$"):
        ConfChangeV2(transition=9).enter_joint()


def test_a_v1_change_as_v2() -> None:
    change = ConfChange(id=7, type=ConfChangeType.REMOVE_NODE, node_id=3, context=b"x")
    assert change.as_v1() is change
    v2 = change.as_v2()
    assert v2 == ConfChangeV2(changes=[ConfChangeSingle(type=ConfChangeType.REMOVE_NODE, node_id=3)], context=b"x")
    assert v2.as_v2() is v2
    assert v2.as_v1() is None
    assert not ConfChange().as_v2().has("context")


@pytest.mark.parametrize(
    ("one", "two", "equivalent"),
    [
        (
            ConfState(voters=[1, 2, 3], learners=[5, 4, 6], voters_outgoing=[9, 8, 7], learners_next=[10, 20, 15]),
            ConfState(voters=[1, 2, 3], learners=[4, 5, 6], voters_outgoing=[7, 9, 8], learners_next=[20, 10, 15]),
            True,
        ),
        (ConfState(voters=[]), ConfState(), True),
        (ConfState(auto_leave=False), ConfState(), True),
        (ConfState(voters=[1, 2, 3, 4]), ConfState(voters=[2, 1, 3]), False),
        (ConfState(voters=[1, 4, 3]), ConfState(voters=[2, 1, 3]), False),
        (ConfState(voters=[1], learners=[2, 3]), ConfState(voters=[1], learners=[2, 4]), False),
        (ConfState(voters=[1], voters_outgoing=[2]), ConfState(voters=[1]), False),
        (ConfState(voters=[1], learners_next=[2]), ConfState(voters=[1], learners=[2]), False),
        (ConfState(auto_leave=True), ConfState(), False),
    ],
)
def test_equivalent_members(one: ConfState, two: ConfState, equivalent: bool) -> None:
    """Members are compared as sets, in any order; every field counts.

    answers: TestConfState_Equivalent
    """
    assert one.equivalent(two) is equivalent
    assert two.equivalent(one) is equivalent
    assert one.equivalent(one)
