"""Sends the bodies of snapshots to one peer, each on a connection of its own.

Rules:

- The outcome of each MsgSnap is reported once: finished when the peer has stored the body and has the message, failed
  when the stream has made no progress for ``Limits.stream_give_up_seconds``, when the peer refuses it, when the body
  cannot be read, or at the end of the transport. Without a report, the leader would wait for that peer.
- A broken connection costs only the bytes on their way: the next one goes on after the bytes that the peer holds.
- A newer MsgSnap of a group replaces an older one, which is not reported: its report would pass for the newer one's.
- At most ``Limits.stream_window_bytes`` are on their way, and pauses keep to ``Limits.stream_bytes_per_second``.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ..errors import DecodeError, RaftError
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message
from . import streampackets as p
from .conversation import Event, Ponged, Streamed
from .depots import Source
from .dialling import Dialled, Dialler
from .pulse import Pulse

__all__ = ["Streams"]

# An open connection is checked this many times in ``write_timeout_seconds``.
_LOOKS = 4


class _Link(Dialled):
    """The dialler's end of a connection for one body. It is closed if the peer shows no sign of life.

    ``held`` is how much of the body the peer holds, None before it has said so. ``stored`` and ``failed`` are the
    outcome. ``news`` is set when anything changes.
    """

    streams = True

    def __init__(self, dialler: Dialler) -> None:
        super().__init__(dialler.shared, dialler.peer)
        self.held: int | None = None
        self.stored = False
        self.failed: str | None = None
        self.news = asyncio.Event()
        self._pulse = Pulse(_LOOKS)
        self._look_due: asyncio.TimerHandle | None = None
        self._acknowledged = self._ping_at = self._pings = 0
        self._ping_pending = False

    def happened(self, event: Event) -> None:
        if isinstance(event, Streamed):
            self._heard(event.payload)
        elif isinstance(event, Ponged):
            self._ping_pending = False
        else:
            super().happened(event)

    def _heard(self, payload: bytes | bytearray) -> None:
        self.news.set()
        try:
            if payload[0] == p.GOT:
                held = p.decode_got(payload)
                if self.held is not None and held < self.held:
                    raise DecodeError(f"{held} bytes of a snapshot were acknowledged after {self.held}", 0)
                self.held = held
            elif payload[0] == p.STORED:
                self.stored = True
            else:
                self.failed = p.decode_failed(payload)
        except DecodeError as error:
            self.broke_rules(error)
            self.abort()

    def data_received(self, data: bytes) -> None:
        self._pulse.heard()
        super().data_received(data)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.news.set()

    def ended(self, error: BaseException | None) -> None:
        super().ended(error)
        if self._look_due is not None:
            self._look_due.cancel()
        self.news.set()

    def look(self) -> None:
        """Close the connection if the peer was silent for too long; otherwise ping it and look again later."""
        if not self.is_usable:
            return
        acknowledged = self.acknowledged_bytes
        if acknowledged > self._acknowledged and not (self._ping_pending and acknowledged >= self._ping_at):
            # The peer's system acknowledges the bytes before the ping. Once it has those, its process has to answer.
            self._pulse.heard()
        self._acknowledged = acknowledged
        if not self._pulse.look():
            self.abort()
            return
        if not self._ping_pending:
            self._ping_pending = True
            self._pings += 1
            self.ping(self._pings)
            self._ping_at = self.written_bytes
        self._look_due = self.shared.loop.call_later(self.shared.limits.write_timeout_seconds / _LOOKS, self.look)


class _Stream:
    """One body on its way, over as many connections as it takes."""

    def __init__(self, dialler: Dialler, group: int, m: Message, source: Source, ended_later: Any) -> None:
        self.m = m
        self.source = source
        self.task: asyncio.Task[bool] | None = None
        self._dialler = dialler
        self._shared = dialler.shared
        self._group = group
        self._ended_later = ended_later
        self._progress_at = 0.0
        self._held = 0

    async def run(self) -> bool:
        """Send the body, and return whether the peer has stored it."""
        shared, limits = self._shared, self._shared.limits
        loop = shared.loop
        shared.traffic.streams_begun += 1
        self._progress_at = loop.time()
        pause = limits.retry_min_seconds
        while True:
            asked_at = loop.time()
            async with shared.streams:
                # The time that other streams took does not count.
                self._progress_at += loop.time() - asked_at
                before = self._held
                outcome = await self._try_once()
            if outcome is not None:
                return outcome
            if self._held > before:
                pause = limits.retry_min_seconds
            if loop.time() - self._progress_at > limits.stream_give_up_seconds:
                self._log("made no progress for %.0f s", limits.stream_give_up_seconds)
                return False
            await asyncio.sleep(pause * (1 - shared.random.random() / 2))
            pause = min(2 * pause, limits.retry_max_seconds)

    async def _try_once(self) -> bool | None:
        """Send over one connection. Return the outcome, None if the connection ended before it was known."""
        try:
            link = await self._dialler.connect(lambda: _Link(self._dialler))
        except (OSError, UnicodeError, OverflowError):
            return None
        try:
            link.look()
            return await self._send(link)
        except ConnectionError:
            return None
        except (RaftError, OSError) as error:
            self._log("cannot be read: %s", error)
            return False
        finally:
            link.abort()
            self._ended_later(link.gone)

    async def _send(self, link: _Link) -> bool:
        shared, source = self._shared, self.source
        link.write(p.encode_offer(self._group, source.size_bytes, self.m))
        while link.held is None:
            if await self._news(link):
                return link.stored
        at = link.held
        if at > source.size_bytes:
            raise ConnectionAbortedError("the peer claims to hold more than the whole body")
        shared.traffic.streams_resumed += at > 0
        while at < source.size_bytes:
            while link.paused or at - (link.held or 0) >= shared.limits.stream_window_bytes:
                if await self._news(link):
                    return link.stored
            piece = await source.read(at)
            if not link.is_usable:
                raise ConnectionResetError("the connection was closed")
            link.write(p.encode_piece(at, piece))
            at += len(piece)
            shared.traffic.stream_bytes += len(piece)
            wait = shared.stream_rate.take(len(piece), shared.loop.time())
            if wait > 0.001:
                await asyncio.sleep(wait)
        while not await self._news(link):
            pass
        return link.stored

    async def _news(self, link: _Link) -> bool:
        """Wait until something changes, and return whether the peer has said how the stream ended.

        Raises ConnectionError if the connection has ended.
        """
        await link.news.wait()
        link.news.clear()
        if link.held is not None and link.held > self._held:
            self._held = link.held
            self._progress_at = self._shared.loop.time()
        if link.failed is not None:
            self._log("is refused: %s", link.failed)
            return True
        if not link.stored and not link.is_usable:
            raise ConnectionResetError("the connection was closed")
        return link.stored

    def _log(self, what: str, *arguments: object) -> None:
        peer, metadata = self._dialler.peer, self.m.snapshot.metadata if self.m.snapshot is not None else None
        text = "%x: the snapshot %d for %x " + what
        index = 0 if metadata is None else metadata.index
        kind = ("stream", peer, self._group)
        self._shared.log(logging.WARNING, kind, text, self._shared.id, index, peer, *arguments)


class Streams:
    """The bodies that are on their way to one peer, one for each group."""

    def __init__(self, dialler: Dialler, ended_later: Callable[["asyncio.Future[Any]"], None]) -> None:
        self._dialler = dialler
        self._shared = dialler.shared
        self._ended_later = ended_later
        self._streams: dict[int, _Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def put(self, group: int, m: Message) -> bool:
        """Begin to send the body of a MsgSnap. Return False, and do nothing, if the message carries the state itself.

        Never waits. A message whose body is not there, or that finds too many waiting, is reported as failed.
        """
        shared = self._shared
        if shared.depot is None:
            return False
        try:
            source = shared.depot.source(group, m)
        except RaftError as error:
            shared.log(logging.ERROR, ("source", group), "%x cannot send a snapshot: %s", shared.id, error)
            self._report(group, SnapshotStatus.FAILURE)
            return True
        if source is None:
            return False
        before = self._streams.get(group)
        if before is not None and before.source.key == source.key and before.m.term == m.term:
            source.close()
            return True
        if before is None and len(self._streams) >= shared.limits.waiting_streams:
            source.close()
            self._report(group, SnapshotStatus.FAILURE)
            return True
        self._end(self._streams.pop(group, None))
        stream = _Stream(self._dialler, group, m, source, self._ended_later)
        self._streams[group] = stream
        name = f"raftcy transport snapshot {shared.id:x} to {self._dialler.peer:x}"
        stream.task = shared.loop.create_task(stream.run(), name=name)
        stream.task.add_done_callback(lambda task: self._ended(group, stream, task))
        return True

    def _ended(self, group: int, stream: _Stream, task: "asyncio.Task[bool]") -> None:
        stream.source.close()
        stored = False
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                self._shared.failed(error, f"sending a snapshot to {self._dialler.peer:x}")
            else:
                stored = task.result()
        if self._streams.get(group) is stream:
            del self._streams[group]
            if stored:
                self._shared.traffic.streams_stored += 1
            self._report(group, SnapshotStatus.FINISH if stored else SnapshotStatus.FAILURE)

    def _report(self, group: int, status: SnapshotStatus) -> None:
        if status == SnapshotStatus.FAILURE:
            self._shared.traffic.streams_failed += 1
        self._shared.snapshot(self._dialler.peer, group, status)

    def _end(self, stream: _Stream | None) -> None:
        if stream is not None and stream.task is not None:
            stream.task.cancel()
            self._ended_later(stream.task)

    def drop(self, group: int) -> None:
        """End the stream of a group, and report nothing."""
        self._end(self._streams.pop(group, None))

    def stop(self) -> None:
        """End everything, and report each snapshot as failed."""
        streams, self._streams = self._streams, {}
        for group, stream in streams.items():
            self._end(stream)
            self._report(group, SnapshotStatus.FAILURE)
