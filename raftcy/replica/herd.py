"""The replicas of a host as the host drives them: ticks, beats and sleep for all of them in one call a tick.

Only replicas that wait for something get a call of their own at a tick: those with staged writes, waiting reads, a
group's time to propose. A replica comes among them whenever it gets a turn, and leaves them when it wants no more.
"""

from collections.abc import Callable
from typing import Any, Protocol

from ..errors import RaftError
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message
from .driver import Driver
from .ticking import Found, Seat
from .together import Together


class Member(Protocol):
    """A replica, as the herd needs it."""

    group: int

    @property
    def is_mute(self) -> bool:
        """Whether no message of it may leave."""

    @property
    def driver(self) -> Driver:
        """Its driver, which the herd ticks."""

    def tick_alone(self) -> None:
        """Let its driver take a tick, with the time for its lease."""

    def campaigned(self) -> None:
        """Count an election that it has begun."""

    def receive(self, messages: list[Message]) -> object:
        """Take messages."""

    def tick(self) -> bool:
        """Let a tick pass that the driver has taken already. Returns whether the next one concerns the replica."""

    def is_idle(self) -> bool:
        """Whether it has nothing to do."""

    def die(self, error: BaseException) -> None:
        """End because of an error."""


class Herd:
    """The replicas of a host. It is the receiver of the beats, for a transport.

    ``wake`` gives a replica a turn soon. ``check`` raises Stopped when the host has ended.
    """

    def __init__(self, together: Together, wake: Callable[[Any], None], check: Callable[[], None]) -> None:
        self._together = together
        self._wake = wake
        self._check = check
        self._seats: dict[Any, Seat] = {}
        self._attentive: dict[Any, Seat] = {}

    def begin(self, id: int) -> None:
        """Take the host's id, which it may draw after this was made."""
        self._together.id = id

    def add(self, replica: Member) -> None:
        """Begin to tick a replica. It does nothing for one that is ticked: with two seats, its time would run twice."""
        if replica not in self._seats:
            self._seats[replica] = self._together.add(replica.group, replica.driver, replica)

    def remove(self, replica: Member) -> None:
        """Tick a replica no more."""
        seat = self._seats.pop(replica, None)
        if seat is not None:
            self._attentive.pop(replica, None)
            self._together.remove(seat)

    def is_asleep(self, replica: Member) -> bool:
        """Whether a replica sleeps."""
        seat = self._seats.get(replica)
        return seat is not None and self._together.is_asleep(seat)

    def woken(self, replica: Member) -> None:
        """Note that a replica gets a turn, and so may have work."""
        seat = self._seats.get(replica)
        if seat is not None and replica not in self._attentive:
            self._attentive[replica] = seat
        if seat is not None:
            self._together.rouse(seat)

    def tick(self, late: bool = False) -> None:
        """Let a tick pass, which may be late."""
        found = self._together.tick(late)
        self._handle(found)
        for seat in found.campaigning:
            seat.owner.campaigned()
        for seat in found.alone:
            seat.owner.tick_alone()
            self._attentive.setdefault(seat.owner, seat)
        for replica, seat in list(self._attentive.items()):
            wants = replica.tick()
            seat.mute = replica.is_mute
            if not wants:
                self._attentive.pop(replica, None)

    def _handle(self, found: Found) -> None:
        for seat, error in found.failed:
            seat.owner.die(error)
        for seat in found.due:
            self._wake(seat.owner)
        for seat, m in found.messages:
            seat.owner.receive([m])

    # -- the receiver of a transport -----------------------------------------------------------------------------

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take beats and their answers."""
        self._check()
        for m in messages:
            self._handle(self._together.receive(m))
        return []

    def report_unreachable(self, id: int) -> None:
        """Do nothing: beats that get lost are missed at the other end."""

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Do nothing, since beats carry no snapshots."""
