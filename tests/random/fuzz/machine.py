"""A node of one build under hostile input: its storage, its application, and the rules that hold for any input."""

import random
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from tests.support.state import dump_raft, dump_storage

# The fields that a refused proposal may change: etcd's raft notes a change even if it then drops it.
TOUCHED_BY_DROPS = {"pending_conf_index", "refused_reason"}


class Finding(AssertionError):
    """A promise was broken."""


@dataclass
class Plan:
    """How a node is made, and what its storage holds beforehand."""

    flags: dict[str, bool]
    members: dict[str, Any]
    index: int = 10
    terms: tuple[int, ...] = (1, 1, 2)
    commit: int = 1
    lease: bool = False
    traced: bool = False
    max_size: int = 2**64 - 1
    max_inflight: int = 3
    max_uncommitted: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


class Silent:
    """A logger that formats every text and keeps none."""

    def debug(self, text: str) -> None:
        if type(text) is not str:
            raise Finding(f"logged {text!r}")

    info = warning = error = critical = debug


class Machine:
    """The node, driven by an application that follows the contract of Ready."""

    # A loop of its own: it takes the steps of a round in any order that the contract allows, and checks each of them.

    def __init__(self, build: ModuleType, plan: Plan) -> None:
        self.build = build
        self.plan = plan
        self.events = 0
        self.storage = build.MemoryStorage()
        if plan.terms:
            members = build.ConfState(**plan.members)
            metadata = build.SnapshotMetadata(conf_state=members, index=plan.index, term=1)
            self.storage.apply_snapshot(build.Snapshot(data=b"start", metadata=metadata))
            entries = [build.Entry(term=t, index=plan.index + n) for n, t in enumerate(plan.terms, 1)]
            self.storage.append(entries)
            self.storage.set_hard_state(build.HardState(term=plan.terms[-1], commit=plan.index + plan.commit))
        self.start(plan.index if plan.terms else 0)

    def start(self, applied: int) -> None:
        """Start from the storage."""
        b, plan = self.build, self.plan
        lease = plan.lease and plan.flags["check_quorum"]
        self.node = b.RawNode(
            b.Config(
                id=1,
                election_tick=5,
                heartbeat_tick=1,
                storage=self.storage,
                applied=applied,
                max_size_per_msg=plan.max_size,
                max_committed_size_per_ready=2**64 - 1,
                max_uncommitted_entries_size=plan.max_uncommitted,
                max_inflight_msgs=plan.max_inflight,
                read_only_option=b.ReadOnlyOption.LEASE_BASED if lease else b.ReadOnlyOption.SAFE,
                logger=Silent(),
                trace_logger=self if plan.traced else None,
                random=random.Random(7),
                **plan.flags,
                **plan.fields,
            )
        )
        self.ready: Any = None
        self.append_work: list[bytes] = []
        self.apply_work: list[bytes] = []
        self.cursor = applied
        self.members = self.storage.initial_state()[1]
        self.past = (0, 0, 0)
        self.dead = False
        self.weight = self.queued()

    def trace_event(self, event: Any) -> None:
        """Check that every event can be written as JSON."""
        self.events += len(event.to_json()) if hasattr(event, "to_json") else len(repr(event))

    # -- input ---------------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> tuple[str, ...]:
        """Do what a transport does with bytes that should be a message. Returns the outcome."""
        b = self.build
        try:
            m = b.Message.decode(data)
        except b.DecodeError as error:
            return "DecodeError", str(error)
        reason = b.refuse_from_network(m)
        if reason is not None:
            return "refused", reason
        try:
            self.node.step(m)
        except b.LogLost as error:
            self.expect_lost(m)
            return "LogLost", str(error)
        except (b.StepError, b.ProposalDropped) as error:
            return type(error).__name__, str(error), getattr(error, "reason", "")
        return ("taken",)

    def expect_lost(self, m: Any) -> None:
        """Only a heartbeat of this term that commits beyond the log may raise LogLost."""
        raft = self.node.raft
        right = m.type == self.build.MessageType.MSG_HEARTBEAT and m.term >= max(raft.term, 1)
        if not right or m.commit <= raft.log.last_index():
            raise Finding(f"LogLost by {m!r} at term {raft.term}, last index {raft.log.last_index()}")
        self.dead = True

    def call(self, name: str, *args: Any) -> tuple[str, ...]:
        """Make a call as the application."""
        try:
            getattr(self.node, name)(*args)
        except (self.build.ProposalDropped, self.build.StepError) as error:
            return type(error).__name__, str(error)
        return (name,)

    # -- Ready ---------------------------------------------------------------------------------------------------

    def begin(self) -> list[bytes]:
        """Take a Ready, store it, and apply its committed entries; with storage threads, queue their work."""
        if not self.node.has_ready():
            return []
        rd = self.node.ready()
        sent = [m.encode() for m in rd.messages]
        if self.plan.flags["async_storage_writes"]:
            for m, data in zip(rd.messages, sent, strict=True):
                if m.to == self.build.LOCAL_APPEND_THREAD:
                    self.append_work.append(data)
                elif m.to == self.build.LOCAL_APPLY_THREAD:
                    self.apply_work.append(data)
            return sent
        self.store(rd.hard_state, rd.entries, rd.snapshot)
        self.apply(rd.committed_entries)
        self.ready = rd
        return sent

    def finish(self) -> None:
        """Advance past the Ready in progress."""
        if self.ready is not None:
            self.ready = None
            self.node.advance()

    def work(self, queue: list[bytes]) -> None:
        """Do the oldest piece of work of a storage thread and deliver its answers."""
        if not queue:
            return
        m = self.build.Message.decode(queue.pop(0))
        if queue is self.append_work:
            self.store(m.hard_state(), m.entries, m.snapshot)
        else:
            self.apply(m.entries)
        for response in m.responses:
            if response.to == 1:
                # A removed node is not its own peer any more, as in etcd's raft.
                with suppress(self.build.StepPeerNotFound):
                    self.node.step(response)

    def settle(self) -> None:
        """Handle Readys and storage work until none is left."""
        for _ in range(200):
            self.finish()
            while self.append_work or self.apply_work:
                self.work(self.append_work)
                self.work(self.apply_work)
            if not self.node.has_ready():
                return
            self.begin()
        raise Finding("a node by itself never comes to rest")

    def store(self, state: Any, entries: list[Any], snapshot: Any) -> None:
        """Write to the storage."""
        if state is not None:
            self.storage.set_hard_state(state)
        if snapshot is not None and snapshot.metadata.index > self.storage.snapshot().metadata.index:
            self.storage.apply_snapshot(snapshot)
            self.members = snapshot.metadata.conf_state
            self.cursor = max(self.cursor, snapshot.metadata.index)
        self.storage.append(entries)

    def apply(self, entries: list[Any]) -> None:
        """Apply committed entries: each once, in order."""
        b = self.build
        for e in entries:
            if e.index <= self.cursor and self.plan.flags["async_storage_writes"]:
                # A snapshot has let the storing thread overtake this one.
                continue
            if e.index != self.cursor + 1:
                raise Finding(f"entry {e.index} is handed out after {self.cursor}")
            self.cursor = e.index
            if e.type in (b.EntryType.CONF_CHANGE, b.EntryType.CONF_CHANGE_V2):
                self.apply_change(e)

    def apply_change(self, e: Any) -> None:
        """A change that cannot be decoded or is invalid counts as an empty entry."""
        b = self.build
        with suppress(b.DecodeError, b.ConfChangeError):
            self.members = self.node.apply_conf_change(b.decode_change(e))

    # -- compaction and restart ----------------------------------------------------------------------------------

    def compact(self) -> None:
        """Make a snapshot up to the applied index, and drop the entries before it."""
        at = min(self.cursor, self.node.raft.log.applied, self.storage.last_index())
        if at > self.storage.snapshot().metadata.index and at >= self.storage.first_index():
            self.storage.create_snapshot(at, self.members, b"compacted")
            self.storage.compact(at)

    def restart(self) -> None:
        """Crash and start from storage, which must be consistent after any input."""
        stored = self.storage.initial_state()[0]
        self.start(0)
        self.cursor = self.node.raft.log.applied
        if stored is not None and self.node.raft.term != stored.term:
            raise Finding(f"restarted in term {self.node.raft.term} from {stored!r}")

    # -- invariants ----------------------------------------------------------------------------------------------

    def picture(self) -> Any:
        """The state that messages can change, in a form comparable across builds."""
        if self.dead:
            return "dead"
        return dump_raft(self.node.raft, False), self.node.has_ready()

    def stored(self) -> Any:
        """The contents of the storage."""
        return dump_storage(self.storage)

    def queued(self) -> int:
        """How many items wait in the node's lists."""
        raft = self.node.raft
        return int(raft.outbox.count() + len(raft.read_only.pending) + len(raft.read_only.waiting))

    def check(self) -> None:
        """Rules that no input may break."""
        if self.dead:
            return
        raft, log = self.node.raft, self.node.raft.log
        term, vote, committed = self.past
        if (raft.term, log.committed) < (term, committed) or log.committed < committed:
            raise Finding(f"term {term} and commit {committed} fell to {raft.term} and {log.committed}")
        if raft.term == term and vote not in (0, raft.vote):
            raise Finding(f"vote for {vote} in term {term} became one for {raft.vote}")
        if not log.applied <= log.applying <= log.committed <= log.last_index():
            raise Finding(f"applied {log.applied}, applying {log.applying}, {log}, last {log.last_index()}")
        if log.last_term() > raft.term:
            raise Finding(f"the log ends with term {log.last_term()} in term {raft.term}")
        for pr in raft.tracker.peers():
            if not pr.match < pr.next or (raft.state == 2 and pr.next > log.last_index() + 1):
                raise Finding(f"progress of {pr.id}: {pr}, last {log.last_index()}")
        self.past = (raft.term, raft.vote, log.committed)
        self.check_growth()

    def check_log(self) -> None:
        """The terms in a log never fall."""
        log = self.node.raft.log
        terms = [log.term_or_zero(log.first_index() - 1), *(e.term for e in log.all_entries())]
        if terms != sorted(terms):
            raise Finding(f"the log has the terms {terms}")

    def check_growth(self) -> None:
        """One input causes only a few messages per peer, plus one per peer for each read that waited for a commit."""
        raft = self.node.raft
        now = self.queued()
        peers = len(raft.tracker.peers()) + 1
        allowed = peers * (self.plan.max_inflight + 4) + self.reads * peers
        if now > self.weight + allowed:
            raise Finding(f"{now - self.weight} more things wait after one input")
        self.weight = now
        self.reads = len(raft.read_only.pending)

    reads = 0
