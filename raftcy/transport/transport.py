"""Transport: everything that one node sends to and takes from the others."""

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
    """The messages of one node over TCP, for asyncio.

    Each node listens, and connects to every peer that it has something for; a connection carries messages one way,
    from the one who opened it. Messages may be lost, and the node above is told: ``report_unreachable`` for what was
    dropped, ``report_snapshot`` for how each MsgSnap ended. A peer that cannot be reached is tried again with what
    comes later, after a pause that grows. Memory is bounded by ``limits``.

    ``id`` is the node's, ``receiver`` the node itself, ``peers`` the others' addresses by id. It is made inside a
    running event loop, and all calls come from that loop's thread. There is neither encryption nor authentication: it
    is for loopback and networks that are trusted.
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
        """Accept connections from the others at an address, whose port may be 0, and return the address.

        Raises OSError if it cannot be had.
        """
        return await self._incoming.listen(host, port)

    async def set_peer(self, id: int, address: Address | None) -> None:
        """Say where a peer is from now on; None forgets it. What is queued is forgotten if the address changes."""
        known = self._outgoing.get(id)
        if known is not None and known.address == address:
            return
        if known is not None:
            del self._outgoing[id]
            await known.close()
        if address is not None:
            self._add(id, address)

    def send(self, messages: Iterable[Message]) -> None:
        """Send messages, each to the peer that it names; never waits.

        What goes to a peer without an address is dropped and reported. ValueError for a message to a storage thread,
        which is the application's to handle.
        """
        for m in messages:
            if is_local_msg_target(m.to):
                raise ValueError(f"{m.type} is for a storage thread, not for the network")
            way = self._outgoing.get(m.to)
            if way is None:
                self.traffic.dropped_messages += 1
                self._lost(m.to, m.type == k.SNAP)
            else:
                way.put(m)

    async def close(self) -> None:
        """Close all connections; what is queued is forgotten. Calling it again does nothing."""
        await self._incoming.close()
        while self._outgoing:
            _, way = self._outgoing.popitem()
            await way.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _add(self, peer: int, address: Address) -> None:
        if peer == self._id:
            raise ValueError(f"{peer} is this node's own id")
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
