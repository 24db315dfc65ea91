"""What happens to a member, for whoever follows it: events, in their order, in queues that are bounded."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..wire.messages import ConfState


@dataclass(frozen=True, slots=True)
class LeaderChanged:
    """This member follows another leader, None if it knows of none. ``term`` is the term in which it learned that.

    The member leads itself if ``leader`` is its own id; ``term`` is then its fencing term: no other member ever leads
    in it, and what belongs to an older one is out of date.
    """

    leader: int | None
    term: int


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """The members of the group, as of the entry at ``index``, which is applied here."""

    members: ConfState
    index: int


@dataclass(frozen=True, slots=True)
class SnapshotMade:
    """A snapshot of the state up to ``index`` was made, of ``size`` bytes."""

    index: int
    size: int


@dataclass(frozen=True, slots=True)
class SnapshotReceived:
    """The state was replaced by the leader's snapshot up to ``index``."""

    index: int


@dataclass(frozen=True, slots=True)
class SnapshotFailed:
    """No snapshot was made, and the member goes on without it; ``error`` says why."""

    error: Exception


@dataclass(frozen=True, slots=True)
class ReplicaStopped:
    """The last event: the member has ended. ``cause`` is what it died of, None after an ordinary end."""

    cause: BaseException | None


@dataclass(frozen=True, slots=True)
class EventsMissed:
    """So many events were dropped here, because nobody took them in time."""

    count: int


Event = (
    LeaderChanged | MembersChanged | SnapshotMade | SnapshotReceived | SnapshotFailed | ReplicaStopped | EventsMissed
)


class EventQueue:
    """The events for one follower, at most ``limit`` of them: the oldest are dropped first, and counted.

    ``wake`` is called, without arguments, after an event was put.
    """

    __slots__ = ("_events", "_limit", "_missed", "_wake")

    def __init__(self, limit: int, wake: Callable[[], None]) -> None:
        self._events: deque[Event] = deque()
        self._limit = limit
        self._missed = 0
        self._wake = wake

    def __len__(self) -> int:
        return len(self._events) + (self._missed > 0)

    def put(self, event: Event) -> None:
        """Add an event."""
        if len(self._events) >= self._limit:
            self._events.popleft()
            self._missed += 1
        self._events.append(event)
        self._wake()

    def take(self) -> Event | None:
        """The oldest event, None if none waits. Where events were dropped, EventsMissed stands in their place."""
        if self._missed:
            missed, self._missed = EventsMissed(self._missed), 0
            return missed
        return self._events.popleft() if self._events else None
