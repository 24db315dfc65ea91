"""A server in this process: from its flags to its answers, its end, and what ends it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from raftcy.errors import StorageFailed
from raftcy.etcd.configuration import configure
from raftcy.etcd.flags import parse
from raftcy.etcd.server import Server, limits_of, tuning_of
from tests.support.transports import free_port

pytestmark = pytest.mark.once


def flags(folder: Path, peer: int, *more: str) -> list[str]:
    return [
        *("--name=one", f"--data-dir={folder / 'data'}", "--heartbeat-interval=20", "--election-timeout=200"),
        *("--listen-client-urls=http://127.0.0.1:0", "--advertise-client-urls=http://127.0.0.1:2379"),
        *(f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
        *more,
    ]


@contextlib.asynccontextmanager
async def serving(arguments: list[str]) -> AsyncIterator[tuple[Server, "asyncio.Task[None]", list[str]]]:
    server = Server(configure(parse(arguments).values))
    life = asyncio.ensure_future(server.run())
    try:
        while not server.is_ready and not life.done():
            await asyncio.sleep(0.01)
        yield server, life, [f"http://{host}:{port}" for host, port in server.addresses]
    finally:
        life.cancel()
        await asyncio.wait([life])
        await server.close()


async def ask(url: str, path: str, body: Any = None) -> Any:
    async with aiohttp.ClientSession() as session:
        asking = session.get(url + path) if body is None else session.post(url + path, json=body)
        async with asking as answer:
            text = await answer.text()
            return json.loads(text) if text.startswith("{") else text


async def test_a_member_keeps_its_data_and_its_identity(tmp_path: Path) -> None:
    peer = free_port()
    async with serving(flags(tmp_path, peer)) as (_, _, (url,)):
        first = await ask(url, "/v3/kv/put", {"key": "Zm9v", "value": "YmFy"})
        (member,) = (await ask(url, "/v3/cluster/member/list", {}))["members"]
        assert (member["name"], member["clientURLs"]) == ("one", ["http://127.0.0.1:2379"])
        assert member["peerURLs"] == [f"http://127.0.0.1:{peer}"]
    # The flags for the first start count no more: the directory knows its cluster.
    async with serving(flags(tmp_path, peer, "--initial-cluster-token=other")) as (_, _, (url,)):
        found = await ask(url, "/v3/kv/range", {"key": "Zm9v"})
        assert found["kvs"][0]["value"] == "YmFy"
        for name in ("cluster_id", "member_id"):
            assert found["header"][name] == first["header"][name]


async def test_pages_and_separate_listeners(tmp_path: Path) -> None:
    more = ("--listen-client-http-urls=http://127.0.0.1:0", "--listen-metrics-urls=http://127.0.0.1:0")
    async with serving(flags(tmp_path, free_port(), *more)) as (_, _, (grpc, http, metrics)):
        assert (await ask(http, "/health"))["health"] == "true"
        assert await ask(metrics, "/readyz") == "ok\n"
        assert "etcd_server_has_leader 1.0" in await ask(metrics, "/metrics")
        assert (await ask(metrics, "/v3/kv/range", {"key": "AA=="}))["code"] == 5
        with pytest.raises(aiohttp.ClientError):
            await ask(grpc, "/health")


async def test_the_gateway_can_be_left_out(tmp_path: Path) -> None:
    async with serving(flags(tmp_path, free_port(), "--enable-grpc-gateway=false")) as (_, _, (url,)):
        assert (await ask(url, "/v3/kv/range", {"key": "AA=="}))["code"] == 5
        assert (await ask(url, "/version"))["etcdcluster"] == "3.7.0"


async def test_a_failure_of_the_disk_ends_the_server(tmp_path: Path) -> None:
    """Its probes are false before the process has ended."""
    async with serving(flags(tmp_path, free_port())) as (server, life, (url,)):
        assert server._host is not None
        failure = StorageFailed("the disk is gone")
        server._host._fail(failure)
        found = await ask(url, "/health?serializable=true")
        assert (found["health"], "the disk is gone" in found["reason"]) == ("false", True)
        await asyncio.wait([life], timeout=5)
        assert life.exception() is failure


async def test_history_is_compacted_by_itself(tmp_path: Path) -> None:
    async with serving(flags(tmp_path, free_port(), "--auto-compaction-retention=200ms")) as (server, _, (url,)):
        for _ in range(3):
            await ask(url, "/v3/kv/put", {"key": "Zm9v"})
        assert server._member is not None
        while server._member.machine.store.compacted < 4:
            await asyncio.sleep(0.02)
        assert "compacted" in (await ask(url, "/v3/kv/range", {"key": "Zm9v", "revision": "2"}))["message"]


async def test_an_address_that_is_taken_ends_the_server(tmp_path: Path) -> None:
    async with serving(flags(tmp_path, free_port())) as (server, _, _):
        port = server.addresses[0][1]
        taken = flags(tmp_path / "other", free_port(), f"--listen-client-urls=http://127.0.0.1:{port}")
        async with serving(taken) as (_, life, _):
            with pytest.raises(OSError, match="in use"):
                life.result()


async def test_a_start_can_be_given_up(tmp_path: Path) -> None:
    """Two of three members never come."""
    ports = [free_port() for _ in range(3)]
    cluster = ",".join(f"{name}=http://127.0.0.1:{port}" for name, port in zip(("one", "b", "c"), ports, strict=True))
    server = Server(configure(parse(flags(tmp_path, ports[0], f"--initial-cluster={cluster}")).values))
    life = asyncio.ensure_future(server.run())
    await asyncio.sleep(0.3)
    assert not life.done()
    life.cancel()
    await asyncio.wait([life])
    await server.close()
    # The next start begins anew, though the directory has files.
    async with serving(flags(tmp_path, ports[0])) as (_, _, (url,)):
        assert (await ask(url, "/health"))["health"] == "true"


async def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    peer = free_port()
    async with serving(flags(tmp_path, peer)), serving(flags(tmp_path, free_port())) as (_, life, _):
        assert type(life.exception()).__name__ == "DirectoryInUse"


def test_limits_follow_the_flags() -> None:
    given = ["--max-request-bytes=10000000", "--max-concurrent-streams=7", "--grpc-keepalive-interval=0s"]
    made = configure(parse(given).values)
    assert tuning_of(made).command_bytes == 20_000_000
    limits = limits_of(made)
    assert (limits.http2.streams, limits.message_bytes) == (7, 10_000_000 + (512 << 10))
    assert limits.ping_interval_s > 1e8
    assert tuning_of(configure({})).command_bytes == 8 << 20
