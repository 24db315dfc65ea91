"""Both ends of a connection without sockets: any cuts of the bytes, and whatever breaks the rules."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.values import load

messages = st.lists(st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=300)), max_size=8)


def modules(build: ModuleType) -> tuple[ModuleType, ModuleType]:
    return load(build, "transport.conversation"), load(build, "transport.packets")


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted(min(cut, len(data)) for cut in cuts)
    return [data[first:last] for first, last in zip([0, *at], [*at, len(data)], strict=True)]


def hear(speech: Any, data: bytes, cuts: list[int]) -> list[Any]:
    return [event for piece in pieces(data, cuts) for event in speech.receive(piece)]


cut_places = st.lists(st.integers(0, 400), max_size=10)


@given(said=messages, cuts=cut_places, pings=st.integers(0, 3))
def test_a_whole_conversation(build: ModuleType, said: list[tuple[int, bytes]], cuts: list[int], pings: int) -> None:
    """A hello, a welcome, messages, pings and pongs, cut anywhere: each end hears what the other has said."""
    c, p = modules(build)
    caller, callee = c.Speech(False), c.Speech(True)
    hello = p.Hello(sender=1, receiver=2, cluster=9, nonce=5)
    caller.begin(hello)
    assert hear(callee, caller.take_output(), cuts) == [c.Greeted(hello)]
    assert not callee.is_open
    callee.welcome(p.Hello(sender=2, receiver=1, cluster=9))
    assert [event.hello.sender for event in hear(caller, callee.take_output(), cuts)] == [2]
    assert caller.is_open
    assert callee.is_open
    stream = b"".join(p.message_head(group, len(data)) + data for group, data in said)
    for token in range(pings):
        caller.ping(token)
        stream += caller.take_output()
    payloads = [payload for event in hear(callee, stream, cuts) for payload in event.payloads]
    assert [(p.group_of(payload), bytes(payload[p.HEAD_BYTES :])) for payload in payloads] == said
    assert hear(caller, callee.take_output(), cuts) == [c.Ponged(token) for token in range(pings)]
    assert (caller.error, callee.error) == (None, None)
    assert (caller.pending_bytes, callee.pending_bytes) == (0, 0)


@given(reason=st.integers(1, 11), cuts=cut_places)
def test_a_refusal(build: ModuleType, reason: int, cuts: list[int]) -> None:
    c, p = modules(build)
    caller, callee = c.Speech(False), c.Speech(True)
    caller.begin(p.Hello(sender=1, receiver=2))
    hear(callee, caller.take_output(), cuts)
    refusal = p.Refusal(p.Reason(reason), "because")
    callee.refuse(refusal)
    assert hear(caller, callee.take_output(), cuts) == [c.Refused(refusal)]
    assert not caller.is_open


def wrong(p: ModuleType) -> list[tuple[bool, bool, bytes]]:
    """What an end must not hear: whether it accepts, whether it is open, and the bytes."""
    hello = p.encode_greeting(p.HELLO, p.Hello(sender=1, receiver=2))
    welcome = p.encode_greeting(p.WELCOME, p.Hello(sender=1, receiver=2))
    ping, pong = p.encode_token(p.PING, 1), p.encode_token(p.PONG, 1)
    message = p.message_head(0, 1) + b"x"
    refusal = p.encode_refusal(p.Refusal(p.Reason.BUSY, ""))
    return [
        *[(True, False, data) for data in (welcome, ping, pong, message, refusal, b"\0\0\0\0", b"GET / HTTP/1.1\r\n")],
        *[(True, False, hello + data) for data in (hello, ping, message)],
        *[(True, True, data) for data in (hello, welcome, refusal, b"\0\0\0\0", b"\0\0\0\x01\x09", b"\0\0\0\x02\x05x")],
        *[(False, False, data) for data in (hello, ping, pong, message, b"\0\0\0\x01\x03")],
        *[(False, True, data) for data in (hello, welcome, message, refusal)],
        (True, False, b"\0\0\x10\x01"),
        (False, False, b"\0\0\x10\x01"),
        (True, True, b"\xff\xff\xff\xff"),
    ]


@pytest.mark.parametrize("number", range(28))
def test_what_breaks_the_rules(build: ModuleType, number: int) -> None:
    c, p = modules(build)
    accepts, is_open, data = wrong(p)[number]
    for cut in (1, len(data)):
        speech = c.Speech(accepts)
        if is_open and accepts:
            speech.welcome(p.Hello(sender=1, receiver=2))
        elif is_open:
            speech.receive(p.encode_greeting(p.WELCOME, p.Hello(sender=1, receiver=2)))
        for at in range(0, len(data), cut):
            speech.receive(data[at : at + cut])
        assert isinstance(speech.error, load(build, "errors").DecodeError)
        # Nothing is read from there on.
        assert speech.receive(p.encode_token(p.PING, 1)) == []


def test_every_wrong_thing_is_tried(build: ModuleType) -> None:
    assert len(wrong(modules(build)[1])) == 28


def test_what_comes_before_a_fault_is_heard(build: ModuleType) -> None:
    c, p = modules(build)
    speech = c.Speech(True)
    speech.welcome(p.Hello(sender=1, receiver=2))
    events = speech.receive(p.message_head(0, 1) + b"x" + b"\xff\xff\xff\xff")
    assert [bytes(payload[9:]) for event in events for payload in event.payloads] == [b"x"]
    assert "frame of 4294967295 bytes" in str(speech.error)


def test_a_stranger_makes_nobody_hold_much(build: ModuleType) -> None:
    """Before a connection is open, a frame must be small; afterwards the limit is the transport's."""
    c, p = modules(build)
    speech = c.Speech(True, limit_bytes=100_000)
    speech.receive(b"\0\0\x20\0" + bytes(5000))
    assert "frame of 8192 bytes, more than 4096" in str(speech.error)
    speech = c.Speech(True, limit_bytes=100_000)
    speech.welcome(p.Hello(sender=1, receiver=2))
    speech.receive(b"\0\0\x20\0" + bytes(5000))
    assert speech.error is None
    assert speech.pending_bytes == 5004


def test_the_pulse(build: ModuleType) -> None:
    pulse = load(build, "transport.pulse").Pulse(2)
    assert [pulse.look() for _ in range(4)] == [True, True, False, False]
    pulse.heard()
    assert pulse.look()
