"""The packets of a connection that carries the body of a snapshot. This module does no I/O.

Such a connection begins with a STREAM in place of a HELLO. Numbers are big endian.

====== =========== ===================================================================================================
kind   direction   what follows
====== =========== ===================================================================================================
OFFER  dialler     the group and the size of the body (8 bytes each), and the MsgSnap in etcd's encoding
GOT    acceptor    how many bytes of the body are there (8 bytes). The first one answers the OFFER: the dialler goes on
                   after these bytes, which an earlier connection has brought
PIECE  dialler     the place of the piece in the body (8 bytes), its checksum (4 bytes), and its bytes. The checksum is
                   the CRC-32 of the place and the bytes
STORED acceptor    nothing: the body is verified and durable, and the MsgSnap is delivered
FAILED acceptor    a text for people: the acceptor does not want this body, or cannot store it
====== =========== ===================================================================================================
"""

import struct
import zlib

from ..errors import DecodeError
from ..wire.messages import Message
from .frame import encode_frame

__all__ = [
    "FAILED",
    "FROM_ACCEPTOR",
    "FROM_DIALLER",
    "GOT",
    "OFFER",
    "PIECE",
    "PIECE_BYTES_MAX",
    "STORED",
    "decode_failed",
    "decode_got",
    "decode_offer",
    "decode_piece",
    "encode_failed",
    "encode_got",
    "encode_offer",
    "encode_piece",
    "encode_stored",
]

OFFER, GOT, PIECE, STORED, FAILED = 8, 9, 10, 11, 12
FROM_DIALLER = frozenset((OFFER, PIECE))
FROM_ACCEPTOR = frozenset((GOT, STORED, FAILED))

PIECE_BYTES_MAX = 1 << 20
"""The most bytes of one piece."""

OFFER_BYTES_MAX = 1 << 20
"""The longest OFFER. Its message carries a reference, and no state."""

_OFFER = struct.Struct(">BQQ")
_GOT = struct.Struct(">BQ")
_PIECE = struct.Struct(">BQL")
_PLACE = struct.Struct(">Q")
_TEXT_BYTES_MAX = 400


def encode_offer(group: int, size_bytes: int, m: Message) -> bytes:
    """Return the frame of an OFFER."""
    return encode_frame(_OFFER.pack(OFFER, group, size_bytes) + m.encode())


def decode_offer(payload: bytes | bytearray) -> tuple[int, int, Message, bytes]:
    """Read an OFFER: group, size, message, and the message's encoding. Raises DecodeError for any other packet."""
    if not _OFFER.size <= len(payload) <= OFFER_BYTES_MAX or payload[0] != OFFER:
        raise DecodeError("a stream does not begin with an offer", 0)
    _, group, size_bytes = _OFFER.unpack_from(payload)
    encoded = bytes(payload[_OFFER.size :])
    return group, size_bytes, Message.decode(encoded), encoded


def encode_got(at: int) -> bytes:
    """Return the frame of a GOT."""
    return encode_frame(_GOT.pack(GOT, at))


def decode_got(payload: bytes | bytearray) -> int:
    """Read a GOT. Raises DecodeError for a wrong size."""
    if len(payload) != _GOT.size:
        raise DecodeError("an acknowledgement of the wrong size", 0)
    return int(_GOT.unpack_from(payload)[1])


def encode_piece(at: int, data: bytes) -> bytes:
    """Return the frame of a PIECE."""
    return encode_frame(_PIECE.pack(PIECE, at, _checksum(at, data)) + data)


def decode_piece(payload: bytes | bytearray) -> tuple[int, bytes]:
    """Read a PIECE: its place and its bytes. Raises DecodeError for a wrong size or checksum, or any other packet."""
    if len(payload) <= _PIECE.size or len(payload) > _PIECE.size + PIECE_BYTES_MAX or payload[0] != PIECE:
        raise DecodeError("a piece of a snapshot is due, of the right size", 0)
    _, at, checksum = _PIECE.unpack_from(payload)
    data = bytes(memoryview(payload)[_PIECE.size :])
    if checksum != _checksum(at, data):
        raise DecodeError(f"the piece at {at} of a snapshot was damaged on its way", 0)
    return at, data


def _checksum(at: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(_PLACE.pack(at)))


def encode_stored() -> bytes:
    """Return the frame of a STORED."""
    return encode_frame(bytes((STORED,)))


def encode_failed(text: str) -> bytes:
    """Return the frame of a FAILED. A long text is cut."""
    return encode_frame(bytes((FAILED,)) + text.encode(errors="replace")[:_TEXT_BYTES_MAX])


def decode_failed(payload: bytes | bytearray) -> str:
    """Read the text of a FAILED. Raises DecodeError for a wrong size."""
    if len(payload) > 1 + _TEXT_BYTES_MAX:
        raise DecodeError("a failure of the wrong size", 0)
    return bytes(payload[1:]).decode(errors="replace")
