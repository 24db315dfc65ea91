"""A gRPC client and server in one process, without sockets: the client's bytes can be anything.

`Talk` joins a client of h2 with a `GrpcConnection` on a clock that stands still. `frames` builds raw frames, also such
as no client sends.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from google.protobuf.wrappers_pb2 import BytesValue, StringValue
from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from hpack import Encoder, NeverIndexedHeaderTuple
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
)

from raftcy.etcd.grpc_connection import GrpcConnection
from raftcy.etcd.grpc_shared import GrpcLimits, Shared
from raftcy.etcd.grpc_wire import Reassembly, framed
from raftcy.etcd.http2 import PREFACE
from raftcy.etcd.service import Context, Method, Stream, Streaming, Unary

Request = BytesValue
Response = StringValue

HEADERS = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":path", b"/test.Echo/Say"),
    (b":authority", b"localhost"),
    (b"content-type", b"application/grpc"),
    (b"te", b"trailers"),
]


class Heard:
    """What the client heard on a stream."""

    def __init__(self) -> None:
        self.headers: dict[bytes, bytes] = {}
        self.trailers: dict[bytes, bytes] = {}
        self.messages: list[bytes] = []
        self.ended = False
        self.reset: int | None = None
        self._parts = Reassembly(1 << 30)

    @property
    def code(self) -> int | None:
        """The status of the call, None while there is none."""
        value = self.trailers.get(b"grpc-status", self.headers.get(b"grpc-status"))
        return None if value is None else int(value)

    @property
    def text(self) -> bytes:
        """Its message, as it came."""
        return self.trailers.get(b"grpc-message", self.headers.get(b"grpc-message", b""))

    def data(self, data: bytes) -> None:
        self._parts.add(data)
        while (message := self._parts.take()) is not None:
            self.messages.append(message)


class Talk:
    """A client that talks to a server's connection in memory.

    ``acknowledges`` is whether the client gives back the windows of what it got, as a client does that reads, and
    ``knows_limits`` whether it has heard the server's settings.
    """

    def __init__(
        self,
        backing: str,
        methods: Iterable[Method],
        limits: GrpcLimits | None = None,
        *,
        acknowledges: bool = True,
        knows_limits: bool = True,
        shared: Shared | None = None,
    ) -> None:
        self.now_s = 100.0
        self.armed_at_s: float | None = None
        self.spawned: list[Any] = []
        self.shared = shared or Shared(
            methods,
            limits or GrpcLimits(),
            now=lambda: self.now_s,
            spawn=self._spawn,
            arm=self._arm,
            backing=backing,
        )
        self.woken = 0
        self.server = GrpcConnection(self.shared, self._woken, "1.2.3.4:5", "")
        self.client = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.client.initiate_connection()
        self.acknowledges = acknowledges
        self.heard: dict[int, Heard] = {}
        self.goodbye: events.ConnectionTerminated | None = None
        self.output_bytes = 0
        self.resets: dict[int, int] = {}
        """Error codes of streams that `hear_raw` saw reset."""
        if knows_limits:
            self.pump()
        else:
            self.server.receive(self.client.data_to_send())

    def _spawn(self, awaitable: Awaitable[Any]) -> Any:
        future = asyncio.ensure_future(awaitable)
        self.spawned.append(future)
        return future

    def _arm(self, at_s: float) -> None:
        self.armed_at_s = at_s

    def _woken(self) -> None:
        self.woken += 1

    # -- carrying bytes

    def pump(self) -> None:
        """Carry bytes both ways until neither end has any."""
        while True:
            sent = self.client.data_to_send()
            if sent:
                self.server.receive(sent)
            got = self.output()
            if got:
                self.hear(got)
            elif not sent:
                return

    def raw(self, data: bytes) -> None:
        """Let the server receive bytes that the client's library knows nothing of."""
        for start in range(0, len(data), self.server.bite_bytes):
            self.server.receive(data[start : start + self.server.bite_bytes])

    def output(self) -> bytes:
        """Take everything that the server can send now."""
        parts = []
        while True:
            self.server.work()
            part = self.server.output(1 << 14)
            if not part:
                break
            parts.append(part)
        data = b"".join(parts)
        self.output_bytes += len(data)
        return data

    def hear(self, data: bytes) -> None:
        """Let the client receive the server's bytes."""
        for event in self.client.receive_data(data):
            if isinstance(event, events.ConnectionTerminated):
                self.goodbye = event
                continue
            stream_id = getattr(event, "stream_id", 0)
            if not stream_id:
                continue
            heard = self.heard.setdefault(stream_id, Heard())
            if isinstance(event, events.ResponseReceived):
                heard.headers = dict(event.headers)
            elif isinstance(event, events.TrailersReceived):
                heard.trailers = dict(event.headers)
            elif isinstance(event, events.DataReceived):
                heard.data(event.data)
                if self.acknowledges and event.flow_controlled_length:
                    self.client.acknowledge_received_data(event.flow_controlled_length, stream_id)
            elif isinstance(event, events.StreamReset):
                heard.reset = int(event.error_code)
            elif isinstance(event, events.StreamEnded):
                heard.ended = True

    def hear_raw(self, data: bytes) -> None:
        """Look at frames of streams that the client's library knows nothing of."""
        while data:
            made, length = Frame.parse_frame_header(memoryview(data[:9]))
            made.parse_body(memoryview(data[9 : 9 + length]))
            data = data[9 + length :]
            if isinstance(made, RstStreamFrame):
                self.resets[made.stream_id] = made.error_code

    # -- calls

    def start(self, path: str = "/test.Echo/Say", *more: tuple[bytes, bytes], end: bool = False) -> int:
        """Begin a call, and return its stream."""
        stream_id = self.client.get_next_available_stream_id()
        headers = [(name, path.encode() if name == b":path" else value) for name, value in HEADERS]
        self.client.send_headers(stream_id, [*headers, *more], end_stream=end)
        self.heard[stream_id] = Heard()
        return stream_id

    def send(self, stream_id: int, data: bytes, end: bool = False) -> None:
        """Send bytes of a call until the server ends it; raises FlowControlError beyond the windows."""
        most = self.client.max_outbound_frame_size
        parts = [data[start : start + most] for start in range(0, len(data), most)] or [b""]
        for part in parts:
            if self.heard[stream_id].reset is not None:
                return
            self.client.send_data(stream_id, part, end_stream=end and part is parts[-1])
            if part is not parts[-1]:
                self.pump()

    def say(self, value: bytes, path: str = "/test.Echo/Say", *more: tuple[bytes, bytes]) -> Heard:
        """Make a call with one request, and return what is heard at once."""
        stream_id = self.start(path, *more)
        self.send(stream_id, framed(Request(value=value).SerializeToString()), end=True)
        self.pump()
        return self.heard[stream_id]


