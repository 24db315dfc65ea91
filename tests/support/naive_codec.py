"""A second reader of the encoding, as simple as possible: no offsets, no speed, no classes. Only for comparison."""

from typing import Any

SCHEMA: dict[str, dict[int, tuple[str, str]]] = {
    "Entry": {1: ("Type", "enum"), 2: ("Term", "number"), 3: ("Index", "number"), 4: ("Data", "bytes")},
    "HardState": {1: ("term", "number"), 2: ("vote", "number"), 3: ("commit", "number")},
    "ConfState": {
        1: ("voters", "numbers"),
        2: ("learners", "numbers"),
        3: ("voters_outgoing", "numbers"),
        4: ("learners_next", "numbers"),
        5: ("auto_leave", "bool"),
    },
    "SnapshotMetadata": {1: ("conf_state", "ConfState"), 2: ("index", "number"), 3: ("term", "number")},
    "Snapshot": {1: ("data", "bytes"), 2: ("metadata", "SnapshotMetadata")},
    "Message": {
        1: ("type", "enum"),
        2: ("to", "number"),
        3: ("from", "number"),
        4: ("term", "number"),
        5: ("logTerm", "number"),
        6: ("index", "number"),
        7: ("entries", "*Entry"),
        8: ("commit", "number"),
        9: ("snapshot", "Snapshot"),
        10: ("reject", "bool"),
        11: ("rejectHint", "number"),
        12: ("context", "bytes"),
        13: ("vote", "number"),
        14: ("responses", "*Message"),
    },
    "ConfChange": {1: ("id", "number"), 2: ("type", "enum"), 3: ("node_id", "number"), 4: ("context", "bytes")},
    "ConfChangeSingle": {1: ("type", "enum"), 2: ("node_id", "number")},
    "ConfChangeV2": {1: ("transition", "enum"), 2: ("changes", "*ConfChangeSingle"), 3: ("context", "bytes")},
}


class Refused(Exception):
    pass


def read(kind: str, data: bytes) -> dict[str, Any]:
    """The present fields of an encoding, as the vectors give them. Raises Refused for invalid input."""
    fields: dict[str, Any] = {}
    raw: dict[str, bytes] = {}
    unknown = b""
    while data:
        tag, rest = take_varint(data)
        if not 0 < tag >> 3 < 2**29:
            raise Refused
        item, after = take_value(tag, rest)
        name, form = SCHEMA[kind].get(tag >> 3, ("", ""))
        wire = tag & 7
        if wire == 0 and form in ("number", "enum", "bool", "numbers"):
            if form == "numbers":
                fields.setdefault(name, []).append(item)
            else:
                fields[name] = bool(item) if form == "bool" else signed(item) if form == "enum" else item
        elif wire == 2 and form == "bytes":
            fields[name] = item.hex()
        elif wire == 2 and form == "numbers":
            while item:
                number, item = take_varint(item)
                fields.setdefault(name, []).append(number)
        elif wire == 2 and form.startswith("*"):
            fields.setdefault(name, []).append(read(form[1:], item))
        elif wire == 2 and form in SCHEMA:
            read(form, item)
            raw[name] = raw.get(name, b"") + item
            fields[name] = read(form, raw[name])
        else:
            unknown += minimal(tag) + rest[: len(rest) - len(after)]
        data = after
    if unknown:
        fields["unknown"] = unknown.hex()
    return fields


def take_value(tag: int, data: bytes) -> tuple[Any, bytes]:
    """The value after a tag, and the rest of the input."""
    match tag & 7:
        case 0:
            return take_varint(data)
        case 1:
            return take(data, 8)
        case 2:
            length, rest = take_varint(data)
            return take(rest, length)
        case 3:
            while True:
                inner, data = take_varint(data)
                if inner == tag + 1:
                    return None, data
                if not 0 < inner >> 3 < 2**31:
                    raise Refused
                _, data = take_value(inner, data)
        case 5:
            return take(data, 4)
    raise Refused


def take(data: bytes, length: int) -> tuple[bytes, bytes]:
    if length > len(data):
        raise Refused
    return data[:length], data[length:]


def take_varint(data: bytes) -> tuple[int, bytes]:
    number = 0
    for i, byte in enumerate(data[:10]):
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if number >= 2**64:
                raise Refused
            return number, data[i + 1 :]
    raise Refused


def signed(number: int) -> int:
    low = number % 2**32
    return low - 2**32 if low >= 2**31 else low


def minimal(number: int) -> bytes:
    return bytes([number]) if number < 0x80 else bytes([number % 0x80 + 0x80]) + minimal(number // 0x80)
