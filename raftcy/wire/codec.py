"""Encodes values as protobuf and decodes them, with the bytes that etcd's raft v3.7.0 writes.

The pure twin of ``codec.pyx``: the same names, results and errors, without a compiler. It does not use the protobuf
library. That library moves an unknown enum number out of its place, and converting its objects to values, with the
checks this takes, measured at best a fifth faster (many small entries), no faster for short messages, and several times
slower for entries of a few KiB.

A table describes each message type: its fields by tag. Entries are numerous and have shortcuts that lead to the same
result. The writer works backwards, last field first, into a list of parts: it knows the length of a submessage when it
needs it and copies everything once. The reader trusts nothing: it checks each length against the end of the enclosing
message before it builds anything.

Go's runtime defines what happens to odd input, because that is what etcd's peers do with it: the tag of an unknown
field is rewritten in its shortest form and the rest of the field is kept as read; fields of an unknown group may have
numbers up to 2**31-1.
"""

from collections.abc import Callable
from typing import Any

from ..errors import DecodeError, RangeError
from . import blank, bounds, changes, consts, immutable, messages
from .bounds import MAX_DEPTH, MAX_ITEMS, MAX_SIZE

__all__ = [
    "MAX_DEPTH",
    "MAX_ITEMS",
    "MAX_SIZE",
    "decode_conf_change",
    "decode_conf_change_single",
    "decode_conf_change_v2",
    "decode_conf_state",
    "decode_entry",
    "decode_hard_state",
    "decode_message",
    "decode_snapshot",
    "decode_snapshot_metadata",
    "encode_conf_change",
    "encode_conf_change_single",
    "encode_conf_change_v2",
    "encode_conf_state",
    "encode_entry",
    "encode_hard_state",
    "encode_message",
    "encode_snapshot",
    "encode_snapshot_metadata",
]

# What a field holds. The forms up to _BOOL are varints. _PACKED is the second form in which _NUMBERS may arrive.
_NUMBER, _ENUM, _BOOL, _NUMBERS, _BYTES, _PACKED, _ONE, _MANY = range(8)

# The largest field number in a message, and in an unknown group.
_MAX_FIELD = 2**29 - 1
_MAX_GROUP_FIELD = 2**31 - 1
_U64_MAX = 2**64 - 1
_new = object.__new__
_Entry = messages.Entry
_OpenEntry: Any = immutable.open_twin(messages.Entry)

# An entry in a log has term, index and data. Some implementations, such as etcd's raft before 3.7, also write the type
# of every entry; it is nearly always that of a normal one.
_APPENDED = consts.E_TERM | consts.E_INDEX | consts.E_DATA
_TYPED = _APPENDED | consts.E_TYPE
_NORMAL = b"\x08\x00"


class _Varints(dict[int, bytes]):
    """A cache of varints: seven bits a byte, lowest first, negative numbers as 64-bit two's complement.

    A cache pays off because the same numbers recur: each index goes to every peer.
    """

    def __missing__(self, number: int) -> bytes:
        rest = number & _U64_MAX
        groups = []
        while rest > 0x7F:
            groups.append(rest & 0x7F | 0x80)
            rest >>= 7
        groups.append(rest)
        if len(self) >= 4096:
            self.clear()
        self[number] = done = bytes(groups)
        return done


_VARINTS = _Varints()


class _Kind:
    """One message type: its class, how to create a blank one, and its fields.

    The reader uses ``by_tag``: tag to (form, attribute, presence bit, kind of the submessage). The writer uses
    ``backwards``: (presence bit, tag, form, attribute, kind of the submessage) by descending field number. The bit is 0
    for a list that is present when it is not empty.
    """

    __slots__ = ("backwards", "blank", "by_tag", "cls")

    def __init__(self, cls: type, blank: Callable[[], Any], *fields: tuple[int, int, str, int, "_Kind | None"]) -> None:
        self.cls = cls
        self.blank = blank
        self.by_tag: dict[int, tuple[int, str, int, _Kind | None]] = {}
        self.backwards: list[tuple[int, bytes, int, str, _Kind | None]] = []
        for field in fields:
            self.add(*field)

    def add(self, number: int, form: int, slot: str, bit: int, kind: "_Kind | None") -> None:
        """Add a field. Fields must be added by ascending number."""
        tag = number << 3 | (2 if form in (_BYTES, _ONE, _MANY) else 0)
        self.by_tag[tag] = form, slot, bit, kind
        if form == _NUMBERS:
            self.by_tag[number << 3 | 2] = _PACKED, slot, bit, kind
        self.backwards.insert(0, (bit, bytes((tag,)), form, slot, kind))


