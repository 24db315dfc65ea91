"""Sessions: a command is applied once and answered each time, or refused and never applied."""

from types import ModuleType
from typing import Any

import pytest

from tests.support.machines import Applied, module, noted


@pytest.fixture(name="group")
def made(build: ModuleType) -> Applied:
    return Applied(build, noted(build)())


@pytest.fixture(name="e")
def envelopes(build: ModuleType) -> ModuleType:
    return module(build, "envelope")


def data_of(group: Applied) -> list[bytes]:
    """What the machine was given."""
    return [data for _, data, _, _ in group.group.machine.given]


def test_a_session_is_called_after_its_entry(group: Applied, e: ModuleType) -> None:
    group.put(b"x")
    assert group.put(e.open_session(1000)) == 2
    assert group.put(e.open_session(1000)) == 3
    assert len(group.group.sessions) == 2
    assert 2 in group.group.sessions
    assert group.group.needs_time()


def test_a_repeated_command_is_applied_once_and_answered_each_time(group: Applied, e: ModuleType) -> None:
    id = group.put(e.open_session(1000))
    first = group.put(e.session_command(id, 1, 0, b"a"))
    assert first == [b"a", 1]
    group.put(b"between")
    assert group.put(e.session_command(id, 1, 0, b"a")) == first
    # The number counts, not the bytes: the same command may be meant twice.
    assert group.put(e.session_command(id, 2, 0, b"a")) == [b"a", 3]
    assert data_of(group) == [b"a", b"between", b"a"]
    assert [session for *_, session in group.group.machine.given] == [id, 0, id]


def test_a_repeat_in_the_same_call_too(build: ModuleType, group: Applied, e: ModuleType) -> None:
    id = group.put(e.open_session(1000))
    entries = [group.log.add(e.session_command(id, place, 0, b"a")) for place in (1, 1, 2, 1)]
    assert group.group.apply(entries) == [[b"a", 1], [b"a", 1], [b"a", 2], [b"a", 1]]


def test_commands_of_sessions_come_in_one_call(build: ModuleType, group: Applied, e: ModuleType) -> None:
    """As those without; an acknowledgement in the same call forgets what is answered by the end of it."""
    one, two = group.put(e.open_session(1000)), group.put(e.open_session(1000))
    calls = group.group.machine.calls
    del calls[:]
    commands = [(one, 1, 0), (two, 1, 0), (one, 2, 1), (two, 2, 0)]
    entries = [group.log.add(e.session_command(*command, b"a")) for command in commands]
    entries.insert(2, group.log.add(b"plain"))
    assert group.group.apply(entries) == [[b"a", 1], [b"a", 2], [b"plain", 3], [b"a", 4], [b"a", 5]]
    assert calls == [5]
    assert group.group.sessions.kept() == 3
    assert group.put(e.session_command(one, 1, 0, b"a")).reason == "acknowledged"
    assert group.put(e.session_command(two, 1, 0, b"a")) == [b"a", 2]


def test_a_kept_answer_cannot_be_changed_by_who_gets_it(group: Applied, e: ModuleType) -> None:
    id = group.put(e.open_session(1000))
    answer = group.put(e.session_command(id, 1, 0, b"a"))
    answer.append("mine")
    again = group.put(e.session_command(id, 1, 0, b"a"))
    again.append("mine")
    assert group.put(e.session_command(id, 1, 0, b"a")) == [b"a", 1]


def test_a_refusal_is_kept_like_an_answer(build: ModuleType, group: Applied, e: ModuleType) -> None:
    id = group.put(e.open_session(1000))
    for _ in range(2):
        assert group.put(e.session_command(id, 1, 0, b"no")) == build.CommandError("the answer is no", "no")


def test_a_kept_answer_can_be_asked_for(group: Applied, e: ModuleType) -> None:
    id = group.put(e.open_session(1000))
    group.put(e.session_command(id, 2, 0, b"a"))
    ask = group.group.kept_answer
    assert (ask(id, 1), ask(id, 2), ask(77, 1)) == (None, ([b"a", 1],), None)
    group.put(e.acknowledge(id, 2))
    assert ask(id, 2) is None


