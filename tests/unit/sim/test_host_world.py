"""The world of simulated hosts: loops of processes, disks without power, and the rules of what callers are told."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from raftcy.errors import CommandError, InvariantError
from raftcy.machines import Command
from raftcy.sim.checkers import Violation
from raftcy.sim.clock import MS, SECOND, Clock
from raftcy.sim.hosts.loops import ProcessLoop
from raftcy.sim.hosts.medium import Medium
from raftcy.sim.hosts.truth import Truth


class World:
    """A clock, and the loops of processes on it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.errors: list[BaseException] = []

    def loop(self) -> ProcessLoop:
        loop = ProcessLoop(self.clock, lambda: loop.run(), self.errors.append)
        return loop

    def run(self, until_us: int) -> None:
        """Let the time pass."""
        self.clock.after(until_us - self.clock.now, lambda: None)
        while self.clock.now < until_us:
            handler, arguments = self.clock.next()
            handler(*arguments)


def test_a_loop_runs_timers_and_tasks_in_order() -> None:
    world = World()
    loop = world.loop()
    said: list[Any] = []

    async def story(name: str, wait_s: float) -> None:
        said.append((name, loop.time()))
        await asyncio.sleep(wait_s)
        said.append((name, round(loop.time(), 3)))

    loop.do(loop.create_task, story("one", 0.02))
    loop.do(loop.create_task, story("other", 0.01))
    loop.call_later(0.005, said.append, "timer")
    loop.call_later(0.007, said.append, "never").cancel()
    world.run(SECOND)
    assert said == [("one", 0.0), ("other", 0.0), "timer", ("other", 0.01), ("one", 0.02)]
    assert world.errors == []


def test_a_clock_runs_fast_or_slow() -> None:
    world = World()
    loop = world.loop()
    said: list[int] = []
    loop.call_later(0.1, lambda: said.append(world.clock.now))
    loop.set_rate(2.0)
    world.run(60 * MS)
    assert len(said) == 1
    assert said[0] == pytest.approx(50 * MS, abs=2)
    loop.set_rate(0.5)
    before = loop.time()
    world.run(160 * MS)
    assert loop.time() - before == pytest.approx(0.05)


def test_what_a_callback_spends_delays_the_rest() -> None:
    world = World()
    loop = world.loop()
    said: list[int] = []
    loop.call_soon(loop.spend, 5 * MS)
    loop.call_soon(lambda: loop.call_soon(lambda: said.append(world.clock.now)))
    world.run(SECOND)
    assert said == [5 * MS]


def test_a_paused_process_does_everything_later() -> None:
    world = World()
    loop = world.loop()
    said: list[int] = []
    loop.call_later(0.01, lambda: said.append(world.clock.now))
    loop.paused = True
    world.run(30 * MS)
    assert said == []
    loop.resume()
    world.run(60 * MS)
    assert said == [30 * MS]


def test_nothing_of_a_killed_process_runs() -> None:
    world = World()
    loop = world.loop()
    said: list[str] = []

    async def story() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            loop.call_soon(said.append, "too late")
            await asyncio.sleep(0)
            said.append("never")

    loop.do(loop.create_task, story())
    loop.call_later(0.001, said.append, "never")
    world.run(1)
    loop.kill()
    task = loop.create_task(story())
    world.run(2 * SECOND)
    assert said == []
    assert task.cancelled()
    assert world.errors == []


