"""Puts through the JSON gateway: ``python -m bench.etcd.gateway_load HOST:PORT CONNECTIONS TOTAL``.

Each connection has one request open. It prints rate and latencies as JSON. It reads answers by their length, or by
their chunks, and looks at nothing else of HTTP, so that the server and not this program is the limit.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time

KEYS = 10_000


class Puts:
    """What all connections share: the next key, and how long each request took."""

    def __init__(self, total: int, loop: asyncio.AbstractEventLoop) -> None:
        self.total = total
        self.begun = 0
        self.waits_s: list[float] = []
        self.over: asyncio.Future[None] = loop.create_future()
        self._value = base64.b64encode(b"v" * 256).decode()

    def next(self, host: str) -> bytes | None:
        """The next request, None after the last one."""
        if self.begun >= self.total:
            return None
        self.begun += 1
        key = base64.b64encode(b"%016d" % (self.begun * 7919 % KEYS)).decode()
        body = f'{{"key":"{key}","value":"{self._value}"}}'
        head = f"POST /v3/kv/put HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    def took(self, seconds: float) -> None:
        """A request has its answer."""
        self.waits_s.append(seconds)
        if len(self.waits_s) == self.total:
            self.over.set_result(None)


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, puts: Puts, host: str) -> None:
        self._puts = puts
        self._host = host
        self._data = b""
        self._began_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        request = self._puts.next(self._host)
        if request is not None:
            self._began_s = time.perf_counter()
            self._transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(head.decode(errors="replace"))
            return
        lower = head.lower()
        if b"content-length:" in lower:
            length = int(lower.partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(body) < length:
                return
        elif not body.endswith(b"0\r\n\r\n"):
            return
        self._data = b""
        self._puts.took(time.perf_counter() - self._began_s)
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"a connection was closed: {error}")

    def _fail(self, why: str) -> None:
        if not self._puts.over.done():
            self._puts.over.set_exception(RuntimeError(why))


async def load(endpoint: str, connections: int, total: int) -> dict[str, float]:
    """Put, and return the figures."""
    loop = asyncio.get_running_loop()
    host, _, port = endpoint.rpartition(":")
    puts = Puts(total, loop)
    began_s = time.perf_counter()
    for _ in range(min(connections, total)):
        await loop.create_connection(lambda: Connection(puts, endpoint), host, int(port))
    await puts.over
    took_s = time.perf_counter() - began_s
    waits_s = sorted(puts.waits_s)
    return {
        "rate": total / took_s,
        "p50_ms": waits_s[len(waits_s) // 2] * 1e3,
        "p99_ms": waits_s[len(waits_s) * 99 // 100] * 1e3,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(load(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
