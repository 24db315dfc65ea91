"""A group's machine, as a driver has it."""

import io
import threading
from types import ModuleType
from typing import Any

import pytest

from tests.support.machines import Applied, Log, module, noted


def test_what_a_machine_is_given(build: ModuleType) -> None:
    """Index, term and time of each; commands only; in as few calls as may be."""
    e = module(build, "envelope")
    machine = noted(build)()
    group = Applied(build, machine)
    log = group.log
    entries = [
        log.add(b"a"),
        log.add(b""[:0] + e.plain(b"")),
        log.add(e.time_passed(1, 7)),
        log.add(b"b"),
        log.add(b"c"),
    ]
    assert group.group.apply(entries) == [[b"a", 1], [b"", 2], None, [b"b", 3], [b"c", 4]]
    assert machine.given == [(1, b"a", 0, 0), (2, b"", 0, 0), (4, b"b", 7, 0), (5, b"c", 7, 0)]
    assert machine.calls == [2, 2]


def test_a_command_says_where_it_is(build: ModuleType) -> None:
    room = module(build)
    seen: list[Any] = []

    class Seeing(room.StateMachine):
        def apply_one(self, command: Any) -> None:
            seen.append(command)

    group = Applied(build, Seeing())
    group.put(b"x", term=4)
    assert seen == [room.Command(index=1, term=4, data=b"x", time_ms=0, session=0)]
    assert (seen[0].index, seen[0].term, seen[0].data) == (1, 4, b"x")


def test_a_malformed_entry_changes_nothing(build: ModuleType) -> None:
    group = Applied(build, noted(build)())
    before = group.group.capture()
    for data in (b"\xc1", b"\xc1\x01", b"\xc1\x02\x05", b"\xc1\x05\x01\x00", b"\xc1\x00x"):
        refused = group.put(data)
        assert isinstance(refused, build.CommandError)
        assert refused.reason == "malformed"
    assert group.group.capture() == before


def test_a_machine_that_fails_says_where(build: ModuleType) -> None:
    group = Applied(build, noted(build)())
    entries = [group.log.add(data) for data in (b"a", b"fail", b"b")]
    with pytest.raises(
        build.MachineFailed, match=r"at entry 2, command b'fail': RuntimeError: a disk is full"
    ) as caught:
        group.group.apply(entries)
    assert (caught.value.index, caught.value.last, caught.value.command) == (2, 2, b"fail")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_machine_that_takes_all_at_once_says_among_which(build: ModuleType) -> None:
    room = module(build)

    class Whole(room.StateMachine):
        def apply(self, commands: Any) -> Any:
            if any(command.data == b"fail" for command in commands):
                raise KeyError("x")
            return [None] * (len(commands) - 1)

    group = Applied(build, Whole())
    entries = [group.log.add(data) for data in (b"a" * 100, b"fail")]
    with pytest.raises(build.MachineFailed, match="within entries 1 to 2: KeyError"):
        group.group.apply(entries)
    with pytest.raises(
        build.MachineFailed, match=r"at entry 1, command b'a{64}'\.\.\.: InvariantError: 0 answers to 1"
    ):
        group.group.apply(entries[:1])


def test_a_machine_without_its_methods(build: ModuleType) -> None:
    group = Applied(build, module(build).StateMachine())
    with pytest.raises(build.MachineFailed, match="NotImplementedError: StateMachine has neither apply nor apply_one"):
        group.put(b"x")
    with pytest.raises(build.MachineFailed, match="with a snapshot: NotImplementedError: StateMachine has no capture"):
        group.group.capture()


