"""The transport: it carries messages between one node and the others."""

import asyncio
import random
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from ..errors import MessageTooLong, RangeError, TransportError
from ..wire import consts as k
from ..wire.enums import SnapshotStatus
from ..wire.kinds import is_local_msg_target
from ..wire.messages import Message
from .addresses import Address, Addresses, check_addresses, check_peer
from .depots import Depot
from .incoming import Incoming
from .limits import Limits, PeerTraffic, Traffic
from .outgoing import Outgoing
from .packets import ANYBODY, Hello, Refusal
from .policy import Policy, hear_all
from .receiver import DirectReceiver, Receiver
from .shared import Shared
from .tls import TLS

__all__ = ["Address", "Transport"]


class Transport:
    """Sends and receives the messages of one node over TCP, for asyncio.

    Each node listens, and connects to every peer that it has messages for. A connection carries messages in one
    direction, from the node that opened it. Messages may be lost. The transport reports losses to the node, so that
    raft can react: it calls ``report_unreachable`` for messages that may not have arrived, and ``report_snapshot`` for
    the outcome of each MsgSnap. After a failure to connect it drops the waiting messages, pauses, longer each time, and
    tries again with later messages. ``limits`` bounds its memory.

    ``id`` is the id of the node, ``receiver`` the node itself, and ``peers`` maps the other nodes' ids to their
    addresses. ``attach`` adds receivers for further groups. Create it inside a running event loop and call it only from
    that loop's thread. A cancelled call has had its whole effect or none. Of calls that contradict each other, the one
    that began last wins.

    Both ends of a connection introduce themselves, and each refuses the other if anything is wrong:

    - ``cluster``, 0 to 2**64-1, must be the same on all nodes.
      If ``newcomers`` is the id of a group, 0 means that a node does not know its cluster yet: such a node and nodes of
      any cluster may talk with each other, but in that group only.
    - ``identity`` is a number that the application draws when it makes the member and keeps with the member's data; 0
      means none. A peer that comes back with another identity has lost its data and its votes, and is refused.
    - ``nonce`` is drawn at each start, by the transport if it is None. Of two processes that run as the same member,
      the second is refused while the first is alive.
    - ``policy`` judges senders; see ``raftcy.transport.policy``.
    - ``tls`` has the settings of TLS. Without it nothing is encrypted, and anybody who can connect can speak as any
      node. Omit it only on loopback or in a trusted network.

    ``depot`` keeps the bodies of snapshots that do not fit into a message; see ``raftcy.transport.depots``. Without it,
    every snapshot goes in its message.

    ``advertise`` has the addresses at which this node wants to be reached. Whoever it is connected to may answer it
    there: a node that does not know it, because it lags behind the change that added this one, or that knows former
    addresses only.

    ``on_refused(peer, refusal)`` is called when a peer refuses this node. ``on_failure(error)`` is called for each
    unexpected exception, for example of the application's receiver; ``failure`` is the first of them. The transport
    goes on after it. ``source`` supplies the random part of pauses.
    """

    def __init__(
        self,
        id: int,
        receiver: Receiver | DirectReceiver,
        peers: Mapping[int, Addresses] | None = None,
        limits: Limits | None = None,
        *,
        cluster: int = 0,
        identity: int = 0,
        nonce: int | None = None,
        tls: TLS | None = None,
        policy: Policy = hear_all,
        advertise: Iterable[Address] = (),
        on_failure: Callable[[BaseException], object] | None = None,
        on_refused: Callable[[int, Refusal], object] | None = None,
        source: random.Random | None = None,
        newcomers: int | None = None,
        depot: Depot | None = None,
    ) -> None:
        check_peer(id, 0)
        for name, number in (("cluster", cluster), ("identity", identity), ("nonce", nonce or 0)):
            if not 0 <= number < 2**64:
                raise RangeError(f"{name} must be 0 to 2**64-1, not {number}")
        hello = Hello(
            sender=id,
            receiver=id,
            cluster=cluster,
            identity=identity,
            nonce=secrets.randbits(64) if nonce is None else nonce,
            addresses=tuple(advertise),
        )
        self._shared = Shared(
            hello, limits or Limits(), tls, policy, source or random.Random(), on_failure, on_refused, newcomers, depot
        )
        self._shared.attach(0, receiver)
        self._incoming = Incoming(self._shared)
        self._outgoing: dict[int, Outgoing] = {}
        # To connected senders that are no peers, at the addresses that their hellos give.
        self._guests: dict[int, Outgoing] = {}
        # Stopped ones, which may still have tasks or sockets.
        self._ending: list[Outgoing] = []
        for peer, addresses in (peers or {}).items():
            self._set(check_peer(peer, id), check_addresses(addresses))

    @property
    def traffic(self) -> Traffic:
        """The live counters. ``counters`` returns a copy."""
        return self._shared.traffic

    @property
    def failure(self) -> BaseException | None:
        """The first unexpected exception, None before one has happened."""
        return self._shared.failure

    @property
    def peers(self) -> dict[int, tuple[Address, ...]]:
        """The addresses of each peer."""
        return {id: outgoing.addresses for id, outgoing in self._outgoing.items()}

    @property
    def hello(self) -> Hello:
        """The hello that this node sends. Its ``receiver`` has no meaning here."""
        return self._shared.hello

    def counters(self) -> Traffic:
        """Return a copy of the counters."""
        return replace(self._shared.traffic)

    def by_peer(self) -> dict[int, PeerTraffic]:
        """Return the counters of each peer."""
        return {id: outgoing.counters() for id, outgoing in self._outgoing.items()}

    def attach(self, group: int, receiver: Receiver | DirectReceiver) -> None:
        """Deliver the messages of a group to a receiver, which replaces the group's present one.

        Group 0 belongs to the receiver that the transport was created with.

        Raises RangeError unless ``group`` is 0 to 2**64-1.
        """
        if not 0 <= group < 2**64:
            raise RangeError(f"group must be 0 to 2**64-1, not {group}")
        self._shared.attach(group, receiver)

    def detach(self, group: int) -> None:
        """Stop delivering to a group. Its messages are ignored and counted from now on."""
        self._shared.detach(group)
        self._incoming.detach(group)
        for outgoing in self._outgoing.values():
            outgoing.streams.drop(group)

    async def listen(self, host: str, port: int) -> Address:
        """Accept connections from other nodes at an address, and return it. Port 0 picks a free port.

        Raises OSError if it cannot listen there, and TransportError if it listens already or is closed.
        """
        return await self._incoming.listen(host, port)

    async def find(self, host: str, port: int) -> Hello:
        """Return the hello of the node that listens at an address, for a node that knows an address and no id.

        Raises BadPeer if nothing can connect there, OSError if nobody answers, its subclass ConnectionError if the node
        refuses this one, and TransportError if the transport is closed.
        """
        if self._shared.closed:
            raise TransportError("the transport is closed")
        outgoing = Outgoing(self._shared, ANYBODY, check_addresses((host, port)))
        try:
            return await outgoing.probe()
        finally:
            self._stop(outgoing)
            await self._wait_ended()

    async def set_peer(self, id: int, address: Addresses | None, *, identity: int = 0) -> None:
        """Set the address of a peer, or several of them; None forgets the peer.

        If the addresses change, queued messages are discarded. The change happens at once; the call only waits for the
        end of the former connection. ``identity`` is the peer's; with 0, the transport learns it from the peer's first
        connection.

        Raises BadPeer if no node may have ``id``, if it is this node's, or if nothing can connect to an address. Raises
        TransportError if the transport is closed.
        """
        check_peer(id, self._shared.id)
        if address is None:
            await self.remove_peer(id)
            return
        addresses = check_addresses(address)
        if self._shared.closed:
            raise TransportError("the transport is closed")
        self._set(id, addresses, identity)
        await self._wait_ended()

    async def remove_peer(self, id: int) -> None:
        """Forget a peer, and close its connections. The policy decides whether the peer may connect again."""
        self._shared.known.pop(id, None)
        self._shared.received.pop(id, None)
        for those in (self._outgoing, self._guests):
            outgoing = those.pop(id, None)
            if outgoing is not None:
                self._stop(outgoing)
                self._incoming.drop(id)
        await self._wait_ended()

    def send(self, messages: Iterable[Message], group: int = 0) -> None:
        """Send each message to the peer in its ``to``. Never waits.

        The messages leave at the end of this turn of the event loop, in one write for each peer. A message to a node
        that is no peer, and is not connected either, is dropped and reported. Raises ValueError for a message to a
        storage thread, which the application must handle itself. Raises MessageTooLong for messages that fit into no
        frame, after sending the others.
        """
        too_long: list[MessageTooLong] = []
        for m in messages:
            outgoing = self._outgoing.get(m.to) or self._guest(m.to)
            if outgoing is not None:
                try:
                    outgoing.put(group, m)
                except MessageTooLong as error:
                    too_long.append(error)
            elif is_local_msg_target(m.to):
                raise ValueError(f"{m.type} is for a storage thread, not for the network")
            else:
                self.traffic.dropped_messages += 1
                if m.type == k.SNAP:
                    self._shared.snapshot(m.to, group, SnapshotStatus.FAILURE)
                self._shared.unreachable(m.to, [group])
        if too_long:
            raise MessageTooLong(str(too_long[0]), [m for error in too_long for m in error.messages])

    def flush(self) -> None:
        """Write the messages of this turn now.

        A caller that is about to block the loop, for example in a sync of its disk, would otherwise delay them.
        """
        for outgoing in (*self._outgoing.values(), *self._guests.values()):
            outgoing.flush()

    async def close(self) -> None:
        """Close all connections and discard queued messages. Calling it again does nothing.

        It takes effect at once, even if it is cancelled. When it returns, no task and no socket is left.
        """
        self._shared.closed = True
        self._incoming.stop()
        for those in (self._outgoing, self._guests):
            while those:
                self._stop(those.popitem()[1])
        await self._incoming.wait_ended()
        await self._wait_ended()
        # A connection that was being made at that moment ends in the next turns, as soon as it is made.
        for _ in range(4):
            await asyncio.sleep(0)
        await self._incoming.wait_ended()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _set(self, peer: int, addresses: tuple[Address, ...], identity: int = 0) -> None:
        known = self._shared.known
        former = known.get(peer, 0)
        known[peer] = identity or former
        guest = self._guests.pop(peer, None)
        if guest is not None:
            self._stop(guest)
        if identity:
            self._incoming.drop_other(peer, identity)
        outgoing = self._outgoing.get(peer)
        if outgoing is not None and outgoing.addresses == addresses and former in (0, known[peer]):
            return
        self._outgoing[peer] = Outgoing(self._shared, peer, addresses)
        if outgoing is not None:
            self._stop(outgoing)

    def _guest(self, id: int) -> Outgoing | None:
        """Return the way to a connected sender that is no peer: the addresses of its hello. None without any."""
        shared = self._shared
        addresses = shared.hints.get(id, ())
        hello = self._incoming.hello_of(id)
        if not addresses or hello is None or shared.closed:
            return None
        guest = self._guests.get(id)
        if guest is not None and guest.addresses == addresses:
            return guest
        # Only connected senders have a guest, so the limit on connections bounds them.
        for each in [each for each in self._guests if each == id or each not in shared.hints]:
            self._stop(self._guests.pop(each))
        guest = self._guests[id] = Outgoing(shared, id, addresses, hello.identity)
        return guest

    def _stop(self, outgoing: Outgoing) -> None:
        self._ending.append(outgoing)
        outgoing.stop()

    async def _wait_ended(self) -> None:
        for outgoing in tuple(self._ending):
            await outgoing.wait_ended()
            if outgoing in self._ending:
                self._ending.remove(outgoing)
