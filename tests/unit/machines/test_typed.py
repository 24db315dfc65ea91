"""Commands that are dataclasses."""

import importlib
import sys
from dataclasses import dataclass, field, make_dataclass
from enum import IntEnum
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.machines import Applied, module

pytest.importorskip("msgspec")


@dataclass(frozen=True, slots=True)
class Say:
    text: str
    times: int = 1


@dataclass(frozen=True)
class Nothing:
    pass


@dataclass(frozen=True, kw_only=True)
class Even:
    number: int
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.number % 2:
            raise ValueError("an odd number")


@dataclass(frozen=True)
class Sing:
    verses: list[str]
    key: str | None = None
    fee: float = 0.0
    tune: bytes = b""
    parts: dict[str, int] = field(default_factory=dict)


def choir(build: ModuleType) -> type:
    typed = module(build, "typed")

    class Choir(typed.TypedMachine):
        def __init__(self) -> None:
            self.heard: list[Any] = []

        @typed.applies(Say)
        def say(self, command: Say, at: Any) -> Any:
            if command.text == "boom":
                raise OSError("no voice")
            if command.text == "hush":
                raise build.CommandError("it is late", "late")
            self.heard.append((at.index, command))
            return len(self.heard)

        @typed.applies(Nothing)
        @typed.applies(Even, version=2, name="even number")
        def other(self, command: Any, at: Any) -> Any:
            self.heard.append((at.index, command))
            return command if isinstance(command, int) else None

        @typed.applies(Sing, version=3)
        def sing(self, command: Sing, at: Any) -> Any:
            self.heard.append((at.index, command))
            return command.key

        def capture(self) -> bytes:
            return repr(self.heard).encode()

    return Choir


@pytest.fixture(name="machine")
def made(build: ModuleType) -> Any:
    return choir(build)()


def put(machine: Any, build: ModuleType, *data: bytes) -> list[Any]:
    command = module(build).Command
    return list(machine.apply([command(index, 1, each, 0, 0) for index, each in enumerate(data, 1)]))


def test_the_bytes(machine: Any) -> None:
    """What is in a log stays readable: version, name, fields."""
    machine.version = 3
    assert machine.encode(Say("ab", 7)) == bytes.fromhex("01 03 536179 92a2616207")
    assert machine.encode(Nothing()) == bytes.fromhex("01 07 4e6f7468696e67 90")
    assert machine.encode(Even(number=4)) == bytes.fromhex("02 0b 6576656e206e756d626572 920490")


@pytest.mark.parametrize(
    "command", [Say("", 0), Nothing(), Even(number=-2, labels=("a",)), Sing(["x"], "C", 1.5, b"\0", {"alto": 3})]
)
def test_round_trip(build: ModuleType, machine: Any, command: Any) -> None:
    machine.version = 3
    data = machine.encode(command)
    assert machine.decode(data) == command
    put(machine, build, data)
    assert machine.heard == [(1, command)]


def test_what_it_knows(build: ModuleType, machine: Any) -> None:
    assert machine.knows == 3
    Choir = type(machine)

    class Later(Choir):  # type: ignore[misc, valid-type]
        knows = 5

    class Early(Choir):  # type: ignore[misc, valid-type]
        pass

    assert (Later().knows, Early().knows) == (5, 3)
    with pytest.raises(build.ConfigError, match="Wrong knows versions up to 2, but has commands of 3"):
        type("Wrong", (Choir,), {"knows": 2})


def test_a_command_waits_for_its_version(build: ModuleType, machine: Any) -> None:
    """Not made before, and refused if somebody makes it nevertheless; by programs that do not know it, too."""
    refused = build.CommandError("the command is of version 3, and the group of version 2", "version")
    machine.version = 3
    data = machine.encode(Sing([]))
    machine.version = 2
    with pytest.raises(build.CommandError) as caught:
        machine.encode(Sing([]))
    assert caught.value == refused
    assert put(machine, build, data) == [refused]
    older = type("Older", (module(build, "typed").TypedMachine,), {"knows": 2})()
    older.version = 2
    assert put(older, build, data) == [refused]
    assert machine.heard == []


def test_what_the_group_may_use_and_this_program_does_not_know(build: ModuleType, machine: Any) -> None:
    machine.version = 9
    with pytest.raises(build.UpgradeNeeded, match="version 8 needs a newer program: this one knows versions up to 3"):
        put(machine, build, b"\x08\x03New\x90")
    with pytest.raises(build.UpgradeNeeded):
        machine.decode(b"\x08\x03New\x90")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "malformed"),
        ("01", "malformed"),
        ("00035361799100", "malformed"),
        ("0105536179", "malformed"),
        ("01034e6577 90", "unknown"),
        ("0203536179 92a2616207", "unknown"),
        ("0103536179", "malformed"),
        ("0103536179 92a26162", "malformed"),
        ("0103536179 92a2616207 00", "malformed"),
        ("0103536179 91a26162", "malformed"),
        ("0103536179 93a261620708", "malformed"),
        ("0103536179 9207a26162", "malformed"),
        ("0103536179 92a2c16207", "malformed"),
        ("0103536179 82a474657874a26162a574696d657307", "malformed"),
        ("020b6576656e206e756d626572 920590", "malformed"),
        ("8180", "malformed"),
    ],
)
def test_what_is_no_command_is_refused_by_all(build: ModuleType, machine: Any, text: str, reason: str) -> None:
    """With the same words, which name no library's."""
    machine.version = 3
    (refused,) = put(machine, build, bytes.fromhex(text))
    assert (type(refused), refused.reason) == (build.CommandError, reason)
    assert "MessagePack" not in refused.text
    with pytest.raises(build.CommandError) as caught:
        machine.decode(bytes.fromhex(text))
    assert caught.value == refused
    assert machine.heard == []


