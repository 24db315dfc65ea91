"""Three members behind transports, with each kind of receiver: they elect a leader and apply the same."""

import asyncio
from typing import Any, Protocol

import pytest

from raftcy.core.config import Peer
from raftcy.core.rawnode import RawNode
from raftcy.core.storage import MemoryStorage
from raftcy.errors import ProposalDropped, Stopped
from raftcy.node import start_node
from raftcy.replica.pump import Pump
from raftcy.transport import Transport
from raftcy.transport.receiver import Receiver
from raftcy.wire.messages import Entry
from tests.support.node_loop import Member, config

HOST = "127.0.0.1"
IDS = (1, 2, 3)
TICK_SECONDS = 0.01


class Kind(Protocol):
    """The calls that the test makes on a member."""

    applied: list[bytes]
    receiver: Receiver

    def __init__(self, id: int) -> None: ...
    def run(self, transport: Transport) -> None: ...
    async def propose(self, data: bytes) -> None: ...
    async def close(self) -> None: ...


class OfNode:
    """An asyncio Node and a loop over its Readys."""

    def __init__(self, id: int) -> None:
        storage = MemoryStorage()
        self.receiver = start_node(config(storage, id), [Peer(each) for each in IDS])
        self._member = Member(self.receiver, storage)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def applied(self) -> list[bytes]:
        return [entry.data for entry in self._member.committed if entry.data.startswith(b"data ")]

    def run(self, transport: Transport) -> None:
        async def handle() -> None:
            async for rd in self.receiver:
                self._member.handle(rd)
                transport.send(rd.messages)
                self.receiver.advance()

        async def tick() -> None:
            while True:
                await asyncio.sleep(TICK_SECONDS)
                self.receiver.tick()

        self._tasks = [asyncio.ensure_future(work) for work in (handle(), tick())]

    async def propose(self, data: bytes) -> None:
        await self.receiver.propose(data)

    async def close(self) -> None:
        await self.receiver.stop()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        assert all(result is None or isinstance(result, Stopped) for result in results)


class OfPump:
    """A Pump, which has its own loop."""

    def __init__(self, id: int) -> None:
        storage = MemoryStorage()
        node = RawNode(config(storage, id))
        node.bootstrap([Peer(each) for each in IDS])
        self.applied: list[bytes] = []
        self.receiver = Pump(node, storage, self)

    def apply(self, entries: list[Entry]) -> None:
        self.applied += [entry.data for entry in entries]

    def run(self, transport: Transport) -> None:
        self.receiver.send = transport.send
        self.receiver.start_ticking(TICK_SECONDS)

    async def propose(self, data: bytes) -> None:
        while True:
            try:
                await self.receiver.propose(data)
            except ProposalDropped:
                await asyncio.sleep(TICK_SECONDS)
            else:
                return

    async def close(self) -> None:
        await self.receiver.close()
        assert self.receiver.failure is None


async def until(condition: Any, what: str) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"no {what} within half a minute")


@pytest.mark.parametrize("kind", [OfNode, OfPump])
async def test_members_over_tcp(kind: type[Kind]) -> None:
    members = {id: kind(id) for id in IDS}
    transports = {id: Transport(id, member.receiver) for id, member in members.items()}
    for id, transport in transports.items():
        address = await transport.listen(HOST, 0)
        for other in IDS:
            if other != id:
                await transports[other].set_peer(id, address)
    for id, member in members.items():
        member.run(transports[id])
    expected: set[bytes] = set()

    def agreed() -> bool:
        return all(set(member.applied) == expected for member in members.values())

    try:
        # Through each member: followers forward theirs. A proposal lost in an election is repeated.
        for round in range(3):
            expected |= {b"data %d" % (number + 10 * round) for number in range(10)}
            for _ in range(10):
                missing = sorted(expected - set(members[1].applied))
                if not missing:
                    break
                for number, data in enumerate(missing):
                    async with asyncio.timeout(30):
                        await members[1 + number % 3].propose(data)
                await asyncio.sleep(0.2)
            await until(agreed, "agreement")
        assert members[1].applied == members[2].applied == members[3].applied
        assert sum(transport.traffic.received_messages for transport in transports.values()) > 60
    finally:
        for transport in transports.values():
            await transport.close()
        for member in members.values():
            await member.close()
