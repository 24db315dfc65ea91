"""Lists that grow at their end and lose what is oldest, at a cost that does not depend on what stays.

What is dropped leaves places of None before the ``head``; they go once they are half of the list.
"""

from typing import Any

_LEAST = 64  # places; below that a longer list costs less than moving it


def drop_oldest(items: list[Any], head: int, count: int) -> int:
    """Drop ``count`` items from place ``head`` on; returns the new head. Amortised, the cost is that of what goes."""
    end = head + count
    items[head:end] = [None] * count
    if end < _LEAST or 2 * end < len(items):
        return end
    del items[:end]
    return 0
