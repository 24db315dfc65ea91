"""The recorder's command line, and the comparison of recordings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from raftcy import BUILD
from raftcy._build import SWITCH
from raftcy.cli import main
from raftcy.recorder import FileSink, Recorder, Recording, Replay, ReplayDifference, Ring, first_difference
from raftcy.recorder.blocks import FRAME_SIZE, HEAD_SIZE, frame_bytes, read_header
from raftcy.recorder.pack import pack
from raftcy.recorder.records import Kind
from tests.support.needs import ROOT
from tests.support.recording import WHOLE, counting, every_call, make_config, settle, storage_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A recording of every call."""
    path = tmp_path / "node.rec"
    with FileSink(path) as sink:
        every_call(sink)
    return path


def changed(data: bytes, number: int, **fields: bytes) -> bytes:
    """The recording with one record rewritten, checksums included."""
    at = read_header(data)[1]
    recording = Recording(data)
    ends = [record.offset for record in recording.records[1:]] + [len(data)]
    out = data[:at]
    for record, end in zip(recording.records, ends, strict=True):
        if record.number != number:
            out += data[record.offset : end]
            continue
        given = fields.get("given", record.given)
        begin = record.offset + HEAD_SIZE + len(record.given) + len(record.outcome)
        answers = data[begin : end - FRAME_SIZE + HEAD_SIZE]
        outcome = fields.get("outcome", record.outcome)
        out += frame_bytes(number, record.time_ns, record.kind, given, outcome, [fields.get("answers", answers)])
    return out


def of_kind(path: Path, kind: Kind) -> int:
    return next(record.number for record in Recording.read(path).records if record.kind == kind)


def test_a_replay_that_does_as_recorded(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(file)]) == 0
    out = capsys.readouterr().out
    count = len(Recording.read(file).records)
    assert out.startswith("node 1, recorded by raftcy ")
    assert out.endswith(f"{count} records replayed on the {BUILD} build, as recorded\n")


def test_show_prints_each_record(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(file), "--show", "--log"]) == 0
    out = capsys.readouterr().out
    assert "propose(b'data') returned" in out
    assert "first_index() -> 1" in out
    assert "    | 1 became leader at term 2\n" in out


@pytest.mark.parametrize("kind", [Kind.STEP, Kind.PROPOSE, Kind.TRANSFER_LEADER])
def test_until_stops_before_a_record_and_prints_the_state(
    file: Path, kind: Kind, capsys: pytest.CaptureFixture[str]
) -> None:
    number = of_kind(file, kind)
    assert main(["replay", str(file), "--until", str(number)]) == 0
    out = capsys.readouterr().out
    assert f"{number} records replayed" in out
    assert "BasicStatus(id=1, term=2" in out
    assert "members: voters=(1 2 3)" in out
    assert "\npeer 2: State" in out
    assert f"next: {number} " in out
    assert f" {kind}(" in out.splitlines()[-1] or "first_index" in out


def test_until_beyond_the_end(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(file), "--until", "100000"]) == 0
    assert capsys.readouterr().out.endswith("the recording ends here\n")


@pytest.mark.parametrize("number", ["x", "-1"])
def test_until_takes_a_number(file: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["replay", str(file), f"--until={number}"])
    assert caught.value.code == 2
    assert "--until" in capsys.readouterr().err


def test_files_that_cannot_be_read(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(tmp_path / "none.rec")]) == 2
    assert "none.rec: No such file or directory\n" in capsys.readouterr().err
    assert main(["replay", str(tmp_path)]) == 2
    assert "Is a directory" in capsys.readouterr().err
    (tmp_path / "other").write_text("something else\n")
    assert main(["replay", str(tmp_path / "other")]) == 1
    assert "not a recording: it does not start like one at offset 0" in capsys.readouterr().err
    newer = bytearray(file.read_bytes())
    newer[8] = 7
    (tmp_path / "newer").write_bytes(newer)
    assert main(["replay", str(tmp_path / "newer")]) == 1
    assert "a recording of format 7; this version of raftcy reads format 3" in capsys.readouterr().err


