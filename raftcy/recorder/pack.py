"""Encodes plain data: None, bools, integers, strings, bytes, lists, and dicts with strings as keys.

A byte names the type that follows. Lengths and numbers take 8 bytes, little endian. Equal data has equal bytes, on both
builds.
"""

import struct
from typing import Any

_NONE, _FALSE, _TRUE, _UNSIGNED, _NEGATIVE, _TEXT, _BYTES, _LIST, _DICT = range(9)
_NUMBER = struct.Struct("<BQ")


def pack(value: Any) -> bytes:
    """Encode plain data. Raises TypeError for anything else, and struct.error for a number beyond 64 bits."""
    parts: list[bytes] = []
    _pack(value, parts.append)
    return b"".join(parts)


def _pack(value: Any, out: Any) -> None:
    if value is None or value is False or value is True:
        out(bytes((_NONE if value is None else _TRUE if value else _FALSE,)))
    elif isinstance(value, int):
        out(_NUMBER.pack(_UNSIGNED, value) if value >= 0 else _NUMBER.pack(_NEGATIVE, -value))
    elif isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        out(_NUMBER.pack(_TEXT, len(data)) + data)
    elif isinstance(value, bytes):
        out(_NUMBER.pack(_BYTES, len(value)) + value)
    elif isinstance(value, (list, tuple)):
        out(_NUMBER.pack(_LIST, len(value)))
        for each in value:
            _pack(each, out)
    elif isinstance(value, dict):
        out(_NUMBER.pack(_DICT, len(value)))
        for name, each in value.items():
            _pack(name, out)
            _pack(each, out)
    else:
        raise TypeError(f"{type(value).__name__} is not plain data")


def unpack(data: bytes) -> Any:
    """Decode plain data. Raises ValueError if the bytes are not an encoding."""
    try:
        value, end = _unpack(data, 0)
    except (struct.error, IndexError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"not plain data: {error}") from None
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes after the end of plain data")
    return value


def _unpack(data: bytes, at: int) -> tuple[Any, int]:
    kind = data[at]
    if kind <= _TRUE:
        return (None, False, True)[kind], at + 1
    if kind > _DICT:
        raise ValueError(f"kind {kind} of plain data")
    _, number = _NUMBER.unpack_from(data, at)
    at += _NUMBER.size
    if kind == _UNSIGNED:
        return number, at
    if kind == _NEGATIVE:
        return -number, at
    if number > len(data) - at:
        raise ValueError("plain data is cut off")
    if kind in (_TEXT, _BYTES):
        found = data[at : at + number]
        return found.decode("utf-8", "surrogatepass") if kind == _TEXT else found, at + number
    items = []
    for _ in range(number if kind == _LIST else 2 * number):
        item, at = _unpack(data, at)
        items.append(item)
    if kind == _LIST:
        return items, at
    if not all(isinstance(name, str) for name in items[::2]):
        raise ValueError("a name in plain data is not a string")
    return dict(zip(items[::2], items[1::2], strict=True)), at
