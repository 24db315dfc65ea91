"""What a simulated process sends: the transport of a Host, over the network of the simulation.

Rules, which are those of ``raftcy.transport``:

- Members of another cluster hear nothing, except the newcomers' group, in which a new cluster is agreed upon.
- A peer that is known under another identity, or was removed, is refused, and is told so.
- What is lost is mostly reported: its sender hears that the peer is unreachable, and how each snapshot has ended. A
  message may also get lost in silence, since a connection can break long after the message has left.
- Requests from host to host (group 0) arrive once or not at all, although late ones may overtake others.
- The body of a snapshot travels with its message, which is handed over once the receiver has all of it on disk. Now and
  then the connection breaks in between; the next stream goes on from there.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple, Protocol

from ...errors import RaftError, Stopped
from ...replica.calls import CALL_GROUP
from ...transport import PeerTraffic, Traffic
from ...transport.packets import Hello, Reason, Refusal
from ...wire import consts as k
from ...wire.enums import SnapshotStatus
from ...wire.kinds import refuse_from_network
from ...wire.messages import Message
from ..clock import MS, SECOND
from ..links import Network


class Packet(NamedTuple):
    """A message on its way, with what its connection says of the sender."""

    wire: "Wire"
    to: int
    group: int
    data: bytes
    body: tuple[bytes, ...] | None = None


class Air(Protocol):
    """What a wire needs of the cluster."""

    network: Network
    random: Random
    clock: Any

    def wire_to(self, id: int) -> "Wire | None":
        """The wire at which a member can be reached now."""

    def sending(self, wire: "Wire", group: int, m: Message, data: bytes) -> None:
        """A message leaves."""

    def wrong(self, rule: str, text: str) -> None:
        """Note a violation."""


class Wire:
    """The transport of one process. ``listens`` while others can reach it."""

    def __init__(self, air: Air, loop: Any, id: int, options: dict[str, Any]) -> None:
        self._air = air
        self.loop = loop
        self.id = id
        self.cluster: int = options["cluster"]
        self.identity: int = options["identity"]
        self._newcomers: int = options["newcomers"]
        self._failed: Callable[[BaseException], object] = options["on_failure"]
        self._refused: Callable[[int, Refusal], object] = options["on_refused"]
        self._policy: Callable[[Hello, bool], Refusal | None] = options["policy"]
        self._advertise = tuple(options["advertise"])
        self._depot: Any = options.get("depot")
        self._receivers: dict[int, Any] = {}
        self._identities: dict[int, int] = {}
        self.listens = False

    # -- what a host calls ---------------------------------------------------------------------------------------

    def attach(self, group: int, receiver: Any) -> None:
        """Let a receiver get the messages of a group."""
        self._receivers[group] = receiver

    def detach(self, group: int) -> None:
        """End what ``attach`` has begun."""
        self._receivers.pop(group, None)

    async def set_peer(self, id: int, addresses: Any, *, identity: int = 0) -> None:
        """Note a peer; 0 for an identity that is not known."""
        self._identities[id] = identity

    async def remove_peer(self, id: int) -> None:
        """Forget a peer."""
        self._identities.pop(id, None)

    async def find(self, host: str, port: int) -> Hello:
        """Return who listens at an address, which is "m" and the member's id. ConnectionRefusedError if nobody does."""
        await asyncio.sleep(self._air.network.weather.delay / SECOND)
        other = self._air.wire_to(int(host[1:]))
        links = {(self.id, int(host[1:])), (int(host[1:]), self.id)}
        if other is None or not other.listens or links & self._air.network.cut.keys():
            raise ConnectionRefusedError(f"nobody listens at {host}:{port}")
        refusal = other.refuses(self)
        if refusal is not None:
            self.hear_refusal(other.id, refusal)
            raise ConnectionRefusedError(refusal.text)
        return other.hello

    @property
    def hello(self) -> Hello:
        """How this member introduces itself."""
        return Hello(
            sender=self.id,
            receiver=self.id,
            cluster=self.cluster,
            identity=self.identity,
            addresses=self._advertise,
        )

    async def listen(self, host: str, port: int) -> None:
        """Begin to hear others."""
        self.listens = True

    def flush(self) -> None:
        """Do nothing: what is sent leaves at once."""

    def by_peer(self) -> dict[int, PeerTraffic]:
        """Return no numbers."""
        return {}

    def counters(self) -> Traffic:
        """Return no numbers."""
        return Traffic()

    async def close(self) -> None:
        """Hear and send nothing more."""
        self.listens = False

    def send(self, messages: list[Message], group: int = 0) -> None:
        """Send messages of a group."""
        if not self.listens or not self.loop.alive:
            return
        for m in messages:
            if m.snapshot is not None and self._depot is not None:
                try:
                    source = self._depot.source(group, m)
                except RaftError:
                    self.lost(m.to, group, m.type)
                    continue
                if source is not None:
                    self.loop.create_task(self._stream(group, m, source))
                    continue
            self._carry(group, m, None)

    def _carry(self, group: int, m: Message, body: tuple[bytes, ...] | None) -> None:
        air = self._air
        data = m.encode()
        air.sending(self, group, m, data)
        packet = Packet(self, m.to, group, data, body)
        air.network.send(self.id, m, packet, once=group == CALL_GROUP or body is not None, after=self.loop.ahead_us)

    async def _stream(self, group: int, m: Message, source: Any) -> None:
        """Read the body of a snapshot, and send it."""
        pieces: list[bytes] = []
        at = 0
        try:
            while at < source.size_bytes:
                pieces.append(await source.read(at))
                at += len(pieces[-1])
        except (RaftError, OSError):
            self.lost(m.to, group, m.type)
            return
        finally:
            source.close()
        if self.listens:
            self._carry(group, m, tuple(pieces))

    # -- what arrives --------------------------------------------------------------------------------------------

    def may_hear(self, packet: Packet) -> bool:
        """Whether a message of this sender can arrive here: the same cluster, or a newcomer."""
        other = packet.wire
        known = packet.group in self._receivers and self.listens and self.loop.alive
        if other.cluster == self.cluster:
            return known
        return known and 0 in (other.cluster, self.cluster) and packet.group == self._newcomers

    def refuses(self, sender: "Wire") -> Refusal | None:
        """Return why a sender is not heard."""
        known = self._identities.get(sender.id, 0)
        if known and known != sender.identity:
            return Refusal(Reason.IDENTITY, f"{self.id} knows {sender.id} under another identity")
        return self._policy(sender.hello, sender.id in self._identities)

    def take(self, packet: Packet) -> None:
        """Take a message, in the process's loop."""
        sender = packet.wire
        receiver = self._receivers.get(packet.group)
        m = Message.decode(packet.data)
        if receiver is None or not self.listens:
            sender.lost(packet.to, packet.group, m.type)
            return
        refusal = self.refuses(sender)
        if refusal is not None:
            sender.hear_refusal(self.id, refusal)
            return
        why = refuse_from_network(m)
        if why is not None:
            self._air.wrong("correct peers", f"{sender.id} sends {m!r} to {self.id}: {why}")
        if packet.body is not None:
            self.loop.create_task(self._receive(packet, m))
        else:
            self._hand(packet, m)

    async def _receive(self, packet: Packet, m: Message) -> None:
        """Take the body of a snapshot, and then its message."""
        sender, random = packet.wire, self._air.random
        breaks_at = random.random() * 10
        at = 0
        try:
            sink = self._depot.sink(packet.group, sender.id, m)
            try:
                begin = await sink.begin()
                for place, piece in enumerate(packet.body or ()):
                    if breaks_at < place + 1:
                        raise ConnectionResetError
                    rest = piece[max(0, begin - at) :]
                    at += len(piece)
                    if rest:
                        await sink.write(rest)
                await sink.finish()
            finally:
                sink.leave()
        except (RaftError, OSError):
            sender.report(packet.group, self.id, SnapshotStatus.FAILURE)
        else:
            self._hand(packet, m)

    def _hand(self, packet: Packet, m: Message) -> None:
        sender, receiver = packet.wire, self._receivers.get(packet.group)
        if receiver is None or not self.listens:
            sender.lost(packet.to, packet.group, m.type)
            return
        try:
            receiver.receive([m])
        except Stopped:
            return
        except Exception as error:
            self._failed(error)
            return
        if m.type == k.SNAP:
            sender.report(packet.group, self.id, SnapshotStatus.FINISH)

    def hear_refusal(self, peer: int, refusal: Refusal) -> None:
        """Hear that a peer refuses this member."""
        self._later(MS, self._refused, peer, refusal)

    def lost(self, to: int, group: int, kind: int) -> None:
        """Note that a message is lost. Its sender hears of it later, or not at all."""
        random = self._air.random
        if kind == k.SNAP:
            self.report(group, to, SnapshotStatus.FAILURE)
        if random.random() < 0.5:
            self._later(int(random.random() * 20 * MS), self._unreachable, group, to)

    def report(self, group: int, to: int, status: SnapshotStatus) -> None:
        """Report later how a snapshot has ended."""
        self._later(5 * MS, self._report, group, to, status)

    def _report(self, group: int, to: int, status: SnapshotStatus) -> None:
        receiver = self._receivers.get(group)
        if receiver is not None and self.listens:
            receiver.report_snapshot(to, status)

    def _unreachable(self, group: int, to: int) -> None:
        receiver = self._receivers.get(group)
        if receiver is not None and self.listens:
            receiver.report_unreachable(to)

    def _later(self, delay_us: int, call: Callable[..., object], *arguments: Any) -> None:
        self._air.clock.after(delay_us, self.call, call, *arguments)

    def call(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call something in the process's loop, as an event of the clock."""
        self.loop.call_soon(call, *arguments)
