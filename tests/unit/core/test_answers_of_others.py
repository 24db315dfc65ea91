"""What a storage, a logger, a random source and a machine may answer or raise: typed errors, alike in both builds."""

import asyncio
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.support.loggers import RaisingLogger
from tests.unit.wire.test_whole import config, storage


class Panic(BaseException):
    """What a Rust extension raises; no Exception."""


READS = ("initial_state", "entries", "term", "first_index", "last_index", "snapshot")
ODD: list[Any] = [None, "1", b"1", -1, 2**64, 1.5, {1: 2}, [], [None], (None,), (None, None), (1, 2), {}, int]


def drain(build: ModuleType, node: Any, given: Any) -> None:
    """Handle every Ready. What is written reads nothing that is wrong."""
    while node.has_ready():
        rd = node.ready()
        armed, given.armed = given.armed, False
        build.MemoryStorage.save(given, rd.hard_state, rd.entries, rd.snapshot)
        given.armed = armed
        node.advance()


def story(build: ModuleType, given: Any, **options: Any) -> Any:
    """A voter of two is elected, sends an append that is refused twice, and a snapshot; returns the node."""
    node = build.RawNode(config(build, storage=given, **options))
    kinds = build.MessageType
    node.campaign()
    drain(build, node, given)
    term = node.basic_status().term
    node.step(build.Message(type=kinds.MSG_VOTE_RESP, from_=2, to=1, term=term))
    node.propose(b"x")
    for _ in range(3):
        drain(build, node, given)
        refusal = build.Message(type=kinds.MSG_APP_RESP, from_=2, to=1, term=term, reject=True, index=6, reject_hint=1)
        node.step(refusal)
        node.step(build.Message(type=kinds.MSG_HEARTBEAT_RESP, from_=2, to=1, term=term))
        node.tick()
    return node


def wrong(build: ModuleType, answers: dict[str, Callable[..., Any]]) -> Any:
    """A class of storages that answer by these functions, given the storage and the arguments, once they are armed."""

    def method(name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, *args: Any) -> Any:
            return answer(self, *args) if self.armed else getattr(build.MemoryStorage, name)(self, *args)

        return call

    methods = {name: method(name, answer) for name, answer in answers.items()}
    return type("Wrong", (build.MemoryStorage,), {"armed": False} | methods)


def two(build: ModuleType, base: Any = None) -> Any:
    """The storage of a voter of two, compacted up to 4 of 6 entries."""
    given = (base or wrong(build, {}))()
    members = build.ConfState(voters=[1, 2])
    metadata = build.SnapshotMetadata(index=1, term=1, conf_state=members)
    entries = [build.Entry(term=1, index=i, data=b"y") for i in range(2, 7)]
    plain = build.MemoryStorage
    plain.save(given, build.HardState(term=1, commit=6), entries, build.Snapshot(metadata=metadata))
    plain.create_snapshot(given, 5, members, b"")
    plain.compact(given, 4)
    given.armed = True
    return given


def test_the_story_reads_everything(build: ModuleType) -> None:
    asked = set()

    def noting(name: str) -> Callable[..., Any]:
        def method(self: Any, *args: Any) -> Any:
            asked.add(name)
            return getattr(build.MemoryStorage, name)(self, *args)

        return method

    story(build, two(build, wrong(build, {name: noting(name) for name in READS})))
    assert asked == set(READS)


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_storage_that_answers_nonsense(build: ModuleType, name: str, odd: Any) -> None:
    """Of a wrong answer the node dies with StorageFailed, in the first call and in any later one.

    catches: faults#D
    """
    # The start alone asks for two of them; later calls are MemoryStorage's own.
    for turn in range(1 if name in ("initial_state", "last_index") else 4):
        calls = 0

        def answer(self: Any, *args: Any, turn: int = turn) -> Any:
            nonlocal calls
            calls += 1
            return odd if calls > turn else getattr(build.MemoryStorage, name)(self, *args)

        given = two(build, wrong(build, {name: answer}))
        try:
            story(build, given)
        except build.StorageFailed as error:
            failed = error
        except build.InvariantError:
            # What MemoryStorage itself makes of the last index, asked for the last term.
            if name != "last_index":
                raise
            continue
        else:
            assert calls <= turn, "a wrong answer was taken"
            assert turn > 0
            break
        assert failed.__cause__ is not None or "it returned" in str(failed)


