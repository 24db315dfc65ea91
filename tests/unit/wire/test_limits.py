"""Input that is cut off, too deep, too large, or made to cost much is refused; nothing is read beyond its end."""

import mmap
import os
import subprocess
import sys
import tracemalloc
from types import ModuleType

import pytest

from tests.support.needs import FREE_THREADED, ROOT
from tests.support.values import CODEC_NAMES, KINDS, class_of, decode, field, load, outcome, varint

CASES = [
    ("Entry", "90", "field is cut off", 0),
    ("Entry", "1080", "field is cut off", 0),
    ("Entry", "08011002180322056162", "field is cut off", 6),
    ("Entry", "10ffffffffffffffffff02", "varint is longer than 64 bits", 0),
    ("Entry", "1001188080808080808080808001", "varint is longer than 64 bits", 2),
    ("Entry", "0801ffffffffffffffffff02", "varint is longer than 64 bits", 2),
    ("Entry", "08010001", "field number is not 1 to 2**29-1", 2),
    ("Entry", "808080801001", "field number is not 1 to 2**29-1", 0),
    ("Entry", "10012e01", "wire type is 6 or 7", 2),
    ("Entry", "10012f01", "wire type is 6 or 7", 2),
    ("Entry", "10012c", "end of a group that was not started", 2),
    ("Entry", "10012b34", "end of a group that was not started", 3),
    ("Entry", "10012b0801", "group has no end", 2),
    ("Entry", "2b33080134", "group has no end", 0),
    ("Entry", "2b330801", "group has no end", 1),
    ("Entry", "2b0880", "field is cut off", 1),
    ("Entry", "4101020304050607", "field is cut off", 0),
    ("Entry", "0800450102", "field is cut off", 2),
    ("Entry", "22ffffffffffffffffff7f", "varint is longer than 64 bits", 0),
    ("Entry", "22ffffffffffffffffff01", "field is cut off", 0),
    ("ConfState", "28000a020180", "field is cut off", 2),
    ("ConfState", "0a03010180", "field is cut off", 0),
    ("Message", "08013a051001", "field is cut off", 2),
    ("Message", "08013a0410051080", "field is cut off", 6),
    ("Message", "4a0612040a020880", "field is cut off", 6),
    ("Message", "4a0612040a0208014a0612040a020880", "field is cut off", 14),
    ("Message", "4a02120048004a0412020a05", "field is cut off", 10),
    ("Message", "72067204720208", "field is cut off", 0),
    ("Message", "7205720372010a", "field is cut off", 6),
    ("Snapshot", "0a01611202180012021880", "field is cut off", 9),
    ("ConfChangeV2", "120208011202080112020880", "field is cut off", 10),
]


