"""The protocol between the client and a worker, over a TCP connection that the worker opens.

Both directions use frames, as between nodes. A frame holds a JSON object or, from the client, a batch of records: the
letter ``R``, the number of the first record in 8 bytes, and then each record after its length in 4 bytes, big endian.
"""

import json
import struct
from asyncio import StreamReader
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

from ..transport import frame

HOST = "127.0.0.1"
TOKEN = "RAFTCY_DEMO_TOKEN"
"""The environment variable with the token that a worker must send first, so that no other program can connect."""
_CHUNK_BYTES = 1 << 16
_BATCH = b"R"
_NUMBER = struct.Struct(">Q")
_LENGTH = struct.Struct(">L")


class Batch(NamedTuple):
    """Consecutive records. ``first`` is the number of the first."""

    first: int
    records: list[bytes]


def pack(**fields: Any) -> bytes:
    """Encode a JSON object as a frame."""
    return frame.encode_frame(json.dumps(fields).encode())


def pack_batch(first: int, records: Iterable[bytes]) -> bytes:
    """Encode a batch of records as a frame."""
    parts = [_BATCH, _NUMBER.pack(first)]
    for record in records:
        parts += _LENGTH.pack(len(record)), record
    return frame.encode_frame(b"".join(parts))


async def unpack(reader: StreamReader) -> AsyncIterator[Batch | dict[str, Any]]:
    """Yield what arrives, until the other end closes the connection or dies."""
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
