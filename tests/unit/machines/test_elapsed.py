"""The group's time: never ahead of real time, whatever leaders do."""

import random
from types import ModuleType

import pytest

from tests.support.machines import Applied, module, noted


def test_a_leader_counts_from_when_it_leads(build: ModuleType) -> None:
    keeper, e = module(build).Timekeeper(500), module(build, "envelope")
    assert keeper.due(10_000, 0, True) is None
    assert keeper.due(11_000, 3, True) is None, "what was before its term is not its own to count"
    assert keeper.due(11_499, 3, True) is None
    assert e.decode(keeper.due(11_500, 3, True)) == e.TimePassed(3, 500)
    assert keeper.due(11_501, 3, True) is None
    assert e.decode(keeper.due(12_100, 3, True)) == e.TimePassed(3, 600)
    assert keeper.due(12_700, 4, True) is None, "a new term begins anew"
    assert keeper.due(13_300, 0, True) is None
    assert keeper.due(13_900, 4, True) is None


def test_while_nobody_needs_it_nothing_is_counted(build: ModuleType) -> None:
    keeper, e = module(build).Timekeeper(500), module(build, "envelope")
    keeper.due(0, 1, True)
    assert keeper.due(100_000, 1, False) is None
    assert keeper.due(100_499, 1, True) is None
    assert e.decode(keeper.due(100_500, 1, True)) == e.TimePassed(1, 500)


def test_what_is_too_much_for_an_entry_is_not_counted(build: ModuleType) -> None:
    """A deadline has one entry's most added to it, and is early if an entry may bring more."""
    keeper, e = module(build).Timekeeper(), module(build, "envelope")
    keeper.due(0, 1, True)
    assert e.decode(keeper.due(3_600_000, 1, True)) == e.TimePassed(1, e.ADVANCE_MOST_MS)
    assert keeper.due(3_600_001, 1, True) is None


@pytest.mark.parametrize("interval_ms", [0, -1, 1001])
def test_intervals_are_bounded(build: ModuleType, interval_ms: int) -> None:
    with pytest.raises(ValueError, match="interval_ms must be 1 to 1000"):
        module(build).Timekeeper(interval_ms)


def test_time_of_another_term_does_not_count(build: ModuleType) -> None:
    """A deposed leader's count that was forwarded overlaps with that of its successor."""
    group, e = Applied(build, noted(build)()), module(build, "envelope")
    group.put(e.time_passed(1, 400), term=1)
    group.put(e.time_passed(1, 400), term=2)
    group.put(e.time_passed(3, 400), term=2)
    group.put(b"x", term=2)
    assert group.group.time_ms == 400
    assert group.group.machine.given == [(4, b"x", 400, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_a_deadline_never_comes_before_its_real_time(build: ModuleType, seed: int) -> None:
    """Leaders come and go, entries get lost, doubled or late; leases begin at random moments."""
    rng = random.Random(seed)
    e, elapsed = module(build, "envelope"), module(build, "elapsed")
    group = Applied(build, noted(build)())
    real = 0
    term = 1
    keepers = {member: elapsed.Timekeeper(rng.choice([50, 500, 1000])) for member in (1, 2, 3)}
    leader = 1
    waiting: list[bytes] = []
    leases: list[tuple[int, int]] = []
    ended = 0
    for _ in range(2000):
        real += rng.randrange(1, 300)
        if rng.random() < 0.02:
            term, leader = term + 1, rng.randrange(1, 4)
        for member, keeper in keepers.items():
            due = keeper.due(real, term if member == leader else 0, rng.random() < 0.95)
            if due is not None and rng.random() < 0.9:
                waiting.append(due)
                if rng.random() < 0.05:
                    # As one forwarded late to a later leader.
                    waiting.append(e.time_passed(term - 1, 500))
        # A leader's own entries are appended at once, in the order in which it proposes them.
        for data in waiting:
            group.put(data, term)
        waiting.clear()
        if rng.random() < 0.2:
            lease = rng.randrange(1, 5000)
            leases.append((real + lease, elapsed.deadline(group.group.time_ms, lease)))
        for end in [each for each in leases if each[1] <= group.group.time_ms]:
            assert real >= end[0]
            leases.remove(end)
            ended += 1
    assert ended > 50
    assert group.group.time_ms > real / 3
