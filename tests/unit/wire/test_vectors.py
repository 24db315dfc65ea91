"""The published vectors pass, and the vector runner finds errors."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.needs import needs_shared
from tests.support.oracle import oracle_program
from tests.support.values import load


def test_published(build: ModuleType) -> None:
    passed, failed, differences = load(build, "rafttest.vectors").run_file(needs_shared("conformance", "vectors.jsonl"))
    assert (passed, failed, differences) == (200, 0, [])


@pytest.mark.full
@pytest.mark.parametrize("seed", [1, 2])
def test_fresh(build: ModuleType, tmp_path: Path, seed: int) -> None:
    import subprocess

    command = [str(oracle_program("vectors")), "-count", "300", "-seed", str(seed + 1000), "-random"]
    path = tmp_path / "vectors.jsonl"
    path.write_bytes(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    passed, failed, differences = load(build, "rafttest.vectors").run_file(path)
    assert (passed, failed, differences) == (300, 0, [])


GOOD: dict[str, Any] = {
    "kind": "Entry",
    "case": "unknown fields come last",
    "fields": {"Term": 5, "unknown": "2a0161"},
    "hex": "2a01611005",
    "reencode": "10052a0161",
}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fields": {"Term": 6, "unknown": "2a0161"}}, "Entry, unknown fields come last: read as"),
        ({"fields": {"Term": 5}}, "read as"),
        ({"reencode": "10052a0162"}, "is written as 10052a0161, not 10052a0162"),
        ({"error": True}, "not refused"),
        ({"hex": "2a016110"}, "refused: field is cut off at offset 3"),
        ({"kind": "Nothing"}, "not a vector: KeyError"),
        ({"hex": "2a016"}, "not a vector: ValueError"),
    ],
)
def test_what_is_wrong_is_found(build: ModuleType, tmp_path: Path, change: dict[str, Any], text: str) -> None:
    path = tmp_path / "vectors.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{json.dumps({**GOOD, **change})}\nno json\n")
    passed, failed, differences = load(build, "rafttest.vectors").run_file(path)
    assert (passed, failed) == (1, 2)
    assert differences[0].startswith(f"{path}:3: ")
    assert text in differences[0]
    assert differences[1].startswith(f"{path}:4: not a vector: JSONDecodeError")


def test_refusal_that_is_expected(build: ModuleType) -> None:
    vector = {"kind": "Message", "case": "cut off", "fields": None, "hex": "3a021080", "error": True}
    assert list(load(build, "rafttest.vectors").run_vector(vector)) == []