@pytest.mark.parametrize("most", [(1, 100), (2, 100), (100, 3), (100, 1)])
def test_slices(build: ModuleType, most: tuple[int, int]) -> None:
    """Some entries at each step, the same answers, whole entries however long they are."""
    machine = noted(build)()
    group = Applied(build, machine)
    entries = [group.log.add(data) for data in (b"a", b"bb", b"cccc", b"d", b"e")]
    steps = list(group.group.slices(entries, *most))
    assert [answer for step in steps for answer in step] == [
        [data, n] for n, data in enumerate((b"a", b"bb", b"cccc", b"d", b"e"), 1)
    ]
    sizes = {(1, 100): [1] * 5, (2, 100): [2, 2, 1], (100, 3): [2, 1, 2], (100, 1): [1] * 5}
    assert [len(step) for step in steps] == sizes[most]
    assert list(group.group.slices([])) == []


def test_nothing_is_applied_ahead_of_a_step(build: ModuleType) -> None:
    machine = noted(build)()
    group = Applied(build, machine)
    steps = group.group.slices([group.log.add(bytes([n])) for n in range(10)], 3)
    for count in (3, 6, 9, 10):
        next(steps)
        assert len(machine.given) == count


def test_a_capture_is_of_one_moment(build: ModuleType) -> None:
    """Written late, after more was applied, in slices between which more is applied, or on a thread."""
    dictionary = module(build, "dictionary")
    e = module(build, "envelope")
    group = Applied(build, dictionary.Dictionary())
    encode = group.group.machine.encode
    session = group.put(e.open_session(1000))
    for n in range(2000):
        group.put(encode(dictionary.Put(f"key {n}", bytes(100))))
    expected = group.group.capture()

    late = group.group.capture_state()
    sliced = group.group.capture_state()
    threaded = group.group.capture_state()
    assert sliced.sliceable
    files = [io.BytesIO() for _ in range(3)]
    thread = threading.Thread(target=threaded.write, args=(files[2],))
    thread.start()
    steps = 0
    for _ in sliced.slices(files[1]):
        steps += 1
        group.put(e.session_command(session, steps, 0, encode(dictionary.Put(f"key {steps}", b"new"))))
        group.put(encode(dictionary.Delete(f"key {2000 - steps}")))
    assert steps >= 4
    thread.join()
    late.write(files[0])
    assert [file.getvalue() == expected for file in files] == [True] * 3
    assert group.group.capture() != expected


def test_a_capture_that_only_writes(build: ModuleType) -> None:
    room = module(build)

    class Written(room.StateMachine):
        def capture(self) -> Any:
            class Whole:
                def write(self, file: Any) -> None:
                    file.write(b"one ")
                    file.write(b"two")

            return Whole()

        def restore(self, file: Any) -> None:
            self.restored = file.read()

    group = Applied(build, Written())
    captured = group.group.capture_state()
    assert not captured.sliceable
    file = io.BytesIO()
    captured.write(file)
    other = Applied(build, Written())
    other.group.restore_state(io.BytesIO(file.getvalue()), 1)
    assert other.group.machine.restored == b"one two"


def test_a_capture_of_another_type_is_refused(build: ModuleType) -> None:
    room = module(build)

    class Odd(room.StateMachine):
        def capture(self) -> Any:
            return {"not": "bytes"}

    with pytest.raises(build.MachineFailed, match="capture must return bytes or what has write, not dict"):
        Applied(build, Odd()).group.capture()


def snapshot(build: ModuleType, group: Applied) -> Any:
    metadata = build.SnapshotMetadata(index=len(group.log.entries), term=1, conf_state=group.members)
    return build.Snapshot(data=group.group.capture(), metadata=metadata)


def test_a_snapshot_has_all_of_it(build: ModuleType) -> None:
    e = module(build, "envelope")
    group = Applied(build, noted(build)())
    group.group.machine.knows = 3
    group = Applied(build, group.group.machine)
    session = group.put(e.open_session(500))
    answer = group.put(e.session_command(session, 1, 0, b"a"))
    group.pass_ms(300)
    for member in (1, 2):
        group.put(e.version_report(member, 2))

    machine = noted(build)()
    machine.knows = 3
    other = Applied(build, machine)
    other.log.entries = list(group.log.entries)
    other.group.restore(snapshot(build, group))
    assert other.group.capture() == group.group.capture()
    assert other.group.time_ms == 300
    for each in (group, other):
        assert each.put(e.session_command(session, 1, 0, b"a")) == answer
        each.put(e.version_report(3, 3))
        assert (each.group.version, each.group.machine.version) == (2, 2)
        each.pass_ms(1500)
        assert session not in each.group.sessions
    assert other.group.capture() == group.group.capture()


