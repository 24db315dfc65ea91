"""When history is compacted by itself."""

from raftcy.etcd.compactor import Compactor
from raftcy.etcd.configuration import Retention


def run(compactor: Compactor, steps: int, start_s: float = 0.0, revision_per_step: int = 10) -> list[tuple[int, int]]:
    """Ask at each step, and do what is due. Return the steps and revisions of what was done."""
    found = []
    for step in range(steps):
        now_s = start_s + step * compactor.every_s
        revision = compactor.due(now_s, (step + 1) * revision_per_step)
        if revision:
            compactor.done(now_s, revision)
            found.append((step, revision))
    return found


def test_a_period_of_an_hour_compacts_what_is_an_hour_old_every_hour() -> None:
    compactor = Compactor(Retention(seconds=3600), 0.0)
    assert compactor.every_s == 360
    assert run(compactor, 31) == [(10, 10), (20, 110), (30, 210)]


def test_a_longer_period_compacts_every_hour() -> None:
    compactor = Compactor(Retention(seconds=3 * 3600), 0.0)
    assert compactor.every_s == 360
    assert run(compactor, 51) == [(30, 10), (40, 110), (50, 210)]


def test_a_short_period() -> None:
    compactor = Compactor(Retention(seconds=5), 100.0)
    assert compactor.every_s == 0.5
    assert run(compactor, 21, 100.0) == [(10, 10), (20, 110)]


def test_nothing_is_compacted_twice() -> None:
    assert run(Compactor(Retention(seconds=3600), 0.0), 50, revision_per_step=0) == []
    compactor = Compactor(Retention(seconds=3600), 0.0)
    found = [compactor.due(step * 360.0, 7) for step in range(11)]
    assert found == [0] * 10 + [7]
    compactor.done(3600, 7)
    assert [compactor.due(step * 360.0, 7) for step in range(11, 40)] == [0] * 29


def test_what_failed_is_tried_again_at_the_next_step() -> None:
    compactor = Compactor(Retention(seconds=3600), 0.0)
    found = [compactor.due(step * 360.0, step + 1) for step in range(13)]
    assert found == [0] * 10 + [1, 2, 3]


def test_a_new_leader_has_noted_the_revisions_as_a_follower() -> None:
    """Followers ask, and do nothing."""
    compactor = Compactor(Retention(seconds=3600), 0.0)
    for step in range(25):
        compactor.due(step * 360.0, (step + 1) * 10)
    assert compactor.due(25 * 360.0, 260) == 160


def test_timers_that_are_a_little_early_do_not_cost_a_step() -> None:
    compactor = Compactor(Retention(seconds=3600), 0.0)
    assert [compactor.due(step * 359.99, step + 1) for step in range(11)][-1] == 1


def test_by_revisions() -> None:
    compactor = Compactor(Retention(revisions=100), 0.0)
    assert compactor.every_s == 300
    assert compactor.due(300, 90) == 0
    assert compactor.due(600, 100) == 0
    assert compactor.due(900, 150) == 50
    assert compactor.due(1200, 150) == 50
    compactor.done(1200, 50)
    assert compactor.due(1500, 150) == 0
    assert compactor.due(1800, 151) == 51