@pytest.mark.parametrize(("kind", "data", "text", "offset"), CASES)
def test_error_names_the_field(build: ModuleType, kind: str, data: str, text: str, offset: int) -> None:
    """The offset, from the start of the input, points to the tag of the innermost unreadable field."""
    error = load(build, "errors").DecodeError
    with pytest.raises(error) as caught:
        decode(build, kind, bytes.fromhex(data))
    assert (caught.value.text, caught.value.offset) == (text, offset)
    # The same inside another message, further on.
    if kind == "Entry":
        inside = b"\x08\x03" + field(7, b"\x10\x01") + field(7, bytes.fromhex(data))
        with pytest.raises(error) as caught:
            decode(build, "Message", inside)
        assert (caught.value.text, caught.value.offset) == (text, offset + len(inside) - len(data) // 2)


def nested(levels: int, inside: bytes = b"") -> bytes:
    """A message with nested responses."""
    for _ in range(levels):
        inside = field(14, inside)
    return inside


def groups(levels: int) -> bytes:
    return b"\x7b" * levels + b"\x7c" * levels


@pytest.mark.parametrize(
    ("deepest", "too_deep", "offset"),
    [
        (nested(100), nested(101), len(nested(101)) - 2),
        (nested(97, field(9, field(2, field(1, b"")))), nested(98, field(9, field(2, field(1, b"")))), None),
        (nested(99, field(7, b"\x10\x01")), nested(100, field(7, b"\x10\x01")), None),
        (groups(100), groups(101), 100),
        (nested(50, groups(50)), nested(50, groups(51)), None),
        (nested(99, field(7, groups(0))), nested(99, field(7, groups(1))), None),
    ],
)
def test_depth(build: ModuleType, deepest: bytes, too_deep: bytes, offset: int | None) -> None:
    """A hundred nested submessages and groups are accepted, one more is refused."""
    assert decode(build, "Message", deepest).encode() == deepest
    with pytest.raises(load(build, "errors").DecodeError, match="nested deeper than 100 levels") as caught:
        decode(build, "Message", too_deep)
    assert offset is None or caught.value.offset == offset


def test_depth_of_very_much(build: ModuleType) -> None:
    """However deep the nesting, the refusal comes early."""
    for data in (nested(5000), groups(1_000_000), b"\x7b" * 1_000_000):
        with pytest.raises(load(build, "errors").DecodeError, match="nested deeper"):
            decode(build, "Message", data)


def test_depth_of_a_value(build: ModuleType) -> None:
    """A value that could not be decoded is not encoded."""
    message, entry, snapshot = (class_of(build, kind) for kind in ("Message", "Entry", "Snapshot"))
    value = message(term=1)
    for _ in range(100):
        value = message(responses=[value])
    assert decode(build, "Message", value.encode()) == value
    too_deep = [message(responses=[value])]
    for inside in ({"entries": [entry()]}, {"snapshot": snapshot()}):
        value = message(**inside)
        for _ in range(100):
            value = message(responses=[value])
        too_deep.append(value)
    for value in too_deep:
        with pytest.raises(load(build, "errors").RangeError, match="nested deeper than 100 levels"):
            value.encode()


def test_value_inside_itself(build: ModuleType) -> None:
    message = class_of(build, "Message")
    value = message(responses=[message()])
    value.responses[0] = value
    with pytest.raises(load(build, "errors").RangeError, match="nested deeper"):
        value.encode()
    value.responses.clear()


def test_size_of_the_input(build: ModuleType) -> None:
    """One byte more than the limit is refused before any byte is read."""
    try:
        memory = mmap.mmap(-1, 2**31)
    except (OSError, ValueError):
        pytest.skip("needs an address space of more than 2 GiB")
    with pytest.raises(load(build, "errors").DecodeError) as caught:
        decode(build, "Entry", memory)
    assert (caught.value.text, caught.value.offset) == ("larger than 2147483647 bytes", 0)


def test_size_of_a_value(build: ModuleType) -> None:
    """Refused before memory is allocated."""
    entry = class_of(build, "Entry")(data=bytes(1 << 20))
    value = class_of(build, "Message")(entries=[entry] * 2048)
    tracemalloc.start()
    try:
        with pytest.raises(load(build, "errors").RangeError, match="larger than 2147483647 bytes"):
            value.encode()
        assert tracemalloc.get_traced_memory()[1] < 1 << 22
    finally:
        tracemalloc.stop()


ITEMS = 2**20


def ids(count: int) -> bytes:
    """A ConfState with this many voters, packed."""
    return b"\x0a" + varint(count) + b"\x01" * count


def with_ids(count: int, rest: bytes) -> bytes:
    """A Message with a snapshot for this many voters, and with the bytes after it."""
    return field(9, field(2, field(1, ids(count)))) + rest


@pytest.mark.parametrize(
    ("kind", "fits", "more", "at"),
    [
        ("ConfState", ids(ITEMS - 1) + b"\x10\x07", b"\x18\x01", 0),
        ("ConfState", b"\x10\x07" + ids(ITEMS - 1), b"\x22\x01\x01", 0),
        ("ConfState", b"", ids(ITEMS + 1), 0),
        ("Message", with_ids(ITEMS - 1, b"\x3a\x00"), b"\x3a\x00", 0),
        ("Message", with_ids(ITEMS - 2, b"\x3a\x02\x10\x01\x3a\x00"), b"\x72\x00", 0),
        ("Message", with_ids(ITEMS - 1, b"\x72\x00"), b"\x3a\x00\x3a\x00", 0),
        ("Message", with_ids(ITEMS - 2, b"\x72\x00"), b"\x72\x02\x3a\x00", 2),
        ("ConfChangeV2", b"", b"\x12\x00" * (ITEMS + 1), 2 * ITEMS),
    ],
)
def test_items_are_limited(build: ModuleType, kind: str, fits: bytes, more: bytes, at: int) -> None:
    """Otherwise a peer could make the receiver allocate far more memory than it sends, by tiny items."""
    decode(build, kind, fits)
    with pytest.raises(load(build, "errors").DecodeError) as caught:
        decode(build, kind, fits + more)
    assert (caught.value.text, caught.value.offset) == ("more than 1048576 items in its lists", len(fits) + at)


def test_items_of_a_value_are_limited(build: ModuleType) -> None:
    """A value that could not be decoded is not encoded."""
    errors = load(build, "errors")
    entry, message, state = (class_of(build, kind) for kind in ("Entry", "Message", "ConfState"))
    single = class_of(build, "ConfChangeSingle")()
    for value in (
        message(entries=[entry()] * ITEMS, responses=[message()]),
        message(responses=[message(entries=[entry()] * (ITEMS - 1)), message()]),
        state(voters=[1] * (ITEMS - 2), learners=[2], voters_outgoing=[3], learners_next=[4]),
        class_of(build, "ConfChangeV2")(changes=[single] * (ITEMS + 1)),
    ):
        with pytest.raises(errors.RangeError, match="more than 1048576 items in its lists"):
            value.encode()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [2**31 - 1, 2**32, 2**62, 2**64 - 1])
