"""The port that gRPC and HTTP/1.1 share, over sockets of this machine, with either HTTP/2 library."""

import asyncio
import ssl
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import h2.connection
import pytest
from h2 import events
from h2.config import H2Configuration
from hyperframe.frame import Frame, GoAwayFrame, SettingsFrame, WindowUpdateFrame

from raftcy.etcd.grpc_shared import GrpcLimits
from raftcy.etcd.grpc_wire import framed
from raftcy.etcd.http2 import Http2Limits
from raftcy.etcd.listening import Endpoint
from raftcy.etcd.telling import ALPN, address_text, common_name, tells
from tests.support import grpc_talk
from tests.support.certificates import Authority
from tests.support.grpc_talk import HEADERS, Echo, Heard, Request, Response, block, text

pytestmark = pytest.mark.once

BACKINGS = ["ngh2", "h2"]


class Http1(asyncio.Protocol):
    """A server of HTTP/1.1 that answers each read with what it got."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.log.append("made")

    def data_received(self, data: bytes) -> None:
        self.log.append(data.decode())
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        self.log.append("lost")


class Client:
    """A gRPC client on a socket, by h2."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = h2.connection.H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.h2.initiate_connection()
        self.heard: dict[int, Heard] = {}
        self.goodbyes: list[tuple[int, int]] = []
        self.rest = b""
        self.is_closed = False

    @classmethod
    async def connect(cls, address: tuple[str, int], secured: ssl.SSLContext | None = None) -> "Client":
        name = "localhost" if secured else None
        return cls(*await asyncio.open_connection(*address, ssl=secured, server_hostname=name))

    def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())

    def start(self, path: str, data: bytes | None = None) -> Heard:
        """Begin a call; with ``data``, that is all it sends."""
        stream_id = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream_id, [(n, path.encode() if n == b":path" else v) for n, v in HEADERS])
        if data is not None:
            self.h2.send_data(stream_id, framed(Request(value=data).SerializeToString()), end_stream=True)
        self.flush()
        self.heard[stream_id] = Heard()
        return self.heard[stream_id]

    async def until(self, happened: Callable[[], object]) -> None:
        """Read until something has happened, or the connection is closed."""
        async with asyncio.timeout(10):
            while not happened() and not self.is_closed:
                data = await self.reader.read(1 << 16)
                if not data:
                    self.is_closed = True
                    return
                for event in self.h2.receive_data(self.without_goodbyes(data)):
                    self.hear(event)
                self.flush()

    def without_goodbyes(self, data: bytes) -> bytes:
        """Take the GOAWAY frames out: h2 takes no frame after one, but a server still answers what it took before."""
        self.rest += data
        kept = []
        while len(self.rest) >= 9 and len(self.rest) >= 9 + int.from_bytes(self.rest[:3], "big"):
            frame, length = Frame.parse_frame_header(memoryview(self.rest[:9]))
            whole, self.rest = self.rest[: 9 + length], self.rest[9 + length :]
            if isinstance(frame, GoAwayFrame):
                frame.parse_body(memoryview(whole[9:]))
                self.goodbyes.append((frame.error_code, frame.last_stream_id))
            else:
                kept.append(whole)
        return b"".join(kept)

    def hear(self, event: events.Event) -> None:
        heard = self.heard.get(getattr(event, "stream_id", 0))
        if heard is None:
            return
        if isinstance(event, events.ResponseReceived):
            heard.headers = dict(event.headers)
        elif isinstance(event, events.TrailersReceived):
            heard.trailers = dict(event.headers)
        elif isinstance(event, events.DataReceived):
            heard.data(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, events.StreamReset):
            heard.reset = int(event.error_code)

    async def say(self, value: bytes) -> Heard:
        heard = self.start("/test.Echo/Say", value)
        await self.until(lambda: heard.code is not None)
        return heard

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


