"""Opens connections to one peer: its addresses take turns, names are looked up anew, and both ends prove themselves."""

import asyncio
import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from . import packets
from .addresses import Address, is_literal
from .connection import Connection
from .conversation import Event, Greeted, Refused
from .shared import Shared

__all__ = ["Dialled", "Dialler", "RefusedByPeer"]


class RefusedByPeer(ConnectionError):
    """The peer refuses the connection, or the other end is not the peer."""


class Dialled(Connection):
    """The dialler's end of a connection. ``greeted`` is done when the peer has answered the hello, or will not."""

    streams = False
    """Whether this connection carries the body of a snapshot, and no messages."""

    def __init__(self, shared: Shared, peer: int) -> None:
        super().__init__(shared, accepts=False, streams=self.streams)
        self.peer = peer
        self.greeted: asyncio.Future[packets.Hello] = shared.loop.create_future()

    def began(self) -> None:
        self.speech.begin(replace(self.shared.hello, receiver=self.peer))
        self.flush()

    def happened(self, event: Event) -> None:
        if isinstance(event, Greeted):
            if not self.greeted.done():
                self.greeted.set_result(event.hello)
        elif isinstance(event, Refused):
            self.shared.refused_by(self.peer, event.refusal)
            self._end(RefusedByPeer(event.refusal.text))

    def broke_rules(self, error: Exception) -> None:
        self.shared.traffic.malformed_connections += 1
        text = "%x: the connection to %x closed: %s"
        self.shared.log(logging.WARNING, ("malformed", self.peer), text, self.shared.id, self.peer, error)
        self._end(RefusedByPeer(str(error)))

    def ended(self, error: BaseException | None) -> None:
        self._end(ConnectionResetError("the connection was closed"))

    def _end(self, error: Exception) -> None:
        if not self.greeted.done():
            self.greeted.set_exception(error)
            # Perhaps nobody waits for it any more. Reading it here keeps asyncio from logging it as never retrieved.
            self.greeted.exception()


_Made = TypeVar("_Made", bound=Dialled)


class Dialler:
    """Connects to one peer, at any of its addresses. ``ended_later`` is called with the futures that end by themselves.

    ``identity`` is that of a peer that the transport does not know, 0 if any will do. No call waits, except
    ``connect``.
    """

    def __init__(
        self,
        shared: Shared,
        peer: int,
        addresses: tuple[Address, ...],
        ended_later: Callable[["asyncio.Future[Any]"], None],
        identity: int = 0,
    ) -> None:
        self.shared = shared
        self.peer = peer
        self.addresses = addresses
        self._identity = identity
        self._ended_later = ended_later
        self._turn = 0
        self._lookups: dict[str, asyncio.Future[Any]] = {}

    async def connect(self, make: Callable[[], _Made]) -> _Made:
        """Open a connection, prove both ends, and return it. Raises OSError, UnicodeError or OverflowError."""
        limits, loop, tls = self.shared.limits, self.shared.loop, self.shared.tls
        async with asyncio.timeout(limits.dial_seconds):
            dialled, name = await self._dial_next()
        connection = make()
        secured: dict[str, Any] = {} if tls is None else {"ssl": tls.client_context, "server_hostname": name}
        made = False
        try:
            async with asyncio.timeout(limits.greet_seconds):
                await loop.create_connection(lambda: connection, sock=dialled, **secured)
                made = True
                theirs = await connection.greeted
            self._check(connection, theirs)
            if not connection.is_usable:
                raise ConnectionResetError("the connection was closed")
        except BaseException:
            connection.abort()
            if not made:
                dialled.close()
                connection.forget()
            self._ended_later(connection.gone)
            raise
        return connection

    def _check(self, connection: Dialled, theirs: packets.Hello) -> None:
        """Check that the other end is the peer. Raises RefusedByPeer."""
        own, tls = self.shared.hello, self.shared.tls
        expected = self.shared.known.get(self.peer) or self._identity
        peer = theirs.sender if self.peer == packets.ANYBODY else self.peer
        reason = None
        if theirs.version != packets.PROTOCOL:
            reason = f"it speaks version {theirs.version}"
        elif not self.shared.may_talk(theirs.cluster):
            reason = f"it belongs to cluster {theirs.cluster:x}, not {own.cluster:x}"
        elif theirs.sender != peer or theirs.receiver != self.shared.id:
            reason = f"it is node {theirs.sender:x}"
        elif expected and theirs.identity != expected:
            reason = f"its identity is {theirs.identity:x}, not {expected:x}"
        elif tls is not None:
            reason = tls.refuse(connection.secured, peer)
        if reason is not None:
            self.shared.traffic.wrong_peers += 1
            text = "%x: at the address of %x is another: %s"
            self.shared.log(logging.WARNING, ("wrong", self.peer), text, self.shared.id, self.peer, reason)
            raise RefusedByPeer(reason)
        if theirs.identity and self.peer in self.shared.known:
            self.shared.known[self.peer] = theirs.identity

    async def _dial_next(self) -> tuple[socket.socket, str]:
        """Connect to the next address, and return the socket with the name of that address."""
        family, address, name = await self._next_address()
        dialled = socket.socket(family, socket.SOCK_STREAM)
        try:
            dialled.setblocking(False)
            await self.shared.loop.sock_connect(dialled, address)
        except BaseException:
            dialled.close()
            raise
        return dialled, name

    async def _next_address(self) -> tuple[int, Any, str]:
        """Return the next address to try: the family and address of a socket, and the name they belong to."""
        turn, self._turn = self._turn, self._turn + 1
        # A peer that has moved is connected to this node, and says where it is, before anybody else does.
        hints = [each for each in self.shared.hints.get(self.peer, ()) if each not in self.addresses]
        addresses = (*self.addresses, *hints)
        name, port = addresses[turn % len(addresses)]
        if is_literal(name) and "%" not in name:
            return socket.AF_INET6 if ":" in name else socket.AF_INET, (name, port), name
        lookup = self._lookups.get(name)
        if lookup is None:
            # One look-up at a time. Otherwise a resolver that hangs would pile up threads.
            lookup = asyncio.ensure_future(self.shared.loop.getaddrinfo(name, port, type=socket.SOCK_STREAM))
            self._lookups[name] = lookup
            lookup.add_done_callback(lambda done: self._looked_up(name, done))
        found = await asyncio.shield(lookup)
        if not found:
            raise OSError(f"{name} has no address")
        family, _, _, _, address = found[turn // len(addresses) % len(found)]
        return family, (address[0], port, *address[2:]), name

    def _looked_up(self, name: str, lookup: "asyncio.Future[Any]") -> None:
        del self._lookups[name]
        if not lookup.cancelled():
            lookup.exception()

    def stop(self) -> None:
        """Give up all look-ups of names."""
        for lookup in self._lookups.values():
            lookup.cancel()
            self._ended_later(lookup)