def test_damage_to_the_head_changes_nothing(build: ModuleType) -> None:
    """The session table is checked before the first field is replaced."""
    e = module(build, "envelope")
    group = Applied(build, noted(build)())
    session = group.put(e.open_session(500))
    group.put(e.session_command(session, 1, 0, b"a"))
    good = snapshot(build, group)
    other = Applied(build, noted(build)())
    other.put(b"mine")
    before = other.group.capture()
    head_ends = good.data.index(b"[(")
    for at in range(head_ends - 8):
        data = bytearray(good.data)
        data[at] ^= 0x10
        with pytest.raises((build.Corruption, build.UpgradeNeeded)):
            other.group.restore(build.Snapshot(data=bytes(data), metadata=good.metadata))
        assert other.group.capture() == before


@pytest.mark.parametrize("cut", [b"", b"\1", b"\1\0\1", b"\1\0\1\0\1", b"\2\0\1\0\0", b"\1\0\1\0\0\0", b"\1\0\0\0\0"])
def test_a_head_is_read_strictly(build: ModuleType, cut: bytes) -> None:
    """With its own checksum right, too."""
    file = io.BytesIO()
    writer = module(build, "statefile").StateWriter(file)
    writer.write(cut)
    writer.end()
    writer.end()
    group = Applied(build, noted(build)())
    with pytest.raises((build.Corruption, build.UpgradeNeeded), match="head"):
        group.group.restore_state(io.BytesIO(file.getvalue()), 1)


def test_many_sessions_are_written_in_slices(build: ModuleType) -> None:
    """Their answers are copied at once, and encoded later."""
    e = module(build, "envelope")
    group = Applied(build, noted(build)())
    for _ in range(3):
        id = group.put(e.open_session(1000))
        for number in range(1, 501):
            group.put(e.session_command(id, number, 0, bytes(200)))
    expected = group.group.capture()
    captured, file = group.group.capture_state(), io.BytesIO()
    steps = 0
    for _ in captured.slices(file):
        steps += 1
        group.put(e.acknowledge(id, steps))
    assert steps >= 3
    assert file.getvalue() == expected


def test_a_machine_that_cannot_restore(build: ModuleType) -> None:
    group = Applied(build, noted(build)())
    data = group.group.capture()

    class Never(type(group.group.machine)):  # type: ignore[misc]
        def restore(self, file: Any) -> None:
            raise ValueError("not mine")

    with pytest.raises(build.MachineFailed, match="with a snapshot: ValueError: not mine"):
        Applied(build, Never()).group.restore_state(io.BytesIO(data), 1)


# -- on disk -----------------------------------------------------------------------------------------------------


def on_disk(build: ModuleType, keeps: bool = True) -> type:
    """A machine whose `disk` outlives it; it can lose no part of a call, as by a transaction."""
    room = module(build)

    class OnDisk(room.OnDiskMachine):
        keeps_answers = keeps

        def __init__(self, disk: dict[str, Any]) -> None:
            self.disk = disk
            disk.setdefault("applied", 0)
            disk.setdefault("data", [])
            disk.setdefault("answers", {})

        @property
        def applied(self) -> int:
            return self.disk["applied"]

        def apply(self, commands: Any) -> list[Any]:
            answers = []
            for command in commands:
                if command.index <= self.applied:
                    raise RuntimeError(f"entry {command.index} comes again")
                self.disk["data"].append(command.data)
                self.disk["applied"] = command.index
                answers.append([command.data, len(self.disk["data"])])
                if command.session:
                    self.disk["answers"][command.index] = answers[-1]
            return answers

        def kept_answer(self, index: int) -> Any:
            return self.disk["answers"][index]

        def capture(self) -> bytes:
            return repr(self.disk).encode()

        def restore(self, file: Any) -> None:
            self.disk.clear()
            self.disk.update(eval(file.read()))

    return OnDisk


