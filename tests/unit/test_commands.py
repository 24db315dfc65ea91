"""The commands as a whole: what their help and the documents say of exit statuses, and completion in shells."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.ending import STATUSES as BENCH
from raftcy._completion import bash, commands_of, fish, zsh
from raftcy._statuses import SIGNALS, STATUSES
from raftcy.cli import make_parser
from tests.support.needs import ROOT

pytestmark = pytest.mark.once
SHELL = shutil.which("bash")


def parsers(parser: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """A parser and those below it, by their words."""
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                yield from parsers(child, f"{path} {name}".strip())


def said(text: str) -> str:
    return " ".join(text.split())


def test_every_command_has_statuses_and_says_them_in_its_help() -> None:
    found = dict(parsers(make_parser()))
    leaves = set(found) - {"", "log", "etcd"}  # the etcd server ends as etcd does
    assert leaves | {"rafttest"} == set(STATUSES)
    for name in leaves:
        text = said(found[name].format_help())
        for status, meaning in (STATUSES[name] | SIGNALS).items():
            assert f"{status} if {meaning}" in text, name


@pytest.mark.parametrize("command", [["raftcy.rafttest", "interaction"], *([name] for name in BENCH)])
def test_the_help_of_the_other_programs(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    statuses = BENCH.get(command[0]) or STATUSES["rafttest"]
    for status, meaning in (statuses | SIGNALS).items():
        assert f"{status} if {meaning}" in said(done.stdout)


def table(statuses: dict[str, dict[int, str]]) -> str:
    lines = ["| command | 0 if | 1 if | 2 if |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{name}` | {found[0]} | {found.get(1, '-')} | {found.get(2, '-')} |" for name, found in statuses.items()
    ]
    return "\n".join(lines)


@pytest.mark.parametrize(("name", "statuses"), [("statuses", STATUSES), ("bench statuses", BENCH)])
def test_the_documents_say_the_same(name: str, statuses: dict[str, dict[int, str]]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    _, _, rest = page.partition(f"<!-- {name}: begin -->")
    assert rest.partition(f"<!-- {name}: end -->")[0].strip() == table(statuses)


def test_the_documents_name_every_command() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").partition("## What")[0]
    for name, _ in parsers(make_parser()):
        assert name in ("", "log") or f"`raftcy {name}" in page


def completed(line: str, folder: Path) -> list[str]:
    """What bash offers after the tab key at the end of a line."""
    if SHELL is None:
        pytest.skip("there is no bash")
    program = f"""{bash(make_parser(), "raftcy")}
words=({line.strip()})
[[ {json.dumps(line)} == *" " ]] && words+=("")
COMP_WORDS=("${{words[@]}}")
COMP_CWORD=$((${{#words[@]}} - 1))
_raftcy
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        [SHELL, "--norc", "-c", program], cwd=folder, capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stderr == ""
    return done.stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("raftcy re", ["replay", "restore", "recover"]),
        ("raftcy log ", ["inspect", "verify", "export", "-h", "--help"]),
        ("raftcy log v", ["verify"]),
        ("raftcy sim --l", ["--lockstep"]),
        ("raftcy sim --profile el", ["elections"]),
        ("raftcy sim --seeds ", [""]),
        ("raftcy sim --seeds 5 --js", ["--json"]),
        ("raftcy sim replay --u", ["--until"]),
        ("raftcy replay --diff o", ["one.rec"]),
        ("raftcy demo o", ["one.rec"]),
        ("raftcy completion z", ["zsh"]),
        ("raftcy nothing", [""]),
    ],
)
def test_completion_in_bash(line: str, offered: list[str], tmp_path: Path) -> None:
    (tmp_path / "one.rec").touch()
    assert completed(line, tmp_path) == offered


def test_completion_of_names_with_spaces(tmp_path: Path) -> None:
    (tmp_path / "two words").touch()
    assert completed("raftcy demo tw", tmp_path) == ["two words"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_a_script_that_the_shell_accepts(shell: str) -> None:
    line = [sys.executable, "-m", "raftcy", "completion", shell]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == {"bash": bash, "zsh": zsh, "fish": fish}[shell](make_parser(), "raftcy")
    for command in commands_of(make_parser()):
        for option in command.options:
            assert option.lstrip("-") in done.stdout
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run([program, "-n"], input=done.stdout, capture_output=True, text=True, timeout=30)
        assert (checked.returncode, checked.stderr) == (0, "")
