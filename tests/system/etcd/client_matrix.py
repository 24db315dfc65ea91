"""Unmodified clients against an etcd endpoint: put, get, delete, transactions, leases and watches through each of them.

    python tests/system/etcd/client_matrix.py HOST:PORT

It runs in a Python with aetcd and etcd3gw, so it imports nothing of ours. These variables name more clients: ETCDCTL
(paths with ``:`` between them), ETCD3_PY (a Python with etcd3 0.12), GOCLIENT and BENCHMARK. It prints a line for each
client, and "N passed, M failed".
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

ENVIRONMENT = {**os.environ, "ETCDCTL_API": "3"}
BENCHMARKS = [
    ["put", "--total", "2000", "--val-size", "128"],
    ["range", "foo", "--total", "2000"],
    ["txn-mixed", "foo", "--total", "500"],
    ["txn-put", "--total", "1000"],
    ["watch-latency", "--streams", "2", "--watchers-per-stream", "2", "--put-total", "100"],
    ["lease-keepalive", "--total", "1000"],
    ["stm", "--total", "200"],
]
ETCD3 = """
import os, sys, threading
import etcd3
c = etcd3.client(host=sys.argv[1], port=int(sys.argv[2]))
c.put("m/o", "1")
assert c.get("m/o")[0] == b"1"
lease = c.lease(20)
c.put("m/ol", "x", lease=lease)
assert lease.remaining_ttl > 10
lease.revoke()
assert c.get("m/ol")[0] is None
ok, _ = c.transaction(
    compare=[c.transactions.value("m/o") == "1"], success=[c.transactions.put("m/o", "2")], failure=[]
)
assert ok
events, cancel = c.watch("m/ow")
threading.Timer(0.5, lambda: c.put("m/ow", "5")).start()
assert next(events).value == b"5"
cancel()
with c.lock("m/olock", ttl=10):
    pass
