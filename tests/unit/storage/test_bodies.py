"""Snapshots as files: whole or not there, verified, the newest two kept, the older one used only where it may be."""

import errno
from typing import Any

import pytest

from raftcy import (
    ConfState,
    Contradiction,
    Corruption,
    HardState,
    InvariantError,
    RangeError,
    Snapshot,
    SnapshotMetadata,
    StorageFailed,
)
from raftcy.storage.bodies import HEADER_SIZE, PIECE, Bodies, BodyWriter, Reference, reference_of
from raftcy.storage.group_log import GroupLog
from raftcy.storage.shared_log import SharedLog
from tests.support.cut_disk import CutDisk
from tests.support.log_histories import do_chores, open_log

from .test_damage import copied, run

MEMBERS = ConfState(voters=[1, 2])
SIZES = (0, 1, 100, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7)


def state(size: int, salt: int = 0) -> bytes:
    return bytes((n * 7 + salt) % 251 for n in range(size))


def put(writer: BodyWriter, body: bytes) -> Reference:
    for at in range(0, len(body), 1000):
        writer.write(body[at : at + 1000])
    return writer.finish()


def body_of(group: GroupLog) -> bytes:
    assert group.bodies is not None
    reference = group.bodies.reference(group.snapshot())
    assert reference is not None
    return b"".join(group.bodies.read(reference))


def make(group: GroupLog, index: int, size: int = 300) -> bytes:
    """A snapshot of the state at an index that is committed; its body."""
    assert group.bodies is not None
    body = state(size, index)
    reference = put(group.bodies.write(index, group.term(index)), body)
    group.create_snapshot(index, MEMBERS, reference.encode())
    return body


