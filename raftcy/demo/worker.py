"""One process of the demo: a pump, its transport and a state machine, all in memory.

Run by the client as ``python -m raftcy.demo.worker``. It ends when the client closes the connection between them, which
also happens when the client dies.
"""

import asyncio
import os
import sys
from typing import Any

from .. import BUILD
from ..core.config import Config, Peer
from ..core.rawnode import RawNode
from ..core.ready import SoftState
from ..core.storage import MemoryStorage
from ..errors import ProposalDropped
from ..replica.pump import Pump
from ..transport import Transport
from ..wire.enums import StateType
from . import channel
from .tally import Machine, command

# At most so often a member tells how far it is.
_NEWS_SECONDS = 0.01


class Member(Pump):
    """A member that proposes what the client sends while it leads, and tells the client what it has applied."""

    def __init__(self, id: int, voters: list[int], client: asyncio.StreamWriter) -> None:
        self._client = client
        self._machine = Machine()
        self._leads = False
        self._told = 0
        self._news: asyncio.TimerHandle | None = None
        storage = MemoryStorage()
        config = Config(
            id=id,
            election_tick=10,
            heartbeat_tick=1,
            storage=storage,
            max_size_per_msg=1 << 20,
            max_inflight_msgs=256,
            pre_vote=True,
            check_quorum=True,
        )
        node = RawNode(config)
        node.bootstrap([Peer(voter) for voter in voters])
        super().__init__(node, storage, self._machine)
        self.transport = Transport(id, self)
        self.send = self.transport.send

    async def run(self, commands: asyncio.StreamReader, tick_seconds: float) -> None:
        """Do what the client says until it closes the connection."""
        self.start_ticking(tick_seconds)
        self.spawn(self._obey(commands))
        try:
            await self.done()
        finally:
            await self.transport.close()
            await self.close()

    def changed(self, state: SoftState) -> None:
        """Tell the client who leads."""
        self._leads = state.raft_state == StateType.LEADER
        term = self.driver.node.basic_status().term
        self._tell(event="state", leads=self._leads, lead=state.lead, term=term)

    def finished(self) -> None:
        """Tell the client soon how far it is, if that is news."""
        if self._news is None and self._machine.records > self._told:
            self._news = asyncio.get_running_loop().call_later(_NEWS_SECONDS, self._tell_progress)

    async def _obey(self, commands: asyncio.StreamReader) -> None:
        async for said in channel.unpack(commands):
            if isinstance(said, channel.Batch):
                await self._propose(said)
            elif said["do"] == "connect":
                for peer, port in said["ports"].items():
                    if int(peer) != self.driver.id:
                        await self.transport.set_peer(int(peer), (channel.HOST, port))
            elif said["do"] == "report":
                self._tell_result()

    async def _propose(self, batch: channel.Batch) -> None:
        for number, record in enumerate(batch.records, batch.first):
            # A member that does not lead takes nothing: the client sends it all again to the one that does.
            if not self._leads:
                return
            try:
                await self.propose(command(number, record))
            except ProposalDropped:
                return

    def _tell_progress(self) -> None:
        self._news = None
        self._told = self._machine.records
        self._tell(event="progress", records=self._told)

    def _tell_result(self) -> None:
        machine, traffic = self._machine, self.transport.traffic
        self._tell(
            event="result",
            build=BUILD,
            leads=self._leads,
            term=self.driver.node.basic_status().term,
            records=machine.records,
            repeated=machine.repeated,
            early=machine.early,
            applied=self.driver.applied,
            digest=machine.digest,
            sent=traffic.sent_messages,
            received=traffic.received_messages,
        )

    def _tell(self, **fields: Any) -> None:
        self._client.write(channel.pack(**fields))


async def _main(argv: list[str]) -> int:
    id, count, tick_ms, port, client_port = (int(word) for word in argv)
    commands, client = await asyncio.open_connection(channel.HOST, client_port)
    client.write(channel.pack(id=id, token=os.environ.get(channel.TOKEN, "")))
    member = Member(id, list(range(1, count + 1)), client)
    try:
        _, bound = await member.transport.listen(channel.HOST, port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        text = f"node {id} cannot listen on {channel.HOST}:{port}: {reason}"
        client.write(channel.pack(event="failed", text=text))
        await client.drain()
        return 1
    client.write(channel.pack(event="listening", port=bound))
    await member.run(commands, tick_ms / 1000)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(sys.argv[1:])))
