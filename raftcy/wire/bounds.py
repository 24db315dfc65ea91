"""Limits of the encoding and the texts of its errors, shared by the codec and its plain twin.

Owns what both must say alike; never reads or writes a byte itself.
"""

MAX_DEPTH = 100
"""How many submessages and groups may lie inside each other below the outermost message, as protobuf's own libraries
limit it. etcd's raft nests three (message, snapshot, metadata, conf state) and, for storage threads, one response."""

MAX_SIZE = 2**31 - 1
"""The size of the longest encoding in bytes, the limit of protobuf."""

MAX_ITEMS = 2**20
"""How many entries, responses, single changes and ids of members one encoding may hold, counted over all depths. An
item of two bytes there can take a hundred times as much in memory."""

CUT_OFF = "field is cut off"
TOO_LONG = "varint is longer than 64 bits"
BAD_NUMBER = "field number is not 1 to 2**29-1"
BAD_WIRE_TYPE = "wire type is 6 or 7"
STRAY_END = "group is closed that is not open"
NOT_CLOSED = "group is not closed"
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
TOO_LARGE = f"larger than {MAX_SIZE} bytes"
TOO_MANY = f"more than {MAX_ITEMS} items in its lists"
CHANGED = "a list of the value was changed while it was encoded"


def not_a_buffer(data: object) -> TypeError:
    """The error for input that is no contiguous run of bytes."""
    return TypeError(f"data must be bytes or another contiguous buffer, not {type(data).__name__}")


def not_a(cls: type, value: object) -> TypeError:
    """The error for a value of the wrong class."""
    return TypeError(f"value must be of {cls.__name__}, not {type(value).__name__}")
