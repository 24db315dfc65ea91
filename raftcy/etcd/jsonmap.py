"""Messages as JSON and back, in the form of etcd's gateway: protobuf's own mapping, by ``jsonplain`` where it can.

Rules:

- Fields have the names of the schema (``raft_term``). A request may use camel case too. Fields that the schema does not
  have are ignored, and so are values of enums that it does not have.
- Answers leave out fields that have their default value. Numbers of 64 bits are strings, bytes are base64, values of
  enums are names.
- Bytes of a request must be base64 throughout, standard or URL-safe. protobuf's own decoder skips every other
  character, so a key that was sent without encoding would be stored as another key.
- A body holds one message, or several one after another where the RPC takes a stream. An empty body is a message
  without fields. Anything else is refused with code 3 (INVALID_ARGUMENT).
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from .jsonplain import message_of, text_of
from .refusals import Refused

INVALID_ARGUMENT = 3
DEPTH_MAX = 100
"""How deep the objects of a request may be nested. A transaction in a transaction takes four levels."""

_BASE64 = re.compile(r"[A-Za-z0-9+/\r\n]*={0,2}[\r\n]*|[A-Za-z0-9_\-\r\n]*={0,2}[\r\n]*")
_MARKS = re.compile(rb'["\\{}\[\]]')
_SPACE = b" \t\r\n"
_DECODER = json.JSONDecoder()


def malformed(why: object) -> Refused:
    """Return the refusal of a body that is no message."""
    return Refused(INVALID_ARGUMENT, str(why))


def decode(kind: type[Message], body: bytes) -> Message:
    """Return the message of the type ``kind`` that a body begins with.

    Raises Refused if it is not JSON, or does not fit the type.
    """
    try:
        text = body.decode().lstrip()
        if not text:
            return kind()
        fields, _ = _DECODER.raw_decode(text)
        if not isinstance(fields, dict):
            raise malformed(f"a request is a JSON object, not {_kind_of(fields)}")
        plain = message_of(kind, fields)
        if plain is not None:
            return plain
        _check_bytes(kind.DESCRIPTOR, fields, DEPTH_MAX)
        return json_format.ParseDict(fields, kind(), ignore_unknown_fields=True)
    except RecursionError:
        raise malformed("the request is nested too deeply") from None
    except SystemError:
        # protobuf's search for a field whose name is half of a surrogate pair.
        raise malformed("a name is not Unicode") from None
    except (ValueError, TypeError, json_format.Error) as error:
        # ValueError: neither UTF-8 nor JSON.
        raise malformed(error) from None


def encode(message: Message) -> bytes:
    """Return the JSON of an answer, without a line break."""
    return text_of(message).encode()


def encode_line(message: Message) -> bytes:
    """Return the JSON of an answer in a stream, as one line."""
    return b'{"result":' + encode(message) + b"}\n"


def _kind_of(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


# -- base64 ----------------------------------------------------------------------------------------------------


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """Return the fields of a type that are bytes, or have such fields, by both of their names."""
    found = {}
    for field in kind.fields:
        if field.type == FieldDescriptor.TYPE_BYTES or field.type == FieldDescriptor.TYPE_MESSAGE:
            found[field.name] = found[field.json_name] = field
    return found


def _check_bytes(kind: Any, fields: dict[str, Any], depth: int) -> None:
    if depth == 0:
        raise malformed("the request is nested too deeply")
    known = _fields(kind)
    for name, value in fields.items():
        field = known.get(name)
        if field is None or value is None:
            continue
        below = field.message_type
        for each in value if isinstance(value, list) else (value,):
            if below is None:
                _check_base64(each)
            elif isinstance(each, dict):
                _check_bytes(below, each, depth - 1)


def _check_base64(text: Any) -> None:
    if isinstance(text, str):
        digits = len(text.rstrip("=\r\n"))
        if not _BASE64.fullmatch(text) or (digits - text.count("\r") - text.count("\n")) % 4 == 1:
            raise malformed(f"bytes must be base64, not {text[:40]!r}")


# -- several messages in a body --------------------------------------------------------------------------------------


class Splitter:
    """Finds the JSON objects of a body that comes in pieces. It reads each byte once.

    ``size_max`` is the longest object in bytes.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._kept = bytearray()
        self._seen = 0
        self._depth = 0
        self._is_text = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the objects that end in this piece of the body.

        Raises Refused if there is anything but objects, or if one is too long or too deep.
        """
        kept = self._kept
        kept += piece
        while (end := self._end()) is not None:
            yield bytes(kept[:end])
            del kept[:end]
            self._seen = 0
        if len(kept) > self._size_max:
            raise malformed("etcdserver: request is too large")

    def finish(self) -> None:
        """Note the end of the body. Raises Refused if it breaks off."""
        if self._kept.strip(_SPACE):
            raise malformed("unexpected EOF")

    def _end(self) -> int | None:
        """Return the index behind the first whole object, None if there is none yet."""
        kept = self._kept
        if self._depth == 0:
            start = kept.lstrip(_SPACE)
            if not start:
                return None
            if start[:1] != b"{":
                raise malformed("a request is a JSON object")
        while mark := _MARKS.search(kept, self._seen):
            place, byte = mark.start(), kept[mark.start()]
            self._seen = place + 1
            if byte == 0x22:
                self._is_text = not self._is_text
            elif self._is_text:
                if byte == 0x5C:
                    if place + 1 == len(kept):
                        # The escaped byte has not come yet: look at the backslash again.
                        self._seen = place
                        return None
                    self._seen = place + 2
            elif byte in b"{[":
                self._depth += 1
                if self._depth > DEPTH_MAX:
                    raise malformed("the request is nested too deeply")
            elif byte in b"}]":
                self._depth -= 1
                if self._depth <= 0:
                    self._depth = 0
                    return self._seen
        self._seen = len(kept)
        return None
