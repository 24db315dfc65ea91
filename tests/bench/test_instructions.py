"""Counting instructions, ours and a peer's, and comparing them with those that are kept."""

import json
import sys
from pathlib import Path

import pytest

from bench import cachegrind, instructions
from bench.__main__ import GROUPS, WORKLOADS
from bench.cachegrind import Failure, Run
from bench.peers import build
from tests._needs import needs_cargo, needs_tool

pytestmark = pytest.mark.once


def test_growth_is_noticed() -> None:
    kept = {"a": 1000, "b": 1000, "c": 1000}
    lines, grown = instructions.compare(kept, {"a": 1050, "b": 1051, "c": 500, "d": 1})
    assert grown == ["b", "d"]
    assert [line.split()[0] for line in lines] == ["a", "b", "c", "d"]


def kept_in(tmp_path: Path, monkeypatch, combination: dict, counts: dict) -> None:
    path = tmp_path / "instructions.json"
    path.write_text(json.dumps({"combination": combination, "counts": counts}))
    monkeypatch.setattr(instructions, "KEPT", path)


@pytest.mark.parametrize(("found", "status"), [(1050, 0), (1051, 1), (900, 0)])
def test_check(found: int, status: int, tmp_path, monkeypatch, capsys) -> None:
    name = "single, python loop"
    kept_in(tmp_path, monkeypatch, instructions.combination(), {name: 1000})
    monkeypatch.setattr(instructions, "measure", lambda names: dict.fromkeys(names, found))
    assert instructions._check(json.loads(instructions.KEPT.read_text()), [name]) == status
    assert ("--update" in capsys.readouterr().out) == (status == 1)


@pytest.mark.parametrize(("promised", "status"), [("", 0), ("0", 0), ("1", 1)])
def test_another_combination_is_not_compared(promised: str, status: int, monkeypatch, capsys) -> None:
    monkeypatch.setenv("RAFTCY_CI", promised)
    kept = {"combination": instructions.combination() | {"compiler": "another"}, "counts": {}}
    assert instructions._check(kept, ["single, python loop"]) == status
    said = capsys.readouterr().out
    assert "compiler is" in said
    assert "'another'" in said


def test_every_run_is_kept() -> None:
    kept = json.loads(instructions.KEPT.read_text())
    assert set(kept["counts"]) == set(instructions.RUNS)


def test_every_workload_is_counted_with_every_loop() -> None:
    counted = {(run.workload, run.loop) for run in instructions.RUNS.values()}
    # Three processes that wait for each other have no number of instructions that repeats.
    expected = {(name, "python") for name in set(WORKLOADS) - {"cluster"}} | {(name, "compiled") for name in GROUPS}
    assert counted == expected


def test_no_two_runs_are_the_same() -> None:
    assert len(set(instructions.RUNS.values())) == len(instructions.RUNS)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ([], list(instructions.RUNS)),
        (["quorum"], ["quorum, 3 voters, python loop", "quorum, 101 voters, python loop"]),
        (["quorum, 101 voters"], ["quorum, 101 voters, python loop"]),
        (["single", "node"], ["single, python loop", "node, python loop", "single, compiled loop"]),
        (["five, batch_append"], [f"five, batch_append, {loop} loop" for loop in ("python", "compiled")]),
        (["big, compiled loop"], ["big, compiled loop"]),
    ],
)
def test_what_is_counted_can_be_chosen(words: list[str], names: list[str]) -> None:
    assert instructions.chosen(words) == names


def test_an_unknown_name_is_refused(capsys) -> None:
    with pytest.raises(SystemExit) as left:
        instructions.main(["single", "quorum, 4 voters"])
    assert left.value.code == 2
    assert "not counted: quorum, 4 voters" in capsys.readouterr().err


def test_a_peer_is_put_beside_ours() -> None:
    lines = instructions.beside({"a, python loop": 3_000, "b": 10}, {"a, python loop": 2_000}, "theirs")
    assert [line.split() for line in lines] == [
        ["raftcy", "theirs", "ratio"],
        ["a,", "python", "loop", "3,000", "2,000", "1.50"],
        ["b", "10", "-", "-"],
    ]


def test_a_peer_is_counted_once_for_both_loops(monkeypatch) -> None:
    asked: list[Run] = []
    monkeypatch.setitem(build.PEERS, "rust", lambda: ["program"])
    monkeypatch.setattr(instructions, "per_operation_of", lambda command, run: float(asked.append(run) or len(asked)))
    monkeypatch.setattr(instructions.os, "cpu_count", lambda: 1)
    names = ["single, python loop", "node, python loop", "codec_encode_fields, python loop", "single, compiled loop"]
    assert instructions.measure_peer("rust", names) == {"single, python loop": 1, "single, compiled loop": 1}
    assert [run.workload for run in asked] == ["single"]


def test_a_peer_that_cannot_be_built_is_a_failure(monkeypatch) -> None:
    def absent() -> list[str]:
        raise build.Missing("there is no cargo")

    monkeypatch.setitem(build.PEERS, "rust", absent)
    with pytest.raises(Failure, match=r"raft-rs 0\.7 cannot be counted: there is no cargo"):
        instructions.measure_peer("rust", ["single, python loop"])


def test_a_program_is_counted_by_the_difference_of_two_runs(monkeypatch) -> None:
    def cachegrind_of(command: list[str]) -> tuple[str, dict[int, int]]:
        return "", {1: 5_000_000 + 700 * int(command[command.index("--n") + 1])}

    monkeypatch.setattr(cachegrind, "_cachegrind", cachegrind_of)
    assert cachegrind.per_operation_of(["program"], Run("single", 10, 30)) == 700


def test_a_peer_under_valgrind() -> None:
    needs_tool("valgrind")
    needs_cargo()
    build.OUT.mkdir(parents=True, exist_ok=True)
    command = build.rust()
    small, large = (cachegrind.per_operation_of(command, Run("single", 5, end)) for end in (20, 50))
    # More than a thousand for anything that is proposed, whatever compiler it was; and the length does not matter.
    assert 1_000 < small < 100_000
    assert abs(small - large) < 0.1 * small


def test_a_failing_program_is_a_failure() -> None:
    needs_tool("valgrind")
    with pytest.raises(Failure, match="failed:"):
        cachegrind.per_operation_of([sys.executable, "-c", "raise SystemExit(3)"], Run("single", 1, 2))
