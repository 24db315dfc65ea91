"""Driver: runs one member of a group, with the rules that an application of RawNode has to keep.

Owns a RawNode, the index up to which the state machine has applied, and the members as of that index. Messages, ticks,
proposals, reads and acknowledgements of the storage go in; out comes what to store, to send and to apply. The driver
has no clock, disk or network. There are two ways to use it, with the same rules:

- ``run`` does a whole round in one call. It is for a storage whose calls return when they are done.
- ``poll``, ``stored``, ``next_batch`` and ``finish`` are the steps of a round, for callers that write or apply in the
  background: the simulator with its slow disks, or a service that syncs on a thread. ``store`` and ``apply`` do the
  work in between, for callers that watch each step but have nothing to wait for.

Rules:

- No message leaves before its promise is stored. Without ``async_storage_writes``, all messages of a Ready wait for its
  write. With it, answers wait for the write that they acknowledge, and so do requests for votes (``hold_votes``):
  a candidate that crashed before its own vote was on disk could vote for another candidate in the same term.
- The parts of one Ready are stored in one write, and writes are acknowledged in order.
- A snapshot from the leader waits while entries are handed out and unapplied (``guard_snapshots``). It puts its
  configuration in force at once, and older changes would be applied to that later configuration.
- A read is refused while a single voter might answer it from old state (``guard_reads``): a leader that is no longer a
  voter may have a successor, and one that has committed nothing in its term may not know all earlier commits.
- A leader that reads by its lease answers no read after it has sent MsgTimeoutNow, for the rest of its term
  (``guard_reads``): the receiver campaigns without waiting until the lease has ended.
- A leader with a Lease answers reads from its commit index while the lease runs, and a member with one grants no vote
  that could end another's lease. ``lease`` has the rules.
- ``read`` never uses a context twice, as long as every start has another ``nonce``.
- A committed configuration change that is invalid, or that the machine does not admit, changes nothing, on all members
  alike.
- A snapshot covers applied entries only, and none beyond the commit index on disk, from which a restart resumes. A peer
  gets a snapshot with the current members; a new member would refuse an older one, which does not name it. ``offers``
  has the rules for what a peer is sent (``guard_offers``).
- A snapshot may be written in the background (``begin_snapshot``). It has the index and the members as of its
  beginning, and is thrown away if a received one has overtaken it.
- Data that no message can carry is refused when it is proposed or captured, not when it should be sent.
- A machine may have applied entries beyond the stored commit index, which is not synced by itself, but none beyond the
  log.
- The first error of storing or applying kills the member. Every later call raises Stopped with that error, and messages
  that waited for the write are never sent.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..core.awaitables import refuse_awaitable
from ..core.config import Config
from ..core.guards import answers_rashly, has_snapshot_from, has_to_apply
from ..core.log_storage import check_log_storage, writable_log
from ..core.rawnode import RawNode
from ..core.ready import ReadState, Ready
from ..core.storage import MemoryStorage, check_initial_state
from ..errors import (
    InvariantError,
    LogLost,
    NotNow,
    ProposalDropped,
    RaftError,
    SnapshotTemporarilyUnavailable,
    SnapshotTooLarge,
    StepError,
    StepPeerNotFound,
)
from ..wire import consts as k
from ..wire.changes import ConfChange, ConfChangeV2
from ..wire.checks import BytesLike, flag, instance, instances, octets, u64
from ..wire.enums import SnapshotStatus
from ..wire.messages import ConfState, Entry, HardState, Message, Snapshot
from ..wire.whole import has_one_owner, keep_whole
from .admitted import checked_applied, checked_lease, checked_nonce, refuse_coroutines
from .asked import Outcome
from .carrier import Carrier
from .corelease import CoreLease
from .delivering import Delivery
from .lease import Lease
from .making import Making
from .offers import MAX_MESSAGE_BYTES, Offers
from .stages import Stages
from .work import Batch, Work, Write


class Driver:
    """Drives one RawNode. ``Driver.start`` creates the node as well.

    ``storage``
        The node's LogStorage, to which ``run`` writes.
    ``machine``
        A StateMachine, or an object with the methods of one that the application needs, or None. If it has
        ``wish_snapshot`` in place of ``capture``, the application makes the snapshots in the background, by
        ``begin_snapshot`` and ``end_snapshot``, and the driver calls ``wish_snapshot`` when a peer needs a new one.
        ``admit(change, index)``, if it has that, judges each committed configuration change, a ConfChangeV2: it returns
        None, or the error because of which the change must change nothing. It must give the same answer on all members.
    ``send``
        A function that ``run`` calls with each list of messages to send, or None.
    ``snapshot``
        The snapshot from which the machine was restored. Default None: the storage's newest one.
    ``machine_applied``
        The last index that a machine with storage of its own has applied. It gets no entries up to there. Default 0.
    ``observer``
        An object whose ``taking(m)`` and ``taken(m, refused)`` are called around each message that ``step`` passes to
        the node, and ``snapshot_made(snapshot)`` after each new snapshot; or None.
    ``keep_snapshots``
        Whether a received snapshot that has to wait is kept, or refused with NotNow. Default True.
    ``hold_votes``, ``guard_reads``, ``guard_snapshots``, ``guard_offers``
        False turns that rule off, for tests that show what the rule prevents. Default True.

    ``nonce``
        At least 8 bytes that no earlier start of this member had, such as ``secrets.token_bytes(16)``. ``read`` needs
        it, since the driver itself draws nothing at random. Default None.
    ``max_message_bytes``
        The size limit of a proposal, and of the data of a snapshot. Larger ones could not be sent, and the group would
        stand still without a word. Default: 63 MiB, which ``raftcy.transport`` can send. None is for groups whose
        messages never leave the process.

    ``lease``
        A Lease for this member, or None. Whoever runs the driver must then call ``pass_time`` before ``tick``,
        ``step``, ``run`` and ``read``: without readings of a clock, the member grants no votes. Needs a ``nonce``.
        Default None.

    ``inbox`` is a list of messages that the next ``run`` steps. ``applied`` is the last index that the machine has
    applied, and ``members`` the ConfState as of that index.

    Raises TypeError if ``storage`` is not a LogStorage, ValueError if ``nonce`` is too short, and Contradiction if the
    machine has applied entries that the log lacks. It does not check the contents of the storage, which ``start`` does
    (``check_log_storage``).
    """

    __slots__ = (
        "_async",
        "_captures",
        "_carrier",
        "_core_lease",
        "_delivery",
        "_lease",
        "_machine",
        "_making",
        "_max_bytes",
        "_memory",
        "_nonce",
        "_observer",
        "_offers",
        "_reads",
        "_send",
        "_settled",
        "_snapshot_index",
        "_stages",
        "_stored_commit",
        "_wishes",
        "guard_offers",
        "guard_reads",
        "guard_snapshots",
        "hold_votes",
        "id",
        "inbox",
        "keep_snapshots",
        "node",
        "storage",
    )
    id: int
    node: RawNode
    storage: Any
    hold_votes: bool
    guard_reads: bool
    guard_snapshots: bool
    guard_offers: bool
    keep_snapshots: bool

    def __init__(
        self,
        node: RawNode,
        storage: Any,
        machine: Any = None,
        send: Any = None,
        *,
        snapshot: Snapshot | None = None,
        machine_applied: int = 0,
        observer: Any = None,
        keep_snapshots: bool = True,
        hold_votes: bool = True,
        guard_reads: bool = True,
        guard_snapshots: bool = True,
        guard_offers: bool = True,
        nonce: bytes | None = None,
        max_message_bytes: int | None = MAX_MESSAGE_BYTES,
        lease: Lease | None = None,
    ) -> None:
        if writable_log(storage) is not storage:
            raise TypeError(
                f"{type(storage).__name__} is not a LogStorage: use the result of check_log_storage for node and driver"
            )
        self._nonce = checked_nonce(nonce)
        self._reads = 0
        machine_has = checked_applied(machine_applied, storage)
        self.node = instance(node, RawNode, "node")
        self.id = node.id
        self.storage = storage
        self._memory = storage if type(storage) is MemoryStorage else None
        refuse_coroutines(machine, send)
        self._machine = machine
        self._send = send
        self._carrier: Carrier | None = None
        self._observer = observer
        self.hold_votes = flag(hold_votes, "hold_votes")
        self.guard_reads = flag(guard_reads, "guard_reads")
        self.guard_snapshots = flag(guard_snapshots, "guard_snapshots")
        self.guard_offers = flag(guard_offers, "guard_offers")
        self.keep_snapshots = flag(keep_snapshots, "keep_snapshots")
        self._max_bytes = k.NO_LIMIT if max_message_bytes is None else u64(max_message_bytes, "max_message_bytes")
        self._core_lease = CoreLease() if guard_reads and not node.raft.read_only.safe() else None
        self._lease = checked_lease(lease, node, self._nonce)
        self._async = self.node._async
        self.inbox: list[Message] = []
        self._settled = 0
        self._stages: Stages | None = None
        state, members = check_initial_state(storage.initial_state())
        self._stored_commit = 0 if state is None else state.commit
        newest = instance(storage.snapshot() if snapshot is None else snapshot, Snapshot, "snapshot")
        self._snapshot_index = newest.metadata.index
        # The log may begin before the snapshot. The node hands out those entries too, and the driver skips them.
        applied = max(self.node.raft.log.applied, self._snapshot_index)
        self._delivery = Delivery(node, machine, machine_has, applied, members)
        self._making: Making | None = None
        # Whether the owner of the machine makes the snapshots in the background, and is asked for one that is needed.
        self._wishes = hasattr(machine, "wish_snapshot")
        self._captures = self._wishes or hasattr(machine, "capture")
        self._offers: Offers | None = None
        if guard_offers or self._captures:
            node.offer_snapshots(self._offer)

    @staticmethod
    def start(config: Config, machine: Any = None, send: Any = None, **options: Any) -> "Driver":
        """Create a node from a Config, and a driver for it. ``options`` are those of Driver.

        Restores the machine from the newest snapshot, unless the machine's own storage is as far: ``machine_applied``,
        by default ``Config.applied``. That index may be beyond the stored commit index. The driver always follows the
        log from the snapshot on, since it needs the configuration changes in it to know the members. Raises what
        ``check_log_storage``, RawNode and Driver raise.
        """
        options.setdefault("machine_applied", config.applied)
        log: Any = check_log_storage(config.storage)
        snapshot = log.snapshot()
        index = snapshot.metadata.index
        node = RawNode(replace(config, storage=log, applied=index))
        if index > options["machine_applied"] and hasattr(machine, "restore"):
            machine.restore(snapshot)
        return Driver(node, log, machine, send, snapshot=snapshot, **options)

    @property
    def applied(self) -> int:
        """The last index that the machine has applied."""
        return self._delivery.applied

    @property
    def members(self) -> ConfState:
        """The members as of the applied index."""
        return self._delivery.members

    @property
    def refused_change(self) -> RaftError | None:
        """The error of the last committed configuration change, None if it was applied."""
        return self._delivery.refused_change

    def _ride(self, carrier: Carrier | None) -> None:
        """Let a carrier carry the messages, or nobody. Raises ValueError with a lease: a carrier passes no time."""
        if carrier is not None and self._lease is not None:
            raise ValueError("a Loopback reads no clock, so its members cannot have a lease")
        self._carrier = carrier
        self._delivery.carrier = carrier

    # -- input ---------------------------------------------------------------------------------------------------

    def pass_time(self, now_us: int) -> None:
        """Pass a reading of the clock in microseconds, for the lease.

        The clock must be monotonic, and must count while the machine sleeps. Read it after the messages that are
        stepped next have arrived: an earlier reading would end promises too early.
        """
        if self._lease is not None:
            self._lease.pass_time(now_us)

    def tick(self) -> None:
        """Advance the node's clock by one tick."""
        if self._lease is None:
            self.node.tick()
        elif self._lease.tick():
            self._lease = None

    def campaign(self) -> None:
        """Start an election. Raises NotNow while this member has promised not to vote (``lease``)."""
        if self._lease is not None and (why := self._lease.no_campaign()):
            raise NotNow(why)
        self.node.campaign()

    def step(self, m: Message) -> RaftError | None:
        """Process a message from a peer. Return None if it was stepped or kept for later, or the error that refuses it.

        The error is NotNow for a snapshot or a read that must not be stepped now, or one of ``RawNode.step``. To the
        group, a refused message is a lost one. Raises LogLost and every other error that kills the node.
        """
        if not isinstance(m, Message):
            instance(m, Message, "m")
        node = self.node
        if m.type == k.READ_INDEX and self.guard_reads and (why := self._no_reads()):
            return NotNow(why)
        if self._lease is not None and (m._type == k.VOTE or m._type == k.PRE_VOTE):
            why = self._lease.objection(m)
            if why:
                return NotNow(why)
        if m.type == k.SNAP and self.guard_snapshots and has_to_apply(node.raft):
            if not self.keep_snapshots:
                return NotNow("a snapshot cannot be taken while committed entries are being applied")
            self._stage().kept = m
            return None
        return self._take(m)

    def step_many(self, messages: Iterable[Message]) -> list[tuple[int, RaftError]]:
        """Step messages in order. Return the place and the error of each refused one."""
        refused: list[tuple[int, RaftError]] = []
        batch = instances(messages, Message, "m")
        for place in range(len(batch)):
            error = self.step(batch[place])
            if error is not None:
                refused.append((place, error))
        return refused

    def _take(self, m: Message) -> RaftError | None:
        observer = self._observer
        if observer is None:
            refused = self._step(m)
        else:
            observer.taking(m)
            refused = self._step(m)
            observer.taken(m, refused)
        if self._lease is not None and refused is None and (m._type == k.HEARTBEAT or m._type == k.HEARTBEAT_RESP):
            self._lease.heard(m)
        return refused

    def _step(self, m: Message) -> RaftError | None:
        try:
            self.node.step(m)
        except LogLost:
            raise
        except (StepError, ProposalDropped) as error:
            return error
        return None

    def _took(self, m: Message) -> bool:
        """Whether a snapshot has served its purpose: it is restored, or kept for that, or its entries are committed."""
        log = self.node.raft.log
        if m.snapshot is None:
            return False
        kept = self._stages is not None and self._stages.kept is m
        return kept or log.unstable.snapshot is m.snapshot or log.committed >= m.snapshot.metadata.index

    def _take_kept(self) -> None:
        stages = self._stages
        if stages is not None and stages.kept is not None and not has_to_apply(self.node.raft):
            m, stages.kept = stages.kept, None
            self._take(m)

    def propose(self, data: BytesLike | None, tag: Any = None) -> bool:
        """Propose ``data``. Return True if this member appended it as leader, and False if it forwarded it.

        If it was appended and ``tag`` is not None, ``take_outcomes`` later returns the outcome with that tag. Raises
        what ``RawNode.propose`` raises, and ProposalDropped for more than ``max_message_bytes``.
        """
        payload = data if data is None or type(data) is bytes else octets(data, "data")
        if payload is not None and len(payload) > self._max_bytes:
            raise ProposalDropped(f"{len(payload)} bytes do not fit into a message, which may have {self._max_bytes}")
        self.node.propose(payload)
        return self._place(tag)

    def propose_change(self, change: ConfChange | ConfChangeV2 | None, tag: Any = None) -> str | None:
        """Propose a configuration change. Return why it became an empty entry.

        Returns None if it did not, and also on a follower, which only forwards the change. ``tag`` is as for
        ``propose``. Raises what ``RawNode.propose_conf_change`` raises.
        """
        refused = self.node.propose_conf_change_checked(change)
        self._place(tag)
        return refused

    def _place(self, tag: Any) -> bool:
        raft = self.node.raft
        if raft.state != k.LEADER:
            return False
        if tag is not None:
            self._delivery.place(raft.log.last_index(), raft.term, tag)
        return True

    def read(self) -> bytes:
        """Request a read and return its context, which no other read has. ``take_reads`` returns it with the answer.

        A request can get lost: ask again after a timeout. Ignore answers with other contexts, which belong to earlier
        reads. Raises TypeError if the driver has no ``nonce``, and what ``read_index`` raises.
        """
        nonce = self._nonce
        if nonce is None:
            raise TypeError(
                "read() needs a Driver with a nonce that no start had before, such as secrets.token_bytes(16)"
            )
        self._reads += 1
        context = nonce + self._reads.to_bytes(8, "big")
        self.read_index(context)
        return context

    def read_index(self, context: bytes) -> None:
        """Request a read under a context of the caller's. ``read`` makes one, and is harder to misuse.

        ``take_reads`` returns a ReadState with ``context`` once the machine can answer it. A request can get lost: ask
        again after a timeout, with a new context. Never use a context twice, even after a restart. A late answer to the
        first read would pass for one to the second, which could then miss writes.

        Raises NotNow while a single voter must not answer, and on a leader that reads by its lease but has sent
        MsgTimeoutNow. Raises what ``RawNode.read_index`` raises.
        """
        if self.guard_reads and (why := self._no_reads()):
            raise NotNow(why)
        if self._lease is None:
            self.node.read_index(context)
        else:
            self._lease.read(context)

    def leased_index(self) -> int:
        """Return the index that a read of this moment needs, if the lease answers it; else 0, and ``read`` is needed.

        Such a read may be answered from the machine's state once the machine has applied the index.
        """
        return 0 if self._lease is None else self._lease.index()

    def _no_reads(self) -> str:
        """Return why a read must not be requested here now, or an empty text."""
        raft = self.node.raft
        if answers_rashly(raft):
            return "a single voter that has committed nothing in its term cannot answer reads"
        return "" if self._core_lease is None else self._core_lease.objection(raft)

    def report_unreachable(self, id: int) -> None:
        """Report that the last message to node ``id`` could not be sent."""
        self.node.report_unreachable(id)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Report the outcome of a snapshot that was sent to node ``id``, a SnapshotStatus. Report every failure."""
        self.node.report_snapshot(id, status)

    # -- a round in one call -------------------------------------------------------------------------------------

    def run(self) -> bool:
        """Step the inbox, then store, send and apply at most one Ready. Return False if there was nothing to do.

        A message that the node refuses is dropped like a lost one. Raises errors that kill the node, and errors of the
        storage and the machine, after which the member is dead.
        """
        node = self.node
        inbox = self.inbox
        busy = False
        if inbox:
            busy = True
            self.inbox = []
            if self._lease is not None or node._look_over(inbox):
                self._step_each(inbox)
            else:
                node._step_checked(inbox)
        what = node.pending_work()
        self._settled = self._carrier._calls if self._carrier is not None and what != k.MORE else 0
        if what == k.NOTHING:
            return busy
        if what == k.MESSAGES:
            messages = node.raft.outbox.take_messages()
            if messages is not None and (self._lease is not None or self._core_lease is not None):
                messages = self._leaving(messages)
            if messages:
                # ``_deliver`` written out, since most rounds of an idle group come here.
                if self._carrier is not None:
                    self._carrier._carry(messages)
                elif self._send is not None:
                    self._send(messages)
                return True
        try:
            if self._async or self._stages is not None:
                return self._run_stages() or busy
            self._round(node.ready())
        except BaseException as error:
            self.fail(error)
            raise
        return True

    def _step_each(self, inbox: list[Message]) -> None:
        """Step messages of which some are snapshots or reads, which need ``step``."""
        ended = 0
        try:
            for m in inbox:
                refused = self.step(m)
                ended += 1
                if m._type == k.SNAP and self._carrier is not None:
                    self._carrier._ended(m, refused is None and self._took(m))
        except BaseException:
            if self._carrier is not None:
                for m in inbox[ended:]:
                    if m._type == k.SNAP:
                        self._carrier._ended(m, False)
            raise

    def _round(self, rd: Ready) -> None:
        """Store, send and apply a Ready, and advance the node."""
        late = self._core_lease is not None and self._core_lease.is_late(self.node.raft)
        self._store(rd)
        if rd._messages is not None:
            self._deliver(self._leaving(rd._messages))
        if rd.snapshot is not None:
            self._delivery.restore(rd.snapshot)
        if rd._committed_entries is not None:
            self._delivery.apply_all(rd._committed_entries)
        if rd._read_states is not None and not late:
            self._confirm(rd._read_states)
        self.node.advance()

    def _store(self, rd: Ready) -> None:
        if rd.hard_state is not None:
            self._stored_commit = rd.hard_state.commit
        if rd.snapshot is not None:
            self._snapshot_index = rd.snapshot.metadata.index
        if self._memory is not None:
            self._memory._save_ready(rd)
            return
        self._called()
        _write(self.storage, rd.hard_state, rd.entries, rd.snapshot, rd.must_sync or rd.snapshot is not None)

    def _leaving(self, messages: list[Message]) -> list[Message]:
        """Return the messages that leave, as a lease needs them."""
        if self._lease is not None:
            return self._lease.leaving(messages)
        return messages if self._core_lease is None else self._core_lease.leaving(messages)

    def _confirm(self, states: list[ReadState]) -> None:
        """Record that the leader has confirmed reads."""
        self._delivery.confirm(states if self._lease is None else self._lease.without_renewals(states))

    def _deliver(self, messages: list[Message]) -> None:
        if self._carrier is not None:
            self._carrier._carry(messages)
        elif self._send is not None:
            self._send(messages)

    def _called(self) -> None:
        """Record that the application's code has run, since it may have called any node."""
        if self._carrier is not None:
            self._carrier._calls += 1

    def _run_stages(self) -> bool:
        """Do a round by its steps: with asynchronous writes, or once a caller has used the steps."""
        work = self.poll()
        if work is None:
            return False
        if work.messages:
            self._deliver(work.messages)
        if work.write is not None:
            messages = self.store(work.write)
            if messages:
                self._deliver(messages)
        batch = self.next_batch()
        while batch is not None:
            self.apply(batch)
            self.finish(batch)
            batch = self.next_batch()
        return True

    # -- applying ------------------------------------------------------------------------------------------------

    def change(self, e: Entry) -> ConfState:
        """Apply the configuration change in a committed entry and return the resulting members.

        All earlier entries must be applied. A change that is invalid, or that the machine does not admit, changes
        nothing, and ``refused_change`` is then its error; after any other one it is None. Raises InvariantError if the
        entry cannot be decoded.
        """
        if not isinstance(e, Entry):
            instance(e, Entry, "e")
        return self._delivery.change(e)

    def take_reads(self) -> list[ReadState]:
        """Return the reads that became answerable since the last call: the machine has applied their index."""
        reads = self._delivery.take_reads()
        return reads if self._lease is None else reads + self._lease.take(self._delivery.applied)

    def take_outcomes(self) -> list[Outcome]:
        """Return the outcomes of proposals with a tag that became known since the last call."""
        return self._delivery.take_outcomes()

    # -- a round by its steps ------------------------------------------------------------------------------------

    def poll(self) -> Work | None:
        """Start a round. Return its Work, or None if there is nothing to do or the previous round is not finished.

        Send its ``messages`` at once, store its ``write`` and call ``stored``, and apply the batches of ``next_batch``.
        With asynchronous writes, the next round may start meanwhile.
        """
        stages = self._stage()
        if stages.round is not None:
            return None
        rd = self.node.poll()
        if rd is None:
            return None
        late = self._core_lease is not None and self._core_lease.is_late(self.node.raft)
        if rd._read_states is not None and not late:
            self._confirm(rd._read_states)
        messages = self._leaving(rd.messages)
        return stages.split(rd, messages, self.hold_votes) if self._async else stages.begin(rd, messages)

    def _stage(self) -> Stages:
        self.node.check_alive()
        if self._stages is None:
            self._stages = Stages()
        return self._stages

    def store(self, write: Write) -> list[Message]:
        """Write to the driver's storage, as ``run`` does, and return the messages of ``stored``.

        Raises InvariantError if an earlier write is not acknowledged yet. An error of the storage kills the member.
        """
        if type(write) is not Write:
            instance(write, Write, "write")
        self._stage().check_next(write)
        try:
            self._called()
            _write(self.storage, write.hard_state, write.entries, write.snapshot, write.sync)
        except BaseException as error:
            self.fail(error)
            raise
        return self.stored(write)

    def stored(self, write: Write) -> list[Message]:
        """Report that a write is stored, and durable if its ``sync`` is set. Return the messages to send now.

        Raises InvariantError if an earlier write is not acknowledged yet.
        """
        if type(write) is not Write:
            instance(write, Write, "write")
        stages = self._stage()
        stages.check_next(write)
        if write.hard_state is not None:
            self._stored_commit = write.hard_state.commit
        if write.snapshot is not None:
            self._snapshot_index = write.snapshot.metadata.index
        if self._async:
            self._respond(stages.end_write(write, self.id))
        else:
            stages.end_round(write)
        return write._messages

    def next_batch(self) -> Batch | None:
        """Return the next batch to apply, or None if there is none or the previous one is not finished.

        Restore its snapshot, then apply its entries in order, configuration changes by ``change`` and entries with data
        by the machine. Then call ``finish``.
        """
        return self._stage().next_batch(self._delivery.applied)

    def has_batch(self) -> bool:
        """Whether ``next_batch`` would return a batch."""
        return self._stages is not None and self._stages.has_batch()

    def apply(self, batch: Batch) -> None:
        """Apply the batch of ``next_batch`` with the driver's machine, as ``run`` does. Call ``finish`` afterwards.

        An error of the machine kills the member.
        """
        if type(batch) is not Batch:
            instance(batch, Batch, "batch")
        self._stage().check_running(batch)
        try:
            if batch.snapshot is not None:
                self._delivery.restore_machine(batch.snapshot)
            if batch.entries:
                self._delivery.apply_all(batch.entries)
        except BaseException as error:
            self.fail(error)
            raise

    def finish(self, batch: Batch, answers: list[Any] | None = None) -> None:
        """Report that a batch is applied. ``answers`` has the machine's answer to each entry, or is None."""
        if type(batch) is not Batch:
            instance(batch, Batch, "batch")
        stages = self._stage()
        stages.check_running(batch)
        stages.running = None
        if batch.snapshot is not None:
            self._delivery.jump(batch.snapshot)
        if batch.entries:
            self._delivery.applied_all(batch.entries, answers)
        if stages.round is batch:
            stages.round = None
            self.node.advance()
        else:
            self._respond(stages.end_batch(batch))
        self._take_kept()

    def _respond(self, responses: list[Message]) -> None:
        """Step responses of the storage. A node outside the configuration refuses its own, which does no harm."""
        for m in responses:
            refused = self._step(m)
            if refused is not None and not isinstance(refused, StepPeerNotFound):
                raise InvariantError(f"{self.id} refuses its own {m!r}") from refused

    # -- snapshots -----------------------------------------------------------------------------------------------

    def snapshot_index(self) -> int:
        """Return the index that a snapshot would have now, or 0 if none may be made or the newest one is as far."""
        at = self._delivery.applied
        if self._stages is not None and self._stages.running is not None and not self._delivery.changing:
            # The machine may have applied a part of the batch, so no index describes its state.
            return 0
        if at > self.node.raft.log.applied or at > self.storage.last_index():
            return 0
        return at if self._snapshot_index < at and at <= self._stored_commit else 0

    def make_snapshot(self, keep: int) -> Snapshot | None:
        """Make a snapshot of the machine, and compact the log except for the last ``keep`` entries before it.

        Followers that are at most ``keep`` entries behind can then still catch up without the snapshot. Returns None if
        no snapshot can be made now (see ``snapshot_index``). The machine must have ``capture``. An error of the machine
        or the storage kills the member. Raises SnapshotTooLarge if the machine gives more than ``max_message_bytes``;
        nothing is stored then, and the member continues.
        """
        least = u64(keep, "keep")
        making = self.begin_snapshot()
        if making is None:
            return None
        try:
            data = self._machine.capture()
        except BaseException as error:
            self.fail(error)
            raise
        return self.end_snapshot(making, data, least)

    def begin_snapshot(self) -> Making | None:
        """Begin a snapshot whose state is written in the background, while the member goes on.

        Capture the machine before it applies anything more, write the captured state, and call ``end_snapshot``, or
        ``drop_snapshot`` if that failed. Returns None if no snapshot can be made now (see ``snapshot_index``), or if
        one was begun and has not ended.
        """
        at = self.snapshot_index() if self._making is None else 0
        if at == 0:
            return None
        self._making = Making(at, self._delivery.members)
        return self._making

    def drop_snapshot(self, making: Making) -> None:
        """Give up a snapshot that was begun. Raises InvariantError for any other."""
        if self._making is not making:
            raise InvariantError(f"{making!r} was not begun, or has ended")
        self._making = None

    def end_snapshot(self, making: Making, data: bytes | None, keep: int) -> Snapshot | None:
        """Store a snapshot that was begun, and compact the log as ``make_snapshot`` does.

        ``data`` is the captured state, or a reference to it. Returns None, and stores nothing, if a received snapshot
        has overtaken this one, or may have. An error of the storage kills the member. Raises SnapshotTooLarge for more
        than ``max_message_bytes``; nothing is stored then, and the member continues.
        """
        least = u64(keep, "keep")
        self.drop_snapshot(making)
        self.node.check_alive()
        if data is not None and len(data) > self._max_bytes:
            too_large = SnapshotTooLarge(len(data), self._max_bytes)
            self._warn(0, "large", str(too_large))
            raise too_large
        at = making.index
        storage = self.storage
        try:
            if at <= self._snapshot_index or has_snapshot_from(self.node.raft, at):
                return None
            refuse_awaitable(storage.sync(), "sync")
            made: Snapshot = storage.create_snapshot(at, making.members, data)
            self._snapshot_index = max(self._snapshot_index, at)
            if self._observer is not None:
                self._observer.snapshot_made(made)
            if least < at and at - least >= storage.first_index():
                storage.compact(at - least)
        except BaseException as error:
            self.fail(error)
            raise
        return made

    def waiting_snapshots(self) -> list[Snapshot]:
        """Return the received snapshots that are not handed out as writes yet."""
        stages = self._stages
        kept = None if stages is None or stages.kept is None else stages.kept.snapshot
        found = (kept, self.node.raft.log.unstable.snapshot)
        return [each for each in found if each is not None]

    def _offer(self, to: int) -> Snapshot:
        """Return the snapshot to send to a peer: a new one if the members have changed since the newest one.

        Raises SnapshotTemporarilyUnavailable if a rule of ``offers`` forbids it; the node asks again after a heartbeat.
        """
        if not self.guard_offers:
            return self._present_snapshot()
        peer = self.node.raft.tracker.find(to)
        match = 0 if peer is None else peer.match
        present, applied = self._present_snapshot, self._delivery.applied
        return self._kept_offers().choose(to, match, self.node._ticks, applied, present, self._warn)

    def _present_snapshot(self) -> Snapshot:
        newest: Snapshot = self.storage.snapshot()
        if not self._captures or newest.metadata.conf_state.equivalent(self._delivery.members):
            return newest
        if self._wishes:
            self._machine.wish_snapshot()
            raise SnapshotTemporarilyUnavailable()
        made = self.make_snapshot(k.NO_LIMIT)
        if made is None:
            raise SnapshotTemporarilyUnavailable()
        return made

    def _kept_offers(self) -> Offers:
        if self._offers is None:
            limit = None if self._max_bytes == k.NO_LIMIT else self._max_bytes
            self._offers = Offers(self.node.raft.election_timeout, limit)
        return self._offers

    def _warn(self, peer: int, kind: str, text: str) -> None:
        """Log a warning about a peer, or about the member itself if that is 0, once."""
        if self._kept_offers().is_news(peer, kind):
            self.node.raft._log.warning(f"{self.id:x} {text}")

    # -- life ----------------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Kill the member because storing or applying failed. Every later call raises Stopped with this cause."""
        self.node.fail(error)
        self._stages = None
        self.inbox = []

    @property
    def failure(self) -> BaseException | None:
        """The error that killed the member, or None while it lives."""
        return self.node.failure


def _write(
    storage: Any, hard_state: HardState | None, entries: list[Entry], snapshot: Snapshot | None, sync: bool
) -> None:
    """Save all three parts as one, and make them durable if ``sync`` is set."""
    refuse_awaitable(storage.save(hard_state, entries, snapshot), "save")
    if sync:
        refuse_awaitable(storage.sync(), "sync")


keep_whole(Driver)
has_one_owner(Driver)
