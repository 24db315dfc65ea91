"""Tells HTTP/2 from HTTP/1.1 by the first bytes of a connection, and hands it to the one that speaks it.

An HTTP/2 client begins with a fixed preface. No request of HTTP/1.1 begins like it, so the first byte that differs
decides. With TLS, the protocol that was negotiated decides; a client that negotiates nothing is told by its first
bytes, as without TLS.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from .grpc_protocol import GrpcProtocol, Keeper, Kept
from .http2 import PREFACE

ALPN = ["http/1.1", "h2"]
"""What to offer with TLS, the preferred one first. Browsers and curl know both, and shall get HTTP/1.1, since HTTP/2
carries gRPC alone here. gRPC's clients know only h2."""


def tells(begin: bytes) -> bool | None:
    """Return whether a connection that begins like this speaks HTTP/2, None if it may be either."""
    if not PREFACE.startswith(begin[: len(PREFACE)]):
        return False
    return True if len(begin) >= len(PREFACE) else None


def common_name(certificate: Any) -> str:
    """Return the CN of a certificate as Python's `ssl` shows it, ``""`` without one."""
    for names in (certificate or {}).get("subject", ()):
        for kind, value in names:
            if kind == "commonName":
                return str(value)
    return ""


def address_text(address: object) -> str:
    """Return a peer's address as ``"host:port"``, an IPv6 host in brackets."""
    if isinstance(address, tuple) and len(address) >= 2:
        host, port = address[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return str(address or "")


class Newcomer(Kept):
    """A connection that has not shown yet what it speaks. If that is HTTP/1.1, it stays between socket and server."""

    def __init__(self, endpoint: Keeper, speaks_grpc: bool, http1: Callable[[], asyncio.Protocol] | None) -> None:
        self._endpoint = endpoint
        self._speaks_grpc = speaks_grpc
        self._make_http1 = http1
        """Makes the protocol that serves HTTP/1.1; None if it is not served here."""
        self._http1: asyncio.Protocol | None = None
        self._begin = b""
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_told = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection begins; with TLS, the handshake is done."""
        self._transport = cast("asyncio.Transport", transport)
        secured = transport.get_extra_info("ssl_object")
        chosen = secured.selected_alpn_protocol() if secured is not None else None
        if chosen is not None:
            self._told(chosen == "h2")
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._endpoint.hello_s, self.abort)

    def data_received(self, data: bytes) -> None:
        """Bytes of a connection that has shown nothing yet, or that speaks HTTP/1.1."""
        if self._is_told:
            if self._http1 is not None:
                self._http1.data_received(data)
            return
        self._begin += data
        is_http2 = tells(self._begin)
        if is_http2 is not None:
            self._told(is_http2)

    def eof_received(self) -> bool | None:
        """The client sends nothing more."""
        return self._http1.eof_received() if self._http1 is not None else False

    def pause_writing(self) -> None:
        """The socket takes no more."""
        if self._http1 is not None:
            self._http1.pause_writing()

    def resume_writing(self) -> None:
        """The socket takes more."""
        if self._http1 is not None:
            self._http1.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed."""
        if self._timer is not None:
            self._timer.cancel()
        self._endpoint.gone(self)
        if self._http1 is not None:
            self._http1.connection_lost(error)

    def drain(self) -> None:
        """Leave the end of HTTP/1.1 to its server; a connection that has said nothing can go."""
        if not self._is_told:
            self.abort()

    def abort(self) -> None:
        """Close the connection now. Until its TLS handshake is done, there is nothing to close here."""
        if self._transport is not None:
            self._transport.abort()

    def _told(self, is_http2: bool) -> None:
        """Hand the connection over."""
        self._is_told = True
        self._endpoint.told(self)
        if self._timer is not None:
            self._timer.cancel()
        begin, self._begin = self._begin, b""
        transport = self._transport
        if is_http2 and self._speaks_grpc:
            name = common_name(transport.get_extra_info("peercert"))
            peer = address_text(transport.get_extra_info("peername"))
            protocol = GrpcProtocol(self._endpoint, self._endpoint.shared, peer, name)
            self._endpoint.became(self, protocol)
            transport.set_protocol(protocol)
            protocol.connection_made(transport)
            if begin:
                protocol.data_received(begin)
        elif not is_http2 and self._make_http1 is not None:
            self._http1 = self._make_http1()
            self._http1.connection_made(transport)
            if begin:
                self._http1.data_received(begin)
        else:
            transport.abort()
