"""The log in the form of etcd's."""

import json
import logging
import re
from pathlib import Path

import pytest

from raftcy.etcd import zaplog


def record(level: int, message: str, *arguments: object, **options: object) -> logging.LogRecord:
    made = logging.LogRecord("raftcy.etcd", level, "/x/command.py", 7, message, arguments, None)
    made.__dict__.update(options)
    return made


@pytest.mark.parametrize(
    ("level", "name"), [(10, "debug"), (20, "info"), (25, "info"), (30, "warn"), (40, "error"), (50, "fatal")]
)
def test_a_line_is_json_with_zaps_fields(level: int, name: str) -> None:
    line = zaplog.JsonFormat().format(record(level, "served %s", "x", fields={"address": "h:1", "odd": {1}}))
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", found.pop("ts"))
    caller = "etcd/command.py:7"
    assert found == {"level": name, "caller": caller, "msg": "served x", "address": "h:1", "odd": "{1}"}
    assert "\n" not in line


def test_errors_stand_in_fields() -> None:
    error = ValueError("oh\nno")
    line = zaplog.JsonFormat().format(record(40, "it failed", exc_info=(ValueError, error, None)))
    assert json.loads(line)["error"] == "ValueError('oh\\nno')"
    assert "\n" not in line


def test_a_line_for_people() -> None:
    line = zaplog.ConsoleFormat().format(record(30, "slow", fields={"took": 5}))
    assert line.split("\t")[1:] == ["warn", "etcd/command.py:7", "slow", '{"took": 5}']


def test_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    file = tmp_path / "log"
    zaplog.set_up(["stdout", "stderr", str(file)], logging.INFO, "json")
    logging.getLogger("raftcy.etcd").info("hello")
    logging.getLogger("raftcy.etcd").debug("not seen")
    for handler in root.handlers:
        handler.close()
    out, error = capsys.readouterr()
    assert [json.loads(each)["msg"] for each in (out, error, file.read_text())] == ["hello"] * 3
    with pytest.raises(OSError, match="journal"):
        zaplog.set_up(["systemd/journal"], logging.INFO, "json")
