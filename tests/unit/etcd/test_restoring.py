"""A new cluster from a snapshot that etcdctl would store, on real files."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from raftcy.etcd import launch, schema
from raftcy.etcd.api import EtcdMember
from raftcy.etcd.snapshotfile import blobs
from raftcy.replica import Host, Tuning
from tests.support.etcdworld import call, get
from tests.support.transports import free_port

from .test_etcdmachine import filled

QUICK = Tuning(tick_ms=10, election_ms=100, sleep=False)


@pytest.fixture(name="snapshot")
def stored(tmp_path: Path) -> Path:
    machine = filled().machine
    machine.attributes[9] = machine.attributes[1]
    file = tmp_path / "snap.db"
    file.write_bytes(b"".join(blobs(machine.capture())))
    return file


@pytest.mark.parametrize("count", [1, 3])
def test_all_members_of_a_new_cluster_begin_with_the_state(snapshot: Path, tmp_path: Path, count: int) -> None:
    names = [f"n{n}" for n in range(count)]
    addresses = {name: f"127.0.0.1:{free_port()}" for name in names}
    cluster = ",".join(f"{name}=http://{address}" for name, address in addresses.items())
    arguments = ["restore", str(snapshot), "--to", str(tmp_path / "new"), "--initial-cluster", cluster]
    assert launch.main(arguments) == 0

    async def story() -> None:
        hosts = {
            n: Host(tmp_path / "new" / f"{n}.etcd", listen=address, tuning=QUICK) for n, address in addresses.items()
        }
        async with asyncio.timeout(60):
            await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
            try:
                members = [EtcdMember(host) for host in hosts.values()]
                for member in members:
                    member.start()
                for member in members:
                    await member.wait_ready()
                    found = await call(member, "KV/Range", get(b"k", range_end=b"l"))
                    assert (found.count, found.header.revision) == (40, 52)
                    assert set(member.machine.leases.leases) == {7, 8}
                    assert len(member.machine.leases.leases[7].keys) == 26
                await call(members[0], "KV/Put", schema.PutRequest(key=b"new"))
                await call(members[-1], "KV/Range", get(b"new"))
                listed: Any = await call(members[0], "Cluster/MemberList", schema.MemberListRequest(linearizable=True))
                assert len(listed.members) == count
                assert 9 not in members[0].machine.attributes
                for member in members:
                    await member.close()
            finally:
                await asyncio.gather(*[host.close() for host in hosts.values()])

    asyncio.run(story())


def test_what_cannot_be_restored_is_refused(snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = ["--initial-cluster", "a=http://127.0.0.1:1", "--to", str(tmp_path / "new")]
    assert launch.main(["restore", str(tmp_path / "none"), *good]) == 1
    data = snapshot.read_bytes()
    for each in (data[:-1], data[:-40] + b"x" + data[-39:], b""):
        snapshot.write_bytes(each)
        assert launch.main(["restore", str(snapshot), *good]) == 1
    snapshot.write_bytes(data)
    assert launch.main(["restore", str(snapshot), "--to", str(tmp_path), "--initial-cluster", "a=https://h:1"]) == 2
    assert not (tmp_path / "new").exists()
    assert launch.main(["restore", str(snapshot), *good]) == 0
    assert launch.main(["restore", str(snapshot), *good]) == 1
    assert "holds data already" in capsys.readouterr().err
