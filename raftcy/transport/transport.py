"""Transport: carries the messages between one node and the others."""

import logging
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from ..errors import RaftError, Stopped
from ..wire import consts as k
from ..wire.enums import SnapshotStatus
from ..wire.kinds import is_local_msg_target
from ..wire.messages import Message
from .incoming import Incoming
from .limits import Limits, Traffic
from .outgoing import Outgoing
from .receiver import Receiver

Address = tuple[str, int]


class Transport:
    """Sends and receives the messages of one node over TCP, for asyncio.

    Each node listens, and connects to every peer that it has messages for. A connection carries messages in one
    direction, from the node that opened it. Messages may be lost. The transport reports losses to the node, so that
    raft can react: ``report_unreachable`` for dropped messages, ``report_snapshot`` for the outcome of each MsgSnap.
    After a failure to connect it waits, longer each time, and then tries again with later messages. ``limits`` bounds
    its memory.

    ``id`` is the id of the node, ``receiver`` the node itself, and ``peers`` maps the other nodes' ids to their
    addresses. Create it inside a running event loop and call it only from that loop's thread.

    There is no encryption and no authentication: use it on loopback or in a trusted network only. Anybody who can
    connect can speak as any node.
    """

    def __init__(
        self, id: int, receiver: Receiver, peers: Mapping[int, Address] | None = None, limits: Limits | None = None
    ) -> None:
        self._id = id
        self._receiver = receiver
        self._limits = limits or Limits()
        self.traffic = Traffic()
        self._log = logging.getLogger("raftcy.transport")
        self._incoming = Incoming(id, receiver, self._limits, self.traffic)
        self._outgoing: dict[int, Outgoing] = {}
        for peer, address in (peers or {}).items():
            self._add(peer, address)

    async def listen(self, host: str, port: int) -> Address:
        """Accept connections from other nodes at an address, and return it. Port 0 picks a free port.

        Raises OSError if it cannot listen there.
        """
        return await self._incoming.listen(host, port)

    async def set_peer(self, id: int, address: Address | None) -> None:
        """Set the address of a peer; None forgets the peer. If the address changes, queued messages are discarded.

        Raises ValueError if ``id`` is the id of this node.
        """
        known = self._outgoing.get(id)
        if known is not None and known.address == address:
            return
        if known is not None:
            del self._outgoing[id]
            await known.close()
        if address is not None:
            self._add(id, address)

    def send(self, messages: Iterable[Message]) -> None:
        """Send each message to the peer in its ``to``. Never waits.

        A message to a peer without an address is dropped and reported. Raises ValueError for a message to a storage
        thread, which the application must handle itself.
        """
        for m in messages:
            if is_local_msg_target(m.to):
                raise ValueError(f"{m.type} is for a storage thread, not for the network")
            outgoing = self._outgoing.get(m.to)
            if outgoing is None:
                self.traffic.dropped_messages += 1
                self._lost(m.to, m.type == k.SNAP)
            else:
                outgoing.put(m)

    async def close(self) -> None:
        """Close all connections and discard queued messages. Calling it again does nothing."""
        await self._incoming.close()
        while self._outgoing:
            _, outgoing = self._outgoing.popitem()
            await outgoing.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _add(self, peer: int, address: Address) -> None:
        if peer == self._id:
            raise ValueError(f"{peer} is the id of this node, not of a peer")
        self._outgoing[peer] = Outgoing(self._id, peer, address, self._lost, self._written, self._limits, self.traffic)

    def _lost(self, peer: int, snapshot: bool) -> None:
        if snapshot:
            self._report_snapshot(peer, SnapshotStatus.FAILURE)
        try:
            self._receiver.report_unreachable(peer)
        except Stopped:
            return
        except RaftError as error:
            self._log.error("%x died: %s", self._id, error)

    def _written(self, peer: int) -> None:
        self._report_snapshot(peer, SnapshotStatus.FINISH)

    def _report_snapshot(self, peer: int, status: SnapshotStatus) -> None:
        try:
            self._receiver.report_snapshot(peer, status)
        except Stopped:
            return
        except RaftError as error:
            self._log.error("%x died: %s", self._id, error)
