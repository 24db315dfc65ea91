"""raftcy's own cluster of three processes, each with a Driver in an event loop, and the transport between them."""

from __future__ import annotations

import argparse
import asyncio
import time
from multiprocessing.connection import Connection
from typing import Any

from raftcy.replica.pump import Pump

from . import processes
from .group import config_of, silence
from .measured import Measured

_TICK_S = 0.05


class Machine:
    """Counts applied entries."""

    def __init__(self) -> None:
        self.applied = 0
        self.moved = asyncio.Event()

    def apply(self, entries: list[Any]) -> None:
        """Apply entries with data."""
        self.applied += len(entries)
        self.moved.set()


class Server(Pump):
    """One process of the cluster."""

    def __init__(self, place: int, ports: list[int], pipe: Connection, size: int) -> None:
        import raftcy
        from raftcy.transport import Transport

        self.ports = ports
        self.pipe = pipe
        self.data = bytes(size)
        self.id = place + 1
        self.lead = 0
        self.machine = Machine()
        storage = raftcy.MemoryStorage()
        node = raftcy.RawNode(config_of(raftcy, self.id, storage))
        node.bootstrap([raftcy.Peer(i + 1) for i in range(len(ports))])
        super().__init__(node, storage, self.machine)
        peers = {i + 1: (processes.HOST, port) for i, port in enumerate(ports) if i != place}
        self.transport = Transport(self.id, self, peers)
        self.send = self.transport.send

    async def run(self) -> None:
        """Serve until told to stop."""
        await self.transport.listen(processes.HOST, self.ports[self.id - 1])
        self.start_ticking(_TICK_S)
        self.spawn(self._obey())
        try:
            await self.done()
        finally:
            await self.transport.close()
            await self.close()

    def changed(self, state: Any) -> None:
        """Report the leader once."""
        if state.lead and not self.lead:
            self.lead = state.lead
            self.pipe.send(("ready", self.lead == self.id))

    async def _obey(self) -> None:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        asyncio.get_running_loop().add_reader(self.pipe.fileno(), lambda: heard.put_nowait(self.pipe.recv()))
        while True:
            said = await heard.get()
            if said[0] == "go":
                await self._propose(said[1], said[2])
                self.pipe.send(("done",))
            elif said[0] == "count":
                self.pipe.send(("count", self.machine.applied, time.process_time()))
            else:
                return

    async def _propose(self, n: int, outstanding: int) -> None:
        sent, machine = 0, self.machine
        while machine.applied < n:
            while sent < n and sent - machine.applied < outstanding:
                await self.propose(self.data)
                sent += 1
            machine.moved.clear()
            await machine.moved.wait()


def member(place: int, ports: list[int], pipe: Connection, size: int) -> None:
    """The main function of a process."""
    silence()

    async def serve() -> None:
        await Server(place, ports, pipe, size).run()

    asyncio.run(serve())


def run(raftcy: Any, o: argparse.Namespace) -> Measured:
    """Replicate values end to end."""
    return processes.cluster(member, o.n, o.outstanding, o.size or 128)
