"""A follower that is far behind gets old entries from the leader's disk, bit by bit: nobody else waits for that."""

import asyncio
from collections import Counter
from typing import Any

from raftcy.replica.replica import INFLIGHT_BYTES
from raftcy.transport import Limits
from raftcy.wire.enums import MessageType
from tests.support.hosts import Ledger, World, agreed, followers_of, leader_of, tuned
from tests.support.virtual import run_story

SIZE = 100_000
COUNT = 200


class Sizes(list[Any]):
    """What is sent; ``turns`` has the bytes of entries to one host by the time at which they left."""

    def __init__(self, to: int) -> None:
        super().__init__()
        self.to = to
        self.turns: Counter[float] = Counter()

    def append(self, each: Any) -> None:
        m = each[2]
        if m.to == self.to and m.type == MessageType.MSG_APP:
            self.turns[asyncio.get_running_loop().time()] += sum(len(e.data) for e in m.entries)


def test_what_a_follower_lacks_is_read_and_sent_bit_by_bit() -> None:
    """More in one turn would block the loop, fill the transport's queue, and be dropped and read again."""

    async def story() -> None:
        world = World(3, tuned(kept_entries=10**6))
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            host: Any = follower._host
            await host.close()
            for number in range(0, COUNT, 10):
                await leader.propose_many([b"%d" % (number + n) * (SIZE // 3) for n in range(10)])
            world.sent = sizes = Sizes(follower.id)
            async with world.host(follower.id) as again:
                replicas[follower.id] = again.replica("ledger", Ledger())
                await agreed(replicas)
                await replicas[follower.id].read(at_least=leader.applied)
            total = sum(sizes.turns.values())
            assert total > 2 * INFLIGHT_BYTES, "it lacked more than may be on its way"
            assert total < 1.2 * SIZE * COUNT, "and was not sent it again and again"
            assert max(sizes.turns.values()) <= INFLIGHT_BYTES + (1 << 20)

    run_story(story())


def test_what_may_be_on_its_way_fits_into_a_queue_of_the_transport() -> None:
    assert 4 * INFLIGHT_BYTES <= Limits().queue_bytes
