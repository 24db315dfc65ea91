"""The JSON gateway over real sockets, with handlers of the test behind it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from raftcy.etcd import gateway as gateway_module
from raftcy.etcd import gateway_stream, schema
from raftcy.etcd.access import Access
from raftcy.etcd.gateway import Gateway
from raftcy.etcd.refusals import Refused
from raftcy.etcd.replies import Reply
from raftcy.etcd.service import Context, Method, Stream, Streaming, Unary

PUT = "/etcdserverpb.KV/Put"
WATCH = "/etcdserverpb.Watch/Watch"
KEEPALIVE = "/etcdserverpb.Lease/LeaseKeepAlive"
SNAPSHOT = "/etcdserverpb.Maintenance/Snapshot"
HEADER = schema.ResponseHeader(cluster_id=1, member_id=2, revision=3, raft_term=4)


def b(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def put(call: Callable[..., Any]) -> Unary:
    return Unary(PUT, schema.PutRequest, schema.PutResponse, call)


class Recorder:
    """A receiver that notes what it hears. ``answers`` are sent for each request."""

    def __init__(self, stream: Stream, answers: Callable[[Any], list[Any]] = lambda _: []) -> None:
        self.stream = stream
        self.heard: list[Any] = []
        self.over = asyncio.Event()
        self._answers = answers

    def received(self, message: Any) -> None:
        self.heard.append(message)
        for each in self._answers(message):
            self.stream.send(each)

    def half_closed(self) -> None:
        self.heard.append("half_closed")

    def writable(self) -> None:
        self.heard.append("writable")

    def ended(self) -> None:
        self.heard.append("ended")
        self.over.set()


def watch(made: list[Recorder], answers: Callable[[Any], list[Any]] = lambda _: []) -> Streaming:
    def open_it(stream: Stream, context: Context) -> Recorder:
        made.append(Recorder(stream, answers))
        return made[-1]

    return Streaming(WATCH, schema.WatchRequest, schema.WatchResponse, True, open_it)


class Client:
    def __init__(self, session: aiohttp.ClientSession, port: int, gateway: Gateway) -> None:
        self.session, self.port, self.gateway = session, port, gateway

    def request(self, path: str, body: Any = None, method: str = "POST", **options: Any) -> Any:
        headers = {"Content-Type": "application/json", **options.pop("headers", {})}
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        return self.session.request(
            method, f"http://127.0.0.1:{self.port}{path}", data=data, headers=headers, allow_redirects=False, **options
        )

    async def post(self, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        async with self.request(path, body, **options) as answer:
            return answer.status, await answer.json(content_type=None)


@asynccontextmanager
async def serving(
    *methods: Method,
    pages: Mapping[str, Any] | None = None,
    access: Access | None = None,
    **options: Any,
) -> AsyncIterator[Client]:
    gateway = Gateway(methods, pages or {}, access or Access(), **options)
    server = await asyncio.get_running_loop().create_server(gateway.protocol, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession() as session:
            yield Client(session, port, gateway)
    finally:
        server.close()
        await gateway.close(0.1)


# -- one answer --------------------------------------------------------------------------------------------------------


def later(answer: Any) -> "asyncio.Future[Any]":
    found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    act = found.set_exception if isinstance(answer, BaseException) else found.set_result
    asyncio.get_running_loop().call_later(0.01, act, answer)
    return found


async def soon(answer: Any) -> Any:
    await asyncio.sleep(0.01)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def now(answer: Any) -> Any:
    if isinstance(answer, BaseException):
        raise answer
    return answer


@pytest.mark.parametrize("how", [now, later, soon])
@pytest.mark.parametrize("kind", ["message", "bytes", "pieces"])
async def test_an_answer(how: Callable[[Any], Any], kind: str) -> None:
    asked: list[Any] = []
    message = schema.PutResponse(header=HEADER)
    data = message.SerializeToString()
    answer: Any = {"message": message, "bytes": data, "pieces": [data[:3], data[3:]]}[kind]

    def call(request: Any, context: Context) -> Any:
        asked.append((request.key, context.metadata.get("authorization"), context.peer.rpartition(":")[0]))
        return how(answer)

    async with serving(put(call)) as client:
        found = await client.post("/v3/kv/put", {"key": b("k")}, headers={"Authorization": "token"})
    header = {"cluster_id": "1", "member_id": "2", "revision": "3", "raft_term": "4"}
    assert found == (200, {"header": header})
    assert asked == [(b"k", "token", "127.0.0.1")]


@pytest.mark.parametrize("how", [now, later, soon])
@pytest.mark.parametrize(
    ("code", "status"),
    [(3, 400), (4, 504), (5, 404), (7, 403), (8, 429), (9, 400), (11, 400), (12, 501), (14, 503), (16, 401), (77, 500)],
)
async def test_a_refusal_has_both_texts_the_code_and_the_status_of_3_7(
    how: Callable[[Any], Any], code: int, status: int
) -> None:
    async with serving(put(lambda request, context: how(Refused(code, "etcdserver: no")))) as client:
        found = await client.post("/v3/kv/put", {})
    assert found == (status, {"error": "etcdserver: no", "code": code, "message": "etcdserver: no"})


@pytest.mark.parametrize("how", [now, later, soon])
async def test_a_fault_of_a_handler_is_logged(how: Callable[[Any], Any], caplog: pytest.LogCaptureFixture) -> None:
    async with serving(put(lambda request, context: how(KeyError("oh")))) as client:
        found = await client.post("/v3/kv/put", {})
        assert found == (500, {"error": "'oh'", "code": 2, "message": "'oh'"})
        assert (await client.post("/v3/kv/put", {}))[0] == 500
    assert "/etcdserverpb.KV/Put failed" in caplog.text


async def test_the_prefix_of_old_clients() -> None:
    async with serving(put(lambda request, context: schema.PutResponse())) as client:
        assert (await client.post("/v3beta/kv/put", {}))[0] == 200
        async with client.request("/v3alpha/kv/put", {}) as answer:
            assert answer.status == 404


async def test_what_is_not_there() -> None:
    async with serving(put(lambda request, context: schema.PutResponse())) as client:
        assert await client.post("/v3/none", {}) == (404, {"error": "Not Found", "code": 5, "message": "Not Found"})
        assert (await client.post("/v3/kv/range", {})) == (
            501,
            {"error": (text := "unknown service etcdserverpb.KV"), "code": 12, "message": text},
        )
        assert (await client.post("/v3/kv/put", method="GET"))[0] == 501
        async with client.request("/none", method="GET") as answer:
            assert (answer.status, await answer.text()) == (404, "404 page not found\n")


@pytest.mark.parametrize("given", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp", "json"])
async def test_a_post_needs_the_content_type_of_json(given: str) -> None:
    """A page in a browser may send any other type to a foreign server without asking it.

    catches: etcd#9353
    """
    called: list[Any] = []
    async with serving(put(lambda request, context: called.append(request))) as client:
        status, found = await client.post("/v3/kv/put", {"key": b("k")}, headers={"Content-Type": given})
        assert (status, found["code"]) == (415, 3)
        assert called == []


@pytest.mark.parametrize(
    ("headers", "wanted"), [({}, 200), ({"Origin": "https://ui.example"}, 415), ({"Sec-Fetch-Site": "same-site"}, 415)]
)
async def test_without_a_content_type_a_post_is_taken_from_programs_only(headers: dict[str, str], wanted: int) -> None:
    """etcd3gw sends transactions so."""
    method = put(lambda request, context: schema.PutResponse())
    async with serving(method, access=Access(origins=["https://ui.example"])) as client:
        url = f"http://127.0.0.1:{client.port}/v3/kv/put"
        options: Any = {"data": b"{}", "headers": headers, "skip_auto_headers": ["Content-Type"]}
        async with client.session.post(url, **options) as answer:
            assert answer.status == wanted


async def test_a_content_type_may_have_parameters() -> None:
    async with serving(put(lambda request, context: schema.PutResponse())) as client:
        for given in ("application/json; charset=utf-8", "Application/JSON"):
            assert (await client.post("/v3/kv/put", {}, headers={"Content-Type": given}))[0] == 200


async def test_a_compressed_body_is_refused() -> None:
    async with serving(put(lambda request, context: schema.PutResponse())) as client:
        assert (await client.post("/v3/kv/put", b"x", headers={"Content-Encoding": "gzip"}))[0] == 415


async def test_a_body_that_is_too_large_is_refused_and_the_connection_closed() -> None:
    async with serving(put(lambda request, context: schema.PutResponse()), request_bytes_max=1000) as client:
        body = {"value": "A" * 900_000}
        try:
            status, found = await client.post("/v3/kv/put", body)
        except aiohttp.ClientOSError:
            # It was closed before the client had sent everything.
            return
        assert (status, found["message"]) == (400, "etcdserver: request is too large")


async def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "BODY_S_MAX", 0.05)
    async with serving(put(lambda request, context: schema.PutResponse())) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(
            b"POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        )
        answer = await reader.read()
        writer.close()
    assert b"400 Bad Request" in answer
    assert b"did not arrive" in answer


async def test_a_connection_that_sends_no_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "FIRST_REQUEST_S_MAX", 0.05)
    async with serving() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"POST /v3/kv/put HTTP/1.1\r\nHost")
        assert await reader.read() == b""
        writer.close()


async def test_a_client_that_goes_away_ends_the_wait() -> None:
    waits: list[asyncio.Future[Any]] = []

    def call(request: Any, context: Context) -> Any:
        waits.append(asyncio.get_running_loop().create_future())
        return waits[-1]

    async with serving(put(call)) as client:
        asking = asyncio.ensure_future(client.post("/v3/kv/put", {}))
        while not waits:
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait(waits, timeout=5)
        assert waits[0].cancelled()


async def test_metadata_of_grpc() -> None:
    asked: list[Any] = []

    def call(request: Any, context: Context) -> Any:
        asked.append(context.metadata.get("hasleader"))
        return schema.PutResponse()

    async with serving(put(call)) as client:
        await client.post("/v3/kv/put", {}, headers={"Grpc-Metadata-hasleader": "true"})
    assert asked == ["true"]


# -- pages, Host and Origin ------------------------------------------------------------------------------------------


async def test_pages(caplog: pytest.LogCaptureFixture) -> None:
    async def slow(query: Mapping[str, list[str]]) -> Reply:
        await asyncio.sleep(0)
        return Reply(json.dumps(query).encode())

    def broken(query: Mapping[str, list[str]]) -> Reply:
        raise KeyError("oh")

    pages = {"/version": lambda query: Reply(b"{}"), "/slow": slow, "/broken": broken}
    async with serving(pages=pages) as client:
        # Patroni's GET of /version has a body.
        assert await client.post("/version", {}, method="GET") == (200, {})
        assert await client.post("/slow?a=1&a=2&b", method="GET") == (200, {"a": ["1", "2"], "b": [""]})
        async with client.request("/version", {}) as answer:
            assert answer.status == 405
        async with client.request("/broken", method="GET") as answer:
            assert answer.status == 500
    assert "/broken failed" in caplog.text


async def test_host_and_origin() -> None:
    """catches: etcd#9372"""
    access = Access(["etcd.example"], ["https://ui.example"])
    called: list[Any] = []

    def call(request: Any, context: Context) -> Any:
        called.append(1)
        return schema.PutResponse()

    async with serving(put(call), access=access) as client:
        async with client.request("/v3/kv/put", {}, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 421
        async with client.request("/v3/kv/put", {}, headers={"Host": "etcd.example", "Origin": "https://e"}) as answer:
            assert answer.status == 403
        assert called == []
        good = {"Host": "etcd.example:2379", "Origin": "https://ui.example"}
        async with client.request("/v3/kv/put", {}, headers=good) as answer:
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "https://ui.example"
        async with client.request("/v3/kv/put", method="OPTIONS", headers=good) as answer:
            assert answer.status == 200
            assert "content-type" in answer.headers["Access-Control-Allow-Headers"]
        assert called == [1]


# -- streams -----------------------------------------------------------------------------------------------------------


async def test_a_watch_sends_each_line_at_once_and_stays_after_the_body_has_ended() -> None:
    made: list[Recorder] = []
    created = schema.WatchResponse(created=True, watch_id=1)
    async with serving(watch(made, lambda message: [created])) as client:
        async with client.request("/v3/watch", {"create_request": {"key": b("k"), "start_revision": "7"}}) as answer:
            assert answer.headers["Content-Type"] == "application/json"
            line = await answer.content.readline()
            assert json.loads(line) == {"result": {"created": True, "watch_id": "1"}}
            made[0].stream.send(schema.WatchResponse(watch_id=2).SerializeToString())
            assert json.loads(await answer.content.readline()) == {"result": {"watch_id": "2"}}
            assert made[0].heard[0].create_request.start_revision == 7
            assert made[0].heard[1:] == ["half_closed"]
            answer.close()
        await asyncio.wait_for(made[0].over.wait(), 5)
        assert made[0].heard[2:] == ["ended"]
        made[0].stream.send(created)
        made[0].stream.end()


async def test_a_keepalive_ends_after_one_answer() -> None:
    """As Patroni needs it: the body has one request, and the handler ends the stream once it has answered all."""

    class Once(Recorder):
        def half_closed(self) -> None:
            super().half_closed()
            self.stream.end()

    made: list[Recorder] = []

    def open_it(stream: Stream, context: Context) -> Recorder:
        made.append(Once(stream, lambda message: [schema.LeaseKeepAliveResponse(ID=message.ID, TTL=9)]))
        return made[-1]

    method = Streaming(KEEPALIVE, schema.LeaseKeepAliveRequest, schema.LeaseKeepAliveResponse, True, open_it)
    async with serving(method) as client:
        assert await client.post("/v3/lease/keepalive", {"ID": "5"}) == (200, {"result": {"ID": "5", "TTL": "9"}})
    assert made[0].heard == [schema.LeaseKeepAliveRequest(ID=5), "half_closed"]


async def test_several_requests_in_a_body_that_comes_in_pieces() -> None:
    """catches: etcd#8237"""
    made: list[Recorder] = []

    async def body() -> AsyncIterator[bytes]:
        for piece in (b'{"create_request":{"watch_', b'id":"1"}}{"create_request":{"watch_id":"2"}}', b"  "):
            yield piece
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)

    answers = lambda message: [schema.WatchResponse(watch_id=message.create_request.watch_id)]  # noqa: E731
    async with serving(watch(made, answers)) as client, asyncio.timeout(5):
        url = f"http://127.0.0.1:{client.port}/v3/watch"
        async with client.session.post(url, data=body(), headers={"Content-Type": "application/json"}) as answer:
            found = [json.loads(await answer.content.readline())["result"]["watch_id"] for _ in range(2)]
            answer.close()
        await asyncio.wait_for(made[0].over.wait(), 5)
    assert found == ["1", "2"]


