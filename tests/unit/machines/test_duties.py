"""What a member has to propose by itself."""

from types import ModuleType

import pytest

from tests.support.machines import Applied, module, noted


def group_of(build: ModuleType, knows: int) -> Applied:
    machine = noted(build)()
    machine.knows = knows
    return Applied(build, machine, (1, 2))


def test_time_is_counted_while_it_is_needed(build: ModuleType) -> None:
    """By the leader alone, and for its own term only."""
    room, e = module(build), module(build, "envelope")
    group = group_of(build, 1)
    leader, follower = room.Duties(group.group, 1), room.Duties(group.group, 2)
    for now_ms in range(0, 3000, 100):
        assert leader.due(now_ms, 3, True) == follower.due(now_ms, 0, True) == []
    group.put(e.open_session(1000))
    assert leader.due(3000, 3, True) == []
    assert leader.due(3400, 3, True) == [room.Duty(e.time_passed(3, 500), 3)]
    assert follower.due(9000, 0, True) == []


def test_the_report_is_repeated_until_it_is_applied(build: ModuleType) -> None:
    room, e = module(build), module(build, "envelope")
    group = group_of(build, 2)
    duties = room.Duties(group.group, 1, again_ms=1000)
    assert duties.due(0, 0, False) == []
    report = room.Duty(e.version_report(1, 2), 0)
    assert [duties.due(now_ms, 0, True) for now_ms in (10, 500, 1009, 1010)] == [[report], [], [], [report]]
    group.put(report.data)
    assert duties.due(9000, 0, True) == []
    group.put(e.version_report(1, 1))
    assert duties.due(9001, 0, True) == [report]


def test_who_has_nothing_to_report(build: ModuleType) -> None:
    """A program of the first version holds the group without it; who was removed is not heard."""
    room = module(build)
    first = group_of(build, 1)
    assert room.Duties(first.group, 1).due(0, 0, True) == []
    removed = group_of(build, 2)
    removed.put(b"x")
    assert room.Duties(removed.group, 3).due(0, 0, True) == []
    went_back = group_of(build, 1)
    e = module(build, "envelope")
    went_back.put(e.version_report(1, 2))
    assert room.Duties(went_back.group, 1).due(0, 0, True) == [room.Duty(e.version_report(1, 1), 0)]


def test_a_program_that_is_too_old_says_so(build: ModuleType) -> None:
    room, e = module(build), module(build, "envelope")
    group = group_of(build, 1)
    group.put(e.version_report(1, 2))
    with pytest.raises(build.UpgradeNeeded):
        group.put(e.version_report(2, 2))
    with pytest.raises(build.UpgradeNeeded):
        room.Duties(group.group, 1).due(0, 0, True)


def test_a_group_runs_on_its_duties(build: ModuleType) -> None:
    """Two members that tick: the version rises, a session ends by itself, and then nothing is proposed any more."""
    room, e = module(build), module(build, "envelope")
    group = group_of(build, 3)
    session = group.put(e.open_session(2000))
    duties = {id: room.Duties(group.group, id) for id in (1, 2)}
    last = 0
    for now_ms in range(0, 20_000, 100):
        for id, each in duties.items():
            for duty in each.due(now_ms, 1 if id == 1 else 0, True):
                group.put(duty.data)
                last = now_ms
    assert group.group.version == 3
    assert session not in group.group.sessions
    assert 3000 <= last < 4000
