"""Calls with streams of requests and answers, over scripted bytes, with either HTTP/2 library."""

from typing import Any

import pytest

from raftcy.etcd.grpc_shared import GrpcLimits
from raftcy.etcd.grpc_wire import framed
from raftcy.etcd.http2 import CANCEL, ENHANCE_YOUR_CALM, Http2Limits
from raftcy.etcd.refusals import Refused
from tests.support import grpc_talk
from tests.support.grpc_talk import HEADERS, Echo, Recorder, Request, Response, Talk, text

pytestmark = [pytest.mark.once, pytest.mark.parametrize("backing", ["ngh2", "h2"])]


def talk(backing: str, *, acknowledges: bool = True, **limits: Any) -> tuple[Talk, Echo]:
    echo = Echo()
    return Talk(backing, echo.methods, GrpcLimits(**limits), acknowledges=acknowledges), echo


def said(value: bytes) -> bytes:
    return framed(Request(value=value).SerializeToString())


def chat(client: Talk, echo: Echo, path: str = "/test.Echo/Chat", *more: tuple[bytes, bytes]) -> tuple[int, Recorder]:
    stream_id = client.start(path, *more)
    client.pump()
    return stream_id, echo.streams[-1]


def test_both_sides_speak_and_end(backing: str) -> None:
    client, echo = talk(backing)
    stream_id, recorder = chat(client, echo)
    client.send(stream_id, said(b"one"))
    client.pump()
    recorder.stream.send(Response(value="first"))
    recorder.stream.send(Response(value="second").SerializeToString())
    client.pump()
    heard = client.heard[stream_id]
    assert [text(each) for each in heard.messages] == ["first", "second"]
    client.send(stream_id, said(b"two") + said(b"three"), end=True)
    client.pump()
    assert recorder.story == ["received one", "received two", "received three", "half closed"]
    recorder.stream.end()
    client.pump()
    assert (heard.code, heard.ended, heard.reset) == (0, True, None)
    assert client.server.calls == {}
    recorder.stream.send(Response(value="too late"))
    recorder.stream.end(5, "again")
    client.pump()
    client.server.lost()
    assert "ended" not in recorder.story


def test_answers_may_come_before_any_request(backing: str) -> None:
    client, echo = talk(backing)
    echo.opened = lambda recorder: recorder.stream.send(Response(value="welcome"))
    stream_id, _ = chat(client, echo)
    assert [text(each) for each in client.heard[stream_id].messages] == ["welcome"]


def test_requests_come_in_any_cuts(backing: str) -> None:
    client, echo = talk(backing)
    data = said(b"one") + said(b"two")
    for cut in range(1, len(data)):
        stream_id, recorder = chat(client, echo)
        client.send(stream_id, data[:cut])
        client.pump()
        client.send(stream_id, data[cut:], end=True)
        client.pump()
        assert recorder.story == ["received one", "received two", "half closed"]
        recorder.stream.end()
    client.pump()
    assert client.shared.partial_bytes == 0


@pytest.mark.parametrize("code", [0, 11])
def test_an_end_before_the_clients_end_stops_the_client(backing: str, code: int) -> None:
    client, echo = talk(backing)
    stream_id, recorder = chat(client, echo)
    recorder.stream.send(Response(value="last"))
    recorder.stream.end(code, "enough" if code else "")
    client.pump()
    heard = client.heard[stream_id]
    assert (heard.code, heard.text, heard.reset) == (code, b"enough" if code else b"", 0)
    assert [text(each) for each in heard.messages] == ["last"]


def test_the_stop_waits_for_what_was_sent_before(backing: str) -> None:
    client, echo = talk(backing, acknowledges=False)
    stream_id, recorder = chat(client, echo)
    for _ in range(4):
        recorder.stream.send(Response(value="x" * 30_000))
    recorder.stream.end()
    client.pump()
    heard = client.heard[stream_id]
    assert (heard.code, heard.reset, len(heard.messages)) == (None, None, 2)
    client.client.increment_flow_control_window(1 << 20)
    client.client.increment_flow_control_window(1 << 20, stream_id)
    client.pump()
    assert (heard.code, heard.reset, len(heard.messages)) == (0, 0, 4)


