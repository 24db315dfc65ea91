"""10,000 gRPC connections at a time, and a client that reads nothing: the server serves on, and its memory is bounded.

The server runs in a process of its own, whose memory is read from /proc.
"""

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hyperframe.frame import SettingsFrame, WindowUpdateFrame

from raftcy.etcd.http2 import PREFACE
from tests.support.grpc_talk import block, frame, message, opening, request
from tests.support.needs import IN_CI, ROOT

pytestmark = [pytest.mark.once, pytest.mark.alone, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

SERVER = """
import asyncio, resource, sys
from google.protobuf.wrappers_pb2 import BytesValue, StringValue
from raftcy.etcd.grpc_shared import GrpcLimits
from raftcy.etcd.listening import Endpoint
from raftcy.etcd.service import Unary

hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

def say(request, context):
    return StringValue(value="x" * int(request.value))

async def main():
    methods = [Unary("/test.Echo/Say", BytesValue, StringValue, say)]
    limits = GrpcLimits(queue_bytes=16 << 20, all_queue_bytes=64 << 20)
    endpoint = Endpoint(methods, limits=limits, backing=sys.argv[1], connections=int(sys.argv[2]))
    print(*await endpoint.listen("127.0.0.1", 0), flush=True)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
        print(endpoint.connections, endpoint.refused_connections, endpoint.shared.queued_bytes, flush=True)
    await endpoint.stop(0)

asyncio.run(main())
"""


class Server:
    """The server's process."""

    def __init__(self, backing: str, connections: int) -> None:
        command = [sys.executable, "-c", SERVER, backing, str(connections)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
        host, port = self.line().split()
        self.address = (host, int(port))

    def line(self) -> str:
        if self.process.stdout is None:
            raise RuntimeError("the server has no output")
        return self.process.stdout.readline()

    def state(self) -> tuple[int, int, int]:
        """Its connections, those that it refused, and the bytes that wait."""
        if self.process.stdin is None:
            raise RuntimeError("the server has no input")
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        connections, refused, queued_bytes = map(int, self.line().split())
        return connections, refused, queued_bytes

    def memory_kib(self) -> int:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@pytest.fixture(params=["ngh2", "h2"])
def backing(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made: list[Server] = []
    yield made
    for server in made:
        server.process.kill()
        with server.process:
            pass


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stream_id: int, size: int) -> bytes:
    """Make a call whose answer has ``size`` bytes, and read a little of what comes."""
    writer.write(request(stream_id, block()) + message(stream_id, b"%d" % size))
    async with asyncio.timeout(30):
        return await reader.readuntil(b"x" * min(size, 10))


async def test_many_connections(backing: str, servers: list[Server]) -> None:
    """All are open, all are served, and each costs little memory while it is idle."""
    count = 2_000 if IN_CI else 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < count + 200:
        pytest.skip(f"needs {count + 200} open files, and this process may have {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = Server(backing, count)
    servers.append(server)
    before_kib = server.memory_kib()
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
    try:
        while len(opened) < count:
            opened += await asyncio.gather(*(asyncio.open_connection(*server.address) for _ in range(100)))
            for _, writer in opened[-100:]:
                writer.write(opening())
            await asyncio.gather(*(ask(reader, writer, 1, 10) for reader, writer in opened[-100:]))
        assert server.state() == (count, 0, 0)
        per_connection_kib = (server.memory_kib() - before_kib) / count
        print(f"{per_connection_kib:.1f} KiB a connection")
        assert per_connection_kib < (40 if backing == "ngh2" else 120), per_connection_kib
        for reader, writer in (opened[0], opened[count // 2], opened[-1]):
            await ask(reader, writer, 3, 10)
    finally:
        for _, writer in opened:
            writer.transport.abort()
        await asyncio.sleep(0.2)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_clients_that_read_nothing(backing: str, servers: list[Server]) -> None:
    """Their answers wait within the bounds of the server's memory, and other clients are served."""
    server = Server(backing, 100)
    servers.append(server)
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(opening())
    await ask(reader, writer, 1, 10)
    before_kib = server.memory_kib()
    windows = frame(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: (1 << 31) - 1}))
    windows += frame(WindowUpdateFrame(0, window_increment=(1 << 31) - 70_000))
    slow = []
    for number in range(30):
        slow_reader, slow_writer = await asyncio.open_connection(*server.address)
        slow_writer.transport.pause_reading()
        # Half of them open their windows and leave their sockets full; the others leave their windows closed.
        slow_writer.write(PREFACE + (windows if number % 2 else frame(SettingsFrame(0))))
        for stream_id in range(1, 400, 2):
            slow_writer.write(request(stream_id, block()) + message(stream_id, b"200000"))
        slow.append((slow_reader, slow_writer))
    most_kib = most_bytes = 0
    for _ in range(20):
        await asyncio.sleep(0.1)
        most_kib = max(most_kib, server.memory_kib())
        most_bytes = max(most_bytes, server.state()[2])
    # 64 MiB may wait, and each slow socket may have a piece more in its buffers.
    assert 16 << 20 < most_bytes <= 64 << 20
    assert most_kib - before_kib < 200 << 10, most_kib
    await ask(reader, writer, 3, 10)
    for _, slow_writer in slow:
        slow_writer.transport.abort()
    for _ in range(100):
        if server.state() == (1, 0, 0):
            break
        await asyncio.sleep(0.05)
    assert server.state() == (1, 0, 0)
    await ask(reader, writer, 5, 200_000)
    writer.close()
