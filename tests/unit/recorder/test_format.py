"""The file format: any damage is found, a torn tail is recognized, and nothing wrong is ever replayed."""

import contextlib
import itertools
import struct
from collections.abc import Callable
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raftcy.recorder import DamagedRecording, Recording, RecordingError, Replay, UnknownVersion
from raftcy.recorder.blocks import (
    FRAME_SIZE,
    HEAD_SIZE,
    MAGIC,
    VERSION,
    frame_bytes,
    header_bytes,
    read_frames,
    read_header,
)
from raftcy.recorder.pack import pack, unpack
from raftcy.recorder.records import Kind
from tests.support.recording import small_recording

WHOLE = small_recording()
TEXTS = [str(record) for record in Recording(WHOLE).records]
BEGIN = read_header(WHOLE)[1]


def texts_of(recording: Recording) -> list[str]:
    """The texts of a recording's records, after replaying it."""
    assert Replay(recording).run() == len(recording.records)
    return [str(record) for record in recording.records]


def test_a_whole_recording() -> None:
    assert texts_of(Recording(WHOLE)) == TEXTS
    assert len(TEXTS) > 8
    assert Recording(WHOLE).torn is None


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_changed_byte_is_found_wherever_it_is(flip: int) -> None:
    begins = [0, *(record.offset for record in Recording(WHOLE).records)]
    for offset in range(len(WHOLE)):
        data = bytearray(WHOLE)
        data[offset] ^= flip
        with pytest.raises(RecordingError) as caught:
            Recording(bytes(data))
        if offset >= BEGIN:
            salvaged = Recording(bytes(data), salvage=True)
            assert str(salvaged.damage) == str(caught.value)
            assert texts_of(salvaged) == TEXTS[: len(salvaged.records)]
            assert salvaged.records == [] or salvaged.records[-1].offset < offset
        if isinstance(caught.value, DamagedRecording):
            # The error names the record that holds the byte, or the header.
            assert caught.value.offset == max(begin for begin in begins if begin <= offset)
        else:
            assert isinstance(caught.value, UnknownVersion)
            assert offset in (8, 9)


def test_a_lost_byte_is_found_or_leaves_whole_records() -> None:
    for offset in range(len(WHOLE)):
        data = WHOLE[:offset] + WHOLE[offset + 1 :]
        try:
            recording = Recording(data)
        except RecordingError:
            continue
        # The last record only: the file then ends in the middle of it.
        assert recording.torn == Recording(WHOLE).records[-1].offset
        assert [str(record) for record in recording.records] == TEXTS[:-1]


def test_a_file_cut_off_anywhere_is_a_torn_tail() -> None:
    ends = [record.offset for record in Recording(WHOLE).records] + [len(WHOLE)]
    for size in range(BEGIN, len(WHOLE)):
        recording = Recording(WHOLE[:size])
        whole = sum(end <= size for end in ends) - 1
        assert [str(record) for record in recording.records] == TEXTS[:whole]
        assert recording.torn == (None if size in ends else ends[whole])
        assert Replay(recording).run() == whole


def test_a_header_cut_off_is_damage() -> None:
    for size in range(BEGIN):
        with pytest.raises(DamagedRecording):
            Recording(WHOLE[:size])


@pytest.mark.parametrize("zeros", [1, 7, HEAD_SIZE, 4096])
def test_zeros_at_the_end_are_a_torn_tail(zeros: int) -> None:
    """Zeros as a crash leaves them, behind the last record or in place of its end."""
    recording = Recording(WHOLE + bytes(zeros))
    assert (len(recording.records), recording.torn) == (len(TEXTS), len(WHOLE))
    last = Recording(WHOLE).records[-1].offset
    for size in range(last, len(WHOLE)):
        torn = Recording(WHOLE[:size] + bytes(len(WHOLE) - size + zeros))
        assert torn.torn == last
        assert len(torn.records) == len(TEXTS) - 1


# Checksums of the last record. If its last bytes are 0, it looks like a record that was never written.
SUMS: dict[str, Callable[[int], bool]] = {
    "any": lambda crc: True,
    "ends in 00": lambda crc: crc >> 24 == 0 and crc >> 16 != 0,
    "ends in 0000": lambda crc: crc >> 16 == 0,
}


