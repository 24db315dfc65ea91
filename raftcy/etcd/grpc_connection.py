"""One gRPC connection without I/O: bytes in, calls of handlers, bytes out.

Rules:

- The owner gives what it reads to ``receive``, then calls ``work`` and ``output`` until that returns less than it
  asked for. It does the same after ``wake`` was called: a handler has sent something, or a call ended, outside of
  ``receive``. So all answers of a turn of the event loop leave in one write. If it cannot write, it calls ``rest``.
- If ``over`` is not empty, the owner writes the output and closes the connection; if ``flooded``, it closes at once.
  ``lost`` must be called once the connection is closed, for whatever reason.
- While the owner cannot write, it calls neither ``receive`` nor ``output``. Then answers wait here, within limits, and
  the client's requests wait at the client.
- A call that ends before its client has sent everything is reset, but only after its last output, which a reset would
  drop.
"""

from collections.abc import Callable, Sequence

from .grpc_calls import Call, CallContext
from .grpc_shared import Shared
from .grpc_streams import StreamCall
from .grpc_unary import UnaryCall
from .grpc_wire import IDENTITY_ONLY, INTERNAL, RESPONSE_HEADERS, timeout_s, trailers
from .http2 import ENHANCE_YOUR_CALM, NO_ERROR, Header, Http2, connect
from .refusals import INVALID_ARGUMENT, UNAVAILABLE, UNIMPLEMENTED
from .service import Unary

# How many pings may come too early, as in gRPC's own servers.
_PING_STRIKES = 2

_GRPC = b"application/grpc"
_STOPPED = "etcdserver: server stopped"


