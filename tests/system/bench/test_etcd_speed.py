"""The etcd benchmark: our server under its own load, what etcd's tool prints, the tables, and contestants that fail."""

import json
import sys
from pathlib import Path

import pytest

from bench.etcd import __main__ as command
from bench.etcd import contestants, gateway_load, page, programs, servers
from bench.etcd.cases import CASES, Load, summary
from bench.etcd.contestants import LABELS, Contestant
from bench.etcd.servers import Broken
from bench.peers.build import Missing
from tests.support.measured import MACHINE
from tests.support.needs import ROOT, needs_package

if sys.platform != "linux":
    pytest.skip("CPU times are read from /proc", allow_module_level=True)


def test_a_case_starts_loads_and_removes_our_server(tmp_path: Path) -> None:
    needs_package("aiohttp")
    load = Load(Path("no-tool"), tmp_path, 0.02)
    figures = CASES["gateway"].measure(contestants.ours("raftcy"), load)
    assert figures["rate"] > 0
    assert 0 < figures["p50_ms"] <= figures["p99_ms"]
    assert figures["cpu_us"] >= 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
@pytest.mark.parametrize(
    ("program", "why"),
    [("import sys; sys.exit('broken')", "it does not start: broken"), ("import time; time.sleep(60)", "not start")],
)
def test_a_server_that_does_not_start_is_ended_and_said(program: str, why: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(servers, "START_S_MAX", 1.0)
    broken = Contestant("broken", "broken", (sys.executable, "-c", program))
    with pytest.raises(Broken, match=why):
        CASES["gateway"].measure(broken, Load(Path("no-tool"), tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
def test_a_tool_that_fails_or_hangs_is_said() -> None:
    with pytest.raises(Broken, match=r"the tool failed: .*oops"):
        servers.run_tool([sys.executable, "-c", "import sys; sys.exit('oops')"], 30.0)
    with pytest.raises(Broken, match="Error distribution"):
        servers.run_tool([sys.executable, "-c", "print('Error distribution: 3')"], 30.0)
    with pytest.raises(Broken, match="did not end within 0 s"):
        servers.run_tool([sys.executable, "-c", "import time; time.sleep(60)"], 0.3)


@pytest.mark.once
def test_the_last_summary_of_the_tool_is_read() -> None:
    first = "Put summary:\n\nSummary:\n  Requests/sec:\t10.5\n\n  50% in 0.5 secs.\n  99% in 0.9 secs.\n"
    last = "Watch events summary:\n\nSummary:\n  Requests/sec:\t1.2e+04\n  50% in 2.5e-05 secs.\n  99.9% in 7 secs.\n"
    assert summary(first) == {"rate": 10.5, "p50_ms": 500.0, "p99_ms": 900.0}
    assert summary(first + last) == {"rate": 12000.0, "p50_ms": pytest.approx(0.025)}
    with pytest.raises(Broken, match="no rate"):
        summary("nothing")


@pytest.mark.once
def test_the_load_counts_answers_by_length_and_by_chunks() -> None:
    class Puts:
        over = None

        def __init__(self) -> None:
            self.answers = 0

        def next(self, host: str) -> None:
            return None

        def took(self, seconds: float) -> None:
            self.answers += 1

    puts = Puts()
    connection = gateway_load.Connection(puts, "h")  # type: ignore[arg-type]
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
    connection.data_received(b"\r\n{")
    assert puts.answers == 0
    connection.data_received(b"}")
    assert puts.answers == 1
    connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    assert puts.answers == 1
    connection.data_received(b"0\r\n\r\n")
    assert puts.answers == 2


@pytest.mark.once
def test_programs_come_from_the_folder_that_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(programs.TOOLS, str(tmp_path))
    monkeypatch.setattr(programs, "OUT", tmp_path / "out")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Missing, match="no go"):
        programs.go_program("benchmark")
    with pytest.raises(Missing, match="no apt-get"):
        programs.debian_etcd()
    (tmp_path / "etcd-3.4").write_text("#!/bin/sh\necho etcd Version: 3.4.9\n")
    (tmp_path / "etcd-3.4").chmod(0o755)
    found, missing = contestants.contestants(["raftcy", "etcd34", "etcd37"])
    assert [each.name for each in found] == ["raftcy", "etcd34"]
    assert found[1].version == "etcd 3.4.9"
    assert list(missing) == ["etcd37"]


# -- the tables --------------------------------------------------------------------------------------------------


def figures(round: int, case: str, rate: float, cpu_us: float) -> dict:
    return {"round": round, "case": case, "rate": rate, "cpu_us": cpu_us, "p50_ms": 1.0, "p99_ms": 2.0}


def result() -> dict:
    runs = {
        "raftcy": [
            figures(1, "put100", 300, 50),
            figures(2, "put100", 400, 60),
            figures(1, "watchers", 9000, 2.5),
            {"round": 1, "case": "memory", "bytes": 1600.0},
        ],
        "etcd34": [figures(1, "put100", 100, 100), figures(2, "put100", 400, 100)],
        "etcd37": [],
    }
    return {
        "date": "2026-01-02", "rounds": 2, "share": 1.0, "pinned": True, "revision": "abc", "machine": MACHINE,
        "load_after": [0.2, 0, 0], "versions": {"raftcy": "raftcy 1"}, "left_out": {"etcd37": "there is no go"},
        "runs": runs,
    }  # fmt: skip


@pytest.mark.once
def test_aims_are_beside_medians_of_the_rounds() -> None:
    found = result()
    assert page.ratio(found, "put100", "rate", "raftcy", "etcd34") == 2.0
    assert page.ratio(found, "put100", "cpu_us", "raftcy", "etcd34") == 0.55
    assert page.ratio(found, "put100", "rate", "raftcy", "etcd37") is None
    table = page.aims(found)
    assert "| put 10/100: rate, by etcd 3.4's | ≥ 1.3 | 2.00 |" in table
    assert "| 1,000 watchers: CPU time | ≤ 3 | 2.50 |" in table
    assert "| bytes a small key: bytes | ≤ 1,536 | **1,600** |" in table
    assert "| put 1/1: median latency, by etcd 3.4's | ≤ 1.1 | - |" in table
    assert page.missed(found) == ["bytes a small key, bytes: 1600.00 of 1,536"]
    found["runs"]["etcd34"] = [figures(1, "put100", 300, 80)]
    assert page.missed(found)[0] == "put 10/100, rate by etcd 3.4's: 1.00 of 1.3"


@pytest.mark.once
def test_the_page_is_written(tmp_path: Path, monkeypatch) -> None:
    where = tmp_path / "page.md"
    where.write_text("before\n<!-- etcd-speed: begin -->\n<!-- etcd-speed: end -->\nafter\n")
    for name, path in (("ROOT", tmp_path), ("RESULTS", tmp_path), ("PAGE", where)):
        monkeypatch.setattr(command, name, path)
    command.publish(result())
    text = where.read_text()
    assert "Left out: etcd 3.7, since there is no go." in text
    assert f"| {LABELS['raftcy']} by {LABELS['etcd34']}, CPU time | 0.55 | - |" in text
    assert f"| {LABELS['raftcy']} | 1,600 |" in text
    assert json.loads((tmp_path / "2026-01-02.json").read_text()) == result()
    assert (ROOT / "docs" / "etcd-speed.md").read_text().count("<!-- etcd-speed: begin -->") == 1


@pytest.mark.once
@pytest.mark.parametrize(
    "words", [["nobody"], ["--cases", "put2"], ["--rounds", "0"], ["--share", "0"], ["--share", "11"]]
)
def test_wrong_words_are_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main(words)
