"""The plain forms of JSON, quickly: what clients send and what is answered to them nearly always.

protobuf's own mapping takes a third of what a put through the gateway costs here, since it is written in Python and
asks the descriptors of each message anew. This module asks them once for each type.

Rules:

- What this module decodes or encodes, protobuf's mapping decodes or encodes in the same way; the tests compare the two.
- `message_of` returns None for whatever is not plain, right or wrong. Then protobuf's mapping decides, and finds the
  words for what is wrong.
"""

from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Callable
from json.encoder import encode_basestring_ascii
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

_DEPTH_MAX = 16
_Convert = Callable[[Any, int], Any]
_Write = Callable[[Any], str]


class _Unplain(Exception):
    """The value is not of a plain form."""


def message_of(kind: type[Message], fields: dict[str, Any]) -> Message | None:
    """Return the message of a JSON object, None if it has anything that is not plain."""
    try:
        return _message(kind, fields, _DEPTH_MAX)
    except (_Unplain, ValueError, TypeError, AttributeError):
        # Among these: not base64, a number that is too large, half of a surrogate pair.
        return None


def text_of(message: Message) -> str:
    """Return the JSON of a message."""
    kind = type(message)
    writers = _WRITERS.get(kind)
    if writers is None:
        writers = _WRITERS[kind] = {field.number: _writer(field) for field in kind.DESCRIPTOR.fields}
    return "{" + ",".join([writers[field.number](value) for field, value in message.ListFields()]) + "}"


# -- reading -----------------------------------------------------------------------------------------------------


# By type: the name of the field, what converts a value, and the oneof that it is in, by both names of a field.
_READERS: dict[type[Message], dict[str, tuple[str, _Convert, str]]] = {}
_WRITERS: dict[type[Message], dict[int, _Write]] = {}


def _message(kind: type[Message], fields: Any, depth: int) -> Message:
    readers = _READERS.get(kind)
    if readers is None:
        readers = _READERS[kind] = _readers_of(kind)
    if type(fields) is not dict or not depth:
        raise _Unplain
    values: dict[str, Any] = {}
    oneofs: list[str] = []
    for given, value in fields.items():
        found = readers.get(given)
        if found is None:
            if given[:1] == "[":
                raise _Unplain
            continue
        name, convert, oneof = found
        if name in values or (oneof and oneof in oneofs):
            raise _Unplain
        values[name] = convert(value, depth)
        if oneof:
            oneofs.append(oneof)
    return kind(**values)


def _readers_of(kind: type[Message]) -> dict[str, tuple[str, _Convert, str]]:
    found = {}
    for field in kind.DESCRIPTOR.fields:
        one = _reader(field)
        convert = _list_of(one) if field.is_repeated else one
        oneof = field.containing_oneof.name if field.containing_oneof is not None else ""
        found[field.name] = found[field.json_name] = (field.name, convert, oneof)
    return found


def _list_of(one: _Convert) -> _Convert:
    def convert(value: Any, depth: int) -> list[Any]:
        if type(value) is not list:
            raise _Unplain
        return [one(each, depth) for each in value]

    return convert


def _reader(field: Any) -> _Convert:
    kind = field.type
    if kind == FieldDescriptor.TYPE_MESSAGE:
        below: type[Message] = field.message_type._concrete_class
        return lambda value, depth: _message(below, value, depth - 1)
    if kind == FieldDescriptor.TYPE_ENUM:
        numbers = {name: each.number for name, each in field.enum_type.values_by_name.items()}
        return lambda value, depth: _one_of(numbers, value)
    return _SCALARS.get(kind, _refuse)


def _one_of(numbers: dict[str, int], value: Any) -> int:
    if type(value) is not str or value not in numbers:
        raise _Unplain
    return numbers[value]


def _refuse(value: Any, depth: int) -> Any:
    raise _Unplain


def _bytes(value: Any, depth: int) -> bytes:
    # Python's strict decoder takes "Zm9v===".
    if type(value) is not str or len(value) % 4 or value[-3:] == "===":
        raise _Unplain
    return a2b_base64(value, strict_mode=True)


def _integer(value: Any, depth: int) -> int:
    if type(value) is int:
        return value
    if type(value) is str and len(value) <= 20 and value.isascii() and value.isdecimal():
        return int(value)
    raise _Unplain


def _text(value: Any, depth: int) -> str:
    if type(value) is not str:
        raise _Unplain
    return value


def _truth(value: Any, depth: int) -> bool:
    if type(value) is not bool:
        raise _Unplain
    return value


_SCALARS: dict[int, _Convert] = {
    FieldDescriptor.TYPE_BYTES: _bytes,
    FieldDescriptor.TYPE_INT64: _integer,
    FieldDescriptor.TYPE_UINT64: _integer,
    FieldDescriptor.TYPE_INT32: _integer,
    FieldDescriptor.TYPE_UINT32: _integer,
    FieldDescriptor.TYPE_STRING: _text,
    FieldDescriptor.TYPE_BOOL: _truth,
}


# -- writing -----------------------------------------------------------------------------------------------------


def _writer(field: Any) -> _Write:
    begin = f'"{field.name}":'
    write = _value_writer(field)
    if field.is_repeated:
        return lambda values: f"{begin}[{','.join([write(each) for each in values])}]"
    return lambda value: begin + write(value)


def _value_writer(field: Any) -> _Write:
    kind = field.type
    if kind == FieldDescriptor.TYPE_MESSAGE:
        return text_of
    if kind == FieldDescriptor.TYPE_ENUM:
        names = {number: f'"{each.name}"' for number, each in field.enum_type.values_by_number.items()}
        return lambda value: names.get(value) or str(value)
    return _WRITTEN[kind]


_WRITTEN: dict[int, _Write] = {
    FieldDescriptor.TYPE_BYTES: lambda value: f'"{b64encode(value).decode()}"',
    FieldDescriptor.TYPE_INT64: lambda value: f'"{value}"',
    FieldDescriptor.TYPE_UINT64: lambda value: f'"{value}"',
    FieldDescriptor.TYPE_INT32: str,
    FieldDescriptor.TYPE_UINT32: str,
    FieldDescriptor.TYPE_STRING: encode_basestring_ascii,
    FieldDescriptor.TYPE_BOOL: lambda value: "true" if value else "false",
}
