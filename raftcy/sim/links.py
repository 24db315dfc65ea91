"""The network between the members: late, lossy, doubling, out of order, cut in one direction or in both.

Messages travel encoded, and snapshots more slowly than the others. What is on its way arrives, whatever becomes of its
sender or of the link meanwhile.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from ..wire import consts as k
from ..wire.messages import Message
from .clock import MS, Clock

Deliver = Callable[[int, int, bytes], None]
Lost = Callable[[int, int, Any], None]


class Weather:
    """How the network behaves: probabilities of loss, doubling, overtaking and great delay; delay in microseconds."""

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
        """What several make together: the worst of each."""
        all_of = [cls(), *storms]
        return cls(
            max(each.delay for each in all_of),
            max(each.lost for each in all_of),
            max(each.doubled for each in all_of),
            max(each.overtaking for each in all_of),
            max(each.late for each in all_of),
        )


class Network:
    """Carries messages. ``deliver`` is called with each that arrives, ``lost`` with each that is known not to."""

    __slots__ = ("_deliver", "_free", "_lost", "_random", "_storms", "clock", "cut", "weather")

    def __init__(self, clock: Clock, random: Random, deliver: Deliver, lost: Lost) -> None:
        self.clock = clock
        self.weather = Weather()
        self.cut: dict[tuple[int, int], int] = {}
        self._random = random
        self._deliver = deliver
        self._lost = lost
        self._free: dict[tuple[int, int], int] = {}
        self._storms: list[Weather] = []

    def block(self, links: list[tuple[int, int]]) -> None:
        """Cut links, each from a sender to a receiver; a link may be cut several times."""
        for link in links:
            self.cut[link] = self.cut.get(link, 0) + 1

    def unblock(self, links: list[tuple[int, int]]) -> None:
        """Take back one cut of each link."""
        for link in links:
            left = self.cut.get(link, 0) - 1
            if left > 0:
                self.cut[link] = left
            else:
                self.cut.pop(link, None)

    def worsen(self, storm: Weather) -> None:
        """The network behaves no better than that, besides what it suffers from already."""
        self._storms.append(storm)
        self.weather = Weather.of(self._storms)

    def calm(self, storm: Weather) -> None:
        """One storm is over; the others are not."""
        self._storms.remove(storm)
        self.weather = Weather.of(self._storms)

    def clear(self) -> None:
        """No more faults from now on."""
        self.cut.clear()
        self._storms.clear()
        self.weather = Weather()

    def send(self, from_: int, m: Message, data: bytes) -> None:
        """Carry a message, ``data`` its encoding, from the member ``from_``, who need not be its author."""
        to = m.to
        random = self._random.random
        weather = self.weather
        if (from_, to) in self.cut or (weather.lost and random() < weather.lost):
            self._lost(from_, to, m.type)
            return
        delay = 50 + int(weather.delay * 2 * random() ** 2)
        if weather.doubled and random() < weather.doubled:
            self.clock.after(delay + int(random() ** 3 * 200 * MS), self._deliver, from_, to, data)
        if weather.late and random() < weather.late:
            delay += int(random() ** 2 * 150 * MS)
        elif m.type == k.SNAP:
            # It is large and travels by itself, so that others overtake it.
            delay += int(random() ** 2 * 50 * MS)
        elif not (weather.overtaking and random() < weather.overtaking):
            # In order on its link, as a stream would have it.
            arrival = max(self.clock.now + delay, self._free.get((from_, to), 0))
            self._free[from_, to] = arrival
            delay = arrival - self.clock.now
        self.clock.after(delay, self._deliver, from_, to, data)
