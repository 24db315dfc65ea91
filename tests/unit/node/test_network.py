"""Clusters on a lossy network in virtual time: of Nodes, as in the reference, and of the kit's own members."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

import pytest

from raftcy.core.config import Peer
from raftcy.rafttest.lossy import LossyNetwork, NetworkNode
from raftcy.wire.enums import StateType
from raftcy.wire.messages import Message
from tests.support.lossy_node import NodeOnNetwork
from tests.support.virtual import run_virtually

IDS = (1, 2, 3, 4, 5)
Kind = type[NodeOnNetwork] | type[NetworkNode]
kinds = pytest.mark.parametrize("kind", [NodeOnNetwork, NetworkNode])


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run a test in virtual time."""

    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        run_virtually(test(*args, **kwargs))

    return run


async def until(condition: Callable[[], bool], what: str) -> None:
    for _ in range(6000):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail(f"after a minute of virtual time: no {what}")


class Cluster:
    """Five nodes whose messages take 0 to 10 ms. Proposals are repeated until all nodes have applied them."""

    def __init__(self, kind: Kind, seed: int) -> None:
        self.network = LossyNetwork(*IDS, seed=seed)
        for from_ in IDS:
            for to in IDS:
                self.network.delay(from_, to, 0.01, 1.0)
        peers = [Peer(id) for id in IDS]
        self.nodes = [kind(id, peers, self.network, seed=seed * 100 + id) for id in IDS]
        self.proposed: list[bytes] = []

    async def leader(self) -> int:
        """The index of the node that all others follow."""
        found = -1

        def agreed() -> bool:
            nonlocal found
            leads = {node.node.status().lead for node in self.nodes}
            found = next((i for i, node in enumerate(self.nodes) if {node.id} == leads), -1)
            return found >= 0

        await until(agreed, "leader")
        return found

    async def propose(self, node: NodeOnNetwork | NetworkNode, count: int) -> None:
        for _ in range(count):
            data = b"somedata %d" % len(self.proposed)
            self.proposed.append(data)
            await node.propose(data)

    async def converge(self) -> None:
        """Wait until all nodes have applied the same entries, including every proposal."""

        def missing() -> list[bytes]:
            applied = {entry.data for entry in self.nodes[0].applied}
            return [data for data in self.proposed if data not in applied]

        for _ in range(20):
            await asyncio.sleep(1)
            for data in missing():
                # It was lost together with a leader, or on the way to it.
                await self.nodes[0].propose(data)
            logs = [node.applied for node in self.nodes]
            if not missing() and all(log == logs[0] for log in logs):
                return
        pytest.fail(f"{len(missing())} proposals are not applied, or the logs differ: {[len(log) for log in logs]}")

    async def stop(self) -> None:
        for node in self.nodes:
            await node.stop()


def test_network_drops_at_its_rate() -> None:
    """answers: TestNetworkDrop"""
    sent, rate = 1000, 0.1

    async def main() -> None:
        network = LossyNetwork(1, 2)
        network.drop(1, 2, rate)
        for _ in range(sent):
            network.send(Message(from_=1, to=2))
        lost = sent - network.waiting(2)
        assert (rate - 0.05) * sent <= lost <= (rate + 0.05) * sent

    run_virtually(main())


def test_network_delays_at_its_rate() -> None:
    """answers: TestNetworkDelay"""
    sent, rate, delay = 20_000, 0.1, 0.001

    async def main() -> None:
        network = LossyNetwork(1, 2)
        network.delay(1, 2, delay, rate)
        clock = asyncio.get_running_loop().time
        total = 0.0
        for number in range(sent):
            begun = clock()
            network.send(Message(from_=1, to=2, index=number))
            assert (await network.receive(2)).index == number
            total += clock() - begun
        expected = sent * rate * delay / 2
        assert 0.9 * expected <= total <= 1.1 * expected

    run_virtually(main())


async def _with_cluster(kind: Kind, seed: int, story: Callable[[Cluster], Awaitable[None]]) -> None:
    cluster = Cluster(kind, seed)
    await cluster.leader()
    await story(cluster)
    await cluster.converge()
    await cluster.stop()


@kinds
@pytest.mark.parametrize("seed", range(3))
@virtual
async def test_progress(kind: Kind, seed: int) -> None:
    """answers: TestBasicProgress"""

    async def story(cluster: Cluster) -> None:
        await cluster.propose(cluster.nodes[0], 100)

    await _with_cluster(kind, seed, story)


@kinds
@pytest.mark.parametrize("seed", range(3))
@virtual
async def test_progress_while_nodes_restart(kind: Kind, seed: int) -> None:
    """answers: TestRestart"""

    async def story(cluster: Cluster) -> None:
        lead = await cluster.leader()
        nodes = cluster.nodes
        first, second = nodes[(lead + 1) % 5], nodes[(lead + 2) % 5]
        await cluster.propose(nodes[lead], 30)
        await first.stop()
        await cluster.propose(nodes[(lead + 3) % 5], 30)
        await second.stop()
        await cluster.propose(nodes[(lead + 4) % 5], 30)
        second.restart()
        await cluster.propose(nodes[lead], 30)
        first.restart()

    await _with_cluster(kind, seed, story)


@kinds
@pytest.mark.parametrize("seed", range(3))
@virtual
async def test_progress_while_nodes_pause(kind: Kind, seed: int) -> None:
    """answers: TestPause"""

    async def story(cluster: Cluster) -> None:
        nodes = cluster.nodes
        await cluster.propose(nodes[0], 30)
        nodes[1].pause()
        await cluster.propose(nodes[0], 30)
        nodes[2].pause()
        await cluster.propose(nodes[0], 30)
        nodes[2].resume()
        await cluster.propose(nodes[0], 30)
        nodes[1].resume()

    await _with_cluster(kind, seed, story)


@kinds
@pytest.mark.parametrize("seed", range(3))
@virtual
async def test_progress_on_a_network_that_loses_a_fifth(kind: Kind, seed: int) -> None:
    """A node is also cut off for a while; in the end all logs are equal."""

    async def story(cluster: Cluster) -> None:
        for from_ in IDS:
            for to in IDS:
                cluster.network.drop(from_, to, 0.2)
        await cluster.propose(cluster.nodes[0], 30)
        lead = await cluster.leader()
        cluster.network.disconnect(lead + 1)
        others = [node for node in cluster.nodes if node.id != lead + 1]
        await until(lambda: any(node.node.status().raft_state == StateType.LEADER for node in others), "successor")
        await cluster.propose(others[0], 30)
        cluster.network.connect(lead + 1)

    await _with_cluster(kind, seed, story)
