"""Runs of the simulator write traces and recordings, and do not change by that."""

from pathlib import Path

import pytest

from raftcy import BUILD, RawNode
from raftcy.cli import main
from raftcy.core.config import Config
from raftcy.recorder import Recording, Replay
from raftcy.sim import capture
from raftcy.sim.capture import Watch
from raftcy.sim.runs import run
from tests.support.recording import make_config, storage_of
from tools.tla.check import events_of


@pytest.mark.parametrize("seed", range(3))
def test_a_watched_run_is_the_same_run(tmp_path: Path, seed: int) -> None:
    plain = run(seed, steps=400)
    with Watch(tmp_path / "run.ndjson", tmp_path / "recordings") as watch:
        watched = run(seed, steps=400, make_raw=watch.make_raw)
    assert (watched.digest, watched.events, watched.failure) == (plain.digest, plain.events, plain.failure)
    with (tmp_path / "run.ndjson").open(encoding="utf-8") as lines:
        events = events_of(lines)
    files = sorted((tmp_path / "recordings").iterdir())
    assert len(files) == [event["name"] for event in events].count("InitState")
    replayed = 0
    for file in files:
        recording = Recording.read(file)
        replayed += Replay(recording).run()
        assert recording.torn is None
        assert recording.build == BUILD
    assert replayed > 300


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sim", "replay", "3", "--steps", "100", "--until", "100"]
    assert main(command) == 0
    plain = capsys.readouterr().out
    assert main([*command, "--trace", str(tmp_path / "t.ndjson"), "--record", str(tmp_path / "r")]) == 0
    assert capsys.readouterr().out == plain
    assert (tmp_path / "t.ndjson").stat().st_size > 1000
    for file in (tmp_path / "r").iterdir():
        assert main(["replay", str(file)]) == 0
    capsys.readouterr()
    assert main([*command, "--record", str(tmp_path / "r")]) == 2
    assert "File exists" in capsys.readouterr().err
    assert main([*command, "--trace", str(tmp_path / "none" / "t.ndjson")]) == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a recording of any member's start, and a folder without the right to write."""
    (tmp_path / "node-77-1.rec").touch()
    with pytest.raises(FileExistsError, match=r"node-77-1\.rec"), Watch(None, tmp_path):
        pass
    (tmp_path / "node-77-1.rec").unlink()
    monkeypatch.setattr(capture, "access", lambda *_: False)
    with pytest.raises(PermissionError, match="Permission denied"), Watch(None, tmp_path):
        pass


class Listening:
    """A logger that wants every text."""

    def debug(self, text: str) -> None:
        pass

    info = warning = error = critical = debug


@pytest.mark.parametrize("seed", [2, 3, 13])
def test_what_is_logged_does_not_matter(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    """Recorded with every text, a run goes the same way without any, and vice versa."""
    assert main(["sim", "replay", str(seed), "--record", str(tmp_path / "all")]) == 0
    capsys.readouterr()
    with Watch(None, tmp_path / "none") as watch:
        run(seed, make_raw=watch.make_raw)
    for folder, logger in (("all", None), ("none", Listening())):
        for file in sorted((tmp_path / folder).iterdir()):
            Replay(Recording.read(file), logger=logger).run()


def test_without_files_it_makes_plain_nodes() -> None:
    with Watch() as watch:
        config: Config = make_config(storage_of(1))
        assert type(watch.make_raw(config)) is RawNode
        assert config.trace_logger is None
