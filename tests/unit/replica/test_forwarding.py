"""The bytes of forwarded commands and of their replies: there and back, and whatever is none is refused."""

import random

import pytest

from raftcy.errors import DecodeError
from raftcy.replica.forwarding import (
    COMMANDS_MAX,
    DETAIL_BYTES_MAX,
    Forwarded,
    Placed,
    Refused,
    decode_forwarded,
    decode_reply,
    encode_forwarded,
    encode_reply,
)
from raftcy.replica.tokens import RejectReason


def naive_request(term: int, commands: list[bytes]) -> bytes:
    data = bytes([1]) + term.to_bytes(8, "big") + len(commands).to_bytes(4, "big")
    for each in commands:
        data += len(each).to_bytes(4, "big")
    for each in commands:
        data += each
    return data


def test_requests_are_as_written_down() -> None:
    draw = random.Random(1)
    for _ in range(300):
        term = draw.choice([1, 7, 2**64 - 1])
        commands = [draw.randbytes(draw.choice([0, 1, 5, 300])) for _ in range(draw.randint(1, 9))]
        data = encode_forwarded(term, commands)
        assert data == naive_request(term, commands)
        assert decode_forwarded(data) == Forwarded(term, commands)


REPLIES = [
    Placed(1, 1),
    Placed(2**64 - 1, 2**64 - 2),
    *(Refused(reason) for reason in RejectReason),
    Refused(RejectReason.QUOTA, "too much ßö"),
]


@pytest.mark.parametrize("reply", REPLIES, ids=str)
def test_replies_come_back(reply: Placed | Refused) -> None:
    assert decode_reply(encode_reply(reply)) == reply


def test_numbers_of_reasons_never_change() -> None:
    assert [encode_reply(Refused(reason))[2] for reason in RejectReason] == list(range(len(RejectReason)))
    assert encode_reply(Placed(2, 3)).hex() == "0101" + "0000000000000002" + "0000000000000003"
    assert encode_reply(Refused(RejectReason.NO_LEADER, "x")).hex() == "01020078"


def test_a_reason_of_a_later_version_is_a_refusal() -> None:
    assert decode_reply(b"\x01\x02\xffnew") == Refused(RejectReason.REFUSED, "new")


def test_a_long_detail_is_cut() -> None:
    found = decode_reply(encode_reply(Refused(RejectReason.REFUSED, "é" * DETAIL_BYTES_MAX)))
    assert isinstance(found, Refused)
    assert found.detail == "é" * (DETAIL_BYTES_MAX // 2)


@pytest.mark.parametrize("count", [0, COMMANDS_MAX + 1])
def test_a_request_has_some_commands(count: int) -> None:
    with pytest.raises(ValueError, match="a request has 1 to 65536 commands"):
        encode_forwarded(1, [b""] * count)


BAD_REQUESTS = {
    "nothing": b"",
    "no head": naive_request(1, [b"a"])[:12],
    "a later version": b"\x02" + naive_request(1, [b"a"])[1:],
    "no term": naive_request(0, [b"a"]),
    "no command": naive_request(1, []),
    "too many commands": b"\x01" + (1).to_bytes(8, "big") + (COMMANDS_MAX + 1).to_bytes(4, "big") + bytes(400_000),
    "lengths cut off": naive_request(1, [b"a", b"b"])[:18],
    "a command cut off": naive_request(1, [b"ab"])[:-1],
    "more than the commands": naive_request(1, [b"ab"]) + b"c",
    "a length beyond the end": naive_request(1, [b""])[:13] + b"\xff\xff\xff\xff",
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bytes_that_are_no_request(name: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_forwarded(BAD_REQUESTS[name])
    assert 0 <= caught.value.offset <= len(BAD_REQUESTS[name])


BAD_REPLIES = {
    "nothing": b"",
    "two bytes": b"\x01\x02",
    "a later version": b"\x02" + encode_reply(Placed(1, 1))[1:],
    "an unknown kind": b"\x01\x03\x00",
    "a place cut off": encode_reply(Placed(1, 1))[:-1],
    "a longer place": encode_reply(Placed(1, 1)) + b"\0",
    "no term": encode_reply(Placed(1, 1))[:2] + bytes(7) + b"\0" + (1).to_bytes(8, "big"),
    "no index": encode_reply(Placed(1, 1))[:10] + bytes(8),
    "a long detail": b"\x01\x02\x00" + b"x" * (DETAIL_BYTES_MAX + 1),
}


@pytest.mark.parametrize("name", BAD_REPLIES)
def test_bytes_that_are_no_reply(name: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_reply(BAD_REPLIES[name])
    assert 0 <= caught.value.offset <= len(BAD_REPLIES[name])


def test_noise_is_refused_or_means_what_it_says() -> None:
    draw = random.Random(2)
    for _ in range(2000):
        data = bytearray(naive_request(3, [b"abc", b"", b"z" * 20]))
        for _ in range(draw.randint(1, 3)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            found = decode_forwarded(bytes(data))
        except DecodeError:
            continue
        assert encode_forwarded(found.term, found.commands) == data
