"""Hands the messages of a connection to the receivers of their groups."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from ..errors import DecodeError, RaftError, Stopped
from ..wire import consts as k
from ..wire.kinds import refuse_from_network
from ..wire.messages import Message
from . import packets
from .connection import Connection
from .receiver import DirectReceiver, Receiver
from .shared import Shared

__all__ = ["Feed", "Proposals"]

# The most messages in one call of a receiver. Between calls, other tasks of the event loop run.
_BATCH = 64
_DIRECT_BATCH = 256
_FORWARDED = (k.PROP, k.READ_INDEX, k.TRANSFER_LEADER)


class Proposals:
    """The forwarded proposals of one group that wait for their receiver, which may wait for a leader.

    A separate task delivers them. If they shared the task of the other messages, the votes that would elect a leader
    would wait behind a proposal that waits for that leader.
    """

    def __init__(self, shared: Shared, group: int) -> None:
        self._shared = shared
        self._group = group
        self._queue: deque[tuple[Message, int]] = deque()
        # The sum of their sizes, including the proposal that the receiver is handling.
        self._bytes = 0
        self.task: asyncio.Task[None] | None = None

    def put(self, m: Message, size: int) -> str | None:
        """Add a proposal and return None, or return why it has no room."""
        limits = self._shared.limits
        reason = None
        if len(self._queue) >= limits.waiting_proposals:
            reason = "too many forwarded proposals wait for a leader"
        elif self._bytes and self._bytes + size > limits.waiting_proposal_bytes:
            reason = "too many bytes of forwarded proposals wait for a leader"
        if reason is not None:
            self._shared.traffic.overloaded_proposals += 1
            return reason
        self._bytes += size
        self._queue.append((m, size))
        if self.task is None:
            self._begin()
        return None

    def _begin(self) -> None:
        name = f"raftcy transport proposals of {self._shared.id:x}"
        self.task = self._shared.loop.create_task(self._hand_on(), name=name)
        self.task.add_done_callback(self._ended)

    async def _hand_on(self) -> None:
        while self._queue:
            receiver = self._shared.receivers.get(self._group)
            if receiver is None or self._group in self._shared.over or isinstance(receiver, DirectReceiver):
                self._shared.traffic.ignored_messages += len(self._queue)
                self._queue.clear()
                self._bytes = 0
                return
            m, size = self._queue.popleft()
            try:
                await receiver.step(m)
            except Stopped:
                self._shared.traffic.ignored_messages += 1
                self._shared.over.add(self._group)
            except RaftError as error:
                self._shared.traffic.ignored_messages += 1
                text = "%s from %x ignored: %s"
                self._shared.log(logging.WARNING, ("proposal", type(error)), text, m.type, m.from_, error)
            except Exception as error:
                self._shared.traffic.ignored_messages += 1
                self._shared.failed(error, "the receiver's step")
            finally:
                self._bytes -= size

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.task = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._shared.failed(error, "the receiver's step")
        elif self._queue and not task.cancelled() and not self._shared.closed:
            # A proposal has come after the task found the queue empty, and before the loop called this.
            self._begin()
            return
        self._queue.clear()
        self._bytes = 0


class Feed:
    """Delivers the messages of one connection, in order, in calls of bounded size.

    - One call passes messages of one group that arrived together.
    - A message that must not be delivered, or that the receiver refuses, is skipped and counted; the others are
      delivered.
    - At the first bytes that do not decode as a message, the feed delivers everything before them and then calls
      ``malformed``.
    - While messages wait, the connection reads nothing more, so a slow receiver bounds the memory.
    """

    def __init__(
        self,
        shared: Shared,
        sender: int,
        connection: Connection,
        proposals: Callable[[int], Proposals],
        malformed: Callable[[Exception], None],
        only: int | None = None,
    ) -> None:
        self._shared = shared
        # The only group whose messages are delivered, None for all groups.
        self._only = only
        self._sender = sender
        self._connection = connection
        self._proposals = proposals
        self._malformed = malformed
        self._waiting: deque[bytes | bytearray] = deque()
        self._due: asyncio.Handle | None = None
        self._broken: DecodeError | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether messages wait, or the receiver is at work."""
        return bool(self._waiting) or self.task is not None

    @property
    def is_needed(self) -> bool:
        """Whether the feed has, or may still get, messages to deliver."""
        return self.is_busy or self._connection.is_usable

    def add(self, payloads: list[bytes | bytearray]) -> None:
        """Deliver messages: at once if no others wait, otherwise after them."""
        self._waiting.extend(payloads)
        if self.task is None and self._due is None:
            self._work()

    def stop(self) -> None:
        """Deliver nothing more."""
        self._waiting.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self.task is not None:
            self.task.cancel()

    def _work(self) -> None:
        """Deliver one batch, and arrange for the rest."""
        self._due = None
        group, batch = self._next_batch(_DIRECT_BATCH)
        if batch:
            receiver: Any = self._shared.receivers.get(group)
            # ``attach`` has looked up the kind once: an isinstance check of a protocol takes longer than a delivery.
            if group in self._shared.direct:
                self._direct(group, receiver, batch)
            elif receiver is not None:
                name = f"raftcy transport from {self._sender:x} to {self._shared.id:x}"
                self.task = self._shared.loop.create_task(self._deliver(group, receiver, batch), name=name)
                self.task.add_done_callback(self._ended)
                self._connection.pause_reading()
                return
        if self._closes():
            return
        if self._waiting:
            self._connection.pause_reading()
            self._due = self._shared.loop.call_soon(self._work)
        else:
            self._connection.resume_reading()

    def _closes(self) -> bool:
        """Close the connection if it is malformed or serves no receiver, and return whether it was closed."""
        if self._broken is not None:
            self._malformed(self._broken)
        elif self._shared.serves_nobody:
            self._connection.abort()
        else:
            return False
        self._waiting.clear()
        return True

    def _direct(self, group: int, receiver: DirectReceiver, batch: list[Message]) -> None:
        try:
            refused = receiver.receive(batch)
        except Exception as error:
            self._lost(group, batch, error)
        except BaseException as error:
            self._panicked(error)
            raise
        else:
            self._refused(batch, refused)

    async def _deliver(self, group: int, receiver: Receiver, batch: list[Message]) -> None:
        """Deliver a batch to a receiver whose calls may wait, in parts of bounded size."""
        for at in range(0, len(batch), _BATCH):
            part = batch[at : at + _BATCH]
            if group in self._shared.over:
                self._shared.traffic.ignored_messages += len(part)
                continue
            try:
                refused = await receiver.step_many(part)
            except Exception as error:
                self._lost(group, part, error)
            else:
                self._refused(part, refused)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.task = None
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            self._panicked(error)
            return
        self._work()

    def _panicked(self, error: BaseException) -> None:
        """Drop all waiting messages and close the connection, after the receiver raised a BaseException."""
        self._shared.traffic.ignored_messages += len(self._waiting)
        self._waiting.clear()
        self._shared.failed(error, "the receiver")
        self._connection.abort()

    def _lost(self, group: int, batch: list[Message], error: Exception) -> None:
        """Count the messages of a call in which the receiver raised; they are lost."""
        self._shared.traffic.ignored_messages += len(batch)
        if isinstance(error, Stopped):
            self._shared.over.add(group)
        elif isinstance(error, RaftError):
            text = "%x dropped %d messages from %x: %r"
            kind = ("dropped", self._sender, type(error))
            self._shared.log(logging.ERROR, kind, text, self._shared.id, len(batch), self._sender, error)
        else:
            self._shared.failed(error, "the receiver")

    def _refused(self, batch: list[Message], refused: list[tuple[int, RaftError]]) -> None:
        for place, reason in refused:
            self._ignore(batch[place], str(reason))

    def _ignore(self, m: Message, reason: str) -> None:
        self._shared.traffic.ignored_messages += 1
        text = "%s from %x to %x ignored: %s"
        kind = ("ignored", self._sender, reason)
        self._shared.log(logging.WARNING, kind, text, m.type, self._sender, self._shared.id, reason)

    def _next_batch(self, most: int) -> tuple[int, list[Message]]:
        """Take at most ``most`` waiting messages, and return the deliverable ones of one group, with that group."""
        shared, waiting = self._shared, self._waiting
        traffic = shared.traffic
        batch: list[Message] = []
        group = -1
        messages_before, bytes_before = traffic.received_messages, traffic.received_bytes
        # Skipped messages count too. Otherwise a peer could hold up the event loop with messages that are skipped.
        for _ in range(most):
            if not waiting:
                break
            try:
                own = packets.group_of(waiting[0])
                if own != group and batch:
                    break
                group = own
                payload = waiting.popleft()
                size = len(payload) - packets.HEAD_BYTES
                traffic.received_messages += 1
                traffic.received_bytes += size
                m = Message.decode(memoryview(payload)[packets.HEAD_BYTES :])
            except DecodeError as error:
                self._broken = error
                waiting.clear()
                break
            reason = self.refuse(group, m)
            if reason is None and m.type == k.PROP and group not in shared.direct:
                reason = self._proposals(group).put(m, size)
            elif reason is None:
                batch.append(m)
            if reason is not None:
                self._ignore(m, reason)
        if traffic.received_messages > messages_before:
            size = traffic.received_bytes - bytes_before
            shared.count_received(self._sender, traffic.received_messages - messages_before, size)
        return group, batch

    def refuse(self, group: int, m: Message) -> str | None:
        """Return why a message must not be delivered, or None.

        A message must name the sender that the connection has proved; otherwise one member could acknowledge entries in
        another's name. A forwarded request keeps its first sender. That is safe, because the member that forwards it
        could make the same request itself.
        """
        traffic = self._shared.traffic
        if m.to != self._shared.id:
            traffic.foreign_messages += 1
            return f"it is for node {m.to:x}"
        if (reason := refuse_from_network(m)) is not None:
            traffic.forbidden_messages += 1
            return reason
        if m.from_ != self._sender and m.type not in _FORWARDED:
            traffic.foreign_messages += 1
            return f"it names {m.from_:x} as its sender"
        if self._only is not None and group != self._only:
            traffic.foreign_messages += 1
            return "its sender does not know its cluster yet, or this node does not"
        if group not in self._shared.receivers:
            traffic.groupless_messages += 1
            return "its group has no receiver here"
        if group in self._shared.over:
            return "its receiver has stopped"
        return None