def ending(sum_is: Callable[[int], bool], kind: Kind, given: bytes, outcome: bytes) -> tuple[bytes, int]:
    """A recording whose last record, made at the right time, has such a checksum; and where that record begins."""
    number = Recording(WHOLE).records[-1].number + 1
    for time_ns in itertools.count():
        last = frame_bytes(number, time_ns, kind, given, outcome, [])
        if sum_is(crc32(last[: HEAD_SIZE - FRAME_SIZE])):
            return WHOLE + last, len(WHOLE)
    raise AssertionError


LAST = pytest.mark.parametrize(
    ("kind", "given", "outcome"),
    [(Kind.TICK, b"", b""), (Kind.PROPOSE, b"\1" + bytes(9), b""), (Kind.READ_INDEX, b"read", b"")],
    ids=["tick", "propose", "read_index"],
)


@LAST
@pytest.mark.parametrize("sum_is", SUMS.values(), ids=SUMS)
def test_every_changed_byte_of_the_last_record_is_damage(
    sum_is: Callable[[int], bool], kind: Kind, given: bytes, outcome: bytes
) -> None:
    data, begin = ending(sum_is, kind, given, outcome)
    assert Recording(data).torn is None
    torn = []
    for offset, value in itertools.product(range(begin, len(data)), range(256)):
        if value == data[offset]:
            continue
        changed = data[:offset] + bytes([value]) + data[offset + 1 :]
        frames, at, damage = read_frames(changed, begin)
        assert frames == []
        if damage is None:
            torn.append((offset, value))
            assert at == begin
        else:
            assert (at, damage.offset) == (None, begin)
    # Only this change also gives a file that a crash may leave.
    assert torn == [(len(data) - 1, 0)]


@LAST
@pytest.mark.parametrize("sum_is", SUMS.values(), ids=SUMS)
def test_every_tear_of_the_last_record_is_a_torn_tail(
    sum_is: Callable[[int], bool], kind: Kind, given: bytes, outcome: bytes
) -> None:
    """Cut off, or continued in zeros, up to its original size, a smaller one, or a larger one."""
    data, begin = ending(sum_is, kind, given, outcome)
    for size in range(begin + 1, len(data)):
        for zeros in (*range(len(data) - size + 1), 2 * len(data), 4096):
            torn = Recording(data[:size] + bytes(zeros))
            assert torn.torn == begin
            assert [str(record) for record in torn.records] == TEXTS
    for zeros in (1, HEAD_SIZE, len(data) - begin, 4096):
        assert Recording(data + bytes(zeros)).torn == len(data)
        assert Recording(data[:begin] + bytes(zeros)).torn == begin


def test_a_changed_byte_before_zeros_is_damage() -> None:
    """If a file continues in zeros, other bytes before the place where they begin mean damage."""
    last = Recording(WHOLE).records[-1].offset
    for offset in range(last, len(WHOLE) - 1):
        data = bytearray(WHOLE + bytes(100))
        data[offset] ^= 0x40
        with pytest.raises(DamagedRecording) as caught:
            Recording(bytes(data))
        assert caught.value.offset == last


def test_anything_else_at_the_end_is_damage() -> None:
    with pytest.raises(DamagedRecording, match=f"after record .* at offset {len(WHOLE)}"):
        Recording(WHOLE + b"garbage" * 10)


def frames() -> list[bytes]:
    offsets = [record.offset for record in Recording(WHOLE).records] + [len(WHOLE)]
    return [WHOLE[begin:end] for begin, end in itertools.pairwise(offsets)]


def test_records_lost_doubled_or_exchanged_are_found() -> None:
    parts = frames()
    header = WHOLE[:BEGIN]
    for place in range(1, len(parts) - 1):
        for changed in (
            parts[:place] + parts[place + 1 :],
            parts[:place] + parts[place : place + 1] + parts[place:],
            parts[: place - 1] + [parts[place], parts[place - 1]] + parts[place + 1 :],
        ):
            with pytest.raises(DamagedRecording):
                Recording(header + b"".join(changed))
    with pytest.raises(DamagedRecording, match="cannot begin with"):
        Recording(header + b"".join(parts[1:]))


