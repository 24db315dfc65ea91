"""A gRPC call with a stream of answers, and one request or a stream of them."""

from typing import Any

from google.protobuf.message import DecodeError, Message

from .grpc_calls import COPIED_BYTES, LONGEST_BYTES, Call, CallContext, Line, whole_message
from .grpc_shared import logger
from .grpc_wire import INTERNAL, PREFIX_BYTES, RESPONSE_HEADERS, BadMessage, framed, prefix, trailers
from .http2 import CANCEL, ENHANCE_YOUR_CALM
from .refusals import CANCELLED, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED
from .service import Receiver, Streaming


class StreamCall(Call):
    """A call with a stream of answers: the `Stream` of its handler."""

    __slots__ = (
        "_answers",
        "_has_request",
        "_is_open",
        "_is_paused",
        "_method",
        "_queued_bytes",
        "_receiver",
        "_resumes",
        "_small",
        "_told_end",
        "_unacknowledged_bytes",
        "is_writable",
    )

    def __init__(self, connection: Line, stream_id: int, context: CallContext, method: Streaming) -> None:
        super().__init__(connection, stream_id, context)
        self._method = method
        self._receiver: Receiver[Any] | None = None
        self._answers = False
        """Whether the response has begun."""
        self._has_request = False
        self._is_open = True
        """Whether the client may send requests."""
        self._is_paused = False
        self._resumes = False
        self._small: list[bytes] = []
        """Short answers of this turn, with their prefixes. They leave together: the events of a hundred watches in one
        piece cost HTTP/2 a few frames, and by themselves a hundred."""
        self._told_end = False
        self._queued_bytes = 0
        """How many bytes wait on the stream, or fewer: counted up with each message, and corrected now and then."""
        self._unacknowledged_bytes = 0
        self.is_writable = True

    # -- the handler's side

    def send(self, message: Message | bytes | list[bytes]) -> None:
        """Send an answer."""
        if self.is_over:
            return
        pieces: list[bytes] | None = None
        if isinstance(message, list):
            pieces, data = message, b""
            size = sum(map(len, pieces))
        else:
            data = message if isinstance(message, bytes) else message.SerializeToString()
            size = len(data)
        connection = self.connection
        if size > LONGEST_BYTES or not connection.admits(size):
            self._overflow()
            return
        if size < COPIED_BYTES:
            if not self._small:
                connection.later(self._pour)
            self._small.append(framed(data if pieces is None else b"".join(pieces)))
        else:
            self._small.append(prefix(size))
            self._pour()
            for piece in (data,) if pieces is None else pieces:
                connection.http2.send(self.stream_id, piece)
            connection.changed()
        self._queued(size + PREFIX_BYTES)

    def send_each(self, messages: list[bytes]) -> None:
        """Send several short answers: a call for each would cost more than what it does."""
        size = sum(map(len, messages))
        if size >= COPIED_BYTES * len(messages):
            for message in messages:
                self.send(message)
            return
        if self.is_over or not messages:
            return
        connection = self.connection
        if not connection.admits(size):
            self._overflow()
            return
        if not self._small:
            connection.later(self._pour)
        self._small += [framed(message) for message in messages]
        self._queued(size + PREFIX_BYTES * len(messages))

    def _queued(self, size: int) -> None:
        """Count what was queued, and end the stream if it is too much."""
        self._queued_bytes += size
        connection = self.connection
        if self._queued_bytes > connection.writable_bytes:
            self._pour()
            self._queued_bytes = waiting = connection.http2.queued_bytes(self.stream_id)
            if waiting > connection.writable_bytes:
                self.is_writable = False
                connection.slow(self)
                if waiting - size > connection.shared.limits.stream_queue_bytes:
                    self._overflow()

    def _pour(self) -> None:
        """Give HTTP/2 the short answers."""
        small = self._small
        if not small:
            return
        self._small = []
        http2 = self.connection.http2
        if not self._answers:
            self._answers = True
            http2.respond(self.stream_id, RESPONSE_HEADERS)
        http2.send(self.stream_id, small[0] if len(small) == 1 else b"".join(small))

    def end(self, code: int = 0, text: str = "") -> None:
        """End the stream after everything sent before."""
        if self.is_over:
            return
        self._told_end = True
        self._end(code, text)

    def pause(self) -> None:
        """Take no more requests."""
        self._is_paused = True

    def resume(self) -> None:
        """Take requests again, from the next turn on."""
        if self._is_paused and not self._resumes:
            self._resumes = True
            self.connection.later(self._resume)

    # -- the connection's side

    def begin(self) -> None:
        """Open the stream at its handler."""
        try:
            self._receiver = self._method.open(self, self.context)
        except Exception as error:
            self._told_end = True
            self.faulty(error)

    def data(self, data: bytes, end: bool) -> None:
        """Requests, or parts of them."""
        self.peer_ended = end
        if self._is_paused:
            self._unacknowledged_bytes += len(data)
        elif data:
            self.connection.http2.acknowledge(self.stream_id, len(data))
        try:
            if self.parts is None and not self._is_paused:
                message = whole_message(data, self.connection.message_bytes)
                if message is not None:
                    self._deliver(message)
                    data = b""
            if data:
                self.add(data, self.connection.message_bytes)
            self._work_off()
        except BadMessage as error:
            self.fail(error.code, error.text)

    def _work_off(self) -> None:
        """Deliver what waits, as far as it is complete and the handler takes it."""
        while not self._is_paused and not self.is_over and self.parts is not None:
            message = self.parts.take()
            if message is None:
                break
            self._deliver(message)
        if self.is_over or self._is_paused:
            self.count_held()
            return
        if self.parts is not None and not self.parts.pending_bytes:
            if self.held_bytes:
                self.connection.hold(-self.held_bytes)
                self.held_bytes = 0
            self.parts = None
        self.count_held()
        if self.peer_ended and self._is_open:
            self._is_open = False
            if self.parts is not None:
                raise BadMessage(INTERNAL, "the last request is not complete")
            if not self._method.client_streams and not self._has_request:
                raise BadMessage(INTERNAL, "the call has no request")
            self._hand("half_closed")

    def _deliver(self, data: bytes) -> None:
        if self._has_request and not self._method.client_streams:
            raise BadMessage(INTERNAL, "a call of this method has one request, and this one has more")
        self._has_request = True
        try:
            message = self._method.request.FromString(data)
        except DecodeError:
            raise BadMessage(INTERNAL, f"a request is not a valid {self._method.request.__name__}") from None
        self._hand("received", message)

    def _hand(self, what: str, *given: Any) -> None:
        """Call the receiver."""
        try:
            getattr(self._receiver, what)(*given)
        except Exception as error:
            self.faulty(error)

    def _resume(self) -> None:
        self._resumes = self._is_paused = False
        if self.is_over:
            return
        if self._unacknowledged_bytes:
            self.connection.http2.acknowledge(self.stream_id, self._unacknowledged_bytes)
            self._unacknowledged_bytes = 0
        try:
            self._work_off()
        except BadMessage as error:
            self.fail(error.code, error.text)

    def check_writable(self) -> None:
        """Say so if the stream has become writable again, or look again after the next output."""
        if self.is_over:
            return
        self._queued_bytes = self.connection.http2.queued_bytes(self.stream_id)
        if self._queued_bytes > self.connection.writable_bytes:
            self.connection.slow(self)
            return
        self.is_writable = True
        self._hand("writable")

    def closed(self) -> None:
        """The client is gone."""
        if not self.is_over:
            self.over()
            self.connection.shared.handled.ended(self._method.path, CANCELLED)
            self.connection.later(self._tell_ended)

    def expire(self) -> None:
        """The deadline has passed. What waits would be sent in vain."""
        self._pour()
        if self.connection.http2.queued_bytes(self.stream_id):
            self._abandon(CANCEL)
        else:
            super().expire()

    def fail(self, code: int, text: str) -> None:
        """End the stream for the handler too."""
        if not self.is_over:
            self._end(code, text)
            self.connection.later(self._tell_ended)

    def over(self) -> None:
        """Release what the call holds."""
        super().over()
        self.is_writable = False
        self._small = []
        if self._unacknowledged_bytes:
            self.connection.http2.acknowledge(self.stream_id, self._unacknowledged_bytes)
            self._unacknowledged_bytes = 0

    def _end(self, code: int, text: str) -> None:
        self._pour()
        self.over()
        self.connection.shared.handled.ended(self._method.path, code)
        status = trailers(code, text)
        if self._answers:
            self.connection.http2.finish(self.stream_id, status)
        else:
            self.connection.http2.refuse(self.stream_id, (*RESPONSE_HEADERS, *status))
        self.connection.ended(self)

    def _overflow(self) -> None:
        """The handler sent more than may wait: drop it all."""
        self._abandon(ENHANCE_YOUR_CALM)

    def _abandon(self, error_code: int) -> None:
        self.over()
        code = DEADLINE_EXCEEDED if error_code == CANCEL else RESOURCE_EXHAUSTED
        self.connection.shared.handled.ended(self._method.path, code)
        self.connection.http2.reset(self.stream_id, error_code)
        self.peer_ended = True
        self.connection.ended(self)
        self.connection.later(self._tell_ended)

    def _tell_ended(self) -> None:
        """Tell the receiver once; there is none if the handler failed to open the stream."""
        if self._told_end or self._receiver is None:
            return
        self._told_end = True
        try:
            self._receiver.ended()
        except Exception as error:
            logger.error("a handler failed at the end of its stream", exc_info=error)