def test_a_damaged_file_says_where_and_can_be_salvaged(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = of_kind(file, Kind.READ_INDEX)
    offset = next(record.offset for record in Recording.read(file).records if record.number == number)
    data = bytearray(file.read_bytes())
    data[offset + 40] ^= 1
    damaged = tmp_path / "damaged.rec"
    damaged.write_bytes(data)
    assert main(["replay", str(damaged)]) == 1
    assert capsys.readouterr().err == (
        f"raftcy replay: the record after record {number - 1} is damaged at offset {offset}\n"
    )
    assert main(["replay", str(damaged), "--salvage"]) == 0
    out = capsys.readouterr().out
    assert f"is damaged at offset {offset}; what stands before that is replayed" in out
    assert f"{number} records replayed" in out


def test_a_torn_file_is_replayed_as_far_as_it_goes(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torn = tmp_path / "torn.rec"
    torn.write_bytes(file.read_bytes()[:-5])
    assert main(["replay", str(torn)]) == 0
    assert "breaks off in the middle of a record at offset" in capsys.readouterr().out


def test_a_file_without_records(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty.rec"
    data = file.read_bytes()
    empty.write_bytes(data[: read_header(data)[1]])
    for more in ([], ["--until", "3"]):
        assert main(["replay", str(empty), *more]) == 0
        assert "no records" in capsys.readouterr().out
    assert Replay(Recording.read(empty)).next is None
    with pytest.raises(EOFError):
        Replay(Recording.read(empty)).step()


# -- differences -------------------------------------------------------------------------------------------------------


def test_another_input_is_noticed_at_once(tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The replay takes another way than recorded, and the output shows both ways."""
    data = file.read_bytes()
    number = of_kind(file, Kind.PROPOSE)
    other = tmp_path / "other.rec"
    other.write_bytes(changed(data, number, given=b"\1other"))
    assert main(["replay", str(other)]) == 1
    err = capsys.readouterr().err
    assert "differs in the outcome of ready" in err
    assert "\n  recorded: Ready: " in err
    assert "\n  replayed: Ready: " in err
    assert main(["replay", str(file), "--diff", str(other)]) == 1
    out = capsys.readouterr().out
    assert out.startswith(f"record {number} differs in the call\n  one:   propose(b'data')")
    assert "\n  other: propose(b'other')" in out


def test_another_outcome_is_noticed(file: Path) -> None:
    data = file.read_bytes()
    number = of_kind(file, Kind.ADVANCE)
    wrong = changed(data, number, outcome=b"\3" + pack(["RaftError", "no", None]))
    with pytest.raises(ReplayDifference) as caught:
        Replay(Recording(wrong)).run()
    assert caught.value.record == number
    assert str(caught.value) == (
        f"record {number} differs in the outcome of advance\n  recorded: raised RaftError: no\n  replayed: returned"
    )


@pytest.mark.parametrize(
    ("answers", "recorded", "replayed"),
    [
        (b"", "no more questions", "randrange(10)"),
        (b"\7\x10\0\0\0" + bytes([10, *[0] * 7, 5, *[0] * 7]) * 2, "", ""),
        (b"\4\x08\0\0\0" + bytes(8), "first_index() -> 0", "randrange(10)"),
    ],
)
def test_other_questions_are_noticed(file: Path, answers: bytes, recorded: str, replayed: str) -> None:
    number = of_kind(file, Kind.CAMPAIGN)
    if not recorded:
        # One answer more than the call asked for.
        whole = Recording.read(file).records[number]
        assert [answer.question for answer in whole.answers].count("randrange") == 1
        answers = answers[: len(answers) // 2 + 5]
        data = file.read_bytes()
        end = Recording.read(file).records[number + 1].offset
        kept = data[whole.offset + HEAD_SIZE : end - FRAME_SIZE + HEAD_SIZE]
        wrong = changed(data, number, answers=kept + answers[:21])
        with pytest.raises(ReplayDifference, match="no more questions"):
            Replay(Recording(wrong)).run()
        return
    wrong = changed(file.read_bytes(), number, answers=answers)
    with pytest.raises(ReplayDifference) as caught:
        Replay(Recording(wrong)).run()
    assert (caught.value.record, caught.value.recorded) == (number, recorded)
    assert caught.value.replayed in (replayed, "first_index()", "term(3)", "entries(1, 4, 18446744073709551615)")


def test_another_state_is_noticed_at_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    with FileSink(path, checkpoint_bytes=600) as sink:
        every_call(sink)
    recording = Recording.read(path)
    place, mark = next((n, each) for n, each in enumerate(recording.records) if each.kind == Kind.CHECKPOINT)
    state = mark.arguments[0]
    state["raft"]["election_elapsed"] += 1
    data = path.read_bytes()
    end = recording.records[place + 1].offset
    wrong = data[: mark.offset] + frame_bytes(mark.number, 0, 1, pack(state), b"", []) + data[end:]
    with pytest.raises(ReplayDifference, match="differs in the state, raft, election_elapsed"):
        Replay(Recording(wrong)).run()


def ring_of(count: int, size: int = WHOLE, **options: int) -> Recording:
    ring = Ring(size)
    storage = storage_of(1)
    node = Recorder(ring, counting()).make_raw(make_config(storage, **options))
    node.campaign()
    settle(node, storage)
    for number in range(count):
        node.propose(b"%d" % number)
        settle(node, storage)
    return Recording(ring.to_bytes())


def test_equal_runs_do_not_differ() -> None:
    """Also if a ring holds only the end of it, and has checkpoints at other places."""
    whole = ring_of(300)
    assert first_difference(whole, ring_of(300)) is None
    small = ring_of(300, 5000)
    assert small.records[0].number > 100
    assert first_difference(whole, small) is None
    assert first_difference(small, ring_of(300, 9000)) is None


def test_a_longer_run_differs_by_its_end() -> None:
    found = first_difference(ring_of(3), ring_of(4))
    assert found is not None
    assert found.what == "being there"
    assert found.one == "the recording ends"
    assert found.other.startswith("propose(b'3')")
    back = first_difference(ring_of(4), ring_of(3))
    assert back is not None
    assert (back.number, back.other) == (found.number, "the recording ends")


def test_another_config_is_a_difference() -> None:
    found = first_difference(ring_of(1), ring_of(1, heartbeat_tick=2))
    assert str(found) == "the Config differs in heartbeat_tick\n  one:   1\n  other: 2"


def test_diff_of_a_file_with_itself(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(file), "--diff", str(file)]) == 0
    assert capsys.readouterr().out == "no difference\n"


@pytest.fixture
def other(tmp_path: Path, file: Path) -> Path:
    """A recording that differs from `file` in its first proposal."""
    path = tmp_path / "other.rec"
    path.write_bytes(changed(file.read_bytes(), of_kind(file, Kind.PROPOSE), given=b"\1other"))
    return path


def test_diff_stops_before_a_record(file: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = of_kind(file, Kind.PROPOSE)
    command = ["replay", str(file), "--diff", str(other), "--until"]
    assert main([*command, str(number)]) == 0
    assert capsys.readouterr().out == f"no difference before record {number}\n"
    for until in (number + 1, 100_000):
        assert main([*command, str(until)]) == 1
        assert capsys.readouterr().out.startswith(f"record {number} differs in the call\n")


def test_a_diff_of_nothing_fails(tmp_path: Path, file: Path, other: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(file), "--diff", str(other), "--until", "0"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "raftcy replay: nothing to compare before record 0: both recordings have records from 0 on\n"


@pytest.mark.parametrize("until", [3, 7, 10_000])
def test_recordings_that_differ_only_beyond_the_limit_are_equal(until: int) -> None:
    short, long = ring_of(3), ring_of(4)
    end = short.records[-1].number + 1
    assert first_difference(short, long, min(until, end)) is None
    assert first_difference(long, short, min(until, end)) is None
    found = first_difference(short, long, end + 1)
    assert found is not None
    assert (found.number, found.one) == (end, "the recording ends")


def test_a_bound_before_what_a_ring_holds() -> None:
    whole, small = ring_of(300), ring_of(300, 5000)
    first = next(record.number for record in small.records if record.kind != Kind.CHECKPOINT)
    for one, two in ((whole, small), (small, whole)):
        with pytest.raises(ValueError, match=f"before record {first}: both recordings have records from {first} on"):
            first_difference(one, two, first)
        assert first_difference(one, two, first + 1) is None


MEANINGLESS = [
    (["--diff", "OTHER", "--show"], "--show"),
    (["--diff", "OTHER", "--log"], "--log"),
    (["--diff", "OTHER", "--pdb"], "--pdb"),
    (["--diff", "OTHER", "--pdb", "--until", "3"], "--pdb"),
    (["--pdb", "--show"], "--show"),
    (["--pdb", "--log", "--until", "3"], "--log"),
]


@pytest.mark.parametrize(("options", "refused"), MEANINGLESS, ids=[" ".join(each) for each, _ in MEANINGLESS])
def test_options_that_say_nothing_together_are_refused(
    tmp_path: Path, options: list[str], refused: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Refused before any file is opened; the file does not exist."""
    with pytest.raises(SystemExit) as caught:
        main(["replay", str(tmp_path / "none.rec"), *options])
    assert caught.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == (
        f"python -m raftcy replay: error: {refused} has no meaning with {options[0]}"
    )


# -- pdb ---------------------------------------------------------------------------------------------------------------


def debugged(file: Path, commands: str, *more: str, build: str = BUILD) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), SWITCH: "1" if build == "pure" else "0"}
    command = [sys.executable, "-m", "raftcy", "replay", str(file), "--pdb", *more]
    done = subprocess.run(command, input=commands, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.once
@pytest.mark.parametrize("build", sorted({BUILD, "pure"}))
def test_pdb_stops_in_the_pure_core(file: Path, build: str) -> None:
    """Whichever build runs, it is possible to step into the state machine."""
    number = of_kind(file, Kind.READ_INDEX)
    commands = "p record.number, node.raft.state\nb raftcy/core/raft.py:_step_leader\nc\np m\nc\n"
    out = debugged(file, commands.replace("b raftcy", f"b {ROOT}/raftcy"), "--until", str(number), build=build)
    assert f"({number}, 2)" in out
    assert "before record: read_index(b'read')" in out


@pytest.mark.once
def test_pdb_stops_before_the_last_record(file: Path) -> None:
    last = Recording.read(file).records[-1]
    assert f"before record: {last.kind}(" in debugged(file, "c\n")


@pytest.mark.once
@pytest.mark.parametrize("commands", ["q\n", f"b {ROOT}/raftcy/core/raft.py:_forget_leader\nc\nq\n"])
def test_leaving_pdb_does_not_fail(file: Path, commands: str) -> None:
    """Neither before the call nor inside it."""
    number = of_kind(file, Kind.FORGET_LEADER)
    out = debugged(file, commands, "--until", str(number))
    assert "differs" not in out


@pytest.mark.once
def test_pdb_at_the_end_and_in_a_file_without_records(tmp_path: Path, file: Path) -> None:
    assert "before record: None" in debugged(file, "p node.id\nc\n", "--until", "100000")
    empty = tmp_path / "empty.rec"
    data = file.read_bytes()
    empty.write_bytes(data[: read_header(data)[1]])
    assert "before record: None" in debugged(empty, "c\n")
