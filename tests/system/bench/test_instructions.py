"""Instructions of raftcy and of a peer are counted, and compared with the kept counts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench import base, cachegrind, instructions
from bench.__main__ import GROUPS, WORKLOADS
from bench.cachegrind import Failure, Run
from bench.peers import build
from tests.support.needs import needs_cargo, needs_tool

pytestmark = pytest.mark.once


def test_growth_is_noticed() -> None:
    kept = {"a": 1000, "b": 1000, "c": 1000}
    lines, grown, new = instructions.compare(kept, {"a": 1050, "b": 1051, "c": 500, "d": 1})
    assert (grown, new) == (["b"], ["d"])
    assert [line.split()[0] for line in lines] == ["a", "b", "c", "d"]


def kept_in(tmp_path: Path, monkeypatch, combination: dict, counts: dict) -> None:
    path = tmp_path / "instructions.json"
    path.write_text(json.dumps({"combination": combination, "counts": counts}))
    monkeypatch.setattr(instructions, "KEPT", path)


@pytest.mark.parametrize(("found", "status"), [(1050, 0), (1051, 1), (900, 0)])
def test_check(found: int, status: int, tmp_path, monkeypatch, capsys) -> None:
    name = "single, python loop"
    kept_in(tmp_path, monkeypatch, instructions.combination(), {name: 1000})
    monkeypatch.setattr(instructions, "measure", lambda names, layout=0: dict.fromkeys(names, found))
    assert instructions._check(json.loads(instructions.KEPT.read_text()), [name]) == status
    assert ("--update" in capsys.readouterr().out) == (status == 1)


def layouts(monkeypatch, **counts: list[int]) -> list[list[str]]:
    """Make counts return the given rows for each layout; each call adds its names to the list."""
    asked: list[list[str]] = []

    def measure(names: list[str], layout: int = 0) -> dict[str, int]:
        asked.append(names)
        return {name: counts[name][layout] for name in names}

    monkeypatch.setattr(instructions, "measure", measure)
    return asked


def test_what_grew_is_counted_again_with_all_elsewhere(monkeypatch) -> None:
    asked = layouts(monkeypatch, a=[1000, 0, 0], b=[1051, 1000, 0], c=[1100, 1090, 1080], d=[7, 0, 0])
    found = instructions.least(["a", "b", "c", "d"], {"a": 1000, "b": 1000, "c": 1000})
    assert found == {"a": 1000, "b": 1000, "c": 1080, "d": 7}
    assert asked == [["a", "b", "c", "d"], ["b", "c"], ["c"]]


def test_without_anything_to_compare_with_all_is_counted_in_each_layout(monkeypatch) -> None:
    asked = layouts(monkeypatch, a=[3, 2, 4], b=[1, 2, 3])
    assert instructions.least(["a", "b"]) == {"a": 2, "b": 1}
    assert asked == [["a", "b"]] * instructions.LAYOUTS


def test_a_layout_moves_what_is_loaded(monkeypatch) -> None:
    """Under valgrind, because there the last 15 bits of addresses, which index the table, never change."""
    needs_tool("valgrind")
    code = (
        "import sys; from bench import counted; held = counted._displaced(int(sys.argv[1])); counted._loaded();"
        "print(*[id(name) % 2**15 for name in sys.modules['bench.codec'].read.__code__.co_names])"
    )
    # A lighter tool than the one that counts lays out memory in the same way.
    monkeypatch.setattr(cachegrind, "_TOOL", ["valgrind", "--tool=none"])
    layouts = (0, *range(instructions.LAYOUTS))
    said = [cachegrind._cachegrind([sys.executable, "-c", code, str(layout)])[0] for layout in layouts]
    assert said[0] == said[1]
    assert len(set(said)) == instructions.LAYOUTS


def test_a_count_is_nearly_the_same_in_each_layout() -> None:
    needs_tool("valgrind")
    run = Run("quorum", 100, 500, ("--nodes", "5"))
    first, second = (cachegrind.per_operation([run], layout)[0] for layout in (0, 2))
    assert 300 < first < 100_000
    assert 0.8 < first / second < 1.25


@pytest.mark.parametrize(("promised", "status"), [("", 0), ("0", 0), ("1", 1)])
def test_another_combination_is_not_compared(promised: str, status: int, monkeypatch, capsys) -> None:
    monkeypatch.setenv("RAFTCY_CI", promised)
    kept = {"combination": instructions.combination() | {"compiler": "another"}, "counts": {}}
    assert instructions._check(kept, ["single, python loop"]) == status
    said = capsys.readouterr().out
    assert "compiler is" in said
    assert "'another'" in said


def test_what_is_not_kept_yet_fails(tmp_path, monkeypatch, capsys) -> None:
    kept_in(tmp_path, monkeypatch, instructions.combination(), {})
    monkeypatch.setattr(instructions, "measure", lambda names, layout=0: dict.fromkeys(names, 1))
    assert instructions._check(json.loads(instructions.KEPT.read_text()), ["single, python loop"]) == 1
    assert "not kept yet" in capsys.readouterr().out


COUNTING = """
import json, os, pathlib, sys
assert sys.argv[1:] == ["--update"] and pathlib.Path("built").read_text() == "1", sys.argv
path = pathlib.Path("bench/instructions.json")
path.write_text(json.dumps({"counts": {"single, python loop": 2000, "gone": 5}}))
"""
BUILDING = "import os, pathlib; pathlib.Path('built').write_text(os.environ['RAFTCY_REQUIRE_EXT'])"


@pytest.fixture
def other_commit(tmp_path, monkeypatch) -> str:
    """A checkout whose first commit keeps 1,000 instructions and counts 2,000."""
    git = [needs_tool("git"), "-c", "user.name=a", "-c", "user.email=a@example.com", "-C", str(tmp_path)]
    (tmp_path / "bench").mkdir()
    (tmp_path / "setup.py").write_text(BUILDING)
    (tmp_path / "bench" / "instructions.py").write_text(COUNTING)
    (tmp_path / "bench" / "instructions.json").write_text('{"counts": {"single, python loop": 1000}}')
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "base"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(base, "ROOT", tmp_path)
    return subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def test_another_commit_is_counted_here(other_commit: str) -> None:
    kept, found = base.counts_of(other_commit)
    assert kept == {"single, python loop": 1000}
    assert found == {"single, python loop": 2000, "gone": 5}
    # Nothing of it is left, and the checkout is unchanged.
    listed = subprocess.run(["git", "worktree", "list"], cwd=base.ROOT, capture_output=True, text=True, check=True)
    assert len(listed.stdout.splitlines()) == 1
    assert not (base.ROOT / "built").exists()


def test_a_commit_that_is_not_there_is_a_failure(other_commit: str) -> None:
    with pytest.raises(Failure, match="worktree add"):
        base.counts_of("0" * 40)


@pytest.mark.parametrize(
    ("kept", "found", "status"),
    [(1000, 2100, 0), (1000, 2101, 1), (1500, 3150, 0), (1500, 3151, 1), (500, 2100, 0), (500, 2101, 1)],
)
def test_check_against_another_commit(
    kept: int, found: int, status: int, other_commit: str, monkeypatch, capsys
) -> None:
    monkeypatch.setattr(instructions, "measure", lambda names, layout=0: dict.fromkeys(names, found))
    names = ["single, python loop", "node3, python loop"]
    assert instructions._check_base({names[0]: kept, names[1]: 1}, names, other_commit) == status
    said = capsys.readouterr().out
    assert ("more than 5% above" in said) == (status == 1)
    assert re.search(r"^node3, python loop +[\d,]+ +new$", said, re.M)


def test_base_is_for_check(capsys) -> None:
    with pytest.raises(SystemExit):
        instructions.main(["single", "--base", "main"])
    assert "--base needs --check" in capsys.readouterr().err


def test_every_run_is_kept() -> None:
    kept = json.loads(instructions.KEPT.read_text())
    assert set(kept["counts"]) == set(instructions.RUNS)


def test_every_workload_is_counted_with_every_loop() -> None:
    counted = {(run.workload, run.loop) for run in instructions.RUNS.values()}
    # Three processes that wait for each other have no repeatable number of instructions.
    # The counts of these depend on the time: processes, sockets, and a disk.
    uncounted = {"cluster", "replica", "replica_many", "replica_read"}
    expected = {(name, "python") for name in set(WORKLOADS) - uncounted} | {(name, "compiled") for name in GROUPS}
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
    command = build.rust()
    small, large = (cachegrind.per_operation_of(command, Run("single", 5, end)) for end in (20, 50))
    # More than a thousand for any proposal, with any compiler; and the length of the run does not matter.
    assert 1_000 < small < 100_000
    assert abs(small - large) < 0.1 * small


def test_a_failing_program_is_a_failure() -> None:
    needs_tool("valgrind")
    with pytest.raises(Failure, match="failed:"):
        cachegrind.per_operation_of([sys.executable, "-c", "raise SystemExit(3)"], Run("single", 1, 2))
