"""Receives messages from other nodes: a listening socket, and the acceptor's end of connections.

A connection has three states. It is unproved until its hello has passed every check; limits bound the number and the
time of unproved connections, so that strangers cannot exhaust the node. It may then have to wait for the older
connection of its sender. After that it is open.

Each sender has one open connection for messages, and one for each body of a snapshot. A newer connection for messages
of the same start, which has the same nonce, replaces the older one at once: the sender would not have opened it if the
older one were alive. A connection of another start comes from a restart, or from a second process that runs under the
same id. So the acceptor pings the older connection first, and refuses the newer one if the older one answers.
Otherwise two processes could vote as one member.
"""

import asyncio
import logging
import socket
from dataclasses import replace
from typing import Any

from ..errors import BadPeer, TransportError
from ..wire.kinds import is_local_msg_target
from . import packets
from .addresses import check_addresses
from .connection import Connection
from .conversation import Event, Greeted, Messages, Ponged, Streamed
from .handover import Feed, Proposals
from .inflow import Inflow
from .listener import Listener
from .packets import Hello, Reason, Refusal
from .pulse import Pulse
from .shared import Shared

__all__ = ["Incoming"]

_COUNTERS = {
    Reason.VERSION: "refused_version",
    Reason.CLUSTER: "refused_cluster",
    Reason.OWN_ID: "refused_sender",
    Reason.SENDER: "refused_sender",
    Reason.REMOVED: "refused_sender",
    Reason.IDENTITY: "refused_identity",
    Reason.CERTIFICATE: "refused_certificate",
    Reason.DUPLICATE: "refused_duplicate",
}
# How long a refused dialler has to read the reason, before the connection is aborted.
_REFUSED_SECONDS = 0.5


class _Accepted(Connection):
    """The acceptor's end of a connection."""

    def __init__(self, owner: "Incoming", where: object) -> None:
        super().__init__(owner.shared, accepts=True)
        self.where = where
        self._owner = owner
        self.hello: Hello | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.waits_for: _Accepted | None = None
        """The older connection that has to answer first."""
        self.challenger: _Accepted | None = None
        """The newer connection that waits for this one to answer."""
        self.task: asyncio.Task[None] | None = None
        self.feed: Feed | None = None
        self.inflow: Inflow | None = None
        """The body of a snapshot that arrives on this connection; it then carries no messages."""
        self.refused = False
        self._pulse = Pulse(1)
        self._pending = 0
        self._pings = 0

    @property
    def host(self) -> object:
        """The other end's address without the port."""
        return self.where[0] if isinstance(self.where, tuple) and self.where else self.where

    def abort(self) -> None:
        """Close the connection now, even if it is not made yet."""
        if self.task is not None:
            self.task.cancel()
        super().abort()

    def data_received(self, data: bytes) -> None:
        self._pulse.heard()
        super().data_received(data)
        shared = self.shared
        pending = self.speech.pending_bytes if not self._aborted else 0
        shared.pending_bytes += pending - self._pending
        self._pending = pending
        if shared.pending_bytes > shared.limits.pending_bytes:
            self.broke_rules(ValueError("incomplete frames take too many bytes"))
            self.abort()

    def happened(self, event: Event) -> None:
        if isinstance(event, Messages):
            if self.feed is not None:
                self.feed.add(event.payloads)
        elif isinstance(event, Streamed):
            if self.inflow is not None:
                self.inflow.add(event.payload)
        elif isinstance(event, Greeted):
            self._owner.greeted(self, event.hello)
        elif isinstance(event, Ponged) and self.challenger is not None:
            self._owner.answered(self)

    def broke_rules(self, error: Exception) -> None:
        if self.refused:
            return
        traffic = self.shared.traffic
        traffic.malformed_connections += 1
        text = "%x: connection from %s closed: %s"
        self.shared.log(logging.WARNING, ("malformed", self.host), text, self.shared.id, self.where, error)
        if self.hello is None and self.is_usable:
            self.speech.refuse(Refusal(Reason.MALFORMED, str(error)))
            self.flush()

    def malformed(self, error: Exception) -> None:
        """Close the connection: a message had no valid encoding."""
        self.broke_rules(error)
        self.abort()

    def ended(self, error: BaseException | None) -> None:
        self.shared.pending_bytes -= self._pending
        self._pending = 0
        self._owner.ended(self)

    def watch(self) -> None:
        """Close the open connection if it was silent for too long; otherwise ping it and look again later."""
        limits = self.shared.limits
        if self.feed is not None and self.feed.is_busy:
            # The connection reads nothing while the receiver is at work, so silence proves nothing.
            self._pulse.heard()
        if not self._pulse.look():
            self.shared.traffic.silent_connections += 1
            self.abort()
            return
        self.ask()
        self.timer = self.shared.loop.call_later(limits.idle_seconds / 2, self.watch)

    def ask(self) -> None:
        """Ping the sender."""
        self._pings += 1
        self.ping(self._pings)