class World:
    """Endpoints and clients of a test, which end with it."""

    def __init__(self) -> None:
        self.echo = Echo()
        self.http1: list[str] = []
        self.endpoints: list[Endpoint] = []
        self.clients: list[Client] = []

    async def serve(self, *, secured: ssl.SSLContext | None = None, **given: Any) -> tuple[str, int]:
        self.endpoints.append(Endpoint(self.echo.methods, http1=lambda: Http1(self.http1), **given))
        return await self.endpoints[-1].listen("127.0.0.1", 0, secured=secured)

    async def client(self, address: tuple[str, int], secured: ssl.SSLContext | None = None) -> Client:
        self.clients.append(await Client.connect(address, secured))
        return self.clients[-1]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    for endpoint in made.endpoints:
        await endpoint.stop(0)
        assert endpoint.connections == 0
    for client in made.clients:
        await client.close()


async def until(happened: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("backing", BACKINGS)
async def test_both_protocols_on_one_port(world: World, backing: str) -> None:
    address = await world.serve(backing=backing)
    client = await world.client(address)
    assert text((await client.say(b"hello")).messages[0]) == "hello"
    assert world.echo.contexts[0].peer == "{}:{}".format(*client.writer.get_extra_info("sockname"))
    other = await world.client(address)
    other.writer.write(b"POST /v3 HTTP/1.1\r\n\r\n")
    assert (await other.reader.read(100)).startswith(b"HTTP/1.1 200")
    assert world.http1 == ["made", "POST /v3 HTTP/1.1\r\n\r\n"]
    assert world.endpoints[0].connections == 2
    await other.close()
    await until(lambda: world.http1[-1] == "lost")
    assert world.endpoints[0].connections == 1


async def test_the_first_bytes_may_come_one_by_one(world: World) -> None:
    address = await world.serve()
    client = await world.client(address)
    opening = client.h2.data_to_send()
    for each in opening:
        client.writer.write(bytes([each]))
        await asyncio.sleep(0.001)
    assert (await client.say(b"x")).code == 0
    other = await world.client(address)
    for each in b"PRINT / HTTP/1.1\r\n\r\n":
        other.writer.write(bytes([each]))
        await asyncio.sleep(0)
    await until(lambda: "".join(world.http1).endswith("\r\n\r\n"))
    assert "".join(world.http1[1:]) == "PRINT / HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("cut", range(26))
def test_what_the_first_bytes_tell(cut: int) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04"
    assert tells(preface[:cut]) is (True if cut >= 24 else None)
    assert tells(preface[: min(cut, 23)] + b"!") is False


@pytest.mark.parametrize("served", ["grpc", "http1"])
async def test_an_address_may_serve_one_of_them(world: World, served: str) -> None:
    endpoint = Endpoint(world.echo.methods, http1=lambda: Http1(world.http1))
    world.endpoints.append(endpoint)
    address = await endpoint.listen("127.0.0.1", 0, grpc=served == "grpc", http1=served == "http1")
    first, second = await world.client(address), await world.client(address)
    if served == "grpc":
        assert (await first.say(b"x")).code == 0
        second.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    else:
        first.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await first.reader.read(100)).startswith(b"HTTP/1.1 200")
        second.flush()
    with suppress(ConnectionResetError):
        assert await second.reader.read() == b""


