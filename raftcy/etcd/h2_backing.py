"""HTTP/2 by h2, for interpreters and machines for which ngh2 has no wheel.

What h2 leaves to its user stands here: data that waits for windows, streams beyond the limit that are refused alone,
GOAWAY frames after which streams go on, and the counts that bound floods. h2 needs about twenty times the CPU time of
ngh2, so it gets its input in small bites.

Two things differ from ngh2 still. A request with malformed headers ends the connection, not only its stream. And so
does a client's GOAWAY, even if some of its streams are open.
"""

from collections import deque
from collections.abc import Callable, Sequence

from h2 import events
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import DenialOfServiceError, H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from .http2 import (
    CANCEL,
    HIGHEST_STREAM,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    Bucket,
    Header,
    Http2,
    Http2Limits,
    Sink,
)

# About 300 of the smallest frames, at some 25 microseconds each.
_BITE_BYTES = 4 << 10
# 16 KiB, which we do not raise, and the head of a frame.
_LONGEST_FRAME_BYTES = (16 << 10) + 9
# h2 drops its closed streams only when it counts the open ones, which takes a walk over all of them.
_STREAMS_BETWEEN_WALKS = 64


class _Connection(H2Connection):
    """An H2Connection that does not end if the peer opens too many streams: our backing refuses those alone."""

    begun = 0

    @property
    def open_inbound_streams(self) -> int:
        self.begun += 1
        if self.begun % _STREAMS_BETWEEN_WALKS == 0:
            self._open_streams(1)
        return 0


class _Stream:
    """What waits to be sent on a stream, and which ends of it are open."""

    __slots__ = ("chunks", "has_trailers", "is_ended", "offset", "peer_ended", "queued_bytes", "trailers")

    def __init__(self, peer_ended: bool) -> None:
        self.chunks: deque[bytes] = deque()
        self.offset = 0
        """How much of the first chunk is sent."""
        self.queued_bytes = 0
        self.has_trailers = False
        self.trailers: Sequence[Header] = ()
        self.peer_ended = peer_ended
        self.is_ended = False
        """Whether the response has left as a whole."""


