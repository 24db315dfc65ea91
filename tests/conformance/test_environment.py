"""The interaction environment for its users: their own commands, options and storages, and how errors are printed."""

from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.scripts import kit, load

START = """\
log-level none
----
ok

add-nodes 3 voters=(1,2,3) index=2
----
ok

campaign 1
----
ok

stabilize
----
ok

log-level debug
----
ok

"""
ALONE = START.replace("3 voters=(1,2,3)", "1 voters=(1) disable-conf-change-validation=true")


@pytest.fixture(name="rafttest")
def kit_of_build(build: ModuleType) -> ModuleType:
    return kit(build)


def environment(rafttest: ModuleType, text: str = "", **hooks: Any) -> Any:
    """An environment after it ran `text`."""
    env = rafttest.InteractionEnv(hooks.pop("commands", rafttest.COMMANDS), **hooks)
    rafttest.run_text(text, env.handle)
    return env


def say(env: Any, line: str, text: str = "") -> str:
    """The output of one directive."""
    rafttest = __import__(type(env).__module__.rpartition(".")[0], fromlist=["parse_line"])
    command, arguments = rafttest.parse_line(line)
    output = env.handle(rafttest.Case("here:1", command, arguments, text))
    assert isinstance(output, str)
    return output


def test_a_command_of_ones_own(rafttest: ModuleType, tmp_path: Path) -> None:
    """A user's own command: the example in the package's docstring."""

    def count(env: Any, case: Any) -> None:
        env.output.line(f"{len(env.messages)} in flight")

    path = tmp_path / "count.txt"
    path.write_text(
        START + "tick-heartbeat 1\n----\nok\n\nprocess-ready 1\n----\n\ncount\n----\n\ncampaign 3\n----\nok\n"
    )
    env = rafttest.InteractionEnv(rafttest.COMMANDS | {"count": count})
    assert rafttest.run_file(path, env.handle, rewrite=True)
    assert "\ncount\n----\n2 in flight\n" in path.read_text()


def test_the_commands_of_this_project_are_not_those_of_the_reference(rafttest: ModuleType) -> None:
    env = environment(rafttest, START)
    assert say(env, "x-read-index 1 a") == "unknown command"
    assert say(environment(rafttest, START, commands=rafttest.EXTENDED), "x-read-index 1 a") == "ok"


def test_options_of_ones_own(rafttest: ModuleType, build: ModuleType) -> None:
    def slow_heart(config: Any) -> None:
        config.heartbeat_tick = 2

    env = environment(rafttest, START, on_config=slow_heart)
    assert [node.config.heartbeat_tick for node in env.nodes] == [2, 2, 2]
    assert [node.config.logger for node in env.nodes] == [env.output] * 3


def test_options_must_leave_the_id(rafttest: ModuleType) -> None:
    def shift(config: Any) -> None:
        config.id += 1

    env = rafttest.InteractionEnv(rafttest.COMMANDS, on_config=shift)
    assert say(env, "add-nodes 1 voters=(1) index=2") == "OnConfig must not change the ID"
    assert env.nodes == []


def test_a_storage_of_ones_own(rafttest: ModuleType) -> None:
    made = []

    class Counting(rafttest.HistoryStorage):  # type: ignore[misc, name-defined]
        def __init__(self, newest: Any) -> None:
            super().__init__(newest)
            self.appended = 0
            made.append(self)

        def append(self, entries: Any) -> None:
            self.appended += len(entries)
            super().append(entries)

        def last_index(self) -> int:
            return int(super().last_index())

    env = environment(rafttest, START, storage=Counting)
    assert say(env, "propose 1 x") == "ok"
    say(env, "stabilize")
    assert [storage.appended for storage in made] == [2, 2, 2]
    assert [node.storage for node in env.nodes] == made


def test_snapshots_come_from_the_state_machine(rafttest: ModuleType) -> None:
    """A leader sends the newest snapshot of the node's state machine, whatever the storage was given."""
    env = environment(rafttest, START)
    say(env, "propose 1 ab")
    say(env, "stabilize")
    node = env.node(1)
    assert node.storage.snapshot() == node.history[-1]
    assert (node.history[-1].data, node.history[-1].metadata.index) == (b"ab", 4)
    assert node.storage.stored_snapshot().metadata.index == 2