def test_a_file_that_is_not_a_recording_is_refused() -> None:
    for data in (b"", b"x", b"\x7fELF" + bytes(100), MAGIC[:7]):
        with pytest.raises(DamagedRecording, match="not a recording: it does not start like one at offset 0"):
            Recording(data)


def test_a_newer_version_is_told() -> None:
    data = bytearray(WHOLE)
    data[8:10] = struct.pack("<H", VERSION + 1)
    with pytest.raises(
        UnknownVersion, match="a recording of format 4; this version of raftcy reads format 3"
    ) as caught:
        Recording(bytes(data))
    assert caught.value.version == 4


@pytest.mark.parametrize("version", [1, 2])
def test_an_older_version_is_told(version: int) -> None:
    """Its records or checkpoints differ, so reading it as this version would give wrong values."""
    head = WHOLE[:8] + struct.pack("<H", version) + WHOLE[10:14]
    text = WHOLE[18:BEGIN]
    with pytest.raises(UnknownVersion, match=f"a recording of format {version}; this version of raftcy reads format 3"):
        Recording(head + struct.pack("<I", crc32(text, crc32(head))) + text + WHOLE[BEGIN:])


@pytest.mark.parametrize("facts", [{}, {"config": 3}, {"config": {"id": 0}, "build": "pure", "raftcy": "1"}, [1]])
def test_a_header_that_describes_no_node_is_refused(facts: Any) -> None:
    with pytest.raises(DamagedRecording, match="does not describe a node"):
        Recording(header_bytes(facts))


def frame(number: int, kind: int, given: bytes = b"", outcome: bytes = b"", answers: bytes = b"") -> bytes:
    return frame_bytes(number, 0, kind, given, outcome, [answers])


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (99, ()),
        (Kind.TICK, (b"x",)),
        (Kind.TICK, (b"", b"\x09")),
        (Kind.TICK, (b"", b"\x01short")),
        (Kind.TICK, (b"", b"", b"\x03")),
        (Kind.TICK, (b"", b"", b"\x03\x10\0\0\0")),
        (Kind.TICK, (b"", b"", b"\x2f\0\0\0\0")),
        (Kind.TICK, (b"", b"", b"\x03\x01\0\0\0x")),
        (Kind.STEP, (b"\xff",)),
        (Kind.STEP_MANY, (b"\x05\0\0\0x",)),
        (Kind.TRANSFER_LEADER, (b"x",)),
        (Kind.PROPOSE_CONF_CHANGE, (b"\1\xff",)),
        (Kind.CHECKPOINT, (b"\x09",)),
        (Kind.BOOTSTRAP, (pack([1, 2]),)),
    ],
)
def test_records_with_good_sums_and_unknown_content(kind: int, data: tuple[bytes, ...]) -> None:
    header = WHOLE[:BEGIN]
    start = frames()[0]
    with pytest.raises(DamagedRecording, match="record 1 cannot be decoded") as caught:
        Recording(header + start + frame(1, kind, *data))
    assert caught.value.offset == BEGIN + len(start)


@pytest.mark.parametrize("state", [{}, {"node": 1}, [], None, {"raft": {"id": 1}}])
def test_a_checkpoint_that_holds_no_state(state: Any) -> None:
    recording = Recording(WHOLE[:BEGIN] + frame(0, Kind.CHECKPOINT, pack(state)))
    with pytest.raises(DamagedRecording, match="record 0 is not a state"):
        Replay(recording).run()


def test_sizes() -> None:
    assert len(frame(0, 0)) == FRAME_SIZE
    assert read_frames(b"", 0) == ([], None, None)


PLAIN: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64) + 1, 2**64 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(PLAIN)
def test_plain_data_comes_back(value: Any) -> None:
    assert unpack(pack(value)) == value


@given(PLAIN, st.data())
def test_plain_data_cut_off_or_changed_is_refused_or_other_plain_data(value: Any, data: Any) -> None:
    packed = pack(value)
    size = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(ValueError):  # noqa: PT011 (which of the texts depends on the place)
        unpack(packed[:size])
    changed = bytearray(packed)
    changed[size] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ValueError):
        pack(unpack(bytes(changed)))


@pytest.mark.parametrize("value", [1.5, {1}, object(), [b"", (1.5,)]])
def test_other_data_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="is not plain data"):
        pack(value)
