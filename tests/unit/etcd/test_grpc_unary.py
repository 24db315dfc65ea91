"""Calls with one request and one answer, over scripted bytes, with either HTTP/2 library."""

import asyncio
from typing import Any

import pytest
from google.protobuf.message import Message

from raftcy.etcd.grpc_shared import GrpcLimits
from raftcy.etcd.grpc_wire import framed
from raftcy.etcd.refusals import Refused
from raftcy.etcd.service import Context
from tests.support.grpc_talk import HEADERS, Echo, Heard, Request, Response, Talk, text

pytestmark = [pytest.mark.once, pytest.mark.parametrize("backing", ["ngh2", "h2"])]


def talk(backing: str, echo: Echo | None = None, **limits: Any) -> tuple[Talk, Echo]:
    echo = echo or Echo()
    return Talk(backing, echo.methods, GrpcLimits(**limits)), echo


def test_a_call_is_answered(backing: str) -> None:
    client, echo = talk(backing)
    heard = client.say(b"hello", "/test.Echo/Say", (b"hasleader", b"true"), (b"token-bin", b"AAA"))
    assert [text(each) for each in heard.messages] == ["hello"]
    assert heard.headers == {b":status": b"200", b"content-type": b"application/grpc"}
    assert (heard.code, heard.ended, heard.reset) == (0, True, None)
    (context,) = echo.contexts
    assert context.metadata["hasleader"] == "true"
    assert "token-bin" not in context.metadata
    assert not [name for name in context.metadata if name.startswith(":")]
    assert (context.peer, context.common_name, context.deadline_s) == ("1.2.3.4:5", "", None)
    assert client.server.calls == {}


def test_the_answers_of_a_turn_leave_in_one_write(backing: str) -> None:
    client, _ = talk(backing)
    for number in range(5):
        stream_id = client.start()
        client.send(stream_id, framed(Request(value=b"%d" % number).SerializeToString()), end=True)
    client.server.receive(client.client.data_to_send())
    client.server.work()
    client.hear(client.server.output(1 << 16))
    assert [text(heard.messages[0]) for heard in client.heard.values()] == ["0", "1", "2", "3", "4"]
    assert client.server.output(1 << 16) == b""


@pytest.mark.parametrize("shape", ["message", "bytes", "pieces", "no pieces", "large"])
def test_an_answer_comes_as_message_or_bytes_or_pieces(backing: str, shape: str) -> None:
    client, echo = talk(backing)
    value = "x" * (70_000 if shape in ("large", "pieces") else 0 if shape == "no pieces" else 5)
    data = Response(value=value).SerializeToString()
    answers: dict[str, Message | bytes | list[bytes]] = {
        "message": Response(value=value),
        "bytes": data,
        "pieces": [data[:1000], data[1000:40_000], data[40_000:]],
        "no pieces": [],
        "large": data,
    }
    echo.say = lambda request, context: answers[shape]
    heard = client.say(b"?")
    assert (heard.code, [text(each) for each in heard.messages]) == (0, [value])


def test_a_request_comes_in_any_cuts(backing: str) -> None:
    client, _ = talk(backing)
    data = framed(Request(value=b"abcdefghij").SerializeToString())
    for cut in range(1, len(data)):
        stream_id = client.start()
        client.send(stream_id, data[:cut])
        client.pump()
        assert client.shared.partial_bytes == cut
        client.send(stream_id, data[cut:], end=True)
        client.pump()
        assert text(client.heard[stream_id].messages[0]) == "abcdefghij"
        assert client.shared.partial_bytes == 0


def test_the_end_may_come_by_itself_and_in_trailers(backing: str) -> None:
    client, _ = talk(backing)
    data = framed(Request(value=b"a").SerializeToString())
    first, second = client.start(), client.start()
    client.send(first, data)
    client.send(second, data)
    client.pump()
    assert not client.heard[first].messages
    client.client.end_stream(first)
    client.client.send_headers(second, [(b"x", b"y")], end_stream=True)
    client.pump()
    assert [client.heard[each].code for each in (first, second)] == [0, 0]


def test_a_request_may_be_as_long_as_the_limit_and_no_longer(backing: str) -> None:
    client, _ = talk(backing, message_bytes=100_000)
    room = 100_000 - 4
    assert client.say(b"x" * room).code == 0
    heard = client.say(b"x" * (room + 1))
    assert heard.code == 8
    assert b"100001" in heard.text
    assert client.shared.partial_bytes == 0
    assert client.say(b"after").code == 0


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", 13),
        (b"\0\0\0", 13),
        (b"\0\0\0\0\5abc", 13),
        (b"\1\0\0\0\0", 13),
        (b"\0\0\0\0\2\xff\xff", 13),
        (b"\0\0\0\0\0\0\0\0\0\0", 13),
        (b"\0\xff\xff\xff\xff", 8),
    ],
    ids=["nothing", "half a prefix", "half a message", "compressed", "no message", "two messages", "4 GiB"],
)
def test_a_bad_request_is_refused_alone(backing: str, data: bytes, code: int) -> None:
    client, echo = talk(backing)
    stream_id = client.start()
    client.send(stream_id, data, end=True)
    client.pump()
    heard = client.heard[stream_id]
    assert (heard.code, heard.ended) == (code, True)
    assert echo.contexts == []
    assert client.say(b"after").code == 0


