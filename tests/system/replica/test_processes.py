"""Hosts as they are used: real processes, sockets and disks."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from raftcy import Host, Tuning
from raftcy.demo.ports import free_ports
from raftcy.errors import DirectoryInUse
from raftcy.replica import Replica
from raftcy.transport import TLS
from tests.support.certificates import Authority
from tests.support.hosts import Ledger, agreed, ledger
from tests.support.needs import ROOT

from .kills import torture

pytestmark = pytest.mark.waits(10)

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


def test_the_processes_in_memory_of_the_examples() -> None:
    """They elect a leader, replicate, take a fourth member in, and end with their input."""
    places = [f"{id}=127.0.0.1:{port}" for id, port in enumerate(free_ports(4), 1)]
    command = [sys.executable, "examples/memory.py", "--id"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        members: list[subprocess.Popen[str]] = []
        for id in (1, 2, 3, 4):
            line = [*command, str(id), "--members", ",".join(places[: max(3, id)])]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            member = stack.enter_context(subprocess.Popen(line, env=environment, cwd=ROOT, **pipes))
            stack.callback(member.kill)
            members.append(member)

        def tell(member: subprocess.Popen[str], text: str) -> None:
            assert member.stdin is not None
            member.stdin.write(text + "\n")
            member.stdin.flush()

        for id, member in enumerate(members[:3], 1):
            tell(member, f"from-{id}")
            tell(member, f"+{places[3]}")
        for member in members[:3]:
            assert member.stdout is not None
            assert member.stdout.readline() == "voters 1 2 3 4\n"
        tell(members[3], "from-4")
        for member in reversed(members):
            tell(member, "?")
            assert member.stdout is not None
            shown = member.stdout.readline().split()
            assert (shown[0], sorted(shown[1:])) == ("lines", ["from-1", "from-2", "from-3", "from-4"])
        for member in members:
            assert member.stdin is not None
            member.stdin.close()
        for member in members:
            assert member.wait(60) == 0
            assert member.stderr is not None
            assert member.stderr.read() == ""


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


def test_hosts_speak_tls(tmp_path: Path) -> None:
    """A host without a certificate of the cluster's authority is not heard, and the others go on."""
    authority, strange = Authority(tmp_path), Authority(tmp_path, "strange")

    def settings(id: int, signer: Authority) -> TLS:
        certificate = signer.issue(f"DNS:member-{id}")
        return TLS(certificate.file, certificate.key, authorities=authority.file)

    async def story() -> None:
        members = {id: f"127.0.0.1:{port}" for id, port in zip((1, 2, 3), free_ports(3), strict=True)}
        tls = {id: settings(id, authority) for id in members}
        hosts = {id: Host(tmp_path / str(id), id=id, members=members, tuning=QUICK, tls=tls[id]) for id in members}
        async with asyncio.timeout(60):
            await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
            replicas: dict[int, Replica] = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            leader = await agreed(replicas)
            await leader.propose(b"x")
            gone = next(id for id in members if id != leader.id)
            await hosts.pop(gone).close()
            wrong = settings(gone, strange)
            async with Host(tmp_path / str(gone), id=gone, members=members, tuning=QUICK, tls=wrong) as stranger:
                replica = stranger.replica("ledger", Ledger())
                assert await leader.propose(b"y") == 2
                with pytest.raises(TimeoutError):
                    await replica.wait_for_leader(1)
            await asyncio.gather(*[host.close() for host in hosts.values()])

    asyncio.run(story())


def test_two_starts_of_one_member(tmp_path: Path) -> None:
    """A copied directory is no second member: while the first start lives, the others refuse the second."""

    async def story() -> None:
        members = {id: f"127.0.0.1:{port}" for id, port in zip((1, 2, 3), free_ports(3), strict=True)}
        hosts = {id: Host(tmp_path / str(id), id=id, members=members, tuning=QUICK) for id in members}
        async with asyncio.timeout(60):
            await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
            replicas: dict[int, Replica] = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            leader = await agreed(replicas)
            await leader.propose(b"x")
            copied = next(id for id in members if id != leader.id)
            shutil.copytree(tmp_path / str(copied), tmp_path / "copy")
            port = free_ports(1)[0]
            second = Host(tmp_path / "copy", id=copied, members=members, listen=f"127.0.0.1:{port}", tuning=QUICK)
            async with second:
                twin = second.replica("ledger", Ledger())
                await asyncio.sleep(3)
                assert twin.leader is None
                refused: Any = second._transport.traffic
                assert refused.refused_by_peers > 0
                assert await leader.propose(b"y") == 2
                await replicas[copied].read()
            await asyncio.gather(*[host.close() for host in hosts.values()])

    asyncio.run(story())
