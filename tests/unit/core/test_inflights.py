"""The window of appends in flight: it fills, frees from the oldest, and is full by count or by bytes."""

import pickle
from typing import Any

import pytest

from raftcy import InvariantError
from raftcy.core.inflights import Inflights

from .test_progress import REPLICATE, progress_in


def sent(first: int, last: int) -> list[tuple[int, int]]:
    """Appends up to these indexes, each of 100 bytes plus its index."""
    return [(index, 100 + index) for index in range(first, last + 1)]


def fill(window: Inflights, first: int, last: int) -> None:
    for index, size in sent(first, last):
        window.add(index, size)


def check(window: Inflights, expected: list[tuple[int, int]]) -> None:
    assert window.window() == expected
    assert window.count() == len(expected)
    assert window.bytes == sum(size for _, size in expected)


def test_add() -> None:
    """answers: TestInflightsAdd"""
    window = Inflights(10)
    fill(window, 0, 4)
    check(window, sent(0, 4))
    assert window.bytes == 510
    fill(window, 5, 9)
    check(window, sent(0, 9))
    assert window.bytes == 1045
    assert window.full()


@pytest.mark.parametrize("start", range(1, 10))
def test_add_around_the_end_of_the_ring(start: int) -> None:
    """answers: TestInflightsAdd"""
    window = Inflights(10)
    fill(window, 0, start)
    window.free_le(start - 1)
    fill(window, start + 1, start + 4)
    check(window, sent(start, start + 4))
    fill(window, start + 5, start + 9)
    check(window, sent(start, start + 9))
    assert window.full()


def test_free_le() -> None:
    """Everything up to an index leaves, and the rest stays in order, also around the end of the ring.

    answers: TestInflightFreeTo
    catches: raft#54
    """
    window = Inflights(10)
    fill(window, 0, 9)
    for to, left in ((0, (1, 9)), (4, (5, 9)), (8, (9, 9))):
        window.free_le(to)
        check(window, sent(*left))
    fill(window, 10, 14)
    check(window, sent(9, 14))
    window.free_le(12)
    check(window, sent(13, 14))
    window.free_le(14)
    check(window, [])
    window.free_le(2**64 - 1)
    check(window, [])


def test_free_le_of_an_older_index() -> None:
    """A late acknowledgement frees nothing."""
    window = Inflights(10)
    fill(window, 5, 7)
    window.free_le(4)
    check(window, sent(5, 7))


@pytest.mark.parametrize(
    ("size", "max_bytes", "full_at", "freed", "again_at"),
    [
        (0, 0, 0, 0, 0),
        (1, 0, 1, 1, 2),
        (1, 10, 1, 1, 2),  # one append over the limit in bytes
        (15, 0, 15, 6, 22),
        (8, 400, 4, 2, 7),
        (8, 406, 4, 3, 8),  # just reached by the fourth
        (15, 408, 5, 1, 6),
    ],
)
def test_full(size: int, max_bytes: int, full_at: int, freed: int, again_at: int) -> None:
    """Full by count, or by bytes with the append that reaches the limit; then nothing more can be added.

    answers: TestInflightsFull
    """
    window = Inflights(size, max_bytes)
    index = 0
    for end in (full_at, again_at):
        while not window.full():
            window.add(index, 100 + index)
            index += 1
        assert index == end
        if end == full_at:
            window.free_le(freed)
    before = window.window()
    with pytest.raises(InvariantError, match=r"^cannot add into a Full inflights$"):
        window.add(100, 1024)
    check(window, before)


def test_reset() -> None:
    """No bytes are left from before.

    answers: TestInflightsReset
    """
    window = Inflights(10, 1000)
    index = 0
    for _ in range(100):
        window.reset()
        check(window, [])
        for _ in range(5):
            assert not window.full()
            index += 1
            window.add(index, 16)
        window.free_le(index - 2)
        assert not window.full()
        assert window.count() == 2
    window.free_le(index)
    check(window, [])


def test_a_copy_is_independent() -> None:
    window = Inflights(4, 1000)
    fill(window, 0, 3)
    window.free_le(1)
    fill(window, 4, 4)
    copy = window.clone()
    assert copy == window
    assert (copy.size, copy.max_bytes, copy.window()) == (4, 1000, sent(2, 4))
    copy.free_le(2)
    copy.add(9, 1)
    assert copy != window
    check(window, sent(2, 4))
    check(copy, [*sent(3, 4), (9, 1)])
    assert Inflights(3).clone() == Inflights(3)


def test_as_a_value() -> None:
    window = Inflights(2, 5)
    window.add(3, 4)
    assert repr(window) == "Inflights(2, 5, window=[(3, 4)])"
    assert window != Inflights(2, 5)
    assert window != [(3, 4)]
    with pytest.raises(TypeError):
        hash(window)


@pytest.mark.parametrize("arguments", [(-1,), (1, -1)])
def test_negative_limits(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"^size and max_bytes must not be negative$"):
        Inflights(*arguments)


def test_a_large_window_takes_no_memory_in_advance() -> None:
    """Each peer has a window, and most windows are nearly empty."""
    window = Inflights(2**62, 2**64 - 1)
    window.add(1, 2**64 - 2)
    assert not window.full()
    window.add(2, 1)
    assert window.full()


def test_a_progress_is_pickled_with_its_window() -> None:
    p = progress_in(REPLICATE, 1, 2, size=3)
    p.sent_entries(2, 7)
    copy = pickle.loads(pickle.dumps(p))
    assert copy.inflights == p.inflights
    assert copy.inflights is not p.inflights