def test_an_early_refusal_resets_what_the_client_still_sends(backing: str) -> None:
    client, _ = talk(backing, message_bytes=10)
    stream_id = client.start()
    client.send(stream_id, b"\0\0\0\0\x0b")
    client.pump()
    heard = client.heard[stream_id]
    assert (heard.code, heard.reset) == (8, 0)
    assert client.say(b"").code == 0


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ((b":path", b"/test.Echo/Nothing"), b"200", 12),
        ((b":path", b""), b"200", 12),
        ((b":method", b"GET"), b"405", 13),
        ((b"content-type", b"application/json"), b"415", 3),
        ((b"content-type", b"application/grpcx"), b"415", 3),
        ((b"content-type", b"application/grpc+proto"), b"200", 0),
        ((b"grpc-encoding", b"gzip"), b"200", 12),
        ((b"grpc-encoding", b"identity"), b"200", 0),
        ((b"grpc-timeout", b"soon"), b"200", 13),
        ((b"grpc-timeout", b"123456789S"), b"200", 13),
        ((b"grpc-timeout", b"5S"), b"200", 0),
    ],
    ids=lambda each: repr(each)[:40],
)
def test_headers_are_checked(backing: str, changed: tuple[bytes, bytes], status: bytes, code: int) -> None:
    client, _ = talk(backing)
    if changed[0] == b":path" and not changed[1] and backing == "h2":
        pytest.skip("h2 ends the connection for an empty path, as for each malformed header")
    stream_id = client.client.get_next_available_stream_id()
    headers = [(name, value) for name, value in HEADERS if name != changed[0]]
    where = len(headers) if not changed[0].startswith(b":") else 0
    headers.insert(where, changed)
    client.client.config.validate_outbound_headers = False
    client.client.send_headers(stream_id, headers)
    client.heard[stream_id] = Heard()
    client.send(stream_id, framed(b""), end=True)
    client.pump()
    heard = client.heard[stream_id]
    if changed[1] == b"":
        assert heard.code == code or heard.reset is not None
        return
    assert (heard.headers[b":status"], heard.code) == (status, code)
    assert (heard.headers.get(b"grpc-accept-encoding") == b"identity") == (changed[1] == b"gzip")


def test_a_refusal_has_its_code_and_its_text_percent_encoded(backing: str) -> None:
    client, echo = talk(backing)

    def refuse(request: Request, context: Context) -> Response:
        raise Refused(9, "100 % größer\n")

    echo.say = refuse
    heard = client.say(b"?")
    assert (heard.code, heard.text) == (9, b"100 %25 gr%C3%B6%C3%9Fer%0A")
    assert heard.messages == []


def test_a_fault_of_ours_becomes_code_2_and_a_line_in_the_log(backing: str, caplog: pytest.LogCaptureFixture) -> None:
    client, echo = talk(backing)

    def fail(request: Request, context: Context) -> Response:
        raise KeyError("lost")

    echo.say = fail
    heard = client.say(b"?")
    assert (heard.code, heard.text) == (2, b"'lost'")
    assert "a handler failed" in caplog.text
    echo.say = lambda request, context: Response(value="fine")
    assert client.say(b"?").code == 0


async def test_an_answer_may_come_later(backing: str) -> None:
    client, echo = talk(backing)
    heard = [client.say(b"%d" % number, "/test.Echo/Later") for number in range(4)]
    assert [each.code for each in heard] == [None] * 4
    woken = client.woken
    first, second, third, fourth = echo.futures
    first.set_result(Response(value="late"))
    second.set_exception(Refused(5, "not there"))
    third.cancel()
    fourth.set_result(b"")
    await asyncio.sleep(0)
    assert client.woken == woken + 1
    client.pump()
    assert [each.code for each in heard] == [0, 5, 1, 0]
    assert text(heard[0].messages[0]) == "late"


async def test_an_awaitable_becomes_a_task(backing: str) -> None:
    client, echo = talk(backing)

    async def answer(request: Request, context: Context) -> Response:
        await asyncio.sleep(0)
        return Response(value="awaited")

    echo.say = answer
    heard = client.say(b"?")
    await client.spawned[0]
    await asyncio.sleep(0)
    client.pump()
    assert text(heard.messages[0]) == "awaited"


