"""Receives what other nodes send: a listening socket, and a task per connection."""

import asyncio
import logging

from ..errors import DecodeError, NotNow, ProposalDropped, RaftError, StepError, Stopped
from ..wire import consts as k
from ..wire.kinds import refuse_from_network
from ..wire.messages import Message
from . import frame
from .limits import Limits, Traffic
from .receiver import Receiver

_CHUNK_BYTES = 1 << 16
# The most messages passed to the receiver in one call. Between calls the rest of the event loop gets to run.
_BATCH = 64
_FORWARDED = (k.PROP, k.READ_INDEX, k.TRANSFER_LEADER)


class Incoming:
    """Accepts connections, reads messages, and passes them to the receiver.

    - Messages of one connection keep their order. Those that arrive together are passed in one call.
    - A connection is closed at the first bytes that are not a valid frame or message. The receiver still gets every
      message before them.
    - A message for another node, or one that the receiver refuses, is skipped by itself; those after it are delivered.
    - Forwarded proposals go through a separate, bounded queue. The receiver holds them while it knows no leader, and
      the messages that would elect one must not wait behind them.
    """

    def __init__(self, id: int, receiver: Receiver, limits: Limits, traffic: Traffic) -> None:
        self._id = id
        self._receiver = receiver
        self._limits = limits
        self._traffic = traffic
        self._log = logging.getLogger("raftcy.transport")
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        # Forwarded proposals that wait for a leader, each with its size, and the sum of their sizes. The sum includes
        # the proposal that the receiver is handling.
        self._proposals: asyncio.Queue[tuple[Message, int]] = asyncio.Queue(limits.waiting_proposals)
        self._waiting_bytes = 0
        # Bytes of incomplete frames, over all connections.
        self._pending_bytes = 0
        self._proposer: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept connections at an address and return it; port 0 picks a free port. Raises OSError if that fails."""
        self._server = await asyncio.start_server(self._accept, host, port)
        self._proposer = asyncio.get_running_loop().create_task(self._propose(), name="raftcy transport proposals")
        bound = self._server.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    async def close(self) -> None:
        """Close the socket and all connections."""
        if self._server is not None:
            self._server.close()
        tasks = [*self._connections, *([self._proposer] if self._proposer else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Create the task here: before Python 3.12, a task created by asyncio logs an error when it is cancelled.
        if len(self._connections) >= self._limits.connections:
            where = writer.get_extra_info("peername")
            self._log.warning("%x has too many connections: closed a new one from %s", self._id, where)
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._connection(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        where = writer.get_extra_info("peername")
        try:
            await self._serve(reader, where)
        except Stopped:
            self._log.debug("%x is stopped: connection from %s closed", self._id, where)
        except (OSError, EOFError) as error:
            self._log.debug("connection from %s to %x broke: %s", where, self._id, error)
        except DecodeError as error:
            self._log.warning("connection from %s to %x closed: %s", where, self._id, error)
        except RaftError as error:
            self._log.error("%x died while handling a message from %s: %s", self._id, where, error)
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, where: object) -> None:
        async with asyncio.timeout(self._limits.hello_seconds):
            head = await reader.readexactly(frame.HELLO_FRAME_BYTES)
        sender = frame.decode_hello(head)
        self._log.debug("connection from %x at %s to %x", sender, where, self._id)
        frames = frame.FrameDecoder()
        pending = 0
        try:
            while chunk := await reader.read(_CHUNK_BYTES):
                payloads = frames.feed(chunk)
                for at in range(0, len(payloads), _BATCH):
                    await self._deliver(payloads[at : at + _BATCH], sender)
                self._pending_bytes += frames.pending_bytes - pending
                pending = frames.pending_bytes
                if self._pending_bytes > self._limits.pending_bytes:
                    raise DecodeError("incomplete frames take too many bytes", frames.consumed_bytes)
        finally:
            self._pending_bytes -= pending

    async def _deliver(self, payloads: list[bytes | bytearray], sender: int) -> None:
        """Pass the messages of some frames to the receiver.

        Raises DecodeError for a frame without a valid message, after passing on the messages before it.
        """
        batch: list[Message] = []
        broken: DecodeError | None = None
        for payload in payloads:
            self._traffic.received_messages += 1
            self._traffic.received_bytes += len(payload)
            try:
                m = Message.decode(payload)
            except DecodeError as error:
                broken = error
                break
            if m.to != self._id:
                self._traffic.ignored_messages += 1
                continue
            reason = refuse_from_network(m) or self._refuse_impersonation(m)
            if reason is None and m.type == k.PROP:
                reason = self._put_proposal(m, len(payload))
            elif reason is None:
                batch.append(m)
            if reason is not None:
                self._ignore(m, sender, reason)
        if batch:
            for place, refusal in await self._receiver.step_many(batch):
                self._ignore(batch[place], sender, str(refusal))
        if broken is not None:
            raise broken

    def _ignore(self, m: Message, sender: int, reason: str) -> None:
        self._traffic.ignored_messages += 1
        self._log.warning("%s from %x to %x ignored: %s", m.type, sender, self._id, reason)

    def _refuse_impersonation(self, m: Message) -> str | None:
        """Return why a message that names this very node as its sender is refused, or None.

        It could acknowledge entries that this node has not stored. Requests that peers forward are accepted: they keep
        their first sender, which may be this node, and ask for nothing that any peer could not ask for.
        """
        return "it names this node as its sender" if m.from_ == self._id and m.type not in _FORWARDED else None

    def _put_proposal(self, m: Message, size: int) -> str | None:
        if self._proposals.full():
            return "too many forwarded proposals wait for a leader"
        if self._waiting_bytes and self._waiting_bytes + size > self._limits.waiting_proposal_bytes:
            return "too many bytes of forwarded proposals wait for a leader"
        self._waiting_bytes += size
        self._proposals.put_nowait((m, size))
        return None

    async def _propose(self) -> None:
        while True:
            m, size = await self._proposals.get()
            try:
                await self._receiver.step(m)
            except (StepError, ProposalDropped, NotNow) as error:
                self._traffic.ignored_messages += 1
                self._log.warning("%s from %x ignored: %s", m.type, m.from_, error)
            except RaftError as error:
                self._log.debug("%x accepts no more forwarded proposals: %s", self._id, error)
                return
            finally:
                self._waiting_bytes -= size
