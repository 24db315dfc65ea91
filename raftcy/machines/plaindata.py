"""Answers as bytes: None, bools, integers, floats, texts, bytes, lists, tuples, dicts, and refusals of these.

One byte gives the type of each value. Unpacking returns a value equal to the packed one; lists and tuples stay apart,
and a dict keeps its order. Nothing is pickled, so the bytes of a snapshot cannot run code.
"""

import struct
from typing import Any

from ..errors import CommandError, DecodeError
from .packing import Reader, block, number

(
    _NONE,
    _FALSE,
    _TRUE,
    _POSITIVE,
    _NEGATIVE,
    _BIG,
    _BIG_NEGATIVE,
    _FLOAT,
    _TEXT,
    _BYTES,
    _LIST,
    _TUPLE,
    _DICT,
    _REFUSED,
) = range(14)
DEPTH_MOST = 32
_FLOATS = struct.Struct("<d")
_TAGS = [bytes((tag,)) for tag in range(14)]


def pack(value: Any) -> bytes:
    """Encode plain data. TypeError for anything else, and for data nested more than `DEPTH_MOST` deep."""
    parts: list[bytes] = []
    _pack(value, parts, 0)
    return b"".join(parts)


def _pack(value: Any, parts: list[bytes], depth: int) -> None:
    if depth > DEPTH_MOST:
        raise TypeError(f"plain data is nested more than {DEPTH_MOST} deep")
    kind = type(value)
    if value is None:
        parts.append(_TAGS[_NONE])
    elif kind is bool:
        parts.append(_TAGS[_TRUE if value else _FALSE])
    elif kind is int:
        parts.append(_integer(value))
    elif kind is float:
        parts.append(_TAGS[_FLOAT] + _FLOATS.pack(value))
    elif kind is str:
        parts.append(_TAGS[_TEXT] + block(value.encode("utf-8", "surrogatepass")))
    elif kind is bytes:
        parts.append(_TAGS[_BYTES] + block(value))
    elif kind is list or kind is tuple:
        parts.append(_TAGS[_LIST if kind is list else _TUPLE] + number(len(value)))
        for each in value:
            _pack(each, parts, depth + 1)
    elif kind is dict:
        parts.append(_TAGS[_DICT] + number(len(value)))
        for name, each in value.items():
            _pack(name, parts, depth + 1)
            _pack(each, parts, depth + 1)
    elif kind is CommandError:
        parts.append(_TAGS[_REFUSED])
        _pack(value.text, parts, depth + 1)
        _pack(value.reason, parts, depth + 1)
    else:
        raise TypeError(
            f"an answer must be plain data (None, bool, int, float, str, bytes, list, tuple, dict), not {kind.__name__}"
        )


def _integer(value: int) -> bytes:
    size = value if value >= 0 else -1 - value
    if size < 2**64:
        return _TAGS[_POSITIVE if value >= 0 else _NEGATIVE] + number(size)
    data = size.to_bytes((size.bit_length() + 7) // 8, "little")
    return _TAGS[_BIG if value >= 0 else _BIG_NEGATIVE] + block(data)


def unpack(data: bytes) -> Any:
    """Decode plain data. DecodeError for bytes that `pack` does not make."""
    reader = Reader(data)
    value = _unpack(reader, 0)
    reader.end()
    return value


def _unpack(reader: Reader, depth: int) -> Any:
    if depth > DEPTH_MOST:
        raise DecodeError(f"plain data is nested more than {DEPTH_MOST} deep", reader.at)
    at = reader.at
    tag = reader.take(1)[0]
    if tag <= _TRUE:
        return (None, False, True)[tag]
    if tag == _POSITIVE:
        return reader.number()
    if tag == _NEGATIVE:
        return -1 - reader.number()
    if tag in (_BIG, _BIG_NEGATIVE):
        digits = reader.block()
        if len(digits) <= 8 or digits[-1] == 0:
            raise DecodeError("a number is not in its shortest form", at)
        size = int.from_bytes(digits, "little")
        return size if tag == _BIG else -1 - size
    if tag == _FLOAT:
        return _FLOATS.unpack(reader.take(8))[0]
    if tag == _TEXT:
        return _text(reader, at)
    if tag == _BYTES:
        return reader.block()
    return _unpack_many(reader, tag, at, depth + 1)


def _unpack_many(reader: Reader, tag: int, at: int, depth: int) -> Any:
    if tag in (_LIST, _TUPLE):
        items = [_unpack(reader, depth) for _ in range(reader.count())]
        return items if tag == _LIST else tuple(items)
    if tag == _DICT:
        found = {}
        for _ in range(reader.count(2)):
            name = _unpack(reader, depth)
            try:
                known = name in found
            except TypeError:
                raise DecodeError(f"a {type(name).__name__} cannot be a name", at) from None
            if known:
                raise DecodeError("a name comes twice", at)
            found[name] = _unpack(reader, depth)
        return found
    if tag == _REFUSED:
        text, reason = _unpack(reader, depth), _unpack(reader, depth)
        if type(text) is not str or type(reason) is not str:
            raise DecodeError("a refusal has no text", at)
        return CommandError(text, reason)
    raise DecodeError(f"{tag} is not a kind of plain data", at)


def _text(reader: Reader, at: int) -> str:
    try:
        return reader.block().decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise DecodeError(f"a text is not UTF-8: {error.reason}", at) from None
