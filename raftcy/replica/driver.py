"""The driver of one member: the whole round of a node, and the rules that an application has to keep around it.

It owns a RawNode, the index up to which the machine has applied, and the members as of that index. Messages, ticks,
proposals, reads and acknowledgements of the storage go in; what to store, what to send and what to apply comes out.
There is no clock, disk or network here. Two ways lead through the same rules:

- ``run`` does a round in one call, for a storage that is done when its call returns.
- ``poll``, ``stored``, ``next_batch`` and ``finish`` are the steps of a round, for those that write and apply on the
  side: the simulator with its slow disks, or a service that syncs on a thread. ``store`` and ``apply`` do the work
  between the steps for whoever wants to see each step, but has nothing to wait for.

Rules:

- Nothing leaves before what it promises is stored. Without ``async_storage_writes`` all messages of a Ready wait for
  its write. With it the answers wait for the write that they stand for, and so do requests for votes (``hold_votes``):
  a candidate that crashed before its vote was on disk could vote for another in the same term.
- What one Ready wants stored is one write. Writes are acknowledged in their order.
- A snapshot of the leader waits while entries are handed out that are not applied (``guard_snapshots``). It puts its
  configuration in force at once, and older changes would then be applied to that later configuration.
- A read is not asked where a single voter would answer it rashly (``guard_reads``): a leader without a vote may have
  been replaced, and one that has committed nothing in its term may not know all that was committed before.
- A committed configuration change that is not allowed changes nothing, on all members alike.
- A snapshot is made of what is applied, and only up to the commit index on disk, which a start goes by. A peer is sent
  a snapshot of the present members: it would not find itself in an older one.
- The first error of storing or applying ends the member: every later call raises Stopped with that error, and what
  waited for the write is never sent.
"""

from collections import deque
from dataclasses import replace
from typing import Any

from ..core.awaitables import refuse_awaitable
from ..core.config import Config
from ..core.guards import answers_rashly, has_to_apply
from ..core.log_storage import check_log_storage, writable_log
from ..core.rawnode import RawNode
from ..core.ready import ReadState, Ready
from ..core.storage import MemoryStorage
from ..errors import (
    ConfChangeError,
    InvariantError,
    LogLost,
    NotNow,
    ProposalDropped,
    RaftError,
    SnapshotTemporarilyUnavailable,
    StepError,
    StepPeerNotFound,
)
from ..wire import consts as k
from ..wire.changes import decode_change
from ..wire.messages import ConfState, Entry, HardState, Message, Snapshot
from ..wire.whole import keep_whole
from .asked import Asked, Outcome
from .carrier import Carrier
from .work import Batch, Work, Write


class _Stages:
    """The steps of rounds that are under way; made at the first ``poll``."""

    __slots__ = ("batches", "deferred", "kept", "round", "running", "writes")

    def __init__(self) -> None:
        self.writes: deque[Write] = deque()
        self.batches: deque[Batch] = deque()
        # Without asynchronous writes: the one Ready that is not advanced yet, to be applied once it is stored.
        self.round: Batch | None = None
        self.running: Batch | None = None
        # Acknowledgements of writes behind a snapshot that is not restored yet; they must keep their order.
        self.deferred: list[Message] | None = None
        self.kept: Message | None = None


