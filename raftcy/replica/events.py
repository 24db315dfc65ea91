"""The events of a member, in order, in a bounded queue for each follower."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..wire.messages import ConfState


@dataclass(frozen=True, slots=True)
class LeaderChanged:
    """This member knows another leader, or none if ``leader`` is None. ``term`` is the term in which it learned that.

    If ``leader`` is this member's id, it leads, and ``term`` is its fencing term: no other member ever leads in this
    term, and work of an older term is out of date.
    """

    leader: int | None
    term: int


@dataclass(frozen=True, slots=True)
class MembersChanged:
    """The members of the group as of the entry at ``index``, which this member has applied.

    ``addresses`` has the addresses of each, as far as this host knows them.
    """

    members: ConfState
    index: int
    addresses: dict[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class SnapshotMade:
    """This member has made a snapshot of the state up to ``index``, of ``size`` bytes."""

    index: int
    size: int


@dataclass(frozen=True, slots=True)
class SnapshotReceived:
    """The leader's snapshot up to ``index`` has replaced the state."""

    index: int


@dataclass(frozen=True, slots=True)
class SnapshotFailed:
    """The member could not make a snapshot, and goes on without it; ``error`` says why."""

    error: Exception


@dataclass(frozen=True, slots=True)
class ReplicaStopped:
    """The last event: the member has ended. ``cause`` is the error that ended it, None after an ordinary end."""

    cause: BaseException | None


@dataclass(frozen=True, slots=True)
class EventsMissed:
    """``count`` events were dropped here, because the follower did not take them in time."""

    count: int


Event = (
    LeaderChanged | MembersChanged | SnapshotMade | SnapshotReceived | SnapshotFailed | ReplicaStopped | EventsMissed
)


class EventQueue:
    """The events for one follower, at most ``limit`` of them. It drops the oldest first, and counts them.

    It calls ``wake``, without arguments, after each added event.
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
        """Return the oldest event, None if none waits. EventsMissed takes the place of dropped events."""
        if self._missed:
            missed, self._missed = EventsMissed(self._missed), 0
            return missed
        return self._events.popleft() if self._events else None
