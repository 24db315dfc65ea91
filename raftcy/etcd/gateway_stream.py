"""A streaming RPC over HTTP/1.1: requests are JSON objects one after another, answers are lines of JSON.

Rules:

- The answers wait in a queue until the client takes them. Beyond ``WINDOW_BYTES`` the stream is not writable; beyond
  ``WAITING_BYTES_MAX``, or beyond ``ALL_BYTES_MAX`` of all streams, it ends with code 8 (RESOURCE_EXHAUSTED). So slow
  clients cost a bounded memory. One answer that waits alone may be longer than the first of these.
- A stream that was ended so has ``STALL_S_MAX`` to bring its client the reason. Then the connection is cut.
- Each answer is sent as soon as the client has taken those before it. Nothing waits for more to come.
- The receiver is called from the tasks of the request only, never while the handler sends.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from google.protobuf.message import Message

from . import jsonmap
from .refusals import Refused
from .replies import refusal_line
from .service import Answer, Context, Receiver, Streaming

WINDOW_BYTES = 64 << 10
WAITING_BYTES_MAX = 4 << 20
ALL_BYTES_MAX = 256 << 20
STALL_S_MAX = 60.0
RESOURCE_EXHAUSTED = 8
UNKNOWN = 2
_LOG = logging.getLogger("raftcy.etcd")


class Waiting:
    """How many bytes wait on all streams of a gateway."""

    def __init__(self) -> None:
        self.all_bytes = 0


class LineStream:
    """The answers of one call, as lines. It is the ``Stream`` that the handler gets.

    ``on_cut`` is called if the stream ends by a bound; it must not call the handler.
    """

    def __init__(self, response: type[Message], waiting: Waiting, on_cut: Callable[[], None]) -> None:
        self._response = response
        self._waiting = waiting
        self._on_cut = on_cut
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._was_full = False
        self._wake = asyncio.Event()
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self.status: tuple[int, str] | None = None
        """The code and the text of the end; None while the stream goes on."""
        self.is_cut = False
        """Whether the stream was ended by its bound and not by the handler."""

    # -- what the handler calls ------------------------------------------------------------------------------------

    @property
    def is_writable(self) -> bool:
        """Whether the stream takes more."""
        return self.status is None and self._waiting_bytes < WINDOW_BYTES

    def send(self, message: Answer) -> None:
        """Queue an answer."""
        if self.status is not None:
            return
        if isinstance(message, list):
            message = b"".join(message)
        if isinstance(message, bytes):
            message = self._response.FromString(message)
        line = jsonmap.encode_line(message)
        size = len(line)
        is_too_much = self._lines and self._waiting_bytes + size > WAITING_BYTES_MAX
        if is_too_much or self._waiting.all_bytes + size > ALL_BYTES_MAX:
            self.drop()
            self.cut(RESOURCE_EXHAUSTED, "the client is too slow: too much waits for it")
            return
        self._lines.append(line)
        self._waiting_bytes += size
        self._waiting.all_bytes += size
        self._was_full = self._was_full or self._waiting_bytes >= WINDOW_BYTES
        self._wake.set()

    def send_each(self, messages: list[bytes]) -> None:
        """Queue several answers."""
        for message in messages:
            self.send(message)

    def end(self, code: int = 0, text: str = "") -> None:
        """End the stream after what was sent."""
        if self.status is None:
            self.status = (code, text)
            self._wake.set()
            self._goes_on.set()

    def pause(self) -> None:
        """Take no more requests."""
        if self.status is None:
            self._goes_on.clear()

    def resume(self) -> None:
        """Take requests again."""
        self._goes_on.set()

    # -- what the gateway calls ------------------------------------------------------------------------------------

    def cut(self, code: int, text: str) -> None:
        """End the stream without the handler, which hears ``Receiver.ended``."""
        if self.status is None:
            self.is_cut = True
            self.end(code, text)
            self._on_cut()

    def drop(self) -> None:
        """Drop what waits."""
        self._lines.clear()
        self._waiting.all_bytes -= self._waiting_bytes
        self._waiting_bytes = 0

    async def take(self) -> bytes:
        """Wait for lines, and return all that wait; empty at the end."""
        while not self._lines and self.status is None:
            self._wake.clear()
            await self._wake.wait()
        lines = b"".join(self._lines)
        self.drop()
        return lines

    def drained(self) -> bool:
        """Note that the client took what waited. Return whether the handler should hear that it may send again."""
        was_full, self._was_full = self._was_full, False
        return was_full and self.is_writable

    async def may_go_on(self) -> None:
        """Wait while the handler has paused the requests."""
        await self._goes_on.wait()


class Exchange:
    """One streaming call: it reads requests and writes answers until one side ends.

    ``pieces`` are those of the request's body. ``begin`` sends the head of the answer, with an HTTP status, and returns
    what writes to its body.
    """

    def __init__(
        self,
        method: Streaming,
        context: Context,
        pieces: AsyncIterator[bytes],
        begin: Callable[[int], Awaitable[Callable[[bytes], Awaitable[None]]]],
        request_bytes_max: int,
        waiting: Waiting,
    ) -> None:
        self._method = method
        self._context = context
        self._pieces = pieces
        self._begin = begin
        self._splitter = jsonmap.Splitter(request_bytes_max)
        self._stream = LineStream(method.response, waiting, self._was_cut)
        self._limit = asyncio.timeout(None)
        self._receiver: Receiver[Any] | None = None
        self._heard_end = False

    @property
    def code(self) -> int:
        """The code with which the call has ended."""
        return (self._stream.status or (0, ""))[0]

    async def run(self) -> None:
        """Carry the call to its end.

        Raises Refused if the handler refuses it before it has begun, and TimeoutError if the client does not even take
        the reason why its stream was ended.
        """
        self._receiver = self._method.open(self._stream, self._context)
        reader = asyncio.get_running_loop().create_task(self._read())
        try:
            async with self._limit:
                await self._write()
        finally:
            reader.cancel()
            if self._stream.status is None or self._stream.is_cut:
                self._end_receiver()
            self._stream.drop()
            await asyncio.gather(reader, return_exceptions=True)

    def _was_cut(self) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(self._end_receiver)
        with suppress(RuntimeError):
            # It has not begun to write, or has ended.
            self._limit.reschedule(loop.time() + STALL_S_MAX)

    def _end_receiver(self) -> None:
        if not self._heard_end and self._receiver is not None:
            self._heard_end = True
            self._stream.end()
            self._call(self._receiver.ended)

    async def _write(self) -> None:
        stream = self._stream
        write = None
        while lines := await stream.take():
            if write is None:
                write = await self._begin(0)
            await write(lines)
            if stream.drained() and self._receiver is not None:
                self._call(self._receiver.writable)
        code, text = stream.status or (0, "")
        if write is None:
            write = await self._begin(code)
        if code:
            await write(refusal_line(code, text))

    async def _read(self) -> None:
        """Give the receiver the requests. An error of any kind ends the stream."""
        try:
            async for piece in self._pieces:
                for body in self._splitter.feed(piece):
                    await self._take(body)
                    if self._stream.status is not None:
                        return
            self._splitter.finish()
            if self._receiver is not None:
                self._receiver.half_closed()
        except Refused as error:
            self._stream.cut(error.code, error.text)
        except Exception as error:
            _LOG.exception("%s failed", self._method.path)
            self._stream.cut(UNKNOWN, str(error))

    async def _take(self, body: bytes) -> None:
        await self._stream.may_go_on()
        if self._receiver is not None and self._stream.status is None:
            self._receiver.received(jsonmap.decode(self._method.request, body))

    def _call(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Refused as error:
            self._stream.cut(error.code, error.text)
        except Exception as error:
            _LOG.exception("%s failed", self._method.path)
            self._stream.cut(UNKNOWN, str(error))
