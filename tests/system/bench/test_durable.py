"""The durable benchmark: raftcy's members and the runner, the tables, and the syncs that strace counts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import raftcy
from bench.durable import __main__ as command
from bench.durable import page, syncs
from bench.durable.contestants import LABELS, PHASES, Contestant, contestants
from bench.durable.member import split
from bench.durable.runner import Ran, Settings, run
from tests.support.measured import MACHINE
from tests.support.needs import ROOT, missing, needs_package, needs_tool

if sys.platform != "linux":
    pytest.skip("the runner reads /proc", allow_module_level=True)


def ours(**fields: object) -> Contestant:
    [found], _ = contestants(["asyncio"])
    return Contestant(**{**vars(found), **fields})


def short(tmp_path: Path, seconds: float = 0.2) -> Settings:
    return Settings(tmp_path / "data", seconds, settle=0.0, priority=False)


def test_every_phase_of_ours(tmp_path: Path) -> None:
    ran = run(ours(), list(PHASES), short(tmp_path))
    assert ran.wrong == ""
    assert [figures["phase"] for figures in ran.phases] == list(PHASES)
    for figures in ran.phases:
        assert figures["ops"] > 0
        assert figures["errors"] == 0
        assert 0 < figures["p50_us"] <= figures["p99_us"]
        assert figures["cpu_us"] >= figures["leader_cpu_us"]
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.once
def test_the_command_prints_tables_and_keeps_figures(tmp_path: Path) -> None:
    needs_tool("openssl")
    words = [
        "asyncio",
        "tls",
        "--rounds",
        "1",
        "--seconds",
        "0.1",
        "--phases",
        "write64",
        "--no-priority",
        "--no-syncs",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "bench.durable", *words, "--data", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| {LABELS['tls']} |" in done.stdout
    assert "With TLS, raftcy does " in done.stdout
    assert "round 1 of 1, raftcy, asyncio: write64 " in done.stderr
    kept = ROOT / done.stderr.split("wrote ")[1].strip()
    found = json.loads(kept.read_text())
    assert [figures["round"] for figures in found["runs"]["tls"]] == [1]
    assert [each.name for each in tmp_path.iterdir()] == ["durable.lock"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("program", "wrong"),
    [
        ("print('neither START nor END')", "it ended"),
        ("import sys; sys.exit('broken')", "it ended: broken"),
        ("import time; time.sleep(60)", "it said nothing in time"),
    ],
)
def test_a_broken_contestant_is_ended_and_said(program: str, wrong: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("bench.durable.runner.PATIENCE_S", 0.5)
    broken = Contestant("broken", "broken", (sys.executable, "-c", program))
    ran = run(broken, ["write1"], short(tmp_path))
    assert ran.wrong.startswith(wrong)
    assert ran.phases == []
    assert list((tmp_path / "data").iterdir()) == []


def counted(tmp_path: Path, phases: list[str]) -> Ran:
    if not syncs.is_possible():
        missing("strace, and the right to trace a child")
    ran = run(ours(), phases, short(tmp_path, 1.0), syncs.Syncs)
    assert ran.wrong == ""
    return ran


def test_one_sync_for_each_group_commit_and_none_for_a_commit_index(tmp_path: Path) -> None:
    one, many, read, idle = counted(tmp_path, ["write1", "write64", "read64", "idle1"]).phases
    for count in one["syncs"]:
        # A follower that is behind may sync two commands at once, and the elapsed time is in the log too.
        assert 0.5 * one["ops"] <= count <= 1.02 * one["ops"] + 4
    assert one["syncs"][0] >= 0.98 * one["ops"]
    # Commands that arrive during a sync share the next one.
    assert max(many["syncs"]) < many["ops"] / 8
    # Each command was followed by an append with nothing but a new commit index, and reads and heartbeats by nothing.
    assert read["ops"] > 100
    assert read["syncs"] == idle["syncs"] == [0, 0, 0]


# -- the tables --------------------------------------------------------------------------------------------------


def figures(round: int, phase: str, per_sec: float, cpu_us: float = 20.0) -> dict:
    return {"round": round, "phase": phase, "per_sec": per_sec, "cpu_us": cpu_us, "p50_us": 900.0, "p99_us": 2000.0}


def result() -> dict:
    runs = {
        "uvloop": [figures(1, "write64", 300), figures(2, "write64", 400), figures(1, "many1024", 900, 9.0)],
        "asyncio": [figures(1, "write64", 200)],
        "tls": [figures(1, "write64", 150), figures(2, "write64", 360)],
        "etcdraft": [figures(1, "write64", 100), figures(2, "write64", 200), figures(1, "write1024", 100)],
        "pysyncobj": [],
    }
    return {
        "date": "2026-01-02", "rounds": 2, "seconds": 1.0, "priority": True, "revision": "abc", "machine": MACHINE,
        "load_after": [0.2, 0, 0], "versions": {"uvloop": "raftcy 1"}, "left_out": {"dragonboat": "there is no go"},
        "runs": runs, "syncs": {"uvloop": {"ops": 100, "syncs": [100, 99, 98]}},
    }  # fmt: skip


@pytest.mark.once
def test_ratios_are_medians_of_the_rounds() -> None:
    found = result()
    assert page.ratio(found, "write64", "uvloop", "etcdraft") == 2.5
    assert page.ratio(found, "many1024", "uvloop", "etcdraft") == 9.0
    assert page.ratio(found, "write1", "uvloop", "etcdraft") is None
    assert page.tls(found) == 0.7
    assert "| etcd raft + WAL | - | **2.50** (≥ 3) | - | 9.00 (≥ 3.5) | - | - |" in page.ratios(found, "uvloop")
    assert "| etcd raft + WAL | - | **2.00** (≥ 2.2) |" in page.ratios(found, "asyncio")


@pytest.mark.once
def test_the_page_says_what_is_missed() -> None:
    found = result()
    text = page.text(found)
    assert "| raftcy, uvloop | 100 | 1.00 | 0.99 | 0.98 |" in text
    assert "dragonboat, tan, since there is no go" in text
    assert "Missed:\n\n- raftcy, uvloop by etcd raft + WAL, 64: 2.50 of 3\n- raftcy, asyncio by" in text
    assert "\n- CPU a command, 1,024, many: 9.0 µs of 8" in text
    found["runs"]["uvloop"] = [figures(1, "write64", 500)]
    found["runs"]["asyncio"] = [figures(1, "write64", 300)]
    assert "with TLS, 64: 0.30 of the throughput without, of 0.7" in page.text(found)
    found["runs"]["tls"] = []
    assert page.missed(found) == []


@pytest.mark.once
def test_the_page_and_the_plot_are_written(tmp_path: Path, monkeypatch) -> None:
    needs_package("matplotlib")
    where = tmp_path / "page.md"
    where.write_text("before\n<!-- durable: begin -->\n<!-- durable: end -->\nafter\n")
    for name, path in (("ROOT", tmp_path), ("RESULTS", tmp_path), ("PLOT", tmp_path / "p.svg"), ("PAGE", where)):
        monkeypatch.setattr(command, name, path)
    command.publish(result())
    assert "| raftcy, uvloop |" in where.read_text()
    assert "<svg" in (tmp_path / "p.svg").read_text()
    assert json.loads((tmp_path / "2026-01-02.json").read_text()) == result()
    assert (ROOT / "docs" / "durable.md").read_text().count("<!-- durable: begin -->") == 1


@pytest.mark.once
@pytest.mark.parametrize("words", [["nobody"], ["--phases", "write2"], ["--rounds", "0"], ["--seconds", "11"]])
def test_wrong_words_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(words)


@pytest.mark.once
def test_phases() -> None:
    assert split("many1024") == ("many", 1024)
    for wrong in ("write", "write0", "64", "writes64"):
        with pytest.raises(ValueError, match="is no phase"):
            split(wrong)
    assert raftcy.BUILD in contestants(["asyncio"])[0][0].version
