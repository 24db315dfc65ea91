"""A Node on a LossyNetwork, with the calls of ``raftcy.rafttest``'s NetworkNode, so that both run the same tests.

It has a loop of its own because these tests are about the loop over a Node's Readys.
"""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from raftcy.core.config import Peer
from raftcy.core.storage import MemoryStorage
from raftcy.node import restart_node, start_node
from raftcy.rafttest.lossy import LossyNetwork
from raftcy.wire.enums import MessageType
from raftcy.wire.messages import Entry, Message

from .node_loop import Member, config

TICK_SECONDS = 0.005


class NodeOnNetwork:
    """A Node that ticks, steps messages and handles its Readys until it is stopped or paused."""

    def __init__(self, id: int, peers: list[Peer], network: LossyNetwork, *, seed: int | None = None) -> None:
        self.id = id
        self._network = network
        self._random = random.Random(seed)
        self._running = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        storage = MemoryStorage()
        self._start(Member(start_node(config(storage, id, random=self._random), peers), storage))

    @property
    def applied(self) -> list[Entry]:
        """The entries applied since the last start."""
        return self._member.committed

    async def propose(self, data: bytes) -> None:
        """Propose to this node."""
        await self.node.propose(data)

    async def stop(self) -> None:
        """Stop and lose everything but the storage. Raises the error of a task that failed."""
        self._network.disconnect(self.id)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.node.stop()
        for task in self._tasks:
            if not task.cancelled():
                task.result()

    def restart(self) -> None:
        """Restart from the storage."""
        self._network.connect(self.id)
        storage = self._member.storage
        self._start(Member(restart_node(config(storage, self.id, random=self._random)), storage))

    def pause(self) -> None:
        """Do nothing until resumed; messages wait."""
        self._running.clear()

    def resume(self) -> None:
        """Undo ``pause``."""
        self._running.set()

    def _start(self, member: Member) -> None:
        self._member = member
        self.node = member.node
        self._running.set()
        self._tasks = {asyncio.ensure_future(work) for work in (self._tick(), self._handle(), self._receive())}

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            await self._running.wait()
            self.node.tick()

    async def _handle(self) -> None:
        while True:
            rd = await self.node.ready()
            await self._running.wait()
            self._member.handle(rd)
            for m in rd.messages:
                self._network.send(m)
            self.node.advance()

    async def _receive(self) -> None:
        while True:
            m = await self._network.receive(self.id)
            await self._running.wait()
            if m.type == MessageType.MSG_PROP:
                # It may wait for a leader, and the leader's messages come behind it.
                self._spawn(self._step(m))
            else:
                await self._step(m)

    async def _step(self, m: Message) -> None:
        await self.node.step(m)
