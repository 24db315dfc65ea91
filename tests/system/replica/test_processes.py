"""Hosts as they are used: real processes, sockets and disks."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from raftcy import Host, Tuning
from raftcy.errors import DirectoryInUse
from raftcy.replica import Replica
from tests.support.hosts import Ledger, agreed, ledger
from tests.support.needs import ROOT

from .kills import free_ports, torture

QUICK = Tuning(tick_ms=20, election_ms=300)


def test_three_hosts_on_loopback(tmp_path: Path) -> None:
    async def story() -> None:
        members = {id: f"127.0.0.1:{port}" for id, port in zip((1, 2, 3), free_ports(3), strict=True)}
        for number in range(2):
            hosts = {id: Host(tmp_path / str(id), id=id, members=members, tuning=QUICK) for id in members}
            async with asyncio.timeout(60):
                await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
                replicas: dict[int, Replica] = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
                await agreed(replicas)
                for replica in replicas.values():
                    await replica.propose_many([b"x"] * 100)
                for replica in replicas.values():
                    await replica.read()
                    assert ledger(replica) == ["x"] * 300 * (number + 1)
                with pytest.raises(DirectoryInUse):
                    await Host(tmp_path / "1", id=1, members=members).__aenter__()
                await asyncio.gather(*[host.close() for host in hosts.values()])
                assert [host.failure for host in hosts.values()] == [None] * 3
                assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())


def test_the_counter_of_the_examples() -> None:
    ports = ",".join(map(str, free_ports(3)))
    program = f"import asyncio, runpy\nm = runpy.run_path('examples/counter.py')\nasyncio.run(m['main'](({ports})))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    totals = re.findall(r"the total was (\d+) after its command, and is (\d+)", done.stdout)
    assert sorted(int(after) for after, _ in totals) == [5, 10, 15]
    assert done.stderr == ""


def test_the_store_of_the_examples_has_60_lines() -> None:
    assert len((ROOT / "examples/store.py").read_text().splitlines()) <= 60


def test_nothing_is_lost_when_processes_are_killed(tmp_path: Path) -> None:
    """The long form is ``python -m tests.system.replica.kills``."""
    seen, kills = asyncio.run(torture(tmp_path, seconds=8.0, seed=7, pause_s=1.5))
    assert seen.wrong == []
    assert kills >= 2
    assert seen.puts > 20
    assert seen.gets > 20
    for id in (1, 2, 3):
        text = (tmp_path / f"{id}.txt").read_text()
        assert "Traceback" not in text, text
