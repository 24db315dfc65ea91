"""The request with which a member forwards commands to the leader, and the reply, as bytes.

A request names the term in which its sender knew the receiver as leader. The receiver appends the commands in that term
or refuses them; it never passes them on. So a forwarded command can only have an entry of that term, and the sender can
tell its outcome once it knows the place.

Numbers are big-endian. A request is a version, the term, the number of commands, the length of each, and then their
bytes. A reply is a version, a kind, and then either the term and the first index of the place, or the reason of the
refusal and its detail.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DecodeError
from .tokens import RejectReason

VERSION = 1
COMMANDS_MAX = 1 << 16
"""The most commands of one request."""
DETAIL_BYTES_MAX = 1000

_HEAD = struct.Struct(">BQL")
_PLACED = struct.Struct(">BBQQ")
_REFUSED = struct.Struct(">BBB")
_IS_PLACED, _IS_REFUSED = 1, 2
# A reason's position is its number on the wire, so add new reasons at the end only.
_REASONS = tuple(RejectReason)


@dataclass(frozen=True, slots=True)
class Forwarded:
    """Commands for the leader of ``term``."""

    term: int
    commands: list[bytes]


@dataclass(frozen=True, slots=True)
class Placed:
    """The commands were appended: the first one at ``index``, the others after it, all in ``term``."""

    term: int
    index: int


@dataclass(frozen=True, slots=True)
class Refused:
    """None of the commands is in the log, and none ever will be."""

    reason: RejectReason
    detail: str = ""


def encode_forwarded(term: int, commands: Sequence[bytes]) -> bytes:
    """Encode a request of 1 to ``COMMANDS_MAX`` commands. Raises ValueError for any other number."""
    count = len(commands)
    if not 0 < count <= COMMANDS_MAX:
        raise ValueError(f"a request has 1 to {COMMANDS_MAX} commands, not {count}")
    lengths = struct.pack(f">{count}L", *map(len, commands))
    return b"".join((_HEAD.pack(VERSION, term, count), lengths, *commands))


def decode_forwarded(data: bytes) -> Forwarded:
    """Decode a request. Raises DecodeError for other bytes."""
    if len(data) < _HEAD.size:
        raise DecodeError("a forwarded proposal is cut off", len(data))
    version, term, count = _HEAD.unpack_from(data)
    _check_version(version)
    if term == 0:
        raise DecodeError("a forwarded proposal names no term", 1)
    if not 0 < count <= COMMANDS_MAX:
        raise DecodeError(f"a forwarded proposal of {count} commands", 9)
    at = _HEAD.size + 4 * count
    if len(data) < at:
        raise DecodeError("the lengths of forwarded commands are cut off", len(data))
    commands = []
    for length in struct.unpack_from(f">{count}L", data, _HEAD.size):
        commands.append(data[at : at + length])
        at += length
    if at != len(data):
        raise DecodeError(f"forwarded commands of {at} bytes in {len(data)}", min(at, len(data)))
    return Forwarded(term, commands)


def encode_reply(reply: Placed | Refused) -> bytes:
    """Encode a reply. A detail is cut after ``DETAIL_BYTES_MAX`` bytes."""
    if isinstance(reply, Placed):
        return _PLACED.pack(VERSION, _IS_PLACED, reply.term, reply.index)
    detail = reply.detail.encode(errors="replace")[:DETAIL_BYTES_MAX]
    return _REFUSED.pack(VERSION, _IS_REFUSED, _REASONS.index(reply.reason)) + detail


def decode_reply(data: bytes) -> Placed | Refused:
    """Decode a reply. A reason of a later version counts as REFUSED. Raises DecodeError for other bytes."""
    if len(data) < _REFUSED.size:
        raise DecodeError("a reply to a forwarded proposal is cut off", len(data))
    _check_version(data[0])
    if data[1] == _IS_PLACED:
        if len(data) != _PLACED.size:
            raise DecodeError("a place of the wrong size", min(len(data), _PLACED.size))
        _, _, term, index = _PLACED.unpack(data)
        if term == 0 or index == 0:
            raise DecodeError("a place without a term or an index", 2)
        return Placed(term, index)
    if data[1] != _IS_REFUSED:
        raise DecodeError(f"a reply of the unknown kind {data[1]}", 1)
    if len(data) > _REFUSED.size + DETAIL_BYTES_MAX:
        raise DecodeError("a refusal with too long a detail", _REFUSED.size + DETAIL_BYTES_MAX)
    reason = _REASONS[data[2]] if data[2] < len(_REASONS) else RejectReason.REFUSED
    return Refused(reason, data[_REFUSED.size :].decode(errors="replace"))


def _check_version(version: int) -> None:
    if version != VERSION:
        raise DecodeError(f"a forwarded proposal of the unknown version {version}", 0)
