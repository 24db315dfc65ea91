"""Receives the body of one snapshot on a connection of its own, and then delivers its MsgSnap.

The message reaches its receiver only once the body is complete, verified and durable. If it came earlier, a node could
acknowledge a state that a power cut would take from it.
"""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError, RaftError
from ..wire import consts as k
from . import packets
from . import streampackets as p
from .depots import Sink
from .handover import Feed
from .limits import STREAM_WINDOW_BYTES_MAX
from .shared import Shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from .connection import Connection

__all__ = ["Inflow"]

# How long the sender has to read the outcome and close the connection.
_LAST_SECONDS = 0.5


class Inflow:
    """The body that arrives on one connection.

    ``feed`` judges and delivers the message. ``malformed`` is called with the error when the sender breaks the rules.
    """

    def __init__(
        self,
        shared: Shared,
        sender: int,
        connection: "Connection",
        feed: Feed,
        malformed: "Callable[[Exception], None]",
    ) -> None:
        self._shared = shared
        self._sender = sender
        self._connection = connection
        self._feed = feed
        self._malformed = malformed
        self._waiting: deque[bytes | bytearray] = deque()
        self._waiting_bytes = 0
        self._sink: Sink | None = None
        self._group = 0
        self._size = -1
        self._at = 0
        self._encoded = b""
        self._over = False
        self._last: asyncio.TimerHandle | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def is_needed(self) -> bool:
        """Whether the body still arrives."""
        return self.task is not None or (self._connection.is_usable and not self._over)

    def add(self, payload: bytes | bytearray) -> None:
        """Take a packet."""
        if self._over:
            return
        self._waiting_bytes += len(payload)
        # The sender keeps to its window, which may be larger than this node's, and sends one piece beyond it.
        if self._waiting_bytes > STREAM_WINDOW_BYTES_MAX + 2 * p.PIECE_BYTES_MAX:
            self._break(DecodeError("more of a snapshot comes than was asked for", 0))
            return
        self._waiting.append(payload)
        if self.task is None:
            self._start()

    def _start(self) -> None:
        name = f"raftcy transport snapshot from {self._sender:x} to {self._shared.id:x}"
        self.task = self._shared.loop.create_task(self._work(), name=name)
        self.task.add_done_callback(self._ended)

    async def _work(self) -> None:
        try:
            while self._waiting and not self._over:
                payload = self._waiting.popleft()
                self._waiting_bytes -= len(payload)
                if self._size < 0:
                    await self._begin(payload)
                else:
                    await self._take(payload)
                if self._at == self._size and not self._over:
                    await self._finish()
        except DecodeError as error:
            self._break(error)
        except RaftError as error:
            self._refuse(str(error))

    async def _begin(self, payload: bytes | bytearray) -> None:
        group, size, m, self._encoded = p.decode_offer(payload)
        reason = self._feed.refuse(group, m)
        if reason is None and m.type != k.SNAP:
            reason = f"a stream is for a snapshot, not for {m.type}"
        depot = self._shared.depot
        if reason is not None or depot is None:
            self._shared.traffic.ignored_messages += 1
            self._refuse(reason or "this node takes no bodies of snapshots")
            return
        self._sink = depot.sink(group, self._sender, m)
        self._group = group
        self._at = await self._sink.begin()
        if self._at > size:
            raise DecodeError(f"the body of a snapshot has {size} bytes, and {self._at} of it are here", 0)
        self._size = size
        self._say(p.encode_got(self._at))

    async def _take(self, payload: bytes | bytearray) -> None:
        at, piece = p.decode_piece(payload)
        if at != self._at or at + len(piece) > self._size:
            raise DecodeError(f"a piece at {at} of a snapshot, where {self._at} is due", 0)
        if self._sink is None:
            return
        await self._sink.write(piece)
        self._at += len(piece)
        self._say(p.encode_got(self._at))

    async def _finish(self) -> None:
        if self._sink is None:
            return
        await self._sink.finish()
        self._shared.traffic.streams_received += 1
        self._feed.add([packets.message_head(self._group, len(self._encoded))[4:] + self._encoded])
        self._say(p.encode_stored())
        self._close()

    def _say(self, data: bytes) -> None:
        self._connection.write(data)

    def _refuse(self, text: str) -> None:
        kind = ("inflow", self._sender)
        line = "%x: a snapshot from %x was not taken: %s"
        self._shared.log(logging.WARNING, kind, line, self._shared.id, self._sender, text)
        self._say(p.encode_failed(text))
        self._close()

    def _close(self) -> None:
        """Leave the sender some time to read the outcome."""
        self._over = True
        self._waiting.clear()
        if self._last is None:
            self._last = self._shared.loop.call_later(_LAST_SECONDS, self._connection.abort)

    def _break(self, error: DecodeError) -> None:
        self._over = True
        self._waiting.clear()
        self._malformed(error)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self.task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._shared.failed(error, "receiving a snapshot")
            self._connection.abort()
        if (not self._connection.is_usable or task.cancelled()) and self._sink is not None:
            self._leave()
        elif self._waiting and not self._over:
            self._start()

    def _leave(self) -> None:
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.leave()

    def stop(self) -> None:
        """End, because the connection has. What has arrived stays for the next one."""
        self._over = True
        self._waiting.clear()
        if self._last is not None:
            self._last.cancel()
        if self.task is not None:
            self.task.cancel()
        else:
            self._leave()
