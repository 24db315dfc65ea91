"""Groups of nodes that are driven to rest after each event: by a loop written out, or by the package's own cycle.

Each kind of group takes the same events, and must send, apply and log the same and end in the same state.
"""

from __future__ import annotations

import contextlib
import random
from types import ModuleType
from typing import Any

from .cluster import Host, Options, Recorder

Event = tuple[Any, ...]

WEIGHTS = {
    "propose": 30,
    "tick": 14,
    "turn": 6,
    "read": 8,
    "campaign": 4,
    "change": 4,
    "transfer": 3,
    "compact": 4,
    "cut": 3,
}


class Wrapped:
    """A storage with no ``save``, which is neither a MemoryStorage nor one of its subclasses."""

    def __init__(self, storage: Any) -> None:
        for name in ("initial_state", "entries", "term", "first_index", "last_index", "snapshot"):
            setattr(self, name, getattr(storage, name))
        for name in ("set_hard_state", "apply_snapshot", "append", "create_snapshot", "compact"):
            setattr(self, name, getattr(storage, name))


def saving(raftcy: ModuleType) -> Any:
    """A MemoryStorage with a ``save`` of its own, which counts its calls."""

    class Saving(raftcy.MemoryStorage):  # type: ignore[misc, name-defined]
        saved = 0

        def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
            self.saved += 1
            super().save(hard_state, entries, snapshot)

    return Saving()


class Group:
    """Nodes that are driven by a loop written out, one message and one Ready at a time."""

    def __init__(self, raftcy: ModuleType, o: Options, storage: str = "memory") -> None:
        self.raftcy = raftcy
        self.log = Recorder()
        self.applied: list[tuple[int, str]] = []
        self.sent = 0
        self.cut = 0
        self.hosts: dict[int, Host] = {}
        for id in range(1, o.voters + o.learners + 2):
            host = Host(raftcy, o, id, self.log)
            if storage == "saving":
                given = saving(raftcy)
                given.apply_snapshot(host.storage.snapshot())
                host.storage = given
            elif storage == "wrapped":
                host.storage = Wrapped(host.storage)
            host.random = random.Random(f"{o.seed}/{id}")
            host.start(o.index)
            self.hosts[id] = host
        self.inboxes: dict[int, list[Any]] = {id: [] for id in self.hosts}

    def drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for id, host in self.hosts.items():
                inbox, self.inboxes[id] = self.inboxes[id], []
                for m in inbox:
                    busy = True
                    with contextlib.suppress(self.raftcy.StepError, self.raftcy.ProposalDropped):
                        host.node.step(m)
                if host.node.has_ready():
                    busy = True
                    self.handle(host, host.node.ready())

    def store(self, host: Host, rd: Any) -> None:
        if rd.hard_state is not None:
            host.storage.set_hard_state(rd.hard_state)
        if rd.snapshot is not None:
            host.storage.apply_snapshot(rd.snapshot)
        host.storage.append(rd.entries)

    def handle(self, host: Host, rd: Any) -> None:
        self.store(host, rd)
        self.deliver(rd.messages)
        if rd.committed_entries or rd.snapshot is not None or rd.read_states:
            self.apply(host, rd)
        host.node.advance()

    def deliver(self, messages: list[Any]) -> None:
        self.sent += len(messages)
        for m in messages:
            if m.to in self.inboxes:
                self.inboxes[m.to].append(m)

    def apply(self, host: Host, rd: Any) -> None:
        self.applied.append((host.id, self.raftcy.describe_ready(rd)))
        if rd.snapshot is not None:
            host.members = rd.snapshot.metadata.conf_state
            host.applied = rd.snapshot.metadata.index
        host.apply(rd.committed_entries)
        for state in rd.read_states:
            if state.request_ctx[:1] == b"?":
                # An application may call any node, also one that has nothing to do just then.
                with contextlib.suppress(self.raftcy.ProposalDropped):
                    self.hosts[state.request_ctx[1]].node.propose(b"answer")

    # -- events --------------------------------------------------------------------------------------------------

    def run(self, event: Event) -> tuple[Any, ...]:
        """Do what an event says and come to rest; everything that can be told afterwards."""
        self.log.lines = []
        self.applied.clear()
        host = self.hosts[event[1]]
        outcome = None
        try:
            getattr(self, "on_" + event[0])(host, *event[2:])
        except self.raftcy.RaftError as error:
            outcome = (type(error).__name__, str(error))
        self.drain()
        states = tuple(each.dump() for each in self.hosts.values())
        return outcome, self.sent, tuple(self.applied), tuple(self.log.lines), states

    def on_propose(self, host: Host, datas: list[bytes]) -> None:
        for data in datas:
            host.node.propose(data)

    def on_tick(self, host: Host, times: int) -> None:
        for _ in range(times):
            for each in self.hosts.values():
                each.node.tick()

    def on_turn(self, host: Host, times: int) -> None:
        for _ in range(times):
            self.on_tick(host, 1)
            self.drain()

    def on_read(self, host: Host, context: bytes) -> None:
        host.node.read_index(context)

    def on_campaign(self, host: Host) -> None:
        host.node.campaign()

    def on_change(self, host: Host, text: str) -> None:
        changes = self.raftcy.conf_changes_from_string(text)
        host.node.propose_conf_change(self.raftcy.ConfChangeV2(changes=changes))

    def on_transfer(self, host: Host, to: int) -> None:
        host.node.transfer_leader(to)

    def on_compact(self, host: Host) -> None:
        at = min(host.applied, host.node.raft.log.applied, host.storage.last_index())
        if at > host.storage.snapshot().metadata.index:
            host.storage.create_snapshot(at, host.members, b"snapshot %d" % at)
            if at >= host.storage.first_index():
                host.storage.compact(at)

    def on_cut(self, host: Host) -> None:
        """Something for a node that has to be refused, or dropped."""
        m = self.raftcy.Message
        kind = self.raftcy.MessageType
        self.deliver([m(type=kind.MSG_APP_RESP, to=host.id, from_=77, term=1, index=1)])
        self.deliver([m(type=kind.MSG_HUP, to=host.id), m(type=kind.MSG_PROP, to=host.id, from_=77)])
        self.deliver([m(type=kind.MSG_HEARTBEAT_RESP, to=78, from_=host.id)])


