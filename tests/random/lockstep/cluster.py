"""A cluster in one build. Its events are plain data, so another build can run the same ones.

Messages in flight stay encoded. The outcome of an event and the state after it are plain data too.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tests.support.options import FLAGS

Event = tuple[Any, ...]


class Options:
    """How the nodes of a run are made, drawn once from the run's seed."""

    def __init__(self, rng: random.Random) -> None:
        self.voters = rng.choice([1, 2, 3, 3, 3, 4, 5])
        self.learners = rng.choice([0, 0, 0, 1])
        self.index = rng.choice([2, 10, 2**63 - 3])
        self.election_tick = rng.choice([2, 3, 10])
        self.max_size_per_msg = rng.choice([0, 40, 200, 2**64 - 1])
        self.max_committed_size_per_ready = rng.choice([20, 100, 2**64 - 1])
        self.max_uncommitted_entries_size = rng.choice([0, 0, 30])
        self.max_inflight_msgs = rng.choice([1, 2, 5, 256])
        self.max_inflight_bytes = 0 if self.max_size_per_msg > 1000 else rng.choice([0, self.max_size_per_msg or 10])
        self.flags = {name: rng.random() < 0.35 for name in FLAGS}
        self.lease = self.flags["check_quorum"] and rng.random() < 0.4
        self.seed = rng.randrange(2**32)


class Recorder:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def debug(self, text: str) -> None:
        self.lines.append("DEBUG " + text)

    def info(self, text: str) -> None:
        self.lines.append("INFO " + text)

    def warning(self, text: str) -> None:
        self.lines.append("WARN " + text)

    def error(self, text: str) -> None:
        self.lines.append("ERROR " + text)

    def critical(self, text: str) -> None:
        self.lines.append("FATAL " + text)