@pytest.mark.parametrize(("name", "odd"), [("first_index", 0), ("last_index", 2**64 - 1), ("term", 2**64 - 1)])
def test_numbers_that_nothing_can_have(build: ModuleType, name: str, odd: int) -> None:
    """catches: faults#D"""
    given = two(build, wrong(build, {name: lambda self, *args: odd}))
    with pytest.raises(build.StorageFailed):
        build.RawNode(config(build, storage=given))
    given = two(build, wrong(build, {"last_index": lambda self: 2}))
    with pytest.raises(build.StorageFailed, match="begin at the index 5 and end at 2"):
        build.RawNode(config(build, storage=given))


@pytest.mark.parametrize("wrong", ["[]", "[e(3)]", "[e(2), e(2)]", "[e(3), e(2)]", "[e(2), e(4)]", "[e(2)] * 9", "[m]"])
def test_entries_that_were_not_asked_for(build: ModuleType, wrong: str) -> None:
    """Doubled, reversed and foreign entries used to be handed out as committed.

    catches: faults#Y1
    """

    class Wrong(build.MemoryStorage):  # type: ignore[misc, name-defined]
        def entries(self, lo: int, hi: int, max_size: int) -> Any:
            def e(index: int) -> Any:
                return build.Entry(term=1, index=index, data=b"x")

            return eval(wrong, {"e": e, "m": build.Message()})

    given = Wrong()
    metadata = build.SnapshotMetadata(index=1, term=1, conf_state=build.ConfState(voters=[1]))
    new = [build.Entry(term=1, index=i) for i in (2, 3, 4)]
    given.save(build.HardState(term=1, commit=4), new, build.Snapshot(metadata=metadata))
    node = build.RawNode(config(build, storage=given))
    with pytest.raises(build.StorageFailed, match="for entries 2 to 4 it returned") as failed:
        node.ready()
    with pytest.raises(build.Stopped) as stopped:
        node.tick()
    assert stopped.value.cause is failed.value


@pytest.mark.parametrize("odd", [*ODD, 10, 2**63], ids=str)
def test_a_random_source_that_answers_nonsense(build: ModuleType, odd: Any) -> None:
    """catches: faults#D"""
    source = type("Source", (), {"randrange": lambda self, n: odd})()
    with pytest.raises((TypeError, build.RangeError)):
        build.RawNode(config(build, random=source))


