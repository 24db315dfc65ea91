"""Known attacks on HTTP/2 servers, with either library: each costs its connection, and nothing else.

The attacker's bytes come as frames that a client's library would not send. Memory and time are bounded by counts: how
many handlers ran, how many bytes wait, how many bytes are answered.
"""

from typing import Any

import pytest
from hpack import Encoder
from hyperframe.frame import DataFrame, HeadersFrame, PriorityFrame, SettingsFrame, WindowUpdateFrame

from raftcy.etcd.grpc_shared import GrpcLimits
from raftcy.etcd.http2 import ENHANCE_YOUR_CALM, REFUSED_STREAM, Http2Limits
from tests.support import grpc_talk
from tests.support.grpc_talk import HEADERS, Echo, Response, Talk, block, continuation, frame, message, request

pytestmark = [pytest.mark.once, pytest.mark.parametrize("backing", ["ngh2", "h2"])]

BLOCK = block()


def attacked(backing: str, **limits: Any) -> tuple[Talk, Echo]:
    echo = Echo()
    return Talk(backing, echo.methods, GrpcLimits(**limits)), echo


def others_are_served(talk: Talk, echo: Echo) -> None:
    """A second connection of the same server works, and nothing is left of the first."""
    talk.server.lost()
    assert talk.server.calls == {}
    assert talk.shared.partial_bytes == talk.shared.queued_bytes == 0
    echo.say = grpc_talk.echo
    assert Talk("", (), shared=talk.shared).say(b"hello").code == 0


def test_rapid_reset(backing: str) -> None:
    """Streams that are cancelled at once: no limit on open streams sees them (CVE-2023-44487)."""
    talk, echo = attacked(backing)
    story = b"".join(
        request(number, BLOCK) + message(number, b"x") + grpc_talk.reset(number) for number in range(1, 8000, 2)
    )
    talk.raw(story)
    assert talk.server.flooded
    assert talk.server.over
    assert 0 < len(echo.contexts) <= 1010
    assert talk.output() == b""
    assert talk.server.calls == {}
    others_are_served(talk, echo)


def test_as_many_resets_as_a_client_in_good_faith_may_need(backing: str) -> None:
    talk, _ = attacked(backing)
    for start in (1, 801):
        talk.raw(b"".join(request(n, BLOCK) + grpc_talk.reset(n) for n in range(start, start + 800, 2)))
        talk.output()
    assert not talk.server.over


def test_resets_that_the_server_is_made_to_send(backing: str) -> None:
    """A body that is longer than announced has the server reset its stream, unseen by a count of the client's resets
    (CVE-2025-8671). h2 ends the connection at once."""
    talk, echo = attacked(backing)
    chat = [(name, b"/test.Echo/Chat" if name == b":path" else value) for name, value in HEADERS]
    begin = block([*chat, (b"content-length", b"1")])
    for number in range(1, 8000, 2):
        talk.raw(request(number, begin) + message(number, b"long", end=False))
        talk.output()
        if talk.server.over:
            break
    assert talk.server.over
    assert len(echo.streams) <= 1010
    others_are_served(talk, echo)


def test_streams_beyond_a_limit_that_the_client_does_not_know_are_refused_alone(backing: str) -> None:
    echo = Echo()
    talk = Talk(backing, echo.methods, GrpcLimits(http2=Http2Limits(streams=100)), knows_limits=False)
    talk.raw(b"".join(request(number, BLOCK) for number in range(1, 600, 2)))
    talk.hear_raw(talk.output())
    assert len(talk.server.calls) == 100
    assert list(talk.resets.values()) == [REFUSED_STREAM] * 200
    assert not talk.server.over
    talk.raw(message(1, b"x"))
    talk.output()
    assert len(echo.contexts) == 1
    assert len(talk.server.calls) == 99
    talk.raw(request(601, BLOCK))
    assert len(talk.server.calls) == 100


def test_streams_beyond_a_limit_that_the_client_knows_end_the_connection(backing: str) -> None:
    talk, echo = attacked(backing, http2=Http2Limits(streams=100))
    talk.raw(b"".join(request(number, BLOCK) for number in range(1, 201, 2)))
    talk.output()
    assert (len(talk.server.calls), talk.server.over) == (100, "")
    talk.raw(request(201, BLOCK))
    talk.output()
    assert talk.server.over
    others_are_served(talk, echo)


def test_continuation_flood(backing: str) -> None:
    """A header block without an end (CVE-2024-24549 and its kin)."""
    talk, echo = attacked(backing)
    begin = frame(HeadersFrame(1, BLOCK))
    talk.raw(begin)
    for number in range(200):
        talk.raw(continuation(1, block([(b"x-%d" % number, b"y" * 1000)])))
        talk.output()
        if talk.server.over:
            break
    assert number <= 64
    assert talk.server.over
    others_are_served(talk, echo)


def test_empty_continuation_flood(backing: str) -> None:
    talk, echo = attacked(backing)
    talk.raw(frame(HeadersFrame(1, BLOCK)) + continuation(1, b"") * 1000)
    talk.output()
    assert talk.server.over
    others_are_served(talk, echo)


