"""The RPC of the Watch service: client streams of watches, on the hub that follows the store.

Rules:

- What a client does not read is not queued: its watches fall behind, and go on from the store's history.
- Watches that are behind are brought forward in steps, between which the event loop runs.
- A stream of a client that requires a leader ends once this member has known none for three election timeouts.
"""

import asyncio
from typing import Any

from . import schema
from .apicore import Core
from .refusals import refused
from .service import Context, Method, Stream, Streaming
from .watching import WatchHub

EVENTS_BYTES = 1 << 20
"""About how many bytes of events one answer has."""
LEADERLESS_MOST = 3
"""After so many election timeouts without a leader, streams that require one end."""


class WatchCalls:
    """See the module."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.hub = WatchHub(core.machine.store, self._header, max_bytes=EVENTS_BYTES)
        """All watches of this member."""
        core.machine.hub = self.hub
        self._streams: dict[WatchReceiver, None] = {}
        self._due: asyncio.Handle | None = None
        self._leaderless_since_s: float | None = None
        self._progress_s = core.loop.time() + core.options.progress_interval_s

    def _header(self, revision: int) -> bytes:
        return self._core.headers.field(revision, self._core.replica.term)

    def methods(self) -> list[Method]:
        """The RPC."""
        return [Streaming("/etcdserverpb.Watch/Watch", schema.WatchRequest, schema.WatchResponse, True, self.watch)]

    def __len__(self) -> int:
        return len(self._streams)

    def watch(self, stream: Stream, context: Context) -> "WatchReceiver":
        """Open a stream of watches."""
        self._core.gate(context)
        requires_leader = context.requires_leader
        receiver = WatchReceiver(self, stream, requires_leader)
        self._streams[receiver] = None
        return receiver

    def closed(self, receiver: "WatchReceiver") -> None:
        """Forget a stream."""
        self._streams.pop(receiver, None)

    def work_soon(self) -> None:
        """Bring watches that are behind forward in the loop's next round."""
        if self._due is None:
            self._due = self._core.loop.call_soon(self._work)

    def _work(self) -> None:
        self._due = None
        if self._core.replica.is_ready and self.hub.work():
            self.work_soon()

    def tick(self) -> None:
        """Look after progress and leaders. Call it several times a second."""
        core = self._core
        now_s = core.loop.time()
        if core.replica.is_ready:
            core.machine.settle()
            if now_s >= self._progress_s:
                self._progress_s = now_s + core.options.progress_interval_s
                self.hub.progress_due()
        if core.replica.leader is not None:
            self._leaderless_since_s = None
        elif self._leaderless_since_s is None:
            self._leaderless_since_s = now_s
        elif now_s - self._leaderless_since_s >= LEADERLESS_MOST * core.election_s:
            for receiver in [each for each in self._streams if each.requires_leader]:
                receiver.end(refused("NO_LEADER"))
        self.work_soon()

    def stop(self) -> None:
        """End all streams."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        for receiver in list(self._streams):
            receiver.end(refused("STOPPED"))


class WatchReceiver:
    """One stream of watches."""

    def __init__(self, calls: WatchCalls, stream: Stream, requires_leader: bool) -> None:
        self._calls = calls
        self._stream = stream
        self._watches = calls.hub.stream(stream)
        self.requires_leader = requires_leader

    def received(self, request: schema.WatchRequest) -> None:
        """Create a watch, cancel one, or ask for progress."""
        kind = request.WhichOneof("request_union")
        if kind == "create_request":
            self._watches.create(request.create_request)
        elif kind == "cancel_request":
            self._watches.cancel(request.cancel_request.watch_id)
        elif kind == "progress_request":
            self._watches.request_progress()
        self._calls.work_soon()

    def half_closed(self) -> None:
        """Do nothing: the watches go on."""

    def writable(self) -> None:
        """Go on sending."""
        self._watches.writable()
        self._calls.work_soon()

    def ended(self) -> None:
        """End the watches."""
        self._watches.close()
        self._calls.closed(self)

    def end(self, error: Any) -> None:
        """End the stream with a refusal."""
        self.ended()
        self._stream.end(error.code, error.text)
