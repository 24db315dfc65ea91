"""The kinds of records, and the encoding of the arguments of calls. The numbers are part of the file format."""

import struct
from enum import IntEnum
from typing import Any

from ..wire.changes import ConfChange, ConfChangeV2
from .blocks import CHECKPOINT


class Kind(IntEnum):
    """The kind of a record: a method of RawNode by its name, or CHECKPOINT, the whole state at that point."""

    START = 0
    CHECKPOINT = CHECKPOINT
    TICK = 2
    TICK_QUIESCED = 3
    CAMPAIGN = 4
    PROPOSE = 5
    PROPOSE_CONF_CHANGE = 6
    STEP = 7
    STEP_MANY = 8
    READ_INDEX = 9
    TRANSFER_LEADER = 10
    FORGET_LEADER = 11
    REPORT_UNREACHABLE = 12
    REPORT_SNAPSHOT = 13
    READY = 14
    READY_WITHOUT_ACCEPT = 15
    ACCEPT_READY = 16
    ADVANCE = 17
    BOOTSTRAP = 18
    APPLY_CONF_CHANGE = 19
    SET_RANDOMIZED_ELECTION_TIMEOUT = 20
    BEGIN_EMPTY = 21

    def __str__(self) -> str:
        return self.name.lower()


NUMBER = struct.Struct("<Q")
REPORT = struct.Struct("<QB")
SIZE = struct.Struct("<I")


def pack_change(change: Any) -> bytes:
    """Encode a configuration change after a byte for its version. None becomes no bytes."""
    if change is None:
        return b""
    data: bytes = change.encode()
    return (b"\1" if isinstance(change, ConfChange) else b"\2") + data


def unpack_change(data: bytes) -> ConfChange | ConfChangeV2 | None:
    """Decode the result of ``pack_change``."""
    if not data:
        return None
    return ConfChange.decode(data[1:]) if data[:1] == b"\1" else ConfChangeV2.decode(data[1:])


def unpack_data(data: bytes) -> bytes | None:
    """Decode the argument of ``propose``: bytes after a byte of 1, or no bytes for None."""
    return data[1:] if data else None


def unpack_many(data: bytes) -> list[bytes]:
    """Split a sequence of values, each after its size. Raises ValueError if it ends too early."""
    at, found = 0, []
    while at < len(data):
        if at + SIZE.size > len(data):
            raise ValueError("a size is cut off")
        (size,) = SIZE.unpack_from(data, at)
        at += SIZE.size
        if size > len(data) - at:
            raise ValueError("a value is cut off")
        found.append(data[at : at + size])
        at += size
    return found