async def test_a_silent_newcomer_is_closed(world: World) -> None:
    address = await world.serve(hello_s=0.05)
    client = await world.client(address)
    client.writer.write(b"PRI * HTTP")
    with suppress(ConnectionResetError):
        assert await client.reader.read() == b""
    assert world.endpoints[0].connections == 0


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server that asks for certificates, and a client that has one, whose CN is "node"."""
    authority = Authority(folder)
    made = []
    for purpose in (ssl.Purpose.CLIENT_AUTH, ssl.Purpose.SERVER_AUTH):
        certificate = authority.issue("DNS:localhost")
        context = ssl.create_default_context(purpose, cafile=str(authority.file))
        context.load_cert_chain(certificate.file, certificate.key)
        made.append(context)
    made[0].verify_mode = ssl.CERT_REQUIRED
    made[0].set_alpn_protocols(ALPN)
    return made[0], made[1]


@pytest.mark.parametrize("backing", BACKINGS)
@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2"], "h2"), (["http/1.1"], "http/1.1"), (["h2", "http/1.1"], "http/1.1"), ([], None)],
)
async def test_tls(world: World, tmp_path: Path, backing: str, offered: list[str], chosen: str | None) -> None:
    server, context = contexts(tmp_path)
    address = await world.serve(secured=server, backing=backing)
    if offered:
        context.set_alpn_protocols(offered)
    client = await world.client(address, context)
    assert client.writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
    if chosen == "http/1.1":
        client.writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert (await client.reader.read(100)).startswith(b"HTTP/1.1 200")
        return
    assert text((await client.say(b"x" * 15_000)).messages[0]) == "x" * 15_000
    assert world.echo.contexts[0].common_name == "node"


async def test_a_failed_handshake_costs_nothing(world: World, tmp_path: Path) -> None:
    server, _ = contexts(tmp_path)
    address = await world.serve(secured=server, hello_s=0.1)
    for data in (b"GET / HTTP/1.1\r\n\r\n", b""):
        client = await world.client(address)
        client.writer.write(data)
        with suppress(ConnectionResetError):
            await client.reader.read()
        await until(lambda: world.endpoints[0].connections == 0)


def test_names() -> None:
    assert address_text(("1.2.3.4", 5)) == "1.2.3.4:5"
    assert address_text(("::1", 5, 0, 0)) == "[::1]:5"
    assert address_text("/run/socket") == "/run/socket"
    assert address_text(None) == ""
    assert common_name({"subject": ((("countryName", "X"),), (("commonName", "a"),))}) == "a"
    assert common_name(None) == common_name({}) == ""


# -- the end


@pytest.mark.parametrize("backing", BACKINGS)
async def test_a_stop_tells_first_and_waits_for_answers(world: World, backing: str) -> None:
    address = await world.serve(backing=backing, limits=GrpcLimits(notice_s=0.1))
    client, idle = await world.client(address), await world.client(address)
    assert (await idle.say(b"x")).code == 0
    unary = client.start("/test.Echo/Later", b"x")
    stream = client.start("/test.Echo/Chat")
    await until(lambda: world.echo.futures and world.echo.streams)
    stopping = asyncio.ensure_future(world.endpoints[0].stop(5))
    await client.until(lambda: client.goodbyes)
    assert client.goodbyes == [(0, (1 << 31) - 1)]
    await client.until(lambda: stream.code is not None)
    assert (stream.code, stream.text) == (14, b"etcdserver: server stopped")
    assert world.echo.streams[0].story == ["ended"]
    # A call that was on its way when the client was told is served.
    late = client.start("/test.Echo/Say", b"late")
    await client.until(lambda: late.code is not None)
    assert late.code == 0
    await client.until(lambda: len(client.goodbyes) == 2)
    assert client.goodbyes[1] == (0, 5)
    assert not stopping.done()
    world.echo.futures[0].set_result(Response(value="in time"))
    await client.until(lambda: unary.code is not None)
    assert text(unary.messages[0]) == "in time"
    await client.until(lambda: False)
    await idle.until(lambda: False)
    await stopping
    assert [each[0] for each in idle.goodbyes] == [0, 0]


@pytest.mark.parametrize("backing", BACKINGS)
async def test_a_stop_cuts_what_does_not_end(world: World, backing: str) -> None:
    address = await world.serve(backing=backing, limits=GrpcLimits(notice_s=0.02))
    client = await world.client(address)
    client.start("/test.Echo/Later", b"x")
    silent = await world.client(address)
    http1 = await world.client(address)
    http1.writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await until(lambda: world.echo.futures and world.http1)
    await world.endpoints[0].stop(0.05)
    assert world.echo.futures[0].cancelled()
    assert world.http1[-1] == "lost"
    for each in (client, silent, http1):
        with suppress(ConnectionResetError):
            await each.reader.read()
    with pytest.raises(RuntimeError, match="stopped"):
        await world.endpoints[0].listen("127.0.0.1", 0)
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await Client.connect(address)


async def test_a_variable_chooses_the_library(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BACKINGS:
        monkeypatch.setenv("RAFTCY_HTTP2", name)
        assert Endpoint(()).shared.backing == name
        assert Endpoint((), backing="ngh2").shared.backing == "ngh2"
    monkeypatch.setenv("RAFTCY_HTTP2", "zttp")
    with pytest.raises(ValueError, match="'zttp'"):
        Endpoint(())
    monkeypatch.delenv("RAFTCY_HTTP2")
    assert Endpoint(()).shared.backing == "ngh2"
    monkeypatch.setitem(sys.modules, "ngh2", None)
    assert Endpoint(()).shared.backing == "h2"
    with pytest.raises(ImportError, match="ngh2 is not installed"):
        Endpoint((), backing="ngh2")
    monkeypatch.setitem(sys.modules, "h2", None)
    with pytest.raises(ImportError, match="raftcy\\[etcd\\]"):
        Endpoint(())


async def test_stopping_twice_and_before_any_listening(world: World) -> None:
    endpoint = Endpoint(world.echo.methods)
    await endpoint.stop()
    await endpoint.stop()


# -- bounds


@pytest.mark.parametrize("backing", BACKINGS)
async def test_one_connection_too_many_is_refused(world: World, backing: str) -> None:
    address = await world.serve(connections=3, backing=backing)
    clients = [await world.client(address) for _ in range(3)]
    for client in clients:
        assert (await client.say(b"x")).code == 0
    refused = await world.client(address)
    with suppress(ConnectionResetError):
        assert await refused.reader.read() == b""
    assert world.endpoints[0].refused_connections == 1
    assert (await clients[0].say(b"x")).code == 0
    await clients[1].close()
    await until(lambda: world.endpoints[0].connections == 2)
    assert (await (await world.client(address)).say(b"x")).code == 0


async def test_silent_connections_keep_nobody_out(world: World) -> None:
    address = await world.serve(connections=3)
    busy = await world.client(address)
    busy.start("/test.Echo/Later", b"x")
    await until(lambda: world.echo.futures)
    silent = [await world.client(address) for _ in range(2)]
    await until(lambda: world.endpoints[0].connections == 3)
    assert (await (await world.client(address)).say(b"x")).code == 0
    with suppress(ConnectionResetError):
        assert await silent[0].reader.read() == b""
    assert world.endpoints[0].refused_connections == 0
    world.echo.futures[0].set_result(b"")
    await busy.until(lambda: busy.heard[1].code == 0)


async def test_two_may_wait_for_the_same_stop(world: World) -> None:
    address = await world.serve(limits=GrpcLimits(notice_s=0.01))
    client = await world.client(address)
    client.start("/test.Echo/Later", b"x")
    await until(lambda: world.echo.futures)
    async with asyncio.timeout(10):
        await asyncio.gather(world.endpoints[0].stop(0.1), world.endpoints[0].stop(0.05))


async def test_an_idle_connection_makes_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raftcy.etcd.listening._SPARE_IDLE_S", 0.0)
    monkeypatch.setattr("raftcy.etcd.listening._LOOK_S", 0.02)
    address = await world.serve(connections=2)
    old, busy = await world.client(address), await world.client(address)
    assert (await old.say(b"x")).code == 0
    busy.start("/test.Echo/Later", b"x")
    await until(lambda: len(world.endpoints[0]._spare) == 1)
    assert (await (await world.client(address)).say(b"x")).code == 0
    await old.until(lambda: False)
    assert [each[0] for each in old.goodbyes] == [0]
    assert world.endpoints[0].connections == 2
    assert world.endpoints[0].refused_connections == 0


@pytest.mark.parametrize("backing", BACKINGS)
async def test_an_idle_connection_is_closed_in_the_end(
    world: World, backing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftcy.etcd.listening._LOOK_S", 0.02)
    address = await world.serve(backing=backing, limits=GrpcLimits(idle_s=0.1))
    client, busy = await world.client(address), await world.client(address)
    heard = busy.start("/test.Echo/Later", b"x")
    await client.say(b"x")
    await client.until(lambda: False)
    assert client.is_closed
    assert [each[0] for each in client.goodbyes] == [0]
    world.echo.futures[0].set_result(b"")
    await busy.until(lambda: heard.code is not None)
    assert heard.code == 0


@pytest.mark.parametrize("backing", BACKINGS)
@pytest.mark.parametrize("answers", [True, False])
async def test_a_silent_client_is_asked_for_a_sign_of_life(
    world: World, backing: str, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raftcy.etcd.listening._LOOK_S", 0.02)
    address = await world.serve(backing=backing, limits=GrpcLimits(ping_interval_s=0.05, ping_timeout_s=0.2))
    client = await world.client(address)
    heard = client.start("/test.Echo/Later", b"x")
    await client.until(lambda: client.h2.remote_settings)
    if answers:
        reading = asyncio.ensure_future(client.until(lambda: heard.code is not None))
        await asyncio.sleep(0.5)
        world.echo.futures[0].set_result(b"")
        await reading
        assert heard.code == 0
    else:
        await until(lambda: world.echo.futures and world.echo.futures[0].cancelled())
        assert world.endpoints[0].connections == 0


@pytest.mark.parametrize("backing", BACKINGS)
async def test_a_client_that_reads_nothing_is_not_read_either(
    world: World, backing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow reader: what it asks for stays at its end, and after a while it is cut."""
    monkeypatch.setattr("raftcy.etcd.listening._LOOK_S", 0.05)
    address = await world.serve(backing=backing, limits=GrpcLimits(stall_s=0.3))
    world.echo.say = lambda request, context: Response(value="x" * 200_000)
    client = await world.client(address)
    window = grpc_talk.frame(SettingsFrame(0, settings={4: (1 << 31) - 1}))
    more = grpc_talk.frame(WindowUpdateFrame(0, window_increment=(1 << 31) - 70_000))
    client.writer.write(client.h2.data_to_send() + window + more)
    await client.until(lambda: client.h2.remote_settings)
    client.writer.transport.pause_reading()
    data = block()
    began = time.monotonic()
    for number in range(1, 4000, 2):
        client.writer.write(grpc_talk.request(number, data) + grpc_talk.message(number, b""))
        if number % 20 == 1:
            await asyncio.sleep(0)
    most = 0

    def gone() -> bool:
        nonlocal most
        most = max(most, world.endpoints[0].shared.queued_bytes)
        return world.endpoints[0].connections == 0

    await until(gone)
    assert time.monotonic() - began >= 0.3
    assert len(world.echo.contexts) < 100
    assert most < 130 << 20
    assert (await (await world.client(address)).say(b"x")).code == 0