async def test_a_cancelled_call_cancels_its_future(backing: str) -> None:
    client, echo = talk(backing)
    client.say(b"?", "/test.Echo/Later")
    client.client.reset_stream(1, 8)
    client.pump()
    assert echo.futures[0].cancelled()
    assert client.server.calls == {}
    assert client.say(b"after").code == 0


async def test_a_cancelled_call_may_be_answered_still(backing: str) -> None:
    """Its future may be done already, or fail, when the client cancels."""
    client, echo = talk(backing)
    for outcome in (Response(), Refused(5, "no"), ValueError("fault")):
        client.say(b"?", "/test.Echo/Later")
        future = echo.futures.pop()
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
        client.client.reset_stream(max(client.heard), 8)
        client.pump()
        await asyncio.sleep(0)
    client.pump()
    assert client.say(b"after").code == 0


async def test_a_lost_connection_cancels_its_calls(backing: str) -> None:
    client, echo = talk(backing)
    for _ in range(3):
        client.say(b"?", "/test.Echo/Later")
    client.server.lost()
    assert [future.cancelled() for future in echo.futures] == [True] * 3
    await asyncio.sleep(0)


async def test_a_deadline_ends_a_call(backing: str) -> None:
    client, echo = talk(backing)
    late = client.say(b"?", "/test.Echo/Later", (b"grpc-timeout", b"1500m"))
    patient = client.say(b"?", "/test.Echo/Later", (b"grpc-timeout", b"1H"))
    assert [context.deadline_s for context in echo.contexts] == [101.5, 3700.0]
    assert client.armed_at_s is not None
    assert 101.5 <= client.armed_at_s <= 101.5 + 1 / 16
    client.now_s = client.armed_at_s
    client.shared.expire()
    client.pump()
    assert (late.code, late.text, patient.code) == (4, b"context deadline exceeded", None)
    assert [future.cancelled() for future in echo.futures] == [True, False]
    assert client.armed_at_s is not None
    assert 3700.0 <= client.armed_at_s <= 3700.1
    echo.futures[1].set_result(b"")
    await asyncio.sleep(0)
    assert len(client.shared.deadlines) == 0


def test_a_call_that_is_answered_has_no_deadline_left(backing: str) -> None:
    client, _ = talk(backing)
    assert client.say(b"?", "/test.Echo/Say", (b"grpc-timeout", b"10S")).code == 0
    assert len(client.shared.deadlines) == 0


def test_an_answer_waits_for_the_clients_window(backing: str) -> None:
    client, echo = talk(backing)
    client.acknowledges = False
    echo.say = lambda request, context: Response(value="x" * 200_000)
    heard = client.say(b"?")
    assert not heard.ended
    assert 200_000 - 65535 <= client.server.http2.all_queued_bytes <= 200_010 - 65535
    assert client.shared.queued_bytes == client.server.http2.all_queued_bytes
    client.acknowledges = True
    client.client.increment_flow_control_window(1 << 20)
    client.client.increment_flow_control_window(1 << 20, 1)
    client.pump()
    assert (heard.code, len(heard.messages[0])) == (0, 200_004)
    assert client.shared.queued_bytes == 0


def test_too_much_that_waits_is_refused(backing: str) -> None:
    client, echo = talk(backing, queue_bytes=400_000)
    client.acknowledges = False
    echo.say = lambda request, context: Response(value="x" * 200_000)
    heard = [client.say(b"?") for _ in range(3)]
    # The last one's 200 kB would make it more than 400 kB beside what waits for the first two.
    assert [each.code for each in heard] == [None, None, 8]
    echo.say = lambda request, context: Response(value="small")
    assert client.say(b"?").code is None
    client.server.lost()
    assert client.shared.queued_bytes == 0


def test_one_answer_may_be_longer_than_the_bound(backing: str) -> None:
    client, echo = talk(backing, queue_bytes=1000)
    echo.say = lambda request, context: Response(value="x" * 50_000)
    assert client.say(b"?").code == 0


def test_windows_are_given_back_whatever_becomes_of_a_stream(backing: str) -> None:
    """Otherwise the connection's window would leak, and its calls would stop in the end."""
    client, _ = talk(backing)
    data = framed(Request(value=b"x" * 20_000).SerializeToString())
    for number in range(120):
        stream_id = client.start("/test.Echo/Nothing" if number % 2 else "/test.Echo/Say")
        client.client.send_data(stream_id, data[:16_000])
        if number % 3 == 0:
            client.client.reset_stream(stream_id, 8)
        client.pump()
    assert client.client.outbound_flow_control_window > 400_000
    client.now_s += 100
    assert client.say(b"after").code == 0
