"""What other nodes send: the listening socket and a task for each connection."""

import asyncio
import logging

from ..errors import DecodeError, RaftError, StepError, Stopped
from ..wire import consts as k
from ..wire.kinds import refuse_from_network
from ..wire.messages import Message
from . import frame
from .limits import Limits, Traffic
from .receiver import Receiver

_CHUNK_BYTES = 1 << 16
# So many messages at most are given to the receiver in one call: in between, the rest of the event loop may run.
_BATCH = 64
_FORWARDED = (k.PROP, k.READ_INDEX, k.TRANSFER_LEADER)


class Incoming:
    """Accepts connections, reads messages and gives them to the receiver, those of a connection in their order.

    What arrives together is given in one call. A connection ends at the first bytes that are no frame or no message;
    what came before them is given still. A message to another node, and one that the receiver refuses, is ignored, and
    no other with it. Forwarded proposals go through a bounded queue of their own, because the receiver
    keeps them while it knows no leader, and everything else must go on meanwhile.
    """

    def __init__(self, own: int, receiver: Receiver, limits: Limits, traffic: Traffic) -> None:
        self._own = own
        self._receiver = receiver
        self._limits = limits
        self._traffic = traffic
        self._log = logging.getLogger("raftcy.transport")
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        # Forwarded proposals that wait for a leader, each with its size; the one with the node counts as well.
        self._proposals: asyncio.Queue[tuple[Message, int]] = asyncio.Queue(limits.waiting_proposals)
        self._waiting_bytes = 0
        # Of frames that are not complete, on all connections.
        self._pending_bytes = 0
        self._proposer: asyncio.Task[None] | None = None

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept connections at an address; the port may be 0. Returns the address; OSError if it cannot be had."""
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
        # A task of our own: before Python 3.12 the one that asyncio would make complains when it is cancelled.
        if len(self._connections) >= self._limits.connections:
            where = writer.get_extra_info("peername")
            self._log.warning("%x has too many connections: one from %s closed", self._own, where)
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
            self._log.debug("%x is stopped: connection from %s closed", self._own, where)
        except (OSError, EOFError) as error:
            self._log.debug("connection from %s to %x broke: %s", where, self._own, error)
        except DecodeError as error:
            self._log.warning("connection from %s to %x closed: %s", where, self._own, error)
        except RaftError as error:
            self._log.error("%x died of a message from %s: %s", self._own, where, error)
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, where: object) -> None:
        async with asyncio.timeout(self._limits.hello_seconds):
            head = await reader.readexactly(frame.HELLO_FRAME_BYTES)
        sender = frame.decode_hello(head)
        self._log.debug("connection from %x at %s to %x", sender, where, self._own)
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
                    raise DecodeError("frames that are not complete take too many bytes", frames.consumed_bytes)
        finally:
            self._pending_bytes -= pending

    async def _deliver(self, payloads: list[bytes | bytearray], sender: int) -> None:
        """Give the receiver the messages of some frames; DecodeError at one that holds none, after those before it."""
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
            if m.to != self._own:
                self._traffic.ignored_messages += 1
                continue
            reason = refuse_from_network(m) or self._refuse_own(m)
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
        self._log.warning("%s from %x to %x ignored: %s", m.type, sender, self._own, reason)

    def _refuse_own(self, m: Message) -> str | None:
        """Why a message that says it comes from this very node is not taken: it may acknowledge what is not stored.

        What is forwarded comes back with its first sender, and asks for no more than anybody may ask for.
        """
        return "it says that it comes from here" if m.from_ == self._own and m.type not in _FORWARDED else None

    def _put_proposal(self, m: Message, size: int) -> str | None:
        if self._proposals.full():
            return "too many proposals wait for a leader"
        if self._waiting_bytes and self._waiting_bytes + size > self._limits.waiting_proposal_bytes:
            return "proposals of too many bytes wait for a leader"
        self._waiting_bytes += size
        self._proposals.put_nowait((m, size))
        return None

    async def _propose(self) -> None:
        while True:
            m, size = await self._proposals.get()
            try:
                await self._receiver.step(m)
            except StepError as error:
                self._traffic.ignored_messages += 1
                self._log.warning("%s from %x ignored: %s", m.type, m.from_, error)
            except RaftError as error:
                self._log.debug("%x takes no more proposals: %s", self._own, error)
                return
            finally:
                self._waiting_bytes -= size