def _blank_conf_change_single() -> Any:
    c = _new(_OpenSingle)
    c._type = c.node_id = c._present = 0
    c._unknown = None
    return c


def _blank_conf_change() -> Any:
    c = _new(_OpenChange)
    c.id = c._type = c.node_id = c._present = 0
    c.context = b""
    c._unknown = None
    return c


def _blank_conf_change_v2() -> Any:
    c = _new(_OpenV2)
    c._transition = c._present = 0
    c._changes = []
    c.context = b""
    c._unknown = None
    return c


_OpenSingle: Any = immutable.open_twin(changes.ConfChangeSingle)
_OpenChange: Any = immutable.open_twin(changes.ConfChange)
_OpenV2: Any = immutable.open_twin(changes.ConfChangeV2)

_ENTRY = _Kind(
    messages.Entry,
    blank.entry,
    (1, _ENUM, "_type", consts.E_TYPE, None),
    (2, _NUMBER, "term", consts.E_TERM, None),
    (3, _NUMBER, "index", consts.E_INDEX, None),
    (4, _BYTES, "data", consts.E_DATA, None),
)
_HARD_STATE = _Kind(
    messages.HardState,
    blank.hard_state,
    (1, _NUMBER, "term", consts.H_TERM, None),
    (2, _NUMBER, "vote", consts.H_VOTE, None),
    (3, _NUMBER, "commit", consts.H_COMMIT, None),
)
_CONF_STATE = _Kind(
    messages.ConfState,
    blank.conf_state,
    (1, _NUMBERS, "_voters", 0, None),
    (2, _NUMBERS, "_learners", 0, None),
    (3, _NUMBERS, "_voters_outgoing", 0, None),
    (4, _NUMBERS, "_learners_next", 0, None),
    (5, _BOOL, "auto_leave", consts.C_AUTO_LEAVE, None),
)
_METADATA = _Kind(
    messages.SnapshotMetadata,
    blank.metadata,
    (1, _ONE, "_conf_state", consts.D_CONF_STATE, _CONF_STATE),
    (2, _NUMBER, "index", consts.D_INDEX, None),
    (3, _NUMBER, "term", consts.D_TERM, None),
)
_SNAPSHOT = _Kind(
    messages.Snapshot,
    blank.snapshot,
    (1, _BYTES, "data", consts.S_DATA, None),
    (2, _ONE, "_metadata", consts.S_METADATA, _METADATA),
)
_MESSAGE = _Kind(
    messages.Message,
    blank.message,
    (1, _ENUM, "_type", consts.P_TYPE, None),
    (2, _NUMBER, "to", consts.P_TO, None),
    (3, _NUMBER, "from_", consts.P_FROM, None),
    (4, _NUMBER, "term", consts.P_TERM, None),
    (5, _NUMBER, "log_term", consts.P_LOG_TERM, None),
    (6, _NUMBER, "index", consts.P_INDEX, None),
    (7, _MANY, "_entries", 0, _ENTRY),
    (8, _NUMBER, "commit", consts.P_COMMIT, None),
    (9, _ONE, "snapshot", consts.P_SNAPSHOT, _SNAPSHOT),
    (10, _BOOL, "reject", consts.P_REJECT, None),
    (11, _NUMBER, "reject_hint", consts.P_REJECT_HINT, None),
    (12, _BYTES, "context", consts.P_CONTEXT, None),
    (13, _NUMBER, "vote", consts.P_VOTE, None),
)
_MESSAGE.add(14, _MANY, "_responses", 0, _MESSAGE)
_CONF_CHANGE = _Kind(
    changes.ConfChange,
    _blank_conf_change,
    (1, _NUMBER, "id", 1, None),
    (2, _ENUM, "_type", 2, None),
    (3, _NUMBER, "node_id", 4, None),
    (4, _BYTES, "context", 8, None),
)
_CONF_CHANGE_SINGLE = _Kind(
    changes.ConfChangeSingle,
    _blank_conf_change_single,
    (1, _ENUM, "_type", 1, None),
    (2, _NUMBER, "node_id", 2, None),
)
_CONF_CHANGE_V2 = _Kind(
    changes.ConfChangeV2,
    _blank_conf_change_v2,
    (1, _ENUM, "_transition", 1, None),
    (2, _MANY, "_changes", 2, _CONF_CHANGE_SINGLE),
    (3, _BYTES, "context", 4, None),
)


