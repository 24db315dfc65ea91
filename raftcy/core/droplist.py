"""Drops the oldest items of a list at a cost that does not depend on how many remain.

A dropped item leaves None in its place, before the ``head``. These places are deleted once they are half of the list.
"""

from typing import Any

_LEAST = 64  # places; with fewer, keeping them costs less than moving the rest


def drop_oldest(items: list[Any], head: int, count: int) -> int:
    """Drop ``count`` items from place ``head`` on. Return the new head. Amortized time depends only on ``count``."""
    end = head + count
    if count == 1:
        items[head] = None
    else:
        items[head:end] = [None] * count
    if end < _LEAST or 2 * end < len(items):
        return end
    del items[:end]
    return 0
