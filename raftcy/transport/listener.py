"""Listening sockets.

asyncio's servers finish accepting a connection in a task that nobody can wait for. A server that closes at that moment
leaves the connection open and unserved. Here accepting is a single step, so closing leaves nothing behind.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

__all__ = ["Listener"]

_BACKLOG = 128
# The most connections accepted in one turn of the event loop.
_AT_ONCE = 32
# How long accepting pauses after the system ran out of means for it, such as file descriptors.
_SHORTAGE_SECONDS = 0.5
_SHORTAGES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """Accepts connections at the addresses of a host, and hands each socket to ``accepted``.

    ``short`` is called with the error when the system cannot accept more for now.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        accepted: Callable[[socket.socket], None],
        short: Callable[[OSError], None],
    ) -> None:
        self._loop = loop
        self._accepted = accepted
        self._short = short
        self._sockets: list[socket.socket] = []
        self._timers: dict[socket.socket, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def bind(self, host: str, port: int) -> None:
        """Bind to the addresses, without serving them yet. Raises OSError, and holds none of them, if that fails."""
        passive = socket.AI_PASSIVE
        found = await self._loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=passive)
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                self._sockets.append(_bound(family, kind, protocol, address))
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """The first address."""
        host, port = self._sockets[0].getsockname()[:2]
        return str(host), int(port)

    def start(self) -> None:
        """Begin to accept."""
        for each in self._sockets:
            self._watch(each)

    def close(self) -> None:
        """Accept nothing more. The system closes the connections that it had ready."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        while self._sockets:
            listening = self._sockets.pop()
            with suppress(NotImplementedError):
                self._loop.remove_reader(listening.fileno())
            listening.close()

    async def wait_ended(self) -> None:
        """Wait until no task is left, after ``close``."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _watch(self, listening: socket.socket) -> None:
        self._timers.pop(listening, None)
        try:
            self._loop.add_reader(listening.fileno(), self._ready, listening)
        except NotImplementedError:
            # The event loop of Windows can only accept in a task.
            task = self._loop.create_task(self._accept_on(listening))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _ready(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _SHORTAGES:
                    self._loop.remove_reader(listening.fileno())
                    self._pause(listening, error)
                return
            accepted.setblocking(False)
            self._accepted(accepted)
            if listening not in self._sockets:
                return

    async def _accept_on(self, listening: socket.socket) -> None:
        while True:
            try:
                accepted, _ = await self._loop.sock_accept(listening)
            except OSError as error:
                if error.errno in _SHORTAGES:
                    self._pause(listening, error)
                    return
                await asyncio.sleep(0)
                continue
            self._accepted(accepted)

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        self._timers[listening] = self._loop.call_later(_SHORTAGE_SECONDS, self._watch, listening)
        self._short(error)


def _bound(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    listening = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Each IP version has its socket, so the one for IPv6 must not take IPv4 too.
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.setblocking(False)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        text = os.strerror(error.errno).lower() if error.errno else str(error)
        raise OSError(error.errno, f"cannot listen on {address[0]} port {address[1]}: {text}") from None
    except BaseException:
        listening.close()
        raise
    return listening