assert list(c.members)
assert c.status().version
c.delete("m/o")
print("fine", flush=True)
os._exit(0)
"""


def b(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class Ctl:
    """etcdctl of some version."""

    def __init__(self, program: str, endpoint: str) -> None:
        self.command = [program, "--endpoints", endpoint]

    def __call__(self, *arguments: str, **options: Any) -> str:
        done = subprocess.run(
            [*self.command, *arguments], capture_output=True, text=True, timeout=30, env=ENVIRONMENT, **options
        )
        assert done.returncode == 0, (arguments, done.stdout[-200:], done.stderr[-300:])
        return done.stdout

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen([*self.command, *arguments], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)


def etcdctl(program: str, endpoint: str) -> None:
    c = Ctl(program, endpoint)
    c("del", "--prefix", "m/")
    assert c("put", "m/a", "1") == "OK\n"
    assert c("get", "m/a") == "m/a\n1\n"
    assert c("get", "--prefix", "m/", "--keys-only").split() == ["m/a"]
    found = json.loads(c("get", "m/a", "-w", "json"))
    assert found["kvs"][0]["version"] == 1
    assert base64.b64decode(found["kvs"][0]["key"]) == b"m/a"
    assert "SUCCESS" in c("txn", input='value("m/a") = "1"\n\nput m/b 2\n\nput m/c 3\n\n')
    assert c("del", "m/a", "--prev-kv") == "1\nm/a\n1\n"
    lease = c("lease", "grant", "30").split()[1]
    c("put", "--lease", lease, "m/l", "x")
    assert "remaining" in c("lease", "timetolive", lease, "--keys")
    assert lease in c("lease", "list")
    assert "keepalived" in c("lease", "keep-alive", "--once", lease)
    assert "revoked" in c("lease", "revoke", lease)
    assert c("get", "m/l") == ""
    assert "started" in c("member", "list")
    assert json.loads(c("endpoint", "status", "-w", "json"))[0]["Status"]["leader"]
    health = subprocess.run([*c.command, "endpoint", "health"], capture_output=True, text=True, env=ENVIRONMENT)
    assert "is healthy" in health.stdout + health.stderr
    assert c("endpoint", "hashkv").startswith(endpoint)
    c("defrag")
    assert c("alarm", "list") == ""
    revision = json.loads(c("get", "m/b", "-w", "json"))["header"]["revision"]
    assert "compacted revision" in c("compaction", str(revision))
    with tempfile.TemporaryDirectory() as folder:
        c("snapshot", "save", folder + "/snap.db")
        assert os.path.getsize(folder + "/snap.db") > 32
    watching = c.start("watch", "--prefix", "m/")
    try:
        time.sleep(1)
        c("put", "m/w", "9")
        assert watching.stdout is not None
        assert [watching.stdout.readline() for _ in range(3)] == ["PUT\n", "m/w\n", "9\n"]
    finally:
        watching.kill()
        watching.wait()
    assert c("lock", "m/lock", "echo", "held") == "held\n"
    electing = c.start("elect", "m/e", "me")
    try:
        assert electing.stdout is not None
        electing.stdout.readline()
        assert electing.stdout.readline() == "me\n"
    finally:
        electing.terminate()
        electing.wait(10)


class Gateway:
    """The gateway, as Patroni and APISIX use it."""

    def __init__(self, endpoint: str) -> None:
        self.url = f"http://{endpoint}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def request(self, path: str, body: Any) -> urllib.request.Request:
        headers = {"Content-Type": "application/json"}
        return urllib.request.Request(self.url + path, json.dumps(body).encode(), headers)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(self.request(path, body), timeout=10) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def gateway(endpoint: str) -> None:
    g = Gateway(endpoint)
    version = g.get("/version")
    assert version["etcdserver"].split(".")[0] == "3"
    assert version["etcdcluster"]
    assert g.get("/health")["health"] == "true"
    status, found = g.post("/v3/kv/put", {"key": b("m/j"), "value": b("1")})
    assert status == 200
    assert isinstance(found["header"]["revision"], str)
    assert {"raft_term", "cluster_id"} <= set(found["header"])
    _, found = g.post("/v3/kv/range", {"key": b("m/j"), "serializable": True})
    assert (found["kvs"][0]["value"], found["count"]) == (b("1"), "1")
    assert found["kvs"][0]["version"].isdigit()
    _, found = g.post("/v3/kv/range", {"key": b("m/none")})
    assert set(found) == {"header"}, "fields of default value are left out"
    compare = {"target": "CREATE", "create_revision": "0", "key": b("m/j")}
    put = {"request_put": {"key": b("m/j"), "value": b("2")}}
    status, found = g.post("/v3/kv/txn", {"compare": [compare], "success": [put]})
    assert (status, set(found)) == (200, {"header"})
    status, found = g.post("/v3/lease/grant", {"TTL": 20})
    lease = found["ID"]
    assert isinstance(lease, str)
    assert (status, found["TTL"]) == (200, "20")
    status, found = g.post("/v3/lease/keepalive", {"ID": lease})
    assert (status, found["result"]["TTL"]) == (200, "20")
    status, found = g.post("/v3/lease/keepalive", {"ID": "42"})
    assert status == 200
    assert "TTL" not in found["result"], "a lease that is gone answers without TTL"
    status, found = g.post("/v3/kv/put", {"key": b("m/j"), "value": b("1"), "lease": "42"})
    assert (status, found["code"], found["message"]) == (404, 5, "etcdserver: requested lease not found")
    status, found = g.post("/v3/auth/authenticate", {"name": "a", "password": "b"})
    assert status in (400, 412)
    assert (found["code"], found["message"]) == (9, "etcdserver: authentication is not enabled")
    _, found = g.post("/v3/cluster/member/list", {})
    assert found["members"][0]["clientURLs"]
    watch = g.request("/v3/watch", {"create_request": {"key": b("m/"), "range_end": b("m0"), "filters": []}})
    with urllib.request.urlopen(watch, timeout=10) as lines:
        assert json.loads(lines.readline())["result"]["created"] is True
        g.post("/v3/kv/put", {"key": b("m/jw"), "value": b("7")})
        (event,) = json.loads(lines.readline())["result"]["events"]
        assert event["kv"]["value"] == b("7")
        assert "type" not in event
        g.post("/v3/kv/deleterange", {"key": b("m/jw")})
        (event,) = json.loads(lines.readline())["result"]["events"]
        assert event["type"] == "DELETE"
        assert "value" not in event["kv"]


def etcd3gw(endpoint: str) -> None:
    import etcd3gw

    host, port = endpoint.rsplit(":", 1)
    c = etcd3gw.client(host=host, port=int(port), api_path="/v3/")
    c.put("m/g", "1")
    assert c.get("m/g") == [b"1"]
    lease = c.lease(ttl=20)
    c.put("m/gl", "x", lease=lease)
    assert lease.ttl() > 10
    assert lease.refresh() == 20
    assert lease.keys() == [b"m/gl"]
    assert lease.revoke()
    assert c.get("m/gl") == []
    assert [c.replace("m/g", "1", "2"), c.replace("m/g", "1", "2")] == [True, False]
    assert [c.create("m/gn", "1"), c.create("m/gn", "1")] == [True, False]
    with c.lock("m/glock", ttl=10):
        pass
    events, cancel = c.watch("m/gw")
    threading.Timer(0.5, lambda: c.put("m/gw", "5")).start()
    assert next(events)["kv"]["value"] == b"5"
    cancel()
    for key in ("m/g", "m/gn", "m/gw"):
        c.delete(key)


def aetcd(endpoint: str) -> None:
    import aetcd

    host, port = endpoint.rsplit(":", 1)

    async def story() -> None:
        async with aetcd.Client(host=host, port=int(port)) as c:
            await c.put(b"m/ae", b"1")
            assert (await c.get(b"m/ae")).value == b"1"
            lease = await c.lease(20)
            await c.put(b"m/ael", b"x", lease=lease)
            await lease.revoke()
            assert await c.get(b"m/ael") is None
            watching = await c.watch(b"m/aew")
            await c.put(b"m/aew", b"5")
            async for event in watching:
                assert event.kv.value == b"5"
                break
            await c.delete(b"m/ae")

    asyncio.run(asyncio.wait_for(story(), 20))


def etcd3(python: str, endpoint: str) -> None:
    host, port = endpoint.rsplit(":", 1)
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python"}
    done = subprocess.run(
        [python, "-c", ETCD3, host, port], capture_output=True, text=True, timeout=60, env=environment
    )
    assert "fine" in done.stdout, done.stderr[-400:]


def goclient(program: str, endpoint: str) -> None:
    done = subprocess.run([program, endpoint], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-600:]


def benchmark(program: str, endpoint: str, arguments: list[str]) -> None:
    command = [program, "--endpoints", endpoint, "--conns", "4", "--clients", "16", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-300:]
    assert "Error distribution" not in done.stdout, done.stdout[-300:]


def cases(endpoint: str) -> dict[str, Callable[[], None]]:
    """The clients by name."""
    found: dict[str, Callable[[], None]] = {}
    for number, each in enumerate(filter(None, os.environ.get("ETCDCTL", "").split(":"))):
        found[f"etcdctl {number}"] = lambda each=each: etcdctl(each, endpoint)  # type: ignore[misc]
    found["JSON gateway"] = lambda: gateway(endpoint)
    found["etcd3gw"] = lambda: etcd3gw(endpoint)
    found["aetcd"] = lambda: aetcd(endpoint)
    if python := os.environ.get("ETCD3_PY"):
        found["etcd3 0.12"] = lambda: etcd3(python, endpoint)
    if client := os.environ.get("GOCLIENT"):
        found["Go clientv3"] = lambda: goclient(client, endpoint)
    if tool := os.environ.get("BENCHMARK"):
        for arguments in BENCHMARKS:
            found[f"benchmark {arguments[0]}"] = lambda given=arguments: benchmark(tool, endpoint, given)  # type: ignore[misc]
    return found


def main() -> int:
    failed = 0
    found = cases(sys.argv[1])
    for name, case in found.items():
        began = time.monotonic()
        try:
            case()
            result = "ok  "
        except Exception:
            failed += 1
            result = "FAIL"
            traceback.print_exc(limit=3)
        print(f"{result} {name:30s} {time.monotonic() - began:5.2f} s", flush=True)
    print(f"{len(found) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
