"""Damage is reported where it is, and never taken for a torn tail; a torn tail is cut, and nothing else is lost."""

from collections.abc import Callable

import pytest

from raftcy import ConfState, Corruption, Entry, HardState, MemoryStorage, Snapshot, SnapshotMetadata
from raftcy.rafttest.storage_model import Contents, contents
from raftcy.storage.files import SECTOR
from raftcy.storage.layout import FRAME, HEADER, Head, segment_name
from raftcy.storage.opening import read_log
from raftcy.storage.shared_log import SharedLog
from tests.support.cut_disk import CutDisk, File
from tests.support.log_histories import open_log

GROUPS = (1, 2)
Place = tuple[str, int, int]


def run(first: int, term: int, count: int = 1, size: int = 40, text: bytes = b"entry %d ") -> list[Entry]:
    """Entries of this size, each with data of its own."""
    return [Entry(term=term, index=n, data=(text % n * size)[:size]) for n in range(first, first + count)]


def write_some(
    log: SharedLog,
    models: dict[int, MemoryStorage],
    commits: int,
    size: int = 40,
    text: bytes = b"entry %d ",
    start: int = 0,
) -> None:
    """Commits of both groups, a record of each; now and then a snapshot and a compaction."""
    for number in range(start, start + commits):
        for id in GROUPS:
            model = models[id]
            first = model.last_index() + 1
            state = HardState(term=1 + number // 3, vote=id, commit=first - 1)
            entries = run(first, state.term, 2, size, text)
            calls = [("save", state, entries, None)]
            if number % 4 == 3:
                calls += [("create_snapshot", first, ConfState(voters=[1, 2]), b"state"), ("compact", first - 1)]
            for name, *arguments in calls:
                # A snapshot is made of what is committed.
                if name == "create_snapshot":
                    for storage in (model, log.group(id)):
                        storage.save(HardState(term=state.term, vote=id, commit=first), None, None)
                for storage in (model, log.group(id)):
                    getattr(storage, name)(*arguments)
        log.sync()


def small_log(commits: int = 6, size: int = 40, close: bool = True) -> tuple[CutDisk, dict[int, Contents]]:
    disk = CutDisk()
    log = open_log(disk, segment_size=4096)
    models = {id: MemoryStorage() for id in GROUPS}
    write_some(log, models, commits, size)
    if close:
        log.close()
    else:
        log.abandon()
    return disk, {id: contents(model) for id, model in models.items()}


def held(disk: CutDisk) -> tuple[SharedLog | Corruption, dict[int, Contents]]:
    """The log with what its groups hold, or why it does not open."""
    try:
        log = open_log(disk)
    except Corruption as error:
        return error, {}
    return log, {id: contents(log.group(id)) for id in GROUPS}


def copied(disk: CutDisk) -> CutDisk:
    other = CutDisk()
    other.files = {name: File(bytes(file.content)) for name, file in disk.files.items()}
    other.durable_files = dict(other.files)
    return other


def records(disk: CutDisk) -> list[Place]:
    """The records of a log: file, offset, size."""
    found: list[Place] = []

    def note(number: int, offset: int, head: Head, body: bytes) -> None:
        found.append((segment_name(number), offset, FRAME + head.length))

    read_log(disk, open_log(copied(disk)).identity, note)
    return found


def last_commit(disk: CutDisk) -> int:
    """Where the last write begins."""
    marks: list[tuple[tuple[int, int], int]] = []
    read_log(disk, open_log(copied(disk)).identity, lambda number, at, head, body: marks.append((head.mark, at)))
    first = min(at for mark, at in marks if mark == marks[-1][0])
    return 0 if first == HEADER else first


def span(disk: CutDisk) -> dict[str, int]:
    """Where the records of each segment end."""
    return {name: offset + size for name, offset, size in records(disk)}


FLIPS = (0x01, 0x80, 0xFF)


@pytest.mark.parametrize("close", [True, False])
def test_every_flipped_byte_is_reported_where_it_is(close: bool) -> None:
    """catches: nats-server#2549"""
    flip_every_byte(close, lambda offset: FLIPS[offset % 3 : offset % 3 + 1])


@pytest.mark.full
@pytest.mark.parametrize("close", [True, False])
def test_every_flip_of_every_byte_is_reported_where_it_is(close: bool) -> None:
    flip_every_byte(close, lambda offset: FLIPS)


def flip_every_byte(close: bool, flips: Callable[[int], tuple[int, ...]]) -> None:
    """Change each byte of a log by each of its flips, and open the log."""
    disk, wanted = small_log(8, close=close)
    places = records(disk)
    ends = span(disk)
    assert len(ends) > 1
    last = max(ends)
    for name in sorted(ends):
        content = disk.files[name].content
        for offset in range(min(ends[name] + 600, len(content))):
            for flip in flips(offset):
                other = copied(disk)
                other.files[name].content[offset] ^= flip
                before = {each: bytes(file.content) for each, file in other.files.items()}
                if offset >= ends[name] and name == last:
                    # No acknowledged record lies behind the end, so the log may cut here.
                    log, found = held(other)
                    if isinstance(log, Corruption):
                        assert (log.file, log.offset) == (name, ends[name])
                    else:
                        assert found == wanted
                        assert log.cut is not None
                    continue
                with pytest.raises(Corruption) as caught:
                    open_log(other)
                at = [each for each in places if each[0] == name and each[1] <= offset < each[1] + each[2]]
                start = at[0][1] if at else 0 if offset < HEADER else offset
                assert (caught.value.file, caught.value.offset) == (name, start), (offset, flip)
                assert "new member" in str(caught.value)
                assert {each: bytes(file.content) for each, file in other.files.items()} == before


def test_every_flipped_byte_of_the_identity_is_reported() -> None:
    disk, _ = small_log(1)
    for offset in range(len(disk.files["identity"].content)):
        for flip in (0x01, 0x80, 0xFF):
            other = copied(disk)
            other.files["identity"].content[offset] ^= flip
            with pytest.raises(Corruption) as caught:
                open_log(other)
            assert caught.value.file == "identity"


@pytest.mark.parametrize("close", [True, False])
def test_every_missing_sector_is_reported_or_cut(close: bool) -> None:
    """Only what the last commit wrote may be cut, and only if it was not marked as synced by a clean close.

    catches: etcd#6515, nats-server#2549
    """
    disk, wanted = small_log(14, size=300, close=close)
    ends = span(disk)
    last = max(ends)
    commit = last_commit(disk)
    cuts = 0
    for name in sorted(ends):
        for sector in range(0, ends[name], SECTOR):
            other = copied(disk)
            missing = other.files[name].content[sector : sector + SECTOR]
            other.files[name].content[sector : sector + SECTOR] = bytes(len(missing))
            log, found = held(other)
            if isinstance(log, Corruption):
                assert log.file == name
                assert log.offset <= sector + SECTOR
                continue
            assert (log.cut is None) == close, "the mark alone, which nothing follows"
            assert name == last
            assert sector + SECTOR > commit
            assert (found == wanted) == close
            cuts += 1
    assert cuts == (1 if close else -(-ends[last] // SECTOR) - commit // SECTOR)


def test_every_cut_off_end_is_reported_or_cut() -> None:
    """All from some place on reads as zeros: a short write, if it is the last one.

    catches: etcd#5230
    """
    disk, wanted = small_log(3, close=False)
    name, first, _ = records(disk)[-2]
    _, offset, size = records(disk)[-1]
    for place in range(HEADER, offset + size):
        other = copied(disk)
        content = other.files[name].content
        content[place:] = bytes(len(content) - place)
        if place < first and place not in [each[1] for each in records(disk)]:
            # The end of an older commit, and all of the last one: that is what a crash during the older one leaves.
            log, found = held(other)
            assert log.cut is not None
            continue
        log, found = held(other)
        assert found != wanted
        assert (log.cut is None) == (place in [each[1] for each in records(disk)])


def test_a_stale_record_in_place_of_another_is_reported() -> None:
    """Of another segment, of another directory, and of this log as it once was."""
    disk, _wanted = small_log(14, close=False)
    strange = CutDisk()
    log = open_log(strange, draw=lambda size: b"\x22" * size)
    write_some(log, {id: MemoryStorage() for id in GROUPS}, 14)
    earlier = CutDisk()
    log = open_log(earlier)
    models = {id: MemoryStorage() for id in GROUPS}
    write_some(log, models, 1, size=39)
    write_some(log, models, 13)
    swapped = 0
    for name, offset, size in records(disk):
        for stale, other_name in [
            *((disk, each) for each in disk.files if each.endswith(".log") and each != name),
            *((strange, each) for each in strange.files if each.endswith(".log")),
            *((earlier, each) for each in earlier.files if each == name),
        ]:
            other = copied(disk)
            bytes_there = stale.files[other_name].content[offset : offset + size]
            if bytes_there == other.files[name].content[offset : offset + size] or not any(bytes_there):
                continue
            other.files[name].content[offset : offset + size] = bytes_there
            with pytest.raises(Corruption) as caught:
                open_log(other)
            assert caught.value.file == name
            assert offset <= caught.value.offset <= offset + size
            swapped += 1
    assert swapped > 20


@pytest.mark.parametrize("close", [True, False])
def test_every_record_swapped_with_an_earlier_one_of_its_place_is_reported(close: bool) -> None:
    """A record of a write that was torn and cut off comes back: it fits its place, and maybe the chain before it.

    The record behind it does not follow it. A whole write that comes back in place of the last one is the one thing
    that nothing shows, unless the log was closed cleanly: its mark follows the right one.
    """
    disk, wanted = small_log(8, close=close)
    places = records(disk)
    for commit in range(8):
        # The same log up to this commit, whose records have other entries of the same size.
        stale = CutDisk()
        log = open_log(stale, segment_size=4096)
        models = {id: MemoryStorage() for id in GROUPS}
        write_some(log, models, commit)
        write_some(log, models, 1, text=b"other %d ", start=commit)
        log.abandon()
        both = records(stale)[-2:]
        assert [place for place in places if place in both] == both
        for some in ([both[0]], [both[1]], both):
            other = copied(disk)
            for name, offset, size in some:
                there = stale.files[name].content[offset : offset + size]
                assert there != other.files[name].content[offset : offset + size]
                other.files[name].content[offset : offset + size] = there
            found, held_now = held(other)
            if commit == 7 and some == both and not close:
                assert not isinstance(found, Corruption)
                assert held_now != wanted
                continue
            assert isinstance(found, Corruption)
            name, offset, size = some[-1]
            behind = places[places.index(some[-1]) + 1 :][:1]
            assert (found.file, found.offset) in [(name, offset), (name, offset + size), *[each[:2] for each in behind]]


def test_a_lost_segment_is_reported() -> None:
    disk, _wanted = small_log(20)
    names = sorted(span(disk))
    assert len(names) > 2
    for name in names[:-1]:
        other = copied(disk)
        del other.files[name]
        with pytest.raises(Corruption) as caught:
            open_log(other)
        assert caught.value.file in (name, names[names.index(name) + 1])
    for name in names:
        for size in (0, HEADER - 1, HEADER, len(disk.files[name].content) - 1):
            other = copied(disk)
            del other.files[name].content[size:]
            if name == names[-1] and size == 0:
                continue
            with pytest.raises(Corruption) as caught:
                open_log(other)
            assert caught.value.file == name


def test_zeros_in_entries_are_no_missing_sectors() -> None:
    """A bit that turns in a record of nothing but zeros is damage, not a tear.

    catches: etcd#6515
    """
    disk, _wanted = small_log(1, size=3000, close=False)
    log = open_log(disk)
    group = log.group(1)
    zeros = [Entry(term=2, index=group.last_index() + 1, data=bytes(2000))]
    group.save(HardState(term=2, vote=1, commit=group.last_index()), zeros, None)
    log.sync()
    log.abandon()
    name, offset, size = records(disk)[-1]
    for place in range(offset, offset + size):
        other = copied(disk)
        other.files[name].content[place] ^= 0xFF
        with pytest.raises(Corruption):
            open_log(other)
    log, _ = held(disk)
    assert log.group(1).entries(zeros[0].index, zeros[0].index + 1, 0) == zeros


def test_a_gap_in_a_group_is_reported() -> None:
    """What contradicts itself is no log, though every checksum fits."""
    disk, _ = small_log(2)
    log = open_log(disk)
    group = log.group(1)
    group._last += 5
    group.save(HardState(term=3, vote=1), run(group.last_index() + 1, 3), None)
    log.sync()
    log.abandon()
    with pytest.raises(Corruption, match="goes on with the entry 10 after 4"):
        open_log(disk)


def test_a_snapshot_may_be_any_size() -> None:
    disk = CutDisk()
    log = open_log(disk)
    metadata = SnapshotMetadata(conf_state=ConfState(voters=[1]), index=9, term=1)
    log.group(1).save(HardState(term=1, commit=9), None, Snapshot(data=b"x" * 100_000, metadata=metadata))
    log.sync()
    log.abandon()
    assert open_log(disk).group(1).snapshot().data == b"x" * 100_000
