"""Sends to one peer: a bounded queue, and a task that keeps a connection open and writes the queue to it."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ..errors import RangeError
from ..wire import consts as k
from ..wire.messages import Message
from . import frame
from .limits import Limits, Traffic

_BATCH_BYTES = 1 << 20
# The most bytes passed to asyncio at a time: before Python 3.12 it copies whatever the system does not accept at once.
_PIECE_BYTES = 1 << 18

Lost = Callable[[int, bool], None]
Sent = Callable[[int], None]


class _Item(NamedTuple):
    data: bytes
    snapshot: bool


class Outgoing:
    """Sends messages to one peer, over one connection that it opens when there is something to send.

    Messages that cannot be sent are dropped and reported by ``lost(peer, snapshot)``: a message that finds the queue
    full, the whole queue when connecting fails, and the batch being written when the connection breaks. ``sent(peer)``
    reports that a snapshot was handed to the network. Both are called in the thread of the event loop, and ``put`` may
    call ``lost`` before it returns.
    """

    def __init__(
        self, id: int, peer: int, address: tuple[str, int], lost: Lost, sent: Sent, limits: Limits, traffic: Traffic
    ) -> None:
        self._id = id
        self._peer = peer
        self.address = address
        self._lost = lost
        self._sent = sent
        self._limits = limits
        self._traffic = traffic
        self._log = logging.getLogger("raftcy.transport")
        self._queue: deque[_Item] = deque()
        self._queued_bytes = 0
        self._wanted = asyncio.Event()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"raftcy transport {id:x} to {peer:x}")

    def put(self, m: Message) -> None:
        """Queue a message. Never waits."""
        try:
            item = _Item(m.encode(), m.type == k.SNAP)
        except RangeError as error:
            self._log.error("%s to %x has no encoding and is dropped: %s", m.type, self._peer, error)
            self._drop([_Item(b"", m.type == k.SNAP)])
            return
        size = len(item.data)
        full = len(self._queue) >= self._limits.queue_messages or (
            self._queue and self._queued_bytes + size > self._limits.queue_bytes
        )
        if size > frame.MAX_FRAME_BYTES:
            self._log.error("%s of %d bytes to %x does not fit into a frame: dropped", m.type, size, self._peer)
        if full or size > frame.MAX_FRAME_BYTES:
            self._drop([item])
            return
        self._queue.append(item)
        self._queued_bytes += size
        self._wanted.set()

    async def close(self) -> None:
        """End the task and the connection. Queued messages are discarded without a report."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._disconnect()

    async def _run(self) -> None:
        pause = self._limits.retry_min_seconds
        while True:
            await self._wanted.wait()
            if self._is_broken():
                self._disconnect()
            if self._writer is None:
                try:
                    await self._dial()
                except OSError as error:
                    self._log.debug("no connection from %x to %x: %s", self._id, self._peer, error)
                    self._drop(self._take(all_of_them=True))
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, self._limits.retry_max_seconds)
                    continue
                pause = self._limits.retry_min_seconds
            await self._write(self._take())

    async def _dial(self) -> None:
        host, port = self.address
        async with asyncio.timeout(self._limits.dial_seconds):
            self._reader, self._writer = await asyncio.open_connection(host, port)
        # With this limit, drain() returns only once the operating system has accepted everything.
        self._writer.transport.set_write_buffer_limits(high=0)
        self._writer.write(frame.encode_frame(frame.encode_hello(self._id)))

    async def _write(self, batch: list[_Item]) -> None:
        writer = self._writer
        if writer is None:
            return
        size = sum(len(item.data) for item in batch)
        try:
            parts = [part for item in batch for part in frame.frame_parts(item.data)]
            if size > 2 * _BATCH_BYTES:
                await self._write_long(writer, parts)
            else:
                # Not writelines: in Python 3.12.0 to 3.12.8, 3.13.0 and 3.13.1, drain() does not wait after it.
                writer.write(b"".join(parts))
                await _drain(writer, self._limits.write_seconds)
        except OSError as error:
            self._log.debug("connection from %x to %x broke: %s", self._id, self._peer, error)
            self._disconnect()
            self._drop(batch)
            return
        self._traffic.sent_messages += len(batch)
        self._traffic.sent_bytes += size
        for item in batch:
            if item.snapshot:
                self._sent(self._peer)

    async def _write_long(self, writer: asyncio.StreamWriter, parts: list[bytes]) -> None:
        for part in parts:
            view = memoryview(part)
            for at in range(0, len(view), _PIECE_BYTES):
                writer.write(view[at : at + _PIECE_BYTES])
                await _drain(writer, self._limits.write_seconds)

    def _take(self, all_of_them: bool = False) -> list[_Item]:
        batch: list[_Item] = []
        size = 0
        while self._queue and (all_of_them or size < _BATCH_BYTES):
            if batch and not all_of_them and len(self._queue[0].data) > _BATCH_BYTES:
                break
            item = self._queue.popleft()
            size += len(item.data)
            batch.append(item)
        self._queued_bytes -= size
        if not self._queue:
            self._wanted.clear()
        return batch

    def _drop(self, batch: list[_Item]) -> None:
        """Report a batch as lost: once for each snapshot in it, or once if it has none."""
        self._traffic.dropped_messages += len(batch)
        snapshots = sum(item.snapshot for item in batch)
        for _ in range(snapshots):
            self._lost(self._peer, True)
        if batch and not snapshots:
            self._lost(self._peer, False)

    def _is_broken(self) -> bool:
        """Whether the peer has closed the connection. It never writes, so only the end of its stream can arrive."""
        if self._reader is None or self._writer is None:
            return False
        return self._reader.at_eof() or self._writer.is_closing()

    def _disconnect(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


async def _drain(writer: asyncio.StreamWriter, patience_seconds: float) -> None:
    """Wait until everything is written. Raises TimeoutError once not a single byte was accepted for that long."""
    while True:
        before = writer.transport.get_write_buffer_size()
        try:
            async with asyncio.timeout(patience_seconds):
                await writer.drain()
            return
        except TimeoutError:
            if writer.transport.get_write_buffer_size() >= before:
                raise
