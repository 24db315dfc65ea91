"""Messages with entries of every shape, compared with an encoding built here.

Numbers and data at the limits of their sizes, absent and unknown fields, and first entries that differ from the others.
"""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.values import EDGES, class_of, decode, field, load, outcome, varint

HEAD = b"\x08\x03\x10\x02\x18\x01\x20\x05"
LENGTHS = [0, 1, 30, 98, 99, 100, 101, 116, 119, 120, 121, 122, 127, 128, 16119, 16127, 16128, 16383, 16384, 66_000]
TAILS = [b"", b"\x40\x07", b"\x40\x07" + field(12, b"c" * 300), b"\x40\x07" + field(12, b"c" * 20_000)]


def entry(type: int | None, term: int | None, index: int | None, data: bytes | None, unknown: bytes = b"") -> bytes:
    """An entry as etcd writes it."""
    numbers = [(tag, number) for tag, number in ((8, type), (16, term), (24, index)) if number is not None]
    written = b"".join(varint(tag) + varint(number % 2**64) for tag, number in numbers)
    return written + (b"" if data is None else field(4, data)) + unknown


def check(build: ModuleType, entries: list[bytes], tail: bytes = b"\x40\x07") -> None:
    """Decode and encode, and check the entries."""
    data = HEAD + b"".join(field(7, each) for each in entries) + tail
    value = decode(build, "Message", data)
    assert value.encode() == data
    assert [each.encode() for each in value.entries] == entries
    assert value.entries == [decode(build, "Entry", each) for each in entries]
    assert decode(build, "Message", bytearray(data)) == value


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths(build: ModuleType, length: int) -> None:
    """All alike, or one of that length before, among and behind short and long ones."""
    for type in (None, 1):
        this, short, long = (entry(type, 5, 300, b"d" * size) for size in (length, 20, 200))
        mixtures = [[this], [this] * 3, [this, short, long], [short, this, short], [long, this], [short, long, this]]
        for entries in mixtures:
            for tail in TAILS:
                check(build, entries, tail)


@pytest.mark.parametrize("number", EDGES)
def test_numbers(build: ModuleType, number: int) -> None:
    usual = entry(0, 5, 1_000_001, b"d" * 128)
    for odd in (entry(0, number, 7, b"d" * 128), entry(0, 5, number, b"d" * 128), entry(None, number, number, b"")):
        check(build, [usual, odd, usual])
        check(build, [odd, usual])
    if number < 2**31:
        for type in (number, -number - 1):
            check(build, [usual, entry(type, 5, 7, b"d"), entry(type, 5, 7, b"d" * 120), usual])


def test_fields_that_are_absent(build: ModuleType) -> None:
    usual = entry(0, 5, 7, b"d" * 128)
    for type in (None, 2):
        for term in (None, 0):
            for index in (None, 0):
                for data in (None, b"", b"d", b"d" * 128):
                    odd = entry(type, term, index, data)
                    check(build, [usual, odd, usual])
                    check(build, [odd, odd, usual, odd], b"")


def test_fields_that_are_not_known(build: ModuleType) -> None:
    usual = entry(0, 5, 7, b"d" * 128)
    for size in (1, 90, 128, 17_000):
        odd = entry(0, 5, 7, b"d" * 90, field(15, b"u" * size))
        check(build, [usual, odd, usual])
        check(build, [odd, usual, odd], b"")


@pytest.mark.parametrize("count", [64, 460, 461, 462, 463, 1024, 1025, 5000])
def test_many(build: ModuleType, count: int) -> None:
    """Up to 64 KiB, more than that, and more than the list reserves at once."""
    check(build, [entry(0, 5, 1_000_000 + at, b"d" * 128) for at in range(count)])
    check(build, [b""] * count)
    check(build, [entry(None, 5, 0, b"")] + [entry(0, 5, at, b"d" * (at % 150)) for at in range(count)])


def test_other_order(build: ModuleType) -> None:
    """Entries with fields in another order, or repeated, and other fields among the entries."""
    usual = entry(0, 5, 7, b"d" * 128)
    same = [
        b"\x10\x05" + b"\x08\x00" + b"\x18\x07" + field(4, b"d" * 128),
        b"\x08\x01\x10\x09" + usual,
        usual + b"\x10\x05",
        b"\x88\x00\x00" + usual[2:],
        b"\x08\x80\x00\x10\x85\x80\x00\x18\x87\x80\x80\x00" + field(4, b"d" * 128),
        field(4, b"x" * 200) + usual,
    ]
    wanted = HEAD + field(7, usual) * 3 + b"\x40\x07"
    for odd in same:
        value = decode(build, "Message", HEAD + field(7, usual) + field(7, odd) + field(7, usual) + b"\x40\x07")
        assert value.encode() == wanted
    value = decode(build, "Message", field(7, usual) + HEAD + field(7, usual) + b"\x40\x07" + field(7, usual))
    assert value.encode() == wanted
    for tag in (b"\xba\x00", b"\xba\x80\x80\x80\x00"):
        long = tag + field(7, usual)[1:]
        for entries in (long * 3, field(7, usual) + long + field(7, usual), long + field(7, usual) * 2):
            assert decode(build, "Message", HEAD + entries + b"\x40\x07").encode() == wanted


