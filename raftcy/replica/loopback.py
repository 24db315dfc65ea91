"""Members of one process: drivers whose messages go straight into each other's inbox, and whole groups in one call.

Crossing from Python into the compiled core costs more than most of what the core does, so whoever drives thousands of
groups crosses once for all of them.
"""

from typing import Any

from ..core.rawnode import RawNode
from ..wire.messages import Message
from .carrier import Carrier
from .driver import Driver

# Ids up to here are looked up by their place in a list, which is faster than a dict.
_SMALL_ID = 64


class Loopback(Carrier):
    """The members of one group: what one sends goes into the inbox of the other.

    Messages to an id that was not added are dropped. ``sent`` counts all messages.
    """

    __slots__ = ("_drivers", "_order", "_small", "sent")
    sent: int

    def __init__(self) -> None:
        super().__init__()
        self._drivers: dict[int, Driver] = {}
        # Tuples: read without a lock where the interpreter has none.
        self._order: tuple[Driver, ...] = ()
        self._small: tuple[Driver | None, ...] = ()
        self.sent = 0

    def add(self, node: RawNode, storage: Any, machine: Any = None, **options: Any) -> Driver:
        """A Driver for a node, reached by its id from now on; ``options`` are those of Driver."""
        driver = Driver(node, storage, machine, **options)
        driver._carrier = self
        self._drivers[node.id] = driver
        self._arrange()
        return driver

    def _arrange(self) -> None:
        self._order = tuple([self._drivers[id] for id in sorted(self._drivers)])
        largest = max([id for id in self._drivers if id <= _SMALL_ID], default=-1)
        self._small = tuple([self._drivers.get(id) for id in range(largest + 1)])

    def route(self, messages: list[Message]) -> None:
        """Put messages into the inboxes of their receivers."""
        self._post(messages)

    def _carry(self, messages: list[Message]) -> None:
        self._post(messages)

    def _post(self, messages: list[Message]) -> None:
        self.sent += len(messages)
        for m in messages:
            driver = self._small[m.to] if m.to < len(self._small) else self.find(m.to)
            if driver is not None:
                driver.inbox.append(m)

    def find(self, id: int) -> Driver | None:
        """The driver of a node, None for a stranger."""
        return self._drivers.get(id)

    def drain(self) -> None:
        """Run the drivers, by ascending id, until a pass over all of them does nothing."""
        self._calls += 1
        busy = True
        while busy:
            busy = False
            for driver in self._order:
                # Skip it: its inbox is empty, and nothing has run since it was last idle.
                if driver._settled != self._calls or len(driver.inbox) > 0:
                    busy |= driver.run()

    def tick(self) -> bool:
        """Tick every node; whether there is anything to ``drain`` now."""
        busy = False
        for driver in self._order:
            driver.node.tick()
            if driver.node.has_ready() or len(driver.inbox) > 0:
                busy = True
        return busy


def tick_all(nodes: list[RawNode]) -> list[RawNode]:
    """Tick thousands of nodes in one call; returns those that have a Ready now: the others need no more."""
    ready = []
    for node in nodes:
        node.tick()
        if node.has_ready():
            ready.append(node)
    return ready


def drain_all(groups: list[Loopback]) -> None:
    """Drain many groups in one call."""
    for group in groups:
        group.drain()


def tick_groups(groups: list[Loopback]) -> None:
    """Tick the nodes of each group and drain it, in one call, group by group: what a group needs is fetched once."""
    for group in groups:
        for driver in group._order:
            driver.node.tick()
        group.drain()