def test_errors_of_the_library_are_output(rafttest: ModuleType, build: ModuleType) -> None:
    """A refused message is printed, and the node keeps running."""
    messages = load(build, "wire.messages")

    def send_bad(env: Any, case: Any) -> None:
        env.node(1).raw.step(messages.Message(type=4, from_=2, to=1, term=1, index=99))

    env = environment(rafttest, START, commands=rafttest.COMMANDS | {"bad": send_bad})
    output = say(env, "bad")
    assert output == "MsgAppResp from 2 for index 99 beyond the last index 3"
    assert say(env, "propose 1 x") == "ok"
    assert '1/4 EntryNormal "x"' in say(env, "stabilize")
    say(env, "log-level none")
    assert say(env, "bad") == output.replace("last index 3", "last index 4")


def test_broken_invariants_fail_the_script(rafttest: ModuleType) -> None:
    with pytest.raises(rafttest.ScriptError, match=r"<string>:\d+: compact: InvariantError: .*out of bound lastindex"):
        environment(rafttest, START + "compact 1 99\n----\n")


def test_an_invalid_change_is_printed_when_applied(rafttest: ModuleType) -> None:
    """All nodes refuse it alike and go on; the state machine sees an empty entry."""
    env = environment(rafttest, ALONE)
    assert say(env, "propose-conf-change 1", "r1") == "ok"
    assert "removed all voters\n" in say(env, "stabilize")
    assert env.node(1).history[-1].metadata.conf_state.voters == [1]
    say(env, "propose 1 x")
    say(env, "stabilize")
    assert env.node(1).history[-1].data == b"x"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("campaign 4", "there is no node 4"),
        ("campaign 0", "there is no node 0"),
        ("campaign", "campaign needs 1 arguments"),
        ("campaign x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("process-ready 1 9", "there is no node 9"),
        ("propose 1", "expected exactly one key with no vals"),
        ("propose 1 a=b", "expected exactly one key with no vals"),
        ("propose-conf-change 1 v1=true", "v1=true needs one operation"),
        ("deliver-msgs 1 drop=(1)", "can't both deliver and drop msgs to 1"),
        ("deliver-msgs 1 type=MsgNonsense", "unknown message type MsgNonsense"),
        ("deliver-msgs -1", 'strconv.ParseUint: parsing "-1": invalid syntax'),
        ("send-snapshot 1", "send-snapshot needs two nodes"),
        ("set-randomized-election-timeout 1 timeout=0", "timeout must not be 0"),
        ("set-randomized-election-timeout 1", "missing argument: timeout"),
        ("transfer-leadership from=1 to=(2,3)", "to: got 1 destinations, but 2 values"),
        ("transfer-leadership from=1 to=4", "there is no node 4"),
        ("add-nodes 1 index=99999999999999999999", "value out of range"),
        ("add-nodes 1 prevote=maybe", 'strconv.ParseBool: parsing "maybe": invalid syntax'),
        ("add-nodes 1 content=x", "content= cannot be given"),
    ],
)
def test_what_no_script_may_ask(rafttest: ModuleType, line: str, text: str) -> None:
    """A forbidden directive ends the script, whatever output it expects, and changes nothing."""
    env = environment(rafttest, START)
    with pytest.raises(rafttest.ScriptError) as error:
        rafttest.run_text(f"{line}\n----\nok\n", env.handle, "file")
    assert error.value.position == "file:1"
    assert text in str(error.value)
    assert say(env, "stabilize") == "ok"


def test_nodes_that_never_rest_end_the_script(rafttest: ModuleType, build: ModuleType, monkeypatch: Any) -> None:
    monkeypatch.setattr(load(build, "rafttest.handlers.delivery"), "_MOST_ROUNDS", 3)
    env = environment(rafttest, START.replace("stabilize\n----\nok\n", ""))
    with pytest.raises(rafttest.ScriptError, match="still have work after 3 rounds"):
        say(env, "stabilize")


def test_indentation_nests_and_survives_errors(rafttest: ModuleType) -> None:
    output = rafttest.RedirectLogger()
    output.write("a\n")
    with output.indented():
        output.line("b")
        with output.indented():
            output.info("c\nd")
    with suppress(KeyError), output.indented():
        output.write("e")
        raise KeyError
    assert output.take() == "a\n  b\n    INFO c\n    d\n  e\n"
    assert output.take() == ""


@pytest.mark.parametrize("level", range(6))
def test_levels(rafttest: ModuleType, level: int) -> None:
    output = rafttest.RedirectLogger()
    output.level = level
    lines = []
    for number, name in enumerate(["debug", "info", "warning", "error", "critical"]):
        getattr(output, name)("x")
        assert output.isEnabledFor(10 * (number + 1)) == (number >= level)
        lines += [f"{rafttest.LEVELS[number]} x\n"] if number >= level else []
    output.write("own")
    assert output.take() == "".join(lines) + ("" if level == 5 else "own")
    assert output.quiet == (level == 5)
