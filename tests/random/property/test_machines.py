"""Groups with ready machines against naive ones: answers, sessions, time, versions, and snapshots at every prefix."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.machines import Applied, module
from tests.support.naive_machines import NaiveCounter, NaiveDictionary, NaiveGroup, NaiveLock, NaiveQueue, Refused

pytest.importorskip("msgspec")

MARGIN_MS = 1000
WINDOW = 3
MEMBERS = (1, 2)
KNOWS = 4

INDEX = st.integers(1, 30)
NAME = st.sampled_from(["a", "b"])
LEASE = st.sampled_from([1, 400, 2000])
MAYBE_INDEX = st.none() | st.integers(0, 20)
TOTAL = st.sampled_from([0, 1, 2**63 - 1, -(2**63)]) | st.integers(-5, 5)

COMMANDS = {
    "counter": st.one_of(
        st.tuples(st.just("add"), TOTAL | st.just(2**63 - 1)),
        st.tuples(st.just("set"), TOTAL, st.none() | TOTAL),
    ),
    "dictionary": st.one_of(
        st.tuples(st.just("put"), NAME, st.binary(max_size=2), MAYBE_INDEX),
        st.tuples(st.just("delete"), NAME, MAYBE_INDEX),
    ),
    "lock": st.one_of(
        st.tuples(st.just("acquire"), NAME, NAME, LEASE),
        st.tuples(st.just("renew"), NAME, INDEX, LEASE),
        st.tuples(st.just("release"), NAME, INDEX),
    ),
    "workqueue": st.one_of(
        st.tuples(st.just("enqueue"), st.binary(max_size=2)),
        st.tuples(st.just("take"), NAME, LEASE),
        st.tuples(st.just("take"), NAME, LEASE),
        st.tuples(st.sampled_from(["done", "give back"]), INDEX, INDEX),
    ),
}
KINDS = {
    "counter": {"add": "Add", "set": "SetTotal"},
    "dictionary": {"put": "Put", "delete": "Delete"},
    "lock": {"acquire": "Acquire", "renew": "Renew", "release": "Release"},
    "workqueue": {"enqueue": "Enqueue", "take": "Take", "done": "Done", "give back": "GiveBack"},
}
MACHINES = {"counter": "Counter", "dictionary": "Dictionary", "lock": "Lock", "workqueue": "WorkQueue"}
TWINS: dict[str, Callable[[], Any]] = {
    "counter": NaiveCounter,
    "dictionary": NaiveDictionary,
    "lock": lambda: NaiveLock(MARGIN_MS),
    "workqueue": lambda: NaiveQueue(MARGIN_MS),
}

OWN = st.one_of(
    st.tuples(st.just("open"), st.sampled_from([100, 700, 5000])),
    st.tuples(st.just("acknowledge"), INDEX, st.integers(0, 3)),
    st.tuples(st.just("close"), INDEX),
    st.tuples(st.just("time"), st.integers(1, 1000)),
    st.tuples(st.just("time"), st.just(1000)),
    st.tuples(st.just("report"), st.integers(1, 3), st.integers(1, KNOWS)),
)


def steps(name: str) -> Any:
    """Lists of entries, each as NaiveGroup.do is given it."""
    command = COMMANDS[name]
    number = st.integers(1, 6)
    sessions = st.builds(
        lambda session, number, back, what: ("command", session, number, max(number - back, 0), *what),
        st.integers(1, 6), number, st.integers(1, 6), command,
    )  # fmt: skip
    plain = st.builds(lambda what: ("plain", *what), command)
    first = st.tuples(st.just("open"), st.sampled_from([700, 5000]))
    return st.builds(
        lambda one, rest: [one, *rest], first, st.lists(st.one_of(plain, sessions, sessions, OWN), max_size=25)
    )


def encoded(build: ModuleType, name: str, machine: Any, step: tuple[Any, ...]) -> bytes:
    """The bytes of an entry."""
    e = module(build, "envelope")
    what, *args = step
    if what in ("plain", "command"):
        kind, *fields = args[0 if what == "plain" else 3 :]
        data = machine.encode(getattr(module(build, name), KINDS[name][kind])(*fields))
        return e.plain(data) if what == "plain" else e.session_command(*args[:3], data)
    if what == "time":
        return e.time_passed(1, *args)
    makers = {
        "open": e.open_session,
        "acknowledge": e.acknowledge,
        "close": e.close_session,
        "report": e.version_report,
    }
    return makers[what](*args)


def plainly(build: ModuleType, answer: Any) -> Any:
    return Refused(answer.reason) if isinstance(answer, build.CommandError) else answer


def fresh(build: ModuleType, name: str) -> Applied:
    machine = getattr(module(build, name), MACHINES[name])()
    machine.knows = KNOWS
    return Applied(build, machine, MEMBERS)


def restored(build: ModuleType, name: str, data: bytes, index: int) -> Applied:
    other = fresh(build, name)
    other.group.restore(build.Snapshot(data=data, metadata=build.SnapshotMetadata(index=index, term=1)))
    return other


@pytest.fixture(autouse=True)
def _narrow_window(monkeypatch: pytest.MonkeyPatch, raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    for each in (raftcy, raftcy_pure):
        monkeypatch.setattr(module(each, "sessions"), "WINDOW", WINDOW)


@pytest.mark.parametrize("name", MACHINES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_against_the_naive_one(build: ModuleType, name: str, data: st.DataObject) -> None:
    """All at once, entry by entry, and from a snapshot at every prefix: the same answers, and the same bytes."""
    plan = data.draw(steps(name))
    one = fresh(build, name)
    entries = [one.log.add(encoded(build, name, one.group.machine, step)) for step in plan]
    twin = NaiveGroup(TWINS[name](), MARGIN_MS, WINDOW, MEMBERS)
    captures = [one.group.capture()]
    answers = []
    for entry, step in zip(entries, plan, strict=True):
        (answer,) = one.group.apply([entry])
        answers.append(answer)
        assert plainly(build, answer) == twin.do(*step)
        captures.append(one.group.capture())
        assert (one.group.time_ms, one.group.version) == (twin.now_ms, twin.version)
        assert [session in one.group.sessions for session in twin.timeouts] == [*map(twin.alive, twin.timeouts)]
        assert one.group.sessions.kept() <= WINDOW * len(one.group.sessions)
    assert len(set(twin.applied)) == len(twin.applied)

    whole = fresh(build, name)
    cut = data.draw(st.integers(0, len(entries)))
    assert [*whole.group.apply(entries[:cut]), *whole.group.apply(entries[cut:])] == answers
    assert whole.group.capture() == captures[-1]
    for index, captured in enumerate(captures):
        other = restored(build, name, captured, index)
        assert other.group.capture() == captured
        assert other.group.apply(entries[index:]) == answers[index:]
        assert other.group.capture() == captures[-1]


@pytest.mark.parametrize("name", MACHINES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_both_builds(raftcy: ModuleType, raftcy_pure: ModuleType, name: str, data: st.DataObject) -> None:
    """The same bytes, answers, and texts of refusals."""
    plan = data.draw(steps(name))
    seen = []
    for each in (raftcy, raftcy_pure):
        group = fresh(each, name)
        answers = [group.put(encoded(each, name, group.group.machine, step)) for step in plan]
        seen.append((repr(answers), [e.data for e in group.log.entries], group.group.capture()))
    assert seen[0] == seen[1]
