"""What gRPC says inside of HTTP/2: messages with their lengths, statuses, timeouts, metadata. No state, no I/O.

A message is preceded by five bytes: whether it is compressed, and its length. This server takes no compressed message
and says so. A call ends with trailers that hold its status.
"""

from collections.abc import Mapping, Sequence

from .http2 import Header
from .refusals import RESOURCE_EXHAUSTED

INTERNAL = 13
"""The code of what no correct client sends; etcd's table has no use for it."""


PREFIX_BYTES = 5

RESPONSE_HEADERS: tuple[Header, ...] = ((b":status", b"200"), (b"content-type", b"application/grpc"))
OK_TRAILERS: tuple[Header, ...] = ((b"grpc-status", b"0"),)
IDENTITY_ONLY: Header = (b"grpc-accept-encoding", b"identity")

_UNITS_S = {
    ord("H"): 3600.0,
    ord("M"): 60.0,
    ord("S"): 1.0,
    ord("m"): 1e-3,
    ord("u"): 1e-6,
    ord("n"): 1e-9,
}
_MOST_TIMEOUT_DIGITS = 8

# What a status message may hold as it is. The rest is percent-encoded, bytes of UTF-8 by themselves.
_PLAIN = {each: chr(each) for each in range(0x20, 0x7F) if each != ord("%")}
_ENCODED = [_PLAIN.get(each, f"%{each:02X}") for each in range(256)]


def prefix(size_bytes: int) -> bytes:
    """Return the five bytes before an uncompressed message."""
    return size_bytes.to_bytes(PREFIX_BYTES, "big")


def framed(message: bytes) -> bytes:
    """Return a message with its prefix."""
    return len(message).to_bytes(PREFIX_BYTES, "big") + message


def percent_encoded(text: str) -> bytes:
    """Return a status message as the value of a header."""
    data = text.encode("utf-8", "replace")
    return "".join(map(_ENCODED.__getitem__, data)).encode("ascii")


def trailers(code: int, text: str) -> tuple[Header, ...]:
    """Return the trailers that end a call with a status."""
    if not code:
        return OK_TRAILERS
    status = (b"grpc-status", b"%d" % code)
    return (status, (b"grpc-message", percent_encoded(text))) if text else (status,)


def timeout_s(value: bytes) -> float | None:
    """Return the seconds of a ``grpc-timeout``, None if it is not one."""
    digits = value[:-1]
    unit_s = _UNITS_S.get(value[-1]) if value else None
    if unit_s is None or not digits.isdigit() or len(digits) > _MOST_TIMEOUT_DIGITS:
        return None
    return int(digits) * unit_s


def metadata(headers: Sequence[Header]) -> Mapping[str, str]:
    """Return a request's metadata as a handler sees it: the first value of each name that is not binary."""
    found: dict[str, str] = {}
    for name, value in headers:
        if name[:1] != b":" and name[-4:] != b"-bin":
            found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


class Reassembly:
    """Cuts the bytes of a stream into messages, each of at most ``most_bytes``.

    ``pending_bytes`` is how much of the next message is here already.
    """

    __slots__ = ("_data", "_most_bytes", "_start")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._data = bytearray()
        self._start = 0

    @property
    def pending_bytes(self) -> int:
        """How many bytes wait for the rest of their message, or to be taken."""
        return len(self._data) - self._start

    def add(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._data += data

    def take(self) -> bytes | None:
        """Return the next message, None if it is not complete. `BadMessage` if it must be refused."""
        data, start = self._data, self._start
        have = len(data) - start
        if have < PREFIX_BYTES:
            self._compact()
            return None
        size = int.from_bytes(data[start + 1 : start + PREFIX_BYTES], "big")
        refuse(data[start], size, self._most_bytes)
        end = start + PREFIX_BYTES + size
        if len(data) < end:
            self._compact()
            return None
        self._start = end
        return bytes(memoryview(data)[start + PREFIX_BYTES : end])

    def _compact(self) -> None:
        """Drop what was taken."""
        if self._start:
            del self._data[: self._start]
            self._start = 0


class BadMessage(Exception):
    """A message that cannot be taken; ``code`` and ``text`` are the status of its call."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def refuse(flag: int, size_bytes: int, most_bytes: int) -> None:
    """Raise `BadMessage` unless a message with this prefix is uncompressed and not too long."""
    if flag:
        raise BadMessage(INTERNAL, "a message is marked as compressed, but the call names no compression")
    if size_bytes > most_bytes:
        raise BadMessage(
            RESOURCE_EXHAUSTED, f"a message of {size_bytes} bytes is longer than the limit of {most_bytes}"
        )
