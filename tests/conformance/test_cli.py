"""The command line of the kit: exit status, last line, and the diff that a mismatch shows."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import raftcy
from tests.support.needs import ROOT

GOOD = """\
# a cluster of one
log-level none
----
ok

add-nodes 1 voters=(1) index=2
----
ok

raft-log 1
----
ok
"""
LOUD = """\
add-nodes 1 voters=(1) index=2
----
INFO 1 switched to configuration voters=(1)
INFO 1 became follower at term 0
INFO newRaft 1 [peers: [1], term: 0, commit: 2, applied: 2, lastindex: 2, lastterm: 1]
"""


def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "raftcy.rafttest", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )


@pytest.fixture(name="script")
def good_script(tmp_path: Path) -> Path:
    path = tmp_path / "good.txt"
    path.write_text(GOOD)
    return path


def last_line(done: "subprocess.CompletedProcess[str]") -> str:
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("suite", ["interaction", "extended"])
def test_a_good_script_passes(script: Path, suite: str) -> None:
    done = run(suite, script)
    assert (done.returncode, done.stdout) == (0, "1 passed, 0 failed\n")
    assert done.stderr == f"raftcy.rafttest: {raftcy.BUILD} build\n"


def test_the_switch_selects_the_build(script: Path) -> None:
    done = run("interaction", script, RAFTCY_PURE_PYTHON="1")
    assert done.stderr == "raftcy.rafttest: pure build\n"
    assert done.returncode == 0


def test_a_wrong_output_fails_and_is_shown(script: Path) -> None:
    script.write_text(LOUD.replace("became follower at term 0", "became follower at term 7"))
    done = run("interaction", script)
    assert done.returncode == 1
    assert last_line(done) == "0 passed, 1 failed"
    assert f"{script}:1: add-nodes 1 voters=1 index=2\n" in done.stdout
    assert "\n-INFO 1 became follower at term 7\n+INFO 1 became follower at term 0\n" in done.stdout


@pytest.mark.parametrize(
    ("suite", "text"),
    [
        ("interaction", "no-such-command\n----\nok\n"),
        ("interaction", "x-config\n----\nok\n"),
        ("interaction", "campaign 1\n----\nok\n"),
        ("interaction", "propose\n----\nok\n"),
        ("interaction", "cmd a=(1\n----\n"),
        ("interaction", GOOD + "\nsubtest a\n"),
        ("interaction", GOOD.replace("raft-log 1\n----\nok", "raft-log 1\n----\nok\nmore")),
        ("interaction", GOOD.replace("raft-log 1\n----\nok", "raft-log 1")),
        ("confchange", "simple\nv1\n----\nvoters=(1)\n1: StateProbe match=0 next=2\n"),
        ("quorum", "committed cfg=(1) idx=(5)\n----\n4\n"),
        ("quorum", "committed cfg=(1) idx=(0)\n----\n4\n"),
        ("format", "cmd\n----\ncmd\n"),
    ],
)
def test_a_script_made_wrong_on_purpose_fails(tmp_path: Path, suite: str, text: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_text(text)
    done = run(suite, path)
    assert (done.returncode, last_line(done)) == (1, "0 passed, 1 failed"), done.stdout


def test_a_folder_means_its_own_scripts(tmp_path: Path, script: Path) -> None:
    shutil.copy(script, tmp_path / "second.txt")
    (tmp_path / "notes.md").write_text("no script")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "third.txt").write_text("no-such-command\n----\n")
    (tmp_path / "folder.txt").mkdir()
    assert last_line(run("interaction", tmp_path)) == "2 passed, 0 failed"


def test_the_total_is_over_all_paths(tmp_path: Path, script: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "bad.txt").write_text("no-such-command\n----\nok\n")
    done = run("interaction", script, tmp_path / "sub", script)
    assert (done.returncode, last_line(done)) == (1, "2 passed, 1 failed")


@pytest.mark.parametrize("name", ["empty", "missing", "missing.txt"])
def test_no_script_found_is_an_error(tmp_path: Path, script: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    for paths in ([tmp_path / name], [script, tmp_path / name]):
        done = run("interaction", *paths)
        assert done.returncode == 2
        assert str(tmp_path / name) in done.stderr
        assert last_line(done) == "0 passed, 0 failed"


@pytest.mark.parametrize("arguments", [[], ["interaction"], ["nonsense", "x.txt"], ["vectors"]])
def test_wrong_usage_is_an_error(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage:" in done.stderr


def test_rewriting_writes_outputs_and_is_idempotent(tmp_path: Path) -> None:
    path = tmp_path / "new.txt"
    path.write_text("# kept\n\nadd-nodes 1 voters=(1) index=2\n----\n\nlog-level none\n----\nwrong\n")
    done = run("interaction", path, "--rewrite")
    assert (done.returncode, done.stdout) == (0, f"rewrote {path}\n1 passed, 0 failed\n")
    written = path.read_text()
    assert written == f"# kept\n\n{LOUD}\nlog-level none\n----\nok\n"
    done = run("interaction", path, "--rewrite")
    assert (done.returncode, done.stdout) == (0, "1 passed, 0 failed\n")
    assert path.read_text() == written
    assert run("interaction", path).returncode == 0


def test_a_script_that_cannot_be_rewritten_stays(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("log-level none\n----\nwrong\n\ncampaign 1\n----\n")
    before = path.read_text()
    done = run("interaction", path, "--rewrite")
    assert (done.returncode, last_line(done)) == (1, "0 passed, 1 failed")
    assert path.read_text() == before


def test_a_difference_that_is_not_text_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "bytes.txt"
    path.write_bytes(b"cmd\n----\n\xff\n")
    done = run("format", path, PYTHONIOENCODING="utf-8:strict")
    assert (done.returncode, last_line(done)) == (1, "0 passed, 1 failed")
    assert "\n-\\udcff\n" in done.stdout


def test_vectors_that_are_not_there(tmp_path: Path) -> None:
    good, none = tmp_path / "good.jsonl", tmp_path / "none.jsonl"
    good.write_text('{"kind": "Entry", "case": "empty", "hex": "", "fields": {}}\n\n')
    none.write_text("\n")
    assert last_line(run("vectors", good)) == "1 passed, 0 failed"
    for paths in ([none], [good, none], [tmp_path], [good, tmp_path / "missing.jsonl"]):
        done = run("vectors", *paths)
        assert (done.returncode, done.stdout) == (2, "0 passed, 0 failed\n")
        assert f"{paths[-1]}" in done.stderr


def test_lines_that_are_not_vectors_fail(tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b'{"kind": "Entry", "case": "empty", "hex": "", "fields": {}}\n\xff\xfe\n[]\n{}\nnonsense\n')
    done = run("vectors", path)
    assert (done.returncode, last_line(done)) == (1, "1 passed, 4 failed")
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()[:-1]] == [f"{path}:{n}" for n in (2, 3, 4, 5)]
