"""Kill the processes of the example store under load, and look for what was lost or stale.

    python -m tests.system.replica.kills --seconds 180

Each writer has a key of its own and puts ascending numbers. A read must show at least what was acknowledged before it
began, and nothing that was never put.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raftcy.demo.ports import free_ports
from tests.support.needs import ROOT


@dataclass
class Seen:
    """What the clients saw."""

    acknowledged: dict[str, int] = field(default_factory=dict)
    tried: dict[str, int] = field(default_factory=dict)
    puts: int = 0
    gets: int = 0
    errors: int = 0
    wrong: list[str] = field(default_factory=list)


class Cluster:
    """Three processes of the store."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(6)
        self.folder = folder
        self.members = ",".join(f"{id}=127.0.0.1:{ports[id - 1]}" for id in (1, 2, 3))
        self.clients = {id: ports[id + 2] for id in (1, 2, 3)}
        self.processes: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, id: int) -> None:
        """Start a member, anew if it was killed."""
        line = [sys.executable, "examples/store.py", "--id", str(id), "--data", str(self.folder / str(id))]
        line += ["--client", f"127.0.0.1:{self.clients[id]}", "--members", self.members]
        log = (self.folder / f"{id}.txt").open("ab")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.processes[id] = subprocess.Popen(line, cwd=ROOT, stderr=log, env=environment)
        log.close()

    def kill(self, id: int) -> None:
        """Kill a member."""
        process = self.processes[id]
        process.send_signal(signal.SIGKILL)
        process.wait()

    def close(self) -> None:
        """Kill all of them."""
        for id, process in self.processes.items():
            if process.poll() is None:
                self.kill(id)

    async def ask(self, id: int, question: dict[str, Any], timeout_s: float = 3.0) -> dict[str, Any]:
        """Ask a member; OSError or TimeoutError if it gives no answer."""
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.clients[id])
            try:
                writer.write(json.dumps(question).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
        if not line:
            raise ConnectionResetError("no answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until every member answers a read."""
        async with asyncio.timeout(timeout_s):
            for id in self.processes:
                while True:
                    try:
                        if (await self.ask(id, {"op": "get", "k": "none"}))["ok"]:
                            break
                    except (OSError, TimeoutError):
                        pass
                    await asyncio.sleep(0.1)


async def _write(cluster: Cluster, seen: Seen, key: str, draw: random.Random, end: float) -> None:
    number = 0
    while time.monotonic() < end:
        number += 1
        seen.tried[key] = number
        while time.monotonic() < end:
            try:
                answer = await cluster.ask(
                    draw.choice((1, 2, 3)), {"op": "put", "id": f"{key}:{number}", "k": key, "v": number}
                )
            except (OSError, TimeoutError):
                answer = {"ok": False}
            if answer["ok"]:
                seen.acknowledged[key] = number
                seen.puts += 1
                break
            seen.errors += 1
            await asyncio.sleep(0.05)


async def _read(cluster: Cluster, seen: Seen, draw: random.Random, end: float) -> None:
    while time.monotonic() < end:
        if not seen.tried:
            await asyncio.sleep(0.01)
            continue
        key = draw.choice(list(seen.tried))
        await _look(cluster, seen, key, draw.choice((1, 2, 3)))


async def _look(cluster: Cluster, seen: Seen, key: str, id: int) -> bool:
    least = seen.acknowledged.get(key, 0)
    try:
        answer = await cluster.ask(id, {"op": "get", "k": key})
    except (OSError, TimeoutError):
        await asyncio.sleep(0.05)
        return False
    if not answer["ok"]:
        await asyncio.sleep(0.05)
        return False
    seen.gets += 1
    value = answer["v"] or 0
    if not least <= value <= seen.tried.get(key, 0):
        seen.wrong.append(f"{key} is {value} at {id}: {least} was acknowledged, {seen.tried.get(key)} tried")
    return True


async def _kill(cluster: Cluster, draw: random.Random, end: float, pause_s: float) -> int:
    kills = 0
    while True:
        await asyncio.sleep(pause_s * (0.5 + draw.random()))
        if time.monotonic() > end:
            return kills
        victims = draw.sample((1, 2, 3), draw.choice((1, 1, 1, 2, 3)))
        for id in victims:
            cluster.kill(id)
            kills += 1
        await asyncio.sleep(draw.random() * pause_s / 2)
        for id in victims:
            cluster.start(id)


async def torture(folder: Path, seconds: float, seed: int, pause_s: float = 2.0) -> tuple[Seen, int]:
    """Run the store for so long, killing its members; what the clients saw, and how many kills there were."""
    draw = random.Random(seed)
    cluster = Cluster(folder)
    seen = Seen()
    try:
        for id in (1, 2, 3):
            cluster.start(id)
        await cluster.wait_ready()
        end = time.monotonic() + seconds
        clients = [_write(cluster, seen, f"k{n}", draw, end) for n in range(4)]
        clients += [_read(cluster, seen, draw, end) for _ in range(3)]
        kills, *_ = await asyncio.gather(_kill(cluster, draw, end, pause_s), *clients)
        await cluster.wait_ready()
        for id in cluster.processes:
            for key in seen.tried:
                while not await _look(cluster, seen, key, id):
                    pass
    finally:
        cluster.close()
    return seen, kills


def main() -> None:
    """The long form."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen, kills = asyncio.run(torture(Path(folder), arguments.seconds, arguments.seed))
    print(f"{kills} kills, {seen.puts} puts, {seen.gets} gets, {seen.errors} errors, {len(seen.wrong)} wrong")
    for each in seen.wrong:
        print(each)
    sys.exit(1 if seen.wrong else 0)


if __name__ == "__main__":
    main()