async def test_a_stream_of_answers_to_one_request() -> None:
    def open_it(stream: Stream, context: Context) -> Recorder:
        class All(Recorder):
            def half_closed(self) -> None:
                for left in (2, 1, 0):
                    stream.send(schema.SnapshotResponse(remaining_bytes=left, blob=b"x"))
                stream.end()

        return All(stream)

    method = Streaming(SNAPSHOT, schema.SnapshotRequest, schema.SnapshotResponse, False, open_it)
    async with serving(method) as client, client.request("/v3/maintenance/snapshot", {}) as answer:
        lines = (await answer.text()).splitlines()
    assert [json.loads(line)["result"].get("remaining_bytes", "0") for line in lines] == ["2", "1", "0"]


@pytest.mark.parametrize("when", ["open", "received", "later", "fault"])
async def test_a_stream_that_ends_with_an_error(when: str, caplog: pytest.LogCaptureFixture) -> None:
    refusal = Refused(14, "etcdserver: no leader")
    made: list[Recorder] = []

    class Refusing(Recorder):
        def received(self, message: Any) -> None:
            if when == "received":
                raise refusal
            if when == "fault":
                raise KeyError("oh")
            self.stream.send(schema.WatchResponse(created=True))
            self.stream.end(refusal.code, refusal.text)

    def open_it(stream: Stream, context: Context) -> Recorder:
        if when == "open":
            raise refusal
        made.append(Refusing(stream))
        return made[-1]

    method = Streaming(WATCH, schema.WatchRequest, schema.WatchResponse, True, open_it)
    async with serving(method) as client, client.request("/v3/watch", {"create_request": {}}) as answer:
        status, lines = answer.status, (await answer.text()).splitlines()
    last = json.loads(lines[-1])
    assert client.gateway.handled.all() == {(WATCH, "Unknown" if when == "fault" else "Unavailable"): 1}
    if when == "open":
        assert (status, last) == (503, {"error": refusal.text, "code": 14, "message": refusal.text})
        return
    if when == "fault":
        assert (status, last["error"]["code"]) == (500, 2)
        assert "Watch failed" in caplog.text
    else:
        # Patroni reads the names of 3.4, and other clients those of 3.7.
        fields = {"code": 14, "message": refusal.text, "grpc_code": 14, "http_code": 503}
        assert last == {"error": {**fields, "http_status": "Service Unavailable"}}
    assert (status, len(lines)) == {"received": (503, 1), "later": (200, 2), "fault": (500, 1)}[when]
    assert made[0].heard == ([] if when == "later" else ["ended"])


