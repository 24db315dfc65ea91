"""Answers as bytes."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.machines import module

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(max_size=20)
)  # fmt: skip
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down, in the same order."""
    return repr(one) == repr(other)


@given(value=PLAIN)
def test_what_comes_out_went_in(build: ModuleType, value: Any) -> None:
    p = module(build, "plaindata")
    data = p.pack(value)
    assert same(p.unpack(data), value)
    assert p.pack(p.unpack(data)) == data


@pytest.mark.parametrize(
    "value", [0, 2**64 - 1, 2**64, 2**200, -1, -(2**64), -(2**64) - 1, -(2**200), True, 1.5, "\ud800"]
)
def test_edges(build: ModuleType, value: Any) -> None:
    p = module(build, "plaindata")
    assert same(p.unpack(p.pack(value)), value)


def test_a_refusal(build: ModuleType) -> None:
    p = module(build, "plaindata")
    refused = [build.CommandError("held by another", "held"), build.CommandError("no")]
    assert p.unpack(p.pack(refused)) == refused


@given(data=st.binary(max_size=30))
def test_bytes_of_anybody(build: ModuleType, data: bytes) -> None:
    p = module(build, "plaindata")
    try:
        value = p.unpack(data)
    except build.DecodeError:
        return
    again = p.unpack(p.pack(value))
    assert same(again, value)


class Number(int):
    pass


@pytest.mark.parametrize("value", [object(), {1, 2}, bytearray(b"x"), [Number(3)], {"a": b"x", "b": 1j}, range(3)])
def test_what_is_no_plain_data(build: ModuleType, value: Any) -> None:
    p = module(build, "plaindata")
    with pytest.raises(TypeError, match="an answer must be plain data"):
        p.pack(value)


def test_depth_is_bounded(build: ModuleType) -> None:
    p = module(build, "plaindata")
    value: Any = []
    for _ in range(p.DEPTH_MOST - 1):
        value = [value]
    assert p.unpack(p.pack(value)) == value
    with pytest.raises(TypeError, match="nested more than 32 deep"):
        p.pack([[value]])
    with pytest.raises(build.DecodeError, match="nested more than 32 deep"):
        p.unpack(bytes([10, 1]) * 100_000)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cut off"),
        ("0e", "14 is not a kind"),
        ("0001", "1 bytes are left over"),
        ("08ff", "cut off"),
        ("080161ff", "left over"),
        ("0801c1", "not UTF-8"),
        ("0a7f", "127 items do not fit in at offset 1"),
        ("0508ffffffffffffffff", "shortest form"),
        ("050901000000000000000000", "cut off|shortest form"),
        ("0c01" + "0a00" + "00", "a list cannot be a name"),
        ("0c02" + "0301" + "00" + "0301" + "00", "comes twice"),
        ("0d" + "00" + "00", "a refusal has no text"),
        ("0700", "cut off"),
    ],
)
def test_what_is_malformed(build: ModuleType, text: str, says: str) -> None:
    p = module(build, "plaindata")
    with pytest.raises(build.DecodeError, match=says):
        p.unpack(bytes.fromhex(text))