# -- handlers


def echo(request: Request, context: Context) -> Response:
    return Response(value=request.value.decode("latin-1"))


class Recorder:
    """The receiver of a stream; keeps what it is called with, and calls what a test wants."""

    def __init__(self, stream: Stream, context: Context) -> None:
        self.stream = stream
        self.context = context
        self.story: list[str] = []
        self.on_received: Callable[[bytes], None] = lambda value: None
        self.on_writable: Callable[[], None] = lambda: None

    def received(self, message: Request) -> None:
        self.story.append(f"received {message.value.decode('latin-1')[:20]}")
        self.on_received(message.value)

    def half_closed(self) -> None:
        self.story.append("half closed")

    def ended(self) -> None:
        self.story.append("ended")

    def writable(self) -> None:
        self.story.append("writable")
        self.on_writable()


class Echo:
    """Methods to call: `/test.Echo/Say`, `Later`, `Chat` (both ways), `Follow` (one request, many answers)."""

    def __init__(self) -> None:
        self.futures: list[asyncio.Future[Any]] = []
        self.contexts: list[Context] = []
        self.streams: list[Recorder] = []
        self.say: Callable[[Request, Context], Any] = echo
        self.opened: Callable[[Recorder], None] = lambda recorder: None

    def _say(self, request: Request, context: Context) -> Any:
        self.contexts.append(context)
        return self.say(request, context)

    def _later(self, request: Request, context: Context) -> asyncio.Future[Any]:
        self.contexts.append(context)
        future = asyncio.get_running_loop().create_future()
        self.futures.append(future)
        return future

    def _open(self, stream: Stream, context: Context) -> Recorder:
        recorder = Recorder(stream, context)
        self.streams.append(recorder)
        self.opened(recorder)
        return recorder

    @property
    def methods(self) -> Sequence[Method]:
        return (
            Unary("/test.Echo/Say", Request, Response, self._say),
            Unary("/test.Echo/Later", Request, Response, self._later),
            Streaming("/test.Echo/Chat", Request, Response, True, self._open),
            Streaming("/test.Echo/Follow", Request, Response, False, self._open),
        )


def text(data: bytes) -> str:
    """The text of an encoded response."""
    return Response.FromString(data).value


# -- raw frames


def frame(made: Frame, *flags: str) -> bytes:
    """The bytes of a frame with flags."""
    for flag in flags:
        made.flags.add(flag)
    return bytes(made.serialize())


def opening() -> bytes:
    """What a client begins with."""
    return PREFACE + frame(SettingsFrame(0))


def block(headers: Sequence[tuple[bytes, bytes]] = HEADERS) -> bytes:
    """A header block that uses no dynamic table, so that it can be sent again and again."""
    return bytes(Encoder().encode([NeverIndexedHeaderTuple(*each) for each in headers], huffman=False))


def request(stream_id: int, headers: bytes, *, end: bool = False) -> bytes:
    """HEADERS of a stream."""
    return frame(HeadersFrame(stream_id, headers), "END_HEADERS", *(["END_STREAM"] if end else []))


def message(stream_id: int, value: bytes, *, end: bool = True) -> bytes:
    """DATA of a stream with one request."""
    data = framed(Request(value=value).SerializeToString())
    return frame(DataFrame(stream_id, data), *(["END_STREAM"] if end else []))


def reset(stream_id: int) -> bytes:
    """RST_STREAM."""
    return frame(RstStreamFrame(stream_id, error_code=8))


def ping() -> bytes:
    """PING."""
    return frame(PingFrame(0, bytes(8)))


def settings() -> bytes:
    """SETTINGS with one value."""
    return frame(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65535}))


def continuation(stream_id: int, data: bytes) -> bytes:
    """CONTINUATION without an end."""
    return frame(ContinuationFrame(stream_id, data))
