"""A gRPC call with one request and one answer."""

from typing import Any

from google.protobuf.message import DecodeError, Message

from .grpc_calls import COPIED_BYTES, LONGEST_BYTES, Call, CallContext, Line, whole_message
from .grpc_wire import INTERNAL, OK_TRAILERS, RESPONSE_HEADERS, BadMessage, framed, prefix, trailers
from .refusals import CANCELLED, RESOURCE_EXHAUSTED
from .service import Unary

# A union written as `bytes | Message` would be made anew for each call.
_ANSWERS = (bytes, Message, list)


class UnaryCall(Call):
    """A call with one request and one answer."""

    __slots__ = ("_future", "_message", "_method")

    def __init__(self, connection: Line, stream_id: int, context: CallContext, method: Unary) -> None:
        super().__init__(connection, stream_id, context)
        self._method = method
        self._message: bytes | None = None
        self._future: Any = None

    def data(self, data: bytes, end: bool) -> None:
        """The request, or a part of it."""
        if data:
            self.connection.http2.acknowledge(self.stream_id, len(data))
        most_bytes = self.connection.message_bytes
        try:
            if end:
                self.peer_ended = True
                if self.parts is None:
                    message = whole_message(data, most_bytes)
                    if message is not None:
                        self._run(message)
                        return
            parts = self.add(data, most_bytes)
            if self._message is None:
                self._message = parts.take()
            if self._message is not None and parts.pending_bytes:
                raise BadMessage(INTERNAL, "a call of this method has one request, and this one has more")
            if not end:
                self.count_held()
            elif self._message is None:
                raise BadMessage(INTERNAL, "the call has no complete request")
            else:
                self._run(self._message)
        except BadMessage as error:
            self.fail(error.code, error.text)

    def _run(self, message: bytes) -> None:
        """Call the handler."""
        try:
            request = self._method.request.FromString(message)
        except DecodeError:
            self.fail(INTERNAL, f"the request is not a valid {self._method.request.__name__}")
            return
        try:
            result = self._method.call(request, self.context)
        except Exception as error:
            self.faulty(error)
            return
        if isinstance(result, _ANSWERS):
            self._answer(result)
            return
        if hasattr(result, "tell"):
            self._future = result
            result.tell(self)
            return
        future = result if hasattr(result, "add_done_callback") else self.connection.shared.spawn(result)
        self._future = future
        future.add_done_callback(self._settled)

    def _settled(self, future: Any) -> None:
        """The handler has an answer, or has failed."""
        if future.cancelled():
            self.given_up()
            return
        error = future.exception()
        if error is not None:
            self.failed(error)
        else:
            self.answered(future.result())

    def answered(self, answer: Message | bytes | list[bytes]) -> None:
        """Take what the handler answers."""
        self._future = None
        if not self.is_over:
            self._answer(answer)

    def failed(self, error: Any) -> None:
        """Take the error that the handler has in place of an answer."""
        self._future = None
        if not self.is_over:
            self.faulty(error)

    def given_up(self) -> None:
        """Note that nobody will answer."""
        self._future = None
        if not self.is_over:
            self.fail(CANCELLED, "the server gave the call up, and its outcome is unknown")

    def _answer(self, answer: Message | bytes | list[bytes]) -> None:
        if isinstance(answer, Message):
            answer = answer.SerializeToString()
        connection, stream_id = self.connection, self.stream_id
        size = len(answer) if isinstance(answer, bytes) else sum(map(len, answer))
        if size > LONGEST_BYTES or not connection.admits(size):
            self.fail(RESOURCE_EXHAUSTED, "too many bytes of answers wait for this client, or for all")
            return
        self.over()
        if isinstance(answer, bytes) and size < COPIED_BYTES:
            connection.http2.answer(stream_id, RESPONSE_HEADERS, framed(answer), OK_TRAILERS)
        else:
            http2 = connection.http2
            http2.respond(stream_id, RESPONSE_HEADERS)
            http2.send(stream_id, prefix(size))
            for piece in (answer,) if isinstance(answer, bytes) else answer:
                http2.send(stream_id, piece)
            http2.finish(stream_id, OK_TRAILERS)
        connection.shared.handled.ended(self._method.path, 0)
        connection.ended(self)

    def closed(self) -> None:
        """The client is gone, so nobody waits for the handler."""
        if not self.is_over:
            self.connection.shared.handled.ended(self._method.path, CANCELLED)
        self.over()
        self._give_up()

    def fail(self, code: int, text: str) -> None:
        """Answer with a status alone."""
        if self.is_over:
            return
        self.over()
        self.connection.shared.handled.ended(self._method.path, code)
        self.connection.http2.refuse(self.stream_id, (*RESPONSE_HEADERS, *trailers(code, text)))
        self.connection.ended(self)
        self._give_up()

    def _give_up(self) -> None:
        future, self._future = self._future, None
        if future is not None:
            future.cancel()
