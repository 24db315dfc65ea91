"""Very many items in order."""

import gc
from typing import Any

import pytest

from raftcy.etcd.items import written
from raftcy.etcd.pages import PAGE_ITEMS, Pages

pytestmark = pytest.mark.once

ITEMS = [written(number, 0, b"%06d" % number, b"", number, 1, 0) for number in range(3 * PAGE_ITEMS + 7)]


def filled(step: int) -> Pages:
    pages = Pages()
    for start in range(0, len(ITEMS), step):
        pages.extend(ITEMS[start : start + step])
    return pages


@pytest.mark.parametrize("step", [1, 512, PAGE_ITEMS, PAGE_ITEMS + 1, len(ITEMS)])
def test_they_are_a_sequence(step: int) -> None:
    pages = filled(step)
    assert (len(pages), list(pages)) == (len(ITEMS), ITEMS)
    assert [pages[place] for place in (0, PAGE_ITEMS, len(ITEMS) - 1)] == [ITEMS[0], ITEMS[PAGE_ITEMS], ITEMS[-1]]
    with pytest.raises(IndexError):
        pages[len(ITEMS)]
    assert all(0 < len(page) for page in pages.pages())
    for count in (0, 1, PAGE_ITEMS, len(ITEMS), len(ITEMS) + 5):
        assert list(pages.upto(count)) == ITEMS[:count]
    assert [item for page in pages.drain() for item in page] == ITEMS
    assert (len(pages), list(pages)) == (0, [])


def test_without_items() -> None:
    pages = Pages()
    pages.extend([])
    assert (len(pages), list(pages.pages()), list(pages.drain())) == (0, [], [])
    assert not pages


def test_the_collector_need_not_look_at_them() -> None:
    pages = filled(512)
    gc.collect()
    held: list[Any] = list(pages.pages())
    assert [gc.is_tracked(page) for page in held[:-1]] == [False] * (len(held) - 1)
