"""What is not on disk is not said; and who has lost what it had said is found out, and does not come back."""

import asyncio
import copy
from typing import Any

from raftcy.errors import LogLost
from raftcy.replica.host import group_of
from raftcy.wire.enums import MessageType
from tests.support.hosts import Files, Ledger, World, followers_of, leader_of, ledger, tuned
from tests.support.virtual import caught, run_story


def test_the_only_member_answers_after_its_sync() -> None:
    """catches: etcd#14370"""

    async def story() -> None:
        world = World(1, tuned(sync="thread"))
        async with world.serving() as replicas:
            await replicas[1].propose(b"before")
            host: Any = replicas[1]._host
            world.aside(1).hangs = True
            wait = replicas[1].propose(b"x")
            await asyncio.sleep(0.5)
            assert not wait.done()
            assert ledger(replicas[1]) == ["before"]
            world.crash(host)
            assert await caught(wait) is not None
        async with world.serving() as replicas:
            await replicas[1].read()
            assert ledger(replicas[1]) == ["before"]

    run_story(story())


def test_a_candidate_that_lost_power_has_voted_or_asked_nobody() -> None:
    """Its own vote is on disk before anybody hears of it: after a power cut it votes for nobody else in that term.

    catches: nebula#3415, tikv#8381
    """

    async def story() -> None:
        world = World(3)
        async with world.serving() as replicas:
            leader, candidate = leader_of(replicas), followers_of(replicas)[0]
            term = leader.term
            world.sent = sent = Asking(world, candidate.id)
            await leader.transfer(candidate.id)
            assert {m.term for _, _, m in sent.votes} == {term + 1}
        # The power was cut when the first request left.
        disk = Files()
        disk.durable = sent.durable
        disk.cut_power()
        world.disks[candidate.id] = disk
        async with world.host(candidate.id) as again:
            world.cut(candidate.id)
            state, _ = again._log.group(group_of("ledger")).initial_state()
            assert (state.term, state.vote) == (term + 1, candidate.id)

    run_story(story())


class Asking(list[Any]):
    """What is sent; ``votes`` are a candidate's requests, ``durable`` what was on its disk when the first one left."""

    def __init__(self, world: World, id: int) -> None:
        super().__init__()
        self.world = world
        self.id = id
        self.votes: list[Any] = []
        self.durable: dict[str, bytes] = {}

    def append(self, each: Any) -> None:
        super().append(each)
        if each[0] == self.id and each[2].type == MessageType.MSG_VOTE:
            self.durable = self.durable or dict(self.world.disks[self.id].durable)
            self.votes.append(each)


def test_an_old_copy_of_a_directory_is_found_out() -> None:
    """A follower acknowledged commands, and comes back with an older log: the leader, which knows, ends it.

    catches: etcd#10166
    """

    async def story() -> None:
        world = World()
        async with world.serving() as replicas:
            leader, follower = leader_of(replicas), followers_of(replicas)[0]
            await leader.propose(b"old")
            await follower.read()
            old = copy.deepcopy(world.disks[follower.id])
            for number in range(5):
                await leader.propose(b"%d" % number)
            await follower.read()
            host: Any = follower._host
            await host.close()
            world.disks[follower.id] = old
            again = world.host(follower.id)
            async with again:
                replica = again.replica("ledger", Ledger())
                for _ in range(200):
                    if replica.failure is not None:
                        break
                    await asyncio.sleep(0.01)
                assert isinstance(replica.failure, LogLost)
                assert isinstance(again.failure, LogLost)
                assert await leader.propose(b"goes on") == 7

    run_story(story())
