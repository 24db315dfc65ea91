"""What a host has of the outside world: files, threads, network, chance. Tests and simulators replace it."""

import secrets
import sys
import time
from typing import Any

from ..errors import RaftError
from ..storage.directory import Directory
from ..storage.shared_log import SharedLog
from ..transport import Transport
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message
from .aside import Aside, Thread


def _now_ns() -> int:
    if sys.platform == "win32":
        return time.monotonic_ns()
    # On Linux the usual monotonic clock stands still while the machine sleeps; elsewhere it does not.
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Seams:
    """The host's access to files, threads, network and random numbers. Tests and simulators replace it."""

    def files(self, path: Any) -> Any:
        """Return the files of a data directory."""
        return Directory(path)

    def log(self, files: Any) -> SharedLog:
        """Return the log in these files."""
        return SharedLog(files, clock=time.monotonic, draw=self.draw)

    def now_us(self) -> int:
        """Return a reading, in microseconds, of a clock that never goes back, and counts while the machine sleeps."""
        return _now_ns() // 1000

    def aside(self, name: str) -> Aside:
        """Return a thread for work that must not run in the event loop."""
        return Thread(name)

    def draw(self, size: int) -> bytes:
        """Return random bytes that nobody can guess."""
        return secrets.token_bytes(size)

    def random(self) -> Any:
        """Return the source from which a group draws its election timeouts, None for the operating system's."""
        return None

    def stopwatch(self) -> float:
        """Return a time in seconds, to measure how long the machine takes."""
        return time.perf_counter()

    def transport(self, id: int, receiver: Any, **options: Any) -> Any:
        """Return the transport of the messages."""
        return Transport(id, receiver, **options)


class Nobody:
    """Receives for a group that nobody serves."""

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take nothing."""
        return []

    def report_unreachable(self, id: int) -> None:
        """Nobody wants to know."""

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Nobody wants to know."""
