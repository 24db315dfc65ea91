"""The small parts of a replica: slices of entries, queues of events."""

import random

from raftcy.replica.events import EventQueue, EventsMissed, LeaderChanged
from raftcy.replica.slices import has_data, is_change, slices
from raftcy.wire.enums import EntryType
from raftcy.wire.messages import Entry


def entries(*what: str) -> list[Entry]:
    made = []
    for index, each in enumerate(what, 1):
        if each == "change":
            made.append(Entry(type=EntryType.CONF_CHANGE_V2, term=1, index=index, data=b"\0"))
        else:
            made.append(Entry(term=1, index=index, data=each.encode()))
    return made


def cut(given: list[Entry], count: int, size: int) -> list[list[int]]:
    return [[e.index for e in run] for run in slices(given, count, size)]


def test_slices_are_cut_by_kind_count_and_size() -> None:
    assert cut(entries("a", "b", "", "", "c", "change", "change", "d"), 10, 100) == [
        [1, 2],
        [3, 4],
        [5],
        [6],
        [7],
        [8],
    ]
    assert cut(entries(*"abcde"), 2, 100) == [[1, 2], [3, 4], [5]]
    assert cut(entries("aa", "bb", "cccccc", "d", "ee"), 10, 4) == [[1, 2], [3], [4, 5]]
    assert cut([], 10, 4) == []


def test_slices_lose_nothing() -> None:
    draw = random.Random(3)
    for _ in range(300):
        given = entries(*(draw.choice(["", "a", "bbbb", "change"]) for _ in range(draw.randrange(30))))
        count, size = draw.randint(1, 5), draw.randint(1, 10)
        runs = list(slices(given, count, size))
        assert [e for run in runs for e in run] == given
        for run in runs:
            kinds = {(str(e.type), len(e.data) > 0) for e in run}
            assert len(kinds) == 1
            if is_change(run):
                assert len(run) == 1
            elif has_data(run):
                assert len(run) <= count
                assert len(run) == 1 or sum(len(e.data) for e in run) <= size


def test_events_come_in_order_and_the_oldest_are_dropped() -> None:
    woken: list[int] = []
    queue = EventQueue(3, lambda: woken.append(1))
    assert queue.take() is None
    for term in range(1, 6):
        queue.put(LeaderChanged(1, term))
    assert len(woken) == 5
    assert len(queue) == 4
    taken = [queue.take() for _ in range(5)]
    assert taken == [EventsMissed(2), LeaderChanged(1, 3), LeaderChanged(1, 4), LeaderChanged(1, 5), None]
