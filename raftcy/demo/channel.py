"""How the client and a member talk: over a TCP connection that the member opens.

Both ways in frames, as between nodes. A frame holds a JSON object, or, from the client, a batch of records: the letter
``R``, the number of the first one in 8 bytes, and each record behind its length in 4 bytes, big endian.
"""

import json
import struct
from asyncio import StreamReader
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

from ..transport import frame

HOST = "127.0.0.1"
TOKEN = "RAFTCY_DEMO_TOKEN"
"""The environment variable by which the client gives its members the word that they must say first."""
_CHUNK_BYTES = 1 << 16
_BATCH = b"R"
_NUMBER = struct.Struct(">Q")
_LENGTH = struct.Struct(">L")


class Batch(NamedTuple):
    """Records in a row; ``first`` is the number of the first."""

    first: int
    records: list[bytes]


def pack(**fields: Any) -> bytes:
    """A JSON object as a frame."""
    return frame.encode_frame(json.dumps(fields).encode())


def pack_batch(first: int, records: Iterable[bytes]) -> bytes:
    """A batch of records as a frame."""
    parts = [_BATCH, _NUMBER.pack(first)]
    for record in records:
        parts += _LENGTH.pack(len(record)), record
    return frame.encode_frame(b"".join(parts))


async def unpack(reader: StreamReader) -> AsyncIterator[Batch | dict[str, Any]]:
    """What arrives, until the other end closes the connection or dies."""
    frames = frame.FrameDecoder()
    while chunk := await _read(reader):
        for payload in frames.feed(chunk):
            yield _unpack_batch(bytes(payload)) if payload[:1] == _BATCH else json.loads(payload)


async def _read(reader: StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK_BYTES)
    except ConnectionError:
        return b""


def _unpack_batch(payload: bytes) -> Batch:
    (first,) = _NUMBER.unpack_from(payload, 1)
    records = []
    at = 1 + _NUMBER.size
    while at < len(payload):
        (length,) = _LENGTH.unpack_from(payload, at)
        at += _LENGTH.size
        records.append(payload[at : at + length])
        at += length
    return Batch(first, records)
