"""The bytes of beats, which travel from host to host once a tick, and of the answers to the heartbeats in them.

A beat begins with a version and flags (1 byte each), the sender's nonce, the number of the beat, the receiver's nonce
as far as the sender knows it, the number of the last beat whose digest was right, and the digest of all claims (8 bytes
each). Five counts (4 bytes each) follow: all claims, the claims in this beat, the withdrawn ones, the refused ones, and
the heartbeats. Then come these four lists, in numbers of 8 bytes: group, term and commit of each claim and heartbeat,
and the group of each withdrawn and refused claim.

An answer has the number of the beat (8 bytes), and the places of the heartbeats in it that were not answered by it (4
bytes each): those groups answer by themselves, or have no member at that host.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from ..errors import DecodeError

_VERSION = 1
_HEAD = struct.Struct(">BBQQQQQLLLLL")
_NUMBER = struct.Struct(">Q")
_FULL, _WANTS, _ASKS = 1, 2, 4


class Claim(NamedTuple):
    """The sender's member leads this group in this term, and its whole log, up to ``commit``, is committed."""

    group: int
    term: int
    commit: int


class Beat(NamedTuple):
    """One beat. ``sleeping`` has the rules.

    ``full`` says that ``claims`` are all the claims of the sender to the receiver, ``wants`` asks for such a beat, and
    ``asks`` asks for any. ``total`` and ``digest`` are the number and the digest of all claims. ``refused`` are groups
    that the receiver has claimed, and whose members at the sender do not sleep.
    """

    nonce: int
    number: int
    heard_nonce: int = 0
    heard: int = 0
    full: bool = False
    wants: bool = False
    asks: bool = False
    total: int = 0
    digest: int = 0
    claims: Sequence[Claim] = ()
    withdrawn: Sequence[int] = ()
    refused: Sequence[int] = ()


def encode_beat(beat: Beat, heartbeats: Sequence[int] = ()) -> bytes:
    """Return the bytes of a beat. ``heartbeats`` has group, term and commit of each, one after another."""
    flags = beat.full * _FULL | beat.wants * _WANTS | beat.asks * _ASKS
    head = _HEAD.pack(
        _VERSION,
        flags,
        beat.nonce,
        beat.number,
        beat.heard_nonce,
        beat.heard,
        beat.digest,
        beat.total,
        len(beat.claims),
        len(beat.withdrawn),
        len(beat.refused),
        len(heartbeats) // 3,
    )
    numbers = [number for claim in beat.claims for number in claim]
    numbers += beat.withdrawn
    numbers += beat.refused
    numbers += heartbeats
    return head + struct.pack(f">{len(numbers)}Q", *numbers)


def decode_beat(data: bytes) -> tuple[Beat, Sequence[int]]:
    """Decode a beat, and return it with the numbers of its heartbeats. Raises DecodeError for other bytes."""
    if len(data) < _HEAD.size:
        raise DecodeError("a beat is cut off", len(data))
    version, flags, nonce, number, heard_nonce, heard, digest, total, *sizes = _HEAD.unpack_from(data)
    if version != _VERSION:
        raise DecodeError(f"a beat of the unknown version {version}", 0)
    if not nonce or not number or flags > _FULL | _WANTS | _ASKS:
        raise DecodeError("a beat has what no beat may have", 0)
    claims, withdrawn, refused, heartbeats = sizes
    length = 3 * claims + withdrawn + refused + 3 * heartbeats
    if len(data) != _HEAD.size + 8 * length:
        raise DecodeError(f"a beat of {len(data)} bytes should have {_HEAD.size + 8 * length}", _HEAD.size)
    numbers = struct.unpack_from(f">{length}Q", data, _HEAD.size)
    named = [Claim(*numbers[at : at + 3]) for at in range(0, 3 * claims, 3)]
    at = 3 * claims
    beat = Beat(
        nonce=nonce,
        number=number,
        heard_nonce=heard_nonce,
        heard=heard,
        full=bool(flags & _FULL),
        wants=bool(flags & _WANTS),
        asks=bool(flags & _ASKS),
        total=total,
        digest=digest,
        claims=named,
        withdrawn=numbers[at : at + withdrawn],
        refused=numbers[at + withdrawn : at + withdrawn + refused],
    )
    return beat, numbers[at + withdrawn + refused :]


def encode_answer(number: int, unanswered: Sequence[int]) -> bytes:
    """Return the bytes of the answer to the heartbeats of a beat."""
    return _NUMBER.pack(number) + struct.pack(f">{len(unanswered)}L", *unanswered)


def decode_answer(data: bytes) -> tuple[int, Sequence[int]]:
    """Decode an answer. Raises DecodeError for other bytes."""
    if len(data) < _NUMBER.size or len(data) % 4:
        raise DecodeError("the answer to a beat is cut off", len(data))
    (number,) = _NUMBER.unpack_from(data)
    return number, struct.unpack_from(f">{(len(data) - _NUMBER.size) // 4}L", data, _NUMBER.size)
