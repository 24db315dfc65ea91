"""What is measured of a server: each case starts it, loads it once with a tool, and returns figures.

A figure of a case is a number by name: ``rate`` a second, ``p50_ms`` and ``p99_ms``, ``cpu_us`` of all members for each
operation, ``bytes`` for each key.
"""

from __future__ import annotations

import base64
import json
import re
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .contestants import Contestant
from .servers import Broken, Servers, run_tool, running

Figures = dict[str, float]
PUT = ("put", "--key-size", "16", "--val-size", "256", "--key-space-size", "10000")
READ_KEY = b"foo"
_RANGE = ("range", READ_KEY.decode(), "--consistency")
WATCHERS = 1000
_TOOL_S_MAX = 180.0
_WARM = 2000


@dataclass(frozen=True)
class Load:
    """How much is asked of a server. ``share`` scales the number of operations."""

    benchmark: Path
    data: Path
    share: float = 1.0

    def count(self, whole: int) -> int:
        """Return a number of operations, at least 20."""
        return max(20, int(whole * self.share))


Measure = Callable[[Contestant, Load], Figures]


@dataclass(frozen=True)
class Case:
    """One case. ``head`` is what its column is called."""

    name: str
    head: str
    measure: Measure
    is_for_all: bool = False
    """Whether contestants run it of which figures are reported only."""


def _benchmark(servers: Servers, load: Load, conns: int, clients: int, words: tuple[str, ...], total: int) -> Figures:
    """Run etcd's tool, and return its figures with the CPU time of the servers."""
    command = [str(load.benchmark), "--precise", "--endpoints", ",".join(servers.endpoints), "--conns", str(conns)]
    command += ["--clients", str(clients), *words, "--total", str(total)]
    before_s = servers.cpu_s()
    said = run_tool(command, _TOOL_S_MAX)
    used_s = servers.cpu_s() - before_s
    return {**summary(said), "cpu_us": used_s / total * 1e6}


def summary(said: str) -> Figures:
    """Read the last summary that etcd's tool has printed with ``--precise``. Raises Broken."""
    last = said.rpartition("Summary:")[2]
    rate = re.search(r"Requests/sec:\s+([\d.e+-]+)", last)
    if rate is None:
        raise Broken(f"the tool has printed no rate: {said[-300:]}")
    # Of a few operations, it prints no high percentiles.
    waits = {f"p{name}_ms": float(value) * 1e3 for name, value in re.findall(r" (50|99)% in ([\d.e+-]+)", last)}
    return {"rate": float(rate[1]), **waits}


def _loaded(conns: int, clients: int, words: tuple[str, ...], whole: int, members: int = 1) -> Measure:
    def measure(contestant: Contestant, load: Load) -> Figures:
        with running(contestant, load.data, members) as servers:
            _benchmark(servers, load, min(conns, 10), min(clients, 100), PUT, load.count(_WARM))
            if words[0] == "range":
                _put_read_key(servers)
            return _benchmark(servers, load, conns, clients, words, load.count(whole))

    return measure


def _put_read_key(servers: Servers) -> None:
    """Put the key that is read, with a value of 256 bytes."""
    body = json.dumps({"key": base64.b64encode(READ_KEY).decode(), "value": base64.b64encode(b"v" * 256).decode()})
    url = f"http://{servers.endpoints[0]}/v3/kv/put"
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        answer.read()


def _gateway(contestant: Contestant, load: Load) -> Figures:
    """Puts through the JSON gateway, by a program of ours: 64 connections, one request open on each."""
    with running(contestant, load.data) as servers:
        _gateway_load(servers, load.count(1000))
        total = load.count(10_000)
        before_s = servers.cpu_s()
        found = _gateway_load(servers, total)
        return {**found, "cpu_us": (servers.cpu_s() - before_s) / total * 1e6}


def _gateway_load(servers: Servers, total: int) -> Figures:
    words = [sys.executable, "-m", "bench.etcd.gateway_load", servers.endpoints[0], "64", str(total)]
    found: Figures = json.loads(run_tool(words, _TOOL_S_MAX))
    return found


def _watching(streams: int, watchers: int, puts: int, rate: int) -> Measure:
    """Watches of one key: how late their events are, and what they cost for each event."""

    def measure(contestant: Contestant, load: Load) -> Figures:
        total = load.count(puts)
        words = ["watch-latency", "--streams", str(streams), "--watchers-per-stream", str(watchers)]
        words += ["--put-total", str(total), "--put-rate", str(rate), "--val-size", "256"]
        with running(contestant, load.data) as servers:
            command = [str(load.benchmark), "--precise", "--endpoints", servers.endpoints[0]]
            before_s = servers.cpu_s()
            said = run_tool([*command, *words], _TOOL_S_MAX)
            used_s = servers.cpu_s() - before_s
        return {**summary(said), "cpu_us": used_s / (total * streams * watchers) * 1e6}

    return measure


def _memory(contestant: Contestant, load: Load) -> Figures:
    """What a small key takes, between two sizes: neither the program nor the log, which is bounded, is in it."""
    words = ("put", "--key-size", "16", "--val-size", "32", "--sequential-keys", "--key-space-size")
    first, second = load.count(150_000), load.count(350_000)
    with running(contestant, load.data) as servers:
        _benchmark(servers, load, 10, 500, (*words, str(first)), first)
        before = servers.resident_bytes()
        _benchmark(servers, load, 10, 500, (*words, str(second)), second)
        return {"bytes": (servers.resident_bytes() - before) / (second - first)}


CASES = {
    each.name: each
    for each in (
        Case("put1", "put 1/1", _loaded(1, 1, PUT, 3000)),
        Case("put100", "put 10/100", _loaded(10, 100, PUT, 30_000), is_for_all=True),
        Case("put1000", "put 50/1000", _loaded(50, 1000, PUT, 40_000)),
        Case("range1", "range 1/1", _loaded(1, 1, (*_RANGE, "l"), 4000)),
        Case("range100", "range 10/100", _loaded(10, 100, (*_RANGE, "l"), 30_000), is_for_all=True),
        Case("serial1", "serializable 1/1", _loaded(1, 1, (*_RANGE, "s"), 4000)),
        Case("serial100", "serializable 10/100", _loaded(10, 100, (*_RANGE, "s"), 30_000)),
        Case("gateway", "gateway put", _gateway, is_for_all=True),
        Case("watch", "watch latency", _watching(10, 10, 500, 100)),
        Case("watchers", "1,000 watchers", _watching(10, WATCHERS // 10, 200, 10)),
        Case("three100", "three members, put 10/100", _loaded(10, 100, PUT, 20_000, members=3)),
        Case("memory", "bytes a small key", _memory),
    )
}
ONCE = frozenset(("memory",))
"""Cases that are long and steady, so that one round is enough."""