@pytest.mark.parametrize("applied", range(9))
def test_a_machine_on_disk_is_given_only_what_is_new(build: ModuleType, applied: int) -> None:
    """Sessions are followed from the start all the same, with the answers that the machine has kept."""
    e = module(build, "envelope")
    kind = on_disk(build)
    log = Log(build)
    commands = [
        b"a",
        e.open_session(500),
        e.session_command(2, 1, 0, b"b"),
        e.plain(b""),
        e.session_command(2, 1, 0, b"b"),
    ]
    commands += [b"c", e.session_command(2, 2, 0, b"d"), e.session_command(2, 1, 0, b"b")]
    entries = [log.add(data) for data in commands]
    whole = Applied(build, kind({}))
    answers = whole.group.apply(entries)

    disk: dict[str, Any] = {}
    Applied(build, kind(disk)).group.apply(entries[:applied])
    again = Applied(build, kind(disk))
    at = disk["applied"]
    assert again.group.machine_applied == at
    found = again.group.apply(entries)
    assert disk["data"] == [b"a", b"b", b"", b"c", b"d"]
    assert again.group.capture() == whole.group.capture()
    for entry, answer, expected in zip(entries, found, answers, strict=True):
        assert answer == expected or (answer is None and entry.index <= at)
    assert found[2] == found[4] == found[7] == [b"b", 2]


def test_a_machine_on_disk_keeps_what_is_beyond_a_snapshot(build: ModuleType) -> None:
    kind = on_disk(build)
    group = Applied(build, kind({}))
    for data in (b"a", b"b"):
        group.put(data)
    old = snapshot(build, group)
    group.put(b"c")
    group.group.restore(old)
    assert group.group.machine.disk["data"] == [b"a", b"b", b"c"]
    behind = Applied(build, kind({}))
    behind.group.restore(old)
    assert behind.group.machine.disk == {"applied": 2, "data": [b"a", b"b"], "answers": {}}


def test_a_capture_of_a_machine_that_is_ahead(build: ModuleType) -> None:
    """After a restart the machine may be ahead of its group; who restores its capture follows in the same way."""
    e = module(build, "envelope")
    kind = on_disk(build)
    log = Log(build)
    entries = [log.add(data) for data in (e.open_session(500), b"a", e.session_command(1, 1, 0, b"b"), b"c")]
    disk: dict[str, Any] = {}
    Applied(build, kind(disk)).group.apply(entries)
    again = Applied(build, kind(disk))
    again.group.apply(entries[:2])
    captured = again.group.capture()
    other = Applied(build, kind({}))
    metadata = build.SnapshotMetadata(index=2, term=1)
    other.group.restore(build.Snapshot(data=captured, metadata=metadata))
    assert other.group.apply(entries[2:]) == [[b"b", 2], None]
    again.group.apply(entries[2:])
    assert other.group.capture() == again.group.capture()
    assert disk["data"] == [b"a", b"b", b"c"]


def test_a_machine_on_disk_without_answers_has_no_sessions(build: ModuleType) -> None:
    e = module(build, "envelope")
    group = Applied(build, on_disk(build, keeps=False)({}))
    refused = group.put(e.open_session(500))
    assert refused == build.CommandError("this machine keeps no answers, so the group has no sessions", "no sessions")


def test_a_lost_answer_stops_the_member(build: ModuleType) -> None:
    e = module(build, "envelope")
    kind = on_disk(build)
    log = Log(build)
    entries = [log.add(data) for data in (e.open_session(500), e.session_command(1, 1, 0, b"a"))]
    disk: dict[str, Any] = {}
    Applied(build, kind(disk)).group.apply(entries)
    disk["answers"].clear()
    with pytest.raises(build.MachineFailed, match="at entry 2, command b'a': KeyError"):
        Applied(build, kind(disk)).group.apply(entries)
