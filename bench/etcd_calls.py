"""What a gRPC call costs a server of `raftcy.etcd` in CPU time: puts into a dict, without Raft or a disk behind them.

``python -m bench.etcd_calls`` starts the server in a process of its own and loads it from this one, over the loopback,
with a client of ngh2: each of the clients has one call open at a time, and they share the connections. It prints the
microseconds of the server's CPU time per call, and the calls per second, as one line of JSON.
"""

import argparse
import asyncio
import json
import sys
import time
from typing import Any

import ngh2
from ngh2 import events

from raftcy.etcd import schema
from raftcy.etcd.grpc_wire import framed
from raftcy.etcd.listening import Endpoint
from raftcy.etcd.service import Context, Unary

PATH = "/etcdserverpb.KV/Put"


async def serve(backing: str, later: bool, profile: str) -> None:
    """Serve puts until the input ends; then print the CPU seconds and the calls since the first line of the input."""
    loop = asyncio.get_running_loop()
    stored: dict[bytes, bytes] = {}
    waiting: list[tuple[asyncio.Future[Any], bytes]] = []
    calls = 0

    def put(request: Any, context: Context) -> Any:
        nonlocal calls
        calls += 1
        stored[request.key] = request.value
        answer = schema.PutResponse(
            header=schema.ResponseHeader(cluster_id=1, member_id=2, revision=calls, raft_term=3)
        )
        if not later:
            return answer
        # As a replica does: the answers of a turn come together, a turn later.
        future = loop.create_future()
        if not waiting:
            loop.call_soon(answer_all)
        waiting.append((future, answer))
        return future

    def answer_all() -> None:
        for future, answer in waiting:
            if not future.done():
                future.set_result(answer)
        waiting.clear()

    endpoint = Endpoint([Unary(PATH, schema.PutRequest, schema.PutResponse, put)], backing=backing)
    print(*await endpoint.listen("127.0.0.1", 0), flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    begin_s, begin_calls = time.process_time(), calls
    profiler = None
    if profile:
        import cProfile

        profiler = cProfile.Profile()
        profiler.enable()
    await loop.run_in_executor(None, sys.stdin.readline)
    used_s, served = time.process_time() - begin_s, calls - begin_calls
    if profiler is not None:
        profiler.disable()
        profiler.dump_stats(profile)
    print(json.dumps({"cpu_us": round(used_s / max(served, 1) * 1e6, 2), "calls": served}), flush=True)
    await endpoint.stop(0)


class Load(asyncio.Protocol):
    """One connection with a number of calls open at all times."""

    def __init__(self, clients: int, value: bytes, deadlines: bool) -> None:
        self.connection = ngh2.Connection(
            ngh2.Role.CLIENT, ngh2.Configuration(stream_reset_rate_limit=(1 << 40, 1 << 40))
        )
        self.connection.initiate_connection({3: 0, 4: 1 << 20})
        self.clients = clients
        self.value = value
        self.count = 0
        self.deadlines = deadlines
        self.transport: Any = None
        self.is_over = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        for _ in range(self.clients):
            self.call()
        transport.write(self.connection.data_to_send())

    def call(self) -> None:
        self.count += 1
        headers = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", PATH.encode()),
            (b":authority", b"127.0.0.1:2379"),
            (b"content-type", b"application/grpc"),
            (b"user-agent", b"grpc-go/1.71.0"),
            (b"te", b"trailers"),
        ]
        if self.deadlines:
            headers.append((b"grpc-timeout", b"%du" % (4_999_000 - self.count % 1000)))
        stream_id = self.connection.send_request(headers)
        key = b"%016d" % (self.count % 10_000)
        request = schema.PutRequest(key=key, value=self.value).SerializeToString()
        self.connection.send_data(stream_id, framed(request), end_stream=True)

    def data_received(self, data: bytes) -> None:
        if self.is_over:
            return
        self.connection.receive_data(data)
        for event in self.connection.events():
            if type(event) is events.StreamClosed:
                if event.error_code:
                    raise RuntimeError(f"a call failed: {event}")
                self.call()
        self.transport.write(self.connection.data_to_send())


async def load(given: argparse.Namespace) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.etcd_calls", "--serve", "--backing", given.backing]
    command += ["--later"] if given.later else []
    command += ["--profile", given.profile] if given.profile else []
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    lines, orders = server.stdout, server.stdin
    if lines is None or orders is None:
        raise RuntimeError("the server has no pipes")
    loop = asyncio.get_running_loop()
    loads: list[Any] = []
    try:
        host, port = (await lines.readline()).split()
        for number in range(given.connections):
            clients = (given.clients + number) // given.connections
            made = Load(clients, b"v" * given.value_bytes, given.deadlines)
            _, protocol = await loop.create_connection(lambda made=made: made, host.decode(), int(port))
            loads.append(protocol)
        await asyncio.sleep(0.5)
        orders.write(b"\n")
        await asyncio.sleep(given.seconds)
        for each in loads:
            each.is_over = True
        orders.write(b"\n")
        found: dict[str, Any] = json.loads(await lines.readline())
    finally:
        for each in loads:
            each.transport.abort()
        server.kill()
        await server.wait()
    return {"backing": given.backing, **found, "rate": round(found["calls"] / given.seconds)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.etcd_calls", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--backing", choices=["ngh2", "h2"], default="ngh2")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--value-bytes", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--deadlines", action="store_true", help="each call has a grpc-timeout")
    parser.add_argument("--later", action="store_true", help="answers come by a Future, a turn later")
    parser.add_argument("--profile", default="", help="write a profile of the server to this file")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        asyncio.run(serve(given.backing, given.later, given.profile))
    else:
        print(json.dumps(asyncio.run(load(given))))


if __name__ == "__main__":
    main()
