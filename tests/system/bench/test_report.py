"""Tables, plots, and the places in documents that hold them."""

import json
import sys
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bench import collect, flat, report, tables
from bench.cachegrind import per_operation
from bench.rows import ROWS, Contestant, Row, contestants
from tests.support.needs import needs_package, needs_tool

pytestmark = pytest.mark.once

MACHINE = {
    "interpreter": "CPython 3.11",
    "compiler": "gcc 12",
    "options": "-O2",
    "machine": "x86_64",
    "libc": "glibc 2.36",
    "configured_with": ["--enable-shared"],
    "system": "Linux 6",
    "processor": "some processor",
    "processors": 2,
    "load": [0.5, 0.4, 0.3],
}


def result() -> dict:
    runs = {
        "batch": {"python": [3.0, 2.0, 2.5], "compiled": [1.5, 1.0, 1.2], "go37": [8.0, 9.0, 10.0], "pure": [50.0]},
        "codec_encode": {"python": [2.0], "go37": [8.0], "upb": [4.0]},
        "node": {"python": [0.04], "go37": [8.0]},
    }
    return {
        "interrupted": False,
        "date": "2026-01-02",
        "rounds": 3,
        "revision": "abc1234",
        "machine": MACHINE,
        "load_after": [0.6, 0.4, 0.3],
        "versions": {"python": "raftcy 1 (compiled)", "go37": "etcd v3.7.0 (go1.26)"},
        "rows": {name: {"clock": "wall" if name == "node" else "cpu", "runs": each} for name, each in runs.items()},
        "memory": {"compiled": 2560.0, "go37": 4096.0},
        "series": {
            "kept": {"python": {"1000": 2.0, "10000": 2.1}, "compiled": {"1000": 1.0, "10000": 1.0}},
            "groups": {"compiled": {"1": 1.0, "10": 1.1}, "go37": {"1": 6.0, "10": 6.5}},
        },
        "flat": {
            "kept": {
                "unit": "entry",
                "ends": ["1,000 entries kept", "10,000,000 entries kept"],
                "instructions": [20_000.0, 20_400.0],
                "cpu_us": [2.0, 2.5],
            },
            "groups": {"unit": "tick", "ends": ["10 groups", "10,000 groups"], "instructions": [1_000.0, 1_051.0]},
        },
        "left_out": {"rust": "there is no cargo"},
    }


def test_ratios_are_of_the_best() -> None:
    assert tables.ratio(result(), "batch", "compiled", "go37") == 1.0 / 8.0
    assert tables.ratio(result(), "batch", "compiled", "rust") is None
    assert tables.fastest(result(), "batch") == "compiled"
    assert tables.fastest(result(), "codec_encode") == "python"


def test_the_summary() -> None:
    heads = ["Python loop", "compiled loop", "pure build", "etcd 3.7", "ours / pure build", "ours / etcd 3.7"]
    assert tables.summary(result()).splitlines() == [
        f"| µs per operation | {' | '.join(heads)} |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| batch | 2.00 | 1.00 | 50.0 | 8.00 | 0.020 | 0.12 |",
        "| codec_encode | 2.00 | - | - | 8.00 | - | 0.25 |",
        "| node (wall) | 0.040 | - | - | 8.00 | - | 0.005 |",
    ]


def test_the_short_table() -> None:
    assert tables.short(result()).splitlines() == [
        "| µs per operation | raftcy | pure build | etcd 3.7 |",
        "| --- | ---: | ---: | ---: |",
        "| an entry of 64 proposed together, three nodes | 1.00 | 50.0 | 8.00 |",
    ]
    found = result()
    found["rows"]["node3"] = found["rows"].pop("node")
    assert (
        tables.short(found).splitlines()[-1] == "| one proposal through three asyncio Nodes (wall) | 0.040 | - | 8.00 |"
    )


def test_the_full_tables_say_what_they_are_of() -> None:
    text = report.full_tables(result())
    assert tables.summary(result()) in text
    assert "| batch | 2.00 (2.50) | 1.00 (1.20) | 50.0 (50.0) | 8.00 (9.00) | - |" in text
    assert "some processor" in text
    assert "`-O2`" in text
    assert "raftcy of commit abc1234; load 0.5 before and 0.6 after" in text
    assert "etcd v3.7.0 (go1.26)" in text
    assert "raft-rs 0.7, since there is no cargo" in text
    assert "| per entry | 20,000, 2.00 µs (1,000 entries kept) | 20,400, 2.50 µs (10,000,000 entries kept) |" in text
    assert "entries kept) | 1.020 | 1.25 |" in text
    assert "| per tick | 1,000, - µs (10 groups) | 1,051, - µs (10,000 groups) | 1.051 | - |" in text


def test_what_is_not_flat_fails_the_full_report_after_writing(tmp_path, monkeypatch, capsys) -> None:
    found = result()
    lines = found.pop("flat")
    done: list[str] = []
    monkeypatch.setattr(report, "build_all", lambda wanted: ({}, {}))
    monkeypatch.setattr(report, "measure", lambda *_: found)
    monkeypatch.setattr(report, "sizes", lambda *_: {})
    monkeypatch.setattr(report, "flat_lines", lambda: lines)
    monkeypatch.setattr(report, "ROOT", tmp_path)
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "publish", lambda result: done.append("published"))
    assert report.main(["--full"]) == 1
    assert "not flat: per tick, with 10 groups and 10,000 groups: 1.051 times" in capsys.readouterr().err
    assert done == ["published"]
    assert json.loads((tmp_path / "2026-01-02.json").read_text())["flat"] == lines
    lines["groups"]["instructions"] = [1_000.0, 1_050.0]
    assert report.main(["--full"]) == 0