@pytest.mark.parametrize("kind", ["ping", "settings"])
def test_flood_in_one_read(backing: str, kind: str) -> None:
    """Each of these wants an answer (CVE-2019-9512, CVE-2019-9515)."""
    talk, echo = attacked(backing)
    talk.raw((grpc_talk.ping() if kind == "ping" else grpc_talk.settings()) * 5000)
    assert talk.server.over
    assert talk.output_bytes < 100_000
    others_are_served(talk, echo)


def test_paced_ping_flood(backing: str) -> None:
    """Pings whose answers are read: not a burst, but more than a client has a reason for."""
    talk, echo = attacked(backing)
    number = 0
    while not talk.server.over and number < 10:
        number += 1
        talk.now_s += 0.1
        talk.client.ping(bytes(8))
        talk.pump()
    assert number == 4
    assert not talk.server.flooded
    assert talk.goodbye is not None
    assert (talk.goodbye.error_code, talk.goodbye.additional_data) == (ENHANCE_YOUR_CALM, b"too_many_pings")
    others_are_served(talk, echo)


def test_pings_that_a_client_may_send(backing: str) -> None:
    """One every few seconds, and after each answer, more than a flood has: clients measure their connections so."""
    talk, _ = attacked(backing)
    for _ in range(1200):
        assert talk.say(b"x").code == 0
        talk.client.ping(bytes(8))
        talk.pump()
    for _ in range(20):
        talk.now_s += 5.1
        talk.client.ping(bytes(8))
        talk.pump()
    assert not talk.server.over


def test_paced_settings_flood(backing: str) -> None:
    talk, echo = attacked(backing)
    number = 0
    while not talk.server.over and number < 3000:
        number += 1
        talk.raw(grpc_talk.settings())
        talk.output()
    assert 900 < number < 1100
    others_are_served(talk, echo)


def test_empty_data_flood(backing: str) -> None:
    """Frames without a byte, which no window bounds (CVE-2019-9518)."""
    talk, echo = attacked(backing)
    talk.raw(request(1, BLOCK) + frame(DataFrame(1)) * 5000)
    assert talk.server.over
    others_are_served(talk, echo)


def test_priority_flood(backing: str) -> None:
    """Priorities are not heeded; many of them in one read cost no memory (CVE-2019-9513)."""
    talk, echo = attacked(backing)
    for number in range(1, 20_000, 2):
        talk.raw(frame(PriorityFrame(number, depends_on=0, stream_weight=1)))
        if talk.server.over:
            break
    assert talk.output() == b"" or talk.server.over
    others_are_served(talk, echo)


def test_window_update_flood_is_harmless(backing: str) -> None:
    talk, echo = attacked(backing)
    talk.raw(request(1, BLOCK) + frame(WindowUpdateFrame(1, window_increment=1)) * 3000)
    assert talk.output_bytes < 1000
    talk.raw(message(1, b"x"))
    assert len(echo.contexts) == 1


def test_window_overflow_ends_the_connection(backing: str) -> None:
    talk, echo = attacked(backing)
    talk.raw(frame(WindowUpdateFrame(0, window_increment=(1 << 31) - 1)) * 2)
    talk.output()
    assert talk.server.over
    others_are_served(talk, echo)


def test_header_bomb_of_one_long_field(backing: str) -> None:
    talk, echo = attacked(backing)
    data = block([*HEADERS, (b"x", b"y" * 160_000)])
    parts = [data[start : start + 16_000] for start in range(0, len(data), 16_000)]
    story = frame(HeadersFrame(1, parts[0])) + b"".join(continuation(1, part) for part in parts[1:-1])
    talk.raw(story + frame(grpc_talk.ContinuationFrame(1, parts[-1]), "END_HEADERS"))
    talk.output()
    assert talk.server.over or not talk.server.calls
    assert echo.contexts == []
    others_are_served(talk, echo)


def test_header_bomb_of_many_fields(backing: str) -> None:
    talk, echo = attacked(backing)
    data = block([*HEADERS, *((b"a", b"") for _ in range(400))])
    talk.raw(request(1, data))
    talk.output()
    assert talk.server.over or not talk.server.calls
    others_are_served(talk, echo)


def test_header_bomb_by_the_dynamic_table(backing: str) -> None:
    """A few bytes that name a long entry of the table again and again (CVE-2016-6581)."""
    talk, echo = attacked(backing)
    encoder = Encoder()
    first = encoder.encode([*HEADERS, (b"x", b"y" * 3900)])
    again = encoder.encode([(b"x", b"y" * 3900)])
    assert len(again) == 1
    talk.raw(request(1, first) + request(3, encoder.encode(HEADERS) + again * 10_000))
    talk.output()
    assert talk.server.over
    assert 3 not in talk.server.calls
    others_are_served(talk, echo)


def test_header_table_that_a_client_wants_huge(backing: str) -> None:
    """A client may ask for an encoder's table of 4 GiB. What we put into it stays small."""
    talk, echo = attacked(backing)
    talk.raw(frame(SettingsFrame(0, settings={SettingsFrame.HEADER_TABLE_SIZE: (1 << 32) - 1})))
    for number in range(1, 200, 2):
        talk.raw(request(number, block([*HEADERS[:2], (b":path", b"/%d" % number), *HEADERS[3:]]), end=True))
        talk.output()
    assert not talk.server.over
    others_are_served(talk, echo)


