"""The two codecs compared: the same names, results and errors."""

import inspect
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings

from tests.support.values import (
    CODEC_NAMES,
    KINDS,
    codec,
    decode,
    encode,
    kinds_and_recipes,
    load,
    make,
    odd_bytes,
    outcome,
)


def test_names(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    names = [f"{verb}_{name}" for name in CODEC_NAMES.values() for verb in ("decode", "encode")]
    wanted = sorted([*names, "MAX_DEPTH", "MAX_ITEMS", "MAX_SIZE"])
    for build in (raftcy, raftcy_pure):
        assert sorted(codec(build).__all__) == wanted
        assert all(hasattr(codec(build), name) for name in wanted)
    assert codec(raftcy).MAX_DEPTH == codec(raftcy_pure).MAX_DEPTH
    assert codec(raftcy).MAX_ITEMS == codec(raftcy_pure).MAX_ITEMS
    assert codec(raftcy).MAX_SIZE == codec(raftcy_pure).MAX_SIZE


def test_signatures_and_docstrings(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    for name in codec(raftcy).__all__:
        plain = getattr(codec(raftcy_pure), name)
        if callable(plain):
            told = getattr(codec(raftcy), name)
            assert list(inspect.signature(told).parameters) == list(inspect.signature(plain).parameters)
            assert inspect.getdoc(told) == inspect.getdoc(plain)


@settings(max_examples=1500)
@given(case=odd_bytes)
def test_odd_bytes(raftcy: ModuleType, raftcy_pure: ModuleType, case: tuple[str, bytes]) -> None:
    kind, data = case
    assert outcome(raftcy, kind, data) == outcome(raftcy_pure, kind, data)
    assert outcome(raftcy, kind, bytearray(data)) == outcome(raftcy_pure, kind, memoryview(data))


@settings(max_examples=300)
@given(case=kinds_and_recipes)
def test_values(raftcy: ModuleType, raftcy_pure: ModuleType, case: tuple[str, dict[str, Any]]) -> None:
    kind, recipe = case
    one, two = make(raftcy, kind, recipe), make(raftcy_pure, kind, recipe)
    data = encode(raftcy, kind, one)
    assert encode(raftcy_pure, kind, two) == data
    assert repr(one) == repr(two)
    assert hash(one) == hash(two)
    assert repr(decode(raftcy, kind, data)) == repr(decode(raftcy_pure, kind, data))


@pytest.mark.parametrize("kind", KINDS)
def test_every_cut_of_a_long_encoding(raftcy: ModuleType, raftcy_pure: ModuleType, kind: str) -> None:
    """Each prefix, and each suffix."""
    data = bytes.fromhex("08ffffffff0f12031801211a0b0a0512032801300712007a0200013a0a0801100218ac0222016122012b2c")
    seen = set()
    for at in range(len(data) + 1):
        for part in (data[:at], data[at:]):
            result = outcome(raftcy, kind, part)
            assert result == outcome(raftcy_pure, kind, part)
            seen.add(result[0] == "DecodeError")
    assert seen == {True, False}


def test_errors_are_of_each_build(raftcy: ModuleType, raftcy_pure: ModuleType) -> None:
    for build in (raftcy, raftcy_pure):
        errors = load(build, "errors")
        with pytest.raises(errors.DecodeError) as caught:
            decode(build, "Message", b"\x08\x01\x3a\x02\x10\x80")
        error = caught.value
        assert isinstance(error, (errors.RaftError, ValueError))
        assert (error.text, error.offset) == ("field is cut off", 4)
        assert str(error) == "field is cut off at offset 4"
        assert repr(error) == "DecodeError('field is cut off', 4)"
