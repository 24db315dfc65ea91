"""Deadlines of calls, without a timer for each.

Most calls of a client have the same timeout and are over long before. So a call goes into the slot of its time, which
costs no more than an entry in a dict, and one timer fires at the end of the earliest slot. A call may expire up to one
slot late; its client watches its own deadline, and ours only frees what the call holds.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

SLOTS_PER_S = 16


class Waiting(Protocol):
    """What waits for a deadline."""

    def expire(self) -> None:
        """The deadline has passed."""


class Deadlines:
    """What waits for deadlines. ``arm(at_s)`` is called whenever `expired` must be called earlier than planned."""

    __slots__ = ("_arm", "_armed", "_slots")

    def __init__(self, arm: Callable[[float], None]) -> None:
        self._arm = arm
        self._armed: int | None = None
        self._slots: dict[int, dict[Waiting, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def add(self, waiting: Waiting, at_s: float) -> int:
        """Let ``waiting`` expire at ``at_s``; return the slot, for `discard`."""
        slot = int(at_s * SLOTS_PER_S) + 1
        members = self._slots.get(slot)
        if members is None:
            members = self._slots[slot] = {}
            if self._armed is None or slot < self._armed:
                self._armed = slot
                self._arm(slot / SLOTS_PER_S)
        members[waiting] = None
        return slot

    def discard(self, waiting: Waiting, slot: int) -> None:
        """Forget ``waiting``, which `add` put into ``slot``, unless it expired already."""
        members = self._slots.get(slot)
        if members is not None:
            members.pop(waiting, None)

    def expired(self, now_s: float) -> Iterator[Waiting]:
        """Take out what has expired by ``now_s``, and arm for the rest."""
        self._armed = None
        due = sorted(slot for slot in self._slots if slot <= now_s * SLOTS_PER_S)
        found = [waiting for slot in due for waiting in self._slots.pop(slot)]
        if self._slots:
            self._armed = min(self._slots)
            self._arm(self._armed / SLOTS_PER_S)
        return iter(found)
