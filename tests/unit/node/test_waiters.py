"""Whoever waits at a Node is woken, whatever ends the node or a waiter before it."""

import asyncio
from types import ModuleType
from typing import Any

import pytest

from tests.support.loggers import RaisingLogger
from tests.unit.wire.test_whole import config, storage


class Panic(BaseException):
    """What a Rust extension raises; no Exception."""


class Logger:
    """Raises when it is armed, at the given level."""

    def __init__(self, level: str) -> None:
        self.level = level
        self.armed: BaseException | None = None

    def _say(self, level: str, text: str) -> None:
        if self.armed is not None and level == self.level:
            raise self.armed

    def debug(self, text: str) -> None:
        self._say("debug", text)

    def info(self, text: str) -> None:
        self._say("info", text)

    def warning(self, text: str) -> None:
        self._say("warning", text)

    error = critical = warning


def three(build: ModuleType, logger: Any, **options: Any) -> Any:
    """A node of three that waits for a leader."""
    given = build.MemoryStorage()
    metadata = build.SnapshotMetadata(index=1, term=1, conf_state=build.ConfState(voters=[1, 2, 3]))
    given.save(build.HardState(term=1, commit=1), None, build.Snapshot(metadata=metadata))
    return build.restart_node(config(build, storage=given, logger=logger, **options))


async def elected(build: ModuleType, node: Any) -> None:
    await node.campaign()
    await node.ready()
    node.advance()
    kind = build.MessageType.MSG_VOTE_RESP
    await node.step(build.Message(type=kind, to=1, from_=2, term=node.status().term))


@pytest.mark.parametrize("error", [Panic("native"), KeyboardInterrupt(), MemoryError()])
async def test_all_proposers_are_woken(build: ModuleType, error: BaseException) -> None:
    """catches: faults#L"""
    logger = Logger("warning")
    node = three(build, logger, max_uncommitted_entries_size=1)
    real = node._raw.propose

    class Raw:
        """The second proposal that waits meets the error."""

        count = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(node_raw, name)

        def propose(self, data: Any) -> None:
            self.count += 1
            if self.count == 2:
                node_raw.fail(error)
                raise error
            real(data)

    node_raw = node._raw
    node._raw = Raw()
    waiting = [asyncio.create_task(node.propose(b"xx")) for _ in range(4)]
    await asyncio.sleep(0)
    if isinstance(error, Exception):
        await elected(build, node)
    else:
        with pytest.raises(type(error)):
            await elected(build, node)
    done, pending = await asyncio.wait(waiting, timeout=5)
    assert not pending
    assert len(done) == 4
    outcomes = [task.exception() for task in waiting]
    assert outcomes[0] is None
    assert all(isinstance(each, (build.Stopped, MemoryError)) for each in outcomes[1:])
    with pytest.raises(build.Stopped) as stopped:
        node.status()
    assert stopped.value.cause is error


async def test_a_logger_that_fails_leaves_nobody_waiting(build: ModuleType) -> None:
    """A logger's error as the leader is noticed kills the node; it used to leave the proposals waiting."""
    logger = Logger("info")
    node = three(build, logger)
    waiting = [asyncio.create_task(node.propose(b"x")) for _ in range(2)]
    taker = asyncio.create_task(_second_ready(node))
    await asyncio.sleep(0)
    error = OSError("log")
    kind = build.MessageType.MSG_HEARTBEAT

    class Armed(Logger):
        def _say(self, level: str, text: str) -> None:
            if "elected leader" in text:
                raise error

    node._log = type(node._log)(Armed("info"))
    with pytest.raises(OSError, match="log"):
        await node.step(build.Message(type=kind, to=1, from_=2, term=2, commit=1))
    for each in [*waiting, taker]:
        with pytest.raises(build.Stopped) as stopped:
            await asyncio.wait_for(each, 5)
        assert stopped.value.cause is error


async def _second_ready(node: Any) -> None:
    while True:
        await node.ready()
        node.advance()


