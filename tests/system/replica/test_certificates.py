"""Hosts with certificates that are another's, or have expired: real sockets, TLS and disks."""

import asyncio
import shutil
from pathlib import Path

import pytest

from raftcy import Host, Tuning
from raftcy.demo.ports import free_ports
from raftcy.errors import MemberRefused, Stopped
from raftcy.transport import TLS
from tests.support.certificates import Authority
from tests.support.hosts import Ledger, agreed, ledger
from tests.support.virtual import caught

pytestmark = pytest.mark.waits(5)

QUICK = Tuning(tick_ms=20, election_ms=300)


class Cluster:
    """Addresses and certificates of three hosts that found a cluster, and of a fourth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.addresses = {id: f"127.0.0.1:{port}" for id, port in zip((1, 2, 3, 4), free_ports(4), strict=True)}

    def tls(self, id: int, days: int = 2) -> TLS:
        """Settings with a certificate in files of their own, which may be exchanged."""
        files = self.issue(id, days)
        return TLS(*files, authorities=self.authority.file)

    def issue(self, id: int, days: int = 2) -> tuple[Path, Path]:
        """Put a new certificate of a member in place."""
        made = self.authority.issue(f"DNS:member-{id}", days=days)
        place = self.folder / f"{id}.crt", self.folder / f"{id}.pem"
        shutil.copy(made.file, place[0])
        shutil.copy(made.key, place[1])
        return place

    def host(self, id: int, tls: TLS) -> Host:
        members = {each: self.addresses[each] for each in (1, 2, 3)}
        return Host(self.folder / str(id), id=id, members=members, tuning=QUICK, tls=tls)

    def joiner(self, tls: TLS) -> Host:
        own = self.addresses[4]
        return Host.join(self.folder / "4", self.addresses[1], id=4, listen=own, tuning=QUICK, tls=tls)


def test_a_host_joins_with_its_own_certificate_only(tmp_path: Path) -> None:
    """With the certificate of another member it is refused, and told so. Nothing of it stays."""

    async def story() -> None:
        those = Cluster(tmp_path)
        hosts = [those.host(id, those.tls(id)) for id in (1, 2, 3)]
        async with asyncio.timeout(60):
            await asyncio.gather(*[host.__aenter__() for host in hosts])
            replicas = {host.id: host.replica("ledger", Ledger()) for host in hosts}
            await (await agreed(replicas)).propose(b"x")
            stranger = those.joiner(those.tls(3))
            error = await caught(stranger.__aenter__())
            assert isinstance(error, MemberRefused)
            assert error.reason == "certificate"
            assert "may not speak as member 4" in str(error)
            assert all(4 not in host.hosts for host in hosts)
            # The same directory comes in with a certificate of its own.
            async with those.joiner(those.tls(4)) as four:
                replica = four.replica("ledger", Ledger())
                await replica.read()
                assert ledger(replica) == ["x"]
            await asyncio.gather(*[host.close() for host in hosts])

    asyncio.run(story())


def test_an_expired_certificate_is_renewed_while_the_host_runs(tmp_path: Path) -> None:
    """The others do not hear a host whose certificate has expired. Once it is renewed, the host needs no restart."""

    async def story() -> None:
        those = Cluster(tmp_path)
        settings = {id: those.tls(id) for id in (1, 2, 3)}
        hosts = {id: those.host(id, tls) for id, tls in settings.items()}
        async with asyncio.timeout(60):
            await asyncio.gather(*[host.__aenter__() for host in hosts.values()])
            replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            leader = await agreed(replicas)
            await leader.propose(b"x")
            late = next(id for id in hosts if id != leader.id)
            await hosts[late].close()
            settings[late] = those.tls(late, days=-1)
            async with those.host(late, settings[late]) as host:
                replica = host.replica("ledger", Ledger())
                assert await leader.propose(b"y") == 2
                with pytest.raises(TimeoutError):
                    await replica.wait_for_leader(1.5)
                assert host.failure is None
                those.issue(late)
                settings[late].reload()
                await replica.wait_for_leader()
                await replica.read()
                assert ledger(replica) == ["x", "y"]
                assert await replica.propose(b"z") == 3
            assert isinstance(await caught(replica.read()), Stopped)
            await asyncio.gather(*[host.close() for host in hosts.values()])

    asyncio.run(story())