def fill(group: GroupLog, last: int) -> None:
    first = group.last_index() + 1
    entries = [e for n in range(first, last + 1) for e in run(n, 1 + n // 4, 1, 60)]
    group.save(HardState(term=1 + last // 4, commit=last), entries, None)


def two_snapshots(disk: CutDisk, compact: int = 9) -> tuple[SharedLog, bytes, bytes]:
    """Snapshots at 5 and 10, the log compacted to 9 and going on to 14."""
    log = open_log(disk)
    group = log.group(3, bodies=True)
    fill(group, 7)
    older = make(group, 5)
    group.compact(4)
    log.sync()
    fill(group, 12)
    newest = make(group, 10)
    group.compact(compact)
    log.sync()
    fill(group, 14)
    log.sync()
    do_chores(log)
    return log, older, newest


def bodies_in(disk: CutDisk) -> list[str]:
    return sorted(name for name in disk.files if name.endswith(".snap"))


@pytest.mark.parametrize("size", SIZES)
def test_a_body_comes_back(size: int) -> None:
    disk = CutDisk()
    bodies = Bodies(disk, 7)
    reference = put(bodies.write(5, 2), state(size))
    assert b"".join(bodies.read(reference)) == state(size)
    assert reference_of(reference.encode()) == reference
    assert disk.names() == {reference.name: reference.file_size}
    assert len(disk.after(()).files[reference.name].content) == reference.file_size


def test_a_reference_is_the_same_on_every_member() -> None:
    one, other = Bodies(CutDisk(), 7), Bodies(CutDisk(), 7)
    reference = put(one.write(5, 2), state(70_000))
    assert put(other.receive(reference), state(70_000)) == reference
    assert b"".join(other.read(reference)) == state(70_000)


@pytest.mark.parametrize("change", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"y" + b[1:]])
def test_a_body_that_was_not_announced_is_refused(change: Any) -> None:
    """What arrives is held against its reference, and removed if it differs.

    catches: NuRaft#185
    """
    reference = put(Bodies(CutDisk(), 7).write(5, 2), state(70_000))
    disk = CutDisk()
    with pytest.raises(Corruption, match="but was announced as"):
        put(Bodies(disk, 7).receive(reference), change(state(70_000)))
    assert disk.names() == {}
    with pytest.raises(Contradiction, match="none of the group 8"):
        Bodies(disk, 8).receive(reference)


def test_a_reference_that_is_damaged_is_none() -> None:
    data = put(Bodies(CutDisk(), 7).write(5, 2), b"x").encode()
    assert reference_of(b"") is None
    for place in range(len(data)):
        for flip in (0x01, 0x80, 0xFF):
            assert reference_of(data[:place] + bytes((data[place] ^ flip,)) + data[place + 1 :]) is None


def test_every_flipped_byte_of_a_body_is_reported_with_its_offset() -> None:
    """Every byte counts, and so does where it stands.

    catches: NuRaft#185
    """
    disk = CutDisk()
    bodies = Bodies(disk, 7)
    reference = put(bodies.write(5, 2), state(900))
    content = disk.files[reference.name].content
    starts = []
    for place in range(len(content)):
        content[place] ^= 0xFF
        with pytest.raises(Corruption) as caught:
            list(bodies.read(reference))
        assert caught.value.file == reference.name
        assert caught.value.offset <= place
        starts.append(caught.value.offset)
        content[place] ^= 0xFF
    assert sorted(set(starts)) == [0, 40, 948]
    for size in range(len(content)):
        cut = copied(disk)
        del cut.files[reference.name].content[size:]
        with pytest.raises(Corruption):
            list(Bodies(cut, 7).read(reference))
    content.append(0)
    with pytest.raises(Corruption, match="the end"):
        list(bodies.read(reference))


def test_a_stale_body_under_the_same_name_is_reported() -> None:
    """catches: NuRaft#185"""
    disk = CutDisk()
    bodies = Bodies(disk, 7)
    reference = put(bodies.write(5, 2), state(900))
    other = put(bodies.write(5, 2), state(900, salt=1))
    assert b"".join(bodies.read(reference)) == state(900), "another one of the same index has another name"
    disk.rename(other.name, reference.name)
    with pytest.raises(Corruption, match="not the body that the log refers to"):
        list(bodies.read(reference))


def test_a_snapshot_needs_its_body() -> None:
    """The log takes no reference to a body that is not whole on disk.

    catches: redisraft#43
    """
    log = open_log(CutDisk())
    group = log.group(3, bodies=True)
    assert group.bodies is not None
    fill(group, 8)
    other = put(group.bodies.write(4, 2), b"x")
    missing = Reference(3, 5, 2, 9, 9)
    damaged = missing.encode()[:-1] + b"x"
    for data in (damaged, other.encode(), missing.encode()):
        with pytest.raises(Contradiction):
            group.create_snapshot(5, MEMBERS, data)
        metadata = SnapshotMetadata(conf_state=MEMBERS, index=20, term=3)
        with pytest.raises(Contradiction):
            group.save(HardState(term=3, commit=20), None, Snapshot(data=data, metadata=metadata))
    assert group.snapshot().metadata.index == 0
    group.create_snapshot(5, MEMBERS, None)
    log.sync()


def test_a_state_may_stay_in_the_log() -> None:
    """A small one costs less there than a file with two syncs of its own. Files and such states may take turns."""
    disk = CutDisk()
    log = open_log(disk)
    group = log.group(3, bodies=True)
    fill(group, 12)
    group.create_snapshot(5, MEMBERS, b"small")
    log.sync()
    body = make(group, 8)
    log.sync()
    log.abandon()
    log = open_log(disk)
    group = log.group(3, bodies=True)
    assert body_of(group) == body
    assert group.older is not None
    assert group.older.data == b"small"
    log.abandon()
    damage(disk, *bodies_in(disk))
    log = open_log(disk)
    group = log.group(3, bodies=True)
    assert group.snapshot().data == b"small"
    assert group.bodies is not None
    assert group.bodies.reference(group.snapshot()) is None
    group.create_snapshot(9, MEMBERS, b"small again")
    log.sync()
    do_chores(log)
    assert bodies_in(disk) == []


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_read_from_any_piece_on(size: int) -> None:
    disk = CutDisk()
    bodies = Bodies(disk, 7)
    reference = put(bodies.write(5, 2), state(size))
    for at in {*range(0, size + 1, PIECE), size}:
        assert b"".join(bodies.read(reference, at)) == state(size)[at:]
    for wrong in (size + 1, -1, size - 1):
        if wrong % PIECE:
            with pytest.raises(RangeError):
                list(bodies.read(reference, wrong))
    file = bodies.open(reference)
    parts = [file.read(step) for step in (0, 1, 70_000, 3, -1)]
    assert b"".join(parts) == state(size)
    assert file.read(10) == file.read() == b""


def test_damage_before_the_place_where_reading_begins_shows_at_the_end() -> None:
    disk = CutDisk()
    bodies = Bodies(disk, 7)
    reference = put(bodies.write(5, 2), state(3 * PIECE))
    disk.files[reference.name].content[HEADER_SIZE] ^= 1
    assert b"".join(bodies.read(reference, 2 * PIECE)) == state(3 * PIECE)[2 * PIECE :]
    # The checksum with which a later piece begins.
    disk.files[reference.name].content[HEADER_SIZE + 5] ^= 1
    with pytest.raises(Corruption, match="a piece of a snapshot is damaged"):
        list(bodies.read(reference, PIECE))


def test_one_is_made_while_another_of_the_same_index_arrives() -> None:
    """Both are whole.

    catches: redisraft#43
    """
    disk = CutDisk()
    bodies = Bodies(disk, 7)
    reference = put(Bodies(CutDisk(), 7).write(5, 2), state(900, salt=1))
    made, arriving = bodies.write(5, 2), bodies.receive(reference)
    arriving.write(state(900, salt=1)[:500])
    made.write(state(900))
    arriving.write(state(900, salt=1)[500:])
    assert arriving.size == 900
    assert b"".join(bodies.read(made.finish())) == state(900)
    assert arriving.finish() == reference
    assert b"".join(bodies.read(reference)) == state(900, salt=1)
    bodies.remove(reference)
    with pytest.raises(Corruption, match="is missing"):
        list(bodies.read(reference))


def test_a_large_body_is_synced_while_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sync of all of it at once would hold up the syncs of the log."""
    monkeypatch.setattr("raftcy.storage.bodies._SYNC_EVERY", 2 * PIECE)
    disk = CutDisk()
    put(Bodies(disk, 7).write(5, 2), state(5 * PIECE))
    assert [kind for kind, _ in disk.calls].count("sync") == 4


def test_a_pinned_body_is_removed_later() -> None:
    disk = CutDisk()
    log, _, _ = two_snapshots(disk)
    oldest = bodies_in(disk)[0]
    log.pin(oldest)
    log.pin(oldest)
    make(log.group(3), 13)
    log.sync()
    do_chores(log)
    assert oldest in bodies_in(disk)
    log.unpin(oldest)
    do_chores(log)
    assert oldest in bodies_in(disk)
    log.unpin(oldest)
    do_chores(log)
    assert oldest not in bodies_in(disk)


def test_a_body_of_no_group_is_removed_at_the_opening() -> None:
    """The crash came before the first record of the group, or after its drop and before the removal."""
    disk = CutDisk()
    log, _, _ = two_snapshots(disk)
    log.abandon()
    kept = bodies_in(disk)
    put(Bodies(disk, 9).write(5, 2), b"x")
    disk.write("not-a-group.snap", 0, b"not ours")
    log = open_log(disk)
    assert bodies_in(disk) == sorted([*kept, "not-a-group.snap"])
    put(Bodies(disk, 3).write(14, 2), b"x")
    log.abandon()
    assert len(bodies_in(disk)) == 4
    open_log(disk).group(3, bodies=True)
    assert bodies_in(disk) == sorted([*kept, "not-a-group.snap"])


def test_the_newest_two_are_kept_and_the_log_back_to_the_older() -> None:
    """catches: hashicorp/raft#395"""
    disk = CutDisk()
    log, _, _ = two_snapshots(disk)
    group = log.group(3)
    assert len(bodies_in(disk)) == 2
    assert (group.first_index(), group.floor) == (10, 5)
    make(group, 13)
    assert len(bodies_in(disk)) == 3, "the oldest one goes once the newest is durable"
    log.sync()
    do_chores(log)
    assert [name.split("-")[1] for name in bodies_in(disk)] == [f"{n:016x}" for n in (10, 13)]
    assert group.floor == 9
    log.abandon()
    log = open_log(disk)
    log.group(3, bodies=True)
    do_chores(log)
    assert len(bodies_in(disk)) == 2


def test_the_older_one_takes_the_place_of_a_damaged_one() -> None:
    """Nothing is lost: the log reaches from it to all that is committed; and from then on it is the newest."""
    disk = CutDisk()
    two_snapshots(disk)
    name = bodies_in(disk)[-1]
    for place in (0, 45, len(disk.files[name].content) - 1):
        damaged = copied(disk)
        damaged.files[name].content[place] ^= 1
        for _ in range(2):
            log = open_log(damaged)
            group = log.group(3, bodies=True)
            assert group.snapshot().metadata.index == 5
            assert body_of(group) == state(300, 5)
            assert (group.first_index(), group.last_index()) == (6, 14)
            assert name not in damaged.files
            assert [e.index for e in group.entries(6, 15, 2**64 - 1)] == list(range(6, 15))
            log.abandon()
        log = open_log(damaged)
        group = log.group(3, bodies=True)
        make(group, 8)
        group.compact(7)
        log.sync()
        log.abandon()
        group = open_log(damaged).group(3, bodies=True)
        assert (group.snapshot().metadata.index, group.first_index()) == (8, 8)
        assert body_of(group) == state(300, 8)


def damage(disk: CutDisk, *names: str) -> None:
    for name in names:
        disk.files[name].content[50] ^= 1


def test_the_older_one_is_not_used_where_something_would_be_lost() -> None:
    """catches: NuRaft#185"""
    disk = CutDisk()
    two_snapshots(disk)
    damage(disk, *bodies_in(disk))
    with pytest.raises(Corruption, match="The older snapshot is damaged too"):
        open_log(disk).group(3, bodies=True)

    disk = CutDisk()
    log = open_log(disk)
    group = log.group(3, bodies=True)
    fill(group, 7)
    make(group, 5)
    group.compact(5)
    log.sync()
    damage(disk, *bodies_in(disk))
    log.abandon()
    with pytest.raises(Corruption, match="There is no older snapshot"):
        open_log(disk).group(3, bodies=True)


def test_a_received_snapshot_is_a_gap() -> None:
    disk = CutDisk()
    log, _, _ = two_snapshots(disk)
    group = log.group(3)
    assert group.bodies is not None
    reference = put(group.bodies.receive(put(Bodies(CutDisk(), 3).write(40, 9), b"far away")), b"far away")
    metadata = SnapshotMetadata(conf_state=MEMBERS, index=40, term=9)
    group.save(HardState(term=9, commit=40), None, Snapshot(data=reference.encode(), metadata=metadata))
    log.sync()
    do_chores(log)
    log.abandon()
    assert bodies_in(disk) == [reference.name], "none before it could ever take its place"
    assert body_of(open_log(disk).group(3, bodies=True)) == b"far away"
    damage(disk, reference.name)
    with pytest.raises(Corruption, match="There is no older snapshot") as caught:
        open_log(disk).group(3, bodies=True)
    assert caught.value.file == reference.name
    # Only this group is ended by it.
    log = open_log(disk)
    log.group(4, bodies=True).save(HardState(term=1), None, None)
    log.sync()


def test_another_term_at_the_seam_is_no_seam() -> None:
    disk = CutDisk()
    log, _, _ = two_snapshots(disk)
    log.abandon()
    damage(disk, bodies_in(disk)[-1])
    log = open_log(disk)
    group = log.group(3)
    assert group.older is not None
    metadata = SnapshotMetadata(conf_state=MEMBERS, index=5, term=9)
    group.older = Snapshot(data=group.older.data, metadata=metadata)
    with pytest.raises(Corruption, match="ends with the term 9, but the log has 2 there"):
        group.keep_bodies(Bodies(disk, 3))


def test_a_crash_anywhere_leaves_a_snapshot_with_its_body() -> None:
    """Within every sync of a body, of its name, of the record, and of the removal of the oldest one.

    catches: redisraft#43
    """
    disk = CutDisk()
    log, older, newest = two_snapshots(disk)
    known = {5: older, 10: newest, 13: state(1200, 13)}
    seen = set()

    def on_sync(name: str) -> None:
        for kept in [*disk.every_cut(), *disk.each_lost()]:
            left = disk.after(kept)
            group = open_log(left).group(3, bodies=True)
            assert body_of(group) == known[group.snapshot().metadata.index]
            assert not [each for each in left.names() if each.endswith(".part")]
            seen.add((name.rpartition(".")[2], group.snapshot().metadata.index))

    disk.on_sync = on_sync
    group = log.group(3)
    make(group, 13, 1200)
    log.sync()
    do_chores(log)
    log.close()
    assert {("part", 10), ("", 10), ("", 13), ("log", 10), ("log", 13)} <= seen


def test_a_body_that_cannot_be_written_leaves_the_log_alive() -> None:
    disk = CutDisk()
    log, _, _ = two_snapshots(disk)
    group = log.group(3)
    assert group.bodies is not None
    names = disk.names()
    for at in range(8):
        count = iter(range(100))

        def fault(kind: str, name: str, at: int = at, count: Any = count) -> int | None:
            if next(count) == at and not name.endswith(".log"):
                raise OSError(errno.ENOSPC, "no space left on device", name)
            return None

        disk.fault = fault
        if at < 7:
            with pytest.raises(StorageFailed) as caught:
                put(group.bodies.write(13, 4), state(2 * PIECE))
            assert isinstance(caught.value.__cause__, OSError)
        else:
            put(group.bodies.write(13, 4), state(2 * PIECE))
        disk.fault = None
        if at < 6:
            assert disk.names() == names
    group.save(HardState(term=9, commit=14), None, None)
    log.sync()
    writer = group.bodies.write(14, 4)
    writer.abort()
    writer.abort()
    with pytest.raises(InvariantError):
        writer.write(b"x")


def test_a_group_that_is_dropped_leaves_no_bodies() -> None:
    disk = CutDisk()
    log, _, _ = two_snapshots(disk)
    log.drop(3)
    log.sync()
    do_chores(log)
    assert bodies_in(disk) == []
    log.close()
    log = open_log(disk)
    assert log.groups() == []
    assert log.group(3, bodies=True).last_index() == 0


def test_a_group_that_begins_anew_keeps_a_body_of_the_same_name() -> None:
    """The file of the dropped group is still to be removed when the new one has the same snapshot."""
    disk = CutDisk()
    log = open_log(disk)
    for _ in range(2):
        group = log.group(3, bodies=True)
        assert group.bodies is not None
        fill(group, 7)
        group.create_snapshot(5, MEMBERS, put(group.bodies.write(5, group.term(5)), b"the same").encode())
        log.sync()
        if len(bodies_in(disk)) == 1 and not log._gone:
            log.drop(3)
            log.sync()
    do_chores(log)
    assert len(bodies_in(disk)) == 1
    assert body_of(log.group(3)) == b"the same"
    log.drop(3)
    log.sync()
    do_chores(log)
    assert bodies_in(disk) == []


def test_two_snapshots_received_in_one_write_leave_the_last_one() -> None:
    """The record has the last one only, so a reader must not expect those before it.

    catches: redisraft#43
    """
    disk = CutDisk()
    log, _, _ = two_snapshots(disk)
    group = log.group(3)
    for index in (40, 50):
        assert group.bodies is not None
        body = state(100, index)
        reference = put(group.bodies.receive(put(Bodies(CutDisk(), 3).write(index, 9), body)), body)
        metadata = SnapshotMetadata(conf_state=MEMBERS, index=index, term=9)
        group.save(HardState(term=9, commit=index), None, Snapshot(data=reference.encode(), metadata=metadata))
    log.sync()
    do_chores(log)
    assert bodies_in(disk) == [reference.name]
    log.abandon()
    again = open_log(disk).group(3, bodies=True)
    assert again.older is None
    assert body_of(again) == state(100, 50)
