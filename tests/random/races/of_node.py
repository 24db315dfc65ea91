"""Random schedules of one Node whose calls overlap, are cut short, and meet its end."""

import asyncio
import random
from contextlib import suppress
from typing import Any

from raftcy.errors import ProposalDropped, RaftError, Stopped
from raftcy.wire.changes import ConfChange
from raftcy.wire.enums import ConfChangeType, MessageType
from raftcy.wire.messages import Message
from tests.support.node_loop import member, storage_with
from tests.support.transports import heartbeat, proposal

from .leftovers import Calls, Leak, nothing_is_left, sockets


class Schedule:
    """A node, alone or of three, tasks that take its Readys, and a number of calls of it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)

    async def run(self) -> None:
        """All of it; raises Leak if something is left."""
        rng = self.rng
        before = sockets()
        calls = Calls(rng)
        voters = rng.choice(((1,), (1, 2, 3)))
        single = member(storage_with(*voters))
        node = single.node

        async def turn() -> None:
            """Take a Ready. One that is cut short must lose none; the next one takes it."""
            rd = await node.ready()
            single.handle(rd)
            node.advance()

        async def turns() -> None:
            async for rd in node:
                single.handle(rd)
                node.advance()

        if rng.random() < 0.5:
            await calls.begin(turns())
        for number in range(rng.randrange(10, 60)):
            await calls.begin(self.call(node, number, turn))
            if rng.random() < 0.2:
                node.tick()
            for _ in range(rng.choice((0, 0, 1, 2, 5))):
                await asyncio.sleep(0)
        await self.still_works(single, voters, calls)
        await calls.begin(node.stop(), 0.0)
        errors = await calls.end()
        await node.stop()
        await nothing_is_left(before)
        unexpected = [error for error in errors if not isinstance(error, RaftError)]
        died = [error for error in errors if isinstance(error, Stopped) and error.cause is not None]
        if unexpected or died:
            raise Leak(f"errors: {unexpected + died}")

    def call(self, node: Any, number: int, turn: Any) -> Any:
        """One random call, not begun yet."""
        change = ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=9)
        vote = Message(type=MessageType.MSG_VOTE, to=1, from_=2, term=number + 2, index=99, log_term=99)
        return self.rng.choice(
            (
                lambda: node.propose(b"x"),
                lambda: node.propose(b"x"),
                lambda: node.propose_conf_change(change),
                lambda: node.campaign(),
                lambda: node.read_index(b"%d" % number),
                lambda: node.transfer_leadership(1, 2),
                lambda: node.forget_leader(),
                lambda: node.step(proposal(b"y", to=1, from_=2)),
                lambda: node.step(vote),
                lambda: node.step_many([heartbeat(0, to=1, from_=2)] * 70),
                turn,
                turn,
                turn,
            )
        )()

    async def still_works(self, single: Any, voters: tuple[int, ...], calls: Calls) -> None:
        """However the calls were cut short: what the node has to say next still reaches somebody who asks."""
        node = single.node
        seen: list[Any] = []

        async def listen() -> None:
            async for rd in node:
                seen.append(rd)
                single.handle(rd)
                node.advance()

        if single.node._taken is not None:
            # The schedule has taken a Ready and was cut short before it was done with it.
            single.handle(node._taken)
            node.advance()
        await calls.begin(listen(), 0.0)
        committed = len(single.committed)
        if voters != (1,):
            return
        async with asyncio.timeout(30):
            # A call that began earlier may still depose it.
            while not any(entry.data == b"the last one" for entry in single.committed[committed:]):
                await node.campaign()
                for _ in range(10):
                    await asyncio.sleep(0)
                if node.status().lead == 1:
                    with suppress(ProposalDropped):
                        await node.propose(b"the last one")
