"""Recorder: the node that it observes is a normal RawNode, and each call leaves a record."""

import errno
import io
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from raftcy import (
    BootstrapError,
    ConfigError,
    InvariantError,
    LogLost,
    MemoryStorage,
    Message,
    MessageType,
    Peer,
    ProposalDropped,
    RawNode,
    Stopped,
    StorageFailed,
    start_node,
)
from raftcy.recorder import FileSink, Recorder, Recording, Replay, Ring, sinks
from raftcy.recorder.records import Kind
from tests.support.recording import (
    WHOLE,
    counting,
    every_call,
    make_config,
    other_start,
    recorder_of,
    settle,
    storage_of,
)


def kinds_of(ring: Ring) -> list[Kind]:
    return [record.kind for record in Recording(ring.to_bytes()).records]


@pytest.mark.parametrize("options", [{}, {"pre_vote": True, "check_quorum": True}], ids=["plain", "cautious"])
def test_every_call_is_recorded_and_replayed(
    raftcy: ModuleType, raftcy_pure: ModuleType, options: dict[str, bool]
) -> None:
    first, second = Ring(WHOLE), Ring(WHOLE)
    if not options:
        every_call(first)
        other_start(second)
        assert {*kinds_of(first), *kinds_of(second)} == set(Kind) - {Kind.CHECKPOINT}
    else:
        storage = storage_of(1)
        node = Recorder(first, counting()).make_raw(make_config(storage, **options))
        node.campaign()
        settle(node, storage)
        second = first
    for ring in (first, second):
        for build in (raftcy, raftcy_pure):
            recorder = recorder_of(build)
            recording = recorder.Recording(ring.to_bytes())
            assert recorder.Replay(recording).run() == len(recording.records)


def test_calls_that_only_look_leave_no_record() -> None:
    ring = Ring(WHOLE)
    storage = storage_of(1)
    node = Recorder(ring).make_raw(make_config(storage))
    before = ring.size
    node.has_ready()
    node.status()
    node.basic_status()
    node.with_progress(lambda *_: None)
    assert node.id == 1
    assert node.refused_reason is None
    assert ring.size == before
    node.poll()
    node.propose_conf_change_checked(None) if node.basic_status().lead else None
    assert Kind.START in kinds_of(ring)


LOOKING = {
    "basic_status", "check_alive", "fail", "failure", "has_ready", "id", "observer", "offer_snapshots",
    "pending_work", "poll",
    "propose_conf_change_checked", "raft", "refused_reason", "status", "with_progress",
}  # fmt: skip


def test_no_call_is_forgotten() -> None:
    """Each method of RawNode is recorded, or is known to change nothing, or calls one that is recorded.

    ``take_messages`` returns no messages, so that the caller takes a Ready, which is recorded.
    """
    names = {name for name in dir(RawNode) if not name.startswith("_")}
    assert names == {str(kind) for kind in Kind} - {"start", "checkpoint"} | LOOKING | {"take_messages"}


def test_messages_alone_come_as_a_ready() -> None:
    ring = Ring(WHOLE)
    for node in (RawNode(make_config(storage_of(1, 2))), Recorder(ring).make_raw(make_config(storage_of(1, 2)))):
        node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=1))
        node.accept_ready(node.ready_without_accept())
        node.advance()
        node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=1))
        if node.observer is None:
            assert node.pending_work() == 1
            assert [m.type for m in node.take_messages() or []] == [MessageType.MSG_HEARTBEAT_RESP]
        else:
            assert node.pending_work() == 2
            assert node.take_messages() == []
            assert [m.type for m in node.ready().messages] == [MessageType.MSG_HEARTBEAT_RESP]


def test_a_recorder_makes_one_node() -> None:
    ring = Ring(WHOLE)
    recorder = Recorder(ring)
    recorder.make_raw(make_config(storage_of(1)))
    before = ring.to_bytes()
    with pytest.raises(ValueError, match=r"^a recorder records only one node$"):
        recorder.make_raw(make_config(storage_of(1)))
    assert ring.to_bytes() == before


