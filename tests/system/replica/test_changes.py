"""Real processes whose members change under load: nothing acknowledged is lost."""

import asyncio
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from raftcy.demo.ports import free_ports
from tests.support.needs import ROOT

from .kills import Cluster, Seen, _look, _read, _write

pytestmark = pytest.mark.waits(5)


class Changing(Cluster):
    """Members 1 to 3, which found the cluster, and others that join it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        ports = free_ports(12)
        self.listens = {id: ports[id] for id in range(1, 6)}
        self.clients = {id: ports[id + 5] for id in range(1, 6)}
        self.members = ",".join(f"{id}=127.0.0.1:{self.listens[id]}" for id in (1, 2, 3))

    def start(self, id: int) -> None:
        line = [sys.executable, "-m", "tests.system.replica.member", "--id", str(id)]
        line += ["--data", str(self.folder / str(id)), "--client", f"127.0.0.1:{self.clients[id]}"]
        if id <= 3:
            line += ["--members", self.members]
        else:
            line += ["--join", f"127.0.0.1:{self.listens[1]}", "--listen", f"127.0.0.1:{self.listens[id]}"]
        log = (self.folder / f"{id}.txt").open("ab")
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.processes[id] = subprocess.Popen(line, cwd=ROOT, stderr=log, env=environment)
        log.close()

    async def change(self, at: int, **what: Any) -> None:
        """Ask a member for a change until it is done."""
        async with asyncio.timeout(100):
            while True:
                try:
                    answer = await self.ask(at, what, timeout_s=70)
                except (OSError, TimeoutError) as error:
                    answer = {"ok": False, "error": repr(error)}
                if answer["ok"]:
                    return
                await asyncio.sleep(0.2)


async def story(folder: Path) -> Seen:
    cluster, seen = Changing(folder), Seen()
    draw = random.Random(5)
    try:
        for id in (1, 2, 3):
            cluster.start(id)
        await cluster.wait_ready()
        end = time.monotonic() + 300
        clients = [asyncio.ensure_future(_write(cluster, seen, f"k{n}", draw, end)) for n in range(3)]
        clients.append(asyncio.ensure_future(_read(cluster, seen, draw, end)))
        # A fourth joins, one is removed, and one that is killed is replaced.
        cluster.start(4)
        await cluster.change(1, op="add", id=4)
        await cluster.change(4, op="remove", id=2)
        assert cluster.processes[2].wait(30) != 0, "who is removed stops"
        cluster.kill(3)
        cluster.start(5)
        await cluster.change(4, op="replace", old=3, id=5)
        puts = seen.puts
        async with asyncio.timeout(60):
            while seen.puts < puts + 20:
                await asyncio.sleep(0.05)
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        # Restarts need no list of members.
        for id in (1, 4, 5):
            cluster.kill(id)
        for id in (1, 4, 5):
            cluster.start(id)
        for id in (1, 4, 5):
            async with asyncio.timeout(60):
                for key in seen.tried:
                    while not await _look(cluster, seen, key, id):
                        pass
            status = await cluster.ask(id, {"op": "status"})
            assert (sorted(status["voters"]), status["hosts"]) == ([1, 4, 5], [1, 4, 5])
    finally:
        cluster.close()
    return seen


def test_members_change_under_load(tmp_path: Path) -> None:
    seen = asyncio.run(story(tmp_path))
    assert seen.wrong == []
    assert seen.puts > 50
    assert seen.gets > 20
    assert "MemberRemoved" in (tmp_path / "2.txt").read_text()
    for id in (1, 3, 4, 5):
        text = (tmp_path / f"{id}.txt").read_text()
        assert "Traceback" not in text, text
