"""``python -m tests.unit.node.steady [--proposals N]``: proposals through a Node, and the memory that they leave
behind.

A single node, its storage compacted as it goes. Prints the allocated blocks and the resident bytes at ten points of the
run. Exits with status 1 if either grows from the second point to the last by more than chance explains.
"""

import argparse
import asyncio
import gc
import logging
import sys

from raftcy.node import Node
from tests.support.node_loop import Member, leader

KEPT = 100
# Far fewer than one block per hundred proposals of the shortest run; free lists and dictionaries vary.
BLOCKS = 500
RESIDENT_BYTES = 4 << 20


def resident_bytes() -> int:
    """Resident bytes of this process; 0 if the system does not report them."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * 4096
    except OSError:
        return 0


async def handle(single: Member) -> None:
    """Handle Readys, and keep only the newest entries."""
    async for rd in single.node:
        single.handle(rd)
        single.committed.clear()
        single.node.advance()
        applied = rd.committed_entries[-1].index if rd.committed_entries else 0
        if applied > single.storage.first_index() + 2 * KEPT:
            single.storage.compact(applied - KEPT)


async def propose(node: Node, count: int) -> None:
    """Make the proposals one after the other."""
    for number in range(count):
        await node.propose(b"%128d" % number)


async def run(proposals: int) -> list[tuple[int, int]]:
    """Allocated blocks and resident bytes at ten points during this many proposals."""
    single = await leader()
    handler = asyncio.ensure_future(handle(single))
    points = []
    for _ in range(10):
        await propose(single.node, proposals // 10)
        status = single.node.status()
        while status.applied < status.commit or single.has_ready():
            await asyncio.sleep(0)
            status = single.node.status()
        gc.collect()
        points.append((sys.getallocatedblocks(), resident_bytes()))
    await single.node.stop()
    await handler
    return points


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Proposals through a Node, and what memory they leave behind.")
    parser.add_argument("--proposals", type=int, default=1_000_000, help="how many (default: 1000000)")
    logging.disable(logging.CRITICAL)
    points = asyncio.run(run(parser.parse_args().proposals))
    for number, (blocks, resident) in enumerate(points, 1):
        print(f"{number * 10:3} %: {blocks} blocks, {resident / 1024:.0f} KiB resident")
    blocks, resident = (points[-1][i] - points[1][i] for i in (0, 1))
    print(f"grown since 20 %: {blocks} blocks, {resident / 1024:.0f} KiB")
    return int(blocks > BLOCKS or resident > RESIDENT_BYTES)


if __name__ == "__main__":
    sys.exit(main())
