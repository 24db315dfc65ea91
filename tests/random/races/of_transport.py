"""Random schedules of three transports that are changed, cut off and closed while they talk."""

import asyncio
import random
import socket
from typing import Any

from raftcy.errors import MessageTooLong, NotNow, Stopped, TransportError
from raftcy.transport import Limits, Transport
from tests.support.depots import Store, announcing
from tests.support.transports import HOST, Direct, Waiting, heartbeat, proposal, snapshot

from .leftovers import Calls, Leak, nothing_is_left, sockets

LIMITS = Limits(
    frame_bytes=100_000,
    queue_messages=20,
    unproved_of_address=4,
    hello_seconds=0.2,
    replace_seconds=0.05,
    dial_seconds=0.2,
    # Longer than any schedule: only stop and close end a connection to somebody who never answers.
    greet_seconds=60,
    write_timeout_seconds=0.2,
    retry_min_seconds=0.001,
    retry_max_seconds=0.01,
    report_seconds=0.001,
    idle_seconds=0.3,
    streams=2,
    waiting_streams=2,
    incoming_streams=2,
    stream_window_bytes=5_000,
    stream_give_up_seconds=0.1,
)
BODIES = {f"body{size}": bytes(size) for size in (0, 900, 30_000, 200_000)}
IDS = (1, 2, 3)


class Schedule:
    """The transports of three members, restarted now and then, and a number of calls of them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.addresses: dict[int, tuple[str, int]] = {}
        self.transports: dict[int, Transport] = {}
        self.former: list[Transport] = []
        self.depots: list[Store] = []
        self.strangers: list[asyncio.StreamWriter] = []
        # Its system takes connections, and nobody ever answers on them.
        self.silent = socket.create_server((HOST, 0))

    async def run(self) -> None:
        """All of it; raises Leak if something is left."""
        before = sockets()
        calls = Calls(self.rng)
        for id in IDS:
            self.start(id)
        for _ in range(self.rng.randrange(10, 60)):
            await self.act(calls)
            for _ in range(self.rng.choice((0, 0, 0, 1, 2, 10))):
                await asyncio.sleep(0)
            if self.rng.random() < 0.1:
                await asyncio.sleep(0.005)
        order = [*self.transports.values(), *self.former]
        self.rng.shuffle(order)
        for transport in order:
            await calls.begin(transport.close(), 0.2)
        errors = await calls.end()
        for transport in order:
            async with asyncio.timeout(30):
                await transport.close()
        for writer in self.strangers:
            writer.transport.abort()
        self.silent.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await nothing_is_left(before)
        if any(depot.open_sources or depot.users for depot in self.depots):
            raise Leak("bodies of snapshots that are still in use")
        unexpected = [error for error in errors if not isinstance(error, (TransportError, OSError))]
        failures = [transport.failure for transport in order if transport.failure is not None]
        if unexpected or failures:
            raise Leak(f"errors: {unexpected}, failures: {failures}")

    def start(self, id: int) -> None:
        """Start a member, once more if it was there."""
        receiver: Any = self.rng.choice((Direct, Waiting))()
        if id in self.transports:
            self.former.append(self.transports[id])
        peers = {peer: address for peer, address in self.addresses.items() if peer != id}
        self.depots.append(Store(**BODIES))
        self.depots[-1].on_write = self.on_write
        self.transports[id] = Transport(id, receiver, peers, LIMITS, source=self.rng, depot=self.depots[-1])

    def on_write(self, sink: Any, piece: bytes) -> Any:
        """A disk that is slow now and then, or full."""
        drawn = self.rng.random()
        if drawn < 0.02:
            raise NotNow("full")
        return asyncio.sleep(self.rng.choice((0, 0.001))) if drawn < 0.3 else None

    async def listen(self, id: int) -> None:
        """Let a member listen, and let everybody know where."""
        self.addresses[id] = await self.transports[id].listen(HOST, 0)

    async def knock(self, id: int) -> None:
        """A stranger, who says nothing or nonsense."""
        if id in self.addresses:
            _, writer = await asyncio.open_connection(*self.addresses[id])
            self.strangers.append(writer)
            writer.write(self.rng.choice((b"", b"\0\0\0\x01\x07", b"GET /")))

    async def act(self, calls: Calls) -> None:
        """One random thing."""
        rng = self.rng
        id = rng.choice(IDS)
        transport = self.transports[id]
        peer = rng.choice([each for each in IDS if each != id])
        match rng.randrange(18):
            case 0 | 1:
                await calls.begin(self.listen(id))
            case 2 | 3 | 4:
                address = self.addresses.get(peer, (HOST, 1))
                silent = self.silent.getsockname()[:2]
                await calls.begin(transport.set_peer(peer, rng.choice((address, [(HOST, 1), address], silent))))
            case 5:
                await calls.begin(transport.set_peer(peer, rng.choice((None, ("no-such-host.invalid", 80)))))
            case 6:
                await calls.begin(transport.remove_peer(peer))
            case 7:
                await calls.begin(self.knock(id), cut=0.0)
            case 8:
                self.start(id)
                if rng.random() < 0.7:
                    await calls.begin(self.former[-1].close())
            case 9:
                self.stop_or_wake(transport)
            case 10:
                transport._incoming.drop(peer)
            case 11 | 12:
                self.stream(transport, id, peer)
            case _:
                self.talk(transport, id, peer)

    def stop_or_wake(self, transport: Transport) -> None:
        """A receiver stops, fails, or waits for a leader."""
        node: Any = transport._shared.receivers[0]
        inner = getattr(node, "inner", node)
        inner.error = self.rng.choice((None, None, Stopped()))
        if isinstance(node, Waiting):
            (node.leader.clear if self.rng.random() < 0.3 else node.leader.set)()

    def stream(self, transport: Transport, id: int, peer: int) -> None:
        """Send a snapshot with a body, for one of two groups, or end the streams of a group."""
        group = self.rng.choice((0, 0, 1))
        if self.rng.random() < 0.1:
            transport.detach(1)
            return
        if group:
            transport.attach(1, transport._shared.receivers[0])
        name = self.rng.choice((*BODIES, "missing"))
        transport.send([announcing(name, to=peer, from_=id, term=self.rng.randrange(1, 3))], group)

    def talk(self, transport: Transport, id: int, peer: int) -> None:
        """Send something."""
        many = [heartbeat(1, to=peer, from_=id)] * self.rng.randrange(1, 30)
        large = snapshot(to=peer, size=self.rng.choice((10, 90_000, 200_000)))
        try:
            transport.send([*many, proposal(b"x", to=peer, from_=id), large])
        except MessageTooLong:
            return
        if self.rng.random() < 0.3:
            transport.flush()
