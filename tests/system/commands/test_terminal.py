"""Commands as a person sees them in a terminal: progress, ctrl-C with what had passed, colours, exit statuses."""

import json
import os
import re
import time
from pathlib import Path

import pytest

from raftcy.recorder import FileSink, Recorder
from tests.support.recording import counting, make_config, settle, storage_of
from tests.support.terminal import Terminal

pytestmark = [pytest.mark.once, pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")]

ERASE = "\r\x1b[K"


def test_sim_shows_progress_and_ends_with_what_had_passed() -> None:
    with Terminal("raftcy", "sim", "--seeds", "100000", "--from", "1", "--jobs", "2") as terminal:
        terminal.until("seeds/s")
        assert re.search(r"raftcy sim: \d+ of 100000 seeds, 0 failed, [\d.]+ seeds/s, \d+ events/s", terminal.text)
        seconds = terminal.interrupt()
        assert terminal.process.returncode == 130
        # The line of the progress is erased first, and the last lines are the summary and what happened.
        told = terminal.text.rpartition(ERASE)[2].replace("\r", "").splitlines()
        assert re.fullmatch(r"\d+ seeds passed, 0 failed", told[-2].removeprefix("^C"))
        assert told[-1] == "raftcy sim: interrupted"
        assert seconds < 30


def test_no_colour_anywhere() -> None:
    """There are none, so NO_COLOR has nothing to turn off; only a line that is erased is written with an escape."""
    with Terminal("raftcy", "sim", "--seeds", "30", "--from", "1", "--steps", "200", "--jobs", "1") as terminal:
        assert terminal.wait() == 0
        assert "\x1b" not in terminal.text.replace(ERASE, "")
        assert terminal.text.splitlines()[-1] == "30 seeds passed, 0 failed"


def test_rafttest_is_interrupted_with_its_totals(tmp_path: Path) -> None:
    script = "add-nodes 3 voters=(1,2,3) index=2\n----\nok\n"
    for number in range(5000):
        (tmp_path / f"{number}.txt").write_text(script)
    with Terminal("raftcy.rafttest", "interaction", str(tmp_path)) as terminal:
        terminal.until(" of 5000 scripts")
        terminal.interrupt()
        assert terminal.process.returncode == 130
        assert re.search(r"raftcy\.rafttest: interrupted\r?\n\d+ passed, \d+ failed\r?\n$", terminal.text)


def test_replay_is_interrupted_with_its_count(tmp_path: Path) -> None:
    file = tmp_path / "long.rec"
    with FileSink(file) as sink:
        storage = storage_of(1)
        node = Recorder(sink, counting()).make_raw(make_config(storage))
        node.campaign()
        settle(node, storage)
        for _ in range(300_000):
            node.tick()
    with Terminal("raftcy", "replay", str(file)) as terminal:
        terminal.until("raftcy replay: ")
        terminal.interrupt()
        assert terminal.process.returncode == 130
        assert re.search(r"\d+ of \d+ records replayed on the \w+ build, as recorded", terminal.text)
        assert terminal.text.rstrip().endswith("raftcy replay: interrupted")


def test_bench_is_interrupted_with_what_was_measured(tmp_path: Path) -> None:
    """Without peers: PATH has no go and no cargo, and of the rest only ours takes part in this row."""
    with Terminal("bench.report", "batch", "--rounds", "100", PATH=str(tmp_path)) as terminal:
        terminal.until("building go37 (1 of ")
        terminal.until("round 2 of 100: ")
        terminal.interrupt()
        assert terminal.process.returncode == 130
        told = terminal.text.replace("\r", "")
        assert "etcd 3.7 is left out: there is no go\n" in told
        assert re.search(r"round 1 of 100: \d+ of \d+ runs, batch by \w+", told)
        assert re.search(r"interrupted: the figures are those of \d+ of 100 rounds\n", told)
        assert re.search(r"^\| batch \| [\d.]+ \([\d.]+\) ", told, re.MULTILINE)
        assert "Traceback" not in told


def test_bench_in_its_first_round_prints_the_runs_that_had_ended(tmp_path: Path) -> None:
    with Terminal("bench.report", "batch", "replicate1", "--json", PATH=str(tmp_path)) as terminal:
        terminal.until("round 1 of 5: 2 of ")
        terminal.interrupt()
        assert terminal.process.returncode == 130
        told = terminal.text.replace("\r", "")
        assert re.search(r"interrupted: the figures are those of \d of \d runs\n", told)
        found = json.loads(told[told.index("{") :])
        assert found["interrupted"] is True
        assert all(len(runs) == 1 for row in found["rows"].values() for runs in row["runs"].values())


def test_one_run_of_the_bench_is_interrupted_in_one_line() -> None:
    with Terminal("bench", "single", "--n", "100000000") as terminal:
        time.sleep(1.5)
        terminal.interrupt()
        assert terminal.process.returncode == 130
        assert terminal.text.replace("\r", "") == "^Cbench: interrupted\n"