async def test_a_closed_ready_leaves_the_line(build: ModuleType) -> None:
    """A coroutine that is closed, not cancelled, used to swallow the wake-up of all later ones.

    catches: faults#Y2
    """
    node = build.restart_node(config(build, storage=storage(build)))
    closed = node.ready()
    closed.send(None)
    waiting = asyncio.create_task(node.ready())
    await asyncio.sleep(0)
    closed.close()
    await node.campaign()
    rd = await asyncio.wait_for(waiting, 5)
    assert rd.hard_state is not None


async def test_a_ready_that_is_closed_after_its_wake_up_passes_it_on(build: ModuleType) -> None:
    """catches: faults#Y2"""
    node = build.restart_node(config(build, storage=storage(build)))
    closed = node.ready()
    closed.send(None)
    waiting = asyncio.create_task(node.ready())
    await asyncio.sleep(0)
    await node.campaign()
    closed.close()
    assert (await asyncio.wait_for(waiting, 5)).must_sync


# A loop of its own: it tests Node, with a storage or a logger that raises at one call.
async def played(build: ModuleType, given: Any, error: BaseException, logger: Any) -> bool:
    """A node leads, three proposals wait, its Readys are handled; whether nothing raised. Nobody is left waiting."""
    try:
        node = build.restart_node(config(build, storage=given, logger=logger))
    except BaseException as raised:
        if raised is error or raised.__cause__ is error:
            return False
        raise
    applied: list[bytes] = []

    async def drive() -> None:
        async for rd in node:
            build.MemoryStorage.save(given, rd.hard_state, rd.entries, rd.snapshot)
            applied.extend(e.data for e in rd.committed_entries if e.data)
            node.advance()

    async def tick() -> None:
        while len(applied) < 3:
            node.tick()
            await asyncio.sleep(0)

    waiting = [asyncio.create_task(node.propose(b"x")) for _ in range(3)]
    waiting += [asyncio.create_task(drive()), asyncio.create_task(tick()), asyncio.create_task(node.campaign())]
    failed: list[Any] = []
    for _ in range(5000):
        failed = [task for task in waiting if task.done() and task.exception() is not None]
        if failed or len(applied) == 3:
            break
        await asyncio.sleep(0.001)
    if not failed:
        assert len(applied) == 3
        await node.stop()
    done, pending = await asyncio.wait(waiting, timeout=5)
    assert not pending, "somebody waits for ever"
    raised_by = [raised for task in done if (raised := task.exception()) is not None]
    for raised in raised_by:
        causes = (raised, raised.__cause__, getattr(raised, "cause", None))
        assert error in causes or isinstance(raised, build.Stopped)
    with pytest.raises(build.Stopped) as stopped:
        node.status()
    return stopped.value.cause is None and not raised_by


async def test_a_logger_that_raises_at_each_call_in_turn(build: ModuleType) -> None:
    """Nothing hangs: whoever waits gets an answer or Stopped."""
    turn = 0
    while True:
        turn += 1
        error = OSError(f"call {turn}")
        if await played(build, storage(build), error, RaisingLogger(turn, error)):
            break
    assert turn > 10


async def test_a_storage_that_raises_at_each_call_in_turn(build: ModuleType) -> None:
    """As with a logger."""
    turn = 0
    while True:
        turn += 1
        error = OSError(f"call {turn}")
        left = RaisingLogger(turn, error)

        def raising(name: str, left: RaisingLogger = left) -> Any:
            def method(self: Any, *args: Any) -> Any:
                if self.armed:
                    left._call()
                return getattr(build.MemoryStorage, name)(self, *args)

            return method

        names = ("initial_state", "entries", "term", "first_index", "last_index", "snapshot")
        cls: Any = type("Failing", (build.MemoryStorage,), {"armed": False} | {name: raising(name) for name in names})
        given = cls()
        metadata = build.SnapshotMetadata(index=1, term=1, conf_state=build.ConfState(voters=[1]))
        build.MemoryStorage.save(given, build.HardState(term=1, commit=1), None, build.Snapshot(metadata=metadata))
        given.armed = True
        if await played(build, given, error, RaisingLogger(0, error)):
            break
    assert turn > 3
