"""The network between the members. It delays, loses, duplicates and reorders messages, and links can be cut.

Messages travel encoded, and snapshots travel more slowly than others. A message that is under way arrives, even if its
sender crashes or its link is cut meanwhile.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from ..wire import consts as k
from ..wire.messages import Message
from .clock import MS, Clock

Deliver = Callable[[int, int, Any], None]
Lost = Callable[[int, int, Any, Any], None]


class Weather:
    """The behaviour of the network: the mean delay in microseconds, and probabilities of faults for each message.

    A message is ``lost``, ``doubled`` (arrives twice), ``overtaking`` (leaves the order of its link) or ``late`` (by up
    to 150 ms more).
    """

    __slots__ = ("delay", "doubled", "late", "lost", "overtaking")

    def __init__(
        self, delay: int = 300, lost: float = 0.0, doubled: float = 0.0, overtaking: float = 0.0, late: float = 0.0
    ) -> None:
        self.delay = delay
        self.lost = lost
        self.doubled = doubled
        self.overtaking = overtaking
        self.late = late

    @classmethod
    def of(cls, storms: "list[Weather]") -> "Weather":
        """Combine several: the worst of each property."""
        all_of = [cls(), *storms]
        return cls(
            max(each.delay for each in all_of),
            max(each.lost for each in all_of),
            max(each.doubled for each in all_of),
            max(each.overtaking for each in all_of),
            max(each.late for each in all_of),
        )


class Network:
    """Carries messages. Calls ``deliver`` for each message that arrives, and ``lost`` for each that is lost.

    ``deliver`` gets sender, receiver and data, and ``lost`` sender, receiver, type and data.
    """

    __slots__ = ("_calm", "_deliver", "_free", "_lost", "_random", "_storms", "clock", "cut", "weather")

    def __init__(self, clock: Clock, random: Random, deliver: Deliver, lost: Lost) -> None:
        self.clock = clock
        self.weather = Weather()
        self.cut: dict[tuple[int, int], int] = {}
        self._random = random
        self._deliver = deliver
        self._lost = lost
        self._free: dict[tuple[int, int], int] = {}
        self._storms: list[Weather] = []
        self._calm = Weather()

    def mend(self, delay: int) -> None:
        """Set the mean delay without storms, in microseconds."""
        self._calm = Weather(delay)
        self.weather = self._combined()

    def _combined(self) -> Weather:
        return Weather.of([self._calm, *self._storms])

    def block(self, links: list[tuple[int, int]]) -> None:
        """Cut links, each from a sender to a receiver. A link may be cut several times at once."""
        for link in links:
            self.cut[link] = self.cut.get(link, 0) + 1

    def unblock(self, links: list[tuple[int, int]]) -> None:
        """Undo one cut of each link."""
        for link in links:
            left = self.cut.get(link, 0) - 1
            if left > 0:
                self.cut[link] = left
            else:
                self.cut.pop(link, None)

    def worsen(self, storm: Weather) -> None:
        """Add a storm: the network then behaves no better than it, in addition to the storms already there."""
        self._storms.append(storm)
        self.weather = self._combined()

    def calm(self, storm: Weather) -> None:
        """Remove one storm. The others remain."""
        self._storms.remove(storm)
        self.weather = self._combined()

    def clear(self) -> None:
        """Remove all storms and cuts."""
        self.cut.clear()
        self._storms.clear()
        self.weather = self._combined()

    def send(self, from_: int, m: Message, data: Any, *, once: bool = False, after: int = 0) -> None:
        """Carry a message from member ``from_``, which may differ from ``m.from_``.

        ``data`` is what ``deliver`` gets: its encoding, or what has it. With ``once``, it never arrives twice. It
        leaves ``after`` microseconds from now.
        """
        to = m.to
        random = self._random.random
        weather = self.weather
        if (from_, to) in self.cut or (weather.lost and random() < weather.lost):
            self._lost(from_, to, m.type, data)
            return
        delay = 50 + after + int(weather.delay * 2 * random() ** 2)
        if weather.doubled and not once and random() < weather.doubled:
            self.clock.after(delay + int(random() ** 3 * 200 * MS), self._deliver, from_, to, data)
        if weather.late and random() < weather.late:
            delay += int(random() ** 2 * 150 * MS)
        elif m.type == k.SNAP:
            # A snapshot is large and travels separately, so other messages overtake it.
            delay += int(random() ** 2 * 50 * MS)
        elif not (weather.overtaking and random() < weather.overtaking):
            # In order on its link, as on a stream.
            arrival = max(self.clock.now + delay, self._free.get((from_, to), 0))
            self._free[from_, to] = arrival
            delay = arrival - self.clock.now
        self.clock.after(delay, self._deliver, from_, to, data)
