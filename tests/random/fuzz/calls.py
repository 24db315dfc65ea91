"""Gives any frames and any bytes to gRPC connections, one over each HTTP/2 library.

The input says what the client sends, what the handlers do, and when the clock moves. Nothing may raise, what waits
stays within its bounds, each receiver's story has one end, and nothing is left of a connection that is closed. Where
both connections are still open at the end, their handlers have heard the same.
"""

import logging
from types import ModuleType
from typing import Any

from google.protobuf.wrappers_pb2 import BytesValue, StringValue
from hyperframe.frame import DataFrame, SettingsFrame, WindowUpdateFrame

from tests.support import grpc_talk
from tests.support.grpc_talk import HEADERS, Recorder
from tests.support.values import load

from .choices import Choices
from .machine import Finding

HTTP2_LIMITS = {"streams": 8, "stream_window_bytes": 65535, "connection_window_bytes": 100_000, "burst_frames": 20}
LIMITS = {
    "message_bytes": 5000,
    "partial_bytes": 20_000,
    "all_partial_bytes": 30_000,
    "writable_bytes": 2000,
    "stream_queue_bytes": 8000,
    "queue_bytes": 40_000,
    "all_queue_bytes": 50_000,
}
# The longest answer of a handler here, which may wait beyond each bound.
LONGEST_BYTES = 3100

PATHS = (b"/a/Now", b"/a/Later", b"/a/Chat", b"/a/Follow", b"/a/None")
BLOCKS = [
    grpc_talk.block([(name, path if name == b":path" else value) for name, value in (*HEADERS, *more)])
    for path in PATHS
    for more in ((), ((b"grpc-timeout", b"1S"),), ((b"grpc-encoding", b"gzip"),), ((b"grpc-timeout", b"x"),))
]


class Promise:
    """What a handler answers later: a Future without an event loop."""

    def __init__(self) -> None:
        self.callbacks: list[Any] = []
        self.outcome: Any = None
        self.is_cancelled = False
        self.is_done = False

    def add_done_callback(self, callback: Any) -> None:
        self.callbacks.append(callback)

    def finish(self, outcome: Any) -> None:
        if not self.is_done:
            self.outcome, self.is_done = outcome, True
            for callback in self.callbacks:
                callback(self)

    def cancel(self) -> None:
        self.is_cancelled = True
        self.finish(None)

    def cancelled(self) -> bool:
        return self.is_cancelled

    def exception(self) -> Exception | None:
        return self.outcome if isinstance(self.outcome, Exception) else None

    def result(self) -> Any:
        return self.outcome


class Side:
    """A connection over one library, its handlers, and what they heard."""

    def __init__(self, build: ModuleType, backing: str) -> None:
        service, shared = load(build, "etcd.service"), load(build, "etcd.grpc_shared")
        limits = shared.GrpcLimits(http2=load(build, "etcd.http2").Http2Limits(**HTTP2_LIMITS), **LIMITS)
        self.refused = load(build, "etcd.refusals").Refused
        self.now_s = 100.0
        self.heard: list[str] = []
        self.promises: list[Promise] = []
        self.streams: list[Recorder] = []
        methods = (
            service.Unary("/a/Now", BytesValue, StringValue, self.now),
            service.Unary("/a/Later", BytesValue, StringValue, self.later),
            service.Streaming("/a/Chat", BytesValue, StringValue, True, self.open),
            service.Streaming("/a/Follow", BytesValue, StringValue, False, self.open),
        )
        self.shared = shared.Shared(
            methods, limits, now=lambda: self.now_s, spawn=lambda it: it, arm=lambda at_s: None, backing=backing
        )
        self.connection = load(build, "etcd.grpc_connection").GrpcConnection(self.shared, lambda: None)
        self.backing = backing
        self.receive(grpc_talk.opening())

    def now(self, request: BytesValue, context: Any) -> StringValue:
        self.heard.append(f"now {len(request.value)} {context.deadline_s}")
        if request.value == b"refuse":
            raise self.refused(9, "no")
        return StringValue(value="x" * min(3000, 2 * len(request.value)))

    def later(self, request: BytesValue, context: Any) -> Promise:
        self.heard.append(f"later {len(request.value)}")
        self.promises.append(Promise())
        return self.promises[-1]

    def open(self, stream: Any, context: Any) -> Recorder:
        self.heard.append("open")
        self.streams.append(Recorder(stream, context))
        return self.streams[-1]

    def receive(self, data: bytes) -> None:
        if not self.connection.over:
            self.connection.receive(data)
        self.flush(1 << 16)

    def flush(self, most_bytes: int) -> None:
        written = 0
        while not self.connection.flooded:
            self.connection.work()
            data = self.connection.output(most_bytes)
            if not data:
                break
            written += len(data)
            if written > 200_000:
                raise Finding(f"{self.backing} answers without an end")
        self.check()

    def check(self) -> None:
        """What waits is within its bounds."""
        waiting = self.connection.http2.all_queued_bytes
        if waiting > LIMITS["queue_bytes"] + LONGEST_BYTES or self.shared.partial_bytes > LIMITS["partial_bytes"]:
            raise Finding(
                f"{self.backing}: {waiting} bytes of answers and {self.shared.partial_bytes} of requests wait"
            )
        if len(self.connection.calls) > HTTP2_LIMITS["streams"]:
            raise Finding(f"{self.backing}: {len(self.connection.calls)} calls")

    def close(self) -> None:
        """Nothing is left of a closed connection."""
        self.connection.lost()
        left = (len(self.connection.calls), self.shared.partial_bytes, self.shared.queued_bytes)
        if any(left) or len(self.shared.deadlines):
            raise Finding(f"{self.backing} leaves {left}, {len(self.shared.deadlines)} deadlines")
        for recorder in self.streams:
            if recorder.story.count("ended") > 1 or ("ended" in recorder.story and recorder.story[-1] != "ended"):
                raise Finding(f"{self.backing}: {recorder.story}")