def test_tiny_windows(backing: str) -> None:
    """A client that opens its windows by a byte at a time gets a byte at a time, and no more than that."""
    talk, echo = attacked(backing)
    echo.say = lambda request, context: Response(value="x" * 1000)
    talk.raw(frame(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 1})))
    talk.output()
    talk.raw(request(1, BLOCK) + message(1, b""))
    begin = talk.output_bytes
    talk.output()
    for _ in range(100):
        talk.raw(frame(WindowUpdateFrame(1, window_increment=1)))
        talk.output()
    assert talk.output_bytes - begin < 100 * 10 + 200
    assert 800 < talk.server.http2.all_queued_bytes < 1010
    others_are_served(talk, echo)


def test_pings_while_a_long_answer_leaves_in_parts(backing: str) -> None:
    """Go's clients ping after each part that their windows let through, to measure the connection."""
    talk, echo = attacked(backing)
    echo.say = lambda request, context: Response(value="x" * 1_500_000)
    talk.raw(request(1, BLOCK) + message(1, b""))
    talk.output()
    for _ in range(1400):
        talk.raw(grpc_talk.ping() + b"".join(frame(WindowUpdateFrame(to, window_increment=1000)) for to in (0, 1)))
        talk.output()
    assert not talk.server.over
    assert talk.server.http2.all_queued_bytes < 50_000
    # Once the client opens its windows no more, its pings count again.
    number = 0
    while not talk.server.over and number < 10:
        number += 1
        talk.now_s += 0.1
        talk.raw(grpc_talk.ping())
        talk.output()
    assert number == 3
    others_are_served(talk, echo)


def test_windows_that_stay_closed(backing: str) -> None:
    """Answers for a client that takes none wait up to a bound; then its calls fail, and others go on."""
    talk, echo = attacked(backing, queue_bytes=1 << 20, all_queue_bytes=2 << 20)
    echo.say = lambda request, context: Response(value="x" * 50_000)
    zero = frame(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0}))
    attackers = [talk, Talk("", (), shared=talk.shared), Talk("", (), shared=talk.shared)]
    for each in attackers:
        each.raw(zero)
        for number in range(1, 400, 2):
            each.raw(request(number, BLOCK) + message(number, b""))
            each.output()
    waiting = [each.server.http2.all_queued_bytes for each in attackers]
    assert waiting[0] <= 1 << 20
    assert sum(waiting) == talk.shared.queued_bytes <= 2 << 20
    # Memory is scarce now, so those who take nothing must go after a while.
    assert talk.shared.is_pressed
    assert talk.server.look(talk.now_s + 59)
    assert not talk.server.look(talk.now_s + 61)
    for each in attackers[1:]:
        each.server.lost()
    others_are_served(talk, echo)


def test_streams_in_turn(backing: str) -> None:
    """Thousands of calls on a connection, one after another, leave nothing behind."""
    talk, echo = attacked(backing)
    for _ in range(6000):
        heard = talk.say(b"x")
        assert heard.code == 0
        talk.heard.clear()
        echo.contexts.clear()
    assert talk.server.calls == {}


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\1\0\0\0\0\0\0x",
        b"\0\0\0\x09\0\0\0\0\1",
        b"\xff\xff\xff\0\0\0\0\0\1",
        b"\0\0\1\x01\4\0\0\0\1\xff",
        b"\0\0\5\x06\0\0\0\0\0.....",
        b"\0\0\0\0\0\0\0\0\7",
        grpc_talk.opening(),
    ],
    ids=["data on no stream", "continuation of nothing", "huge frame", "bad block", "short ping", "idle", "preface"],
)
def test_broken_frames_end_the_connection(backing: str, data: bytes) -> None:
    talk, echo = attacked(backing)
    # A library may wait for the whole of a frame, but not for more than it would take.
    talk.raw(data + bytes(20_000))
    talk.output()
    assert talk.server.over
    others_are_served(talk, echo)


def test_a_broken_connection_hears_nothing_more(backing: str) -> None:
    talk, echo = attacked(backing)
    talk.raw(b"\0\0\1\0\0\0\0\0\0x")
    talk.raw(request(1, BLOCK) + message(1, b"x"))
    talk.output()
    talk.raw(request(3, BLOCK) + message(3, b"x"))
    assert echo.contexts == []


def test_resets_of_streams_that_are_gone_harm_nobody(backing: str) -> None:
    """nghttp2 counts them too, and would refuse new streams after its limit while an old one is open."""
    talk, echo = attacked(backing)
    talk.raw(request(1, BLOCK) + request(3, BLOCK) + grpc_talk.reset(3) * 1500)
    talk.raw(request(5, BLOCK) + message(5, b"x"))
    talk.output()
    if not talk.server.over:
        assert len(echo.contexts) == 1
    talk.server.lost()
    others_are_served(talk, echo)
