"""What all gRPC connections of a server share: methods, limits, the clock, and what is counted over all of them."""

import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from .counting import Handled
from .deadlines import Deadlines
from .http2 import Http2Limits, choose_backing
from .service import Method, by_path

logger = logging.getLogger("raftcy.etcd")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcLimits:
    """Bounds for the memory and the waits of a gRPC server. ValueError unless each is positive.

    The memory of a server is bounded by ``all_partial_bytes`` and ``all_queue_bytes``, and by what an idle connection
    and an idle stream take, times their numbers.
    """

    http2: Http2Limits = field(default_factory=Http2Limits)
    """The bounds of each connection's HTTP/2."""

    message_bytes: int = 2 << 20
    """The longest request. etcd's limit of a request, and half a MiB for what comes with it."""

    partial_bytes: int = 64 << 20
    """The most bytes of incomplete or waiting requests of one connection. The call that exceeds it ends."""

    all_partial_bytes: int = 256 << 20
    """The same for all connections together."""

    writable_bytes: int = 256 << 10
    """A stream is not writable while more bytes than these wait on it."""

    stream_queue_bytes: int = 16 << 20
    """The most bytes that wait on one stream. One message that waits alone may be longer."""

    queue_bytes: int = 128 << 20
    """The most bytes that wait on one connection. One answer that waits alone may be longer."""

    all_queue_bytes: int = 512 << 20
    """The most bytes that wait on all connections together. One answer may exceed it, and then ends its call."""

    ping_min_s: float = 5.0
    """How far apart a client's pings must be while we send it nothing. A third one that is too early ends the
    connection."""

    ping_interval_s: float = 7200.0
    """A client that was silent for so long is asked for a sign of life."""

    ping_timeout_s: float = 20.0
    """How long it has for its answer."""

    idle_s: float = 3600.0
    """A connection without a call for so long is closed. Clients connect again when they have one."""

    stall_s: float = 60.0
    """How long a client may take nothing of what waits for it, if its socket is full or our memory is scarce. If it is
    scarce, also how long a client may say nothing with an incomplete request."""

    notice_s: float = 0.5
    """How long clients have, when the server stops, to hear that they must not begin new calls."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if name != "http2" and not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")


class Shared:
    """What the connections of a server have in common.

    ``now`` is the event loop's clock, ``spawn`` runs an awaitable and returns its Future, ``arm(at_s)`` has `expire`
    called at a time, or later. ``backing`` is the name of the HTTP/2 library, ``""`` for the best one that is
    installed.
    """

    def __init__(
        self,
        methods: Iterable[Method],
        limits: GrpcLimits,
        *,
        now: Callable[[], float],
        spawn: Callable[[Awaitable[Any]], Any],
        arm: Callable[[float], None],
        backing: str = "",
    ) -> None:
        self.methods: dict[bytes, Method] = {path.encode(): method for path, method in by_path(methods).items()}
        self.limits = limits
        self.now = now
        self.spawn = spawn
        self.backing = choose_backing(backing)
        self.deadlines = Deadlines(arm)
        self.handled = Handled()
        """How calls have ended."""
        self.partial_bytes = 0
        """Bytes of incomplete or waiting requests, of all connections."""
        self.queued_bytes = 0
        """Bytes that wait to be sent, of all connections, as of the last output of each."""

    def expire(self) -> None:
        """End the calls whose deadlines have passed."""
        for call in self.deadlines.expired(self.now()):
            call.expire()

    @property
    def is_filled(self) -> bool:
        """Whether so many incomplete requests wait that clients which do not go on with theirs must go."""
        return self.partial_bytes * 2 > self.limits.all_partial_bytes

    @property
    def is_pressed(self) -> bool:
        """Whether so much waits to be sent that clients which take nothing must go."""
        return self.queued_bytes * 2 > self.limits.all_queue_bytes