@pytest.mark.parametrize("error", [OSError("full"), Panic("native"), MemoryError()], ids=str)
def test_a_storage_that_raises_at_each_call_in_turn(build: ModuleType, error: BaseException) -> None:
    """The node is dead with the cause, whichever call it was."""
    turn = 0
    while True:
        turn += 1
        left = [turn]

        def raising(name: str, left: list[int]) -> Callable[..., Any]:
            def method(self: Any, *args: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    raise error
                return getattr(build.MemoryStorage, name)(self, *args)

            return method

        given = two(build, wrong(build, {name: raising(name, left) for name in READS}))
        if _dies(build, given, error):
            break
    assert turn > 10


@pytest.mark.parametrize("error", [OSError("full"), Panic("native"), MemoryError()], ids=str)
def test_a_logger_that_raises_at_each_call_in_turn(build: ModuleType, error: BaseException) -> None:
    """The node is dead with the cause, or the start has raised it."""

    turn = 0
    while True:
        turn += 1
        if _dies(build, two(build), error, logger=RaisingLogger(turn, error)):
            break
    assert turn > 10


def _dies(build: ModuleType, given: Any, error: BaseException, **options: Any) -> bool:
    """Play the story; whether it came to its end. If not, the node must be dead of the error."""
    nodes = []
    real = build.RawNode
    raised: BaseException | None = None

    class Kept:
        """Notes the node that the story makes."""

        RawNode = staticmethod(lambda made: nodes.append(real(made)) or nodes[0])

        def __getattr__(self, name: str) -> Any:
            return getattr(build, name)

    try:
        story(Kept(), given, **options)  # type: ignore[arg-type]
    except BaseException as met:
        raised = met
    if raised is None:
        return True
    assert raised is error or (isinstance(raised, build.StorageFailed) and raised.__cause__ is error)
    for node in nodes:
        with pytest.raises(build.Stopped) as stopped:
            node.tick()
        assert stopped.value.cause is raised
    return False


_made: list[Any] = []


def _coroutine(*args: Any) -> Any:
    async def nothing() -> None: ...

    _made.append(nothing())
    return _made[-1]


@pytest.fixture(autouse=True)
def _closed() -> Any:
    """A coroutine that nobody awaits warns when it is collected, which may be after the last test."""
    yield
    while _made:
        _made.pop().close()


async def _async(*args: Any) -> None: ...


@pytest.mark.filterwarnings("ignore:coroutine", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", READS)
def test_a_storage_of_coroutines(build: ModuleType, name: str) -> None:
    """catches: faults#U"""
    given = type("Async", (build.MemoryStorage,), {name: _async})()
    with pytest.raises(TypeError, match=rf"Async\.{name}\(\) must be a plain function"):
        build.RawNode(config(build, storage=given))
    with pytest.raises(TypeError, match=rf"Async\.{name}\(\) must be a plain function"):
        config(build, storage=given).validate()


@pytest.mark.filterwarnings("ignore:coroutine", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("option", "names"),
    [("logger", ("debug", "info", "warning", "error", "critical")), ("trace_logger", ("trace_event",))],
)
def test_loggers_of_coroutines(build: ModuleType, option: str, names: tuple[str, ...]) -> None:
    """catches: faults#U"""
    for name in names:
        methods = {each: (_async if each == name else lambda self, *args: None) for each in names}
        with pytest.raises(TypeError, match=rf"Async\.{name}\(\) must be a plain function"):
            build.RawNode(config(build, **{option: type("Async", (), methods)()}))
    source = type("Async", (), {"randrange": _async})()
    with pytest.raises(TypeError, match=r"Async\.randrange\(\) must be a plain function"):
        build.RawNode(config(build, random=source))


@pytest.mark.filterwarnings("ignore:coroutine", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", ["apply", "restore", "capture"])
def test_a_machine_of_coroutines(build: ModuleType, name: str) -> None:
    """catches: faults#U"""
    given = storage(build)
    machine = type("Machine", (), {name: _async})()
    with pytest.raises(TypeError, match=rf"Machine\.{name}\(\) must be a plain function"):
        build.Driver(build.RawNode(config(build, storage=given)), given, machine)
    with pytest.raises(TypeError, match="send must be a plain function"):
        build.Driver(build.RawNode(config(build, storage=given)), given, send=_async)


@pytest.mark.filterwarnings("ignore:coroutine", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("answer", [_coroutine, lambda *args: 7, lambda *args: "ab", lambda *args: [1, 2, 3]])
def test_a_machine_that_answers_nonsense(build: ModuleType, answer: Callable[..., Any]) -> None:
    given = storage(build)
    machine = type("Machine", (), {"apply": answer, "restore": lambda self, snapshot: None})()
    driver = build.Driver(build.RawNode(config(build, storage=given)), given, machine)
    driver.node.campaign()
    while driver.run():
        pass
    driver.propose(b"x")
    driver.run()
    with pytest.raises((TypeError, build.InvariantError)) as raised:
        driver.run()
    assert driver.failure is raised.value


def test_the_default_logger_is_quiet() -> None:
    assert logging.getLogger("raftcy").handlers
    assert asyncio.iscoroutinefunction(_async)