class Incoming:
    """Accepts connections, checks their senders, and delivers their messages."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self._listener: Listener | None = None
        # All connections; the unproved ones, in the order of their arrival; and the open ones by sender.
        self._connections: set[_Accepted] = set()
        self._unproved: dict[_Accepted, None] = {}
        self._open: dict[int, _Accepted] = {}
        # Includes the feeds of ended connections that still have messages to deliver.
        self._feeds: set[Feed] = set()
        # Bodies of snapshots that arrive, with those whose connection has ended and that still have a task.
        self._inflows: set[Inflow] = set()
        self._proposals: dict[int, Proposals] = {}

    # -- listening

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Accept connections at an address and return it; port 0 picks a free port.

        Raises OSError if it cannot listen there, and TransportError if it listens already or is closed.
        """
        if self.shared.closed:
            raise TransportError("the transport is closed")
        if self._listener is not None:
            raise TransportError(f"{self.shared.id} listens already")
        listener = Listener(self.shared.loop, self._take, self._short)
        self._listener = listener
        try:
            await listener.bind(host, port)
            if self.shared.closed:
                raise TransportError("the transport was closed")
        except BaseException:
            listener.close()
            self._listener = None
            raise
        listener.start()
        return listener.address

    def _take(self, accepted: socket.socket) -> None:
        """Make a connection of an accepted socket, with a handshake if the transport uses TLS."""
        try:
            connection = _Accepted(self, accepted.getpeername())
        except OSError:
            accepted.close()
            return
        self._connections.add(connection)
        self._make_room(connection)
        self._unproved[connection] = None
        seconds = self.shared.limits.hello_seconds
        connection.timer = self.shared.loop.call_later(seconds, self._too_late, connection)
        name = f"raftcy transport to {self.shared.id:x}"
        connection.task = self.shared.loop.create_task(self._make(connection, accepted), name=name)
        connection.task.add_done_callback(lambda task: self._made(connection, accepted, task))

    async def _make(self, connection: _Accepted, accepted: socket.socket) -> None:
        tls = self.shared.tls
        context = None if tls is None else tls.server_context
        await self.shared.loop.connect_accepted_socket(lambda: connection, accepted, ssl=context)

    def _made(self, connection: _Accepted, accepted: socket.socket, task: asyncio.Task[None]) -> None:
        connection.task = None
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            # The task cannot close the socket itself: it may have been cancelled before it began.
            accepted.close()
            connection.abort()
            connection.forget()
        if isinstance(error, OSError) and self.shared.tls is not None:
            self.shared.traffic.refused_certificate += 1
            self.shared.traffic.refused += 1
            text = "%x: no TLS with %s: %s"
            self.shared.log(logging.WARNING, ("tls", connection.host), text, self.shared.id, connection.where, error)
        elif error is not None and not isinstance(error, OSError):
            self.shared.failed(error, "accepting a connection")

    def _short(self, error: OSError) -> None:
        text = "%x cannot accept connections for now: %s"
        self.shared.log(logging.ERROR, "short", text, self.shared.id, error)

    def stop(self) -> None:
        """Close the socket and all connections at once."""
        if self._listener is not None:
            self._listener.close()
        for feed in self._feeds:
            feed.stop()
        for inflow in self._inflows:
            inflow.stop()
        for connection in list(self._connections):
            connection.abort()
        for proposals in self._proposals.values():
            if proposals.task is not None:
                proposals.task.cancel()

    async def wait_ended(self) -> None:
        """Wait until all tasks and sockets are gone, after ``stop``."""
        if self._listener is not None:
            await self._listener.wait_ended()
        while True:
            ending: list[asyncio.Future[None]] = [each.gone for each in self._connections]
            tasks = [each.task for each in self._connections]
            tasks += [each.task for each in self._feeds]
            tasks += [each.task for each in self._inflows]
            tasks += [each.task for each in self._proposals.values()]
            ending += [task for task in tasks if task is not None]
            if not ending:
                return
            await asyncio.wait(ending)

    def proposals(self, group: int) -> Proposals:
        """Return the queue of a group's forwarded proposals."""
        found = self._proposals.get(group)
        if found is None:
            found = self._proposals[group] = Proposals(self.shared, group)
        return found

    def detach(self, group: int) -> None:
        """Discard the forwarded proposals that wait for a group."""
        proposals = self._proposals.pop(group, None)
        if proposals is not None and proposals.task is not None:
            proposals.task.cancel()

    def drop(self, sender: int) -> None:
        """Close the connections of a sender."""
        for connection in list(self._connections):
            if connection.hello is not None and connection.hello.sender == sender:
                connection.abort()

    def drop_other(self, sender: int, identity: int) -> None:
        """Close the connection of a sender that has come with another identity than it should have."""
        connection = self._open.get(sender)
        if connection is not None and connection.hello is not None and connection.hello.identity != identity:
            connection.abort()

    def hello_of(self, sender: int) -> Hello | None:
        """Return the hello of a sender that is connected, None if it is not."""
        connection = self._open.get(sender)
        return None if connection is None or not connection.is_usable else connection.hello

    # -- connections that are not proved

    def _make_room(self, newcomer: _Accepted) -> None:
        limits = self.shared.limits
        same = [each for each in self._unproved if each.host == newcomer.host]
        oldest = None
        if len(same) >= limits.unproved_of_address:
            oldest = same[0]
        elif len(self._unproved) >= limits.unproved_connections:
            oldest = next(iter(self._unproved))
        if oldest is not None:
            self.shared.traffic.crowded_out += 1
            text = "%x: too many connections that do not say who they are: closed the one from %s"
            self.shared.log(logging.WARNING, "crowded", text, self.shared.id, oldest.where)
            self._unproved.pop(oldest)
            oldest.abort()

    def _too_late(self, connection: _Accepted) -> None:
        self.shared.traffic.silent_connections += 1
        text = "%x: connection from %s closed: no hello in time"
        self.shared.log(logging.DEBUG, "late", text, self.shared.id, connection.where)
        connection.abort()

    # -- proving

    def greeted(self, connection: _Accepted, hello: Hello) -> None:
        """Judge a connection by its hello: accept it, refuse it, or let it wait for its sender's older connection."""
        connection.hello = hello
        try:
            refusal = self._judge(connection, hello)
        except Exception as error:
            self.shared.failed(error, "the policy or the binding")
            refusal = Refusal(Reason.BUSY, "the node cannot judge now")
        if refusal is not None:
            self._refuse(connection, refusal)
            return
        if connection.speech.streams:
            self._take_stream(connection, hello)
            return
        older = self._open.get(hello.sender)
        if older is None or not older.is_usable or older.hello is None or older.hello.nonce == hello.nonce:
            self._accept(connection, hello)
            return
        if older.challenger is not None:
            self._refuse(connection, Refusal(Reason.BUSY, "another connection is waiting to replace the older one"))
            return
        older.challenger, connection.waits_for = connection, older
        older.ask()
        self._restart_timer(connection, self.shared.limits.replace_seconds, self._unanswered)

    def _judge(self, connection: _Accepted, hello: Hello) -> Refusal | None:
        own, shared = self.shared.hello, self.shared
        sender = hello.sender
        identity = shared.known.get(sender, 0)
        older = self._open.get(sender)
        if not identity and older is not None and older.hello is not None:
            identity = older.hello.identity
        if hello.version != packets.PROTOCOL:
            return Refusal(Reason.VERSION, f"this node speaks version {packets.PROTOCOL}, not {hello.version}")
        if not shared.may_talk(hello.cluster):
            return Refusal(Reason.CLUSTER, f"this node belongs to cluster {own.cluster:x}, not {hello.cluster:x}")
        if hello.receiver not in (shared.id, packets.ANYBODY):
            return Refusal(Reason.RECEIVER, f"this is node {shared.id:x}, not {hello.receiver:x}")
        if sender == shared.id:
            return Refusal(Reason.OWN_ID, f"this is node {shared.id:x} itself")
        if is_local_msg_target(sender):
            return Refusal(Reason.SENDER, f"no node has the id {sender:x}")
        if shared.tls is not None and (reason := shared.tls.refuse(connection.secured, sender)) is not None:
            return Refusal(Reason.CERTIFICATE, reason)
        if identity and hello.identity != identity:
            text = f"node {sender:x} has the identity {identity:x} here, not {hello.identity:x}: "
            text += "a member that lost its disk must be removed and come back under a new id"
            return Refusal(Reason.IDENTITY, text)
        if (refusal := shared.policy(hello, sender in shared.known)) is not None:
            return refusal
        if shared.serves_nobody:
            return Refusal(Reason.BUSY, f"node {shared.id:x} is stopped")
        if older is None and len(self._open) >= shared.limits.connections:
            return Refusal(Reason.BUSY, f"node {shared.id:x} has too many connections")
        return None

    def _take_stream(self, connection: _Accepted, hello: Hello) -> None:
        """Accept a connection for the body of a snapshot, beside the sender's other connection.

        It is refused while another start of the sender is connected, until that one is replaced or gone.
        """
        shared, sender = self.shared, hello.sender
        older = self._open.get(sender)
        self._inflows = {inflow for inflow in self._inflows if inflow.is_needed}
        reason = ""
        if shared.depot is None or hello.cluster != shared.hello.cluster:
            reason = f"node {shared.id:x} takes no bodies of snapshots from this node"
        elif older is not None and older.is_usable and older.hello is not None and older.hello.nonce != hello.nonce:
            reason = f"another start of node {sender:x} is connected"
        elif len(self._inflows) >= shared.limits.incoming_streams:
            reason = f"node {shared.id:x} receives too many snapshots"
        if reason:
            self._refuse(connection, Refusal(Reason.BUSY, reason))
            return
        self._unproved.pop(connection, None)
        shared.traffic.accepted += 1
        feed = Feed(shared, sender, connection, self.proposals, connection.malformed)
        self._feeds = {each for each in self._feeds if each.is_needed} | {feed}
        connection.inflow = Inflow(shared, sender, connection, feed, connection.malformed)
        self._inflows.add(connection.inflow)
        connection.speech.welcome(replace(shared.hello, receiver=sender))
        connection.flush()
        self._restart_timer(connection, shared.limits.idle_seconds / 2, _Accepted.watch)

    def _refuse(self, connection: _Accepted, refusal: Refusal) -> None:
        traffic = self.shared.traffic
        traffic.refused += 1
        counter = _COUNTERS.get(refusal.reason)
        if counter is not None:
            setattr(traffic, counter, getattr(traffic, counter) + 1)
        sender = connection.hello.sender if connection.hello is not None else 0
        text = "%x: refused a connection of %x from %s: %s"
        kind = ("refused", sender, refusal.reason)
        self.shared.log(logging.WARNING, kind, text, self.shared.id, sender, connection.where, refusal.text)
        connection.refused = True
        connection.speech.refuse(refusal)
        connection.flush()
        connection.finish()
        self._restart_timer(connection, _REFUSED_SECONDS, _Accepted.abort)

    def answered(self, older: _Accepted) -> None:
        """Refuse the newer connection: the older one is alive, so the newer one comes from another process."""
        newer, older.challenger = older.challenger, None
        if newer is None:
            return
        newer.waits_for = None
        text = f"another start of node {older.hello.sender:x} is alive" if older.hello is not None else ""
        self._refuse(newer, Refusal(Reason.DUPLICATE, text))

    def _unanswered(self, connection: _Accepted) -> None:
        if connection.hello is not None and connection.waits_for is not None:
            self._accept(connection, connection.hello)

    # -- open connections

    def _accept(self, connection: _Accepted, hello: Hello) -> None:
        shared, sender = self.shared, hello.sender
        older = self._open.get(sender)
        _part(connection)
        if older is not None:
            shared.traffic.replaced += 1
            challenger, older.challenger = older.challenger, None
            if challenger is not None:
                challenger.waits_for = None
                self._refuse(challenger, Refusal(Reason.BUSY, "the older connection was replaced just now"))
            if older.feed is not None:
                older.feed.stop()
            older.abort()
        self._open[sender] = connection
        self._unproved.pop(connection, None)
        shared.traffic.accepted += 1
        if hello.identity and sender in shared.known:
            shared.known[sender] = hello.identity
        try:
            shared.hints[sender] = check_addresses(hello.addresses) if hello.addresses else ()
        except BadPeer as error:
            shared.hints[sender] = ()
            text = "%x: %x wants to be answered where nothing can connect: %s"
            shared.log(logging.WARNING, ("hint", sender), text, shared.id, sender, error)
        text = "connection of %x from %s to %x"
        shared.log(logging.DEBUG, ("accepted", sender), text, sender, connection.where, shared.id)
        only = shared.newcomers if hello.cluster != shared.hello.cluster else None
        connection.feed = Feed(shared, sender, connection, self.proposals, connection.malformed, only)
        self._feeds = {feed for feed in self._feeds if feed.is_needed} | {connection.feed}
        connection.speech.welcome(replace(shared.hello, receiver=sender))
        connection.flush()
        self._restart_timer(connection, shared.limits.idle_seconds / 2, _Accepted.watch)

    def _restart_timer(self, connection: _Accepted, seconds: float, act: Any) -> None:
        if connection.timer is not None:
            connection.timer.cancel()
        connection.timer = self.shared.loop.call_later(seconds, act, connection)

    def ended(self, connection: _Accepted) -> None:
        """Forget a connection that is gone, and accept the one that waited for it."""
        if connection.timer is not None:
            connection.timer.cancel()
        self._connections.discard(connection)
        self._unproved.pop(connection, None)
        if connection.inflow is not None:
            connection.inflow.stop()
        hello = connection.hello
        if hello is not None and self._open.get(hello.sender) is connection:
            del self._open[hello.sender]
            self.shared.hints.pop(hello.sender, None)
        _part(connection)
        challenger, connection.challenger = connection.challenger, None
        if challenger is not None and challenger.hello is not None and not self.shared.closed:
            self._accept(challenger, challenger.hello)


def _part(connection: _Accepted) -> None:
    """End a connection's wait for the older one."""
    older, connection.waits_for = connection.waits_for, None
    if older is not None:
        older.challenger = None
