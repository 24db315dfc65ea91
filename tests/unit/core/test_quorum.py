"""Majorities, alone and in pairs: texts, small cases in full, and their behaviour as values."""

import pickle
from itertools import product
from typing import Any

import pytest

from raftcy import VoteResult
from raftcy.core.quorum import JointConfig, MajorityConfig
from tests.support import naive

HEADING = "       idx\n"


@pytest.mark.parametrize(
    ("acked", "lines"),
    [
        ({1: 101, 2: 102, 3: 103}, (">      101    (id=1)", "x>     102    (id=2)", "xx>    103    (id=3)")),
        ({1: 100, 2: 100, 3: 100}, (">      100    (id=1)", ">      100    (id=2)", ">      100    (id=3)")),
        ({1: 100, 2: 102, 3: 102}, (">      100    (id=1)", "x>     102    (id=2)", "x>     102    (id=3)")),
        ({1: 101, 3: 103}, ("x>     101    (id=1)", "?        0    (id=2)", "xx>    103    (id=3)")),
    ],
    ids=["all different", "all equal", "two equal", "one unknown"],
)
def test_describe(acked: dict[int, int], lines: tuple[str, ...]) -> None:
    """A bar for each voter shows how many others are behind it.

    answers: TestDescribe
    """
    told = HEADING + "".join(line + "\n" for line in lines)
    assert MajorityConfig([1, 2, 3]).describe(acked) == told
    assert JointConfig([2, 1], [3]).describe(acked) == told


def test_describe_nobody() -> None:
    assert MajorityConfig().describe({1: 1}) == "<empty majority quorum>"


@pytest.mark.parametrize("voters", [[], [1], [1, 2], [1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5]])
def test_every_small_majority(voters: list[int]) -> None:
    """All combinations of acknowledgements and of votes, compared with an enumeration of the quorums.

    answers: TestQuick
    """
    majority = MajorityConfig(voters)
    for indexes in product([None, 0, 1, 2], repeat=len(voters)):
        acked = {id: index for id, index in zip(voters, indexes, strict=True) if index is not None}
        assert majority.committed_index(acked) == naive.committed(voters, acked)
    for answers in product([None, False, True], repeat=len(voters)):
        votes = {id: vote for id, vote in zip(voters, answers, strict=True) if vote is not None}
        assert majority.vote_result(votes).name == naive.vote(voters, votes)


def test_every_small_pair() -> None:
    """Both halves of every pair of majorities over three ids, empty ones included (thesis 4.3)."""
    halves = [[id for id in (1, 2, 3) if mask >> id & 1] for mask in range(0, 16, 2)]
    for one, two in product(halves, halves):
        joint, mirrored = JointConfig(one, two), JointConfig(two, one)
        for indexes in product([0, 1, 2], repeat=3):
            acked = dict(zip((1, 2, 3), indexes, strict=True))
            expected = min(naive.committed(one, acked), naive.committed(two, acked))
            assert joint.committed_index(acked) == mirrored.committed_index(acked) == expected
        for answers in product([None, False, True], repeat=3):
            votes = {id: vote for id, vote in zip((1, 2, 3), answers, strict=True) if vote is not None}
            expected = naive.joint_vote(naive.vote(one, votes), naive.vote(two, votes))
            assert joint.vote_result(votes).name == mirrored.vote_result(votes).name == expected


def test_acknowledgements_of_strangers_do_not_count() -> None:
    majority = MajorityConfig([1, 2, 3])
    assert majority.committed_index({1: 5, 7: 9, 8: 9}) == 0
    assert majority.vote_result({1: True, 7: True}) == VoteResult.PENDING


def test_64_bits() -> None:
    top = 2**64 - 1
    assert MajorityConfig([1, top]).committed_index({1: top, top: top - 1}) == top - 1
    assert str(MajorityConfig([top, 1])) == "(1 ffffffffffffffff)"


@pytest.mark.parametrize(
    ("config", "text", "shown"),
    [
        (MajorityConfig(), "()", "MajorityConfig([])"),
        (MajorityConfig([10, 2, 2]), "(2 a)", "MajorityConfig([2, 10])"),
        (JointConfig([2, 1]), "(1 2)", "JointConfig([1, 2], [])"),
        (JointConfig([2, 1], [3]), "(1 2)&&(3)", "JointConfig([1, 2], [3])"),
    ],
)
def test_as_values(config: Any, text: str, shown: str) -> None:
    assert str(config) == text
    assert repr(config) == shown
    copy = pickle.loads(pickle.dumps(config))
    assert copy == config
    assert hash(copy) == hash(config)
    assert config != text


def test_as_sets() -> None:
    majority = MajorityConfig({3, 1})
    assert (list(majority), len(majority), 3 in majority, 2 in majority) == ([1, 3], 2, True, False)
    majority.ids().clear()
    assert majority.ids() == [1, 3]
    joint = JointConfig(majority, [2, 3])
    assert joint.ids() == [1, 2, 3]
    assert [id in joint for id in (1, 2, 3, 4)] == [True, True, True, False]
    assert joint.incoming is majority
    assert JointConfig(majority).ids() == [1, 3]
