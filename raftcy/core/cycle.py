"""The whole round of a node in one call: step what came, store, send, apply, advance.

Crossing from Python into the compiled core costs more than most of what the core does, so whoever drives a node, or
thousands of them, crosses once a round. What happens is what the contract of Ready says (``rawnode``), in its order;
a loop written out by the application does the same.

``Cycle`` drives one node. ``Exchange`` carries messages between cycles of one process.
"""

from typing import Any

from ..wire import consts as k
from ..wire.messages import Message
from .rawnode import RawNode
from .ready import Ready
from .storage import MemoryStorage

# Ids up to here are looked up by their place in a list, which is faster than a dict.
_SMALL_ID = 64


class Cycle:
    """Drives one RawNode without asynchronous storage writes.

    ``storage`` takes a whole Ready by ``save(ready)``, as MemoryStorage does, and must have it durable on return when
    ``ready.must_sync``; one without ``save`` is given ``set_hard_state``, ``apply_snapshot`` and ``append``. ``send``
    is an Exchange, or called with each list of messages; ``apply`` is called with each Ready that has a snapshot,
    committed entries or read states, after it was stored; None for what is not wanted. ``inbox`` is a list of messages
    to step.
    """

    __slots__ = (
        "_apply",
        "_exchange",
        "_memory",
        "_save",
        "_send",
        "_settled",
        "id",
        "inbox",
        "node",
        "storage",
    )
    id: int
    node: RawNode
    storage: Any

    def __init__(self, node: RawNode, storage: Any, send: Any = None, apply: Any = None) -> None:
        self.node = node
        self.id = node.id
        self.storage = storage
        self._memory = storage if type(storage) is MemoryStorage else None
        self._save = None if type(storage) is MemoryStorage else getattr(storage, "save", None)
        self._exchange = send if isinstance(send, Exchange) else None
        self._send = None if isinstance(send, Exchange) else send
        self._apply = apply
        # The exchange's count of calls when the node had no news; 0 while it may have some.
        self._settled = 0
        self.inbox: list[Message] = []

    def run(self) -> bool:
        """Step the inbox, then handle at most one Ready; False if there was neither.

        A message that the node refuses (StepError, ProposalDropped) is dropped, as one that was lost; what kills the
        node is raised.
        """
        node = self.node
        inbox = self.inbox
        busy = len(inbox) > 0
        if busy:
            self.inbox = []
            node._step_all(inbox, None)
        what = node.pending_work()
        self._settled = self._exchange._calls if self._exchange is not None and what != k.MORE else 0
        if what == k.NOTHING:
            return busy
        if what == k.MESSAGES:
            messages = node.raft.outbox.take_messages()
            if messages:
                self._deliver(messages)
                return True
        self.handle(node.ready())
        return True

    def handle(self, rd: Ready) -> None:
        """Store, send and apply a Ready, and advance the node."""
        self._store(rd)
        if rd._messages is not None:
            self._deliver(rd._messages)
        if self._apply is not None and (
            rd._committed_entries is not None or rd.snapshot is not None or rd._read_states is not None
        ):
            self._apply(rd)
            self._called()
        self.node.advance()

    def _called(self) -> None:
        """Python code has run, which may have called any node."""
        if self._exchange is not None:
            self._exchange._calls += 1

    def _deliver(self, messages: list[Message]) -> None:
        if self._exchange is not None:
            self._exchange.route(messages)
        elif self._send is not None:
            self._send(messages)

    def _store(self, rd: Ready) -> None:
        if self._memory is not None:
            self._memory.save(rd)
            return
        self._called()
        if self._save is not None:
            self._save(rd)
            return
        if rd.hard_state is not None:
            self.storage.set_hard_state(rd.hard_state)
        if rd.snapshot is not None:
            self.storage.apply_snapshot(rd.snapshot)
        if rd._entries is not None:
            self.storage.append(rd._entries)


class Exchange:
    """Nodes of one group in one process: what one sends goes into the inbox of the other.

    Messages to an id that was not added are dropped. ``sent`` counts all messages.
    """

    __slots__ = ("_calls", "_cycles", "_order", "_small", "sent")
    sent: int

    def __init__(self) -> None:
        self._cycles: dict[int, Cycle] = {}
        # Tuples: read without a lock where the interpreter has none.
        self._order: tuple[Cycle, ...] = ()
        self._small: tuple[Cycle | None, ...] = ()
        # Counts whatever may have changed a node behind its cycle's back: calls of applications, times between drains.
        self._calls = 0
        self.sent = 0

    def add(self, node: RawNode, storage: Any, apply: Any = None) -> Cycle:
        """A Cycle for a node, reached by its id from now on."""
        cycle = Cycle(node, storage, self, apply)
        self._cycles[node.id] = cycle
        self._order = tuple([self._cycles[id] for id in sorted(self._cycles)])
        largest = max([id for id in self._cycles if id <= _SMALL_ID], default=-1)
        self._small = tuple([self._cycles.get(id) for id in range(largest + 1)])
        return cycle

    def route(self, messages: list[Message]) -> None:
        """Put messages into the inboxes of their receivers."""
        self.sent += len(messages)
        for m in messages:
            cycle = self._small[m.to] if m.to < len(self._small) else self.find(m.to)
            if cycle is not None:
                cycle.inbox.append(m)

    def find(self, id: int) -> Cycle | None:
        """The cycle of a node, None for a stranger."""
        return self._cycles.get(id)

    def drain(self) -> None:
        """Run the cycles, by ascending id, until a pass over all of them does nothing."""
        self._calls += 1
        busy = True
        while busy:
            busy = False
            for cycle in self._order:
                # Without a message, and nothing called since it had nothing to say, it has nothing to say.
                if cycle._settled != self._calls or len(cycle.inbox) > 0:
                    busy |= cycle.run()

    def tick(self) -> bool:
        """Tick every node; whether there is anything to ``drain`` now."""
        busy = False
        for cycle in self._order:
            cycle.node.tick()
            if cycle.node.has_ready() or len(cycle.inbox) > 0:
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


def drain_all(exchanges: list[Exchange]) -> None:
    """Drain many groups in one call."""
    for exchange in exchanges:
        exchange.drain()


def tick_groups(exchanges: list[Exchange]) -> None:
    """Tick the nodes of each group and drain it, in one call, group by group: what a group needs is fetched once."""
    for exchange in exchanges:
        for cycle in exchange._order:
            cycle.node.tick()
        exchange.drain()