def encode_entry(value: Any) -> bytes:
    """Encode an Entry. Raises RangeError beyond MAX_SIZE or MAX_ITEMS, and TypeError for any other value."""
    return _encode(value, _ENTRY)


def decode_entry(data: Any) -> Any:
    """Decode an Entry from any contiguous buffer. Raises DecodeError, or TypeError for an object of another type."""
    return _decode(data, _ENTRY)


def encode_hard_state(value: Any) -> bytes:
    """Encode a HardState. Errors as for ``encode_entry``."""
    return _encode(value, _HARD_STATE)


def decode_hard_state(data: Any) -> Any:
    """Decode a HardState. Errors as for ``decode_entry``."""
    return _decode(data, _HARD_STATE)


def encode_conf_state(value: Any) -> bytes:
    """Encode a ConfState. Errors as for ``encode_entry``."""
    return _encode(value, _CONF_STATE)


def decode_conf_state(data: Any) -> Any:
    """Decode a ConfState. Errors as for ``decode_entry``."""
    return _decode(data, _CONF_STATE)


def encode_snapshot_metadata(value: Any) -> bytes:
    """Encode a SnapshotMetadata. Errors as for ``encode_entry``."""
    return _encode(value, _METADATA)


def decode_snapshot_metadata(data: Any) -> Any:
    """Decode a SnapshotMetadata. Errors as for ``decode_entry``."""
    return _decode(data, _METADATA)


def encode_snapshot(value: Any) -> bytes:
    """Encode a Snapshot. Errors as for ``encode_entry``."""
    return _encode(value, _SNAPSHOT)


def decode_snapshot(data: Any) -> Any:
    """Decode a Snapshot. Errors as for ``decode_entry``."""
    return _decode(data, _SNAPSHOT)


def encode_message(value: Any) -> bytes:
    """Encode a Message. Errors as for ``encode_entry``, and RangeError for responses nested deeper than MAX_DEPTH."""
    return _encode(value, _MESSAGE)


def decode_message(data: Any) -> Any:
    """Decode a Message. Errors as for ``decode_entry``."""
    return _decode(data, _MESSAGE)


def encode_conf_change(value: Any) -> bytes:
    """Encode a ConfChange. Errors as for ``encode_entry``."""
    return _encode(value, _CONF_CHANGE)


def decode_conf_change(data: Any) -> Any:
    """Decode a ConfChange. Errors as for ``decode_entry``."""
    return _decode(data, _CONF_CHANGE)


def encode_conf_change_single(value: Any) -> bytes:
    """Encode a ConfChangeSingle. Errors as for ``encode_entry``."""
    return _encode(value, _CONF_CHANGE_SINGLE)


def decode_conf_change_single(data: Any) -> Any:
    """Decode a ConfChangeSingle. Errors as for ``decode_entry``."""
    return _decode(data, _CONF_CHANGE_SINGLE)


def encode_conf_change_v2(value: Any) -> bytes:
    """Encode a ConfChangeV2. Errors as for ``encode_entry``."""
    return _encode(value, _CONF_CHANGE_V2)