@pytest.mark.parametrize("body", [b"nonsense", b'{"create_request":', b'{"create_request":{"key":"no!"}}'])
async def test_a_body_that_is_no_request_ends_the_stream(body: bytes) -> None:
    """catches: etcd#19509"""
    made: list[Recorder] = []
    async with serving(watch(made)) as client, asyncio.timeout(5):
        status, found = await client.post("/v3/watch", body)
    assert (status, found["error"]["code"]) == (400, 3)
    assert made[0].heard == ["ended"]


@pytest.mark.parametrize("is_read_later", [True, False])
async def test_a_slow_client_costs_a_bounded_memory(monkeypatch: pytest.MonkeyPatch, is_read_later: bool) -> None:
    # More than the kernel buffers of a connection that nobody reads.
    monkeypatch.setattr(gateway_stream, "WAITING_BYTES_MAX", 64 << 20)
    if not is_read_later:
        monkeypatch.setattr(gateway_stream, "STALL_S_MAX", 0.1)
    made: list[Recorder] = []
    answers = lambda message: [schema.WatchResponse(created=True)]  # noqa: E731
    async with serving(watch(made, answers)) as client, client.request("/v3/watch", {"create_request": {}}) as answer:
        await answer.content.readline()
        stream = made[0].stream
        assert stream.is_writable
        event = schema.WatchResponse(events=[schema.Event(kv=schema.KeyValue(value=bytes(60_000)))])
        sent = 0
        while not made[0].over.is_set() and sent < 2000:
            stream.send(event)
            sent += 1
            if sent % 10 == 0:
                await asyncio.sleep(0)
        assert sent < 2000
        assert not stream.is_writable
        if is_read_later:
            lines = (await answer.content.read()).splitlines()
            assert json.loads(lines[-1])["error"]["code"] == 8
        else:
            await asyncio.sleep(0.2)
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.content.read()
        assert client.gateway._waiting.all_bytes == 0
    assert made[0].heard.count("ended") == 1


