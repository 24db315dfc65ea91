"""How long raftcy blocks the event loop with a large log: under load, for a slow follower, opening, freeing segments.

    python -m tests.system.replica.blocked --mib 1024

Three hosts share a process and an event loop. The command prints the longest calls of the loop in each stage, in CPU
time. The exit status is 1 if one is longer than 50 ms.
"""

import argparse
import asyncio
import gc
import sys
import tempfile
from pathlib import Path
from typing import Any

from raftcy import Host, Tuning
from raftcy.demo.ports import free_ports
from raftcy.replica import Replica
from tests.support.hosts import agreed
from tests.support.watchdog import Watchdog

from .steady import Count

LIMIT_S = 0.05
COMMAND = bytes(range(256)) * 64
BATCH = 50


def tuning(kept: int) -> Tuning:
    """Long times, because three hosts and their disks share what the machine has."""
    return Tuning(tick_ms=100, election_ms=5000, snapshot_entries=2000, kept_entries=kept, handover_ms=60_000)


class Stages:
    """The stages, one after the other; ``found`` has the longest calls of each."""

    def __init__(self, folder: Path, size: int, told: Any) -> None:
        self.folder = folder
        self.count = size // len(COMMAND)
        self.told = told
        self.found: dict[str, float] = {}
        ports = free_ports(3)
        self.members = {id: f"127.0.0.1:{ports[id - 1]}" for id in (1, 2, 3)}
        self.hosts: dict[int, Host] = {}
        self.replicas: dict[int, Replica] = {}
        self.quiet: dict[int, Replica] = {}

    def note(self, stage: str, dog: Watchdog) -> None:
        self.found[stage] = dog.longest_s
        self.told(f"{stage}: {dog.calls} calls, the longest {dog.longest_s * 1000:.0f} ms")
        for seconds, what in dog.worst[:3]:
            self.told(f"    {seconds * 1000:.0f} ms {what[:300]}")

    async def start(self, kept: int, *ids: int) -> None:
        hosts = {id: Host(self.folder / str(id), id=id, members=self.members, tuning=tuning(kept)) for id in ids}
        await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
        self.hosts |= hosts
        for id, host in hosts.items():
            self.replicas[id] = host.replica("large", Count())
            self.quiet[id] = host.replica("quiet", Count())

    async def stop(self, *ids: int) -> None:
        await asyncio.gather(*[self.hosts.pop(id).close() for id in ids])
        for id in ids:
            del self.replicas[id], self.quiet[id]

    async def load(self, count: int) -> None:
        for _ in range(0, count, BATCH):
            leader = await agreed(self.replicas)
            await leader.propose_many([COMMAND] * BATCH)

    async def caught_up(self) -> None:
        leader = await agreed(self.replicas)
        for replica in self.replicas.values():
            await replica.read(at_least=leader.applied)

    async def run(self) -> None:
        everything = 10**9
        await self.start(everything, 1, 2, 3)
        leader = await agreed(self.quiet)
        await leader.propose_many([COMMAND] * 100)
        gc.collect()
        leader = await agreed(self.replicas)
        follower = next(id for id in self.replicas if id != leader.id)
        await self.stop(follower)
        with Watchdog() as dog:
            await self.load(self.count)
        self.note("load", dog)
        await self.start(everything, follower)
        with Watchdog() as dog:
            await self.caught_up()
        self.note("slow follower", dog)
        await self.stop(1, 2, 3)
        with Watchdog() as dog:
            await self.start(100, 1, 2, 3)
            await self.caught_up()
        self.note("opening", dog)
        before = self.segments()
        with Watchdog() as dog:
            await self.load(4000)
            await asyncio.sleep(1)
            await self.load(4000)
        self.note("freeing segments", dog)
        self.told(f"segments of a host: {before}, then {self.segments()}")
        for replica in self.quiet.values():
            await replica.read()
        await self.stop(1, 2, 3)

    def segments(self) -> tuple[int, int]:
        """The oldest and the newest segment of a host."""
        log: Any = self.hosts[1]._log
        found: tuple[int, int] = log.segments()
        return found


async def measure(folder: Path, size: int, told: Any = print) -> Stages:
    """Run all stages."""
    stages = Stages(folder, size, told)
    try:
        await stages.run()
    finally:
        if stages.hosts:
            await stages.stop(*list(stages.hosts))
    return stages


def main() -> int:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--folder", type=Path)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=o.folder) as folder:
        stages = asyncio.run(measure(Path(folder), o.mib << 20, lambda text: print(text, flush=True)))
    slow = {stage: seconds for stage, seconds in stages.found.items() if seconds > LIMIT_S}
    print(f"blocked for more than {LIMIT_S * 1000:.0f} ms: {slow}" if slow else "never blocked for long")
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
