"""Packets: what is written is read, and bytes that are no packet are a DecodeError."""

import struct
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.values import load

numbers = st.integers(0, 2**64 - 1)
ids = st.integers(1, 2**64 - 1)
addresses = st.lists(st.tuples(st.text(max_size=20), st.integers(0, 65535)), max_size=8).map(tuple)


def packets(build: ModuleType) -> ModuleType:
    return load(build, "transport.packets")


@given(sender=ids, receiver=ids, cluster=numbers, identity=numbers, nonce=numbers, places=addresses)
def test_greetings(build: ModuleType, places: Any, **fields: int) -> None:
    p = packets(build)
    hello = p.Hello(**fields, addresses=places)
    for kind in (p.HELLO, p.WELCOME):
        data = p.encode_greeting(kind, hello)
        assert len(data) - 4 <= p.GREETING_BYTES_MAX
        assert struct.unpack(">L", data[:4]) == (len(data) - 4,)
        assert data[4] == kind
        assert p.decode_greeting(data[4:]) == hello


def test_the_bytes_of_a_hello(build: ModuleType) -> None:
    """They are the protocol of version 2, and stay so."""
    p = packets(build)
    hello = p.Hello(sender=1, receiver=2, cluster=3, identity=4, nonce=5, addresses=(("a", 6),))
    expected = b"\x01rfcy\0\x02" + struct.pack(">QQQQQB", 3, 1, 2, 4, 5, 1) + b"\0\x06\x01a"
    assert p.encode_greeting(p.HELLO, hello) == struct.pack(">L", len(expected)) + expected
    assert p.message_head(7, 3) == struct.pack(">LBQ", 12, 4, 7)
    assert p.encode_token(p.PING, 9) == struct.pack(">LBQ", 9, 5, 9)
    assert p.encode_token(p.PONG, 9) == struct.pack(">LBQ", 9, 6, 9)
    assert p.encode_refusal(p.Refusal(p.Reason.CLUSTER, "no")) == b"\0\0\0\x04\x03\x03no"


@given(data=st.binary(max_size=80))
def test_bytes_that_are_no_greeting(build: ModuleType, data: bytes) -> None:
    p, errors = packets(build), load(build, "errors")
    for head in (b"", b"\x01rfcy\0\x02", b"\x01rfcy\0\x02" + b"\0" * 15 + b"\x01" + b"\0" * 7 + b"\x01"):
        for read in (p.decode_greeting, p.decode_refusal, p.decode_token, p.group_of):
            with suppress(errors.DecodeError):
                read(head + data)


@pytest.mark.parametrize(
    "fields",
    [
        {"sender": 0},
        {"receiver": 0},
        {"cluster": 2**64},
        {"identity": -1},
        {"addresses": (("a", 1),) * 9},
        {"addresses": (("a", 65536),)},
        {"addresses": (("a" * 256, 1),)},
        {"addresses": (("\ud800", 1),)},
    ],
)
def test_a_greeting_that_cannot_be_written(build: ModuleType, fields: dict[str, Any]) -> None:
    p = packets(build)
    with pytest.raises(load(build, "errors").RangeError, match="no greeting can hold"):
        p.encode_greeting(p.HELLO, p.Hello(**({"sender": 1, "receiver": 2} | fields)))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "cut off"),
        (b"\x01rfcz\0\x02" + bytes(60), "does not begin with a hello"),
        (b"\x01rfcy\0\x02" + bytes(41), "what no hello may hold"),
        (b"\x01rfcy\0\x02" + struct.pack(">QQQQQB", 0, 1, 2, 0, 0, 1), "cut off"),
        (b"\x01rfcy\0\x02" + struct.pack(">QQQQQB", 0, 1, 2, 0, 0, 0) + b"x", "what no hello may hold"),
        (b"\x01rfcy\0\x02" + struct.pack(">QQQQQB", 0, 1, 2, 0, 0, 1) + b"\0\x01\x01\xff", "no text"),
        (b"\x01rfcy\0\x02" + struct.pack(">QQQQQB", 0, 1, 2, 0, 0, 9) + b"\0\x01\x01a" * 9, "what no hello may hold"),
    ],
)
def test_greetings_with_a_fault(build: ModuleType, data: bytes, text: str) -> None:
    with pytest.raises(load(build, "errors").DecodeError, match=text):
        packets(build).decode_greeting(data)


def test_a_greeting_of_another_version(build: ModuleType) -> None:
    """Nothing of it is read but its version, so that it can be refused by name."""
    assert packets(build).decode_greeting(b"\x01rfcy\0\x07anything").version == 7


@given(text=st.text(max_size=600), number=st.integers(1, 11))
def test_refusals(build: ModuleType, text: str, number: int) -> None:
    p = packets(build)
    data = p.encode_refusal(p.Refusal(p.Reason(number), text))
    refusal = p.decode_refusal(data[4:])
    assert refusal.reason == number
    assert len(data) < 500
    if len(text.encode(errors="replace")) <= 400:
        assert refusal.text == text


def test_refusals_of_a_later_version(build: ModuleType) -> None:
    """A reason that is not known may pass; the dialler tries again."""
    p = packets(build)
    assert p.decode_refusal(b"\x03\xc8later") == p.Refusal(p.Reason.BUSY, "later")
