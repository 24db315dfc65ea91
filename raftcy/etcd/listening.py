"""Serves gRPC and HTTP/1.1 on the same addresses: accepts connections, bounds them, watches over them, ends them.

Rules:

- The number of connections is bounded. When the bound is reached, a connection that has been idle for a while, or the
  oldest one that has said nothing, makes way for a new one; if there is none, the new one is closed at once.
- A connection that does not show in time what it speaks is closed.
- One timer looks at all connections now and then: for pings, idleness, and clients that take nothing.
- Stopping tells each client before it refuses its calls, so that none of them is lost unnoticed.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from ..transport.listener import Listener
from .grpc_connection import GrpcConnection
from .grpc_protocol import GrpcProtocol, Kept
from .grpc_shared import GrpcLimits, Shared, logger
from .service import Method
from .telling import Newcomer

BACKING_SWITCH = "RAFTCY_HTTP2"
"""The environment variable that chooses the HTTP/2 library where a program does not."""

_LOOK_S = 1.0
# How long a connection must be idle to make way for a new one.
_SPARE_IDLE_S = 10.0
# At most one line in the log for this long about connections that break limits.
_LOG_S = 1.0

Http1 = Callable[[], asyncio.Protocol]


class Endpoint:
    """A server of gRPC, and of HTTP/1.1 if there is something that serves it, on any number of addresses.

    ``methods`` are what gRPC offers; ValueError if two have one path. ``http1`` makes the protocol of an HTTP/1.1
    connection, as aiohttp's ``web.Server`` does. ``connections`` is how many may be open, of both kinds together.
    ``hello_s`` is how long a client has to show what it speaks, and for its TLS handshake. ``backing`` chooses the
    HTTP/2 library, "ngh2" or "h2"; without it, the variable RAFTCY_HTTP2 does, and otherwise ngh2 is taken if it is
    there. ImportError if the chosen one is not installed, or none is; ValueError for another name.

    It belongs to the event loop in which it is made, and must be ended by `stop`.
    """

    def __init__(
        self,
        methods: Iterable[Method],
        *,
        http1: Http1 | None = None,
        limits: GrpcLimits | None = None,
        connections: int = 10_000,
        hello_s: float = 10.0,
        backing: str = "",
    ) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self.shared = Shared(
            methods,
            limits if limits is not None else GrpcLimits(),
            now=loop.time,
            spawn=_spawn,
            arm=self._arm,
            backing=backing or os.environ.get(BACKING_SWITCH, ""),
        )
        self.hello_s = hello_s
        self._http1 = http1
        self._most = connections
        self._listeners: list[Listener] = []
        self._tasks: set[asyncio.Task[None]] = set()
        """Handshakes."""
        self._open: dict[Kept, None] = {}
        self._silent: dict[Kept, None] = {}
        """Those that have not shown yet what they speak, the oldest first."""
        self._spare: deque[GrpcProtocol] = deque()
        """Connections that were idle when they were last looked at, the longest first."""
        self._deadline: asyncio.TimerHandle | None = None
        self._looker: asyncio.TimerHandle | None = None
        self._emptied = asyncio.Event()
        self._is_stopping = False
        self._logged_at_s = float("-inf")
        self.refused_connections = 0
        """How many connections were closed at once because too many were open."""
        self.flooded_connections = 0
        """How many connections were closed because their clients exceeded a limit."""

    @property
    def connections(self) -> int:
        """How many connections are open, with those whose handshake goes on."""
        return len(self._open)

    async def listen(
        self,
        host: str,
        port: int,
        *,
        secured: ssl.SSLContext | None = None,
        grpc: bool = True,
        http1: bool = True,
    ) -> tuple[str, int]:
        """Begin to serve an address, and return it, with the port that the system chose for port 0.

        ``secured`` is the context for TLS, whose ALPN list should be `telling.ALPN`. ``grpc`` and ``http1`` say what is
        served there. Raises OSError if the address cannot be had, RuntimeError after `stop`.
        """
        if self._is_stopping:
            raise RuntimeError("the endpoint is stopped")
        serves_http1 = self._http1 if http1 else None

        def accepted(accepted_socket: socket.socket) -> None:
            self._accepted(accepted_socket, secured, grpc, serves_http1)

        listener = Listener(self._loop, accepted, self._short)
        await listener.bind(host, port)
        if self._is_stopping:
            listener.close()
            raise RuntimeError("the endpoint was stopped")
        listener.start()
        self._listeners.append(listener)
        if self._looker is None:
            self._looker = self._loop.call_later(_LOOK_S, self._look)
        return listener.address

    async def stop(self, grace_s: float = 5.0) -> None:
        """Accept nothing more, end the streams, and let calls with one answer finish for up to ``grace_s`` seconds.

        The server of HTTP/1.1 should be shut down before, because what is left of its connections is cut at the end.
        """
        self._is_stopping = True
        for listener in self._listeners:
            listener.close()
        for task in self._tasks:
            task.cancel()
        try:
            await self._drain(grace_s)
        finally:
            for timer in (self._looker, self._deadline):
                if timer is not None:
                    timer.cancel()
            for each in list(self._open):
                each.abort()
            for listener in self._listeners:
                await listener.wait_ended()
            await self._empty()

    async def _drain(self, grace_s: float) -> None:
        for each in list(self._open):
            each.drain()
        notice_s = min(self.shared.limits.notice_s, grace_s)
        grpc = [each for each in self._open if isinstance(each, GrpcProtocol)]
        for each in grpc:
            if not each.connection.calls:
                each.connection.take_no_more()
        if any(each.connection.calls for each in grpc):
            await asyncio.sleep(notice_s)
            grace_s -= notice_s
            for each in grpc:
                each.connection.take_no_more()
        try:
            async with asyncio.timeout(max(grace_s, 0.0)):
                await self._empty()
        except TimeoutError:
            logger.info("%d connections were still open and are cut", len(self._open))

    async def _empty(self) -> None:
        """Wait until no connection is open."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        while self._open:
            self._emptied.clear()
            await self._emptied.wait()

    # -- what connections call

    def told(self, newcomer: Kept) -> None:
        """A newcomer has shown what it speaks."""
        self._silent.pop(newcomer, None)

    def became(self, newcomer: Kept, protocol: GrpcProtocol) -> None:
        """A newcomer speaks gRPC."""
        del self._open[newcomer]
        self._open[protocol] = None
        if self._is_stopping:
            self._loop.call_soon(protocol.drain)

    def gone(self, kept: Kept) -> None:
        """A connection is closed."""
        self._open.pop(kept, None)
        self._silent.pop(kept, None)
        if not self._open:
            self._emptied.set()

    def over(self, connection: GrpcConnection) -> None:
        """A connection is about to be closed by this side."""
        if connection.flooded:
            self.flooded_connections += 1
            self._log("a connection was closed at once: %s", connection.over)

    # -- the rest

    def _accepted(
        self, accepted: socket.socket, secured: ssl.SSLContext | None, grpc: bool, http1: Http1 | None
    ) -> None:
        if self._is_stopping or (len(self._open) >= self._most and not self._make_room()):
            self.refused_connections += 1
            self._log("a connection was refused, because %d are open", self.connections)
            accepted.close()
            return
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        newcomer = Newcomer(self, grpc, http1)
        self._open[newcomer] = self._silent[newcomer] = None
        task = self._loop.create_task(self._greet(newcomer, accepted, secured))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._greeted(newcomer, accepted, task))

    async def _greet(self, newcomer: Newcomer, accepted: socket.socket, secured: ssl.SSLContext | None) -> None:
        """Make a socket a connection; with TLS, that takes a handshake."""
        given: dict[str, Any] = {}
        if secured is not None:
            given = {"ssl": secured, "ssl_handshake_timeout": self.hello_s, "ssl_shutdown_timeout": 1.0}
        await self._loop.connect_accepted_socket(lambda: newcomer, accepted, **given)

    def _greeted(self, newcomer: Newcomer, accepted: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            # The task cannot close the socket itself: it may have been cancelled before it began.
            accepted.close()
            newcomer.abort()
            self.gone(newcomer)
        if isinstance(error, OSError):
            logger.debug("a connection failed at its beginning: %s", error)
        elif error is not None:
            logger.error("accepting a connection failed", exc_info=error)

    def _make_room(self) -> bool:
        """Close the connection that has been idle for longest, or the oldest silent one; return whether there was one.

        Otherwise, clients that say nothing could keep all others out.
        """
        now_s = self._loop.time()
        while self._spare:
            protocol = self._spare.popleft()
            idle_since_s = protocol.connection.idle_since_s
            if protocol in self._open and idle_since_s is not None and now_s - idle_since_s > _SPARE_IDLE_S:
                protocol.retire()
                return True
        oldest = next(iter(self._silent), None)
        if oldest is None:
            return False
        del self._silent[oldest]
        oldest.abort()
        return True

    def _look(self) -> None:
        """Watch over all connections."""
        now_s = self._loop.time()
        limits = self.shared.limits
        idle: list[tuple[float, int, GrpcProtocol]] = []
        is_tight = self.connections * 10 > self._most * 9
        for number, each in enumerate(list(self._open)):
            if not isinstance(each, GrpcProtocol):
                continue
            stalled_since_s = each.stalled_since_s
            is_stuck = stalled_since_s is not None and now_s - stalled_since_s > limits.stall_s
            if is_stuck or not each.connection.look(now_s):
                each.abort()
            elif is_tight and each.connection.idle_since_s is not None:
                idle.append((each.connection.idle_since_s, number, each))
        self._spare = deque(each for _, _, each in sorted(idle))
        self._looker = self._loop.call_later(_LOOK_S, self._look)

    def _arm(self, at_s: float) -> None:
        """Have the deadlines looked at, at a time."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._loop.call_at(at_s, self._expire)

    def _expire(self) -> None:
        self._deadline = None
        self.shared.expire()

    def _short(self, error: OSError) -> None:
        self._log("no connection can be accepted for a while: %s", error)

    def _log(self, text: str, *given: object) -> None:
        now_s = self._loop.time()
        if now_s - self._logged_at_s >= _LOG_S:
            self._logged_at_s = now_s
            logger.log(logging.WARNING, text, *given)


def _spawn(awaitable: Awaitable[Any]) -> asyncio.Future[Any]:
    return asyncio.ensure_future(awaitable)