@pytest.mark.parametrize(("size", "count"), [(900, 1), (400, 2)])
async def test_what_waits_on_all_streams_is_bounded(monkeypatch: pytest.MonkeyPatch, size: int, count: int) -> None:
    monkeypatch.setattr(gateway_stream, "ALL_BYTES_MAX", 1000)
    waiting = gateway_stream.Waiting()
    cut: list[int] = []
    streams = [
        gateway_stream.LineStream(schema.WatchResponse, waiting, lambda each=each: cut.append(each))
        for each in (1, 2, 3)
    ]
    for stream in streams:
        stream.send(schema.WatchResponse(cancel_reason="x" * size))
    assert cut == [1, 2, 3][count:]
    await streams[0].take()
    streams[0].send(schema.WatchResponse(cancel_reason="x" * 100))
    assert cut == [1, 2, 3][count:]


async def test_a_handler_hears_that_it_may_send_again() -> None:
    made: list[Recorder] = []
    answers = lambda message: [schema.WatchResponse(created=True)]  # noqa: E731
    async with serving(watch(made, answers)) as client, client.request("/v3/watch", {"create_request": {}}) as answer:
        await answer.content.readline()
        made[0].stream.send(schema.WatchResponse(cancel_reason="x" * 200_000))
        assert not made[0].stream.is_writable
        await answer.content.readline()
        while "writable" not in made[0].heard:
            await asyncio.sleep(0.01)
        assert made[0].stream.is_writable


