"""Some schedules of each kind, and that a leak is found."""

import asyncio
import os
import socket
from typing import Any

import pytest

from raftcy.transport.outgoing import Outgoing

from . import of_node, of_transport
from .leftovers import Leak, run

RUNS = int(os.environ.get("RAFTCY_RACES_RUNS", "25"))


@pytest.mark.parametrize("seed", range(1, RUNS + 1))
def test_transport(seed: int) -> None:
    run(of_transport.Schedule(seed).run())


@pytest.mark.parametrize("seed", range(1, RUNS + 1))
def test_node(seed: int) -> None:
    run(of_node.Schedule(seed).run())


def some(schedule: Any) -> None:
    for seed in range(1, 20):
        run(schedule(seed).run())


def test_a_transport_that_leaves_something_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With connections that are forgotten where they are replaced."""
    monkeypatch.setattr(Outgoing, "stop", lambda self: None)
    with pytest.raises(Leak):
        some(of_transport.Schedule)


def test_a_node_that_leaves_somebody_waiting_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from raftcy.node import Node

    async def stop(self: Any) -> None:
        self._stopped = True

    monkeypatch.setattr(Node, "stop", stop)
    monkeypatch.setattr("tests.random.races.leftovers.PATIENCE_SECONDS", 0.2)
    with pytest.raises((Leak, TimeoutError)):
        some(of_node.Schedule)


def test_a_socket_or_task_that_is_left_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.random.races.leftovers.PATIENCE_SECONDS", 0.1)
    left: list[Any] = []

    async def leaves_a_socket() -> None:
        from .leftovers import nothing_is_left, sockets

        before = sockets()
        left.append(socket.socket())
        await nothing_is_left(before)

    async def leaves_a_task() -> None:
        from .leftovers import nothing_is_left, sockets

        left.append(asyncio.ensure_future(asyncio.sleep(100)))
        await nothing_is_left(sockets())

    with pytest.raises(Leak, match="sockets"):
        run(leaves_a_socket())
    left.pop().close()
    with pytest.raises(Leak, match="tasks"):
        run(leaves_a_task())
