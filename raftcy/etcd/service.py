"""How RPCs are offered, and how the fronts that carry them, gRPC and JSON, call them.

The API gives a list of `Unary` and `Streaming` methods. A front finds the method of a request by its path, decodes the
request, and calls the method. Nothing here knows which front calls.

Rules:

- All calls are made on the event loop, and none may block. A handler returns at once, with an answer or something that
  will have one.
- A handler refuses a call by raising ``Refused(code, text)``, or by setting it on its Future. Any other exception is a
  fault of ours: the front writes it to the log, and the client gets code 2 (UNKNOWN) with the exception's text.
- Cancelling a Future or a task says only that nobody waits any more: the client is gone, it cancelled, or its deadline
  passed. What the handler has proposed may still happen.
- The front calls a `Receiver` one call at a time, and never from inside of a call that the handler makes, such as
  `Stream.send`. So a handler may change its state and send in any order.
- A stream ends once. Either the handler calls `Stream.end`, and the receiver hears nothing more, or the front calls
  `Receiver.ended`, and whatever the handler sends later goes nowhere.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

from google.protobuf.message import Message

AnyMessage = TypeVar("AnyMessage", bound=Message, contravariant=True)

Answer = Message | bytes | list[bytes]
"""An answer: the message, or its encoded bytes, or the pieces of these in order. Pieces are for an answer so large that
joining it would stop the event loop for too long."""


class Context:
    """What a handler may ask about one call.

    ``deadline_s`` is the time of the event loop's clock at which the client gives up, None without a deadline; the
    front watches it, so a handler needs it only to pass it on. ``peer`` is the client's address, ``"host:port"``.
    ``common_name`` is the CN of the client's certificate, ``""`` without one.
    """

    __slots__ = ("_metadata", "common_name", "deadline_s", "peer")

    def __init__(
        self,
        metadata: Mapping[str, str] | None = None,
        *,
        deadline_s: float | None = None,
        peer: str = "",
        common_name: str = "",
    ) -> None:
        self._metadata = metadata
        self.deadline_s = deadline_s
        self.peer = peer
        self.common_name = common_name

    @property
    def metadata(self) -> Mapping[str, str]:
        """The request's metadata, by lower-case name; if a name comes twice, the first value.

        Binary values, those of names that end with ``-bin``, are left out.
        """
        return self._metadata or {}

    @property
    def requires_leader(self) -> bool:
        """Whether the client wants to be refused while this member knows no leader: ``hasleader: true``."""
        return self.metadata.get("hasleader") == "true"


class Stream(Protocol):
    """The handler's side of a streaming call: how it answers."""

    @property
    def is_writable(self) -> bool:
        """Whether the stream takes more; False while more than a window's worth of answers waits for the client.

        `Receiver.writable` says when it becomes True again. False too after the end.
        """

    def send(self, message: Answer) -> None:
        """Send an answer, as a message or as its encoded bytes or their pieces. Never blocks; after the end it does
        nothing.

        A handler that sends although the stream is not writable may do so up to a bound; beyond it, the front ends
        the stream with code 8 (RESOURCE_EXHAUSTED). So the memory that a slow client costs is bounded.
        """

    def send_each(self, messages: list[bytes]) -> None:
        """Send several short encoded answers, as `send` does one after the other."""

    def end(self, code: int = 0, text: str = "") -> None:
        """End the stream after everything sent before, with the gRPC status ``code``. Later calls do nothing."""

    def pause(self) -> None:
        """Take no more requests: what arrives waits at the front, up to a window, and then at the client.

        A handler calls this if requests come faster than it can work off what they begin.
        """

    def resume(self) -> None:
        """Take requests again."""


class Receiver(Protocol[AnyMessage]):
    """The handler's side of a streaming call: what it is called with."""

    def received(self, message: AnyMessage) -> None:
        """Take the next request. `Refused` ends the stream with its code and text."""

    def half_closed(self) -> None:
        """Note that the client sends no more requests. A stream that a client does not write comes here at once."""

    def ended(self) -> None:
        """Note that the call is over: the client is gone, cancelled or too slow, or the server stops. Called once."""

    def writable(self) -> None:
        """Note that `Stream.is_writable` became True again."""


class Caller(Protocol):
    """A call that waits for its outcome. It hears of one, once, and never from inside of its handler."""

    def answered(self, answer: Answer, /) -> object:
        """Take the answer."""

    def failed(self, error: BaseException, /) -> object:
        """Take the error in its place."""

    def given_up(self) -> object:
        """Note that nothing will come, and that the outcome is unknown."""


class Unary(NamedTuple):
    """A method with one request and one answer.

    ``path`` is as gRPC writes it, ``"/etcdserverpb.KV/Range"``. ``call(request, context)`` returns an `Answer` or
    something to wait for that brings one. The front adds a callback to an ``asyncio.Future`` and makes a task of any
    other awaitable, so that an answer which is there at once, and one that a Future brings, cost no task. The Future
    belongs to this call alone, because the front cancels it if nobody waits any more. A Future that has a method
    ``tell(caller)`` may be given a `Caller`, which hears of the outcome in the turn that brings it and not in the next
    one. That saves a callback of the event loop for each call.
    """

    path: str
    request: type[Message]
    response: type[Message]
    call: Callable[..., Answer | Awaitable[Answer]]


class Streaming(NamedTuple):
    """A method with a stream of answers, and a stream of requests if ``client_streams``.

    ``open(stream, context)`` returns the receiver of the requests. Without ``client_streams`` the receiver gets exactly
    one request, and then `Receiver.half_closed`. `Refused` from ``open`` refuses the call.
    """

    path: str
    request: type[Message]
    response: type[Message]
    client_streams: bool
    open: Callable[..., Receiver[Any]]


Method = Unary | Streaming


def by_path(methods: Iterable[Method]) -> dict[str, Method]:
    """Return ``methods`` by their paths; ValueError if two have the same path."""
    table: dict[str, Method] = {}
    for method in methods:
        if method.path in table:
            raise ValueError(f"two methods have the path {method.path}")
        table[method.path] = method
    return table
