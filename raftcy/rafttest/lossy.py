"""A lossy network inside one process and nodes that run on it, for asyncio, to test a cluster under bad conditions.

``LossyNetwork`` drops and delays messages at random, from a seed, and can cut nodes off. ``NetworkNode`` is a member
with a MemoryStorage. It keeps the entries that it applies, and can be stopped, restarted from its storage, paused and
resumed.
"""

import asyncio
import logging
import random
from dataclasses import dataclass

from ..core.config import Config, Peer
from ..core.rawnode import RawNode
from ..core.storage import MemoryStorage
from ..errors import ProposalDropped
from ..replica.pump import Pump
from ..replica.work import Batch
from ..wire.messages import Entry, Message

_QUEUE_MESSAGES = 1024


@dataclass(slots=True)
class _Way:
    """The faults between two nodes, in one direction. Rates are probabilities; delays are 0 to ``delay_seconds``."""

    drop_rate: float = 0.0
    delay_rate: float = 0.0
    delay_seconds: float = 0.0


class LossyNetwork:
    """Carries messages, as bytes, between the nodes named by ``ids``. Delayed messages may overtake each other.

    A message is lost if its receiver's queue is full, its sender or receiver is cut off, or its receiver is unknown.
    """

    def __init__(self, *ids: int, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._queues: dict[int, asyncio.Queue[bytes]] = {id: asyncio.Queue(_QUEUE_MESSAGES) for id in ids}
        self._ways: dict[tuple[int, int], _Way] = {}
        self._cut_off: set[int] = set()

    def drop(self, from_: int, to: int, rate: float) -> None:
        """Lose messages from one node to another at a rate of 0 to 1."""
        self._way(from_, to).drop_rate = rate

    def delay(self, from_: int, to: int, seconds: float, rate: float) -> None:
        """Delay messages from one node to another by up to ``seconds``, at a rate of 0 to 1."""
        way = self._way(from_, to)
        way.delay_seconds = seconds
        way.delay_rate = rate

    def disconnect(self, id: int) -> None:
        """Lose all messages to and from a node, until ``connect``."""
        self._cut_off.add(id)

    def connect(self, id: int) -> None:
        """Undo ``disconnect``."""
        self._cut_off.discard(id)

    def send(self, m: Message) -> None:
        """Send a message to the node in its ``to``. Never waits."""
        way = self._way(m.from_, m.to)
        if way.drop_rate and self._random.random() < way.drop_rate:
            return
        data = m.encode()
        if way.delay_rate and self._random.random() < way.delay_rate:
            seconds = self._random.random() * way.delay_seconds
            asyncio.get_running_loop().call_later(seconds, self._deliver, m.from_, m.to, data)
        else:
            self._deliver(m.from_, m.to, data)

    async def receive(self, id: int) -> Message:
        """Wait for the next message to a node and return it."""
        return Message.decode(await self._queues[id].get())

    def waiting(self, id: int) -> int:
        """Return the number of messages that a node has not received yet."""
        return self._queues[id].qsize()

    def _way(self, from_: int, to: int) -> _Way:
        return self._ways.setdefault((from_, to), _Way())

    def _deliver(self, from_: int, to: int, data: bytes) -> None:
        queue = self._queues.get(to)
        if queue is not None and not queue.full() and self._cut_off.isdisjoint((from_, to)):
            queue.put_nowait(data)


class NetworkNode:
    """A member that runs on a LossyNetwork, by a Pump.

    ``applied`` is the list of entries that it has applied since its last start. ``node`` is its RawNode, for ``status``
    and the like. Create it inside a running event loop, with the same ``peers`` for every member.
    """

    def __init__(
        self, id: int, peers: list[Peer], network: LossyNetwork, *, tick_seconds: float = 0.005, seed: int | None = None
    ) -> None:
        self.id = id
        self.storage = MemoryStorage()
        self.applied: list[Entry] = []
        self._network = network
        self._tick_seconds = tick_seconds
        self._random = random.Random(seed)
        self._running = asyncio.Event()
        self.node = RawNode(self._config())
        self.node.bootstrap(peers)
        self._start()

    async def propose(self, data: bytes) -> None:
        """Propose ``data`` to this node, and wait while it knows no leader."""
        while True:
            try:
                await self._pump.propose(data)
            except ProposalDropped:
                if self.node.basic_status().lead:
                    raise
                await asyncio.sleep(self._tick_seconds)
            else:
                return

    async def stop(self) -> None:
        """Stop the node. Only its storage remains."""
        self._network.disconnect(self.id)
        await self._pump.close()

    def restart(self) -> None:
        """Start the node again from its storage."""
        self.applied.clear()
        self.node = RawNode(self._config())
        self._network.connect(self.id)
        self._start()

    def pause(self) -> None:
        """Stop all work until ``resume``. Messages wait meanwhile."""
        self._running.clear()

    def resume(self) -> None:
        """Undo ``pause``."""
        self._running.set()
        self._pump.soon()

    def _config(self) -> Config:
        return Config(
            id=self.id,
            election_tick=10,
            heartbeat_tick=1,
            storage=self.storage,
            max_size_per_msg=1 << 20,
            max_inflight_msgs=256,
            max_uncommitted_entries_size=1 << 30,
            random=self._random,
        )

    def _start(self) -> None:
        self._pump = _Pump(self.node, self.storage, self._running, self.applied)
        self._pump.send = self._send
        self._pump.start_ticking(self._tick_seconds)
        self._pump.spawn(self._receive(self._pump))
        self.resume()

    def _send(self, messages: list[Message]) -> None:
        for m in messages:
            self._network.send(m)

    async def _receive(self, pump: Pump) -> None:
        while True:
            m = await self._network.receive(self.id)
            await self._running.wait()
            for _, error in await pump.step_many([m]):
                logging.getLogger("raftcy.rafttest").warning("node %x ignores %s: %s", self.id, m.type, error)


class _Pump(Pump):
    """Works only while ``running`` is set. Keeps all applied entries, also empty ones and configuration changes."""

    def __init__(self, node: RawNode, storage: MemoryStorage, running: asyncio.Event, applied: list[Entry]) -> None:
        super().__init__(node, storage)
        self._running = running
        self._applied = applied

    def tick(self) -> None:
        if self._running.is_set():
            super().tick()

    def work(self) -> None:
        if self._running.is_set():
            super().work()

    def apply_batch(self, batch: Batch) -> None:
        super().apply_batch(batch)
        self._applied += batch.entries
