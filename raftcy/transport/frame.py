"""Frames, by which messages are told apart on a stream of bytes: a length of 4 bytes, big endian, then that many bytes.

Reads and writes no socket: what is to be sent is returned, what arrived is fed in. The first frame of a connection is
the hello, which names the sender; the payload of each further one is an encoded Message.
"""

import struct

from ..errors import DecodeError, RangeError

__all__ = [
    "HELLO_FRAME_BYTES",
    "MAX_FRAME_BYTES",
    "FrameDecoder",
    "decode_hello",
    "encode_frame",
    "encode_hello",
    "frame_parts",
]

MAX_FRAME_BYTES = 64 << 20
"""The longest payload of a frame, in bytes."""

_LENGTH = struct.Struct(">L")
_HELLO = struct.Struct(">8sQ")
_MAGIC = b"RAFTWIR1"

HELLO_FRAME_BYTES = _LENGTH.size + _HELLO.size
"""The size of the first frame of a connection, its length included, in bytes."""


def frame_parts(payload: bytes) -> list[bytes]:
    """The buffers to send for a frame with that payload, which is not copied; RangeError if it is too long."""
    if len(payload) > MAX_FRAME_BYTES:
        raise RangeError(f"a frame holds at most {MAX_FRAME_BYTES} bytes, not {len(payload)}")
    return [_LENGTH.pack(len(payload)), payload]


def encode_frame(payload: bytes) -> bytes:
    """The frame with that payload; RangeError if it is too long."""
    return b"".join(frame_parts(payload))


def encode_hello(sender: int) -> bytes:
    """The payload of the first frame; ``sender`` is the id of the node that opens the connection, 1 to 2**64-1."""
    if not 0 < sender < 2**64:
        raise RangeError(f"sender must be 1 to 2**64-1, not {sender}")
    return _HELLO.pack(_MAGIC, sender)


def decode_hello(head: bytes) -> int:
    """The sender's id, from the first HELLO_FRAME_BYTES of a connection; DecodeError if they are no hello."""
    if len(head) != HELLO_FRAME_BYTES:
        raise DecodeError(f"a hello has {HELLO_FRAME_BYTES} bytes with its length, not {len(head)}", 0)
    (length,) = _LENGTH.unpack_from(head)
    magic, sender = _HELLO.unpack_from(head, _LENGTH.size)
    if length != _HELLO.size or magic != _MAGIC or sender == 0:
        raise DecodeError("the connection does not begin with a hello", 0)
    return int(sender)


class FrameDecoder:
    """Finds the frames in a stream that comes in chunks of any size.

    It keeps what belongs to a frame that is not complete and nothing else: memory grows with what has arrived, never by
    a length that was only announced. Such a frame is put together in a buffer of its own, which is given away.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        # The payload of the frame that is not complete, and its length; None before its header is complete.
        self._payload: bytearray | None = None
        self._length = 0
        self._consumed = 0

    @property
    def consumed_bytes(self) -> int:
        """Bytes of the frames that were given."""
        return self._consumed

    @property
    def pending_bytes(self) -> int:
        """Bytes of a frame that is not complete; not 0 at the end of the stream means that it was cut off."""
        return len(self._head) + (0 if self._payload is None else len(self._payload))

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[bytes | bytearray]:
        """The payloads that ``chunk`` completes, in order; they are the caller's.

        DecodeError for a frame that is longer than MAX_FRAME_BYTES, once those before it were given; its offset counts
        from the first byte that was ever fed. The stream cannot be read on then: every later call raises the same.
        """
        self._refuse_long()
        payloads: list[bytes | bytearray] = []
        with memoryview(chunk) as view:
            at = self._go_on(view, payloads) if self._head else 0
            while self._payload is None and at < len(view):
                at = self._begin(view, at, payloads)
        if not payloads:
            self._refuse_long()
        return payloads

    def _begin(self, view: memoryview, at: int, payloads: list[bytes | bytearray]) -> int:
        """Read the frame that begins at ``at``, as far as it is there; gives the place after it."""
        start = at + _LENGTH.size
        if start <= len(view):
            (length,) = _LENGTH.unpack_from(view, at)
            stop: int = start + length
            if stop <= len(view) and length <= MAX_FRAME_BYTES:
                payloads.append(bytes(view[start:stop]))
                self._consumed += stop - at
                return stop
        self._head += view[at:start]
        if start <= len(view):
            self._payload = bytearray(view[start:])
            self._length = length
        return len(view)

    def _go_on(self, view: memoryview, payloads: list[bytes | bytearray]) -> int:
        """Take what belongs to the frame that is not complete from the beginning; gives the place after it."""
        at = 0
        if self._payload is None:
            at = _LENGTH.size - len(self._head)
            self._head += view[:at]
            if len(self._head) < _LENGTH.size:
                return len(view)
            (self._length,) = _LENGTH.unpack(self._head)
            self._payload = bytearray()
            if self._length > MAX_FRAME_BYTES:
                return len(view)
        stop = at + self._length - len(self._payload)
        self._payload += view[at:stop]
        if stop > len(view):
            return len(view)
        payloads.append(self._payload)
        self._consumed += _LENGTH.size + self._length
        self._payload = None
        self._head.clear()
        return stop

    def _refuse_long(self) -> None:
        if self._payload is not None and self._length > MAX_FRAME_BYTES:
            raise DecodeError(f"frame of {self._length} bytes, more than {MAX_FRAME_BYTES}", self._consumed)