WRONG = [
    ("propose", ("text",)),
    ("propose_conf_change", (3,)),
    ("step", (None,)),
    ("step_many", (5,)),
    ("read_index", (None,)),
    ("transfer_leader", (-1,)),
    ("report_unreachable", (2**64,)),
    ("report_snapshot", (1, 9)),
    ("apply_conf_change", (None,)),
    ("bootstrap", ([Peer(0)],)),
    ("bootstrap", ([],)),
    ("set_randomized_election_timeout", (0,)),
]


@pytest.mark.parametrize(("name", "arguments"), WRONG)
def test_wrong_arguments_meet_the_same_error(name: str, arguments: Any) -> None:
    plain = RawNode(make_config(storage_of(1)))
    recorded = Recorder(Ring(WHOLE)).make_raw(make_config(storage_of(1)))
    errors = []
    for node in (plain, recorded):
        with pytest.raises(Exception) as caught:  # noqa: PT011 (which one is what is compared)
            getattr(node, name)(*arguments)
        errors.append((type(caught.value), str(caught.value)))
    if name != "step_many":
        assert errors[0] == errors[1]
    recorded.tick()


def test_step_many_steps_nothing_if_an_item_is_wrong() -> None:
    beat = Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=5)
    ring = Ring(WHOLE)
    for node in (RawNode(make_config(storage_of(1, 2))), Recorder(ring).make_raw(make_config(storage_of(1, 2)))):
        with pytest.raises(TypeError, match=r"^m must be of Message, not int$"):
            node.step_many([beat, 7])  # type: ignore[list-item]
        assert node.basic_status().term == 0
    assert Replay(Recording(ring.to_bytes())).run() == 1


def test_an_impossible_config_is_refused_before_anything_is_written() -> None:
    ring = Ring(WHOLE)
    with pytest.raises(ConfigError, match="cannot use none as id"):
        Recorder(ring).make_raw(make_config(storage_of(1), id=0))
    with pytest.raises(TypeError):
        Recorder(ring).make_raw(None)  # type: ignore[arg-type]
    assert ring.to_bytes() == b""


def test_refusals_are_recorded() -> None:
    ring = Ring(WHOLE)
    node = Recorder(ring).make_raw(make_config(storage_of(1, 2)))
    with pytest.raises(ProposalDropped):
        node.propose(b"x")
    with pytest.raises(BootstrapError):
        node.bootstrap([Peer(1)])
    last = [str(record) for record in Recording(ring.to_bytes()).records][1:]
    assert last == [
        "propose(b'x') raised ProposalDropped: raft proposal dropped (there is no leader)",
        "bootstrap([(1, b'')]) raised BootstrapError: can't bootstrap a nonempty Storage",
    ]
    assert Replay(Recording(ring.to_bytes())).run() == 3


# -- death of a node ---------------------------------------------------------------------------------------------------


class Failing(MemoryStorage):
    """A storage whose snapshot cannot be read; it reports that by its own kind of error."""

    class DiskError(Exception):
        def __init__(self, code: int) -> None:
            super().__init__("disk", code)

    def term(self, i: int) -> int:
        if i == self.fails_at:
            raise self.DiskError(5)
        return super().term(i)

    fails_at = -1


def deadly(kind: str, recorder: Recorder) -> RawNode:
    """A node about to die, and `kill` kills it."""
    if kind == "invariant":
        return recorder.make_raw(make_config(storage_of(1), async_storage_writes=True))
    storage = Failing()
    storage.apply_snapshot(storage_of(1, 2, index=5).snapshot())
    node = recorder.make_raw(make_config(storage))
    settle(node, storage)
    storage.fails_at = 4 if kind == "storage" else -1
    return node


def kill(kind: str, node: RawNode) -> None:
    if kind == "invariant":
        node.advance()
    elif kind == "log lost":
        node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=3, commit=99))
    else:
        raise AssertionError(kind)


DEATHS = {"invariant": InvariantError, "log lost": LogLost}


