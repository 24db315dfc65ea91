"""A lossy network inside one process, and nodes that run on it, for asyncio: to try a cluster under bad conditions.

``LossyNetwork`` drops, delays and cuts off by chance, from a seed. ``NetworkNode`` is a Node with a memory storage and
an application that only keeps what is committed; it can be stopped, restarted with its storage, paused and resumed.
"""

import asyncio
import logging
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from ..core.config import Config, Peer
from ..core.log_storage import save_ready
from ..core.storage import MemoryStorage
from ..errors import RaftError
from ..node import Node, restart_node, start_node
from ..wire.changes import ConfChange, ConfChangeV2
from ..wire.enums import EntryType, MessageType
from ..wire.messages import Entry, Message

_QUEUE_MESSAGES = 1024


@dataclass(slots=True)
class _Way:
    """What happens on the way from one node to another: rates are probabilities, delays are 0 to ``delay_seconds``."""

    drop_rate: float = 0.0
    delay_rate: float = 0.0
    delay_seconds: float = 0.0


class LossyNetwork:
    """Carries messages between the nodes named by ``ids``, as bytes, and in no order once delays are set.

    A message to a node whose queue is full, to or from one that is cut off, or to an unknown one, is lost.
    """

    def __init__(self, *ids: int, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._queues: dict[int, asyncio.Queue[bytes]] = {id: asyncio.Queue(_QUEUE_MESSAGES) for id in ids}
        self._ways: dict[tuple[int, int], _Way] = {}
        self._cut_off: set[int] = set()

    def drop(self, from_: int, to: int, rate: float) -> None:
        """Lose messages from one node to another at this rate, 0 to 1."""
        self._way(from_, to).drop_rate = rate

    def delay(self, from_: int, to: int, seconds: float, rate: float) -> None:
        """Delay messages from one node to another by up to ``seconds``, at this rate, 0 to 1."""
        way = self._way(from_, to)
        way.delay_seconds = seconds
        way.delay_rate = rate

    def disconnect(self, id: int) -> None:
        """Cut a node off."""
        self._cut_off.add(id)

    def connect(self, id: int) -> None:
        """Undo ``disconnect``."""
        self._cut_off.discard(id)

    def send(self, m: Message) -> None:
        """Send a message to the node that it names; never waits."""
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
        """The next message to a node."""
        return Message.decode(await self._queues[id].get())

    def waiting(self, id: int) -> int:
        """How many messages a node has not received yet."""
        return self._queues[id].qsize()

    def _way(self, from_: int, to: int) -> _Way:
        return self._ways.setdefault((from_, to), _Way())

    def _deliver(self, from_: int, to: int, data: bytes) -> None:
        queue = self._queues.get(to)
        if queue is not None and not queue.full() and self._cut_off.isdisjoint((from_, to)):
            queue.put_nowait(data)


class NetworkNode:
    """A Node on a LossyNetwork. ``applied`` are the entries that it has applied since it was last started."""

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
        self._tasks: set[asyncio.Task[None]] = set()
        self.node: Node = start_node(self._config(), peers)
        self._start()

    async def propose(self, data: bytes) -> None:
        """Propose to this node."""
        await self.node.propose(data)

    async def stop(self) -> None:
        """Stop; everything but the storage is gone."""
        self._network.disconnect(self.id)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.node.stop()

    def restart(self) -> None:
        """Start again from the storage."""
        self.applied.clear()
        self.node = restart_node(self._config())
        self._network.connect(self.id)
        self._start()

    def pause(self) -> None:
        """Do nothing from now on; messages wait."""
        self._running.clear()

    def resume(self) -> None:
        """Undo ``pause``."""
        self._running.set()

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
        self._running.set()
        for work in (self._tick(), self._handle(), self._receive()):
            self._spawn(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logging.getLogger("raftcy.rafttest").error("node %x: %r", self.id, error)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            await self._running.wait()
            self.node.tick()

    async def _handle(self) -> None:
        async for rd in self.node:
            await self._running.wait()
            save_ready(self.storage, rd)
            for m in rd.messages:
                self._network.send(m)
            for entry in rd.committed_entries:
                self._apply(entry)
            self.node.advance()

    async def _receive(self) -> None:
        while True:
            m = await self._network.receive(self.id)
            await self._running.wait()
            if m.type == MessageType.MSG_PROP:
                # It may wait for a leader, whose messages come behind it.
                self._spawn(self._step(m))
            else:
                await self._step(m)

    async def _step(self, m: Message) -> None:
        try:
            await self.node.step(m)
        except RaftError as error:
            logging.getLogger("raftcy.rafttest").warning("node %x ignores %s: %s", self.id, m.type, error)

    def _apply(self, entry: Entry) -> None:
        self.applied.append(entry)
        if entry.type == EntryType.CONF_CHANGE:
            self.node.apply_conf_change(ConfChange.decode(entry.data))
        elif entry.type == EntryType.CONF_CHANGE_V2:
            self.node.apply_conf_change(ConfChangeV2.decode(entry.data))