class H2Backing:
    """`Http2` by h2."""

    def __init__(self, sink: Sink, limits: Http2Limits, now: Callable[[], float]) -> None:
        burst, refill = limits.burst_frames, limits.refill_frames
        self.over = ""
        self.flooded = False
        self.bite_bytes = _BITE_BYTES
        self.all_queued_bytes = 0
        """How many bytes of all streams wait."""
        self._has_sent = False
        """Whether data has left since the last ping. Clients measure a connection by a ping after it, which is free."""
        self._sink = sink
        self._limits = limits
        self._buckets = {
            kind: Bucket(burst, refill, now)
            for kind in ("pings", "settings", "resets", "empty data frames", "priorities", "refused streams")
        }
        self._streams: dict[int, _Stream] = {}
        self._ready: dict[int, _Stream] = {}
        """Streams that may be able to send, in the order of their turns."""
        self._closed: list[int] = []
        """Streams that closed since the sink was last told."""
        self._takes_more = True
        self._knows_limits = False
        """Whether the client has seen our settings. Until then it may open too many streams in good faith."""
        self._out = bytearray()
        self._h2 = self._begun(limits)

    @staticmethod
    def _begun(limits: Http2Limits) -> _Connection:
        config = H2Configuration(client_side=False, header_encoding=None)
        # What this package sends needs no check.
        config.validate_outbound_headers = config.normalize_outbound_headers = False
        begun = _Connection(config)
        begun.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: limits.streams,
                SettingCodes.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
                SettingCodes.MAX_HEADER_LIST_SIZE: limits.header_bytes,
            },
        )
        begun.decoder.max_header_list_size = limits.header_bytes
        begun.initiate_connection()
        more = limits.connection_window_bytes - begun.inbound_flow_control_window
        if more > 0:
            begun.increment_flow_control_window(more)
        return begun

    # -- input

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self.over:
            return
        try:
            for event in self._h2.receive_data(data):
                self._happened(event)
        except DenialOfServiceError as error:
            self._flood(str(error))
        except Exception as error:
            # h2 lets a few errors of the libraries below it pass, beside its own.
            self.over = self.over or f"{type(error).__name__}: {error}"
        if not self.over and len(self._h2.incoming_buffer._data) > _LONGEST_FRAME_BYTES:
            # h2 looks at a frame's length only once it has all of it.
            self.over = "a frame is too long"
        self._tell_closed()

    def _happened(self, event: events.Event) -> None:
        if self.over:
            return
        if isinstance(event, events.RequestReceived):
            self._request(event)
        elif isinstance(event, events.DataReceived):
            self._data(event)
        elif isinstance(event, events.TrailersReceived):
            if event.stream_id in self._streams:
                self._peer_ended(event.stream_id)
                self._sink.data(event.stream_id, b"", True)
        elif isinstance(event, events.WindowUpdated):
            self._window_opened(event.stream_id)
        elif isinstance(event, events.StreamReset):
            self._count("resets")
            self._close(event.stream_id)
        elif isinstance(event, events.PingReceived):
            is_free, self._has_sent = self._has_sent, False
            if is_free or not self._count("pings"):
                self._sink.pinged()
        elif isinstance(event, events.RemoteSettingsChanged):
            self._count("settings")
            self._window_opened(0)
        elif isinstance(event, events.PriorityUpdated):
            self._count("priorities")
        elif isinstance(event, events.SettingsAcknowledged):
            self._knows_limits = True
        elif isinstance(event, events.ConnectionTerminated):
            self.over = self.over or "the client has left"

    def _request(self, event: events.RequestReceived) -> None:
        if len(event.headers) > self._limits.header_fields:
            self._flood("too many header fields")
        elif len(self._streams) >= self._limits.streams and self._knows_limits:
            self.terminate(PROTOCOL_ERROR, "too many streams")
        elif not self._takes_more or len(self._streams) >= self._limits.streams:
            self._count("refused streams")
            self._h2.reset_stream(event.stream_id, REFUSED_STREAM)
        else:
            end = event.stream_ended is not None
            self._streams[event.stream_id] = _Stream(end)
            self._sink.request(event.stream_id, event.headers, end)

    def _data(self, event: events.DataReceived) -> None:
        stream_id, end = event.stream_id, event.stream_ended is not None
        if not event.data and not end and self._count("empty data frames"):
            return
        padding = event.flow_controlled_length - len(event.data)
        if stream_id not in self._streams:
            padding = event.flow_controlled_length
        if padding:
            self.acknowledge(stream_id, padding)
        if stream_id in self._streams:
            if end:
                self._peer_ended(stream_id)
            self._sink.data(stream_id, event.data, end)

    def _count(self, kind: str) -> bool:
        """Count a frame, and return whether it was one too many."""
        too_many = self._buckets[kind].take()
        if too_many:
            self._flood(f"too many {kind}")
        return too_many

    def _flood(self, text: str) -> None:
        self.flooded = True
        self.over = self.over or text

    def _peer_ended(self, stream_id: int) -> None:
        stream = self._streams[stream_id]
        stream.peer_ended = True
        if stream.is_ended:
            self._close(stream_id)

    def _close(self, stream_id: int) -> None:
        self._ready.pop(stream_id, None)
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            self.all_queued_bytes -= stream.queued_bytes
            self._closed.append(stream_id)

    def _tell_closed(self) -> None:
        while self._closed:
            closed, self._closed = self._closed, []
            for stream_id in closed:
                self._sink.closed(stream_id)
        if not self._takes_more and not self._streams:
            self.over = self.over or "the last stream was closed"

    def _window_opened(self, stream_id: int) -> None:
        """A window of the peer grew: that of a stream, or, for 0, those of all."""
        for each in (stream_id,) if stream_id else tuple(self._streams):
            self._may_send(each)

    def _may_send(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None and (stream.chunks or stream.has_trailers):
            self._ready.setdefault(stream_id, stream)

    # -- output

    def output(self, most_bytes: int) -> bytes:
        """Return bytes to write."""
        if self.flooded:
            return b""
        out = self._out
        out += self._h2.data_to_send()
        while self._ready and len(out) < most_bytes:
            stream_id, stream = next(iter(self._ready.items()))
            del self._ready[stream_id]
            if self._send_some(stream_id, stream):
                # The others have their turns first.
                self._ready[stream_id] = stream
            out += self._h2.data_to_send()
        self._tell_closed()
        data = bytes(out[:most_bytes])
        del out[:most_bytes]
        return data

    def _send_some(self, stream_id: int, stream: _Stream) -> bool:
        """Send a frame of a stream, and return whether it may be able to send another one."""
        try:
            if stream.chunks:
                room = min(self._h2.local_flow_control_window(stream_id), self._h2.max_outbound_frame_size)
                if room <= 0:
                    return False
                self._h2.send_data(stream_id, self._taken(stream, room))
            if stream.chunks:
                return True
            if stream.has_trailers:
                self._h2.send_headers(stream_id, stream.trailers, end_stream=True)
                self._ended(stream_id, stream)
        except (H2Error, KeyError) as error:
            self._failed(stream_id, error)
        return False

    def _taken(self, stream: _Stream, most_bytes: int) -> bytes:
        """Take the next ``most_bytes`` that wait on a stream, or fewer, as one frame's data."""
        parts, size = [], 0
        while stream.chunks and size < most_bytes:
            chunk = stream.chunks[0]
            part = chunk[stream.offset : stream.offset + most_bytes - size]
            parts.append(part)
            size += len(part)
            stream.offset += len(part)
            if stream.offset == len(chunk):
                stream.chunks.popleft()
                stream.offset = 0
        stream.queued_bytes -= size
        self.all_queued_bytes -= size
        self._has_sent = True
        return b"".join(parts)

    def _ended(self, stream_id: int, stream: _Stream) -> None:
        """Our end of the stream is closed."""
        stream.has_trailers = False
        stream.is_ended = True
        if stream.peer_ended:
            self._close(stream_id)

    def _failed(self, stream_id: int, error: Exception) -> None:
        """A stream that is gone is nothing new: its end is, or was, reported. Anything else ends the connection."""
        known = self._h2.streams.get(stream_id)
        if known is not None and not known.closed:
            self.over = self.over or f"{type(error).__name__}: {error}"

    def respond(self, stream_id: int, headers: Sequence[Header]) -> None:
        """Send the headers of a response."""
        if stream_id in self._streams:
            try:
                self._h2.send_headers(stream_id, headers)
            except H2Error as error:
                self._failed(stream_id, error)

    def send(self, stream_id: int, data: bytes) -> None:
        """Send bytes of a response."""
        stream = self._streams.get(stream_id)
        if stream is not None and data:
            stream.chunks.append(data)
            stream.queued_bytes += len(data)
            self.all_queued_bytes += len(data)
            self._may_send(stream_id)

    def finish(self, stream_id: int, trailers: Sequence[Header]) -> None:
        """End a response."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.has_trailers = True
            stream.trailers = trailers
            self._may_send(stream_id)

    def answer(self, stream_id: int, headers: Sequence[Header], data: bytes, trailers: Sequence[Header]) -> None:
        """Send a whole response."""
        self.respond(stream_id, headers)
        self.send(stream_id, data)
        self.finish(stream_id, trailers)

    def refuse(self, stream_id: int, headers: Sequence[Header]) -> None:
        """Send a response of headers only."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            try:
                self._h2.send_headers(stream_id, headers, end_stream=True)
                self._ended(stream_id, stream)
            except H2Error as error:
                self._failed(stream_id, error)

    def reset(self, stream_id: int, error_code: int = CANCEL) -> None:
        """Close a stream at once."""
        if stream_id in self._streams:
            try:
                self._h2.reset_stream(stream_id, error_code)
            except H2Error as error:
                self._failed(stream_id, error)
            self._close(stream_id)

    def acknowledge(self, stream_id: int, size_bytes: int) -> None:
        """Give the peer back a part of its windows."""
        try:
            self._h2.acknowledge_received_data(size_bytes, stream_id)
        except H2Error as error:
            self._failed(stream_id, error)

    def queued_bytes(self, stream_id: int) -> int:
        """Return how many bytes of a stream wait."""
        stream = self._streams.get(stream_id)
        return stream.queued_bytes if stream is not None else 0

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        try:
            self._h2.ping(bytes(8))
        except H2Error as error:
            self.over = self.over or str(error)

    # -- the end

    def announce_end(self) -> None:
        """Tell the peer that no new streams will be taken soon."""
        self._say_goodbye(HIGHEST_STREAM, NO_ERROR)

    def take_no_more(self) -> None:
        """Refuse new streams."""
        self._takes_more = False
        self._say_goodbye(self._h2.highest_inbound_stream_id, NO_ERROR)

    def terminate(self, error_code: int, text: str) -> None:
        """End the connection after the present output."""
        self._say_goodbye(self._h2.highest_inbound_stream_id, error_code, text)
        self.over = self.over or text

    def _say_goodbye(self, last_stream_id: int, error_code: int, text: str = "") -> None:
        """Write a GOAWAY past h2, which would take no frame after it."""
        self._out += self._h2.data_to_send()
        self._out += GoAwayFrame(0, last_stream_id, error_code, text.encode()).serialize()


def connection(sink: Sink, limits: Http2Limits, now: Callable[[], float]) -> Http2:
    """Return the server's end of a new connection."""
    return H2Backing(sink, limits, now)