def test_sessions_do_not_know_each_other(group: Applied, e: ModuleType) -> None:
    one, two = group.put(e.open_session(1000)), group.put(e.open_session(1000))
    assert group.put(e.session_command(one, 1, 0, b"a")) == [b"a", 1]
    assert group.put(e.session_command(two, 1, 0, b"a")) == [b"a", 2]


def test_numbers_may_come_in_any_order(group: Applied, e: ModuleType) -> None:
    id = group.put(e.open_session(1000))
    assert group.put(e.session_command(id, 3, 0, b"c")) == [b"c", 1]
    assert group.put(e.session_command(id, 1, 0, b"a")) == [b"a", 2]
    assert group.put(e.session_command(id, 3, 0, b"c")) == [b"c", 1]


def test_acknowledged_answers_are_forgotten(build: ModuleType, group: Applied, e: ModuleType) -> None:
    """And a command that comes late is refused: it may have been applied."""
    id = group.put(e.open_session(1000))
    for place in range(1, 6):
        group.put(e.session_command(id, place, 0, b"a"))
    assert group.group.sessions.kept() == 5
    group.put(e.session_command(id, 6, 3, b"a"))
    assert group.group.sessions.kept() == 3
    refused = group.put(e.session_command(id, 3, 0, b"a"))
    assert refused == build.CommandError(f"command 3 of session {id} was acknowledged before", "acknowledged")
    assert group.put(e.acknowledge(id, 6)) is None
    assert group.group.sessions.kept() == 0
    assert len(data_of(group)) == 6
    # A late acknowledgement takes nothing back.
    assert group.put(e.acknowledge(id, 2)) is None
    assert group.put(e.session_command(id, 6, 2, b"a")).reason == "acknowledged"


def test_a_number_that_was_never_applied_is_refused_once_it_is_acknowledged(group: Applied, e: ModuleType) -> None:
    id = group.put(e.open_session(1000))
    group.put(e.acknowledge(id, 1))
    assert group.put(e.session_command(id, 1, 0, b"late")).reason == "acknowledged"
    assert data_of(group) == []


def test_kept_answers_are_bounded(build: ModuleType, group: Applied, e: ModuleType) -> None:
    window = module(build, "sessions").WINDOW
    id = group.put(e.open_session(1000))
    for place in range(1, window + 1):
        group.put(e.session_command(id, place, 0, b"a"))
    refused = group.put(e.session_command(id, window + 1, 0, b"a"))
    assert refused.reason == "window"
    assert group.group.sessions.kept() == window
    assert len(data_of(group)) == window
    # It is not lost: once the first answer is acknowledged, the same number is applied.
    assert group.put(e.session_command(id, window + 1, 1, b"a")) == [b"a", window + 1]


def test_sessions_are_bounded(
    build: ModuleType, monkeypatch: pytest.MonkeyPatch, group: Applied, e: ModuleType
) -> None:
    monkeypatch.setattr(module(build, "sessions"), "SESSIONS_MOST", 2)
    assert [group.put(e.open_session(1000)) for _ in range(2)] == [1, 2]
    assert group.put(e.open_session(1000)).reason == "sessions"
    group.put(e.close_session(1))
    assert group.put(e.open_session(1000)) == 5


@pytest.mark.parametrize("how", ["never there", "closed", "expired"])
def test_without_a_session_nothing_is_applied(build: ModuleType, group: Applied, e: ModuleType, how: str) -> None:
    id = group.put(e.open_session(1000))
    group.put(e.session_command(id, 1, 0, b"a"))
    if how == "never there":
        id = 77
    elif how == "closed":
        assert group.put(e.close_session(id)) is None
    else:
        group.pass_ms(2000)
    for place in (1, 2):
        refused = group.put(e.session_command(id, place, 0, b"b"))
        assert isinstance(refused, build.SessionExpired)
        assert refused.session == id
    assert isinstance(group.put(e.acknowledge(id, 1)), build.SessionExpired)
    assert isinstance(group.put(e.close_session(id)), build.SessionExpired)
    assert data_of(group) == [b"a"]


