"""The file format: a header, then records, each with its own checksums. All numbers are little endian.

::

    header   magic (8)  version u16  length u32  crc u32  configuration, JSON of that length
    record   length u32  number u64  time u64  kind u8  crc u32  payload of that length  crc u32

- The header's crc is over all of the header but itself. A record's first crc is over what stands before it, its second
  one over the payload, continued from the first.
- A number says how many calls came before, so a call that is lost, doubled or in the wrong place is noticed. A
  checkpoint is no call, and shares the number of the call after it. ``time`` is in nanoseconds since 1970.
- A file may end in the middle of a record, or in zeros in place of its last bytes, as after a crash: that is a torn
  tail, and the records before it are whole. Anything else that is not as it was written is damage. A length is believed
  only if its crc holds, so damage to a length is not taken for a torn tail.
"""

import json
import struct
from typing import Any, NamedTuple
from zlib import crc32

from .errors import DamagedRecording, UnknownVersion

MAGIC = b"\x89raftrec"
VERSION = 1
CHECKPOINT = 1
"""The kind of record that is no call."""
_HEADER = struct.Struct("<8sHI")
_HEAD = struct.Struct("<IQQB")
_CRC = struct.Struct("<I")
HEAD_SIZE = _HEAD.size + _CRC.size
FRAME_SIZE = HEAD_SIZE + _CRC.size
"""The bytes of a record beside its payload."""

_pack_head, _pack_crc = _HEAD.pack, _CRC.pack


class Frame(NamedTuple):
    """A record as it stands in the file; ``offset`` is where it begins."""

    number: int
    time_ns: int
    kind: int
    payload: bytes
    offset: int


def header_bytes(facts: dict[str, Any]) -> bytes:
    """The header of a recording, with facts that JSON can hold."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    head = _HEADER.pack(MAGIC, VERSION, len(text))
    return head + _CRC.pack(crc32(text, crc32(head))) + text


def frame_bytes(number: int, time_ns: int, kind: int, payload: bytes) -> bytes:
    """A record as it belongs into the file."""
    head = _pack_head(len(payload), number, time_ns, kind)
    crc = crc32(head)
    return b"".join((head, _pack_crc(crc), payload, _pack_crc(crc32(payload, crc))))


def read_header(data: bytes) -> tuple[dict[str, Any], int]:
    """The facts of a header, and where it ends."""
    if data[: len(MAGIC)] != MAGIC:
        raise DamagedRecording("no recording: it does not begin like one", 0)
    if len(data) < _HEADER.size + _CRC.size:
        raise DamagedRecording("the header is cut off", len(data))
    _, version, length = _HEADER.unpack_from(data)
    if version > VERSION:
        raise UnknownVersion(version, VERSION)
    begin = _HEADER.size + _CRC.size
    text = data[begin : begin + length]
    (crc,) = _CRC.unpack_from(data, _HEADER.size)
    if crc32(text, crc32(data[: _HEADER.size])) != crc:
        raise DamagedRecording("the header is damaged", 0)
    if version != VERSION:
        raise UnknownVersion(version, VERSION)
    try:
        return json.loads(text), begin + length
    except (ValueError, RecursionError):
        raise DamagedRecording("the header is no JSON", begin) from None


def read_frames(data: bytes, at: int) -> tuple[list[Frame], int | None]:
    """The records from an offset on, and where a torn tail begins, None if there is none. Raises DamagedRecording."""
    frames: list[Frame] = []
    while at < len(data):
        rest = len(data) - at
        if rest < HEAD_SIZE:
            return frames, at
        length, number, time_ns, kind = _HEAD.unpack_from(data, at)
        crc = crc32(data[at : at + _HEAD.size])
        if crc != _CRC.unpack_from(data, at + _HEAD.size)[0]:
            if _is_zero(data, at + HEAD_SIZE - _CRC.size):
                return frames, at
            raise DamagedRecording(f"the head of a record{_after(frames)} is damaged", at)
        if rest < FRAME_SIZE + length:
            return frames, at
        end = at + HEAD_SIZE + length
        payload = data[at + HEAD_SIZE : end]
        if crc32(payload, crc) != _CRC.unpack_from(data, end)[0]:
            if _is_zero(data, end):
                return frames, at
            raise DamagedRecording(f"record {number} is damaged", at)
        if frames and number != frames[-1].number + (frames[-1].kind != CHECKPOINT):
            raise DamagedRecording(f"record {number} stands after record {frames[-1].number}", at)
        frames.append(Frame(number, time_ns, kind, payload, at))
        at = end + _CRC.size
    return frames, None


def _is_zero(data: bytes, at: int) -> bool:
    """Whether there are only zeros from an offset to the end: what was to be written there never was."""
    return not data[at:].strip(b"\0")


def _after(frames: list[Frame]) -> str:
    return f" after record {frames[-1].number}" if frames else ""
