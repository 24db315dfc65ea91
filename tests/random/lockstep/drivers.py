"""Groups of nodes that run until idle after each event, by a hand-written loop or by the package's driver.

Every kind of group takes the same events. All must send, apply and log the same, and end in the same state.
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
    """A LogStorage that is neither a MemoryStorage nor one of its subclasses."""

    def __init__(self, storage: Any) -> None:
        for name in ("initial_state", "entries", "term", "first_index", "last_index", "snapshot"):
            setattr(self, name, getattr(storage, name))
        for name in ("save", "sync", "create_snapshot", "compact", "close"):
            setattr(self, name, getattr(storage, name))


def saving(raftcy: ModuleType) -> Any:
    """A MemoryStorage with a ``save`` of its own, which counts its calls."""

    class Saving(raftcy.MemoryStorage):  # type: ignore[misc, name-defined]
        saved = 0

        def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
            self.saved += 1
            super().save(hard_state, entries, snapshot)

    return Saving()


class Machine:
    """Notes applied entries. An entry that begins with a question mark makes it propose through any node."""

    def __init__(self, group: Group, host: Host) -> None:
        self.group = group
        self.host = host

    def apply(self, entries: list[Any]) -> None:
        for e in entries:
            self.group.applied.append((self.host.id, self.group.raftcy.describe_entry(e)))
            if e.data[:1] == b"?":
                # An application may call any node, also one that is idle.
                with contextlib.suppress(self.group.raftcy.ProposalDropped):
                    self.group.hosts[e.data[1]].node.propose(b"answer")

    def restore(self, snapshot: Any) -> None:
        self.group.applied.append((self.host.id, self.group.raftcy.describe_snapshot(snapshot)))


class Group:
    """Nodes run by the hand-written loop in Host, one message and one Ready at a time.

    With ``reports`` it reports the fate of snapshots to their senders, as a Loopback does.
    """

    host_class: type[Host] = Host

    def __init__(self, raftcy: ModuleType, o: Options, storage: str = "memory", reports: bool = False) -> None:
        self.reports = reports
        self.snapshots: dict[bool, list[Any]] = {True: [], False: []}
        self.raftcy = raftcy
        self.log = Recorder()
        self.applied: list[tuple[int, str]] = []
        self.reads: list[tuple[int, int, bytes]] = []
        self.waiting: list[tuple[int, int, bytes]] = []
        self.sent = 0
        self.cut = 0
        self.hosts: dict[int, Host] = {}
        for id in range(1, o.voters + o.learners + 2):
            host = self.host_class(raftcy, o, id, self.log)
            if storage == "saving":
                given = saving(raftcy)
                given.apply_snapshot(host.storage.snapshot())
                host.storage = given
            elif storage == "wrapped":
                host.storage = Wrapped(host.storage)
            host.random = random.Random(f"{o.seed}/{id}")
            host.start(o.index)
            host.machine = Machine(self, host)
            self.hosts[id] = host
        self.inboxes: dict[int, list[Any]] = {id: [] for id in self.hosts}

    def drain(self) -> None:
        busy = True
        while busy:
            busy = False
            self.report(True)
            for id, host in self.hosts.items():
                inbox, self.inboxes[id] = self.inboxes[id], []
                for m in inbox:
                    busy = True
                    self.step(host, m)
                if host.node.has_ready():
                    busy = True
                    self.handle(host, host.node.ready())

    def step(self, host: Host, m: Any) -> None:
        log = host.node.raft.log
        with contextlib.suppress(self.raftcy.StepError, self.raftcy.ProposalDropped):
            host.node.step(m)
        if m.type == self.raftcy.MessageType.MSG_SNAP:
            index = m.snapshot.metadata.index
            self.snapshots[log.unstable.snapshot is m.snapshot or log.committed >= index].append(m)

    def report(self, taken: bool) -> None:
        """Report the snapshots that were delivered, or the ones that were lost."""
        messages, self.snapshots[taken] = self.snapshots[taken], []
        status = self.raftcy.SnapshotStatus
        for m in messages if self.reports else ():
            self.hosts[m.from_].node.report_snapshot(m.to, status.FINISH if taken else status.FAILURE)

    def handle(self, host: Host, rd: Any) -> None:
        self.waiting += [(host.id, state.index, state.request_ctx) for state in rd.read_states]
        host.handle(rd, lambda: self.deliver(rd.messages))

    def deliver(self, messages: list[Any]) -> None:
        self.sent += len(messages)
        for m in messages:
            if m.to in self.inboxes:
                self.inboxes[m.to].append(m)
            elif m.type == self.raftcy.MessageType.MSG_SNAP:
                self.snapshots[False].append(m)

    def settled(self) -> None:
        """Nothing is left to do, so answer the reads whose index is applied."""
        self.reads += [read for read in self.waiting if read[1] <= self.hosts[read[0]].applied]
        self.waiting = [read for read in self.waiting if read[1] > self.hosts[read[0]].applied]

    # -- events --------------------------------------------------------------------------------------------------

    def run(self, event: Event) -> tuple[Any, ...]:
        """Run an event until all nodes are idle; returns everything observable afterwards."""
        self.log.lines = []
        self.applied.clear()
        self.reads.clear()
        host = self.hosts[event[1]]
        outcome = None
        try:
            getattr(self, "on_" + event[0])(host, *event[2:])
        except self.raftcy.RaftError as error:
            outcome = (type(error).__name__, str(error))
        self.drain()
        self.settled()
        states = tuple(each.dump() for each in self.hosts.values())
        return outcome, self.sent, tuple(self.applied), tuple(sorted(self.reads)), tuple(self.log.lines), states

    def on_propose(self, host: Host, datas: list[bytes]) -> None:
        for data in datas:
            host.node.propose(data)

    def on_tick(self, host: Host, times: int) -> None:
        for _ in range(times):
            self.report(False)
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
        """Send a node something that it has to refuse or drop."""
        m = self.raftcy.Message
        kind = self.raftcy.MessageType
        self.deliver([m(type=kind.MSG_APP_RESP, to=host.id, from_=77, term=1, index=1)])
        self.deliver([m(type=kind.MSG_HUP, to=host.id), m(type=kind.MSG_PROP, to=host.id, from_=77)])
        self.deliver([m(type=kind.MSG_HEARTBEAT_RESP, to=78, from_=host.id)])


class ShortHost(Host):
    """A host that stores a whole Ready in one call."""

    def save(self, rd: Any) -> None:
        self.raftcy.save_ready(self.storage, rd)


class ShortGroup(Group):
    """The same, through the calls that do more at once."""

    host_class = ShortHost

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


class Driven(Group):
    """The same, with a Driver for each node; subclasses say how the drivers run.

    ``guard_reads`` is off, because it drops forwarded reads that the hand-written loop steps.
    """

    def driver(self, host: Host) -> Any:
        raise NotImplementedError

    def settled(self) -> None:
        for host in self.hosts.values():
            driver = self.driver(host)
            host.applied, host.members = driver.applied, driver.members
            self.reads += [(host.id, state.index, state.request_ctx) for state in driver.take_reads()]


class LoopbackGroup(Driven):
    """A Loopback runs all nodes and carries their messages."""

    def __init__(self, raftcy: ModuleType, o: Options, storage: str = "memory") -> None:
        super().__init__(raftcy, o, storage)
        self.loopback = raftcy.Loopback()
        for host in self.hosts.values():
            self.loopback.add(host.node, host.storage, host.machine, guard_reads=False, guard_offers=False)

    def driver(self, host: Host) -> Any:
        return self.loopback.find(host.id)

    def drain(self) -> None:
        self.raftcy.drain_all([self.loopback])
        self.sent = self.loopback.sent

    def deliver(self, messages: list[Any]) -> None:
        self.loopback.route(messages)

    def on_tick(self, host: Host, times: int) -> None:
        for _ in range(times):
            self.loopback.tick()

    def on_turn(self, host: Host, times: int) -> None:
        for _ in range(times):
            self.raftcy.tick_groups([self.loopback])


class RunGroup(Driven):
    """Each driver runs through ``run``; the test carries the messages."""

    def __init__(self, raftcy: ModuleType, o: Options, storage: str = "memory") -> None:
        super().__init__(raftcy, o, storage)
        self.drivers = {
            id: raftcy.Driver(
                host.node, host.storage, host.machine, self.deliver, guard_reads=False, guard_offers=False
            )
            for id, host in self.hosts.items()
        }

    def driver(self, host: Host) -> Any:
        return self.drivers[host.id]

    def drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for driver in self.drivers.values():
                busy |= driver.run()

    def deliver(self, messages: list[Any]) -> None:
        self.sent += len(messages)
        for m in messages:
            if m.to in self.drivers:
                self.drivers[m.to].inbox.append(m)

    def on_tick(self, host: Host, times: int) -> None:
        for _ in range(times):
            busy = self.raftcy.tick_all([each.node for each in self.hosts.values()])
            assert [node.id for node in busy] == [id for id, each in self.hosts.items() if each.node.has_ready()]


class StepsGroup(RunGroup):
    """Each driver runs step by step, as in the simulator."""

    def drain(self) -> None:
        busy = True
        while busy:
            busy = False
            for id, driver in self.drivers.items():
                inbox, driver.inbox = driver.inbox, []
                for m in inbox:
                    driver.step(m)
                work = driver.poll()
                busy |= bool(inbox) or work is not None
                if work is not None:
                    self.work(self.hosts[id], driver, work)

    def work(self, host: Host, driver: Any, work: Any) -> None:
        self.deliver(work.messages)
        write = work.write
        if write is not None:
            host.storage.save(write.hard_state, write.entries, write.snapshot)
            self.deliver(driver.stored(write))
        machine = host.machine
        while (batch := driver.next_batch()) is not None:
            assert driver.next_batch() is None
            if batch.snapshot is not None:
                machine.restore(batch.snapshot)
            for e in batch.entries:
                if e.type != self.raftcy.EntryType.NORMAL:
                    driver.change(e)
                elif e.data:
                    machine.apply([e])
            driver.finish(batch)


def draw(rng: random.Random, ids: list[int], o: Options) -> Event:
    """The next event."""
    kind = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    id = rng.choice(ids)
    if kind == "propose":
        if rng.random() < 0.1:
            return kind, id, [b"?" + bytes([rng.choice(ids)])]
        return kind, id, [b"x" * rng.randrange(40) for _ in range(rng.choice([1, 1, 2, 9]))]
    if kind in ("tick", "turn"):
        return kind, id, rng.choice([1, 1, o.election_tick, 2 * o.election_tick])
    if kind == "read":
        return kind, id, rng.choice([b"r0", b"r1"])
    if kind == "change":
        steps = rng.choice([1, 1, 2])
        return kind, id, " ".join(rng.choice("vvlr") + str(rng.choice(ids)) for _ in range(steps))
    if kind == "transfer":
        return kind, id, rng.choice(ids)
    return kind, id
