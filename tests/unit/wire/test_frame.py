"""Frames: any stream in any chunks."""

import tracemalloc
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.values import load

payloads = st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b"", b"x" * 255, b"y" * 70_000])), max_size=6)


def frame(build: ModuleType) -> ModuleType:
    return load(build, "transport.frame")


@given(payloads=payloads, data=st.data())
def test_any_chunks(build: ModuleType, payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(build).encode_frame(payload) for payload in payloads)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    decoder = frame(build).FrameDecoder()
    found = []
    for first, last in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        kind = data.draw(st.sampled_from([bytes, bytearray, memoryview]))
        found += decoder.feed(kind(stream[first:last]))
    assert found == payloads
    assert all(type(payload) in (bytes, bytearray) for payload in found)
    assert decoder.pending_bytes == 0


@given(payloads=payloads.filter(bool), data=st.data())
def test_cut_off(build: ModuleType, payloads: list[bytes], data: st.DataObject) -> None:
    """An incomplete frame is not returned; its bytes count as waiting."""
    stream = b"".join(frame(build).encode_frame(payload) for payload in payloads)
    at = data.draw(st.integers(0, len(stream) - 1))
    decoder = frame(build).FrameDecoder()
    found = decoder.feed(stream[:at])
    assert found == payloads[: len(found)]
    assert decoder.pending_bytes == at - sum(4 + len(payload) for payload in found)
    assert found + decoder.feed(stream[at:]) == payloads


def test_bytes_of_a_frame(build: ModuleType) -> None:
    assert frame(build).encode_frame(b"abc") == b"\0\0\0\x03abc"
    assert frame(build).encode_frame(b"") == b"\0\0\0\0"
    payload = b"x" * 1000
    parts = frame(build).frame_parts(payload)
    assert b"".join(parts) == b"\0\0\x03\xe8" + payload
    assert parts[-1] is payload


def test_limit(build: ModuleType) -> None:
    assert frame(build).MAX_FRAME_BYTES == 64 * 1024 * 1024
    errors = load(build, "errors")
    largest = bytes(frame(build).MAX_FRAME_BYTES)
    decoder = frame(build).FrameDecoder()
    for part in frame(build).frame_parts(largest):
        found = decoder.feed(part)
    assert found == [largest]
    for function in (frame(build).encode_frame, frame(build).frame_parts):
        with pytest.raises(errors.RangeError, match="at most 67108864 bytes, not 67108865"):
            function(largest + b"x")


@pytest.mark.once
def test_a_long_frame_is_kept_once(raftcy: ModuleType) -> None:
    """Its bytes are joined when the frame is returned, and the message is decoded from there."""
    size = 16 << 20
    message = raftcy.Message(entries=[raftcy.Entry(data=bytes(size // 16)) for _ in range(16)])
    stream = frame(raftcy).encode_frame(message.encode())
    chunks = [stream[at : at + 65536] for at in range(0, len(stream), 65536)]
    tracemalloc.start()
    try:
        decoder = frame(raftcy).FrameDecoder()
        (payload,) = [payload for chunk in chunks for payload in decoder.feed(chunk)]
        assert tracemalloc.get_traced_memory()[1] < 1.2 * size
        read = raftcy.Message.decode(payload)
        assert tracemalloc.get_traced_memory()[1] < 2.2 * size
    finally:
        tracemalloc.stop()
    assert read == message


def test_frame_that_is_too_long(build: ModuleType) -> None:
    """Refused by its length alone, after the frames before it; after that the stream is useless."""
    errors = load(build, "errors")
    decoder = frame(build).FrameDecoder()
    assert decoder.feed(b"\0\0\0\x01a\0\0\0") == [b"a"]
    assert decoder.feed(b"\x01b\x04\0\0\x01rest") == [b"b"]
    for chunk in (b"", b"more", b"\0\0\0\0"):
        with pytest.raises(errors.DecodeError) as caught:
            decoder.feed(chunk)
        assert (caught.value.text, caught.value.offset) == ("frame of 67108865 bytes, more than 67108864", 10)
    fresh = frame(build).FrameDecoder()
    with pytest.raises(errors.DecodeError, match="at offset 0"):
        fresh.feed(b"\xff\xff\xff\xff")
    # Even if all of it is there.
    with pytest.raises(errors.DecodeError, match="at offset 0"):
        frame(build).FrameDecoder().feed(b"\x04\0\0\x01" + bytes(frame(build).MAX_FRAME_BYTES + 1))


def test_a_lower_limit(build: ModuleType) -> None:
    """It may rise between two chunks, as a connection proves who it is from."""
    errors = load(build, "errors")
    decoder = frame(build).FrameDecoder(4)
    assert decoder.feed(frame(build).encode_frame(b"four")) == [b"four"]
    decoder.limit_bytes = 5
    assert decoder.feed(frame(build).encode_frame(b"fives")) == [b"fives"]
    with pytest.raises(errors.DecodeError, match="frame of 6 bytes, more than 5 at offset 17"):
        decoder.feed(frame(build).encode_frame(b"sixsix"))
    for size in (1, 4):
        decoder = frame(build).FrameDecoder(4)
        for at in range(0, 4 - size, size):
            assert decoder.feed(b"\0\0\0\x05"[at : at + size]) == []
        with pytest.raises(errors.DecodeError, match="more than 4"):
            decoder.feed(b"\0\0\0\x05"[4 - size :])
        assert decoder.pending_bytes <= 4
