"""Sends to one peer: a queue, a connection that opens when messages wait, and the attempts to open it."""

import asyncio
import logging
from typing import Any

from ..errors import MessageTooLong, RangeError
from ..wire import consts as k
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message
from . import packets
from .addresses import Address
from .conversation import Event, Ponged
from .dialling import Dialled, Dialler
from .limits import PeerTraffic
from .pulse import Pulse
from .sendqueue import SendQueue
from .shared import Shared
from .streaming import Streams

__all__ = ["Outgoing"]

# An open connection is checked this many times in ``write_timeout_seconds``.
_LOOKS = 4
# A peer that was out of reach for so long is worth a warning, and then further ones, at last so far apart.
_GONE_SECONDS = 5.0
_WARN_SECONDS = 300.0


class _Link(Dialled):
    """The dialler's end of a connection for messages."""

    def __init__(self, owner: "Outgoing") -> None:
        super().__init__(owner.shared, owner.peer)
        self._owner = owner

    def happened(self, event: Event) -> None:
        if isinstance(event, Ponged):
            self._owner.confirmed(self, event.token)
        else:
            super().happened(event)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._owner.writable(self)

    def ended(self, error: BaseException | None) -> None:
        super().ended(error)
        self._owner.lost(self)


class Outgoing:
    """Sends messages to one peer, over one connection that it opens when messages wait.

    - All messages of one turn of the event loop leave in one write.
    - Messages that cannot be sent are dropped and reported: a message that finds the queue full, and the whole queue
      when connecting fails or the connection breaks.
    - Pings check the connection. It counts as broken about ``write_timeout_seconds`` after the peer's last sign of
      life: an answer to a ping or, while a ping waits behind other bytes, an acknowledgement of those bytes by the
      peer's system. An acknowledgement of the ping alone proves nothing, because the system of a hung process gives it.
    - Each attempt looks up names anew, and all addresses take turns.
    - The body of a snapshot takes a connection of its own (``streams``), so that it delays no message.
    - No call waits, except ``wait_ended``. After ``stop``, it awaits the tasks and sockets that take a moment to end.
    """

    def __init__(self, shared: Shared, peer: int, addresses: tuple[Address, ...], identity: int = 0) -> None:
        self.shared = shared
        self.peer = peer
        self.addresses = addresses
        limits = shared.limits
        self._queue = SendQueue(limits.queue_messages, limits.queue_bytes)
        self._connection: _Link | None = None
        self._task: asyncio.Task[None] | None = None
        self._flush_due: asyncio.Handle | None = None
        self._look_due: asyncio.TimerHandle | None = None
        self._pulse = Pulse(_LOOKS)
        self._ping_pending = False
        # Whether the connection has answered a ping. Without this, a peer that accepts connections and answers nothing
        # would be dialled again at once each time.
        self._answered = False
        # Where the unanswered ping ends in the stream, and how much of the stream was acknowledged at the last look.
        self._ping_at = 0
        self._acknowledged = 0
        self._dialler = Dialler(shared, peer, addresses, self._ended_later, identity)
        self.streams = Streams(self._dialler, self._ended_later)
        """The bodies of snapshots that are on their way to the peer."""
        self._pause = limits.retry_min_seconds
        self._earliest = 0.0
        self._had_connection = False
        # Since when attempts fail, and when to warn of it next.
        self._gone_since: float | None = None
        self._warn_at = 0.0
        self._reported: dict[int, float] = {}
        self._ending: list[asyncio.Future[Any]] = []
        self._stopped = False

    @property
    def address(self) -> Address:
        """The first address."""
        return self.addresses[0]

    def counters(self) -> PeerTraffic:
        """Return the present counters of this peer."""
        queue = self._queue
        messages, size = self.shared.received.get(self.peer, (0, 0))
        return PeerTraffic(
            sent_messages=queue.written_messages,
            sent_bytes=queue.written_bytes,
            received_messages=messages,
            received_bytes=size,
            queued_messages=len(queue),
            queued_bytes=queue.queued_bytes,
            is_connected=self._connection is not None,
        )

    # -- messages

    def put(self, group: int, m: Message) -> None:
        """Queue a message. Never waits. Raises MessageTooLong, after reporting the loss, if it fits into no frame."""
        traffic = self.shared.traffic
        snapshot = m.type == k.SNAP
        if snapshot and self.streams.put(group, m):
            return
        try:
            data = m.encode()
        except RangeError as error:
            text = "%s to %x has no encoding and is dropped: %s"
            self.shared.log(logging.ERROR, ("encoding", self.peer), text, m.type, self.peer, error)
            self._drop_one(group, snapshot)
            return
        if len(data) > packets.message_bytes_max(self.shared.limits.frame_bytes):
            text = f"{m.type} of {len(data)} bytes to {self.peer:x} does not fit into a frame"
            self.shared.log(logging.WARNING, ("long", self.peer), "%s: dropped", text)
            traffic.too_long_messages += 1
            self._drop_one(group, snapshot)
            raise MessageTooLong(text, [m])
        if not self._queue.put(group, data, snapshot):
            traffic.queue_full_messages += 1
            self._drop_one(group, snapshot)
            return
        if self._flush_due is None:
            if self._connection is not None:
                if not self._connection.paused:
                    self._flush_due = self.shared.loop.call_soon(self._flush_now)
            elif self._task is None:
                self._dial()

    def flush(self) -> None:
        """Write the waiting messages now, and not at the end of this turn of the event loop."""
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_now()

    def _flush_now(self) -> None:
        self._flush_due = None
        connection, queue = self._connection, self._queue
        if connection is None:
            return
        traffic = self.shared.traffic
        while not connection.paused and connection.is_usable:
            messages, size = queue.written_messages, queue.written_bytes
            piece = queue.next_piece()
            if piece is None:
                return
            data, ends_snapshot = piece
            if ends_snapshot:
                connection.write(data)
                data = packets.encode_token(packets.PING, queue.next_token())
            connection.write(data)
            traffic.sent_messages += queue.written_messages - messages
            traffic.sent_bytes += queue.written_bytes - size

    def _drop_one(self, group: int, snapshot: bool) -> None:
        self.shared.traffic.dropped_messages += 1
        if snapshot:
            self.shared.snapshot(self.peer, group, SnapshotStatus.FAILURE)
        self._unreachable([group])

    def _give_up(self) -> None:
        """Drop all waiting and unconfirmed messages, and report them."""
        lost = self._queue.give_up()
        self.shared.traffic.dropped_messages += lost.messages
        for group in lost.snapshots:
            self.shared.snapshot(self.peer, group, SnapshotStatus.FAILURE)
        self._unreachable(lost.groups)

    def _unreachable(self, groups: list[int]) -> None:
        now = self.shared.loop.time()
        due = [g for g in groups if now - self._reported.get(g, -1e9) >= self.shared.limits.report_seconds]
        for group in due:
            self._reported[group] = now
        self.shared.unreachable(self.peer, due)

    # -- the connection that is open

    def confirmed(self, connection: _Link, token: int) -> None:
        """The peer has answered a ping."""
        if connection is not self._connection:
            return
        self._pulse.heard()
        self._ping_pending = False
        self._answered = True
        self._pause = self.shared.limits.retry_min_seconds
        for group in self._queue.confirm(token):
            self.shared.snapshot(self.peer, group, SnapshotStatus.FINISH)

    def writable(self, connection: _Link) -> None:
        """Write on: the operating system accepts bytes again."""
        if connection is self._connection:
            self._flush_now()

    def lost(self, connection: _Link) -> None:
        """Drop the open connection, which has broken."""
        if connection is self._connection:
            self._drop_connection(in_silence=False)

    def _opened(self, connection: _Link) -> None:
        traffic = self.shared.traffic
        traffic.connects += 1
        traffic.reconnects += self._had_connection
        self._had_connection = True
        self._gone_since = None
        self._connection = connection
        self._pulse = Pulse(_LOOKS)
        self._ping_pending = self._answered = False
        self._acknowledged = connection.acknowledged_bytes
        text = "%x is connected to %x at %s"
        self.shared.log(logging.DEBUG, ("connected", self.peer), text, self.shared.id, self.peer, connection.where)
        self._flush_now()
        self._look()

    def _look(self) -> None:
        """Drop the open connection if the peer was silent for too long; otherwise ping it and look again later."""
        connection = self._connection
        if connection is None:
            return
        acknowledged = connection.acknowledged_bytes
        if acknowledged > self._acknowledged and not (self._ping_pending and acknowledged >= self._ping_at):
            # The peer's system acknowledges the bytes before the ping. Once it has those, its process has to answer.
            self._pulse.heard()
        self._acknowledged = acknowledged
        if not self._pulse.look():
            self._drop_connection(in_silence=True)
            return
        # No ping fits into the middle of a large message; there, the acknowledgements of its bytes count.
        if not self._ping_pending and not self._queue.is_within_message:
            self._ping_pending = True
            connection.ping(self._queue.next_token())
            self._ping_at = connection.written_bytes
        interval = self.shared.limits.write_timeout_seconds / _LOOKS
        self._look_due = self.shared.loop.call_later(interval, self._look)

    def _drop_connection(self, in_silence: bool) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._look_due is not None:
            self._look_due.cancel()
        if self._flush_due is not None:
            self._flush_due.cancel()
            self._flush_due = None
        connection.abort()
        self._ended_later(connection.gone)
        if self._stopped:
            return
        if in_silence or self._queue.is_unconfirmed:
            self.shared.traffic.broken_connections += 1
            how = "fell silent" if in_silence else "broke"
            text = "%x: the connection to %x %s"
            self.shared.log(logging.INFO, ("broke", self.peer), text, self.shared.id, self.peer, how)
        if not self._answered:
            self._earliest = self.shared.loop.time() + self._next_pause()
        self._give_up()
        # The reports may have made the application send new messages, which wait already.
        if self._queue and self._task is None:
            self._dial()

    # -- connecting

    def _dial(self) -> None:
        name = f"raftcy transport {self.shared.id:x} to {self.peer:x}"
        self._task = self.shared.loop.create_task(self._connect_on(), name=name)
        self._task.add_done_callback(self._dialled)

    def _dialled(self, task: asyncio.Task[None]) -> None:
        if task is not self._task:
            return
        self._task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.shared.failed(error, f"connecting to {self.peer:x}")
        if self._stopped:
            return
        if task.cancelled() or error is not None:
            self._earliest = self.shared.loop.time() + self._next_pause()
            self._give_up()
        if self._queue and self._connection is None and self._task is None:
            self._dial()

    async def _connect_on(self) -> None:
        """Try until a connection is open, or no message waits."""
        loop = self.shared.loop
        while True:
            wait = self._earliest - loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            try:
                connection = await self._dialler.connect(lambda: _Link(self))
            except (OSError, UnicodeError, OverflowError) as error:
                self.shared.traffic.failed_dials += 1
                self._not_reached(error)
            else:
                self._opened(connection)
                return
            self._earliest = loop.time() + self._next_pause()
            self._give_up()
            if not self._queue:
                return

    def _not_reached(self, error: Exception) -> None:
        """Log a failed attempt: as a warning if the peer has been out of reach for long, then ever less often."""
        shared = self.shared
        now = shared.loop.time()
        if self._gone_since is None:
            self._gone_since, self._warn_at = now, now + _GONE_SECONDS
        if now < self._warn_at:
            text = "no connection from %x to %x: %s"
            shared.log(logging.DEBUG, ("dial", self.peer), text, shared.id, self.peer, error)
            return
        gone = now - self._gone_since
        self._warn_at = now + min(max(gone, _GONE_SECONDS), _WARN_SECONDS)
        text = "%x has not reached %x for %.0f s: %s"
        shared.log(logging.WARNING, ("gone", self.peer), text, shared.id, self.peer, gone, error)

    def _next_pause(self) -> float:
        pause = self._pause
        self._pause = min(2 * pause, self.shared.limits.retry_max_seconds)
        return pause * (1 - self.shared.random.random() / 2)

    async def probe(self) -> packets.Hello:
        """Open a connection, close it again, and return the hello of the other end.

        Raises OSError if nobody answers, and its subclass ConnectionError if the other end refuses.
        """
        connection = await self._dialler.connect(lambda: Dialled(self.shared, self.peer))
        connection.abort()
        self._ended_later(connection.gone)
        theirs = connection.speech.theirs
        if theirs is None:
            raise ConnectionResetError("the connection was closed")
        return theirs

    # -- the end

    def stop(self) -> None:
        """End everything at once. Report unconfirmed snapshots as failed, and nothing else."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            self._ended_later(self._task)
        self._dialler.stop()
        self.streams.stop()
        self._drop_connection(in_silence=False)
        for group in self._queue.give_up().snapshots:
            self.shared.snapshot(self.peer, group, SnapshotStatus.FAILURE)

    async def wait_ended(self) -> None:
        """Wait until all tasks and sockets are gone, after ``stop``."""
        while self._ending:
            await asyncio.wait(self._ending)

    def _ended_later(self, future: "asyncio.Future[Any]") -> None:
        if not future.done():
            self._ending.append(future)
            future.add_done_callback(self._ending.remove)