class Host:
    """A node with its storage and the work that its storage threads still have to do.

    If ``machine`` is not None, it gets the entries with data, and the snapshots.
    """

    # A loop of its own: the driver is held against it, and both builds take its steps in turn.
    machine: Any = None

    def __init__(self, raftcy: ModuleType, o: Options, id: int, log: Recorder) -> None:
        self.raftcy = raftcy
        self.id = id
        self.options = o
        self.log = log
        self.random = random.Random(f"{o.seed}/{id}")
        self.storage = raftcy.MemoryStorage()
        first = range(1, o.voters + 1)
        later = range(o.voters + 1, o.voters + o.learners + 1)
        members = raftcy.ConfState(voters=first, learners=later, auto_leave=False)
        metadata = raftcy.SnapshotMetadata(conf_state=members, index=o.index, term=1)
        self.storage.apply_snapshot(raftcy.Snapshot(data=b"start", metadata=metadata))
        self.members = members
        self.applied = o.index
        self.append_work: list[bytes] = []
        self.apply_work: list[bytes] = []
        self.start(o.index)

    def start(self, applied: int) -> None:
        self.append_work, self.apply_work = [], []
        self.node = self.make_node(self.config(self.storage, self.random, applied))

    def config(self, storage: Any, source: random.Random, applied: int = 0) -> Any:
        """A Config with the run's options."""
        r, o = self.raftcy, self.options
        return r.Config(
            id=self.id,
            election_tick=o.election_tick,
            heartbeat_tick=1,
            storage=storage,
            applied=applied,
            max_size_per_msg=o.max_size_per_msg,
            max_committed_size_per_ready=o.max_committed_size_per_ready,
            max_uncommitted_entries_size=o.max_uncommitted_entries_size,
            max_inflight_msgs=o.max_inflight_msgs,
            max_inflight_bytes=o.max_inflight_bytes,
            read_only_option=r.ReadOnlyOption.LEASE_BASED if o.lease else r.ReadOnlyOption.SAFE,
            logger=self.log,
            random=source,
            **o.flags,
        )

    def handle(self, rd: Any, send: Callable[[], None]) -> None:
        """Without storage threads: store, send, apply, advance."""
        self.save(rd)
        send()
        if rd.snapshot is not None:
            self.restore(rd.snapshot)
        self.apply(rd.committed_entries)
        self.node.advance()

    def save(self, rd: Any) -> None:
        """Store what a Ready holds."""
        self.store(rd.hard_state, rd.entries, rd.snapshot)

    def queue(self, rd: Any, sent: list[bytes]) -> list[bytes]:
        """Queue the storage threads' messages of a Ready; returns the others. ``sent`` gets all of them as bytes."""
        others = []
        for m, data in zip(rd.messages, sent, strict=True):
            if m.to == self.raftcy.LOCAL_APPEND_THREAD:
                self.append_work.append(data)
            elif m.to == self.raftcy.LOCAL_APPLY_THREAD:
                self.apply_work.append(data)
            else:
                others.append(data)
        return others

    def append_oldest(self) -> Any:
        """Do the oldest work of the thread that appends; returns the message that asked for it."""
        m = self.raftcy.Message.decode(self.append_work.pop(0))
        snapshot = m.snapshot
        if snapshot is not None and snapshot.metadata.index <= self.storage.snapshot().metadata.index:
            snapshot = None
        self.store(m.hard_state(), m.entries, snapshot)
        if snapshot is not None:
            self.restore(snapshot)
        return m

    def apply_oldest(self) -> Any:
        """Do the oldest work of the thread that applies; returns the message that asked for it."""
        m = self.raftcy.Message.decode(self.apply_work.pop(0))
        self.apply(m.entries)
        return m

    def store(self, state: Any, entries: list[Any], snapshot: Any) -> None:
        if state is not None:
            self.storage.set_hard_state(state)
        if snapshot is not None:
            self.storage.apply_snapshot(snapshot)
        self.storage.append(entries)

    def restore(self, snapshot: Any) -> None:
        self.members = snapshot.metadata.conf_state
        self.applied = snapshot.metadata.index
        if self.machine is not None:
            self.machine.restore(snapshot)

    def apply(self, entries: list[Any]) -> None:
        """Apply committed entries: put configuration changes in force, and give the rest to the machine."""
        r = self.raftcy
        for e in entries:
            if e.type == r.EntryType.NORMAL and e.data and self.machine is not None:
                self.machine.apply([e])
            self.applied = max(self.applied, e.index)
            # A changed byte can give an entry any type.
            if e.type not in (r.EntryType.CONF_CHANGE, r.EntryType.CONF_CHANGE_V2):
                continue
            change = r.decode_change(e)
            try:
                self.members = self.node.apply_conf_change(change)
            except r.ConfChangeError as error:
                self.log.info(f"refused: {error}")

    def make_node(self, config: Any) -> Any:
        """Make the state machine. Subclasses override this to run another one."""
        return self.raftcy.RawNode(config)

    def dump(self) -> tuple[Any, ...]:
        """Everything observable about the node, read without changing it."""
        raft = self.node.raft
        log, unstable = raft.log, raft.log.unstable
        return (
            (raft.id, raft.term, raft.vote, raft.lead, raft.state, raft.lead_transferee, raft.pending_conf_index),
            (raft.election_elapsed, raft.heartbeat_elapsed, raft.randomized_election_timeout, raft.uncommitted_size),
            (log.committed, log.applying, log.applied, log.applying_size, log.applying_paused),
            (unstable.offset, unstable.offset_in_progress, unstable.snapshot_in_progress),
            b"|".join(e.encode() for e in unstable.entries),
            unstable.snapshot.encode() if unstable.snapshot is not None else None,
            tuple(m.encode() for m in raft.outbox.msgs),
            tuple(m.encode() for m in raft.outbox.msgs_after_append),
            tuple(repr(s) for s in raft.outbox.read_states),
            tuple(m.encode() for m in raft.read_only.pending),
            (raft.read_only.confirmed, tuple(raft.read_only.acks.items()), tuple(raft.read_only.indexes)),
            str(raft.tracker.config),
            tuple((p.id, str(p), p.sent_commit, tuple(p.inflights.window())) for p in raft.tracker.peers()),
            tuple(sorted(raft.tracker.votes.items())),
            (self.storage.first_index(), self.storage.last_index(), self.applied),
            raft.refused_reason,
        )


