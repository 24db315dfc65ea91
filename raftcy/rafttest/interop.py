"""The connections of mixed clusters: what ``raftcy.rafttest wirepeer`` and the reference's peer speak.

The format is the published one: frames, the first of which names the sender, and an etcd Message in each of the others.
Connections carry messages one way, from the node that opened them, and nothing is ever said the other way. So a dead
connection is noticed late, and nobody proves who it is: this is for tests on one machine. ``raftcy.transport`` is for
everything else.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from ..errors import DecodeError, Stopped
from ..transport.frame import MAX_FRAME_BYTES, FrameDecoder, encode_frame
from ..transport.receiver import DirectReceiver
from ..wire.enums import MessageType, SnapshotStatus
from ..wire.kinds import refuse_from_network
from ..wire.messages import Message

__all__ = ["Address", "Interop", "decode_hello", "encode_hello"]

Address = tuple[str, int]

_HELLO = struct.Struct(">8sQ")
_MAGIC = b"RAFTWIR1"
_QUEUE_MESSAGES = 4096
_DIAL_SECONDS = 0.5
_PAUSE_SECONDS = 0.1
_FORWARDED = (MessageType.MSG_PROP, MessageType.MSG_READ_INDEX, MessageType.MSG_TRANSFER_LEADER)


def encode_hello(sender: int) -> bytes:
    """Return the frame that begins a connection."""
    return encode_frame(_HELLO.pack(_MAGIC, sender))


def decode_hello(payload: bytes | bytearray) -> int:
    """Return the sender that the first frame names. Raises DecodeError for anything else."""
    if len(payload) != _HELLO.size or payload[:8] != _MAGIC or not any(payload[8:]):
        raise DecodeError("the connection does not begin with a hello", 0)
    return int(_HELLO.unpack(payload)[1])


class _In(asyncio.Protocol):
    """A connection from another node."""

    def __init__(self, owner: "Interop") -> None:
        self._owner = owner
        self._frames = FrameDecoder()
        self._sender = 0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._owner.connections.add(self)

    def data_received(self, data: bytes) -> None:
        messages: list[Message] = []
        try:
            payloads = self._frames.feed(data)
            if payloads:
                self._read(payloads, messages)
                self._frames.feed(b"")
        except DecodeError:
            self.transport.abort()
        if messages:
            try:
                self._owner.receiver.receive(messages)
            except Stopped:
                self.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.connections.discard(self)

    def _read(self, payloads: list[bytes | bytearray], messages: list[Message]) -> None:
        own = self._owner.id
        for payload in payloads:
            if not self._sender:
                self._sender = decode_hello(payload)
                continue
            m = Message.decode(payload)
            # In this node's name another may only forward; the format does not say who else may say what.
            if m.to == own and refuse_from_network(m) is None and (m.from_ != own or m.type in _FORWARDED):
                messages.append(m)


class _Out(asyncio.Protocol):
    """What goes to another node: a queue, and a connection while there is something in it."""

    def __init__(self, owner: "Interop", peer: int, address: Address) -> None:
        self._owner = owner
        self._peer = peer
        self._address = address
        self._queue: deque[tuple[bytes, bool]] = deque()
        self._transport: Any = None
        self._paused = False
        self.task: asyncio.Task[None] | None = None

    def put(self, m: Message) -> None:
        """Send a message, or report it as lost."""
        data = m.encode()
        snapshot = m.type == MessageType.MSG_SNAP
        if len(self._queue) >= _QUEUE_MESSAGES or len(data) > MAX_FRAME_BYTES:
            self._lose([snapshot])
            return
        self._queue.append((data, snapshot))
        if self.task is None and self._transport is None:
            self.task = asyncio.get_running_loop().create_task(self._dial())
        else:
            self._write()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(encode_hello(self._owner.id))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._paused = False
        self._lose_all()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._write()

    def abort(self) -> None:
        """End it."""
        if self.task is not None:
            self.task.cancel()
        if self._transport is not None:
            self._transport.abort()

    async def _dial(self) -> None:
        try:
            async with asyncio.timeout(_DIAL_SECONDS):
                await asyncio.get_running_loop().create_connection(lambda: self, *self._address)
        except OSError:
            self._lose_all()
            await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self.task = None
        self._write()
        if self._queue and self._transport is None:
            self.task = asyncio.get_running_loop().create_task(self._dial())

    def _write(self) -> None:
        while self._queue and self._transport is not None and not self._paused:
            data, snapshot = self._queue.popleft()
            self._transport.write(encode_frame(data))
            if snapshot:
                self._owner.report(self._peer, SnapshotStatus.FINISH)

    def _lose_all(self) -> None:
        lost = [snapshot for _, snapshot in self._queue]
        self._queue.clear()
        self._lose(lost)

    def _lose(self, snapshots: list[bool]) -> None:
        for snapshot in snapshots:
            if snapshot:
                self._owner.report(self._peer, SnapshotStatus.FAILURE)
        if snapshots:
            self._owner.report(self._peer, None)


class Interop:
    """Sends and receives the messages of one node of a mixed cluster."""

    def __init__(self, id: int, receiver: DirectReceiver, peers: Mapping[int, Address]) -> None:
        self.id = id
        self.receiver = receiver
        self.connections: set[_In] = set()
        self._peers = {peer: _Out(self, peer, address) for peer, address in peers.items()}
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> Address:
        """Accept connections at an address, and return it. Raises OSError if that fails."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _In(self), host, port)
        bound = self._server.sockets[0].getsockname()
        return str(bound[0]), int(bound[1])

    def send(self, messages: Iterable[Message]) -> None:
        """Send each message to the peer in its ``to``. One to nobody known is reported as lost."""
        for m in messages:
            peer = self._peers.get(m.to)
            if peer is not None:
                peer.put(m)
                continue
            if m.type == MessageType.MSG_SNAP:
                self.report(m.to, SnapshotStatus.FAILURE)
            self.report(m.to, None)

    def report(self, peer: int, status: SnapshotStatus | None) -> None:
        """Report how a snapshot ended, or that a peer is unreachable (None), unless the node has stopped."""
        with suppress(Stopped):
            if status is None:
                self.receiver.report_unreachable(peer)
            else:
                self.receiver.report_snapshot(peer, status)

    async def close(self) -> None:
        """End all connections."""
        if self._server is not None:
            self._server.close()
        tasks = [peer.task for peer in self._peers.values() if peer.task is not None]
        for peer in self._peers.values():
            peer.abort()
        for connection in list(self.connections):
            connection.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