def test_every_cut(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    """Cuts of the message, and of an entry inside it: the same errors at the same places."""
    usual = entry(0, 5, 1_000_001, b"d" * 60)
    whole = field(7, usual) * 2 + b"\x40\x07"
    for at in range(len(whole)):
        assert outcome(raftcy, "Message", whole[:at]) == outcome(raftcy_pure, "Message", whole[:at])
    for at in range(len(usual)):
        for more in (b"", whole, b"\x80" * 80):
            data = field(7, usual[:at]) + more
            assert outcome(raftcy, "Message", data) == outcome(raftcy_pure, "Message", data)


def test_nothing_behind_an_entry_is_taken_for_it(build: ModuleType) -> None:
    """The bytes after an entry with missing fields may look like these fields."""
    behind = b"\x08\x03\x10\x02\x18\x01" + field(4, b"d" * 80)
    for kept in (b"", b"\x08\x01", b"\x08\x01\x10\x05", b"\x10\x05", b"\x08\x01\x10\x05\x18\x07"):
        for skipped in (0, 2, 4, 6):
            value = decode(build, "Message", field(7, kept) + behind[skipped:])
            (got,) = value.entries
            wanted = (1 if b"\x08" in kept else 0, 5 if b"\x10" in kept else 0, 7 if b"\x18" in kept else 0, b"")
            assert (got.type, got.term, got.index, got.data) == wanted
            assert got.encode() == kept


def test_length_that_leads_back(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    """The length reaches beyond the end of its entry and, modulo 2**64, back to that place."""
    for inside in range(10):
        whole = entry(0, 5, 7, None) + b"\x22" + varint(2**64 - 10 + inside)
        data = field(7, whole[: len(whole) - 10 + inside])[:2] + whole + b"\x40\x07" * 40
        result = outcome(raftcy, "Message", data)
        assert result[0] == "DecodeError"
        assert result == outcome(raftcy_pure, "Message", data)


some_entries = st.lists(
    st.tuples(
        st.sampled_from([None, 0, 1, 127, 128]),
        st.sampled_from([None, *EDGES]),
        st.sampled_from([None, *EDGES]),
        st.one_of(st.none(), st.integers(0, 150).map(bytes), st.sampled_from(LENGTHS).map(bytes)),
    ),
    max_size=12,
)


@settings(max_examples=300)
@given(fields=some_entries, tail=st.sampled_from(TAILS))
def test_any(build: ModuleType, fields: list[tuple[Any, Any, Any, Any]], tail: bytes) -> None:
    check(build, [entry(*each) for each in fields], tail)


@settings(max_examples=500)
@given(fields=some_entries, at=st.integers(0), byte=st.integers(0, 255))
def test_one_byte_changed(
    raftcy: ModuleType, raftcy_pure: ModuleType, fields: list[tuple[Any, Any, Any, Any]], at: int, byte: int
) -> None:
    data = bytearray(HEAD + b"".join(field(7, entry(*each)) for each in fields) + b"\x40\x07")
    data[at % len(data)] = byte
    assert outcome(raftcy, "Message", bytes(data)) == outcome(raftcy_pure, "Message", bytes(data))


@pytest.mark.parametrize("at", [0, 1, 2])
def test_something_else_among_them(build: ModuleType, at: int) -> None:
    message, one = class_of(build, "Message"), class_of(build, "Entry")
    for length in (1, 128, 30_000):
        value = message(entries=[one(data=b"d" * 128), one(data=b"d" * length), one(data=b"d" * 128)])
        kept, value.entries[at] = value.entries[at], value
        with pytest.raises(TypeError, match="value must be of Entry, not Message"):
            value.encode()
        value.entries[at] = kept
        assert decode(build, "Message", value.encode()) == value


def test_too_many_of_them(build: ModuleType) -> None:
    """The limit counts over several runs of entries."""
    limit = load(build, "wire.codec").MAX_ITEMS
    data = field(7, b"") * (limit - 1) + b"\x40\x07" + field(7, b"")
    with pytest.raises(load(build, "errors").DecodeError) as caught:
        decode(build, "Message", data + field(7, b"\x10\x01"))
    assert caught.value.offset == len(data)
    assert "items in its lists" in caught.value.text
