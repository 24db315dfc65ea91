"""Proposals through a Node leave nothing behind: a short run of ``tests.unit.node.steady``."""

from . import steady


async def test_proposals_leave_no_memory_behind() -> None:
    points = await steady.run(20_000)
    assert points[-1][0] - points[1][0] < steady.BLOCKS
