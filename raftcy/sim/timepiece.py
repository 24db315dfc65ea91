"""Timepiece: the clock of one member, which runs too fast or too slow and jumps. Its ticks run at the same rate."""

from .clock import TICK, Clock


class Timepiece:
    """A clock that showed the true time at first. ``rate`` is how much it shows for each true second."""

    __slots__ = ("_clock", "_shown", "_since", "rate")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.now
        self._shown = clock.now
        self.rate = 1.0

    def read(self) -> int:
        """Return what the clock shows, in microseconds."""
        return self._shown + int((self._clock.now - self._since) * self.rate)

    def run_at(self, rate: float) -> None:
        """Let the clock run at another rate from now on."""
        self._shown, self._since = self.read(), self._clock.now
        self.rate = rate

    def jump(self, by: int) -> None:
        """Let the clock show another time, ``by`` microseconds later, or earlier if that is negative."""
        self._shown += by

    def tick_time(self) -> int:
        """Return how long a tick by this clock takes, in microseconds of true time."""
        return int(TICK / self.rate)