def test_one_request_with_many_answers(backing: str) -> None:
    client, echo = talk(backing)
    stream_id, recorder = chat(client, echo, "/test.Echo/Follow")
    client.send(stream_id, said(b"all"), end=True)
    client.pump()
    assert recorder.story == ["received all", "half closed"]
    for number in range(3):
        recorder.stream.send(Response(value=str(number)))
        client.pump()
    recorder.stream.end()
    client.pump()
    assert (client.heard[stream_id].code, len(client.heard[stream_id].messages)) == (0, 3)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/test.Echo/Follow", b""),
        ("/test.Echo/Follow", said(b"a") + said(b"b")),
        ("/test.Echo/Chat", said(b"a") + b"\0\0\0"),
        ("/test.Echo/Chat", b"\0\0\0\0\2\xff\xff"),
        ("/test.Echo/Chat", b"\1\0\0\0\0"),
    ],
    ids=["no request", "two requests", "half a request", "no message", "compressed"],
)
def test_bad_requests_end_their_stream(backing: str, path: str, data: bytes) -> None:
    client, echo = talk(backing)
    stream_id, recorder = chat(client, echo, path)
    client.send(stream_id, data, end=True)
    client.pump()
    assert client.heard[stream_id].code == 13
    assert recorder.story[-1] == "ended"
    assert recorder.story.count("ended") == 1
    assert client.shared.partial_bytes == 0


@pytest.mark.parametrize("where", ["open", "received", "open with a fault", "received with a fault"])
def test_a_handler_refuses_by_an_error(backing: str, where: str) -> None:
    client, echo = talk(backing)
    error = ValueError("broken") if "fault" in where else Refused(9, "not now")

    def fail(*given: object) -> None:
        raise error

    if where.startswith("open"):
        echo.opened = fail
    else:
        echo.opened = lambda recorder: setattr(recorder, "on_received", fail)
    stream_id, recorder = chat(client, echo)
    if where.startswith("received"):
        client.send(stream_id, said(b"a") + said(b"b"))
        client.pump()
        assert recorder.story == ["received a", "ended"]
    else:
        assert recorder.story == []
    heard = client.heard[stream_id]
    assert (heard.code, heard.text) == ((2, b"broken") if "fault" in where else (9, b"not now"))


def test_a_cancelled_stream_is_ended_once(backing: str) -> None:
    client, echo = talk(backing)
    stream_id, recorder = chat(client, echo)
    client.client.reset_stream(stream_id, 8)
    client.pump()
    assert recorder.story == ["ended"]
    assert not recorder.stream.is_writable
    client.server.lost()
    assert recorder.story == ["ended"]


def test_a_lost_connection_ends_its_streams(backing: str) -> None:
    client, echo = talk(backing)
    recorders = [chat(client, echo)[1] for _ in range(3)]
    client.server.lost()
    assert [recorder.story for recorder in recorders] == [["ended"]] * 3


def test_a_deadline_ends_a_stream(backing: str) -> None:
    client, echo = talk(backing)
    stream_id, recorder = chat(client, echo, "/test.Echo/Chat", (b"grpc-timeout", b"1S"))
    client.now_s += 2
    client.shared.expire()
    client.pump()
    assert (client.heard[stream_id].code, recorder.story) == (4, ["ended"])


def test_a_deadline_drops_what_waits(backing: str) -> None:
    client, echo = talk(backing, acknowledges=False)
    stream_id, recorder = chat(client, echo, "/test.Echo/Chat", (b"grpc-timeout", b"1S"))
    recorder.stream.send(Response(value="x" * 200_000))
    client.pump()
    client.now_s += 2
    client.shared.expire()
    client.pump()
    assert (client.heard[stream_id].reset, recorder.story) == (CANCEL, ["ended"])
    assert client.server.http2.all_queued_bytes == client.shared.queued_bytes == 0


def test_a_slow_client_makes_a_stream_unwritable(backing: str) -> None:
    client, echo = talk(backing, acknowledges=False, writable_bytes=100_000)
    stream_id, recorder = chat(client, echo)
    sent = 0
    while recorder.stream.is_writable:
        recorder.stream.send(Response(value="x" * 10_000))
        client.pump()
        sent += 1
    # The window of 65,535 bytes, what may wait, and the message that exceeded it.
    assert sent == 17
    assert recorder.story == []
    client.client.increment_flow_control_window(200_000)
    client.client.increment_flow_control_window(200_000, stream_id)
    client.pump()
    assert recorder.story == ["writable"]
    assert recorder.stream.is_writable
    assert len(client.heard[stream_id].messages) == sent


