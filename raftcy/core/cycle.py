"""The whole round of a node in one call: step what came, store, send, apply, advance.

Crossing from Python into the compiled core costs more than most of what the core does, so whoever drives a node, or
thousands of them, crosses once a round. What happens is what the contract of Ready says (``rawnode``), in its order;
a loop written out by the application does the same.

``Cycle`` drives one node. ``Exchange`` carries messages between cycles of one process.
"""

from typing import Any

from .messages import Message
from .rawnode import RawNode, Ready
from .storage import MemoryStorage

# Up to here, looking at each cycle in turn is faster than a dict.
_FEW = 8


class Cycle:
    """Drives one RawNode without asynchronous storage writes.

    ``storage`` takes a whole Ready by ``save(ready)``, which must have it durable on return when ``ready.must_sync``;
    a storage without ``save`` is given ``set_hard_state``, ``apply_snapshot`` and ``append``. ``send`` is an Exchange,
    or called with each list of messages; ``apply`` is called with each Ready that has a snapshot, committed entries or
    read states, after it was stored; None for what is not wanted. ``inbox`` is a list of messages to step.
    """

    __slots__ = ("_apply", "_exchange", "_memory", "_save", "_send", "id", "inbox", "node", "storage")

    def __init__(self, node: RawNode, storage: Any, send: Any = None, apply: Any = None) -> None:
        self.node = node
        self.id = node.id
        self.storage = storage
        self._memory = storage if type(storage) is MemoryStorage else None
        self._save = getattr(storage, "save", None)
        self._exchange = send if isinstance(send, Exchange) else None
        self._send = None if isinstance(send, Exchange) else send
        self._apply = apply
        self.inbox: list[Message] = []

    def run(self) -> bool:
        """Step the inbox, then handle at most one Ready; False if there was neither.

        A message that the node refuses (StepError, ProposalDropped) is dropped, as one that was lost; what kills the
        node is raised.
        """
        busy = False
        inbox = self.inbox
        if len(inbox) > 0:
            busy = True
            self.inbox = []
            self.node.step_many(inbox)
        if self.node.has_ready():
            busy = True
            self.handle(self.node.ready())
        return busy

    def handle(self, rd: Ready) -> None:
        """Store, send and apply a Ready, and advance the node."""
        self._store(rd)
        messages = rd._messages
        if messages is not None:
            if self._exchange is not None:
                self._exchange.route(messages)
            elif self._send is not None:
                self._send(messages)
        if self._apply is not None and (
            rd._committed_entries is not None or rd.snapshot is not None or rd._read_states is not None
        ):
            self._apply(rd)
        self.node.advance()

    def _store(self, rd: Ready) -> None:
        if self._save is not None:
            self._save(rd)
            return
        if self._memory is not None:
            if rd.hard_state is not None:
                self._memory.set_hard_state(rd.hard_state)
            if rd.snapshot is not None:
                self._memory.apply_snapshot(rd.snapshot)
            if rd._entries is not None:
                self._memory.append(rd._entries)
            return
        if rd.hard_state is not None:
            self.storage.set_hard_state(rd.hard_state)
        if rd.snapshot is not None:
            self.storage.apply_snapshot(rd.snapshot)
        if len(rd.entries) > 0:
            self.storage.append(rd.entries)


class Exchange:
    """Nodes of one group in one process: what one sends goes into the inbox of the other.

    Messages to an id that was not added are dropped. ``sent`` counts all messages.
    """

    __slots__ = ("_cycles", "_order", "sent")

    def __init__(self) -> None:
        self._cycles: dict[int, Cycle] = {}
        self._order: list[Cycle] = []
        self.sent = 0

    def add(self, node: RawNode, storage: Any, apply: Any = None) -> Cycle:
        """A Cycle for a node, reached by its id from now on."""
        cycle = Cycle(node, storage, self, apply)
        self._cycles[node.id] = cycle
        self._order = [self._cycles[id] for id in sorted(self._cycles)]
        return cycle

    def route(self, messages: list[Message]) -> None:
        """Put messages into the inboxes of their receivers."""
        self.sent += len(messages)
        for m in messages:
            cycle = self.find(m.to)
            if cycle is not None:
                cycle.inbox.append(m)

    def find(self, id: int) -> Cycle | None:
        """The cycle of a node, None for a stranger."""
        if len(self._order) > _FEW:
            return self._cycles.get(id)
        for cycle in self._order:
            if cycle.id == id:
                return cycle
        return None

    def drain(self) -> None:
        """Run the cycles, by ascending id, until a pass over all of them does nothing."""
        busy = True
        while busy:
            busy = False
            for cycle in self._order:
                if cycle.run():
                    busy = True

    def tick(self) -> None:
        """Tick every node."""
        for cycle in self._order:
            cycle.node.tick()


def tick_all(nodes: list[RawNode]) -> None:
    """Tick thousands of nodes in one call."""
    for node in nodes:
        node.tick()


def drain_all(exchanges: list[Exchange]) -> None:
    """Drain many groups in one call."""
    for exchange in exchanges:
        exchange.drain()
