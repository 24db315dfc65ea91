"""A ready machine: a queue of work in which each item is done once, even if workers fail.

A worker takes an item for a lease, and reports that it is done with the token that it got. If the lease is over, the
item waits again in its old place, and the next worker takes it. The first worker's token is then void: the queue
accepts `Done` only once for an item. The queue cannot prevent that both workers have effects elsewhere: send the token
along, and let the receiver refuse lower tokens.
"""

import heapq
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import CommandError
from .elapsed import deadline
from .lock import LEASE_MOST_MS
from .statemachine import Command, Readable
from .typed import TypedMachine, applies, pack, unpack


class Item(NamedTuple):
    """An item: its work, how often it was taken, and, while it is taken, its worker, its token, and its lease's end.

    ``token`` is 0 while the item waits.
    """

    data: bytes
    attempts: int
    worker: str
    token: int
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class Enqueue:
    """Add an item. The answer is its id; a later one has a higher id."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Take:
    """Take the oldest waiting item, for ``lease_ms`` milliseconds: 1 to a day, ValueError for anything else.

    The answer is a tuple of its id, the token, how often it was taken including this time, and its data; None if no
    item waits. Propose it in a session, because a second try without one would take a second item.
    """

    worker: str
    lease_ms: int

    def __post_init__(self) -> None:
        if not 1 <= self.lease_ms <= LEASE_MOST_MS:
            raise ValueError(f"lease_ms must be 1 to {LEASE_MOST_MS}, not {self.lease_ms}")


@dataclass(frozen=True, slots=True)
class Done:
    """Report that the item ``id``, taken with ``token``, is done, and remove it. The answer is True.

    Refused with the reason "lost" if the item is not taken with this token: another worker may have it, or it is done.
    """

    id: int
    token: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Let the item ``id``, taken with ``token``, wait again in its old place. Answered and refused like `Done`."""

    id: int
    token: int


class WorkQueue(TypedMachine):
    """Items by their ids. ``done`` counts the items that were done."""

    def __init__(self) -> None:
        self.done = 0
        self._items: dict[int, Item] = {}
        # Heaps: the ids of waiting items; deadline and id of taken items, with some outdated pairs.
        self._waiting: list[int] = []
        self._taken: list[tuple[int, int]] = []
        self._taken_count = 0

    def __len__(self) -> int:
        return len(self._items)

    def item(self, id: int) -> Item | None:
        """Return an item that is not done; None if no such item has this id."""
        return self._items.get(id)

    def needs_time(self) -> bool:
        """Return True while any item is taken, because leases end by the group's time."""
        return self._taken_count > 0

    @applies(Enqueue, name="enqueue")
    def _enqueue(self, command: Enqueue, at: Command) -> int:
        self._items[at.index] = Item(command.data, 0, "", 0, 0)
        heapq.heappush(self._waiting, at.index)
        return at.index

    @applies(Take, name="take")
    def _take(self, command: Take, at: Command) -> tuple[int, int, int, bytes] | None:
        self._return_expired(at.time_ms)
        waiting = self._waiting
        if not waiting:
            return None
        id = heapq.heappop(waiting)
        old = self._items[id]
        item = Item(old.data, old.attempts + 1, command.worker, at.index, deadline(at.time_ms, command.lease_ms))
        self._items[id] = item
        heapq.heappush(self._taken, (item.deadline_ms, id))
        self._taken_count += 1
        return id, item.token, item.attempts, item.data

    @applies(Done, name="done")
    def _done(self, command: Done, at: Command) -> bool | CommandError:
        if (refused := self._lost(command.id, command.token, at.time_ms)) is not None:
            return refused
        del self._items[command.id]
        self._untaken()
        self.done += 1
        return True

    @applies(GiveBack, name="give back")
    def _give_back(self, command: GiveBack, at: Command) -> bool | CommandError:
        if (refused := self._lost(command.id, command.token, at.time_ms)) is not None:
            return refused
        self._wait_again(command.id)
        return True

    def _lost(self, id: int, token: int, now_ms: int) -> CommandError | None:
        item = self._items.get(id)
        if item is None or token == 0 or item.token != token or item.deadline_ms <= now_ms:
            return CommandError(f"item {id} is not taken with token {token}", "lost")
        return None

    def _return_expired(self, now_ms: int) -> None:
        taken = self._taken
        while taken and taken[0][0] <= now_ms:
            deadline_ms, id = heapq.heappop(taken)
            item = self._items.get(id)
            if item is not None and item.token != 0 and item.deadline_ms == deadline_ms:
                self._wait_again(id)

    def _wait_again(self, id: int) -> None:
        self._items[id] = self._items[id]._replace(worker="", token=0, deadline_ms=0)
        heapq.heappush(self._waiting, id)
        self._untaken()

    def _untaken(self) -> None:
        self._taken_count -= 1
        if self._taken_count == 0:
            # The group's time may stand still from now on, so the outdated pairs would never be dropped.
            self._taken.clear()

    def capture(self) -> bytes:
        """Return all items, and the count of the items that were done."""
        return pack((self.done, [(id, *item) for id, item in sorted(self._items.items())]))

    def restore(self, file: Readable) -> None:
        """Replace the items by the items of a capture."""
        self.done, found = unpack(file.read(), tuple[int, list[tuple[int, bytes, int, str, int, int]]])
        self._items = {id: Item(*fields) for id, *fields in found}
        self._waiting = sorted(id for id, item in self._items.items() if item.token == 0)
        self._taken = sorted((item.deadline_ms, id) for id, item in self._items.items() if item.token != 0)
        self._taken_count = len(self._taken)