async def test_input_is_taken_in_bites(world: World) -> None:
    """With the slow library, a long read of small frames must not keep the others waiting."""
    address = await world.serve(backing="h2", limits=GrpcLimits(http2=Http2Limits(burst_frames=100_000)))
    client = await world.client(address)
    await client.say(b"x")
    (protocol,) = world.endpoints[0]._open
    bites: list[int] = []
    receive = protocol.connection.receive

    def spy(data: bytes) -> None:
        bites.append(len(data))
        receive(data)

    protocol.connection.receive = spy
    client.writer.write(grpc_talk.frame(WindowUpdateFrame(0, window_increment=1)) * 20_000)
    assert (await client.say(b"y")).code == 0
    assert max(bites) <= 4096
    assert sum(bites) > 260_000


async def test_a_flood_is_counted_and_cut(world: World, caplog: pytest.LogCaptureFixture) -> None:
    address = await world.serve()
    client = await world.client(address)
    await client.say(b"x")
    client.writer.write(grpc_talk.settings() * 5000)
    with suppress(ConnectionResetError):
        await client.reader.read()
    await until(lambda: world.endpoints[0].connections == 0)
    assert world.endpoints[0].flooded_connections == 1
    assert "closed at once" in caplog.text


@pytest.mark.parametrize("backing", BACKINGS)
async def test_an_early_end_reaches_a_client_that_sends_nothing_more(world: World, backing: str) -> None:
    address = await world.serve(backing=backing)
    client = await world.client(address)
    heard = client.start("/test.Echo/Chat")
    await until(lambda: world.echo.streams)
    world.echo.streams[0].stream.send(Response(value="x" * 100_000))
    world.echo.streams[0].stream.end(1, "enough")
    await client.until(lambda: heard.reset is not None)
    assert (heard.code, heard.reset, len(heard.messages)) == (1, 0, 1)