def test_errors_of_callbacks_are_seen_and_endless_work_is_noticed() -> None:
    world = World()
    loop = world.loop()
    loop.call_soon(lambda: 1 // 0)
    world.run(1)
    assert [type(error) for error in world.errors] == [ZeroDivisionError]

    def again() -> None:
        loop.call_soon(again)

    loop.call_soon(again)
    with pytest.raises(InvariantError, match="does not stop"):
        world.run(2)


# -- disks ------------------------------------------------------------------------------------------------------


def test_a_power_cut_keeps_any_part_of_what_was_not_synced() -> None:
    medium = Medium()
    medium.write("a", 0, b"x" * 600)
    medium.sync("a")
    medium.sync("")
    medium.write("a", 0, b"y" * 600)
    medium.write("b", 0, b"new")
    assert len(medium.items) == 4
    assert medium.after(()).read("a", 0, 999) == b"x" * 600
    assert medium.after((1,)).read("a", 0, 999) == b"x" * 512 + b"y" * 88
    assert medium.after((2, 3)).names() == {"a": 600, "b": 3}
    assert medium.after((3,)).names() == {"a": 600}


def test_a_kill_leaves_what_was_not_synced_unsynced() -> None:
    medium = Medium()
    medium.write("a", 0, b"one")
    killed = medium.killed()
    assert killed.read("a", 0, 9) == b"one"
    assert killed.after(()).names() == {}
    killed.sync("a")
    killed.sync("")
    assert killed.after(()).read("a", 0, 9) == b"one"
    killed.rename("a", "b")
    killed.remove("b")
    assert killed.names() == {}
    assert killed.after(()).names() == {"a": 3}
    assert killed.after((0,)).names() == {"b": 3}


def test_what_a_failed_sync_has_not_written_is_never_written() -> None:
    def fails(kind: str, name: str) -> None:
        if kind == "sync":
            raise OSError("input/output error")

    medium = Medium(fails)
    medium.write("a", 0, b"one")
    with pytest.raises(OSError, match="input/output"):
        medium.sync("a")
    medium.before = None
    medium.sync("a")
    medium.sync("")
    assert medium.after(()).read("a", 0, 9) == b""


def test_a_full_disk_takes_a_part() -> None:
    medium = Medium(lambda kind, name: 2 if kind == "write" else None)
    with pytest.raises(OSError, match="space"):
        medium.write("a", 0, b"four")
    assert medium.read("a", 0, 9) == b"fo"
    with pytest.raises(FileNotFoundError):
        medium.read("b", 0, 1)


# -- what callers are told --------------------------------------------------------------------------------------


def truth() -> Truth:
    """Commands 7 and 8 at the indexes 3 and 5."""
    found = Truth(lambda: 2)
    applied(found, 1, 0, 3, 7)
    applied(found, 1, 3, 5, 8)
    return found


def applied(
    truth: Truth, id: int, before: int, index: int, number: int, *, term: int = 1, state: int = 0, **fields: Any
) -> None:
    """A member applies a command; the state is its index unless it says otherwise."""
    at = state or index
    command = Command(index, term, b"w%d " % number, fields.get("time_ms", 0), 0)
    truth.applied(id, before, fields.get("version", 1), (at, at), command, (index, at, at))


WRONG: dict[str, tuple[str, Callable[[Truth], object]]] = {
    "twice": ("state machine safety", lambda t: applied(t, 1, 5, 5, 8)),
    "another command": ("state machine safety", lambda t: applied(t, 2, 0, 3, 9)),
    "another term": ("state machine safety", lambda t: applied(t, 2, 0, 3, 7, term=2)),
    "another state": ("state machine safety", lambda t: applied(t, 2, 3, 5, 8, state=4)),
    "in between": ("state machine safety", lambda t: applied(t, 2, 3, 4, 9)),
    "at two places": ("exactly once", lambda t: applied(t, 1, 5, 6, 7)),
    "a lower version": ("versions only rise", lambda t: (applied(t, 1, 5, 6, 9, version=2), applied(t, 1, 6, 7, 10))),
    "a version too high": ("versions", lambda t: applied(t, 1, 5, 6, 9, version=3)),
    "time": ("time", lambda t: (applied(t, 1, 5, 6, 9, time_ms=2), applied(t, 1, 6, 7, 10, time_ms=1))),
    "restored": ("state machine safety", lambda t: t.restored(2, 5, (3, 3))),
    "restored from nowhere": ("state machine safety", lambda t: t.restored(2, 6, (5, 5))),
    "invented": ("no invention", lambda t: t.answered(9, (6, 6, 6), 0)),
    "another answer": ("answers", lambda t: t.answered(7, (3, 3, 4), 0)),
    "the wrong term": ("certain outcomes", lambda t: t.answered(7, (3, 3, 3), 0, 2)),
    "stale": ("linearizable", lambda t: t.answered(7, (3, 3, 3), 3)),
    "a stale read": ("linearizable", lambda t: t.shown(5, 3, "a read")),
    "rejected": ("certain outcomes", lambda t: t.never(7, "it was rejected")),
    "rejected before": ("certain outcomes", lambda t: (t.never(9, "it was rejected"), applied(t, 1, 5, 6, 9))),
    "said to be applied": ("certain outcomes", lambda t: t.settled(9, 0)),
    "said to be elsewhere": ("certain outcomes", lambda t: t.settled(7, 4)),
    "refused": ("answers", lambda t: t.refused(7, CommandError("no"))),
}


@pytest.mark.parametrize("what", WRONG)
def test_each_rule_can_break(what: str) -> None:
    rule, act = WRONG[what]
    with pytest.raises(Violation) as caught:
        act(truth())
    assert caught.value.rule == rule


def test_what_is_true_passes() -> None:
    found = truth()
    applied(found, 2, 0, 3, 7)
    applied(found, 2, 3, 5, 8)
    found.restored(3, 5, (5, 5))
    found.restored(3, 0, (0, 0))
    assert found.answered(7, (3, 3, 3), 2, 1) == 3
    found.never(9, "it was rejected")
    found.settled(8, 5)
    found.settled(8, 0)
    found.shown(3, 3, "a read")
    command = Command(6, 1, b"n10 ", 0, 0)
    found.applied(1, 5, 1, (5, 5), command, CommandError("no", "no"))
    found.refused(10, CommandError("no", "no"))
    assert (found.last, found.floor) == (6, 6)
