"""Three hosts under a long load, and under many reconnects: what they leave behind.

    python -m tests.system.replica.steady --proposals 10000000 --reconnects 1000

The hosts share a process and an event loop, and talk over loopback. After each tenth of the work, the command prints
the resident memory and the blocks of Python's allocator. The exit status is 1 if they grow.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_bytes
from typing import Any, NamedTuple

from raftcy import Host, Tuning
from raftcy.demo.ports import free_ports
from raftcy.machines import Command, StateMachine
from raftcy.replica import Replica
from raftcy.replica.seams import Seams
from raftcy.storage.shared_log import SharedLog
from tests.support.hosts import agreed

TUNING = Tuning(tick_ms=50, election_ms=2000, snapshot_entries=20_000, kept_entries=5_000)
BATCH = 1000
# The growth that a tenth may show, because buffers and windows are not always equally full: blocks, and bytes.
BLOCKS = 20_000
BYTES = 8 << 20


class Count(StateMachine):
    """Counts commands."""

    def __init__(self) -> None:
        self.count = 0

    def apply_one(self, command: Command) -> int:
        self.count += 1
        return self.count

    def capture(self) -> bytes:
        return b"%d" % self.count

    def restore(self, file: Any) -> None:
        self.count = int(file.read())


class Small(Seams):
    """A log with segments of 4 MiB, and as much in memory, so that its windows are full at the first measure."""

    def log(self, files: Any) -> SharedLog:
        size = 4 << 20
        return SharedLog(files, segment_size=size, memory_size=size, clock=time.monotonic, draw=token_bytes)


class Size(NamedTuple):
    """What the process takes: resident bytes, blocks of Python's allocator, tracked objects."""

    resident: int
    blocks: int
    objects: int


def size() -> Size:
    """What the process takes now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Size(pages * 4096, sys.getallocatedblocks(), len(gc.get_objects()))


def grown(sizes: list[Size], slack: int = 1) -> list[str]:
    """What grows: the median of the last third is above that of the middle third by more than a tenth may."""
    third = len(sizes) // 3
    middle, last = (
        [sorted(each[n] for each in part)[len(part) // 2] for n in range(3)]
        for part in (sizes[third : 2 * third], sizes[2 * third :])
    )
    limits = (BYTES * slack, BLOCKS * slack, BLOCKS * slack)
    return [
        f"{name}: {before} to {after}"
        for name, before, after, limit in zip(Size._fields, middle, last, limits, strict=True)
        if after - before > limit
    ]


@asynccontextmanager
async def three(folder: Path) -> AsyncIterator[tuple[dict[int, Host], dict[int, Replica]]]:
    """Three hosts with a replica each."""
    members = {id: f"127.0.0.1:{port}" for id, port in zip((1, 2, 3), free_ports(3), strict=True)}
    hosts = {id: Host(folder / str(id), id=id, members=members, tuning=TUNING, seams=Small()) for id in members}
    try:
        await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
        replicas = {id: host.replica("count", Count()) for id, host in hosts.items()}
        await agreed(replicas)
        yield hosts, replicas
    finally:
        await asyncio.gather(*[host.close() for host in hosts.values()])


async def proposals(replicas: dict[int, Replica], count: int, told: Any) -> list[Size]:
    """Propose so many commands at the leader, by many and one by one; the sizes after each tenth."""
    sizes = []
    for _ in range(10):
        leader = await agreed(replicas)
        for at in range(0, count // 10, BATCH):
            if at // BATCH % 10 == 9:
                await asyncio.gather(*[leader.propose(b"x" * 128) for _ in range(BATCH)])
            else:
                await leader.propose_many([b"x" * 128] * BATCH)
        for replica in replicas.values():
            await replica.read()
        sizes.append(size())
        told(sizes[-1])
    return sizes


async def reconnects(hosts: dict[int, Host], replicas: dict[int, Replica], count: int, told: Any) -> list[Size]:
    """Cut connections so often, under load; the sizes after each tenth."""
    sizes = []
    for _ in range(10):
        done = 0
        while done < count // 10:
            for host in hosts.values():
                transport: Any = host._transport
                for out in list(transport._outgoing.values()):
                    if out._connection is not None and done < count // 10:
                        out._connection.abort()
                        done += 1
                leader = await agreed(replicas)
                await leader.propose(b"x", timeout_s=5)
                await asyncio.sleep(0.03)
        for replica in replicas.values():
            await replica.read()
        sizes.append(size())
        told(sizes[-1])
    return sizes


async def measure(folder: Path, count: int, cuts: int, told: Any = print) -> list[str]:
    """Do both; what grows."""
    async with three(folder) as (hosts, replicas):
        found = grown(await proposals(replicas, count, told)) if count else []
        if cuts:
            found += grown(await reconnects(hosts, replicas, cuts, told))
    return found


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--proposals", type=int, default=10_000_000)
    parser.add_argument("--reconnects", type=int, default=1000)
    o = parser.parse_args()
    begun = time.process_time()

    def told(found: Size) -> None:
        print(f"{time.process_time() - begun:7.0f} s of CPU  {found.resident >> 10:8} KiB  {found}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder), o.proposals, o.reconnects, told))
    print("grows: " + ", ".join(found) if found else "nothing grows")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
