"""Runs a ``Speech`` on a socket, with or without TLS. Both ends of a connection build on this class."""

import asyncio
import logging
import socket
import struct
import sys
from typing import Any

from . import packets
from .conversation import Event, Speech
from .shared import Shared

if sys.platform == "linux":
    import fcntl
    import termios

__all__ = ["Connection", "unacknowledged_bytes"]

# The socket option of macOS that counts unacknowledged bytes. Python has no name for it.
_SO_NWRITE = 0x1024

# asyncio calls pause_writing above this many unwritten bytes, and resume_writing when none are left.
_BUFFER_BYTES = 1 << 18


def unacknowledged_bytes(raw: Any) -> int:
    """Return how many bytes of a socket the other end has not acknowledged, 0 if the system does not tell."""
    try:
        if sys.platform == "linux":
            return int(struct.unpack("i", fcntl.ioctl(raw.fileno(), termios.TIOCOUTQ, bytes(4)))[0])
        if sys.platform == "darwin":
            return int(raw.getsockopt(socket.SOL_SOCKET, _SO_NWRITE))
    except OSError:
        return 0
    return 0


class Connection(asyncio.Protocol):
    """One end of a connection. Subclasses say what its events mean, in ``happened`` and ``ended``.

    With TLS, asyncio calls ``connection_made`` only after the handshake. If the owner cancels the handshake, asyncio
    never calls the connection at all, so the owner must then call ``forget``. Otherwise ``gone`` would never be done,
    and closing the transport would hang.
    """

    def __init__(self, shared: Shared, accepts: bool, streams: bool = False) -> None:
        self.shared = shared
        self.speech = Speech(accepts, shared.limits.frame_bytes, streams)
        self.paused = False
        """Whether the operating system accepts no more bytes at the moment."""
        self.gone: asyncio.Future[None] = shared.loop.create_future()
        """Done when the socket is closed."""
        self.where: object = None
        self._transport: Any = None
        self._socket: Any = None
        self._written_bytes = 0
        self._aborted = False

    # -- what subclasses do

    def began(self) -> None:
        """The connection is made."""

    def happened(self, event: Event) -> None:
        """The other end has said something."""

    def ended(self, error: BaseException | None) -> None:
        """The connection is gone. Called once, and only if it was made."""

    def broke_rules(self, error: Exception) -> None:
        """The other end has broken the protocol. The connection is closed after this call."""

    # -- asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        """The connection begins; with TLS, the handshake is done."""
        self._transport = transport
        if self._aborted or self.shared.closed:
            self.abort()
            return
        self.where = transport.get_extra_info("peername")
        self._socket = transport.get_extra_info("socket")
        self._tune(self._socket)
        transport.set_write_buffer_limits(high=_BUFFER_BYTES, low=0)
        self.began()

    def data_received(self, data: bytes) -> None:
        """Read bytes, and call ``happened`` for each event in them."""
        if self._aborted:
            return
        for event in self.speech.receive(data):
            self.happened(event)
            if self._aborted:
                return
        if self.speech.output:
            self.flush()
        if self.speech.error is not None:
            self.broke_rules(self.speech.error)
            self.abort()

    def pause_writing(self) -> None:
        """The buffer is full."""
        self.paused = True

    def resume_writing(self) -> None:
        """The buffer is empty."""
        self.paused = False

    def eof_received(self) -> bool:
        """The other end sends nothing more. Returning False lets asyncio close this end too."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed."""
        self._aborted = True
        if not self.gone.done():
            self.gone.set_result(None)
            self.ended(error)

    # -- for subclasses

    @property
    def secured(self) -> Any:
        """The TLS connection as an ``ssl.SSLObject``, None without TLS."""
        return self._transport.get_extra_info("ssl_object") if self._transport is not None else None

    @property
    def is_usable(self) -> bool:
        """Whether this end can still send."""
        return self._transport is not None and not self._aborted and not self._transport.is_closing()

    @property
    def written_bytes(self) -> int:
        """How many bytes were written so far, before encryption."""
        return self._written_bytes

    @property
    def acknowledged_bytes(self) -> int:
        """How many of the written bytes the other end's system has acknowledged.

        Where this system cannot tell, bytes count as acknowledged once it has accepted them. With TLS the number is a
        little too low while bytes are on their way, because the system counts encrypted bytes.
        """
        if self._transport is None:
            return 0
        waiting = self._transport.get_write_buffer_size()
        return int(self._written_bytes - waiting - unacknowledged_bytes(self._socket))

    def write(self, data: bytes | memoryview) -> None:
        """Hand bytes to the operating system."""
        if self.is_usable:
            self._written_bytes += len(data)
            self._transport.write(data)

    def flush(self) -> None:
        """Write the output of the speech."""
        self.write(self.speech.take_output())

    def pause_reading(self) -> None:
        """Stop reading until ``resume_reading``."""
        if self.is_usable and self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again after ``pause_reading``."""
        if self.is_usable and not self._transport.is_reading():
            self._transport.resume_reading()

    def finish(self) -> None:
        """Close the connection after everything is written. The caller must ``abort`` it if that takes too long."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now. It delivers nothing from here on, and ``gone`` is done soon."""
        self._aborted = True
        if self._transport is not None:
            self._transport.abort()

    def forget(self) -> None:
        """Count the socket as closed in the next turn of the event loop, after the effects of ``abort``."""
        self.shared.loop.call_soon(self.connection_lost, None)

    def _tune(self, raw: Any) -> None:
        """Make the operating system detect a dead connection too, where it can."""
        seconds = self.shared.limits.write_timeout_seconds
        for level, name, value in (
            (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
            (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
            (socket.IPPROTO_TCP, "TCP_KEEPIDLE", max(1, round(seconds))),
            (socket.IPPROTO_TCP, "TCP_KEEPINTVL", max(1, round(seconds))),
            (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
            (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", max(1, round(seconds * 1000))),
        ):
            option = getattr(socket, name, None)
            if option is None or raw is None:
                continue
            try:
                raw.setsockopt(level, option, value)
            except OSError as error:
                self.shared.log(logging.DEBUG, name, "%x cannot set %s: %s", self.shared.id, name, error)

    def ping(self, token: int) -> None:
        """Send a ping, which the other end must answer with the same token."""
        self.write(packets.encode_token(packets.PING, token))
