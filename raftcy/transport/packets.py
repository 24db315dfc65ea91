"""Packets: the contents of the frames between two transports. This module does no I/O.

A packet begins with one byte for its kind. Numbers are big endian.

====== =========== ===================================================================================================
kind   direction   what follows
====== =========== ===================================================================================================
HELLO  dialler     the magic ``rfcy``, the protocol version (2 bytes), the ids of cluster, sender and receiver, the
                   sender's identity and the nonce of its start (8 bytes each), and the sender's addresses: their
                   number (1 byte), and for each its port (2 bytes), the length of its host (1 byte) and the host
WELCOME acceptor   the same about the acceptor
REFUSED acceptor   a ``Reason`` (1 byte) and a text for people
MESSAGE dialler    the id of the group (8 bytes), and one Message in etcd's encoding
PING   both        a token (8 bytes)
PONG   both        the token of the ping that it answers
STREAM dialler     as in a HELLO; it begins a connection for the body of a snapshot, see ``streampackets``
====== =========== ===================================================================================================

Magic and version keep their places in every version, so that each version can name the version that it refuses.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from ..errors import DecodeError, RangeError
from .frame import LENGTH, MAX_FRAME_BYTES, encode_frame

__all__ = [
    "ANYBODY",
    "GREETING_BYTES_MAX",
    "HEAD_BYTES",
    "HELLO",
    "MESSAGE",
    "PING",
    "PONG",
    "PROTOCOL",
    "REFUSED",
    "STREAM",
    "WELCOME",
    "Hello",
    "Reason",
    "Refusal",
    "decode_greeting",
    "decode_refusal",
    "decode_token",
    "encode_greeting",
    "encode_refusal",
    "encode_token",
    "group_of",
    "message_head",
]

PROTOCOL = 2
"""The version of this protocol. Version 1 was frames of messages after a hello that named the sender only."""

HELLO, WELCOME, REFUSED, MESSAGE, PING, PONG, STREAM = 1, 2, 3, 4, 5, 6, 7

GREETING_BYTES_MAX = 4096
"""The longest packet before a connection is open. It bounds the memory that one connection of a stranger can take."""

ANYBODY = 2**64 - 1
"""The receiver in the hello of a dialler that knows an address, and not who listens there. No node has this id."""

ADDRESSES_MAX = 8
_TEXT_BYTES_MAX = 400
_MAGIC = b"rfcy"
_START = struct.Struct(">B4sH")
_IDS = struct.Struct(">QQQQQB")
_ADDRESS = struct.Struct(">HB")
_TOKEN = struct.Struct(">BQ")
_REFUSAL = struct.Struct(">BB")
_MESSAGE_HEAD = struct.Struct(">LBQ")

HEAD_BYTES = _MESSAGE_HEAD.size - LENGTH.size
"""The bytes of a MESSAGE before the encoded Message."""


class Reason(IntEnum):
    """Why an acceptor refuses a connection."""

    MALFORMED = 1
    """The bytes were not a hello, or more bytes came before the answer to it."""
    VERSION = 2
    """Another version of this protocol."""
    CLUSTER = 3
    """Another cluster."""
    RECEIVER = 4
    """The connection was meant for another node."""
    OWN_ID = 5
    """The sender claims the id of the acceptor."""
    SENDER = 6
    """The policy refuses this sender, or the sender's id is reserved."""
    REMOVED = 7
    """The sender was removed from the cluster, and should stop."""
    IDENTITY = 8
    """A known id with another identity, such as a member that has lost its disk. Replace the member under a new id."""
    CERTIFICATE = 9
    """The certificate is not bound to the sender's id, or TLS agreed on another protocol."""
    DUPLICATE = 10
    """Another start of the same member is connected and alive."""
    BUSY = 11
    """The acceptor cannot take the connection now. The sender may try again."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a connection is refused. ``text`` is for people."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """How one side of a connection introduces itself. ``receiver`` is the node that it wants to reach, or ANYBODY.

    ``cluster`` and ``identity`` are numbers that the application chooses, 0 to 2**64-1. It draws the identity when it
    makes a member and keeps it with the member's data; 0 means no identity. ``nonce`` is drawn at each start.
    ``addresses`` are the addresses at which the sender listens, 8 at most.
    """

    sender: int
    receiver: int
    cluster: int = 0
    identity: int = 0
    nonce: int = 0
    addresses: tuple[tuple[str, int], ...] = ()
    version: int = PROTOCOL


def encode_greeting(kind: int, hello: Hello) -> bytes:
    """Return the frame of a HELLO, STREAM or WELCOME. Raises RangeError for a field that does not fit."""
    try:
        parts = [
            _START.pack(kind, _MAGIC, hello.version),
            _IDS.pack(hello.cluster, hello.sender, hello.receiver, hello.identity, hello.nonce, len(hello.addresses)),
        ]
        for host, port in hello.addresses:
            name = host.encode()
            parts += _ADDRESS.pack(port, len(name)), name
    except (struct.error, UnicodeEncodeError) as error:
        raise RangeError(f"no greeting can hold {hello}: {error}") from None
    if hello.sender == 0 or hello.receiver == 0 or len(hello.addresses) > ADDRESSES_MAX:
        raise RangeError(f"no greeting can hold {hello}")
    return encode_frame(b"".join(parts))


def decode_greeting(payload: bytes | bytearray) -> Hello:
    """Read a HELLO, STREAM or WELCOME; of another version, only ``version``. Raises DecodeError for another packet."""
    try:
        _, magic, version = _START.unpack_from(payload)
        if magic != _MAGIC:
            raise DecodeError("the connection does not begin with a hello", 0)
        if version != PROTOCOL:
            return Hello(sender=0, receiver=0, version=version)
        cluster, sender, receiver, identity, nonce, count = _IDS.unpack_from(payload, _START.size)
        at = _START.size + _IDS.size
        addresses = []
        for _ in range(count):
            port, size = _ADDRESS.unpack_from(payload, at)
            at += _ADDRESS.size
            addresses.append((payload[at : at + size].decode(), port))
            at += size
    except struct.error:
        raise DecodeError("the hello is cut off", len(payload)) from None
    except UnicodeDecodeError:
        raise DecodeError("the hello has an address that is no text", at) from None
    if at != len(payload) or sender == 0 or receiver == 0 or count > ADDRESSES_MAX:
        raise DecodeError("the hello holds what no hello may hold", at)
    return Hello(
        sender=sender,
        receiver=receiver,
        cluster=cluster,
        identity=identity,
        nonce=nonce,
        addresses=tuple(addresses),
    )


def encode_refusal(refusal: Refusal) -> bytes:
    """Return the frame of a REFUSED. A long text is cut."""
    text = refusal.text.encode(errors="replace")[:_TEXT_BYTES_MAX]
    return encode_frame(_REFUSAL.pack(REFUSED, refusal.reason) + text)


def decode_refusal(payload: bytes | bytearray) -> Refusal:
    """Read a REFUSED. A reason of a later version counts as BUSY. Raises DecodeError for any other packet."""
    if len(payload) < _REFUSAL.size or len(payload) > _REFUSAL.size + _TEXT_BYTES_MAX:
        raise DecodeError("a refusal of the wrong size", 0)
    number = payload[1]
    reason = Reason(number) if number in Reason.__members__.values() else Reason.BUSY
    return Refusal(reason, payload[_REFUSAL.size :].decode(errors="replace"))


def encode_token(kind: int, token: int) -> bytes:
    """Return the frame of a PING or PONG."""
    return encode_frame(_TOKEN.pack(kind, token))


def decode_token(payload: bytes | bytearray) -> int:
    """Read the token of a PING or PONG. Raises DecodeError for a wrong size."""
    if len(payload) != _TOKEN.size:
        raise DecodeError("a ping or pong of the wrong size", 0)
    return int(_TOKEN.unpack_from(payload)[1])


def message_head(group: int, size: int) -> bytes:
    """Return the bytes before an encoded Message of ``size`` bytes: the frame's length, the kind and the group."""
    return _MESSAGE_HEAD.pack(size + HEAD_BYTES, MESSAGE, group)


def message_bytes_max(limit_bytes: int = 0) -> int:
    """Return the size of the longest Message that a frame of ``limit_bytes`` holds; 0 means MAX_FRAME_BYTES."""
    return (limit_bytes or MAX_FRAME_BYTES) - HEAD_BYTES


def group_of(payload: bytes | bytearray) -> int:
    """Return the group of a MESSAGE. Raises DecodeError if it is cut off."""
    if len(payload) < HEAD_BYTES:
        raise DecodeError("a message without its group", 0)
    return int(_TOKEN.unpack_from(payload)[1])