def test_no_memory_by_a_length_alone(build: ModuleType, kind: str, length: int) -> None:
    tracemalloc.start()
    try:
        for number in (1, 2, 3, 4, 7, 9, 12, 14, 20):
            data = varint(number << 3 | 2) + varint(length) + b"abc"
            with pytest.raises(load(build, "errors").DecodeError, match="field is cut off at offset 0"):
                decode(build, kind, data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "written"),
    [
        (b"\x10\x01\x28\x01" * 200_000, b"\x10\x01" + b"\x28\x01" * 200_000),
        (b"\x2a\x00" * 400_000, None),
        (b"\x22\x01a" * 200_000, b"\x22\x01a"),
    ],
)
def test_many_fields(build: ModuleType, data: bytes, written: bytes | None) -> None:
    """The work is proportional to the bytes; otherwise this test would never end."""
    assert decode(build, "Entry", data).encode() == (data if written is None else written)


def test_many_pieces(build: ModuleType) -> None:
    """The same for submessages in pieces, with unknown fields inside, at each level."""
    piece = field(9, b"\x18\x01" + field(2, b"\x20\x01" + field(1, b"\x08\x05\x30\x01")))
    count = 50_000
    state = b"\x08\x05" * count + b"\x30\x01" * count
    metadata = field(1, state) + b"\x20\x01" * count
    assert decode(build, "Message", piece * count).encode() == field(9, field(2, metadata) + b"\x18\x01" * count)


GUARD = """
import ctypes, ctypes.util, mmap, sys
import raftcy
from raftcy.errors import DecodeError
from raftcy.wire import codec

page = mmap.PAGESIZE
memory = mmap.mmap(-1, 2 * page)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
libc = ctypes.CDLL(None, use_errno=True)
if libc.mprotect(ctypes.c_void_p(address + page), ctypes.c_size_t(page), 0):
    sys.exit("mprotect failed")
refused = read = 0
for line in sys.stdin:
    name, text = line.split()
    whole = bytes.fromhex(text)
    for size in range(len(whole) + 1):
        data = whole[:size]
        at = page - size
        memory[at:page] = data
        buffer = (ctypes.c_char * size).from_address(address + at)
        try:
            getattr(codec, "decode_" + name)(buffer)
            read += 1
        except DecodeError:
            refused += 1
print(raftcy.BUILD, read > 0, refused > 0)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs mprotect of Linux")
def test_nothing_is_read_beyond_the_end(build: ModuleType) -> None:
    """Every prefix of many encodings is placed right before memory that cannot be read."""
    lines = [f"{codec_name} {data}\n" for codec_name, data in GUARDED]
    environment = {**os.environ, "RAFTCY_PURE_PYTHON": "1" if build.BUILD == "pure" else "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", GUARD],
        input="".join(lines),
        capture_output=True,
        text=True,
        timeout=120,
        env=environment,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{build.BUILD} True True\n", "")


_EVERYTHING = (
    "0803100118ac0220ffffffffffffffffff0128003080013a0a0801100218ac02220161"
    "3a0b0801100218ac0228012201624000" + "4a1e0a037374611217" + "0a0d080108020a020304180520062801" + "100b1801"
    "9201026162" + "50015880800162036374786805" + "72060804f801011001" + "2b08012c" + "4101020304050607084501020304"
)
GUARDED = [
    ("message", _EVERYTHING),
    ("message", "0803" + "72" + f"{len(_EVERYTHING) // 2:02x}" + _EVERYTHING[:240]),
    ("entry", "08ffffffffffffffffff0110ffffffffffffffffff01180122036162632b330801342c41010203040506070845010203042a00"),
    ("hard_state", "0801108001188080018280010161"),
    ("conf_state", "0801080212030180011a00200428019a0100"),
    ("snapshot", "0a03616263120e0a080801080208032800100b1801"),
    ("snapshot_metadata", "0a080801080208032800100b1801"),
    ("conf_change", "0809100118032203637478"),
    ("conf_change_single", "080310810128ff01"),
    ("conf_change_v2", "08021204080010041204080110011200120b10ffffffffffffffffff011a0178"),
]


@pytest.mark.parametrize(("name", "data"), GUARDED)
def test_every_prefix_is_judged_alike(raftcy: ModuleType, raftcy_pure: ModuleType, name: str, data: str) -> None:
    kind = next(kind for kind, codec_name in CODEC_NAMES.items() if codec_name == name)
    whole = bytes.fromhex(data)
    for size in range(len(whole) + 1):
        assert outcome(raftcy, kind, whole[:size]) == outcome(raftcy_pure, kind, whole[:size])


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("Message", b"\x3a\x00"),
        ("Message", b"\x72\x00"),
        ("Message", b"\x4a\x00"),
        ("Message", b"\x4a\x02\x12\x00"),
        ("Message", b"\xf8\x01\x01"),
        ("ConfState", b"\x08\x01"),
        ("ConfState", b"\x0a\x01\x01"),
        ("ConfChangeV2", b"\x12\x00"),
        ("Snapshot", b"\x12\x02\x0a\x00"),
    ],
)
def test_memory_in_proportion(build: ModuleType, kind: str, item: bytes) -> None:
    """The shortest encodings take at most about a hundred times as much memory."""
    data = item * 5_000
    decode(build, kind, data)
    tracemalloc.start()
    try:
        value = decode(build, kind, data)
        assert tracemalloc.get_traced_memory()[1] < (140 if FREE_THREADED else 110) * len(data)
    finally:
        tracemalloc.stop()
    assert value.encode() is not None
