"""A snapshot of 200 MiB through real hosts: in little memory, without stopping the loop, over a broken network.

``RAFTCY_SNAPSHOT_MIB`` is another size, such as 1024.
"""

import asyncio
import hashlib
import os
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from raftcy import Host, OutcomeUnknown, Rejected, Tuning
from raftcy.machines import Command, Pieces, StateMachine
from tests.support.transports import free_port

pytestmark = [pytest.mark.full, pytest.mark.once, pytest.mark.waits(30)]

MIB = 1 << 20
SIZE_MIB = int(os.environ.get("RAFTCY_SNAPSHOT_MIB", "200"))
MEMORY_MIB = 40
BLOCKED_S = 0.05
TUNING = Tuning(
    election_ms=3000, handover_ms=60_000, snapshot_entries=50, kept_entries=5, snapshot_bytes_per_second=1 << 30
)


class Large(StateMachine):
    """A count, whose snapshot has so many MiB that follow from it. It keeps the hash of what it was restored from."""

    def __init__(self) -> None:
        self.count = 0
        self.restored = ""
        self.restored_at = 0

    def apply_one(self, command: Command) -> int:
        self.count += 1
        return self.count

    def capture(self) -> Pieces:
        return Pieces(pieces(self.count))

    def restore(self, file: Any) -> None:
        self.count = self.restored_at = int.from_bytes(file.read(8), "big")
        found = hashlib.sha256()
        while piece := file.read(MIB):
            found.update(piece)
        self.restored = found.hexdigest()


def pieces(count: int) -> Iterator[bytes]:
    yield count.to_bytes(8, "big")
    for number in range(SIZE_MIB):
        yield hashlib.sha256(b"%d %d" % (count, number)).digest() * (MIB // 32)


def digest(count: int) -> str:
    found = hashlib.sha256()
    for number, piece in enumerate(pieces(count)):
        if number:
            found.update(piece)
    return found.hexdigest()


@pytest.fixture(name="longest")
def busiest_callback(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the loop was kept busy by each callback, in seconds of its thread; waits for others do not count."""
    run = asyncio.Handle._run
    longest = [0.0]

    def timed(self: asyncio.Handle) -> None:
        begun = time.thread_time()
        run(self)
        longest[0] = max(longest[0], time.thread_time() - begun)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    return longest


@asynccontextmanager
async def hosts(folder: Path, members: dict[int, str], *ids: int) -> AsyncIterator[dict[int, Any]]:
    async with AsyncExitStack() as stack:
        made = {id: Host(folder / str(id), id=id, members=members, tuning=TUNING) for id in ids}
        await asyncio.gather(*[stack.enter_async_context(host) for host in made.values()])
        yield {id: host.replica("large", Large()) for id, host in made.items()}


async def put(replica: Any, times: int = 1) -> int:
    """Propose so many commands, again and again on a slow machine; the last answer."""
    answer = 0
    while times:
        try:
            answer = await replica.propose(b"x")
            times -= 1
        except (Rejected, OutcomeUnknown):
            await asyncio.sleep(0.1)
    return answer


async def breaking(host: Any, times: int) -> int:
    """Cut the stream that arrives so many times, each after some more of it has come."""
    cut = seen = 0
    while cut < times:
        await asyncio.sleep(0.01)
        for connection in list(host._transport._incoming._connections):
            inflow = connection.inflow
            if inflow is not None and inflow._at > seen + 8 * MIB:
                seen = inflow._at
                connection.abort()
                cut += 1
    return cut


async def test_a_large_snapshot_over_a_network_that_breaks(tmp_path: Path, longest: list[float]) -> None:
    members = {id: f"127.0.0.1:{free_port()}" for id in (1, 2, 3)}
    async with hosts(tmp_path, members, 1, 2, 3) as replicas:
        await put(replicas[1], 10)
    tracemalloc.start()
    try:
        async with hosts(tmp_path, members, 1, 2) as replicas:
            await put(replicas[1], 100)
            async with asyncio.timeout(300 + 2 * SIZE_MIB):
                while min(replica.status().snapshot_index for replica in replicas.values()) < 50:
                    await put(replicas[1])
                    await asyncio.sleep(0.05)
                count = await put(replicas[1])
                async with hosts(tmp_path, members, 3) as late:
                    breaks = asyncio.create_task(breaking(late[3]._host, 10))
                    await late[3].read()
                    assert await breaks == 10
                    machine = late[3].machine
                    assert machine.count >= count
                    assert machine.restored == await asyncio.to_thread(digest, machine.restored_at)
                    traffic = [replica._host._transport.counters() for replica in replicas.values()]
                    assert sum(each.streams_resumed for each in traffic) == 10
                    assert sum(each.streams_stored for each in traffic) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_MIB * MIB, f"{peak / MIB:.0f} MiB"
    assert longest[0] < BLOCKED_S
    assert not [name for id in members for name in os.listdir(tmp_path / str(id)) if name.endswith(".part")]
