"""One process of the demo: a Node, its transport and a state machine, all in memory.

Run by the driver as ``python -m raftcy.demo.worker``. It ends when the driver closes the connection between them, which
also happens when the driver dies.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any

from .. import BUILD
from ..core.config import Config, Peer
from ..core.log_storage import save_ready
from ..core.ready import Ready
from ..core.storage import MemoryStorage
from ..errors import ProposalDropped
from ..node import Node, start_node
from ..transport import Transport
from ..wire.changes import ConfChange
from ..wire.enums import EntryType, StateType
from ..wire.messages import Entry
from . import channel
from .tally import Machine, command

# At most so often a member tells how far it is.
_NEWS_SECONDS = 0.01


async def serve(node: Node, transport: Transport, *works: Coroutine[Any, Any, None]) -> None:
    """Run until one of the works ends, raise what it raised, and close the transport and the node."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await transport.close()
        await node.stop()


class Member:
    """A node that proposes what the driver sends while it leads, and tells the driver what it has applied."""

    def __init__(self, id: int, voters: list[int], tick_seconds: float, driver: asyncio.StreamWriter) -> None:
        self._id = id
        self._tick_seconds = tick_seconds
        self._driver = driver
        self._storage = MemoryStorage()
        self._machine = Machine()
        self._applied = 0
        self._leads = False
        self._news: asyncio.TimerHandle | None = None
        config = Config(
            id=id,
            election_tick=10,
            heartbeat_tick=1,
            storage=self._storage,
            max_size_per_msg=1 << 20,
            max_inflight_msgs=256,
            pre_vote=True,
            check_quorum=True,
        )
        self._node: Node = start_node(config, [Peer(voter) for voter in voters])
        self.transport = Transport(id, self._node)

    async def run(self, commands: asyncio.StreamReader) -> None:
        """Do what the driver says until it closes the connection."""
        await serve(self._node, self.transport, self._tick(), self._handle(), self._obey(commands))

    async def _tick(self) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            # After a stall time goes on from now: ticks that are late must not come in a burst.
            due = max(due + self._tick_seconds, clock())
            await asyncio.sleep(due - clock())
            self._node.tick()

    async def _handle(self) -> None:
        async for rd in self._node:
            self._persist(rd)
            self.transport.send(rd.messages)
            for entry in rd.committed_entries:
                self._apply(entry)
            self._node.advance()
            if rd.soft_state is not None:
                self._leads = rd.soft_state.raft_state == StateType.LEADER
                term = self._node.status().term
                self._tell(event="state", leads=self._leads, lead=rd.soft_state.lead, term=term)

    def _persist(self, rd: Ready) -> None:
        if rd.snapshot is not None:
            raise RuntimeError("the demo makes no snapshots, but one arrived")
        save_ready(self._storage, rd)

    def _apply(self, entry: Entry) -> None:
        self._applied = entry.index
        if entry.type == EntryType.CONF_CHANGE:
            self._node.apply_conf_change(ConfChange.decode(entry.data))
        elif entry.data:
            self._machine.apply(entry.data)
            if self._news is None:
                self._news = asyncio.get_running_loop().call_later(_NEWS_SECONDS, self._tell_progress)

    async def _obey(self, commands: asyncio.StreamReader) -> None:
        async for said in channel.unpack(commands):
            if isinstance(said, channel.Batch):
                await self._propose(said)
            elif said["do"] == "connect":
                for peer, port in said["ports"].items():
                    if int(peer) != self._id:
                        await self.transport.set_peer(int(peer), (channel.HOST, port))
            elif said["do"] == "report":
                self._tell_result()

    async def _propose(self, batch: channel.Batch) -> None:
        for number, record in enumerate(batch.records, batch.first):
            # A member that does not lead takes nothing: the driver sends it all again to the one that does.
            if not self._leads:
                return
            try:
                await self._node.propose(command(number, record))
            except ProposalDropped:
                return

    def _tell_progress(self) -> None:
        self._news = None
        self._tell(event="progress", records=self._machine.records)

    def _tell_result(self) -> None:
        traffic = self.transport.traffic
        status = self._node.status()
        self._tell(
            event="result",
            build=BUILD,
            leads=self._leads,
            term=status.term,
            records=self._machine.records,
            repeated=self._machine.repeated,
            early=self._machine.early,
            applied=self._applied,
            digest=self._machine.digest,
            sent=traffic.sent_messages,
            received=traffic.received_messages,
        )

    def _tell(self, **fields: Any) -> None:
        self._driver.write(channel.pack(**fields))


async def _main(argv: list[str]) -> int:
    id, count, tick_ms, port, driver_port = (int(word) for word in argv)
    commands, driver = await asyncio.open_connection(channel.HOST, driver_port)
    driver.write(channel.pack(id=id, token=os.environ.get(channel.TOKEN, "")))
    member = Member(id, list(range(1, count + 1)), tick_ms / 1000, driver)
    try:
        _, bound = await member.transport.listen(channel.HOST, port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        text = f"node {id} cannot listen on {channel.HOST}:{port}: {reason}"
        driver.write(channel.pack(event="failed", text=text))
        await driver.drain()
        return 1
    driver.write(channel.pack(event="listening", port=bound))
    await member.run(commands)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:])))