def test_a_session_lives_by_what_is_heard_of_it(build: ModuleType, group: Applied, e: ModuleType) -> None:
    """Its timeout, and the most that an entry may add to the time, after the last sign of it."""
    margin = e.ADVANCE_MOST_MS
    id = group.put(e.open_session(500))
    for sign in (e.acknowledge(id, 0), e.session_command(id, 1, 0, b"a"), e.session_command(id, 1, 0, b"a")):
        group.pass_ms(500 + margin - 1)
        assert not isinstance(group.put(sign), build.SessionExpired)
    group.pass_ms(500 + margin - 1)
    assert id in group.group.sessions
    group.pass_ms(1)
    assert id not in group.group.sessions
    assert not group.group.needs_time()


def test_sessions_expire_each_at_its_own_time(build: ModuleType, group: Applied, e: ModuleType) -> None:
    ids = [group.put(e.open_session(timeout)) for timeout in (300, 100, 200)]
    margin = e.ADVANCE_MOST_MS
    alive = []
    group.pass_ms(margin + 99)
    for _ in range(4):
        alive.append([id in group.group.sessions for id in ids])
        group.pass_ms(1)
        alive.append([id in group.group.sessions for id in ids])
        group.pass_ms(99)
    assert alive[0] == [True, True, True]
    assert alive[1] == [True, False, True]
    assert alive[2:4] == [[True, False, True], [True, False, False]]
    assert alive[5] == [False, False, False]


def test_an_answer_that_cannot_be_kept_stops_the_member(build: ModuleType, e: ModuleType) -> None:
    room = module(build)

    class Odd(room.StateMachine):
        def apply_one(self, command: Any) -> Any:
            return object()

    group = Applied(build, Odd())
    group.put(b"without a session nobody keeps it")
    id = group.put(e.open_session(1000))
    with pytest.raises(build.MachineFailed, match=r"at entry 3, command b'x': TypeError: an answer must be plain data"):
        group.put(e.session_command(id, 1, 0, b"x"))


def test_the_client_s_side(build: ModuleType, group: Applied, e: ModuleType) -> None:
    room = module(build)
    client = room.SessionClient(group.put(e.open_session(1000)))
    begun = [client.begin(bytes([n])) for n in range(4)]
    assert [number for number, _ in begun] == [1, 2, 3, 4]
    for number in (2, 4, 1):
        group.put(begun[number - 1][1])
        client.answered(number)
    assert client.waiting == 1
    number, entry = client.begin(b"next")
    assert e.decode(entry) == e.SessionCommand(client.id, 5, 2, b"next")
    assert group.put(entry)[0] == b"next"
    # Of the command that waits, nothing was forgotten.
    assert group.put(begun[2][1])[0] == b"\2"
    client.answered(3)
    client.answered(number)
    assert e.decode(client.keep_alive()) == e.Acknowledged(client.id, 5)
    for wrong in (0, 3, 6):
        with pytest.raises(ValueError, match="does not wait for an answer"):
            client.answered(wrong)
    group.put(client.close())
    assert len(group.group.sessions) == 0


def test_the_client_stops_at_the_window(build: ModuleType) -> None:
    room = module(build)
    client = room.SessionClient(1)
    for _ in range(module(build, "sessions").WINDOW):
        client.begin(b"")
    client.answered(2)
    assert client.full()
    with pytest.raises(OverflowError, match="command 1 of session 1 has to be answered first"):
        client.begin(b"")
    client.answered(1)
    assert client.begin(b"")[0] == 1025


def test_errors_travel(build: ModuleType) -> None:
    """Equal by what they say; pickled as all errors of the package are."""
    import pickle

    for error in (
        build.CommandError("text", "reason"),
        build.SessionExpired(7),
        build.UpgradeNeeded("version", 3, 2),
        build.MachineFailed(5, 6, b"x", "ValueError: y"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
    assert build.CommandError("a", "b") == build.CommandError("a", "b")
    assert len({build.CommandError("a", "b"), build.CommandError("a", "b"), build.CommandError("a")}) == 2
    assert build.SessionExpired(7) != build.CommandError(str(build.SessionExpired(7)), "expired")