class Driver:
    """Drives one RawNode.

    ``storage`` is the node's LogStorage, which the driver writes to in ``run``; ``machine`` is a StateMachine, or has
    those of its methods that are needed; ``send`` is called with each list of messages that ``run`` sends. None for
    what is not wanted. ``inbox`` is a list of messages to step in the next ``run``.

    ``snapshot`` is what the machine was restored from, the storage's newest one if None is given. ``machine_applied``
    is the index that the machine's own storage has applied, for one that keeps its state: it is handed nothing up to
    there. ``observer`` is shown the messages that ``step`` takes and the snapshots that are made: ``taking(m)``,
    ``taken(m, refused)``, ``snapshot_made(snapshot)``. With ``keep_snapshots`` a snapshot that has to wait is kept,
    else it is refused. ``hold_votes``, ``guard_reads`` and ``guard_snapshots``, if False, leave out that rule: for
    tests that show what the rule is for.

    Raises TypeError for a storage that is no LogStorage. ``start`` makes the node too, and refuses a storage that
    contradicts itself (``check_log_storage``).
    """

    __slots__ = (
        "_apply",
        "_asked",
        "_async",
        "_carrier",
        "_changing",
        "_machine",
        "_machine_applied",
        "_memory",
        "_observer",
        "_send",
        "_settled",
        "_snapshot_index",
        "_stages",
        "_stored_commit",
        "applied",
        "guard_reads",
        "guard_snapshots",
        "hold_votes",
        "id",
        "inbox",
        "keep_snapshots",
        "members",
        "node",
        "refused_change",
        "storage",
    )
    id: int
    node: RawNode
    storage: Any
    applied: int
    members: ConfState
    hold_votes: bool
    guard_reads: bool
    guard_snapshots: bool
    keep_snapshots: bool
    refused_change: ConfChangeError | None

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
    ) -> None:
        if writable_log(storage) is not storage:
            raise TypeError(
                f"{type(storage).__name__} is no LogStorage: make node and driver with what check_log_storage returns"
            )
        self.node = node
        self.id = node.id
        self.storage = storage
        self._memory = storage if type(storage) is MemoryStorage else None
        self._machine = machine
        self._apply = getattr(machine, "apply", None)
        self._send = send
        self._carrier: Carrier | None = None
        self._observer = observer
        self.hold_votes = hold_votes
        self.guard_reads = guard_reads
        self.guard_snapshots = guard_snapshots
        self.keep_snapshots = keep_snapshots
        self._async = self.node._async
        self.inbox: list[Message] = []
        self._settled = 0
        self._stages: _Stages | None = None
        self._asked: Asked | None = None
        self._machine_applied = machine_applied
        state, members = storage.initial_state()
        self.members = members
        self._stored_commit = 0 if state is None else state.commit
        newest = storage.snapshot() if snapshot is None else snapshot
        self._snapshot_index = newest.metadata.index
        # The log may reach back behind the snapshot; the node hands out those entries again.
        self.applied = max(self.node.raft.log.applied, self._snapshot_index)
        self._changing = False
        self.refused_change = None
        if hasattr(machine, "capture"):
            node.offer_snapshots(self._offer)

    @staticmethod
    def start(config: Config, machine: Any = None, send: Any = None, **options: Any) -> "Driver":
        """A driver with a node of this Config, from what its storage and the machine hold; ``options`` as for Driver.

        The machine is restored from the newest snapshot, unless it keeps its state itself and is as far
        (``machine_applied``). ``Config.applied`` is set here: the log is followed from the snapshot on, whatever the
        machine has, so that the members are known. Raises what ``check_log_storage`` and RawNode raise.
        """
        log: Any = check_log_storage(config.storage)
        snapshot = log.snapshot()
        index = snapshot.metadata.index
        node = RawNode(replace(config, storage=log, applied=index))
        if index > options.get("machine_applied", 0) and hasattr(machine, "restore"):
            machine.restore(snapshot)
        return Driver(node, log, machine, send, snapshot=snapshot, **options)

    # -- input ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let a tick of the clock pass."""
        self.node.tick()

    def step(self, m: Message) -> RaftError | None:
        """Take in a message from a peer; why it was refused, None if it was taken or is kept for later.

        A refused message is a lost one to the group: NotNow for what must not be taken now (a snapshot, a read), else
        what ``RawNode.step`` says. What kills the node is raised: LogLost, and every error that says so.
        """
        node = self.node
        if m.type == k.READ_INDEX and self.guard_reads and answers_rashly(node.raft):
            return NotNow("a single voter that has committed nothing in its term cannot answer reads")
        if m.type == k.SNAP and self.guard_snapshots and has_to_apply(node.raft):
            if not self.keep_snapshots:
                return NotNow("a snapshot cannot be taken while committed entries are being applied")
            self._stage().kept = m
            return None
        return self._take(m)

    def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """``step`` each of a list of messages, in order; the place and the error of each that was refused."""
        refused: list[tuple[int, RaftError]] = []
        for place in range(len(messages)):
            error = self.step(messages[place])
            if error is not None:
                refused.append((place, error))
        return refused

    def _take(self, m: Message) -> RaftError | None:
        observer = self._observer
        if observer is None:
            return self._step(m)
        observer.taking(m)
        refused = self._step(m)
        observer.taken(m, refused)
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
        """Whether a snapshot is of use here: it will be restored, or is kept for that, or its entries are here."""
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

    def propose(self, data: Any, tag: Any = None) -> bool:
        """Propose bytes; True if this member has appended them as leader, False if they are forwarded to the leader.

        In the first case, and with a ``tag`` that is not None, ``take_outcomes`` says what became of them. Raises what
        ``RawNode.propose`` raises.
        """
        self.node.propose(data)
        return self._place(tag)

    def propose_change(self, change: Any, tag: Any = None) -> str | None:
        """Propose a change of the members; why it was replaced by an empty entry, None if it was not, or is forwarded.

        Raises what ``RawNode.propose_conf_change`` raises.
        """
        refused = self.node.propose_conf_change_checked(change)
        self._place(tag)
        return refused

    def _place(self, tag: Any) -> bool:
        raft = self.node.raft
        if raft.state != k.LEADER:
            return False
        if tag is not None:
            self._ask().place(raft.log.last_index(), raft.term, tag)
        return True

    def read_index(self, context: bytes) -> None:
        """Ask for a read; ``take_reads`` answers with its context. It may be lost: ask again, with a new context.

        A context must never be used twice, not even after a restart: a late answer to the first read would be taken
        for one to the second, which may then miss writes. Raises NotNow where a single voter must not answer yet, and
        what ``RawNode.read_index`` raises.
        """
        if self.guard_reads and answers_rashly(self.node.raft):
            raise NotNow("a single voter that has committed nothing in its term cannot answer reads")
        self.node.read_index(context)

    def report_unreachable(self, id: int) -> None:
        """The last message to the node ``id`` could not be sent."""
        self.node.report_unreachable(id)

    def report_snapshot(self, id: int, status: Any) -> None:
        """What became of a snapshot that was sent to the node ``id``; a failure must be reported."""
        self.node.report_snapshot(id, status)

    # -- a round in one call -------------------------------------------------------------------------------------

    def run(self) -> bool:
        """Step the inbox, then store, send and apply what the node has to say; False if there was nothing to do.

        At most one Ready is handled. A message that the node refuses is dropped, as one that was lost. What kills the
        node, and what the storage or the machine raises, is raised, and the member is dead.
        """
        node = self.node
        inbox = self.inbox
        busy = len(inbox) > 0
        if busy:
            self.inbox = []
            if node._look_over(inbox):
                self._step_each(inbox)
            else:
                node._step_checked(inbox, None)
        what = node.pending_work()
        self._settled = self._carrier._calls if self._carrier is not None and what != k.MORE else 0
        if what == k.NOTHING:
            return busy
        if what == k.MESSAGES:
            messages = node.raft.outbox.take_messages()
            if messages:
                # As ``_deliver``, written out: most rounds of an idle group come here.
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
        """Step messages some of which have rules of their own."""
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
        self._store(rd)
        if rd._messages is not None:
            self._deliver(rd._messages)
        if rd.snapshot is not None:
            self._restore(rd.snapshot)
        if rd._committed_entries is not None:
            self._apply_all(rd._committed_entries)
        if rd._read_states is not None:
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

    def _deliver(self, messages: list[Message]) -> None:
        if self._carrier is not None:
            self._carrier._carry(messages)
        elif self._send is not None:
            self._send(messages)

    def _called(self) -> None:
        """Python code has run, which may have called any node."""
        if self._carrier is not None:
            self._carrier._calls += 1

    def _run_stages(self) -> bool:
        """A round by its steps, for a node with asynchronous writes."""
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

    def _restore(self, snapshot: Snapshot) -> None:
        self._machine_restore(snapshot)
        self._restored(snapshot)

    def _machine_restore(self, snapshot: Snapshot) -> None:
        if self._machine is not None:
            self._called()
            self._machine.restore(snapshot)

    def _restored(self, snapshot: Snapshot) -> None:
        self.applied = snapshot.metadata.index
        self.members = snapshot.metadata.conf_state
        if self._asked is not None:
            self._asked.jump(self.applied)
            self._asked.advance(self.applied)

    def _apply_all(self, entries: list[Entry]) -> None:
        """Apply committed entries, each run between configuration changes and empty entries by one call."""
        first = 0
        head = entries[0]
        if head.index <= self.applied:
            entries = [e for e in entries if e.index > self.applied]
        for place in range(len(entries)):
            e = entries[place]
            if e._type == k.NORMAL and len(e.data) > 0:
                continue
            if place > first:
                self._hand(entries[first:place])
            first = place + 1
            if e._type == k.NORMAL:
                self.applied = e.index
            else:
                self.change(e)
            if self._asked is not None:
                self._asked.settle(e, None)
        if first < len(entries):
            self._hand(entries[first:] if first > 0 else entries)
        if self._asked is not None:
            self._asked.advance(self.applied)

    def _hand(self, entries: list[Entry]) -> None:
        """Give a run of entries with data to the machine."""
        first = entries[0]
        last = entries[len(entries) - 1]
        if first.index <= self._machine_applied:
            entries = [e for e in entries if e.index > self._machine_applied]
        answers = None
        if self._apply is not None and entries:
            answers = self._apply(entries)
            if self._carrier is not None:
                self._carrier._calls += 1
            if answers is not None and len(answers) != len(entries):
                raise InvariantError(f"the machine gave {len(answers)} answers to {len(entries)} entries")
        self.applied = last.index
        asked = self._asked
        if asked is not None and asked.count > 0:
            for place in range(len(entries)):
                asked.settle(entries[place], None if answers is None else answers[place])

    def change(self, e: Entry) -> ConfState:
        """Put the configuration change of a committed entry in force; returns the members after it.

        All entries before it must be applied. A change that is not allowed changes nothing; ``refused_change`` is the
        error then, and None after a change that took effect.
        """
        try:
            change = decode_change(e)
        except ValueError as error:
            raise InvariantError(f"entry {e.index} cannot be applied: {error}") from error
        self.applied = e.index - 1
        self._changing = True
        self.refused_change = None
        try:
            self.members = self.node.apply_conf_change(change)
        except ConfChangeError as error:
            # Every member refuses an invalid one alike, so that the entry is an empty one.
            self.refused_change = error.with_traceback(None)
        self._changing = False
        self.applied = e.index
        return self.members

    def _confirm(self, states: list[ReadState]) -> None:
        self._ask().confirm(states, self.applied)

    def _ask(self) -> Asked:
        if self._asked is None:
            self._asked = Asked()
        return self._asked

    def take_reads(self) -> list[ReadState]:
        """The reads whose index is applied since the last call: the machine's state now answers them."""
        return [] if self._asked is None else self._asked.take_reads()

    def take_outcomes(self) -> list[Outcome]:
        """What became of proposals with a tag since the last call."""
        return [] if self._asked is None else self._asked.take_outcomes()

    # -- a round by its steps ------------------------------------------------------------------------------------

    def poll(self) -> Work | None:
        """What the node has to say now, None if it has nothing to say or the round before is not finished.

        Send ``messages`` at once, store ``write`` and call ``stored``, and apply what ``next_batch`` gives. With
        asynchronous writes the next round may begin meanwhile.
        """
        stages = self._stage()
        if stages.round is not None:
            return None
        rd = self.node.poll()
        if rd is None:
            return None
        if rd._read_states is not None:
            self._confirm(rd._read_states)
        return self._split(rd, stages) if self._async else self._begin(rd, stages)

    def _stage(self) -> _Stages:
        self.node.check_alive()
        if self._stages is None:
            self._stages = _Stages()
        return self._stages

    def _begin(self, rd: Ready, stages: _Stages) -> Work:
        """Without asynchronous writes: everything else waits for the write."""
        stages.round = Batch(rd.snapshot, rd.committed_entries, [])
        if rd._entries is None and rd.hard_state is None and rd.snapshot is None:
            stages.batches.append(stages.round)
            return Work(None, rd.messages, rd.soft_state)
        # A snapshot is synced whatever the Ready says of its entries and hard state.
        write = Write(rd.hard_state, rd.entries, rd.snapshot, rd.must_sync or rd.snapshot is not None)
        write._messages = rd.messages
        stages.writes.append(write)
        return Work(write, [], rd.soft_state)

    def _split(self, rd: Ready, stages: _Stages) -> Work:
        """With asynchronous writes: what may go at once, what waits for the write, what is to apply."""
        work = Work(None, [], rd.soft_state)
        held: list[Message] = []
        for m in rd.messages:
            if m.to == k.LOCAL_APPEND_THREAD:
                # Synced before anything is said that rests on it.
                responses = m.responses
                write = Write(m.hard_state(), m.entries, m.snapshot, len(responses) > 0 or m.snapshot is not None)
                write._responses = responses
                work.write = write
            elif m.to == k.LOCAL_APPLY_THREAD:
                stages.batches.append(Batch(None, m.entries, m.responses))
            elif self.hold_votes and (m._type == k.VOTE or m._type == k.PRE_VOTE):
                held.append(m)
            else:
                work.messages.append(m)
        if work.write is not None:
            work.write._messages = held
            stages.writes.append(work.write)
        elif held:
            raise InvariantError(f"{self.id} asks for votes without anything to store: {held!r}")
        return work

    def store(self, write: Write) -> list[Message]:
        """Write to the driver's storage, as ``run`` does, and call ``stored``; returns the messages to send now.

        What the storage raises ends the member.
        """
        self._check_next(write)
        try:
            self._called()
            _write(self.storage, write.hard_state, write.entries, write.snapshot, write.sync)
        except BaseException as error:
            self.fail(error)
            raise
        return self.stored(write)

    def _check_next(self, write: Write) -> None:
        writes = self._stage().writes
        if not writes or writes[0] is not write:
            raise InvariantError("writes must be acknowledged in their order, and once")

    def stored(self, write: Write) -> list[Message]:
        """A write is stored, and durable if it asks for ``sync``; returns the messages that waited for it, to send now.

        InvariantError if writes before it are not acknowledged yet.
        """
        self._check_next(write)
        stages = self._stage()
        stages.writes.popleft()
        if write.hard_state is not None:
            self._stored_commit = write.hard_state.commit
        if write.snapshot is not None:
            self._snapshot_index = write.snapshot.metadata.index
        messages = write._messages
        if not self._async:
            if stages.round is None:
                raise InvariantError("a write ended that belongs to no round")
            stages.batches.append(stages.round)
            return messages
        own: list[Message] = []
        for response in write._responses:
            (own if response.to == self.id else messages).append(response)
        if write.snapshot is not None:
            # Ahead of all entries: those that were handed out before are part of it.
            stages.deferred = []
            stages.batches.appendleft(Batch(write.snapshot, [], own))
        elif stages.deferred is not None:
            stages.deferred.extend(own)
        else:
            self._respond(own)
        return messages

    def next_batch(self) -> Batch | None:
        """What to apply next; None if there is nothing, or the last batch is not finished.

        Restore its snapshot, then apply its entries in order: configuration changes by ``change``, those with data by
        the machine. Then ``finish`` it.
        """
        stages = self._stage()
        if stages.running is not None or not stages.batches:
            return None
        batch = stages.running = stages.batches.popleft()
        if batch.entries and batch.snapshot is None and batch.entries[0].index <= self.applied:
            # A snapshot has overtaken it.
            batch.entries = [e for e in batch.entries if e.index > self.applied]
        return batch

    def has_batch(self) -> bool:
        """Whether ``next_batch`` has anything."""
        stages = self._stages
        return stages is not None and stages.running is None and len(stages.batches) > 0

    def apply(self, batch: Batch) -> None:
        """Apply the batch of ``next_batch`` with the driver's machine, as ``run`` does; ``finish`` it then.

        What the machine raises ends the member.
        """
        if self._stage().running is not batch:
            raise InvariantError("this batch is not the one that is being applied")
        try:
            if batch.snapshot is not None:
                self._machine_restore(batch.snapshot)
            if batch.entries:
                self._apply_all(batch.entries)
        except BaseException as error:
            self.fail(error)
            raise

    def finish(self, batch: Batch, answers: list[Any] | None = None) -> None:
        """A batch is applied; ``answers`` has the machine's answer to each of its entries, None for no answers."""
        stages = self._stage()
        if stages.running is not batch:
            raise InvariantError("this batch is not the one that is being applied")
        stages.running = None
        if batch.snapshot is not None:
            self._restored(batch.snapshot)
        if batch.entries:
            self.applied = batch.entries[-1].index
            asked = self._asked
            if asked is not None:
                for place, e in enumerate(batch.entries):
                    asked.settle(e, None if answers is None else answers[place])
                asked.advance(self.applied)
        if stages.round is batch:
            stages.round = None
            self.node.advance()
        else:
            self._respond(batch._responses)
            if batch.snapshot is not None and stages.deferred is not None:
                deferred, stages.deferred = stages.deferred, None
                self._respond(deferred)
        self._take_kept()

    def _respond(self, responses: list[Message]) -> None:
        """Tell the node what is done. One that is not a member, or not any more, refuses its own answers."""
        for m in responses:
            refused = self._step(m)
            if refused is not None and not isinstance(refused, StepPeerNotFound):
                raise InvariantError(f"{self.id} refuses its own {m!r}") from refused

    # -- snapshots -----------------------------------------------------------------------------------------------

    def snapshot_index(self) -> int:
        """The index that a snapshot made now would have; 0 if none may be made, or the newest one has it already."""
        at = self.applied
        if self._stages is not None and self._stages.running is not None and not self._changing:
            # The machine is somewhere within the batch.
            return 0
        if at > self.node.raft.log.applied or at > self.storage.last_index():
            return 0
        return at if self._snapshot_index < at and at <= self._stored_commit else 0

    def make_snapshot(self, keep: int) -> Snapshot | None:
        """Make a snapshot of what is applied, and compact the log to ``keep`` entries before it; None if none is made.

        See ``snapshot_index`` for when. The ``machine`` must have ``capture``.
        """
        at = self.snapshot_index()
        if at == 0:
            return None
        storage = self.storage
        try:
            refuse_awaitable(storage.sync(), "sync")
            made: Snapshot = storage.create_snapshot(at, self.members, self._machine.capture())
            self._snapshot_index = at
            if self._observer is not None:
                self._observer.snapshot_made(made)
            if keep < at and at - keep >= storage.first_index():
                storage.compact(at - keep)
        except BaseException as error:
            self.fail(error)
            raise
        return made

    def _offer(self) -> Snapshot:
        """The snapshot to send to a peer: a new one if the members have changed since the newest one was made."""
        newest: Snapshot = self.storage.snapshot()
        if newest.metadata.conf_state.equivalent(self.members):
            return newest
        made = self.make_snapshot(k.NO_LIMIT)
        if made is None:
            raise SnapshotTemporarilyUnavailable()
        return made

    # -- life ----------------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Storing or applying has failed: the member is dead from now on, with this error as the cause."""
        self.node.fail(error)
        self._stages = None
        self.inbox = []

    @property
    def failure(self) -> BaseException | None:
        """What the member died of, None while it lives."""
        return self.node.failure


def _write(
    storage: Any, hard_state: HardState | None, entries: list[Entry], snapshot: Snapshot | None, sync: bool
) -> None:
    """Store as one, and have it durable on return if ``sync``."""
    refuse_awaitable(storage.save(hard_state, entries, snapshot), "save")
    if sync:
        refuse_awaitable(storage.sync(), "sync")


keep_whole(_Stages)
keep_whole(Driver)