@given(
    data=st.binary(max_size=30),
    head=st.sampled_from([b"", b"\1\3Say", b"\1\7Nothing", b"\3\4Sing", b"\2\x0beven number"]),
)
def test_bytes_of_anybody(build: ModuleType, head: bytes, data: bytes) -> None:
    machine = choir(build)()
    machine.version = 3
    (answer,) = put(machine, build, head + data)
    if isinstance(answer, build.CommandError):
        assert machine.heard in ([], [(1, Say("boom"))])
    else:
        ((_, command),) = machine.heard
        assert machine.decode(machine.encode(command)) == command


@pytest.mark.parametrize(
    "command", [Say(5), Say("x", "y"), Say("x", 2**64), Say("\ud800"), Sing(["x", 3]), Even(number=2.0)]
)  # type: ignore[arg-type]
def test_what_all_would_refuse_is_not_made(build: ModuleType, machine: Any, command: Any) -> None:
    machine.version = 3
    with pytest.raises(build.CommandError, match="cannot be encoded") as caught:
        machine.encode(command)
    assert caught.value.reason == "malformed"


def test_what_is_none_of_its_commands(machine: Any) -> None:
    for wrong in (b"bytes", "text", None, Say, object()):
        with pytest.raises(TypeError, match="is not a command of Choir"):
            machine.encode(wrong)


def test_a_refusal_may_be_raised(build: ModuleType, machine: Any) -> None:
    hush, say = machine.encode(Say("hush")), machine.encode(Say("x"))
    refused, answer = put(machine, build, hush, say)
    assert (refused, answer) == (build.CommandError("it is late", "late"), 1)
    assert refused.__traceback__ is None


def test_any_other_error_names_its_command(build: ModuleType, machine: Any) -> None:
    data = [machine.encode(Say(text)) for text in ("a", "boom", "b")]
    with pytest.raises(build.MachineFailed, match=r"at entry 2, command .*boom.*: OSError: no voice") as caught:
        put(machine, build, *data)
    assert caught.value.index == 2
    assert [index for index, _ in machine.heard] == [1]


class Color(IntEnum):
    RED = 1


class Pair(NamedTuple):
    one: int
    two: int


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (set[str], "the order of a set"),
        (list[frozenset[int]], "the order of a set"),
        (Any, "its values cannot be checked"),
        (dict[str, list[Any]], "its values cannot be checked"),
        (object, "its values cannot be checked"),
        (Say, "use a tuple in place of a class"),
        (tuple[int, Say | None], "use a tuple in place of a class"),
        (Pair, "use a tuple in place of a class"),
    ],
)
def test_types_that_members_might_see_differently(build: ModuleType, kind: Any, says: str) -> None:
    typed = module(build, "typed")
    wrong = make_dataclass("Wrong", [("x", kind)])
    with pytest.raises(build.ConfigError, match=f"field x of Wrong: {says}"):
        typed.applies(wrong)(lambda self, command, at: None)


@pytest.mark.parametrize(
    "kind", [Color, list[int], tuple[str, ...], tuple[int, str], dict[int, bytes], int | str | None, bool]
)
def test_types_that_all_see_alike(build: ModuleType, kind: Any) -> None:
    right = make_dataclass("Right", [("x", kind)])
    module(build, "typed").applies(right)(lambda self, command, at: None)


def test_classes_that_cannot_be_commands(build: ModuleType) -> None:
    typed = module(build, "typed")
    for call, says in (
        (lambda: typed.applies(Pair), "is not a dataclass"),
        (lambda: typed.applies(Say, version=0), "cannot be of version 0"),
        (lambda: typed.applies(Say, name="x" * 128), "a name of 1 to 127 bytes"),
    ):
        with pytest.raises(build.ConfigError, match=says):
            call()(lambda self, command, at: None)
    marked = typed.applies(Say)(lambda self, command, at: None)
    other = typed.applies(Nothing, name="Say")(lambda self, command, at: None)
    for methods in ({"a": marked, "b": typed.applies(Say, name="again")(lambda self: 0)}, {"a": marked, "b": other}):
        with pytest.raises(build.ConfigError, match="twice"):
            type("Twice", (typed.TypedMachine,), methods)


def test_without_its_library(build: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest of the room works; typed commands say what to install."""
    name = module(build, "typed").__name__
    monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match=r"install raftcy\[machines\]"):
        importlib.import_module(name)


def test_sessions_keep_the_answers(build: ModuleType) -> None:
    e = module(build, "envelope")
    group = Applied(build, choir(build)())
    encode = group.group.machine.encode
    id = group.put(e.open_session(1000))
    assert group.put(e.session_command(id, 1, 0, encode(Say("a")))) == 1
    assert group.put(encode(Say("b"))) == 2
    assert group.put(e.session_command(id, 1, 0, encode(Say("a")))) == 1
    assert group.put(e.session_command(id, 2, 1, encode(Say("hush")))).reason == "late"
    assert group.put(e.session_command(id, 2, 1, encode(Say("hush")))).reason == "late"
