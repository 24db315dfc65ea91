"""The bytes of a group's log entries."""

from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.machines import module

U64 = st.integers(0, 2**64 - 1)


def cases(e: ModuleType) -> list[tuple[bytes, Any, str]]:
    return [
        (e.plain(b"abc"), e.Plain(b"abc"), "616263"),
        (e.plain(b""), e.Plain(b""), "c100"),
        (e.plain(b"\xc1\x01"), e.Plain(b"\xc1\x01"), "c100c101"),
        (e.open_session(60_000), e.Opened(60_000), "c101e0d403"),
        (e.session_command(7, 300, 299, b"\xc1x"), e.SessionCommand(7, 300, 299, b"\xc1x"), "c10207ac02ab02c178"),
        (e.session_command(7, 1, 0, b""), e.SessionCommand(7, 1, 0, b""), "c102070100"),
        (e.acknowledge(7, 9), e.Acknowledged(7, 9), "c1030709"),
        (e.close_session(7), e.Closed(7), "c10407"),
        (e.time_passed(3, 500), e.TimePassed(3, 500), "c10503f403"),
        (e.version_report(2, 4), e.VersionReport(2, 4), "c1060204"),
    ]


def test_every_kind(build: ModuleType) -> None:
    """The very bytes: what is in a log stays readable."""
    e = module(build, "envelope")
    for data, content, text in cases(e):
        assert data.hex() == text
        assert e.decode(data) == content
    assert {type(content) for _, content, _ in cases(e)} == set(e.Content.__args__)


def test_no_text_and_no_messagepack_needs_a_mark(build: ModuleType) -> None:
    e = module(build, "envelope")
    for text in ("", *map(chr, (0, 0x7F, 0x80, 0x7FF, 0xFFFF, 0x10FFFF))):
        assert text == "" or e.plain(text.encode()) == text.encode()
    for first in range(256):
        marked = e.plain(bytes([first]))
        assert marked == (b"\xc1\x00\xc1" if first == 0xC1 else bytes([first]))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "an entry is empty at offset 0"),
        ("c1", "the kind is cut off at offset 1"),
        ("c10061", "a mark that it does not need at offset 2"),
        ("c101", "a number is cut off at offset 2"),
        ("c10105", "5 is not from 100 to 604800000"),
        ("c101e0d40300", "1 bytes are left over at offset 5"),
        ("c101e0d483808080808080808000", "longer than 64 bits"),
        ("c10207", "cut off"),
        ("c102070000", "0 is not from 1 to"),
        ("c102070505", "5 is not from 0 to 4"),
        ("c10207ac8200ab02", "not in its shortest form"),
        ("c1030709ff", "left over"),
        ("c104", "cut off"),
        ("c10501e907", "1001 is not from 1 to 1000"),
        ("c1050100", "0 is not from 1 to 1000"),
        ("c1060001", "0 is not from 1"),
        ("c1060100", "0 is not from 1"),
        ("c106018080808008", "2147483648 is not from"),
        ("c103ffffffffffffffffff0201", "27670116110564327423 is not from 0"),
    ],
)
def test_what_is_malformed(build: ModuleType, text: str, says: str) -> None:
    e = module(build, "envelope")
    with pytest.raises(build.DecodeError, match=says):
        e.decode(bytes.fromhex(text))


@pytest.mark.parametrize("kind", [7, 8, 0x7F, 0x80, 0xFF])
def test_an_unknown_kind_is_a_newer_program_s(build: ModuleType, kind: int) -> None:
    e = module(build, "envelope")
    with pytest.raises(build.UpgradeNeeded, match=f"entry kind {kind} needs a newer program") as caught:
        e.decode(bytes([0xC1, kind]) + b"anything")
    assert (caught.value.needed, caught.value.known) == (kind, 6)


def test_arguments_are_checked(build: ModuleType) -> None:
    e = module(build, "envelope")
    for call in (
        lambda: e.open_session(99),
        lambda: e.open_session(e.TIMEOUT_MOST_MS + 1),
        lambda: e.session_command(1, 0, 0, b""),
        lambda: e.session_command(1, 5, 5, b""),
        lambda: e.time_passed(1, 0),
        lambda: e.time_passed(1, e.ADVANCE_MOST_MS + 1),
        lambda: e.version_report(1, 0),
        lambda: e.acknowledge(-1, 0),
        lambda: e.close_session(2**64),
    ):
        with pytest.raises(ValueError, match=r"must be|cannot"):
            call()
    with pytest.raises(TypeError):
        e.plain("text")


@given(data=st.binary(max_size=40), head=st.sampled_from([b"", b"\xc1", *(bytes([0xC1, kind]) for kind in range(8))]))
def test_one_entry_has_one_encoding(build: ModuleType, head: bytes, data: bytes) -> None:
    """What is accepted is exactly what its content is encoded as; all else is refused by its own error."""
    e = module(build, "envelope")
    data = head + data
    try:
        content = e.decode(data)
    except build.UpgradeNeeded:
        assert data[1] > 6
        return
    except build.DecodeError:
        return
    assert encode(e, content) == data


def encode(e: ModuleType, content: Any) -> bytes:
    makers = {
        e.Plain: e.plain,
        e.Opened: e.open_session,
        e.SessionCommand: e.session_command,
        e.Acknowledged: e.acknowledge,
        e.Closed: e.close_session,
        e.TimePassed: e.time_passed,
        e.VersionReport: e.version_report,
    }
    return makers[type(content)](*content)


@given(session=U64, place=st.integers(1, 2**64 - 1), data=st.binary(max_size=20), part=st.floats(0, 1))
def test_round_trip(build: ModuleType, session: int, place: int, data: bytes, part: float) -> None:
    e = module(build, "envelope")
    acknowledged = min(int(part * place), place - 1)
    content = e.SessionCommand(session, place, acknowledged, data)
    assert e.decode(e.session_command(*content)) == content
    assert e.decode(e.plain(data)) == e.Plain(data)