def test_the_kept_results_can_be_published_anew() -> None:
    for path in report.RESULTS.glob("*.json"):
        assert tables.present(json.loads(path.read_text()), ["python", "compiled"]) == ["python", "compiled"]
        assert "per entry" in report.full_tables(json.loads(path.read_text()))


@pytest.mark.parametrize(("name", "sizes"), [("backlog", (2, 60)), ("groups", (2, 4))])
def test_a_line_is_measured_at_both_ends(name: str, sizes: tuple[int, int], monkeypatch) -> None:
    needs_tool("valgrind")
    monkeypatch.setattr(flat, "_N", 100)
    monkeypatch.setattr(flat, "_TURNS", 1)
    line = flat.LINES[name]
    monkeypatch.setattr(flat, "per_operation", lambda runs: per_operation([replace(runs[0], short=10, long=30)]))
    found = flat.measure(line, sizes, "python")
    assert found["ends"] == [f"{size} {line.what}" for size in sizes]
    assert all(1_000 < each < 10_000_000 for each in found["instructions"])
    assert all(each > 0 for each in found["cpu_us"])


def test_only_what_is_between_the_markers_is_replaced(tmp_path) -> None:
    path = tmp_path / "page.md"
    path.write_text("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n")
    for _ in range(2):
        tables.replace(path, "bench", "new\n")
    assert path.read_text() == "before\n<!-- bench: begin -->\n\nnew\n\n<!-- bench: end -->\nafter\n"


@pytest.mark.parametrize(
    "text", ["nothing", "<!-- bench: begin -->", "<!-- bench: begin -->\n" * 2 + "<!-- bench: end -->"]
)
def test_a_page_without_a_place_is_left_alone(text: str, tmp_path) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises(SystemExit, match=r"page\.md has no place for bench"):
        tables.replace(path, "bench", "new")
    assert path.read_text() == text


def test_the_documents_have_a_place() -> None:
    for path in (report.ROOT / "README.md", report.ROOT / "docs" / "benchmarks.md"):
        assert path.read_text().count("<!-- bench: begin -->") == 1


def test_plots(tmp_path) -> None:
    needs_package("matplotlib")
    from bench import plots

    drawn = plots.draw(result(), tmp_path)
    assert [path.name for path in drawn] == ["peers.svg", "memory.svg", "kept.svg", "groups.svg"]
    for path in drawn:
        root = ElementTree.parse(path).getroot()
        assert root.tag.endswith("svg")
        # Text is text: as outlines, its letters would be most of the file.
        texts = [each.text or "" for each in root.iter("{http://www.w3.org/2000/svg}text")]
        assert any("compiled" in text or "RawNode" in text for text in texts)
    again = plots.draw(result(), tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn]


SCRIPT = """
import json, os, sys
n = int(sys.argv[sys.argv.index("--n") + 1])
with open(os.environ["TURNS"], "a") as file:
    file.write(f"{os.environ['WHO']} {sys.argv[1]} {n}\\n")
line = {"peer": "p", "version": "1", "build": "b", "workload": sys.argv[1], "n": n, "seconds": n, "cpu_seconds": 2 * n}
print(json.dumps(line))
"""


def test_everybody_takes_turns(tmp_path, monkeypatch) -> None:
    turns = tmp_path / "turns"
    monkeypatch.setenv("TURNS", str(turns))
    script = tmp_path / "program.py"
    script.write_text(SCRIPT)
    command = (sys.executable, str(script))
    who = {
        name: Contestant(name, name, command, {"WHO": name}, share=share) for name, share in (("a", 1.0), ("b", 0.1))
    }
    rows = [Row("w1", 100, ("a", "b"), called="one"), Row("w2", 50, ("b", "absent"), called="two", clock="wall")]
    runs = collect.in_turns(rows, who, 2, 0.5)
    assert turns.read_text().splitlines() == ["a w1 50", "b w1 5", "b w2 2"] * 2
    assert collect.figures(runs["one"]["a"], "cpu") == [2e6, 2e6]
    assert collect.figures(runs["two"]["b"], "wall") == [1e6, 1e6]
    assert collect.versions(runs) == {"a": "p 1 (b)", "b": "p 1 (b)"}


def test_a_failing_run_ends_the_report(tmp_path) -> None:
    bad = Contestant("bad", "bad", (sys.executable, "-m", "bench"))
    with pytest.raises(SystemExit, match="invalid choice"):
        collect.run(bad, Row("nothing", 1, ("bad",)), 1.0)


def test_rows_name_known_contestants() -> None:
    peers = {name: ["program"] for name in tables.LABELS}
    known = set(contestants(peers, compiled=True))
    assert {name for row in ROWS for name in row.who} == known
    assert list(contestants({}, compiled=False)) == ["pure"]
