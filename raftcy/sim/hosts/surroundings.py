"""What a simulated process has of the outside world, in place of ``replica.seams.Seams``."""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from ...replica.seams import Seams
from ...storage.shared_log import SharedLog
from ..clock import SECOND
from .loops import ProcessLoop
from .medium import Medium
from .wires import Air, Wire

Done = Callable[[Any, BaseException | None], object]


class Drive:
    """How fast a process's disk is, and when it fails. ``Medium.before`` calls ``before``.

    ``cut`` is called for each call of the disk, and may end the process. ``latency_us`` is the mean time of a sync.
    """

    def __init__(self, loop: ProcessLoop, random: Random, cut: Callable[[str, str], int | None]) -> None:
        self._loop = loop
        self._random = random
        self._cut = cut
        self.latency_us = 0
        self.spent_us = 0
        # Set while a thread works, whose time passes beside the loop.
        self.is_aside = False

    def delay_us(self) -> int:
        """Draw the time of a sync."""
        return int(self._random.random() ** 2 * 2 * self.latency_us) if self.latency_us else 0

    def before(self, kind: str, name: str) -> int | None:
        """Let a sync take its time, or fail."""
        found = self._cut(kind, name)
        if kind == "sync" and not self.is_aside:
            took_us = self.delay_us()
            self.spent_us += took_us
            self._loop.spend(took_us)
        return found

    def time(self) -> float:
        """Return a time in seconds that goes on while the disk works."""
        return self._loop.time() + self.spent_us / SECOND


class Beside:
    """A thread of a process: one piece of work after the other, each after a while."""

    def __init__(self, loop: ProcessLoop, drive: Drive) -> None:
        self._loop = loop
        self._drive = drive
        self._work: deque[tuple[Callable[[], Any], Done]] = deque()
        self._busy = False

    def submit(self, act: Callable[[], Any], done: Done) -> None:
        """See Aside."""
        self._work.append((act, done))
        if not self._busy:
            self._next()

    def _next(self) -> None:
        self._busy = True
        took_us = self._drive.delay_us()
        self._loop.call_later(took_us / SECOND, self._run, took_us)

    def _run(self, took_us: int) -> None:
        act, done = self._work.popleft()
        drive = self._drive
        drive.is_aside = True
        result: Any = None
        failure: BaseException | None = None
        try:
            drive.spent_us += took_us
            result = act()
        except Exception as error:
            failure = error
        finally:
            drive.is_aside = False
        self._busy = False
        if self._work:
            self._next()
        done(result, failure)

    def close(self) -> None:
        """See Aside: what was submitted is still done."""


class Parts(Seams):
    """The seams of one process. ``wire`` is the transport that its host has made last."""

    def __init__(
        self, air: Air, id: int, loop: ProcessLoop, medium: Medium, drive: Drive, random: Random, segment_size: int
    ) -> None:
        self._air = air
        self._id = id
        self._loop = loop
        self._medium = medium
        self._drive = drive
        self._random = random
        self._segment_size = segment_size
        self._watched_s = 0.0
        # Clocks for leases run too fast or too slow, by less than what leases allow for.
        self._rate = 1 + 0.018 * (random.random() - 0.5)
        self.wire: Wire | None = None

    def files(self, path: Any) -> Medium:
        """Return the process's disk."""
        return self._medium

    def log(self, files: Any) -> SharedLog:
        """Return a log with small segments and little memory."""
        size = self._segment_size
        return SharedLog(files, segment_size=size, memory_size=size // 2, clock=self._drive.time, draw=self.draw)

    def aside(self, name: str) -> Beside:
        """Return a thread."""
        return Beside(self._loop, self._drive)

    def draw(self, size: int) -> bytes:
        """Return bytes drawn from the seed."""
        return self._random.randbytes(size)

    def random(self) -> Random:
        """Return the source of election timeouts."""
        return self._random

    def now_us(self) -> int:
        """Return the clock of leases, in microseconds, which does not go with the process's timers."""
        return int(self._loop.true_us * self._rate)

    def stopwatch(self) -> float:
        """Return a time that goes on by chance, so that applying pauses here and there."""
        self._watched_s += 0.02 * self._random.random() ** 8
        return self._watched_s

    def transport(self, id: int, receiver: Any, **options: Any) -> Wire:
        """Return the transport."""
        self.wire = Wire(self._air, self._loop, id, options)
        self.wire.attach(0, receiver)
        return self.wire
