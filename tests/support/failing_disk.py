"""Disks that fail at one call, for a world of hosts: an error, a full disk that takes half of a write, or a hang."""

import asyncio
import errno
from typing import Any

from raftcy.storage.files import SECTOR

from .cut_disk import CutDisk
from .hosts import Beside, World

KINDS = ("eio", "full")


class Fault:
    """The fault of a CutDisk: the ``at``-th call from ``arm`` on fails. Nothing may be called after it.

    ``kind`` is "eio", or "full": half of a write, then no space. ``at`` 0 never fails, and only counts.
    """

    def __init__(self, at: int = 0, kind: str = "eio") -> None:
        self.at = at
        self.kind = kind
        self.count = 0
        self.is_armed = True
        self.has_failed = False
        self.after: list[str] = []

    def arm(self, at: int) -> None:
        """Count from here on."""
        self.at, self.count, self.is_armed = at, 0, True

    def __call__(self, kind: str, name: str) -> int | None:
        if self.has_failed:
            self.after.append(f"{kind} of {name}")
            return None
        self.count += self.is_armed
        if not self.is_armed or self.count != self.at:
            return None
        self.has_failed = True
        if self.kind == "full" and kind == "write":
            return SECTOR + 100
        raise OSError(errno.EIO if self.kind == "eio" else errno.ENOSPC, f"{kind} failed", name)


def failing(world: World, id: int, fault: Fault) -> CutDisk:
    """Give a host of a world a disk with this fault."""
    disk = CutDisk(fault)
    disks: dict[int, Any] = world.disks
    disks[id] = disk
    return disk


class Hanging(Beside):
    """A thread whose ``at``-th work takes ``seconds``, and all before and after it none."""

    def __init__(self, at: int, seconds: float) -> None:
        super().__init__()
        self._at = at
        self._seconds = seconds
        self.count = 0

    def submit(self, act: Any, done: Any) -> None:
        self.count += 1
        if self.count == self._at:
            asyncio.get_running_loop().call_later(self._seconds, self._run, act, done)
        else:
            super().submit(act, done)

    def stop(self) -> bool:
        """Hang no more; whether it has hung."""
        hit, self._at = self.count >= self._at, 0
        return hit
