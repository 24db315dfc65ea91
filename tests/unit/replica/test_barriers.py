"""Rounds of linearizable reads: who shares which, and what becomes of a lost one."""

import random

import pytest

from raftcy.errors import Overloaded
from raftcy.replica.barriers import Barriers


def begun(barriers: Barriers, context: bytes, *reads: str) -> None:
    for each in reads:
        barriers.add(each)
    assert barriers.is_due
    barriers.begin(context)


def test_reads_that_came_before_a_round_share_it() -> None:
    barriers = Barriers(10, 100)
    assert not barriers.is_due
    begun(barriers, b"1", "a", "b")
    assert barriers.end(b"1") == ["a", "b"]
    assert len(barriers) == 0
    assert not barriers.is_due


def test_a_later_read_waits_for_the_next_round() -> None:
    """The leader may have answered the round already, from before a write that the later read must see."""
    barriers = Barriers(10, 100)
    begun(barriers, b"1", "a")
    barriers.add("late")
    assert not barriers.is_due
    assert barriers.end(b"1") == ["a"]
    assert barriers.is_due
    barriers.begin(b"2")
    assert barriers.end(b"2") == ["late"]


def test_a_lost_round_goes_into_the_next_one() -> None:
    barriers = Barriers(3, 100)
    begun(barriers, b"1", "a")
    barriers.add("b")
    barriers.tick()
    barriers.tick()
    assert not barriers.is_due
    barriers.tick()
    assert barriers.is_due
    barriers.begin(b"2")
    assert barriers.end(b"1") == [], "an answer to a lost round means nothing"
    assert barriers.end(b"2") == ["a", "b"]


def test_patience_begins_anew_with_each_round() -> None:
    barriers = Barriers(2, 100)
    begun(barriers, b"1", "a")
    barriers.tick()
    barriers.lose()
    barriers.begin(b"2")
    barriers.tick()
    assert not barriers.is_due
    barriers.tick()
    assert barriers.is_due


def test_ticks_without_a_round_do_nothing() -> None:
    barriers = Barriers(1, 100)
    barriers.add("a")
    barriers.tick()
    barriers.lose()
    barriers.begin(b"1")
    assert barriers.end(b"1") == ["a"]


def test_an_answer_counts_once() -> None:
    barriers = Barriers(10, 100)
    begun(barriers, b"1", "a")
    assert barriers.end(b"1") == ["a"]
    assert barriers.end(b"1") == []


def test_reads_are_bounded() -> None:
    barriers = Barriers(10, 2)
    begun(barriers, b"1", "a")
    barriers.add("b")
    with pytest.raises(Overloaded, match="2 reads wait already"):
        barriers.add("c")
    barriers.end(b"1")
    barriers.add("c")
    assert barriers.take_all() == ["b", "c"]


def test_a_read_that_nobody_waits_for_takes_no_room() -> None:
    barriers = Barriers(10, 2)
    begun(barriers, b"1", "a")
    barriers.add("b")
    barriers.drop("a")
    barriers.drop("b")
    barriers.drop("b")
    assert len(barriers) == 0
    barriers.add("c")
    barriers.add("d")
    assert barriers.end(b"1") == []
    assert barriers.take_all() == ["c", "d"]


def test_all_are_given_back_at_the_end() -> None:
    barriers = Barriers(10, 100)
    begun(barriers, b"1", "a", "b")
    barriers.add("c")
    assert barriers.take_all() == ["a", "b", "c"]
    assert len(barriers) == 0
    assert barriers.end(b"1") == []


def test_every_read_sees_what_was_committed_before_it() -> None:
    """A naive model: the leader's answer to a context is any commit index between its asking and its end."""
    for seed in range(200):
        draw = random.Random(seed)
        barriers = Barriers(4, 1000)
        committed = 0
        context = 0
        asked: dict[bytes, int] = {}
        waiting: dict[int, int] = {}
        answered = 0
        number = 0
        for _ in range(200):
            what = draw.randrange(6)
            if what == 0:
                committed += draw.randint(1, 3)
            elif what == 1:
                number += 1
                waiting[number] = committed
                barriers.add(number)
            elif what == 2 and barriers.is_due:
                context += 1
                barriers.begin(b"%d" % context)
                asked[b"%d" % context] = committed
            elif what == 3 and asked:
                its = draw.choice(list(asked))
                index = asked.pop(its)
                for read in barriers.end(its):
                    answered += 1
                    assert index >= waiting.pop(read)
            elif what == 4:
                barriers.tick()
            elif what == 5 and draw.random() < 0.1:
                barriers.lose()
            assert len(barriers) == len(waiting)
        assert answered > 0 or number < 20
