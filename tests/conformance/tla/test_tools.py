"""The tools around TLC read a trace, put a check together, and read the verdict. None of this needs Java."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.needs import ROOT
from tools.tla import __main__ as command
from tools.tla import check, parts

pytestmark = pytest.mark.once

DONE = "Model checking completed. No error has been found.\n"


def line(**event: Any) -> str:
    return json.dumps({"tag": "trace", "event": event})


def test_a_trace_is_read() -> None:
    assert check.events_of([line(name="Ready"), "", '{"tag":"other"}', line(name="Commit")]) == [
        {"name": "Ready"},
        {"name": "Commit"},
    ]


@pytest.mark.parametrize("text", ["{", "[]", "7", "{}", '{"tag":"trace"}'])
def test_an_invalid_trace_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(ValueError, match="line 2 is not an event of a trace"):
        check.events_of([line(name="Ready"), text])


def test_a_trace_without_events_is_refused() -> None:
    with pytest.raises(ValueError, match="without events"):
        check.events_of(["", '{"tag":"other"}'])


def progress(*percents: int) -> str:
    return "".join(f'<<"Progress %:", {percent}>>\n' for percent in percents)


def test_accepted_is_all_events_and_no_error() -> None:
    verdict = check.read(progress(1, 50, 100) + DONE, 1.0)
    assert verdict.accepted
    assert str(verdict) == "accepted"


def test_sticking_is_a_refusal_though_nothing_else_tells() -> None:
    verdict = check.read(progress(1, 50) + DONE, 1.0)
    assert (verdict.accepted, verdict.percent, verdict.error) == (False, 50, None)
    assert str(verdict) == "refused after 50 % of its events"


def test_an_error_is_a_refusal_though_the_end_was_reached() -> None:
    verdict = check.read(progress(100) + "Error: Invariant LogInv is violated.\n", 1.0)
    assert not verdict.accepted
    assert "LogInv" in str(verdict)


@pytest.mark.parametrize("output", ["", progress(100), "java.lang.OutOfMemoryError: heap\n" + progress(100)])
def test_a_run_that_broke_off_gives_no_verdict(output: str) -> None:
    verdict = check.read(output, 1.0)
    assert not verdict.accepted
    assert verdict.error is not None


def test_values_in_tla() -> None:
    event = {"name": 'a"b', "log": 3, "flag": True, "off": False, "conf": [["1", "2"], []], "prop": {"cc": {}}}
    assert check._tla(event) == (
        '[name |-> "a\\"b", log |-> 3, flag |-> TRUE, off |-> FALSE, conf |-> <<<<"1", "2">>, <<>>>>, '
        "prop |-> [cc |-> <<>>]]"
    )
    with pytest.raises(ValueError, match=r"cannot hold 1\.5"):
        check._tla({"x": 1.5})


def test_another_version_of_the_specification_is_noticed(tmp_path: Path) -> None:
    for name in ("etcdraft.tla", "Traceetcdraft.tla", "Traceetcdraft.cfg"):
        (tmp_path / name).write_text("nothing of it\n")
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(ValueError, match="another version"):
        check._assemble(folder, tmp_path, [{"name": "Ready"}])


def test_a_changed_jar_is_refused_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAFTCY_TLA_CACHE", str(tmp_path))
    (tmp_path / parts.JAR).write_bytes(b"something else")
    with pytest.raises(parts.Missing, match="checksum"):
        parts.find_jar()
    assert not (tmp_path / parts.JAR).exists()


ALL = "Java (the program java) and Go (the program go) and Maven (the program mvn)"


def run_without(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with no programs found and nothing fetched before."""
    nothing = {"PATH": str(folder), "RAFTCY_TLA_CACHE": str(folder), **environment}
    command = [sys.executable, "-m", "tools.tla", *arguments]
    return subprocess.run(command, cwd=ROOT, env=nothing, capture_output=True, text=True, timeout=120)


def test_the_stories_are_skipped_without_java_go_and_maven(tmp_path: Path) -> None:
    done = run_without(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"skipped: needs {ALL}\n", "")


def test_nothing_is_skipped_where_all_is_promised(tmp_path: Path) -> None:
    done = run_without(tmp_path, RAFTCY_CI="1")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"tools.tla: needs {ALL}\n")


def test_a_named_trace_is_not_skipped(tmp_path: Path) -> None:
    trace = tmp_path / "x.ndjson"
    trace.write_text(line(name="Ready") + "\n")
    done = run_without(tmp_path, str(trace))
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"tools.tla: needs {ALL}\n")


def test_maven_is_needed_for_what_is_not_here_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("RAFTCY_TLA_CACHE", str(tmp_path))
    (tmp_path / parts.JAR).write_bytes(b"a jar")
    with pytest.raises(parts.NoProgram, match=r"^Java \(the program java\) and Go \(the program go\)$"):
        parts.find()
    for name in ("java", "go"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    # A jar with an unknown checksum is not a missing program, so the check fails instead of being skipped.
    with pytest.raises(parts.Missing, match="checksum") as caught:
        parts.find()
    assert not isinstance(caught.value, parts.NoProgram)


def test_an_invalid_trace_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.ndjson"
    path.write_text("no\n")
    assert command.main([str(path)]) == 2
    assert "x.ndjson: line 1" in capsys.readouterr().err
    assert command.main([str(tmp_path / "none.ndjson")]) == 2
    assert "none.ndjson" in capsys.readouterr().err


def test_written_traces_can_be_read(tmp_path: Path) -> None:
    assert command.main(["--write", str(tmp_path)]) == 0
    written = sorted(path.name for path in tmp_path.glob("*.ndjson"))
    assert len(written) == 7
    assert "replication_with_conflict.ndjson" in written
    for name in written:
        assert len(check.events_of((tmp_path / name).read_text().splitlines())) > 50
