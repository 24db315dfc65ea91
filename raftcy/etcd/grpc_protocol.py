"""A gRPC connection on a socket: reads, writes and pauses for a `GrpcConnection`, on asyncio.

Rules:

- All answers of a turn of the event loop leave in one write, and no connection writes more than its share in a turn.
- Nothing is read while the socket takes nothing. Otherwise a client that never reads could have us answer its pings and
  requests into memory.
- Input is taken in bites, with a turn for everybody else in between.
"""

import asyncio
from typing import Any, Protocol, cast

from .grpc_connection import GrpcConnection
from .grpc_shared import Shared
from .http2 import NO_ERROR

# How much is taken from HTTP/2 for one write, and above how much asyncio says that the socket takes no more.
_PIECE_BYTES = 64 << 10
# How much one connection writes before the others have their turns.
_SHARE_BYTES = 1 << 20
# How long a connection that is over has to write its last bytes.
_LAST_WORDS_S = 2.0


class Kept(asyncio.Protocol):
    """A connection that its endpoint can end."""

    def drain(self) -> None:
        """Begin the end."""

    def abort(self) -> None:
        """Close the connection now."""


class Keeper(Protocol):
    """What a connection asks of its endpoint."""

    shared: Shared
    hello_s: float

    def told(self, newcomer: Kept) -> None:
        """A newcomer has shown what it speaks."""

    def became(self, newcomer: Kept, protocol: "GrpcProtocol") -> None:
        """A newcomer speaks gRPC."""

    def gone(self, kept: Kept) -> None:
        """A connection is closed."""

    def over(self, connection: GrpcConnection) -> None:
        """A connection is about to be closed by this side."""


class GrpcProtocol(Kept):
    """One connection of an endpoint. ``peer`` and ``common_name`` are what handlers see of the client."""

    def __init__(self, endpoint: Keeper, shared: Shared, peer: str, common_name: str) -> None:
        self.connection = GrpcConnection(shared, self._woken, peer, common_name)
        self.stalled_since_s: float | None = None
        """Since when the socket takes nothing, None while it does."""
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._now = shared.now
        self._transport: Any = None
        self._rest = b""
        """Input that waits for the next turn."""
        self._is_flushing = False
        self._closer: asyncio.TimerHandle | None = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection begins."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_PIECE_BYTES)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._rest:
            # Some transports deliver once more after they were told to pause.
            self._rest += data
        elif self.stalled_since_s is not None:
            self._rest = data
        else:
            self._take(data)

    def eof_received(self) -> bool:
        """The client sends nothing more, so nothing can be heard of its windows: the connection is closed."""
        return False

    def pause_writing(self) -> None:
        """The socket takes no more."""
        self.stalled_since_s = self._now()
        self._choose_reading()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self.stalled_since_s = None
        self._flush()
        self._take_rest()
        self._choose_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed."""
        if self._closer is not None:
            self._closer.cancel()
        self._rest = b""
        self.connection.lost()
        self._endpoint.gone(self)

    # -- the endpoint's side

    def drain(self) -> None:
        """Begin to end the connection: see `GrpcConnection.drain`."""
        self.connection.drain()

    def retire(self) -> None:
        """Close the connection, which has no call, with a word to the client."""
        self.connection.http2.terminate(NO_ERROR, "idle")
        self._flush()

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    # -- the rest

    def _take(self, data: bytes) -> None:
        """Give HTTP/2 what it takes in a turn."""
        connection = self.connection
        bite_bytes = connection.bite_bytes
        if len(data) > bite_bytes:
            self._rest = data[bite_bytes:]
            data = data[:bite_bytes]
            self._loop.call_soon(self._take_rest)
            self._choose_reading()
        connection.receive(data)
        self._flush()

    def _take_rest(self) -> None:
        if self._rest and self.stalled_since_s is None and not self._transport.is_closing():
            data, self._rest = self._rest, b""
            self._take(data)
            if not self._rest:
                self._choose_reading()

    def _choose_reading(self) -> None:
        """Read only while the socket takes our output and our input is worked off."""
        transport = self._transport
        if transport.is_closing():
            return
        wanted = self.stalled_since_s is None and not self._rest
        if wanted != transport.is_reading():
            if wanted:
                transport.resume_reading()
            else:
                transport.pause_reading()

    def _woken(self) -> None:
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Write what is there to write."""
        if self._is_flushing or self._transport.is_closing():
            return
        connection, transport = self.connection, self._transport
        # What is written here may pause this very protocol, and resume it at once.
        self._is_flushing = True
        written_bytes = 0
        try:
            connection.work()
            while self.stalled_since_s is None:
                data = connection.output(_PIECE_BYTES)
                if data:
                    transport.write(data)
                if len(data) < _PIECE_BYTES:
                    break
                written_bytes += len(data)
                if written_bytes >= _SHARE_BYTES:
                    self._loop.call_soon(self._flush)
                    return
                connection.work()
            else:
                connection.rest()
        finally:
            self._is_flushing = False
        if connection.over:
            self._close()

    def _close(self) -> None:
        """The connection is over: close it once its last bytes are written."""
        connection = self.connection
        self._endpoint.over(connection)
        if connection.flooded:
            self._transport.abort()
            return
        if self._closer is None:
            self._closer = self._loop.call_later(_LAST_WORDS_S, self._transport.abort)
        if self.stalled_since_s is None:
            self._transport.close()
