"""grpcio, which we did not write, as the client: over sockets, with either HTTP/2 library."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from raftcy.etcd.grpc_shared import GrpcLimits
from raftcy.etcd.listening import Endpoint
from raftcy.etcd.refusals import Refused
from tests.support.grpc_talk import Echo, Request, Response
from tests.support.needs import FREE_THREADED, missing

try:
    import grpc
except ImportError:
    grpc = None

pytestmark = pytest.mark.once


class World:
    """An endpoint, and a channel to it."""

    def __init__(self, backing: str) -> None:
        self.echo = Echo()
        self.endpoint = Endpoint(self.echo.methods, limits=GrpcLimits(notice_s=0.05), backing=backing)
        self.channel: Any = None
        self.address = ""

    async def start(self) -> None:
        host, port = await self.endpoint.listen("127.0.0.1", 0)
        self.address = f"{host}:{port}"
        self.channel = grpc.aio.insecure_channel(self.address)

    def unary(self, name: str = "Say") -> Any:
        return self.channel.unary_unary(f"/test.Echo/{name}", Request.SerializeToString, Response.FromString)

    def chat(self) -> Any:
        return self.channel.stream_stream("/test.Echo/Chat", Request.SerializeToString, Response.FromString)

    def follow(self) -> Any:
        return self.channel.unary_stream("/test.Echo/Follow", Request.SerializeToString, Response.FromString)


@pytest.fixture(params=["ngh2", "h2"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if grpc is None:
        if FREE_THREADED:
            pytest.skip("grpcio has no wheel for interpreters without the lock")
        missing("grpcio")
    made = World(request.param)
    await made.start()
    yield made
    await made.channel.close()
    await made.endpoint.stop(0)


async def until(happened: Any) -> None:
    async with asyncio.timeout(10):
        while not happened():
            await asyncio.sleep(0.005)


async def refusal(call: Any) -> tuple[int, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code().value[0], caught.value.details()


async def test_calls(world: World) -> None:
    say = world.unary()
    answers = await asyncio.gather(*(say(Request(value=b"%d" % number)) for number in range(200)))
    assert [answer.value for answer in answers] == [str(number) for number in range(200)]
    world.echo.contexts.clear()
    call = say(Request(value=b"x"), metadata=(("hasleader", "true"), ("a-bin", b"\0\1")), timeout=5)
    assert (await call).value == "x"
    (context,) = world.echo.contexts
    assert context.metadata["hasleader"] == "true"
    assert "a-bin" not in context.metadata
    assert context.deadline_s is not None
    assert 4 < context.deadline_s - asyncio.get_running_loop().time() < 5.1


@pytest.mark.parametrize("size", [0, 1, 16_384, 65_535, 70_000, 1_500_000])
async def test_sizes(world: World, size: int) -> None:
    assert len((await world.unary()(Request(value=b"x" * size))).value) == size


async def test_large_calls_at_once(world: World) -> None:
    say = world.unary()
    answers = await asyncio.gather(*(say(Request(value=b"x" * 300_000)) for _ in range(20)))
    assert {len(answer.value) for answer in answers} == {300_000}
    assert world.endpoint.shared.partial_bytes == 0


async def test_refusals(world: World) -> None:
    def refuse(request: Request, context: Any) -> Response:
        raise Refused(11, "etcdserver: mvcc: größer als 100 %")

    world.echo.say = refuse
    assert await refusal(world.unary()(Request())) == (11, "etcdserver: mvcc: größer als 100 %")
    code, text = await refusal(world.unary("Nothing")(Request()))
    assert (code, text) == (12, "unknown method /test.Echo/Nothing")
    code, text = await refusal(world.unary("Later")(Request(), timeout=0.1))
    assert code == 4
    await until(lambda: world.echo.futures[0].cancelled())
    world.echo.say = lambda request, context: Response(value="fine")
    assert (await world.unary()(Request())).value == "fine"


async def test_a_message_that_is_too_long(world: World) -> None:
    code, text = await refusal(world.unary()(Request(value=b"x" * (3 << 20))))
    assert code == 8
    assert "longer than the limit" in text


async def test_compression_is_refused(world: World) -> None:
    call = world.unary()(Request(value=b"x" * 1000), compression=grpc.Compression.Gzip)
    code, text = await refusal(call)
    assert (code, text) == (12, "this server does not know the compression gzip")
    assert (await world.unary()(Request(value=b"x"))).value == "x"


async def test_a_cancelled_call(world: World) -> None:
    call = world.unary("Later")(Request())
    await until(lambda: world.echo.futures)
    call.cancel()
    await until(lambda: world.echo.futures[0].cancelled())


async def test_a_chat(world: World) -> None:
    def opened(recorder: Any) -> None:
        def answer(value: bytes) -> None:
            recorder.stream.send(Response(value=value.decode() * 2))

        recorder.on_received = answer

    world.echo.opened = opened
    call = world.chat()()
    for number in range(50):
        await call.write(Request(value=b"%d" % number))
        assert (await call.read()).value == str(number) * 2
    await call.done_writing()
    recorder = world.echo.streams[0]
    await until(lambda: recorder.story[-1] == "half closed")
    recorder.stream.end(9, "over")
    assert await call.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert await call.details() == "over"


async def test_a_cancelled_chat(world: World) -> None:
    call = world.chat()()
    await call.write(Request(value=b"x"))
    await until(lambda: world.echo.streams and world.echo.streams[0].story)
    call.cancel()
    await until(lambda: world.echo.streams[0].story[-1] == "ended")


async def test_a_long_stream_under_flow_control(world: World) -> None:
    def opened(recorder: Any) -> None:
        parts = iter(range(300))

        def more() -> None:
            while recorder.stream.is_writable:
                number = next(parts, None)
                if number is None:
                    recorder.stream.end()
                    return
                recorder.stream.send(Response(value=f"{number:20000}"))

        recorder.on_writable = more
        recorder.on_received = lambda value: more()

    world.echo.opened = opened
    numbers = [int(answer.value) async for answer in world.follow()(Request(value=b"all"))]
    assert numbers == list(range(300))
    assert world.endpoint.shared.queued_bytes == 0


async def test_a_stop_is_seen(world: World) -> None:
    """A client that was told connects anew, and learns that nobody listens; its stream ends with etcd's words."""
    chat = world.chat()()
    await chat.write(Request(value=b"x"))
    await until(lambda: world.echo.streams)
    later = world.unary("Later")(Request())
    await until(lambda: world.echo.futures)
    stopping = asyncio.ensure_future(world.endpoint.stop(5))
    assert await chat.code() == grpc.StatusCode.UNAVAILABLE
    assert await chat.details() == "etcdserver: server stopped"
    await asyncio.sleep(0.1)
    world.echo.futures[0].set_result(Response(value="in time"))
    assert (await later).value == "in time"
    await stopping
    assert (await refusal(world.unary()(Request(), timeout=5)))[0] == 14


async def test_keepalive_pings_are_answered(world: World) -> None:
    options = [("grpc.keepalive_time_ms", 100), ("grpc.keepalive_timeout_ms", 1000)]
    options += [("grpc.http2.max_pings_without_data", 0)]
    async with grpc.aio.insecure_channel(world.address, options=options) as channel:
        say = channel.unary_unary("/test.Echo/Say", Request.SerializeToString, Response.FromString)
        for _ in range(5):
            assert (await say(Request(value=b"x"))).value == "x"
            await asyncio.sleep(0.1)
