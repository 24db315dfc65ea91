"""Limits of the encoding, and the texts of its errors.

The codec and its pure twin both import them, so that the two builds refuse the same input with the same words.
"""

MAX_DEPTH = 100
"""How deep submessages and groups may nest below the outermost message; protobuf's own libraries have the same limit.
etcd's raft nests three levels (snapshot, metadata, conf state), plus one for a response in a message to a storage
thread."""

MAX_SIZE = 2**31 - 1
"""The longest encoding, in bytes: protobuf's limit."""

MAX_ITEMS = 2**20
"""How many list items (entries, responses, single changes, member ids) one encoding may hold, over all depths. Without
it a short input could exhaust memory: an item of two encoded bytes can take a hundred times as much when decoded."""

CUT_OFF = "field is cut off"
TOO_LONG = "varint is longer than 64 bits"
BAD_NUMBER = "field number is not 1 to 2**29-1"
BAD_WIRE_TYPE = "wire type is 6 or 7"
STRAY_END = "end of a group that was not started"
NOT_CLOSED = "group has no end"
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
TOO_LARGE = f"larger than {MAX_SIZE} bytes"
TOO_MANY = f"more than {MAX_ITEMS} items in its lists"
CHANGED = "a list of the value changed during encoding"


def not_a_buffer(data: object) -> TypeError:
    """The error for input that is not a contiguous buffer."""
    return TypeError(f"data must be bytes or another contiguous buffer, not {type(data).__name__}")


def not_a(cls: type, value: object) -> TypeError:
    """The error for a value of the wrong class."""
    return TypeError(f"value must be of {cls.__name__}, not {type(value).__name__}")
