"""raftcy's own cluster of three processes: an asyncio Node each, and the transport between them."""

from __future__ import annotations

import argparse
import asyncio
import time
from multiprocessing.connection import Connection
from typing import Any

from raftcy.demo.worker import serve

from . import processes
from .group import config_of, silence
from .measured import Measured

_TICK_S = 0.05


class Server:
    """One process of the cluster."""

    def __init__(self, place: int, ports: list[int], pipe: Connection, size: int) -> None:
        import raftcy
        from raftcy.transport import Transport

        self.raftcy = raftcy
        self.ports = ports
        self.pipe = pipe
        self.data = bytes(size)
        self.id = place + 1
        self.storage = raftcy.MemoryStorage()
        config = config_of(raftcy, self.id, self.storage)
        self.node = raftcy.start_node(config, [raftcy.Peer(i + 1) for i in range(len(ports))])
        peers = {i + 1: (processes.HOST, port) for i, port in enumerate(ports) if i != place}
        self.transport = Transport(self.id, self.node, peers)
        self.applied = 0
        self.lead = 0
        self.moved = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to end."""
        await self.transport.listen(processes.HOST, self.ports[self.id - 1])
        await serve(self.node, self.transport, self._tick(), self._handle(), self._obey())

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.node.tick()

    async def _handle(self) -> None:
        node, storage, raftcy = self.node, self.storage, self.raftcy
        async for rd in node:
            raftcy.save_ready(storage, rd)
            self.transport.send(rd.messages)
            for e in rd.committed_entries:
                if e.type != raftcy.EntryType.NORMAL:
                    node.apply_conf_change(raftcy.ConfChange.decode(e.data))
                elif e.data:
                    self.applied += 1
            node.advance()
            if rd.soft_state is not None and rd.soft_state.lead and not self.lead:
                self.lead = rd.soft_state.lead
                self.pipe.send(("ready", self.lead == self.id))
            self.moved.set()

    async def _obey(self) -> None:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(self.pipe.fileno(), lambda: heard.put_nowait(self.pipe.recv()))
        while True:
            said = await heard.get()
            if said[0] == "go":
                await self._propose(said[1], said[2])
                self.pipe.send(("done",))
            elif said[0] == "count":
                self.pipe.send(("count", self.applied, time.process_time()))
            else:
                return

    async def _propose(self, n: int, outstanding: int) -> None:
        sent, node = 0, self.node
        while self.applied < n:
            while sent < n and sent - self.applied < outstanding:
                await node.propose(self.data)
                sent += 1
            self.moved.clear()
            await self.moved.wait()


def member(place: int, ports: list[int], pipe: Connection, size: int) -> None:
    """What a process runs."""
    silence()

    async def serve() -> None:
        await Server(place, ports, pipe, size).run()

    asyncio.run(serve())


def run(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Values replicated end to end."""
    return processes.cluster(member, o.n, o.outstanding, o.size or 128)
