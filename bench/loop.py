"""The asyncio Node: one proposer, with one node or three in one process. Measured by wall clock."""

from __future__ import annotations

import argparse
import asyncio
import random
from typing import Any

from .group import config_of
from .measured import Measured


class Host:
    """A Node with its storage and the task that handles its Readys."""

    # A loop of its own: it is a user's loop over a Node, and a part of what is measured.

    def __init__(self, raftcy: Any, id: int, size: int, rng: random.Random, hosts: list[Host]) -> None:
        self.raftcy = raftcy
        self.hosts = hosts
        self.storage = raftcy.MemoryStorage()
        config = config_of(raftcy, id, self.storage, random=rng)
        self.node = raftcy.start_node(config, [raftcy.Peer(i + 1) for i in range(size)])
        self.applied = 0
        self.waiting_for = 0
        self.reached = asyncio.Event()

    async def run(self) -> None:
        """Handle Readys until the node is stopped."""
        node, storage = self.node, self.storage
        normal = self.raftcy.EntryType.NORMAL
        async for rd in node:
            self.raftcy.save_ready(storage, rd)
            if rd.messages:
                await self.send(rd.messages)
            for e in rd.committed_entries:
                if e.type != normal:
                    node.apply_conf_change(self.raftcy.ConfChange.decode(e.data))
                elif e.data:
                    self.applied += 1
            node.advance()
            if self.applied >= self.waiting_for:
                self.reached.set()

    async def send(self, messages: list[Any]) -> None:
        """Step messages, all of those to one node in one call."""
        inboxes: list[list[Any]] = [[] for _ in self.hosts]
        for m in messages:
            inboxes[m.to - 1].append(m)
        for host, inbox in zip(self.hosts, inboxes, strict=True):
            if inbox and (refused := await host.node.step_many(inbox)):
                raise SystemExit(f"a message was refused: {refused}")

    async def applies(self, n: int) -> None:
        """Wait until n entries are applied."""
        self.reached.clear()
        self.waiting_for = n
        if self.applied < n:
            await self.reached.wait()


async def _node(raftcy: Any, o: argparse.Namespace, size: int) -> Measured:
    hosts: list[Host] = []
    rng = random.Random(o.seed)
    for id in range(1, size + 1):
        hosts.append(Host(raftcy, id, size, rng, hosts))
    tasks = [asyncio.ensure_future(host.run()) for host in hosts]
    await asyncio.sleep(0.05)
    leader = hosts[0].node
    await leader.campaign()
    data = bytes(o.size or 128)
    await leader.propose(data)
    await hosts[0].applies(1)
    out = Measured(o.n)

    async def work() -> None:
        for _ in range(o.n):
            await leader.propose(data)
        for host in hosts:
            await host.applies(o.n + 1)

    loop = asyncio.get_running_loop()
    wall, cpu = loop.time(), _cpu()
    await work()
    out.seconds, out.cpu_seconds = loop.time() - wall, _cpu() - cpu
    for host in hosts:
        if host.applied != o.n + 1:
            raise SystemExit(f"{host.applied} of {o.n + 1} entries were applied")
        await host.node.stop()
    await asyncio.gather(*tasks)
    return out


def _cpu() -> float:
    import time

    return time.process_time()


def node(raftcy: Any, o: argparse.Namespace, size: int) -> Measured:
    """Run the workload in its own event loop."""
    return asyncio.run(_node(raftcy, o, size))
