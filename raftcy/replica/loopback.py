"""Members of one process: drivers whose messages go straight into each other's inbox, and whole groups in one call.

Crossing from Python into the compiled core costs more than most of what the core does, so whoever drives thousands of
groups crosses once for all of them.

Rules:

- A member that dies takes nobody else down: it is left out from then on, the others go on, and the call that ran them
  raises MembersFailed at its end, once for each failure.
- What became of a snapshot is reported to its sender in every case, or the leader would never send anything to that
  peer again: FINISH once the receiver took it, FAILURE if it was refused or lost. A failure is reported at the sender's
  next tick: a leader that is answered at once sends the same snapshot at once, and a drain would never end.
"""

from typing import Any

from ..core.rawnode import RawNode
from ..errors import MembersFailed
from ..wire import consts as k
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message
from ..wire.whole import keep_whole
from .carrier import Carrier
from .driver import Driver

# Ids up to here are looked up by their place in a list, which is faster than a dict.
_SMALL_ID = 64


class Loopback(Carrier):
    """The members of one group: what one sends goes into the inbox of the other.

    Messages to an id that was not added are dropped. ``sent`` counts all messages; ``failures`` has what members have
    died of, by id. ``name`` is for the texts of errors.
    """

    __slots__ = ("_drivers", "_fresh", "_order", "_refused", "_small", "_taken", "failures", "name", "sent")
    name: str
    failures: dict[int, BaseException] | None
    sent: int

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name
        # None while it is empty: idle groups are to take no more than they must.
        self.failures = None
        # Failures that were not raised yet, as MembersFailed has them.
        self._fresh: list[Any] | None = None
        self._drivers: dict[int, Driver] = {}
        # Tuples: read without a lock where the interpreter has none.
        self._order: tuple[Driver, ...] = ()
        self._small: tuple[Driver | None, ...] = ()
        # Snapshots whose end is still to be reported to their senders: those that were taken, and those that were not.
        self._taken: list[Message] | None = None
        self._refused: list[Message] | None = None
        self.sent = 0

    def __repr__(self) -> str:
        return f"<Loopback {self.name!r} of {sorted(self._drivers)}>"

    # -- members -------------------------------------------------------------------------------------------------

    def add(self, node: RawNode, storage: Any, machine: Any = None, **options: Any) -> Driver:
        """A Driver for a node, reached by its id from now on; it replaces the member that has that id.

        ``options`` are those of Driver.
        """
        driver = Driver(node, storage, machine, **options)
        self.remove(driver.id)
        driver._carrier = self
        self._drivers[driver.id] = driver
        self._arrange()
        return driver

    def remove(self, id: int) -> Driver | None:
        """Take a member out, alive or dead; its driver, None for a stranger. What was sent to it is lost."""
        driver = self._drivers.pop(id, None)
        if self.failures is not None:
            self.failures.pop(id, None)
        if driver is not None:
            self._arrange()
            self._lost(driver.inbox)
            driver._carrier = None
        return driver

    def find(self, id: int) -> Driver | None:
        """The driver of a member, alive or dead; None for a stranger."""
        return self._drivers.get(id)

    def _arrange(self) -> None:
        alive = {id: driver for id, driver in self._drivers.items() if not self.failures or id not in self.failures}
        self._order = tuple([alive[id] for id in sorted(alive)])
        largest = max([id for id in alive if id <= _SMALL_ID], default=-1)
        self._small = tuple([alive.get(id) for id in range(largest + 1)])

    def _died(self, driver: Driver, error: BaseException) -> None:
        """Leave a member out from now on."""
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

    def route(self, messages: list[Message]) -> None:
        """Put messages into the inboxes of their receivers."""
        self._post(messages)

    def _carry(self, messages: list[Message]) -> None:
        self._post(messages)

    def _post(self, messages: list[Message]) -> None:
        self.sent += len(messages)
        for m in messages:
            driver = self._small[m.to] if m.to < len(self._small) else self._large(m.to)
            if driver is not None:
                driver.inbox.append(m)
            elif m._type == k.SNAP:
                self._ended(m, False)

    def _large(self, id: int) -> Driver | None:
        driver = self._drivers.get(id)
        return None if driver is None or (self.failures is not None and id in self.failures) else driver

    def _lost(self, messages: list[Message]) -> None:
        for m in messages:
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
        """Report to the senders of snapshots, none of which is in the middle of a round now."""
        for m in messages:
            driver = self._large(m.from_)
            if driver is not None:
                driver.report_snapshot(m.to, status)

    # -- running -------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Run the drivers, by ascending id, until a pass over all of them does nothing.

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
            # One handler for all passes: entering it costs as much as an idle member.
            try:
                while busy:
                    busy = False
                    if self._taken is not None:
                        taken, self._taken = self._taken, None
                        self._report(taken, SnapshotStatus.FINISH)
                        self._calls += 1
                    for driver in self._order:
                        # Skip it: its inbox is empty, and nothing has run since it was last idle.
                        if driver._settled != self._calls or len(driver.inbox) > 0:
                            busy |= driver.run()
                    if self._taken is not None:
                        busy = True
            except Exception as error:
                if driver is None:
                    raise
                self._died(driver, error)
                busy = True

    def tick(self) -> bool:
        """Tick every node; whether there is anything to ``drain`` now. Raises MembersFailed as ``drain`` does."""
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
    """Raise what members have died of since it was raised last."""
    failures = []
    for group in groups:
        fresh = group._take_fresh()
        if fresh is not None:
            failures.extend(fresh)
    if failures:
        raise MembersFailed(failures) from failures[0][2]


def tick_all(nodes: list[RawNode]) -> list[RawNode]:
    """Tick thousands of nodes in one call; returns those that have a Ready now: the others need no more.

    A node that dies is raised at once.
    """
    ready = []
    for node in nodes:
        node.tick()
        if node.has_ready():
            ready.append(node)
    return ready


def drain_all(groups: list[Loopback]) -> None:
    """Drain many groups in one call. Raises MembersFailed at the end if members have died."""
    failed = False
    for group in groups:
        group._drain()
        failed |= group._fresh is not None
    if failed:
        _raise(groups)


def tick_groups(groups: list[Loopback]) -> None:
    """Tick the nodes of each group and drain it, in one call, group by group: what a group needs is fetched once.

    Raises MembersFailed at the end if members have died.
    """
    failed = False
    for group in groups:
        group._tick()
        group._drain()
        failed |= group._fresh is not None
    if failed:
        _raise(groups)


keep_whole(Loopback)
