"""Frames, which delimit messages on a stream of bytes: a length of 4 bytes, big endian, followed by the payload.

This module does no I/O: the encoder returns the bytes to send, and the caller feeds the decoder with the bytes that
arrive. ``packets``, or another protocol on the same frames, gives the payloads their meaning.
"""

import struct

from ..errors import DecodeError, RangeError

__all__ = ["LENGTH", "MAX_FRAME_BYTES", "FrameDecoder", "encode_frame", "frame_parts"]

MAX_FRAME_BYTES = 64 << 20
"""The longest payload of a frame, in bytes. Both sides refuse longer ones."""

LENGTH = struct.Struct(">L")
"""The field before each payload: its length in bytes."""


def frame_parts(payload: bytes) -> list[bytes]:
    """Return the buffers to send for a frame, without copying the payload. Raises RangeError beyond MAX_FRAME_BYTES."""
    if len(payload) > MAX_FRAME_BYTES:
        raise RangeError(f"a frame holds at most {MAX_FRAME_BYTES} bytes, not {len(payload)}")
    return [LENGTH.pack(len(payload)), payload]


def encode_frame(payload: bytes) -> bytes:
    """Return a frame as one bytes object. Raises RangeError beyond MAX_FRAME_BYTES."""
    return b"".join(frame_parts(payload))


class FrameDecoder:
    """Splits a stream, which arrives in chunks of any size, into frames.

    The decoder stores only the bytes of an incomplete frame. Its memory grows with the bytes that have arrived, never
    with an announced length; otherwise a peer could make the node allocate 64 MiB by sending four bytes.

    ``limit_bytes`` is the longest payload that the decoder accepts; None and 0 mean MAX_FRAME_BYTES. The owner may
    change it between calls.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self.limit_bytes = limit_bytes
        self._head = bytearray()
        # The payload of the incomplete frame so far, None until its length is known; and that length.
        self._payload: bytearray | None = None
        self._length = 0
        self._consumed = 0
        self._limit = 0

    @property
    def consumed_bytes(self) -> int:
        """The bytes of all frames returned so far, including their length fields."""
        return self._consumed

    @property
    def pending_bytes(self) -> int:
        """The bytes of the incomplete frame. If this is not 0 when the stream ends, the last frame was cut off."""
        return len(self._head) + (0 if self._payload is None else len(self._payload))

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[bytes | bytearray]:
        """Return the payloads that ``chunk`` completes, in order. The caller owns them.

        Raises DecodeError for a frame longer than the limit, after all frames before it have been returned. Its
        offset counts from the first byte ever fed. The stream is unusable from then on: every later call raises the
        same error.
        """
        self._limit = self.limit_bytes or MAX_FRAME_BYTES
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
        """Read the frame that begins at ``at``, as far as it has arrived, and return the position after it."""
        start = at + LENGTH.size
        if start <= len(view):
            (length,) = LENGTH.unpack_from(view, at)
            stop: int = start + length
            if stop <= len(view) and length <= self._limit:
                payloads.append(bytes(view[start:stop]))
                self._consumed += stop - at
                return stop
        self._head += view[at:start]
        if start <= len(view):
            self._payload = bytearray(view[start:])
            self._length = length
        return len(view)

    def _go_on(self, view: memoryview, payloads: list[bytes | bytearray]) -> int:
        """Continue the incomplete frame from the beginning of ``view`` and return the position after it."""
        at = 0
        if self._payload is None:
            at = LENGTH.size - len(self._head)
            self._head += view[:at]
            if len(self._head) < LENGTH.size:
                return len(view)
            (self._length,) = LENGTH.unpack(self._head)
            self._payload = bytearray()
            if self._length > self._limit:
                return len(view)
        stop = at + self._length - len(self._payload)
        self._payload += view[at:stop]
        if stop > len(view):
            return len(view)
        payloads.append(self._payload)
        self._consumed += LENGTH.size + self._length
        self._payload = None
        self._head.clear()
        return stop

    def _refuse_long(self) -> None:
        limit = self.limit_bytes or MAX_FRAME_BYTES
        if self._payload is not None and self._length > limit:
            raise DecodeError(f"frame of {self._length} bytes, more than {limit}", self._consumed)
