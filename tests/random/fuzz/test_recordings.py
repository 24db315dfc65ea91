"""Recordings found by fuzzing that used to raise another error than RecordingError."""

from types import ModuleType

import pytest

from tests.support.values import load

from .choices import Choices
from .recordings import header

pytestmark = [pytest.mark.once, pytest.mark.fuzz]


@pytest.mark.parametrize("text", [b"", b"\xff", b"{", b"[" * 100_000], ids=["nothing", "no_text", "cut_off", "deep"])
def test_headers_that_are_not_json(build: ModuleType, text: bytes) -> None:
    """Their checksum is right, so only reading the header shows that it is not JSON."""
    frame, errors = load(build, "recorder.blocks"), load(build, "recorder.mismatch")
    head = frame._HEADER.pack(frame.MAGIC, frame.VERSION, len(text))
    data = head + frame._CRC.pack(frame.crc32(text, frame.crc32(head))) + text
    with pytest.raises(errors.DamagedRecording, match=r"^the header is not JSON at offset 18$"):
        load(build, "recorder.recording").Recording(data)


def test_plain_data_that_is_nested_too_deep(build: ModuleType) -> None:
    """Reading needs one level of calls for each level of nesting."""
    data = (b"\x07" + (1).to_bytes(8, "little")) * 100_000 + b"\0"
    with pytest.raises(ValueError, match="not plain data"):
        load(build, "recorder.pack").unpack(data)
    frame, errors = load(build, "recorder.blocks"), load(build, "recorder.mismatch")
    record = frame.frame_bytes(0, 0, frame.CHECKPOINT, data, b"", [])
    with pytest.raises(errors.DamagedRecording, match="record 0 cannot be decoded"):
        load(build, "recorder.recording").Recording(header(Choices(b""), frame) + record)