@pytest.mark.parametrize("kind", DEATHS)
def test_a_death_is_recorded_and_dies_again(
    raftcy: ModuleType, raftcy_pure: ModuleType, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "ring.rec"
    ring = Ring(WHOLE, save_to=path)
    node = deadly(kind, Recorder(ring))
    assert not path.exists()
    with pytest.raises(DEATHS[kind]) as caught:
        kill(kind, node)
    saved = path.read_bytes()
    for _ in range(2):
        with pytest.raises(Stopped):
            node.tick()
    assert path.read_bytes() == saved
    assert ring.to_bytes() == saved
    for build in (raftcy, raftcy_pure):
        recorder = recorder_of(build)
        replay = recorder.Replay(recorder.Recording(saved))
        replay.run()
        with pytest.raises(build.Stopped) as again:
            replay.node.tick()
        assert type(again.value.cause).__name__ == DEATHS[kind].__name__
        assert str(again.value.cause) == str(caught.value)


def test_an_error_of_the_storage_is_recorded_and_raised_again(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    """Also an error of a class that only the application has."""
    ring = Ring(WHOLE)
    storage = Failing()
    storage.apply_snapshot(storage_of(1, 2, index=5).snapshot())
    storage.fails_at = 5
    with pytest.raises(StorageFailed) as caught:
        Recorder(ring).make_raw(make_config(storage))
    for build in (raftcy, raftcy_pure):
        recorder = recorder_of(build)
        recording = recorder.Recording(ring.to_bytes())
        assert "DiskError" in str(recording.records[0])
        assert str(caught.value) in str(recording.records[0])
        assert recorder.Replay(recording).run() == 1


def test_an_interruption_within_the_storage_is_raised_again() -> None:
    class Interrupted(MemoryStorage):
        def last_index(self) -> int:
            raise KeyboardInterrupt("now")

    ring = Ring(WHOLE)
    with pytest.raises(KeyboardInterrupt):
        Recorder(ring).make_raw(make_config(Interrupted()))
    assert Replay(Recording(ring.to_bytes())).run() == 1


@pytest.mark.parametrize("answer", ["text", None, -1])
def test_an_answer_that_no_storage_may_give_is_shown_and_not_replayed(answer: Any) -> None:
    from raftcy.recorder import ReplayDifference

    class Odd(MemoryStorage):
        def term(self, i: int) -> Any:
            return answer

    ring = Ring(WHOLE)
    plain, recorded = "", ""
    try:
        RawNode(make_config(Odd()))
    except Exception as error:
        plain = repr(error)
    try:
        Recorder(ring).make_raw(make_config(Odd()))
    except Exception as error:
        recorded = repr(error)
    assert plain == recorded
    recording = Recording(ring.to_bytes())
    assert repr(answer) in str(recording.records[0])
    with pytest.raises(ReplayDifference, match="the questions"):
        Replay(recording).run()


# -- sinks -------------------------------------------------------------------------------------------------------------


class Full(Ring):
    """A sink that fails after this many records."""

    def __init__(self, records: int) -> None:
        super().__init__(WHOLE)
        self.left = records

    def write(self, frame: bytes) -> bool:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        return super().write(frame)


def test_a_sink_that_fails_ends_the_recording_and_not_the_node() -> None:
    sink = Full(3)
    storage = storage_of(1)
    recorder = Recorder(sink)
    node = recorder.make_raw(make_config(storage))
    assert recorder.error is None
    for _ in range(5):
        node.tick()
    assert str(recorder.error) == "[Errno 28] No space left on device"
    node.campaign()
    settle(node, storage)
    assert node.basic_status().lead == 1
    assert Replay(Recording(sink.to_bytes())).run() == 3


@pytest.mark.parametrize("flush", [False, True])
@pytest.mark.parametrize("checkpoint_bytes", [0, 1])
def test_a_closed_file_ends_the_recording_and_not_the_node(tmp_path: Path, flush: bool, checkpoint_bytes: int) -> None:
    path = tmp_path / "a.rec"
    storage = storage_of(1)
    with FileSink(path, flush=flush, checkpoint_bytes=checkpoint_bytes) as sink:
        recorder = Recorder(sink)
        node = recorder.make_raw(make_config(storage))
        node.tick()
    data = path.read_bytes()
    node.tick()
    error = recorder.error
    assert error is not None
    assert (error.errno, error.filename) == (errno.EBADF, str(path))
    node.campaign()
    settle(node, storage)
    assert node.basic_status().lead == 1
    assert recorder.error is error
    assert path.read_bytes() == data
    assert Replay(Recording.read(path)).run() == (4 if checkpoint_bytes else 2)


def test_a_closed_file_hides_no_death(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "a.rec")
    recorder = Recorder(sink)
    node = deadly("invariant", recorder)
    sink.close()
    with pytest.raises(InvariantError):
        kill("invariant", node)
    assert recorder.error is not None


def test_a_node_does_not_start_on_a_closed_file(tmp_path: Path) -> None:
    sink = FileSink(tmp_path / "a.rec")
    sink.close()
    sink.close()
    with pytest.raises(OSError, match="is closed") as caught:
        Recorder(sink).make_raw(make_config(storage_of(1)))
    assert caught.value.errno == errno.EBADF
    for call in (lambda: sink.write(b""), lambda: sink.checkpoint(b""), sink.died):
        with pytest.raises(OSError, match="is closed"):
            call()


class Odd(Ring):
    """A sink that fails once, in its own way: at its third record, at its third checkpoint, or at the death."""

    def __init__(self, where: str, error: BaseException) -> None:
        super().__init__(WHOLE)
        self.where, self.error, self.count = where, error, 0

    def _fail(self, where: str) -> None:
        self.count += self.where == where
        if self.where == where and (self.count == 3 or where == "died"):
            raise self.error

    def write(self, frame: bytes) -> bool:
        self._fail("write")
        super().write(frame)
        return self.where == "checkpoint" and frame[24] != Kind.CHECKPOINT

    def checkpoint(self, frame: bytes) -> None:
        self._fail("checkpoint")
        super().checkpoint(frame)

    def died(self) -> None:
        self._fail("died")


@pytest.mark.parametrize("error", [ValueError("no"), RuntimeError("no"), MemoryError("no")], ids=repr)
@pytest.mark.parametrize("where", ["write", "checkpoint", "died"])
def test_whatever_a_sink_raises_ends_the_recording_alone(where: str, error: Exception) -> None:
    sink = Odd(where, error)
    recorder = Recorder(sink)
    node = deadly("invariant", recorder)
    for _ in range(5):
        node.tick()
    with pytest.raises(InvariantError):
        kill("invariant", node)
    found = recorder.error
    assert str(found) == f"[Errno {errno.EIO}] the sink failed: {error!r}"
    assert found is not None
    assert found.__cause__ is error
    whole = Recording(sink.to_bytes())
    assert Replay(whole).run() == len(whole.records)


@pytest.mark.parametrize("where", ["write", "checkpoint"])
def test_an_interruption_within_the_sink_is_raised_and_leaves_no_gap(where: str) -> None:
    sink = Odd(where, KeyboardInterrupt())
    recorder = Recorder(sink)
    node = recorder.make_raw(make_config(storage_of(1)))
    node.tick()
    with pytest.raises(KeyboardInterrupt):
        node.tick()
    node.tick()
    assert str(recorder.error) == f"[Errno {errno.EIO}] the sink failed: KeyboardInterrupt()"
    whole = Recording(sink.to_bytes())
    assert Replay(whole).run() == len(whole.records)


def test_a_flushed_record_is_written_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system may accept only a part of a write."""
    path = tmp_path / "a.rec"

    class Short(io.FileIO):
        def write(self, data: Any) -> int:
            return super().write(data[:7])

    def open_short(path: Path, mode: str, buffering: int) -> Any:
        return io.BufferedWriter(Short(path, mode), buffering) if buffering else Short(path, mode)

    monkeypatch.setattr(sinks, "open", open_short, raising=False)
    with FileSink(path, flush=True) as sink:
        every_call(sink)
    recording = Recording.read(path)
    assert recording.torn is None
    assert Replay(recording).run() == len(recording.records)


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    with FileSink(path) as sink:
        every_call(sink)
    data = path.read_bytes()
    with pytest.raises(FileExistsError):
        FileSink(path)
    assert path.read_bytes() == data
    recording = Recording.read(path)
    assert Replay(recording).run() == len(recording.records)


def test_a_flushed_file_is_whole_after_every_call(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    sink = FileSink(path, flush=True)
    node = Recorder(sink).make_raw(make_config(storage_of(1)))
    for count in range(1, 4):
        assert len(Recording.read(path).records) == count
        node.tick()
    sink.close()


def test_checkpoints_stand_in_a_file_and_are_held_against_the_replay(tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    with FileSink(path, checkpoint_bytes=500) as sink:
        every_call(sink)
    recording = Recording.read(path)
    marks = [record.kind for record in recording.records]
    assert marks.count(Kind.CHECKPOINT) > 2
    assert Replay(recording).run() == len(marks)
    with pytest.raises(ValueError, match="must not be negative"):
        FileSink(tmp_path / "b.rec", checkpoint_bytes=-1)
    assert not (tmp_path / "b.rec").exists()


@pytest.mark.parametrize("max_bytes", [4096, 10_000, 100_000])
def test_a_ring_keeps_to_its_size_and_holds_the_newest(max_bytes: int) -> None:
    ring = Ring(max_bytes)
    storage = storage_of(1)
    node = Recorder(ring, counting()).make_raw(make_config(storage))
    node.campaign()
    settle(node, storage)
    largest = 0
    for count in range(3000):
        node.propose(b"%d" % count)
        settle(node, storage)
        largest = max(largest, ring.size)
        if count % 500 == 0:
            recording = Recording(ring.to_bytes())
            assert Replay(recording).run() == len(recording.records)
    assert largest <= max_bytes
    assert largest > max_bytes // 2
    recording = Recording(ring.to_bytes())
    assert recording.records[0].kind == Kind.CHECKPOINT
    assert recording.records[0].number > 1000
    assert recording.records[-1].kind == Kind.ADVANCE
    replay = Replay(recording)
    replay.run()
    assert replay.node is not None
    assert replay.node.basic_status() == node.basic_status()


def test_a_state_larger_than_the_ring_is_kept_all_the_same() -> None:
    """One segment is always kept, and checkpoints do not follow each other directly."""
    ring = Ring(4096)
    node = Recorder(ring, counting()).make_raw(make_config(storage_of(1, 2, 3)))
    node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=5))
    for index in range(3, 60):
        from raftcy import Entry

        e = Entry(index=index, term=5 if index > 2 else 1, data=b"x" * 500)
        before = 1 if index == 3 else 5
        node.step(
            Message(type=MessageType.MSG_APP, from_=2, to=1, term=5, index=index - 1, log_term=before, entries=[e])
        )
    recording = Recording(ring.to_bytes())
    assert recording.records[0].kind == Kind.CHECKPOINT
    assert len(recording.records) > 3
    assert Replay(recording).run() == len(recording.records)


def test_a_ring_is_not_too_small() -> None:
    with pytest.raises(ValueError, match="at least 4096"):
        Ring(4095)


def test_saving_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "ring.rec"
    path.write_bytes(b"old")
    ring = Ring(WHOLE)
    every_call(ring)
    ring.save(path)
    assert path.read_bytes() == ring.to_bytes()
    assert list(tmp_path.iterdir()) == [path]


# -- with a Node -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("peers", [[Peer(1)], []], ids=["bootstrapped", "empty"])
async def test_a_node_for_asyncio_records(peers: list[Peer]) -> None:
    ring = Ring(WHOLE)
    storage = MemoryStorage()

    config = make_config(storage, random=random.Random(1))
    async with start_node(config, peers, make_raw=Recorder(ring).make_raw) as node:
        if peers:
            rd = await node.ready()
            storage.append(rd.entries)
            if rd.hard_state is not None:
                storage.set_hard_state(rd.hard_state)
            node.advance()
        node.tick()
        await node.campaign()
        node.status()
    recording = Recording(ring.to_bytes())
    assert recording.records[1].kind == (Kind.BOOTSTRAP if peers else Kind.BEGIN_EMPTY)
    assert Replay(recording).run() == len(recording.records)