class Cluster:
    """The hosts of a run and the messages between them."""

    host_class: type[Host] = Host

    def __init__(self, raftcy: ModuleType, o: Options) -> None:
        self.raftcy = raftcy
        self.log = Recorder()
        self.hosts = {id: self.host_class(raftcy, o, id, self.log) for id in range(1, o.voters + o.learners + 2)}
        self.flight: list[bytes] = []

    def run(self, event: Event) -> tuple[Any, ...]:
        """Run an event; returns its outcome, the log lines, and the node's state afterwards."""
        self.log.lines = []
        host = self.hosts[event[1]]
        handler: Callable[..., Any] = getattr(self, "on_" + event[0])
        try:
            outcome = handler(host, *event[2:])
        except self.raftcy.RaftError as error:
            outcome = (type(error).__name__, str(error), getattr(error, "reason", None))
        return outcome, tuple(self.log.lines), host.dump(), len(self.flight)

    # -- input ---------------------------------------------------------------------------------------------------

    def on_tick(self, host: Host, times: int) -> None:
        for _ in range(times):
            host.node.tick()

    def on_campaign(self, host: Host) -> None:
        host.node.campaign()

    def on_propose(self, host: Host, data: bytes | None) -> None:
        host.node.propose(data)

    def on_change(self, host: Host, transition: int | None, text: str, v1: bool) -> Any:
        r = self.raftcy
        changes = r.conf_changes_from_string(text)
        if v1 and len(changes) == 1:
            return host.node.propose_conf_change_checked(
                r.ConfChange(type=changes[0].type, node_id=changes[0].node_id, context=b"v1")
            )
        return host.node.propose_conf_change_checked(r.ConfChangeV2(transition=transition, changes=changes))

    def on_leave(self, host: Host) -> Any:
        return host.node.propose_conf_change_checked(None)

    def on_read(self, host: Host, context: bytes) -> None:
        host.node.read_index(context)

    def on_transfer(self, host: Host, to: int) -> None:
        host.node.transfer_leader(to)

    def on_forget(self, host: Host) -> None:
        host.node.forget_leader()

    def on_unreachable(self, host: Host, id: int) -> None:
        host.node.report_unreachable(id)

    def on_snapshot_report(self, host: Host, id: int, status: int) -> None:
        host.node.report_snapshot(id, status)

    def on_status(self, host: Host) -> tuple[str, str]:
        return str(host.node.status()), repr(host.node.basic_status())

    # -- the network ---------------------------------------------------------------------------------------------

    def on_deliver(self, host: Host, place: int, keep: bool, flip: tuple[int, int] | None) -> Any:
        """Deliver a message in flight. It may stay in flight (a duplicate), and one of its bytes may be changed."""
        data = self.flight[place] if keep else self.flight.pop(place)
        if flip is not None and data:
            changed = bytearray(data)
            changed[flip[0] % len(data)] ^= flip[1]
            data = bytes(changed)
        message = self.raftcy.Message.decode(data)
        refused = self.raftcy.refuse_from_network(message) if flip is not None else None
        if refused is None:
            host.node.step(message)
        return refused, repr(message), message.encode()

    def on_drop(self, host: Host, place: int) -> None:
        self.flight.pop(place)

    # -- Ready ---------------------------------------------------------------------------------------------------

    def on_ready(self, host: Host) -> Any:
        """Take a Ready; without storage threads also handle it completely."""
        if not host.node.has_ready():
            return None
        rd = host.node.ready()
        told = (self.raftcy.describe_ready(rd), rd.must_sync, rd.applied_cursor(), rd.contains_updates())
        sent = [m.encode() for m in rd.messages]
        if host.options.flags["async_storage_writes"]:
            self.flight += host.queue(rd, sent)
        else:
            host.handle(rd, lambda: self.flight.extend(sent))
        return told, sent

    def on_append_thread(self, host: Host) -> Any:
        return self.respond(host, host.append_oldest()) if host.append_work else None

    def on_apply_thread(self, host: Host) -> Any:
        return self.respond(host, host.apply_oldest()) if host.apply_work else None

    def respond(self, host: Host, m: Any) -> list[bytes]:
        told = []
        for response in m.responses:
            told.append(response.encode())
            if response.to == host.id:
                host.node.step(response)
            else:
                self.flight.append(response.encode())
        return told

    def on_compact(self, host: Host, keep: int) -> Any:
        """Make a snapshot up to the applied index, and compact to a little before it."""
        at = min(host.applied, host.node.raft.log.applied, host.storage.last_index())
        if at <= host.storage.snapshot().metadata.index:
            return None
        snapshot = host.storage.create_snapshot(at, host.members, b"snapshot %d" % at)
        if at - keep >= host.storage.first_index():
            host.storage.compact(at - keep)
        return snapshot.encode()

    def on_restart(self, host: Host) -> None:
        """Restart from storage; messages in flight stay."""
        host.start(0)
        host.applied = max(host.storage.first_index() - 1, host.node.raft.log.applied)