async def test_a_handler_may_pause_the_requests() -> None:
    made: list[Recorder] = []

    def answers(message: Any) -> list[Any]:
        made[0].stream.pause()
        return [schema.WatchResponse(watch_id=message.create_request.watch_id)]

    body = b'{"create_request":{"watch_id":"1"}}{"create_request":{"watch_id":"2"}}'
    async with serving(watch(made, answers)) as client, client.request("/v3/watch", body) as answer:
        await answer.content.readline()
        await asyncio.sleep(0.05)
        assert len(made[0].heard) == 1
        made[0].stream.resume()
        await answer.content.readline()
        made[0].stream.resume()


async def test_closing_ends_streams() -> None:
    made: list[Recorder] = []
    answers = lambda message: [schema.WatchResponse(created=True)]  # noqa: E731
    async with serving(watch(made, answers)) as client, client.request("/v3/watch", {"create_request": {}}) as answer:
        await answer.content.readline()
        await client.gateway.close(0.05)
        await asyncio.wait_for(made[0].over.wait(), 5)


async def test_a_client_of_http_1_0_reads_until_the_end() -> None:
    class Once(Recorder):
        def half_closed(self) -> None:
            self.stream.end()

    def open_it(stream: Stream, context: Context) -> Recorder:
        return Once(stream, lambda message: [schema.WatchResponse(created=True)])

    method = Streaming(WATCH, schema.WatchRequest, schema.WatchResponse, True, open_it)
    async with serving(method) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        body = b'{"create_request":{}}'
        writer.write(
            b"POST /v3/watch HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        writer.write(body)
        answer = await reader.read()
        writer.close()
    assert answer.endswith(b'\r\n\r\n{"result":{"created":true}}\n')


async def test_calls_are_counted_by_their_ends() -> None:
    ends: list[Any] = [schema.PutResponse(), schema.PutResponse(), Refused(5, "no"), KeyError("oh")]

    def call(request: Any, context: Any) -> Any:
        found = ends.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async with serving(put(call)) as client:
        for _ in range(4):
            await client.post("/v3/kv/put", {})
        await client.post("/v3/kv/put", b"nonsense")
        assert client.gateway.handled.all() == {
            (PUT, "OK"): 2, (PUT, "NotFound"): 1, (PUT, "Unknown"): 1, (PUT, "InvalidArgument"): 1,
        }  # fmt: skip
