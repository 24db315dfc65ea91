"""Coroutines of a Node that are closed instead of cancelled, as the garbage collector closes them."""

import asyncio
from typing import Any

import pytest

from tests.support.node_loop import leader, member


@pytest.mark.parametrize("woken", [False, True])
async def test_a_closed_ready_passes_its_turn_on(woken: bool) -> None:
    """Whether it still waits or was woken already: the next Ready reaches whoever asks for it."""
    single = await leader()
    waiting: Any = single.node.ready()

    async def first_step() -> None:
        waiting.send(None)._asyncio_future_blocking = False

    await asyncio.ensure_future(first_step())
    second = asyncio.ensure_future(single.turn())
    if not woken:
        waiting.close()
    await single.node.propose(b"x")
    if woken:
        waiting.close()
    async with asyncio.timeout(5):
        await second
    while single.committed[-1].data != b"x":
        await single.turn()
    await single.node.stop()


async def test_a_closed_proposal_is_withdrawn() -> None:
    single = member()
    waiting: Any = single.node.propose(b"withdrawn")

    async def first_step() -> None:
        waiting.send(None)._asyncio_future_blocking = False

    await asyncio.ensure_future(first_step())
    waiting.close()
    await single.node.campaign()
    await single.settle()
    await single.node.propose(b"x")
    await single.settle()
    assert [entry.data for entry in single.committed if entry.data] == [b"x"]
    await single.node.stop()
