"""Rebuilds the groups of a log from its records."""

from collections.abc import Callable

from ..errors import Corruption
from .group_log import GroupLog
from .layout import FILLER, FRAME, Head, segment_name
from .opening import Found, damaged


def replay(
    groups: dict[int, GroupLog], make: Callable[[int], GroupLog], number: int, offset: int, head: Head, body: bytes
) -> None:
    """Apply a record to ``groups``. Raises Corruption if it contradicts the records before it."""
    if not body or body[0] == FILLER:
        return
    group = groups.get(head.group)
    if group is None:
        group = groups[head.group] = make(head.group)
        group.loose = True
    try:
        if not group.replay(body, number, offset, FRAME + len(body)):
            del groups[head.group]
    except Corruption as error:
        raise damaged(str(error), segment_name(number), offset) from error


def check_begun(groups: dict[int, GroupLog], found: Found) -> None:
    """Raise Corruption if a group has no beginning, because then only a part of its records was read."""
    for id, group in groups.items():
        if group.loose:
            raise damaged(f"the beginning of the group {id} is missing", segment_name(found.first), 0)