class ShortGroup(Group):
    """The same, by the calls that do more at once."""

    def drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for id, host in self.hosts.items():
                inbox, self.inboxes[id] = self.inboxes[id], []
                host.node.step_many(inbox)
                messages = host.node.take_messages()
                busy |= bool(inbox) or messages is not None
                if messages:
                    self.deliver(messages)
                elif messages is not None:
                    self.handle(host, host.node.ready())

    def store(self, host: Host, rd: Any) -> None:
        if hasattr(host.storage, "save"):
            self.raftcy.save_ready(host.storage, rd)
        else:
            super().store(host, rd)


class ExchangeGroup(Group):
    """The same, driven by an Exchange."""

    def __init__(self, raftcy: ModuleType, o: Options, storage: str = "memory") -> None:
        super().__init__(raftcy, o, storage)
        self.exchange = raftcy.Exchange()
        for host in self.hosts.values():
            self.exchange.add(host.node, host.storage, lambda rd, host=host: self.apply(host, rd))

    def drain(self) -> None:
        self.raftcy.drain_all([self.exchange])
        self.sent = self.exchange.sent

    def deliver(self, messages: list[Any]) -> None:
        self.exchange.route(messages)

    def on_tick(self, host: Host, times: int) -> None:
        for _ in range(times):
            self.exchange.tick()

    def on_turn(self, host: Host, times: int) -> None:
        for _ in range(times):
            self.raftcy.tick_groups([self.exchange])


class CycleGroup(Group):
    """The same, driven by cycles whose messages are carried by the test."""

    def __init__(self, raftcy: ModuleType, o: Options, storage: str = "memory") -> None:
        super().__init__(raftcy, o, storage)
        self.cycles = {
            id: raftcy.Cycle(host.node, host.storage, self.deliver, lambda rd, host=host: self.apply(host, rd))
            for id, host in self.hosts.items()
        }

    def drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for cycle in self.cycles.values():
                busy |= cycle.run()

    def deliver(self, messages: list[Any]) -> None:
        self.sent += len(messages)
        for m in messages:
            if m.to in self.cycles:
                self.cycles[m.to].inbox.append(m)

    def on_tick(self, host: Host, times: int) -> None:
        for _ in range(times):
            busy = self.raftcy.tick_all([each.node for each in self.hosts.values()])
            assert [node.id for node in busy] == [id for id, each in self.hosts.items() if each.node.has_ready()]


def draw(rng: random.Random, ids: list[int], o: Options) -> Event:
    """The next event."""
    kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    id = rng.choice(ids)
    if kind == "propose":
        return kind, id, [b"x" * rng.randrange(40) for _ in range(rng.choice([1, 1, 2, 9]))]
    if kind in ("tick", "turn"):
        return kind, id, rng.choice([1, 1, o.election_tick, 2 * o.election_tick])
    if kind == "read":
        return kind, id, rng.choice([b"r0", b"r1", b"?" + bytes([rng.choice(ids)])])
    if kind == "change":
        steps = rng.choice([1, 1, 2])
        return kind, id, " ".join(rng.choice("vvlr") + str(rng.choice(ids)) for _ in range(steps))
    if kind == "transfer":
        return kind, id, rng.choice(ids)
    return kind, id
