"""The server's end of an HTTP/2 connection without I/O: what a library has to do for us, and which library does it.

Frames, HPACK, streams and windows are a library's: `ngh2`, or `h2` where ngh2 has no wheel. Each has a backing that
makes it behave as `Http2` says, so that nothing above can tell which one runs, except by its speed.

Rules:

- A backing never raises for what a peer sends or for a stream that is gone. What is wrong with the connection stands in
  ``over``; the owner writes what ``output`` still has, and closes the connection.
- ``flooded`` says that the peer exceeded a limit that no client in good faith reaches. Such a connection is closed at
  once, without a word.
- Each frame that costs the peer next to nothing, and us an answer, a stream or a turn, is counted. A bucket bounds how
  many there may be at a time and in the long run. These are pings, settings, resets, and data frames without data.
- Received bytes stay in the peer's windows until the owner acknowledges them. So the owner decides how much may wait.
- What is to be sent waits in the backing until the peer's windows have room. ``queued_bytes`` is exact only after
  ``output`` returned everything that it could.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Header = tuple[bytes, bytes]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

NO_ERROR = 0
PROTOCOL_ERROR = 1
REFUSED_STREAM = 7
CANCEL = 8
ENHANCE_YOUR_CALM = 11

HIGHEST_STREAM = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Limits:
    """What one HTTP/2 connection may cost. ValueError unless each is positive and within HTTP/2's own bounds."""

    streams: int = 4096
    """The most streams open at a time. Until the client knows that, a further one is refused, and the client may try it
    again. Then it ends the connection."""

    stream_window_bytes: int = 256 << 10
    """How many bytes of one stream the peer may send before they are acknowledged."""

    connection_window_bytes: int = 1 << 20
    """How many bytes of all streams the peer may send before they are acknowledged."""

    header_bytes: int = 16 << 10
    """The most bytes of a header list, counted as HPACK does: 32 more for each field."""

    header_fields: int = 256
    """The most fields of a header list."""

    burst_frames: int = 1000
    """The most counted frames at a time: pings, settings, resets and empty data frames, of each kind."""

    refill_frames: int = 33
    """How many counted frames of each kind are allowed again in each second."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 < getattr(self, name) <= HIGHEST_STREAM:
                raise ValueError(f"{name} must be between 1 and {HIGHEST_STREAM}, not {getattr(self, name)!r}")


class Sink(Protocol):
    """What a backing calls while it receives. A stream that was closed is never heard of again."""

    def request(self, stream_id: int, headers: Sequence[Header], end: bool) -> None:
        """A stream begins; with ``end``, the peer sends nothing more on it."""

    def data(self, stream_id: int, data: bytes, end: bool) -> None:
        """Bytes of a stream, in the peer's windows until they are acknowledged. Trailers come as ``b""`` and end."""

    def closed(self, stream_id: int) -> None:
        """The stream is closed in both directions, by its ends or by a reset of either side."""

    def pinged(self) -> None:
        """The peer sent a ping. It is answered already."""


class Http2(Protocol):
    """The server's end of a connection."""

    over: str
    """Why the connection is over, ``""`` while it is not. If so, write the output and close the connection."""
    flooded: bool
    """Whether it is over because the peer exceeded a limit."""
    bite_bytes: int
    """The most bytes to give `receive` in one turn of the event loop, so that no turn takes long."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer, and call the sink for what they mean."""

    def output(self, most_bytes: int) -> bytes:
        """Return up to ``most_bytes`` to write, ``b""`` if nothing can be sent now. May call `Sink.closed`."""

    def respond(self, stream_id: int, headers: Sequence[Header]) -> None:
        """Send the headers of a response, with data and trailers to follow."""

    def send(self, stream_id: int, data: bytes) -> None:
        """Send bytes of a response that has begun."""

    def finish(self, stream_id: int, trailers: Sequence[Header]) -> None:
        """End a response that has begun, after its data."""

    def answer(self, stream_id: int, headers: Sequence[Header], data: bytes, trailers: Sequence[Header]) -> None:
        """Send a whole response: the three calls above in one."""

    def refuse(self, stream_id: int, headers: Sequence[Header]) -> None:
        """Send a response that consists of headers only."""

    def reset(self, stream_id: int, error_code: int) -> None:
        """Close a stream in both directions at once. What waits to be sent on it is dropped."""

    def acknowledge(self, stream_id: int, size_bytes: int) -> None:
        """Give the peer back ``size_bytes`` of its windows."""

    def queued_bytes(self, stream_id: int) -> int:
        """Return how many bytes of a stream wait for the peer's windows, or for `output`."""

    @property
    def all_queued_bytes(self) -> int:
        """The same for all streams together."""

    def ping(self) -> None:
        """Ask the peer for a sign of life."""

    def announce_end(self) -> None:
        """Tell the peer that this connection will take no new streams soon. It may have sent some already."""

    def take_no_more(self) -> None:
        """Refuse new streams from now on. When the present ones are closed, the connection is over."""

    def terminate(self, error_code: int, text: str) -> None:
        """End the connection after the present output, with a reason for the peer."""


class Bucket:
    """Counts events of one kind: ``burst`` at a time, and ``refill_per_s`` again in each second."""

    __slots__ = ("_at_s", "_burst", "_left", "_now", "_refill_per_s")

    def __init__(self, burst: int, refill_per_s: float, now: Callable[[], float]) -> None:
        self._burst = float(burst)
        self._left = float(burst)
        self._refill_per_s = refill_per_s
        self._now = now
        self._at_s = now()

    def take(self) -> bool:
        """Count an event; return whether it was one too many."""
        if self._left < 1:
            now_s = self._now()
            self._left = min(self._burst, self._left + (now_s - self._at_s) * self._refill_per_s)
            self._at_s = now_s
            if self._left < 1:
                return True
        self._left -= 1
        return False


BACKINGS = ("ngh2", "h2")


def choose_backing(name: str = "") -> str:
    """Return the backing that runs here: ``name`` if it is given, otherwise the first one that is installed.

    ImportError if none is installed, or the given one is not; ValueError for an unknown name.
    """
    if name and name not in BACKINGS:
        raise ValueError(f"no backing is called {name!r}; there are {', '.join(BACKINGS)}")
    for each in (name,) if name else BACKINGS:
        try:
            importlib.import_module(each)
        except ImportError:
            continue
        return each
    raise ImportError("gRPC needs ngh2 or h2: pip install 'raftcy[etcd]'" if not name else f"{name} is not installed")


def connect(backing: str, sink: Sink, limits: Http2Limits, now: Callable[[], float]) -> Http2:
    """Return the server's end of a new connection. ``backing`` comes from `choose_backing`, ``now`` is in seconds."""
    module: Any = importlib.import_module(f".{backing}_backing", __package__)
    made: Http2 = module.connection(sink, limits, now)
    return made
