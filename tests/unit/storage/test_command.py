"""``raftcy log``: what it says of a log, and that it changes nothing."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from raftcy import HardState
from raftcy.cli import main
from raftcy.storage import DiskLog

from .test_bodies import MEMBERS, put, state
from .test_damage import run

GROUP = 2**63


@pytest.fixture(name="folder")
def a_log(tmp_path: Path) -> Path:
    with DiskLog(tmp_path, cluster=b"abc", segment_size=8192) as log:
        log.group(1).save(HardState(term=2, vote=3, commit=4), run(1, 2, 5, 3000), None)
        group = log.group(GROUP, bodies=True)
        group.save(HardState(term=1, commit=6), run(1, 1, 8), None)
        assert group.bodies is not None
        group.create_snapshot(4, MEMBERS, put(group.bodies.write(4, 1), state(1000)).encode())
        group.compact(2)
        log.sync()
    return tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["log", *map(str, arguments)])
    told = capsys.readouterr()
    return status, told.out, told.err


def contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def test_inspect(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(folder)
    status, out, _ = call(capsys, "inspect", folder, "--json")
    found: dict[str, Any] = json.loads(out)
    assert status == 0
    assert (found["format"], found["cluster"], found["closed"], found["torn"]) == (1, b"abc".hex(), True, None)
    assert [each["records"] for each in found["segments"]] == [4]
    one, other = found["groups"]
    assert (one["group"], one["first_index"], one["last_index"], one["last_term"]) == (1, 1, 5, 2)
    assert one["hard_state"] == {"term": 2, "vote": 3, "commit": 4}
    assert (other["group"], other["first_index"], other["last_index"]) == (GROUP, 3, 8)
    assert other["snapshots"][0]["bytes"] == 1000
    assert (folder / other["snapshots"][0]["file"]).exists()
    status, out, _ = call(capsys, "inspect", folder, "--group", GROUP)
    assert status == 0
    assert "group 1:" not in out
    assert f"group {GROUP}: entries 3 to 8, term 1, vote 0, commit 6" in out
    assert contents(folder) == before


def test_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "verify", folder)[:2] == (0, "intact: 1 segments, 4 records, 2 groups\n")
    assert json.loads(call(capsys, "verify", folder, "--json")[1]) == {"intact": True, "torn": None}


@pytest.mark.parametrize("ending", ["log", "snap"])
def test_verify_names_damage(folder: Path, ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = folder.glob(f"*.{ending}")
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    before = contents(folder)
    status, out, _ = call(capsys, "verify", folder, "--json")
    found = json.loads(out)
    assert (status, found["intact"], len(found["damage"])) == (1, False, 1)
    assert found["damage"][0]["file"] == path.name
    assert found["damage"][0]["offset"] == {"log": 512, "snap": 40}[ending]
    status, out, err = call(capsys, "verify", folder)
    assert (status, out) == (1, "")
    assert f"{path.name}, offset" in err
    assert contents(folder) == before


def test_a_torn_tail_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = DiskLog(tmp_path, segment_size=8192)
    log.group(1).save(HardState(term=1), run(1, 1, 5), None)
    log.sync()
    log.group(1).save(None, run(6, 1, 5, 500), None)
    log.sync()
    log.log.abandon()
    log.close()
    (path,) = tmp_path.glob("*.log")
    data = bytearray(path.read_bytes())
    data[1536:2048] = bytes(512)
    path.write_bytes(data)
    status, out, _ = call(capsys, "verify", tmp_path)
    assert status == 0
    assert "a torn tail, to be cut off: 0000000000000001.log" in out
    status, out, _ = call(capsys, "inspect", tmp_path)
    assert "torn tail:" in out
    assert "entries 1 to 5" in out
    assert path.read_bytes() == data
    assert json.loads(call(capsys, "verify", tmp_path, "--json")[1])["torn"]["file"] == path.name


def test_export(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = call(capsys, "export", folder, "--group", GROUP)
    head, *rows = [json.loads(line) for line in out.splitlines()]
    assert (status, head["group"], [row["index"] for row in rows]) == (0, GROUP, [3, 4, 5, 6, 7, 8])
    assert [base64.b64decode(row["data"]) for row in rows] == [e.data for e in run(3, 1, 6)]
    assert {row["type"] for row in rows} == {"NORMAL"}
    assert call(capsys, "export", folder)[0] == 2
    assert call(capsys, "export", folder, "--group", 77)[0] == 2


def test_what_cannot_be_read(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    for wrong, told in ((folder / "nowhere", "No such file"), (folder / "empty", "is empty")):
        status, _, err = call(capsys, "inspect", wrong)
        assert status == 2
        assert told in err
    log = DiskLog(folder, segment_size=8192)
    status, _, err = call(capsys, "inspect", folder)
    assert status == 2
    assert "is in use" in err
    log.close()
