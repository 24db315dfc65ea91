"""Loopback: connects the drivers of one process, and runs thousands of groups in one call.

A message goes straight into the receiver's inbox. A call from Python into the compiled core costs more than most of the
work that the core does, so ``drain_all`` and ``tick_groups`` make one call for all groups.

Rules:

- A member that dies does not affect the others. They continue without it, and the call that ran them raises
  MembersFailed at its end, once per failure.
- The sender of a snapshot always gets a report on it: FINISH once the receiver took it, FAILURE if it was refused or
  lost. Without a report the leader would send that peer nothing more. A failure is reported at the sender's next tick.
  If it were reported at once, the leader would send the same snapshot again at once, and ``drain`` would never end.
"""

from collections.abc import Iterable
from typing import Any

from ..core.rawnode import RawNode
from ..errors import MembersFailed
from ..wire import consts as k
from ..wire.checks import instance, instances, u64
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message
from ..wire.whole import has_one_owner, keep_whole
from .carrier import Carrier
from .driver import Driver

# Drivers with ids up to this one are found by their place in a tuple, which is faster than a dict.
_SMALL_ID = 64


class Loopback(Carrier):
    """Connects the members of one group that run in this process.

    Messages to an id that was not added are dropped. ``sent`` counts all messages, dropped ones included. ``failures``
    has the error of each dead member by id, or is None. ``name`` appears in error texts.
    """

    __slots__ = ("_drivers", "_fresh", "_order", "_refused", "_small", "_taken", "failures", "name", "sent")
    name: str
    failures: dict[int, BaseException] | None
    sent: int

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name
        # None while it is empty, to save the memory of a dict in each of thousands of groups.
        self.failures = None
        # The failures that were not raised yet, in the form of MembersFailed.
        self._fresh: list[Any] | None = None
        self._drivers: dict[int, Driver] = {}
        # Tuples need no lock when they are read on a free-threaded interpreter.
        self._order: tuple[Driver, ...] = ()
        self._small: tuple[Driver | None, ...] = ()
        # Snapshots that were taken, and snapshots that were refused or lost. Their senders get no report yet.
        self._taken: list[Message] | None = None
        self._refused: list[Message] | None = None
        self.sent = 0

    def __repr__(self) -> str:
        return f"<Loopback {self.name!r} of {sorted(self._drivers)}>"

    # -- members -------------------------------------------------------------------------------------------------

    def add(self, node: RawNode, storage: Any, machine: Any = None, **options: Any) -> Driver:
        """Create a Driver for a node and connect it under the node's id. It replaces a member with the same id.

        ``options`` are those of Driver. Raises what Driver raises.
        """
        driver = Driver(node, storage, machine, **options)
        self.remove(driver.id)
        driver._ride(self)
        self._drivers[driver.id] = driver
        self._arrange()
        return driver

    def remove(self, id: int) -> Driver | None:
        """Remove a member, alive or dead. Return its driver, or None if there is none. Its inbox is lost."""
        member = u64(id, "id")
        driver = self._drivers.pop(member, None)
        if self.failures is not None:
            self.failures.pop(member, None)
        if driver is not None:
            self._arrange()
            self._lost(driver.inbox)
            driver._ride(None)
        return driver

    def find(self, id: int) -> Driver | None:
        """Return the driver of a member, alive or dead, or None if ``id`` was not added."""
        return self._drivers.get(u64(id, "id"))

    def _arrange(self) -> None:
        alive = {id: driver for id, driver in self._drivers.items() if not self.failures or id not in self.failures}
        self._order = tuple([alive[id] for id in sorted(alive)])
        largest = max([id for id in alive if id <= _SMALL_ID], default=-1)
        self._small = tuple([alive.get(id) for id in range(largest + 1)])

    def _died(self, driver: Driver, error: BaseException) -> None:
        """Stop running a member that has died."""
        inbox = driver.inbox
        driver.fail(error)
        if self.failures is None:
            self.failures = {}
        self.failures[driver.id] = error
        if self._fresh is None:
            self._fresh = []
        self._fresh.append((self, driver.id, error))
        self._arrange()
        self._lost(inbox)

    def _take_fresh(self) -> list[Any] | None:
        fresh, self._fresh = self._fresh, None
        return fresh

    # -- messages ------------------------------------------------------------------------------------------------

    def route(self, messages: Iterable[Message]) -> None:
        """Put messages into the inboxes of their receivers."""
        self._post(instances(messages, Message, "m"))

    def _carry(self, messages: list[Message]) -> None:
        self._post(messages)

    def _post(self, messages: list[Message]) -> None:
        small = self._small
        found = len(small)
        self.sent += len(messages)
        for m in messages:
            driver = small[m.to] if m.to < found else self._large(m.to)
            if driver is not None:
                driver.inbox.append(m)
            elif m._type == k.SNAP:
                self._ended(m, False)

    def _large(self, id: int) -> Driver | None:
        driver = self._drivers.get(id)
        return None if driver is None or (self.failures is not None and id in self.failures) else driver

    def _lost(self, messages: list[Message]) -> None:
        for each in messages:
            if isinstance(each, Message):
                m = each
                if m._type == k.SNAP:
                    self._ended(m, False)

    def _ended(self, m: Message, taken: bool) -> None:
        if taken:
            if self._taken is None:
                self._taken = []
            self._taken.append(m)
        else:
            if self._refused is None:
                self._refused = []
            self._refused.append(m)

    def _report(self, messages: list[Message], status: SnapshotStatus) -> None:
        """Report to the senders of snapshots. None of them may be in the middle of a round."""
        for m in messages:
            driver = self._large(m.from_)
            if driver is not None:
                driver.report_snapshot(m.to, status)

    # -- running -------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Run the drivers by ascending id until a pass over all of them does nothing.

        Raises MembersFailed at the end if members have died.
        """
        self._drain()
        if self._fresh is not None:
            _raise([self])

    def _drain(self) -> None:
        self._calls += 1
        busy = True
        driver = None
        while busy:
            # One ``try`` covers all passes, because entering it costs as much as an idle member.
            try:
                while busy:
                    busy = False
                    if self._taken is not None:
                        taken, self._taken = self._taken, None
                        self._report(taken, SnapshotStatus.FINISH)
                        self._calls += 1
                    for driver in self._order:
                        # Skip a driver with an empty inbox if nothing could have changed its node since it was idle.
                        if driver._settled != self._calls or driver.inbox:
                            busy |= driver.run()
                    if self._taken is not None:
                        busy = True
            except Exception as error:
                if driver is None:
                    raise
                self._died(driver, error)
                busy = True

    def tick(self) -> bool:
        """Tick every node. Return whether there is anything to ``drain``. Raises MembersFailed if members have died."""
        self._tick()
        if self._fresh is not None:
            _raise([self])
        busy = False
        for driver in self._order:
            if driver.node.has_ready() or len(driver.inbox) > 0:
                busy = True
        return busy

    def _tick(self) -> None:
        if self._refused is not None:
            refused, self._refused = self._refused, None
            self._report(refused, SnapshotStatus.FAILURE)
        rest = self._order
        ticked = 0
        while ticked < len(rest):
            try:
                for driver in rest:
                    ticked += 1
                    driver.node.tick()
            except Exception as error:
                self._died(rest[ticked - 1], error)
                rest = rest[ticked:]
                ticked = 0


def _raise(groups: list[Loopback]) -> None:
    """Raise MembersFailed with the failures that were not raised yet."""
    failures = []
    for group in groups:
        fresh = group._take_fresh()
        if fresh is not None:
            failures.extend(fresh)
    if failures:
        raise MembersFailed(failures) from failures[0][2]


def tick_all(nodes: Iterable[RawNode]) -> list[RawNode]:
    """Tick many nodes in one call. Return the nodes that have a Ready now.

    Raises the error of a node that dies at once, without ticking the rest.
    """
    ready = []
    each = _checked(nodes, RawNode, "nodes")
    for node in each:
        node.tick()
        if node.has_ready():
            ready.append(node)
    return ready


def drain_all(groups: Iterable[Loopback]) -> None:
    """Drain many groups in one call. Raises MembersFailed at the end if members have died."""
    failed = False
    each = _checked(groups, Loopback, "groups")
    for group in each:
        group._drain()
        failed |= group._fresh is not None
    if failed:
        _raise(each)


def tick_groups(groups: Iterable[Loopback]) -> None:
    """Tick and drain many groups in one call, group by group, so that a group's memory is fetched once.

    Raises MembersFailed at the end if members have died.
    """
    failed = False
    each = _checked(groups, Loopback, "groups")
    for group in each:
        group._tick()
        group._drain()
        failed |= group._fresh is not None
    if failed:
        _raise(each)


def _checked(given: Iterable[Any], cls: type, name: str) -> list[Any]:
    """Return what is given as a list, itself if it is one. Raises TypeError for an item that is no ``cls``."""
    items = given if type(given) is list else list(given)
    for item in items:
        if type(item) is not cls:
            instance(item, cls, f"an item of {name}")
    return items


keep_whole(Loopback)
has_one_owner(Loopback)
