"""Lists that drop their oldest items: the rest stays right, and is not moved for each dropped item."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftcy import NO_LIMIT, Entry, Message, MessageType
from raftcy.core.droplist import drop_oldest
from raftcy.core.readonly import ReadOnly
from raftcy.wire.consts import NO_TERM
from raftcy.wire.enums import ReadOnlyOption
from tests.support.logs import new_unstable


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200))))
def test_what_stays(turns: list[tuple[int, int]]) -> None:
    """Compared with a list that is sliced."""
    items: list[int | None] = []
    head = 0
    naive: list[int] = []
    made = 0
    for more, less in turns:
        new = range(made, made + more)
        made += more
        items.extend(new)
        naive.extend(new)
        less = min(less, len(naive))
        head = drop_oldest(items, head, less)
        del naive[:less]
        assert items[head:] == naive
        assert items[:head] == [None] * head
        assert head < 64 or 2 * head < len(items)


def test_what_stays_is_moved_seldom() -> None:
    """Dropping a backlog of 4,096 one by one moves the remaining half five times."""
    items = list(range(4_096))
    head = moves = 0
    for _ in range(4_000):
        before = len(items)
        head = drop_oldest(items, head, 1)
        moves += len(items) != before
    assert moves == 5
    assert items[head:] == list(range(4_000, 4_096))


@pytest.mark.parametrize("step", [1, 7, 100])
def test_unstable_entries_that_are_acknowledged_bit_by_bit(step: int) -> None:
    entries = [Entry(term=1, index=index) for index in range(1, 1_001)]
    unstable = new_unstable(1, entries)
    for index in range(step, 1_000, step):
        unstable.stable_to(index, 1)
        assert (unstable.offset, unstable.count) == (index + 1, 1_000 - index)
        assert unstable.entries == entries[index:]
        assert unstable.slice(index + 1, index + 2, 0) == [entries[index]]
        assert unstable.look_up(index + 1) == 1
        assert unstable.look_up(index) == NO_TERM
        if index > 500:
            # The list still allows a conflict, and further items, after the drop.
            unstable.truncate_and_append([entries[998]])
            unstable.truncate_and_append([entries[999]])


@pytest.mark.parametrize("step", [1, 7, 100])
def test_reads_that_are_confirmed_bit_by_bit(step: int) -> None:
    reads = ReadOnly(int(ReadOnlyOption.SAFE), NO_LIMIT)
    requests = [Message(type=MessageType.MSG_READ_INDEX, from_=number) for number in range(1_000)]
    for number, request in enumerate(requests):
        reads.add_request(number, request)
    for number in range(step, 1_000, step):
        reads.drop(step)
        assert (reads.count, reads.confirmed, reads.last_number()) == (1_000 - number, number, 1_000)
        assert reads.waiting == requests[number:]
        assert reads.indexes == list(range(number, 1_000))
    reads.drop(reads.count)
    assert (reads.waiting, reads.confirmed, reads.heartbeat_ctx()) == ([], 1_000, None)