def decode_conf_change_v2(data: Any) -> Any:
    """Decode a ConfChangeV2. Errors as for ``decode_entry``."""
    return _decode(data, _CONF_CHANGE_V2)


def _encode(value: Any, kind: _Kind) -> bytes:
    if not isinstance(value, kind.cls):
        raise bounds.not_a(kind.cls, value)
    parts: list[bytes] = []
    if _write(value, kind, parts, 0, [0]) > MAX_SIZE:
        raise RangeError(bounds.TOO_LARGE)
    parts.reverse()
    return b"".join(parts)


def _write(value: Any, kind: Any, parts: list[bytes], depth: int, items: list[int]) -> int:
    """Append the encoding of ``value`` to ``parts``, last part first, and return its size in bytes.

    ``items`` holds one number, the count of list items so far.
    """
    if depth > MAX_DEPTH:
        raise RangeError(bounds.TOO_DEEP)
    size = 0
    if value._unknown is not None:
        parts.append(value._unknown)
        size += len(value._unknown)
    present = value._present
    for bit, tag, form, slot, sub in kind.backwards:
        if bit and not present & bit:
            continue
        item = getattr(value, slot)
        if form <= _BOOL:
            part = tag + _VARINTS[item]
        elif form == _BYTES:
            parts.append(item)
            size += len(item)
            part = tag + _VARINTS[len(item)]
        elif form == _ONE:
            length = _write(item, sub, parts, depth + 1, items)
            size += length
            part = tag + _VARINTS[length]
        elif not item:
            continue
        elif form == _NUMBERS:
            _count(items, item)
            part = b"".join([tag + _VARINTS[number] for number in item])
        else:
            size += _write_many(item, sub, parts, tag, depth + 1, items)
            continue
        parts.append(part)
        size += len(part)
    return size


def _count(items: list[int], values: Any) -> None:
    items[0] += len(values)
    if items[0] > MAX_ITEMS:
        raise RangeError(bounds.TOO_MANY)


def _write_many(values: Any, kind: Any, parts: list[bytes], tag: bytes, depth: int, items: list[int]) -> int:
    _count(items, values)
    total = 0
    cls = kind.cls
    quick = kind is _ENTRY and depth <= MAX_DEPTH
    for item in reversed(values):
        if type(item) is not cls:
            raise bounds.not_a(cls, item)
        present = item._present
        if quick and present in (_APPENDED, _TYPED) and item._unknown is None:
            data = item.data
            length = _VARINTS[len(data)]
            term = _VARINTS[item.term]
            index = _VARINTS[item.index]
            size = len(data) + len(length) + len(term) + len(index) + 3
            parts += (data, length, b"\x22", index, b"\x18", term, b"\x10")
            if present == _TYPED:
                kind_part = b"\x08" + _VARINTS[item._type]
                parts.append(kind_part)
                size += len(kind_part)
            head = _VARINTS[size]
            parts += (head, tag)
            total += size + len(head) + 1
        else:
            size = _write(item, kind, parts, depth, items)
            part = tag + _VARINTS[size]
            parts.append(part)
            total += size + len(part)
    return total


def _decode(data: Any, kind: _Kind) -> Any:
    if type(data) is not bytes:
        data = _bytes_of(data)
    size = len(data)
    if size > MAX_SIZE:
        raise DecodeError(bounds.TOO_LARGE, 0)
    return _read(data, 0, size, kind, 0, [0])


def _bytes_of(data: Any) -> Any:
    """Convert any contiguous buffer to one that is indexed by bytes, without a copy if possible."""
    try:
        view = memoryview(data)
    except (TypeError, BufferError):
        raise bounds.not_a_buffer(data) from None
    if not view.c_contiguous:
        raise bounds.not_a_buffer(data)
    try:
        return view.cast("B")
    except (TypeError, ValueError):
        # Some formats cannot be cast, nor can a shape that contains a zero.
        return view.tobytes()