def calls(builds: list[ModuleType], data: bytes) -> None:
    """Tell one story to both sides."""
    logging.getLogger("raftcy.etcd").setLevel(logging.CRITICAL)
    sides = [Side(builds[-1], "ngh2"), Side(builds[-1], "h2")]
    c = Choices(data)
    opened = 0
    for _ in range(60):
        if not c.left():
            break
        opened = step(c, sides, opened)
    stories = [(side.heard, [recorder.story for recorder in side.streams]) for side in sides]
    if not any(side.connection.over for side in sides) and stories[0] != stories[1]:
        raise Finding(f"the libraries differ: {stories}")
    for side in sides:
        side.close()


def step(c: Choices, sides: list[Side], opened: int) -> int:
    """Let the client, a handler or the clock do something; return how many streams are opened."""
    kind = c.below(12)
    if kind < 9:
        # Mostly the next stream, or one of the last ones; now and then any.
        kind = kind if opened else kind % 3
        opened += kind < 3
        back = c.below(128)
        number = opened - 1 - (back % min(opened, 8) if kind > 2 else 0) if back < 127 else c.below(16)
        made = frames(c, kind, 1 + 2 * number)
        for side in sides:
            side.receive(made)
        return opened
    which, how, size = c.below(8), c.below(6), 12 * c.below(256)
    for side in sides:
        if kind == 9 and which < len(side.promises):
            refusal = side.refused(5, "no")
            outcomes = (StringValue(value="x" * size), b"", refusal, ValueError("bad"), [b"", b""])
            side.promises[which].finish(outcomes[how % 5])
        elif kind == 10 and which < len(side.streams):
            act(side.streams[which].stream, how, size)
        elif kind == 11:
            side.now_s += size / 100
            side.shared.expire()
            if how == 5:
                side.connection.drain()
                side.connection.take_no_more()
        side.flush(1 + 16 * size)
    return opened


def act(stream: Any, how: int, size: int) -> None:
    """A handler does something with its stream."""
    if how < 2:
        stream.send(StringValue(value="x" * size))
    elif how == 2:
        stream.end(size % 2, "that is all")
    elif how == 3:
        stream.pause()
    elif how == 4:
        stream.resume()
    else:
        for _ in range(10):
            stream.send(b"")


def frames(c: Choices, kind: int, stream_id: int) -> bytes:
    """Something that a client sends."""
    size = c.below(256)
    if kind < 3:
        return grpc_talk.request(stream_id, BLOCKS[c.below(len(BLOCKS))], end=size > 250)
    if kind == 3:
        return grpc_talk.message(stream_id, b"refuse" if size == 1 else b"x" * (size * 20), end=size % 2 == 0)
    if kind == 4:
        part = (b"\0\0\0\0" + bytes([size]) + b"\x0a" + bytes([max(size - 2, 0)]) + b"x" * size)[: c.below(256)]
        return grpc_talk.frame(DataFrame(stream_id, part), *(["END_STREAM"] if size % 3 == 0 else []))
    if kind == 5:
        return grpc_talk.reset(stream_id)
    if kind == 6:
        where = stream_id if size % 2 else 0
        return grpc_talk.frame(WindowUpdateFrame(where, window_increment=1 + size * 100))
    if kind == 7:
        return grpc_talk.frame(SettingsFrame(0, settings={4: size * 300}))
    return grpc_talk.ping() if size < 240 else c.octets(size)
