"""The hub that brings events to watchers (signatures only, for now).

A stream of watches has a sink. What does not fit into the sink is never queued here: its watchers fall behind, and read
on from the store's history once the sink is writable again.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from . import schema
from .items import Item
from .store import Store


class Sink(Protocol):
    """Where the answers of one stream of watches go."""

    @property
    def is_writable(self) -> bool:
        """Whether it takes events now."""

    def send(self, data: bytes, /) -> None:
        """Take one encoded WatchResponse."""


class WatchStream:
    """The watches of one client stream."""

    def create(self, request: schema.WatchCreateRequest) -> None:
        """Begin a watch; a refusal goes to the sink too."""
        raise NotImplementedError

    def cancel(self, watch_id: int) -> None:
        raise NotImplementedError

    def request_progress(self) -> None:
        raise NotImplementedError

    def writable(self) -> None:
        """The sink takes events again."""
        raise NotImplementedError

    def close(self) -> None:
        """End all watches without an answer."""
        raise NotImplementedError


class WatchHub:
    """All watchers of a member."""

    def __init__(self, store: Store, header: Callable[[int], bytes], *, max_bytes: int) -> None:
        """``header`` returns the encoded header field (tag, length, ResponseHeader) for a revision."""
        raise NotImplementedError

    def stream(self, sink: Sink) -> WatchStream:
        raise NotImplementedError

    def notify(self, events: Sequence[Item]) -> None:
        """The events of one write transaction, right after it has ended."""
        raise NotImplementedError

    def work(self) -> bool:
        """Bring watchers that are behind a step forward, for at most a few milliseconds; whether more remains."""
        raise NotImplementedError

    def progress_due(self) -> None:
        """Tell the watchers that want it how far they are. Call it every ten minutes."""
        raise NotImplementedError

    def restored(self) -> None:
        """The store has been replaced by a snapshot: all watchers read on from its history."""
        raise NotImplementedError