class GrpcConnection:
    """The server's end of a gRPC connection, over one `Http2`.

    ``wake`` is called when there is something to write. ``peer`` and ``common_name`` are what handlers see.
    """

    def __init__(self, shared: Shared, wake: Callable[[], None], peer: str = "", common_name: str = "") -> None:
        self.shared = shared
        self.http2: Http2 = connect(shared.backing, self, shared.limits.http2, shared.now)
        self.message_bytes = shared.limits.message_bytes
        self.writable_bytes = shared.limits.writable_bytes
        self.calls: dict[int, Call] = {}
        self.is_draining = False
        self._wake = wake
        self._is_awake = True
        """Whether the owner calls ``work`` and ``output`` soon anyway."""
        self._peer = peer
        self._common_name = common_name
        self._partial_bytes = 0
        self._queued_bytes = 0
        """What waited after the last output."""
        self._added_bytes = 0
        """What was added since then."""
        self._slow: dict[Call, None] = {}
        self._early: set[int] = set()
        """Streams that the server has ended before the client."""
        self._later: list[Callable[[], None]] = []
        now_s = shared.now()
        self._heard_at_s = self._busy_at_s = self._moved_at_s = now_s
        self._pinged_at_s: float | None = None
        self._ping_heard_at_s = float("-inf")
        self._strikes = 0

    # -- the owner's side

    @property
    def over(self) -> str:
        """Why the connection is over, ``""`` while it is not."""
        return self.http2.over

    @property
    def flooded(self) -> bool:
        """Whether the client exceeded a limit: close the connection without a word."""
        return self.http2.flooded

    @property
    def bite_bytes(self) -> int:
        """The most bytes to give `receive` in one turn."""
        return self.http2.bite_bytes

    def receive(self, data: bytes) -> None:
        """Take bytes from the client. Calls handlers."""
        self._is_awake = True
        self._heard_at_s = self.shared.now()
        self.http2.receive(data)

    def work(self) -> None:
        """Do what had to wait until no handler was running."""
        while self._later:
            tasks, self._later = self._later, []
            for task in tasks:
                task()

    def output(self, most_bytes: int) -> bytes:
        """Return bytes to write; fewer than ``most_bytes`` if that is all that can be written now.

        Calls handlers that may send again, and then ``wake``.
        """
        http2 = self.http2
        data = http2.output(most_bytes)
        if self._added_bytes or self._queued_bytes:
            self._count_queued(http2.all_queued_bytes)
        if len(data) < most_bytes:
            self.rest()
            if self._early:
                self._reset_early()
        if self._slow:
            slow, self._slow = self._slow, {}
            for call in slow:
                call.check_writable()
        return data

    def rest(self) -> None:
        """Note that the owner stops writing, until it is woken or can write again."""
        self._is_awake = False
        if self._later:
            self.changed()

    def lost(self) -> None:
        """The connection is closed: end all calls."""
        self._is_awake = True
        for call in list(self.calls.values()):
            call.closed()
        self.calls.clear()
        self._slow.clear()
        self.work()
        self.shared.queued_bytes -= self._queued_bytes
        self._queued_bytes = 0

    def drain(self) -> None:
        """Begin the end: tell the client, and end its streams. Calls with one answer go on."""
        self.is_draining = True
        self.http2.announce_end()
        for call in list(self.calls.values()):
            if isinstance(call, StreamCall):
                call.fail(UNAVAILABLE, _STOPPED)
        self.changed()

    def take_no_more(self) -> None:
        """Refuse new calls, and be over when the present ones are."""
        self.http2.take_no_more()
        self.changed()

    def look(self, now_s: float) -> bool:
        """Watch over the connection, now and then. Return False if its client stands still: close it at once."""
        limits = self.shared.limits
        if self.calls:
            self._busy_at_s = now_s
        elif now_s - self._busy_at_s > limits.idle_s and not self.is_draining:
            self.http2.terminate(NO_ERROR, "idle")
            self.changed()
        if self._pinged_at_s is not None and self._heard_at_s >= self._pinged_at_s:
            self._pinged_at_s = None
        if self._pinged_at_s is not None:
            if now_s - self._pinged_at_s > limits.ping_timeout_s:
                return False
        elif now_s - self._heard_at_s > limits.ping_interval_s:
            self._pinged_at_s = now_s
            self.http2.ping()
            self.changed()
        if self._queued_bytes and self.shared.is_pressed and now_s - self._moved_at_s > limits.stall_s:
            return False
        return not (self._partial_bytes and self.shared.is_filled and now_s - self._heard_at_s > limits.stall_s)

    @property
    def idle_since_s(self) -> float | None:
        """Since when the connection has had no call, None if it has one."""
        return None if self.calls else max(self._busy_at_s, self._heard_at_s)

    # -- the calls' side

    def changed(self) -> None:
        """Have the output written soon."""
        if not self._is_awake:
            self._is_awake = True
            self._wake()

    def later(self, task: Callable[[], None]) -> None:
        """Have a task done soon, when no handler is running."""
        self._later.append(task)
        self.changed()

    def slow(self, call: Call) -> None:
        """Look at a call after each output until it is writable."""
        self._slow[call] = None

    def ended(self, call: Call) -> None:
        """Note that a call has ended on this side."""
        self.calls.pop(call.stream_id, None)
        if not call.peer_ended:
            self._early.add(call.stream_id)
        self.changed()

    def hold(self, more_bytes: int) -> bool:
        """Count bytes that wait at calls, and return whether they may."""
        shared = self.shared
        self._partial_bytes += more_bytes
        shared.partial_bytes += more_bytes
        limits = shared.limits
        return self._partial_bytes <= limits.partial_bytes and shared.partial_bytes <= limits.all_partial_bytes

    def admits(self, size_bytes: int) -> bool:
        """Count bytes that are to be sent, and return whether they may wait."""
        waiting = self._queued_bytes + self._added_bytes
        shared = self.shared
        if waiting and waiting + size_bytes > shared.limits.queue_bytes:
            return False
        if shared.queued_bytes + self._added_bytes + size_bytes > shared.limits.all_queue_bytes:
            return False
        self._added_bytes += size_bytes
        return True

    # -- what HTTP/2 calls

    def request(self, stream_id: int, headers: Sequence[Header], end: bool) -> None:
        """A call begins."""
        fields = dict(headers)
        method = self.shared.methods.get(fields.get(b":path", b""))
        timeout = fields.get(b"grpc-timeout")
        left_s = None if timeout is None else timeout_s(timeout)
        if (
            method is None
            or (left_s is None and timeout is not None)
            or fields.get(b"content-type") != _GRPC
            or fields.get(b":method") != b"POST"
            or fields.get(b"grpc-encoding", b"identity") != b"identity"
        ):
            refusal = self._refusal(fields)
            if refusal is not None or method is None:
                self.http2.refuse(stream_id, refusal or RESPONSE_HEADERS)
                if not end:
                    self._early.add(stream_id)
                return
        deadline_s = None if left_s is None else self.shared.now() + left_s
        context = CallContext(headers, deadline_s, self._peer, self._common_name)
        call: Call
        if isinstance(method, Unary):
            call = self.calls[stream_id] = UnaryCall(self, stream_id, context, method)
        else:
            call = self.calls[stream_id] = StreamCall(self, stream_id, context, method)
            if self.is_draining:
                call.fail(UNAVAILABLE, _STOPPED)
            else:
                call.begin()
        if end and not call.is_over:
            call.data(b"", True)

    def data(self, stream_id: int, data: bytes, end: bool) -> None:
        """A call goes on."""
        call = self.calls.get(stream_id)
        if call is not None:
            call.data(data, end)
        elif data:
            self.http2.acknowledge(stream_id, len(data))
        if end and stream_id in self._early:
            self._early.discard(stream_id)

    def closed(self, stream_id: int) -> None:
        """The stream of a call is closed."""
        call = self.calls.pop(stream_id, None)
        self._early.discard(stream_id)
        if call is not None:
            call.closed()

    def pinged(self) -> None:
        """The client pings. More often than every few seconds it should not, unless it gets answers in between."""
        now_s = self.shared.now()
        if now_s - self._ping_heard_at_s < self.shared.limits.ping_min_s:
            self._strikes += 1
            if self._strikes > _PING_STRIKES:
                self.http2.terminate(ENHANCE_YOUR_CALM, "too_many_pings")
        self._ping_heard_at_s = now_s

    # -- the rest

    def _refusal(self, fields: dict[bytes, bytes]) -> tuple[Header, ...] | None:
        """Return the headers that refuse a request, None if it is fine."""
        content_type = fields.get(b"content-type", b"")
        if fields.get(b":method") != b"POST":
            return ((b":status", b"405"), *trailers(INTERNAL, "gRPC requests are POST requests"))
        if not content_type.startswith(_GRPC) or content_type[len(_GRPC) :][:1] not in (b"", b"+", b";"):
            return ((b":status", b"415"), *trailers(INVALID_ARGUMENT, "the content type is not application/grpc"))
        path = fields.get(b":path", b"")
        if path not in self.shared.methods:
            return (*RESPONSE_HEADERS, *trailers(UNIMPLEMENTED, f"unknown method {path.decode('latin-1')}"))
        encoding = fields.get(b"grpc-encoding", b"identity")
        if encoding != b"identity":
            text = f"this server does not know the compression {encoding.decode('latin-1')}"
            return (*RESPONSE_HEADERS, IDENTITY_ONLY, *trailers(UNIMPLEMENTED, text))
        timeout = fields.get(b"grpc-timeout")
        if timeout is not None and timeout_s(timeout) is None:
            return (*RESPONSE_HEADERS, *trailers(INTERNAL, "grpc-timeout is malformed"))
        return None

    def _count_queued(self, waiting_bytes: int) -> None:
        if waiting_bytes < self._queued_bytes + self._added_bytes:
            self._moved_at_s = self.shared.now()
            self._strikes = 0
        self.shared.queued_bytes += waiting_bytes - self._queued_bytes
        self._queued_bytes = waiting_bytes
        self._added_bytes = 0

    def _reset_early(self) -> None:
        """Close the streams whose last output is out, though their clients may still be sending."""
        for stream_id in [each for each in self._early if not self.http2.queued_bytes(each)]:
            self._early.discard(stream_id)
            self.http2.reset(stream_id, NO_ERROR)
            self.changed()