def _read(buf: Any, pos: int, end: int, kind: Any, depth: int, items: list[int]) -> Any:
    """Decode ``buf[pos:end]``. ``items`` holds one number, the count of list items so far.

    May read a byte beyond ``end``, though not beyond the buffer, before it notices that the last field is cut off.
    """
    value = kind.blank()
    by_tag = kind.by_tag
    present = 0
    unknown: bytearray | None = None
    spans: dict[Any, list[tuple[int, int]]] = {}
    start = pos
    try:
        while pos < end:
            start = pos
            tag = buf[pos]
            pos += 1
            if tag > 0x7F:
                tag, pos = _varint(buf, start, end, start)
            field = by_tag.get(tag)
            if field is None:
                first, pos = pos, _skip(buf, start, pos, end, tag, _MAX_FIELD, depth)
                if unknown is None:
                    unknown = bytearray()
                unknown += _VARINTS[tag]
                unknown += buf[first:pos]
                continue
            form, slot, bit, sub = field
            number = buf[pos]
            pos += 1
            if number > 0x7F:
                number, pos = _varint(buf, pos - 1, end, start)
            if form == _NUMBER:
                setattr(value, slot, number)
            elif form == _ENUM:
                setattr(value, slot, (number + 0x80000000 & 0xFFFFFFFF) - 0x80000000)
            elif form == _BOOL:
                setattr(value, slot, number != 0)
            elif form == _NUMBERS:
                _count_one(items, start)
                getattr(value, slot).append(number)
            else:
                first, pos = pos, pos + number
                if pos > end:
                    raise DecodeError(bounds.CUT_OFF, start)
                if form == _BYTES:
                    setattr(value, slot, bytes(buf[first:pos]))
                elif form == _PACKED:
                    _read_packed(buf, first, pos, getattr(value, slot), start, items)
                elif depth == MAX_DEPTH:
                    raise DecodeError(bounds.TOO_DEEP, start)
                elif form == _ONE:
                    setattr(value, slot, _read(buf, first, pos, sub, depth + 1, items))
                    spans.setdefault((slot, sub), []).append((first, pos))
                elif sub is _ENTRY and buf[start] == tag:
                    pos = _read_entries(buf, start, end, value, depth + 1, items)
                else:
                    _count_one(items, start)
                    _append(value, slot, _read(buf, first, pos, sub, depth + 1, items))
            present |= bit
    except IndexError:
        raise DecodeError(bounds.CUT_OFF, start) from None
    if pos > end:
        raise DecodeError(bounds.CUT_OFF, start)
    if spans:
        _merge(buf, value, spans, depth + 1)
    value._present = present
    if unknown is not None:
        value._unknown = bytes(unknown)
    immutable.freeze(value)
    return value


def _count_one(items: list[int], start: int) -> None:
    """Count the list item in the field whose tag is at ``start``."""
    items[0] += 1
    if items[0] > MAX_ITEMS:
        raise DecodeError(bounds.TOO_MANY, start)


def _append(value: Any, slot: str, item: Any) -> None:
    items = getattr(value, slot)
    if items is None:
        setattr(value, slot, [item])
    else:
        items.append(item)


def _merge(buf: Any, value: Any, spans: dict[Any, list[tuple[int, int]]], depth: int) -> None:
    """Read again each submessage that came in several pieces, from the pieces joined together."""
    for (slot, kind), pieces in spans.items():
        if len(pieces) > 1:
            joined = b"".join([buf[first:last] for first, last in pieces])
            # The items were counted on the first reading.
            setattr(value, slot, _read(joined, 0, len(joined), kind, depth, [0]))