def test_a_handler_may_send_whenever_it_is_writable(backing: str) -> None:
    """A large answer in parts: never more than the bound and a part waits, and all of it arrives."""
    client, echo = talk(backing, writable_bytes=100_000)
    parts = iter(range(400))
    most = 0

    def more() -> None:
        nonlocal most
        while recorder.stream.is_writable:
            number = next(parts, None)
            if number is None:
                recorder.stream.end()
                return
            recorder.stream.send(Response(value=f"{number:10000}"))
            most = max(most, client.server.http2.all_queued_bytes)

    stream_id, recorder = chat(client, echo)
    recorder.on_writable = more
    more()
    client.pump()
    heard = client.heard[stream_id]
    assert [int(text(each)) for each in heard.messages] == list(range(400))
    assert heard.code == 0
    assert most < 120_000


def test_a_handler_that_ignores_it_is_ended_in_time(backing: str) -> None:
    client, echo = talk(backing, acknowledges=False, writable_bytes=10_000, stream_queue_bytes=300_000)
    stream_id, recorder = chat(client, echo)
    other = chat(client, echo)[0]
    for number in range(100):
        recorder.stream.send(Response(value="x" * 10_000))
        assert client.server.http2.all_queued_bytes < 320_000, number
    assert recorder.story == []
    client.pump()
    assert client.heard[stream_id].reset == ENHANCE_YOUR_CALM
    assert recorder.story == ["ended"]
    assert client.server.http2.all_queued_bytes == 0
    echo.streams[1].stream.send(Response(value="fine"))
    client.pump()
    assert [text(each) for each in client.heard[other].messages] == ["fine"]


def test_a_long_message_may_wait_alone(backing: str) -> None:
    client, echo = talk(backing, writable_bytes=10_000, stream_queue_bytes=50_000)
    stream_id, recorder = chat(client, echo)
    recorder.stream.send(Response(value="x" * 1_000_000))
    client.pump()
    assert len(client.heard[stream_id].messages) == 1


def test_a_paused_stream_keeps_its_client_waiting(backing: str) -> None:
    window = Http2Limits(stream_window_bytes=65535)
    client, echo = talk(backing, http2=window)
    echo.opened = lambda recorder: recorder.stream.pause()
    stream_id, recorder = chat(client, echo)
    sent = 0
    while client.client.local_flow_control_window(stream_id) >= 10_000:
        client.client.send_data(stream_id, said(b"%9000d" % sent))
        client.pump()
        sent += 1
    assert (sent, recorder.story) == (7, [])
    assert client.shared.partial_bytes == 7 * 9008
    other, second = chat(client, echo)
    client.send(other, said(b"x"))
    recorder.stream.resume()
    assert recorder.story == []
    client.pump()
    assert len(recorder.story) == 7
    assert client.client.local_flow_control_window(stream_id) > 40_000
    assert client.shared.partial_bytes == 8
    second.stream.resume()
    client.pump()
    assert second.story == ["received x"]
    assert client.shared.partial_bytes == 0


def test_a_handler_may_pause_within_a_request(backing: str) -> None:
    client, echo = talk(backing)
    echo.opened = lambda recorder: setattr(recorder, "on_received", lambda value: recorder.stream.pause())
    stream_id, recorder = chat(client, echo)
    client.send(stream_id, said(b"one") + said(b"two"), end=True)
    client.pump()
    assert recorder.story == ["received one"]
    recorder.stream.resume()
    recorder.stream.resume()
    client.pump()
    assert recorder.story == ["received one", "received two"]
    recorder.stream.resume()
    client.pump()
    assert recorder.story == ["received one", "received two", "half closed"]


def test_a_paused_stream_may_end(backing: str) -> None:
    client, echo = talk(backing)
    echo.opened = lambda recorder: recorder.stream.pause()
    for number in range(80):
        stream_id, recorder = chat(client, echo)
        client.client.send_data(stream_id, said(b"x" * 15_000))
        client.pump()
        if number % 2:
            recorder.stream.resume()
            recorder.stream.end(1, "")
        else:
            client.client.reset_stream(stream_id, 8)
        client.pump()
    assert client.shared.partial_bytes == 0
    assert client.client.outbound_flow_control_window > 400_000


def test_requests_that_wait_are_bounded(backing: str) -> None:
    client, echo = talk(backing, partial_bytes=50_000)
    echo.opened = lambda recorder: recorder.stream.pause()
    streams = [chat(client, echo)[0] for _ in range(4)]
    for stream_id in streams:
        client.client.send_data(stream_id, said(b"x" * 16_000))
        client.pump()
    assert [client.heard[each].code for each in streams] == [None, None, None, 8]
    assert client.shared.partial_bytes < 50_000
    client.server.lost()
    assert client.shared.partial_bytes == 0


