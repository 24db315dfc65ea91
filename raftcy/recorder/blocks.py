"""The file format: a header, then records, each with its own checksums. All numbers are little endian.

::

    header   magic (8)  version u16  length u32  crc u32  configuration, JSON of that length
    record   length u32  its complement u32  number u64  time u64  kind u8  length of given u32  of outcome u32
             given  outcome  answers  crc u32  end u8, always 0xA5

- The crc of the header covers the rest of the header, and the crc of a record all bytes before it. The length of a
  record counts given, outcome and answers together. ``given`` is the argument of the call.
- A record's number is the number of calls before it, so a reader notices a lost, repeated or misplaced call. A
  checkpoint is not a call, and has the number of the call after it. ``time`` is in nanoseconds since 1970.
- After a crash a file may end in the middle of a record, or with zeros in place of its last bytes. That is a torn tail,
  and the records before it are complete. Any other change is damage. A length counts only together with its complement,
  so damage to a length does not look like a torn tail. A complete record does not end in 0, so damage to another byte
  does not look like one either. The one exception is the last byte of the file, if it becomes 0: a crash can leave the
  same bytes.
"""

import json
import struct
from typing import Any, NamedTuple
from zlib import crc32

from .mismatch import DamagedRecording, UnknownVersion

MAGIC = b"\x89raftrec"
VERSION = 3
CHECKPOINT = 1
"""The kind of a record that is not a call but the whole state."""
_HEADER = struct.Struct("<8sHI")
_HEAD = struct.Struct("<IIQQBII")
_CRC = struct.Struct("<I")
_TAIL = struct.Struct("<IB")
_END = 0xA5
_ONES = 0xFFFFFFFF
_LENGTHS_SIZE = 8
HEAD_SIZE = _HEAD.size
FRAME_SIZE = HEAD_SIZE + _TAIL.size
"""The bytes of a record without given, outcome and answers."""

_pack_head: Any = _HEAD.pack
_pack_tail: Any = _TAIL.pack


class Frame(NamedTuple):
    """A record as it is in the file. ``offset`` is where it begins."""

    number: int
    time_ns: int
    kind: int
    given: bytes
    outcome: bytes
    answers: bytes
    offset: int


def header_bytes(facts: dict[str, Any]) -> bytes:
    """Return the header of a recording. ``facts`` must be valid as JSON."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    head = _HEADER.pack(MAGIC, VERSION, len(text))
    return head + _CRC.pack(crc32(text, crc32(head))) + text


def frame_bytes(number: int, time_ns: int, kind: int, given: bytes, outcome: bytes, answers: list[bytes]) -> bytes:
    """Return a record in the form of the file. Raises struct.error if it is larger than 4 GiB."""
    length = len(given) + len(outcome)
    for each in answers:
        length += len(each)
    head = _pack_head(length, length ^ _ONES, number, time_ns, kind, len(given), len(outcome))
    data = b"".join([head, given, outcome] + answers)
    return data + _pack_tail(crc32(data), _END)  # type: ignore[no-any-return]


def read_header(data: bytes) -> tuple[dict[str, Any], int]:
    """Return the facts in a header, and where it ends. Raises DamagedRecording or UnknownVersion."""
    if data[: len(MAGIC)] != MAGIC:
        raise DamagedRecording("not a recording: it does not start like one", 0)
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
        raise DamagedRecording("the header is not JSON", begin) from None


def read_frames(data: bytes, at: int) -> tuple[list[Frame], int | None, DamagedRecording | None]:
    """Read records from an offset on. Return them, the offset of a torn tail or None, and the damage or None."""
    frames: list[Frame] = []
    written = len(data.rstrip(b"\0"))
    while at < len(data):
        rest = len(data) - at
        if rest < HEAD_SIZE:
            return frames, at, None
        length, complement, number, time_ns, kind, given, outcome = _HEAD.unpack_from(data, at)
        if length ^ complement != _ONES:
            if written < at + _LENGTHS_SIZE:
                return frames, at, None
            return frames, None, DamagedRecording(f"the record{_after(frames)} is damaged", at)
        if rest < FRAME_SIZE + length:
            return frames, at, None
        begin, end = at + HEAD_SIZE, at + HEAD_SIZE + length
        crc, last = _TAIL.unpack_from(data, end)
        if crc32(data[at:end]) != crc or last != _END or given + outcome > length:
            if written < end + _TAIL.size:
                return frames, at, None
            return frames, None, DamagedRecording(f"the record{_after(frames)} is damaged", at)
        if frames and number != frames[-1].number + (frames[-1].kind != CHECKPOINT):
            text = f"record {number} stands after record {frames[-1].number}"
            return frames, None, DamagedRecording(text, at)
        parts = data[begin : begin + given], data[begin + given : begin + given + outcome]
        frames.append(Frame(number, time_ns, kind, *parts, data[begin + given + outcome : end], at))
        at = end + _TAIL.size
    return frames, None, None


def _after(frames: list[Frame]) -> str:
    return f" after record {frames[-1].number}" if frames else ""
