"""What all gRPC calls have in common, from the first message to the status. No I/O.

Rules:

- A call ends once: by an answer, by a status, or because the stream under it was closed. After that it does nothing,
  whatever the handler or the client still sends.
- What a client sends on a stream is acknowledged at once, unless the handler paused the stream. Then it stays in the
  client's windows, and that is all that may wait.
- The receiver of a stream is called from `receive` or `work` of the connection only, so never from inside of a call
  that its handler makes.
- An error that a handler raises ends its call alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from .grpc_shared import Shared, logger
from .grpc_wire import PREFIX_BYTES, BadMessage, Reassembly, metadata, refuse
from .http2 import Header, Http2
from .refusals import DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNKNOWN, Refused
from .service import Context

# Below this size a message is copied behind its prefix, which is cheaper than sending the two one by one.
COPIED_BYTES = 4096
# The longest message that a prefix can announce.
LONGEST_BYTES = (1 << 32) - 1


class CallContext(Context):
    """A context that decodes the metadata only when a handler asks for it."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Sequence[Header], deadline_s: float | None, peer: str, common_name: str) -> None:
        # All fields of the base class, without the cost of calling it.
        self._metadata = None
        self._headers = headers
        self.deadline_s = deadline_s
        self.peer = peer
        self.common_name = common_name

    @property
    def metadata(self) -> Mapping[str, str]:
        """The request's metadata by lower-case name, without binary values."""
        if self._metadata is None:
            self._metadata = metadata(self._headers)
        return self._metadata

    @property
    def requires_leader(self) -> bool:
        """Whether the client wants to be refused while this member knows no leader: ``hasleader: true``."""
        for name, value in self._headers:
            if name == b"hasleader":
                return value == b"true"
        return False


class Line(Protocol):
    """What a call asks of its connection."""

    shared: Shared
    http2: Http2
    message_bytes: int
    writable_bytes: int

    def changed(self) -> None:
        """Have the output written soon."""

    def later(self, task: Callable[[], None]) -> None:
        """Have a task done soon, when no handler is running."""

    def slow(self, call: "Call") -> None:
        """Look at a call after each output until it is writable."""

    def ended(self, call: "Call") -> None:
        """Note that a call has ended on this side."""

    def hold(self, more_bytes: int) -> bool:
        """Count bytes that wait at calls, and return whether they may."""

    def admits(self, size_bytes: int) -> bool:
        """Count bytes that are to be sent, and return whether they may wait."""


class Call:
    """What unary and streaming calls have in common."""

    __slots__ = ("connection", "context", "held_bytes", "is_over", "parts", "peer_ended", "slot", "stream_id")

    def __init__(self, connection: Line, stream_id: int, context: CallContext) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.context = context
        self.is_over = False
        self.peer_ended = False
        self.parts: Reassembly | None = None
        """The bytes of incomplete messages, once some came in pieces."""
        self.held_bytes = 0
        """How many bytes of ``parts`` are counted at the connection."""
        if context.deadline_s is not None:
            self.slot = connection.shared.deadlines.add(self, context.deadline_s)

    def begin(self) -> None:
        """The request's headers are here."""

    def data(self, data: bytes, end: bool) -> None:
        """Bytes of the stream are here; with ``end`` they are the last ones."""
        raise NotImplementedError

    def closed(self) -> None:
        """The stream is closed, by the client or with the connection."""
        self.over()

    def expire(self) -> None:
        """The deadline has passed."""
        self.fail(DEADLINE_EXCEEDED, "context deadline exceeded")

    def check_writable(self) -> None:
        """Look whether the call may send more; `Line.slow` asked for it."""

    def fail(self, code: int, text: str) -> None:
        """End the call with a status, and tell the handler."""
        raise NotImplementedError

    def faulty(self, error: Exception) -> None:
        """End the call with the error that a handler raised."""
        if isinstance(error, Refused):
            self.fail(error.code, error.text)
            return
        logger.error("a handler failed", exc_info=error)
        self.fail(UNKNOWN, str(error) or type(error).__name__)

    def over(self) -> None:
        """Release what the call holds. The end of each call comes here."""
        self.is_over = True
        if self.context.deadline_s is not None:
            self.connection.shared.deadlines.discard(self, self.slot)
        if self.held_bytes:
            self.connection.hold(-self.held_bytes)
            self.held_bytes = 0
        self.parts = None

    def add(self, data: bytes, most_bytes: int) -> Reassembly:
        """Put bytes behind those that wait, and return them all."""
        if self.parts is None:
            self.parts = Reassembly(most_bytes)
        self.parts.add(data)
        return self.parts

    def count_held(self) -> None:
        """Count what waits; `BadMessage` if it is too much."""
        parts = self.parts
        if parts is not None:
            more = parts.pending_bytes - self.held_bytes
            self.held_bytes += more
            if not self.connection.hold(more):
                raise BadMessage(RESOURCE_EXHAUSTED, "too many bytes of incomplete requests wait at the server")


def whole_message(data: bytes, most_bytes: int) -> bytes | None:
    """Return the message that ``data`` consists of, None if it is not exactly one. `BadMessage` as for `refuse`."""
    size = int.from_bytes(data[1:PREFIX_BYTES], "big")
    if len(data) != size + PREFIX_BYTES or len(data) < PREFIX_BYTES:
        return None
    refuse(data[0], size, most_bytes)
    return data[PREFIX_BYTES:]
