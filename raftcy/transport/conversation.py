"""The protocol of a connection, for both ends, without I/O: bytes in, events and bytes out.

The dialler begins with its HELLO and sends nothing else until the WELCOME arrives. Then it sends messages, and both
ends may ping and must answer pings. A connection that begins with a STREAM carries the body of a snapshot in place of
messages. An end that breaks these rules loses the connection.
"""

from typing import NamedTuple

from ..errors import DecodeError
from . import packets as p
from .frame import FrameDecoder
from .streampackets import FROM_ACCEPTOR, FROM_DIALLER

__all__ = ["Event", "Greeted", "Messages", "Ponged", "Refused", "Speech", "Streamed"]


class Greeted(NamedTuple):
    """The other end has introduced itself. An acceptor answers with ``welcome`` or ``refuse``."""

    hello: p.Hello


class Refused(NamedTuple):
    """The acceptor refuses this connection."""

    refusal: p.Refusal


class Messages(NamedTuple):
    """Payloads of MESSAGE packets, in order."""

    payloads: list[bytes | bytearray]


class Ponged(NamedTuple):
    """The other end has received everything up to the ping with this token."""

    token: int


class Streamed(NamedTuple):
    """A packet of a connection that carries the body of a snapshot."""

    payload: bytes | bytearray


Event = Greeted | Refused | Messages | Ponged | Streamed


class Speech:
    """One end of a connection.

    ``receive`` takes bytes as they arrive, in chunks of any size, and returns their events. ``output`` collects the
    bytes to send, and ``take_output`` takes them away. ``error`` is None until the other end breaks the rules.
    ``receive`` still returns the events before the error, and ignores all bytes after it.

    The connection is open for the acceptor when it sends the WELCOME, and for the dialler when it reads it.
    """

    def __init__(self, accepts: bool, limit_bytes: int | None = None, streams: bool = False) -> None:
        self.output: list[bytes] = []
        self.error: DecodeError | None = None
        self.is_open = False
        self.streams = streams
        """Whether the connection carries the body of a snapshot. An acceptor learns it from the first packet."""
        self.theirs: p.Hello | None = None
        """The hello of the other end, None before it arrives."""
        self._accepts = accepts
        self._limit_bytes = limit_bytes
        self._frames = FrameDecoder(p.GREETING_BYTES_MAX)

    @property
    def pending_bytes(self) -> int:
        """How many bytes of an incomplete frame have arrived."""
        return self._frames.pending_bytes

    def take_output(self) -> bytes:
        """Return the bytes to send, and forget them."""
        data = b"".join(self.output)
        self.output.clear()
        return data

    def begin(self, hello: p.Hello) -> None:
        """Send the HELLO or STREAM. Only the dialler calls this."""
        self.output.append(p.encode_greeting(p.STREAM if self.streams else p.HELLO, hello))

    def welcome(self, hello: p.Hello) -> None:
        """Accept the connection. Only an acceptor that has read a HELLO calls this."""
        self.output.append(p.encode_greeting(p.WELCOME, hello))
        self._open()

    def refuse(self, refusal: p.Refusal) -> None:
        """Refuse the connection. The owner sends the output and then closes the connection."""
        self.output.append(p.encode_refusal(refusal))

    def ping(self, token: int) -> None:
        """Send a ping. Its answer proves that the other end has received everything sent before it."""
        self.output.append(p.encode_token(p.PING, token))

    def receive(self, chunk: bytes | bytearray | memoryview) -> list[Event]:
        """Take bytes that have arrived, and return their events, in order."""
        events: list[Event] = []
        if self.error is not None:
            return events
        try:
            payloads = self._frames.feed(chunk)
            self._read(payloads, events)
            # The decoder reports a frame that is too long only after the frames before it.
            if payloads:
                self._frames.feed(b"")
        except DecodeError as error:
            self.error = error
        return events

    def _read(self, payloads: list[bytes | bytearray], events: list[Event]) -> None:
        messages: list[bytes | bytearray] | None = None
        for payload in payloads:
            kind = payload[0] if payload else 0
            if not self.is_open:
                events.append(self._greeting(kind, payload))
            elif self.streams and kind in (FROM_DIALLER if self._accepts else FROM_ACCEPTOR):
                events.append(Streamed(payload))
            elif kind == p.MESSAGE and self._accepts and not self.streams:
                if messages is None:
                    messages = []
                    events.append(Messages(messages))
                messages.append(payload)
            elif kind == p.PING:
                self.output.append(p.encode_token(p.PONG, p.decode_token(payload)))
            elif kind == p.PONG:
                events.append(Ponged(p.decode_token(payload)))
                messages = None
            else:
                raise DecodeError(f"a packet of kind {kind} is out of place", 0)

    def _greeting(self, kind: int, payload: bytes | bytearray) -> Event:
        if self.theirs is None and kind in ((p.HELLO, p.STREAM) if self._accepts else (p.WELCOME,)):
            self.theirs = p.decode_greeting(payload)
            self.streams = self.streams or kind == p.STREAM
            if not self._accepts:
                self._open()
            return Greeted(self.theirs)
        if kind == p.REFUSED and not self._accepts:
            return Refused(p.decode_refusal(payload))
        raise DecodeError("the connection does not begin with a hello", 0)

    def _open(self) -> None:
        self.is_open = True
        self._frames.limit_bytes = self._limit_bytes
