"""HTTP/2 by ngh2, which wraps nghttp2.

nghttp2 bounds CONTINUATION frames, unsent acknowledgements and suspicious frames itself. Counted here are resets, pings
and settings, empty data frames, and streams that nghttp2 resets for a client's fault.
"""

from collections.abc import Callable, Sequence
from typing import Any

import ngh2
from ngh2 import events

from .http2 import CANCEL, ENHANCE_YOUR_CALM, NO_ERROR, REFUSED_STREAM, Bucket, Header, Http2, Http2Limits, Sink

# About 50 puts, or 300 of the smallest requests, which take some 30 microseconds each with their handlers.
_BITE_BYTES = 16 << 10

_MAX_CONCURRENT_STREAMS = 3
_INITIAL_WINDOW_SIZE = 4
_MAX_HEADER_LIST_SIZE = 6
# How streams end with good clients. One that has us reset its streams by faults of its own gets around a count of its
# resets, so faults are counted too.
_HARMLESS = frozenset((NO_ERROR, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM))
# Beyond its own limit of resets, nghttp2 only says goodbye and goes on with the streams that are open. Our count, which
# closes the connection, comes first; nghttp2's bounds resets of streams that are closed already.
_NATIVE = 10


class Ngh2Connection:
    """`Http2` by ngh2."""

    __slots__ = (
        "_acknowledge",
        "_connection",
        "_empty",
        "_events",
        "_faults",
        "_has_sent",
        "_pings",
        "_receive",
        "_resets",
        "_send_data",
        "_send_response",
        "_send_trailers",
        "_settings",
        "_sink",
        "_waiting_bytes",
        "bite_bytes",
        "flooded",
        "over",
    )

    def __init__(self, sink: Sink, limits: Http2Limits, now: Callable[[], float]) -> None:
        burst, refill = limits.burst_frames, limits.refill_frames
        self._sink = sink
        self._has_sent = False
        """Whether data has left since the last ping. Clients measure a connection by a ping after it, which is free."""
        self._waiting_bytes = 0
        self._pings = Bucket(burst, refill, now)
        self._settings = Bucket(burst, refill, now)
        self._empty = Bucket(burst, refill, now)
        self._faults = Bucket(burst, refill, now)
        self._resets = Bucket(burst, refill, now)
        self.over = ""
        self.flooded = False
        self.bite_bytes = _BITE_BYTES
        connection = ngh2.Connection(
            ngh2.Role.SERVER,
            ngh2.Configuration(
                auto_window_update=False,
                max_outbound_ack=burst,
                stream_reset_rate_limit=(burst * _NATIVE, refill * _NATIVE),
                max_inbound_header_list_size=limits.header_bytes,
                max_inbound_header_count=limits.header_fields,
            ),
        )
        connection.initiate_connection(
            {
                _MAX_CONCURRENT_STREAMS: limits.streams,
                _INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
                _MAX_HEADER_LIST_SIZE: limits.header_bytes,
            }
        )
        connection.set_local_window_size(limits.connection_window_bytes)
        self._connection = connection
        # Looked up once: these run for each call.
        self._receive = connection.receive_data
        self._events = connection.events
        self._send_response = connection.send_response
        self._send_data = connection.send_data
        self._send_trailers = connection.send_trailers
        self._acknowledge = connection.acknowledge_received_data

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer."""
        if self.over:
            return
        try:
            self._receive(data)
        except ngh2.DenialOfServiceError as error:
            self._flood(str(error))
        except ngh2.NGH2Error as error:
            self.over = str(error)
        self._report()

    def output(self, most_bytes: int) -> bytes:
        """Return bytes to write."""
        if self.flooded:
            return b""
        try:
            data = self._connection.data_to_send(most_bytes)
        except ngh2.NGH2Error as error:
            self.over = self.over or str(error)
            data = b""
        if self._waiting_bytes:
            before, self._waiting_bytes = self._waiting_bytes, self._connection.queued_body_size()
            self._has_sent |= self._waiting_bytes < before
        self._report()
        return data

    def respond(self, stream_id: int, headers: Sequence[Header]) -> None:
        """Send the headers of a response."""
        try:
            self._send_response(stream_id, headers)
        except ngh2.NGH2Error as error:
            self._failed(error)

    def send(self, stream_id: int, data: bytes) -> None:
        """Send bytes of a response."""
        self._waiting_bytes += len(data)
        try:
            self._send_data(stream_id, data)
        except ngh2.NGH2Error as error:
            self._failed(error)

    def finish(self, stream_id: int, trailers: Sequence[Header]) -> None:
        """End a response."""
        try:
            self._send_trailers(stream_id, trailers)
        except ngh2.NGH2Error as error:
            self._failed(error)

    def answer(self, stream_id: int, headers: Sequence[Header], data: bytes, trailers: Sequence[Header]) -> None:
        """Send a whole response."""
        self._waiting_bytes += len(data)
        try:
            self._send_response(stream_id, headers)
            self._send_data(stream_id, data)
            self._send_trailers(stream_id, trailers)
        except ngh2.NGH2Error as error:
            self._failed(error)

    def refuse(self, stream_id: int, headers: Sequence[Header]) -> None:
        """Send a response of headers only."""
        try:
            self._send_response(stream_id, headers, end_stream=True)
        except ngh2.NGH2Error as error:
            self._failed(error)

    def reset(self, stream_id: int, error_code: int) -> None:
        """Close a stream at once."""
        try:
            self._connection.reset_stream(stream_id, error_code)
        except ngh2.NGH2Error as error:
            self._failed(error)

    def acknowledge(self, stream_id: int, size_bytes: int) -> None:
        """Give the peer back a part of its windows."""
        try:
            self._acknowledge(size_bytes, stream_id)
        except ngh2.NGH2Error as error:
            self._failed(error)

    def queued_bytes(self, stream_id: int) -> int:
        """Return how many bytes of a stream wait."""
        return self._connection.queued_body_size(stream_id)

    @property
    def all_queued_bytes(self) -> int:
        """How many bytes of all streams wait."""
        return self._connection.queued_body_size()

    def ping(self) -> None:
        """Ask the peer for a sign of life."""
        try:
            self._connection.ping()
        except ngh2.NGH2Error as error:
            self._failed(error)

    def announce_end(self) -> None:
        """Tell the peer that no new streams will be taken soon."""
        try:
            self._connection.send_shutdown_notice()
        except ngh2.NGH2Error as error:
            self._failed(error)

    def take_no_more(self) -> None:
        """Refuse new streams."""
        try:
            self._connection.send_goaway(NO_ERROR)
        except ngh2.NGH2Error as error:
            self._failed(error)

    def terminate(self, error_code: int, text: str) -> None:
        """End the connection after the present output."""
        try:
            self._connection.send_goaway(error_code, debug_data=text.encode())
        except ngh2.NGH2Error as error:
            self._failed(error)
        self.over = self.over or text

    def _failed(self, error: ngh2.NGH2Error) -> None:
        """A stream that is gone is nothing new: its end is, or was, reported. Anything else ends the connection."""
        if not isinstance(error, ngh2.StreamProtocolError):
            self.over = self.over or str(error)

    def _flood(self, text: str) -> None:
        self.flooded = True
        self.over = self.over or text

    def _report(self) -> None:
        sink = self._sink
        event: Any
        for event in self._events():
            kind = type(event)
            if kind is events.DataReceived:
                if not event.data and not event.end_stream and self._empty.take():
                    self._flood("too many empty data frames")
                    return
                sink.data(event.stream_id, event.data, event.end_stream)
            elif kind is events.RequestReceived:
                sink.request(event.stream_id, event.headers, event.end_stream)
            elif kind is events.StreamClosed:
                if event.error_code not in _HARMLESS and self._faults.take():
                    self._flood("too many faulty streams")
                    return
                sink.closed(event.stream_id)
            elif kind is events.StreamReset:
                if self._resets.take():
                    self._flood("too many resets")
                    return
            elif kind is events.PingReceived:
                if self._has_sent:
                    self._has_sent = False
                elif self._pings.take():
                    self._flood("too many pings")
                    return
                sink.pinged()
            elif kind is events.SettingsReceived:
                if self._settings.take():
                    self._flood("too many settings")
                    return
            elif kind is events.TrailersReceived:
                sink.data(event.stream_id, b"", True)
            elif kind is events.ConnectionClosed:
                self.over = self.over or event.debug_data.decode(errors="replace") or "the connection was closed"


def connection(sink: Sink, limits: Http2Limits, now: Callable[[], float]) -> Http2:
    """Return the server's end of a new connection."""
    return Ngh2Connection(sink, limits, now)