def _read_entries(buf: Any, pos: int, end: int, message: Any, depth: int, items: list[int]) -> int:
    """Read consecutive entries from the tag at ``pos``, up to ``end`` at most, and return the position after them.

    Each entry of a message usually continues the one before it, with the same term and the next index. So the bytes in
    front of its data are predicted from that entry (for the first, from the message) and merely compared.
    """
    entries = message._entries
    if entries is None:
        entries = message._entries = []
    index = message.index
    term = message.term
    term_part = b"\x10" + _VARINTS[term] + b"\x18"
    while pos < end and buf[pos] == 0x3A:
        size, first = _varint(buf, pos + 1, end, pos)
        stop = first + size
        if stop > end:
            raise DecodeError(bounds.CUT_OFF, pos)
        items[0] += 1
        if items[0] > MAX_ITEMS:
            raise DecodeError(bounds.TOO_MANY, pos)
        pos = stop
        index += 1
        guess = term_part + _VARINTS[index] + b"\x22"
        typed = buf[first : first + 2] == _NORMAL
        begin = first + 2 if typed else first
        at = begin + len(guess)
        if buf[begin:at] == guess and at < stop and index <= _U64_MAX:
            length, at = _varint(buf, at, stop, at - 1)
            if at + length == stop:
                entry = _new(_OpenEntry)
                entry._type = 0
                entry.term = term
                entry.index = index
                entry.data = bytes(buf[at:stop])
                entry._present = _TYPED if typed else _APPENDED
                entry._unknown = None
                entry.__class__ = _Entry
                entries.append(entry)
                continue
        entry = _read(buf, first, stop, _ENTRY, depth, items)
        entries.append(entry)
        index = entry.index
        if entry.term != term:
            term = entry.term
            term_part = b"\x10" + _VARINTS[term] + b"\x18"
    return pos


def _varint(buf: Any, pos: int, end: int, start: int) -> tuple[int, int]:
    """The number at ``pos`` and the position after it. An error names ``start``, the position of the field's tag."""
    if pos + 1 < end:
        number = buf[pos]
        if number < 0x80:
            return number, pos + 1
        byte = buf[pos + 1]
        if byte < 0x80:
            return number + (byte << 7) - 0x80, pos + 2
    number = 0
    for shift in range(0, 63, 7):
        if pos >= end:
            raise DecodeError(bounds.CUT_OFF, start)
        byte = buf[pos]
        pos += 1
        if byte < 0x80:
            return number | byte << shift, pos
        number |= (byte & 0x7F) << shift
    if pos >= end:
        raise DecodeError(bounds.CUT_OFF, start)
    if buf[pos] > 1:
        raise DecodeError(bounds.TOO_LONG, start)
    return number | buf[pos] << 63, pos + 1


def _read_packed(buf: Any, pos: int, end: int, numbers: list[int], start: int, items: list[int]) -> None:
    while pos < end:
        number, pos = _varint(buf, pos, end, start)
        _count_one(items, start)
        numbers.append(number)


def _skip(buf: Any, start: int, pos: int, end: int, tag: int, max_field: int, depth: int) -> int:
    """The position after an unknown field whose tag begins at ``start`` and ends before ``pos``."""
    if not 0 < tag >> 3 <= max_field:
        raise DecodeError(bounds.BAD_NUMBER, start)
    wire_type = tag & 7
    if wire_type == 0:
        return _varint(buf, pos, end, start)[1]
    if wire_type == 1:
        pos += 8
    elif wire_type == 2:
        length, pos = _varint(buf, pos, end, start)
        pos += length
    elif wire_type == 3:
        return _skip_group(buf, start, pos, end, tag, depth + 1)
    elif wire_type == 4:
        raise DecodeError(bounds.STRAY_END, start)
    elif wire_type == 5:
        pos += 4
    else:
        raise DecodeError(bounds.BAD_WIRE_TYPE, start)
    if pos > end:
        raise DecodeError(bounds.CUT_OFF, start)
    return pos


def _skip_group(buf: Any, start: int, pos: int, end: int, tag: int, depth: int) -> int:
    """The position after an unknown group whose tag begins at ``start`` and ends before ``pos``."""
    if depth > MAX_DEPTH:
        raise DecodeError(bounds.TOO_DEEP, start)
    while pos < end:
        inner = pos
        inner_tag, pos = _varint(buf, inner, end, inner)
        if inner_tag == tag + 1:
            return pos
        pos = _skip(buf, inner, pos, end, inner_tag, _MAX_GROUP_FIELD, depth)
    raise DecodeError(bounds.NOT_CLOSED, start)