def test_the_receiver_is_never_called_from_a_call_of_its_own(backing: str) -> None:
    client, echo = talk(backing, writable_bytes=1000, stream_queue_bytes=5000, acknowledges=False)
    depth = 0

    class Careful(Recorder):
        def ended(self) -> None:
            assert depth == 0
            super().ended()

        def writable(self) -> None:
            assert depth == 0
            super().writable()

    recorder = None

    def opened(made: Recorder) -> None:
        nonlocal recorder
        made.__class__ = Careful
        recorder = made

    echo.opened = opened
    chat(client, echo)
    assert recorder is not None
    depth = 1
    for _ in range(200):
        recorder.stream.send(Response(value="x" * 1000))
    recorder.stream.pause()
    recorder.stream.resume()
    depth = 0
    client.pump()
    assert recorder.story == ["ended"]


def test_no_stream_begins_once_the_end_is_announced(backing: str) -> None:
    client, echo = talk(backing)
    _, recorder = chat(client, echo)
    client.server.drain()
    # The client's library takes no frame after a GOAWAY, so these are frames of our own.
    client.output()
    assert recorder.story == ["ended"]
    client.raw(grpc_talk.request(3, grpc_talk.block([*HEADERS[:2], (b":path", b"/test.Echo/Chat"), *HEADERS[3:]])))
    client.raw(grpc_talk.request(5, grpc_talk.block()) + grpc_talk.message(5, b"x"))
    client.output()
    assert len(echo.streams) == 1
    assert len(echo.contexts) == 1
    client.server.take_no_more()
    client.output()
    assert client.server.over


def test_a_client_that_does_not_go_on_makes_way(backing: str) -> None:
    client, _ = talk(backing, partial_bytes=50_000, all_partial_bytes=50_000)
    stream_id = client.start("/test.Echo/Say")
    client.client.send_data(stream_id, said(b"x" * 30_000)[:16_000])
    client.pump()
    assert client.server.look(client.now_s + 1000)
    client.client.send_data(stream_id, said(b"x" * 30_000)[16_000:29_000])
    client.pump()
    assert client.server.look(client.now_s + 59)
    assert not client.server.look(client.now_s + 61)


def test_short_and_long_answers_of_a_turn_keep_their_order(backing: str) -> None:
    """Short ones leave in one piece, also before a long one, and before the status."""
    client, echo = talk(backing)
    stream_id, recorder = chat(client, echo)
    pieces: list[int] = []
    http2 = client.server.http2
    give = type(http2).send

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(http2, name)

        def send(self, stream: int, data: bytes) -> None:
            pieces.append(len(data))
            give(http2, stream, data)

    client.server.http2 = Counting()  # type: ignore[assignment]
    values = ["a", "b", "c" * 10_000, "d", "e"]
    for value in values:
        recorder.stream.send(Response(value=value))
    recorder.stream.end(9, "enough")
    client.server.http2 = http2
    client.pump()
    heard = client.heard[stream_id]
    assert [text(each) for each in heard.messages] == values
    assert (heard.code, heard.text) == (9, b"enough")
    assert len(pieces) == 3


@pytest.mark.parametrize("size", [10, 5_000], ids=["short", "long"])
def test_several_answers_in_one_call(backing: str, size: int) -> None:
    client, echo = talk(backing)
    stream_id, recorder = chat(client, echo)
    recorder.stream.send(Response(value="first"))
    recorder.stream.send_each([])
    recorder.stream.send_each([Response(value=f"{number:{size}}").SerializeToString() for number in range(5)])
    recorder.stream.send(Response(value="last"))
    recorder.stream.end()
    recorder.stream.send_each([Response(value="too late").SerializeToString()])
    client.pump()
    heard = client.heard[stream_id]
    assert [text(each).strip() for each in heard.messages] == ["first", *"01234", "last"]
    assert (heard.code, client.shared.queued_bytes) == (0, 0)


def test_several_answers_count_for_the_bounds(backing: str) -> None:
    client, echo = talk(backing, acknowledges=False, writable_bytes=40_000, stream_queue_bytes=300_000)
    stream_id, recorder = chat(client, echo)
    answers = [Response(value="x" * 1_000).SerializeToString()] * 30
    calls = 0
    while recorder.stream.is_writable:
        recorder.stream.send_each(answers)
        client.pump()
        calls += 1
    # The window of 65,535 bytes takes two calls and some of the third; what waits after the fourth is too much.
    assert (calls, recorder.story) == (4, [])
    for number in range(20):
        recorder.stream.send_each(answers)
        assert client.server.http2.all_queued_bytes < 400_000, number
    client.pump()
    assert client.heard[stream_id].reset == ENHANCE_YOUR_CALM
    assert recorder.story == ["ended"]
    assert client.server.http2.all_queued_bytes == 0
