"""One member: a RawNode with its disk and its application, driven by the contract of Ready.

Two ways of driving, by ``Config.async_storage_writes``:

- Synchronous: one Ready at a time. It is written, then its messages are sent, then it is applied, then advanced. The
  node goes on taking messages and ticks meanwhile.
- Asynchronous: two threads, one that writes and one that applies, each with a queue. Messages go out at once, except
  requests for votes, which wait until the term and the own vote are on disk (``hold_votes``).

The guards, ``hold_votes``, ``guard_reads`` and ``guard_snapshots``, are what an application has to do on top of the
contract of Ready.

A member that crashes loses its node, its application and its queues, and keeps its disk.
"""

from collections import deque
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

from ..core.ready import Ready
from ..errors import (
    ConfChangeError,
    InvariantError,
    LogLost,
    MalformedMessage,
    Overloaded,
    ProposalDropped,
    SnapshotTemporarilyUnavailable,
    StepError,
)
from ..wire import consts as k
from ..wire.changes import ConfChange, ConfChangeV2
from ..wire.messages import Entry, HardState, Message, Snapshot
from .application import Application
from .checkers import Violation
from .clock import TICK
from .disk import Batch, Checkpoint, Disk
from .seen import View
from .world import Host

READYS_MOST = 10_000
"""Readys at one moment: a node has a few hundred at the most, or it repeats itself."""

_VOTES = (k.VOTE, k.PRE_VOTE)


class Member:
    """``up`` while it runs; ``paused`` while it stands still with its messages kept. ``life`` counts its starts."""

    __slots__ = (
        "_appending",
        "_appends",
        "_applies",
        "_applying",
        "_busy",
        "_held",
        "_keeps_snapshots",
        "_snapshot",
        "application",
        "apply_latency",
        "deferred",
        "disk",
        "host",
        "id",
        "life",
        "node",
        "paused",
        "raft",
        "seen",
        "synchronous",
        "tick_time",
        "up",
        "waiting_reads",
    )

    def __init__(self, host: "Host[Member]", id: int) -> None:
        self.host = host
        self.id = id
        self.disk = Disk(host.stream("disk", id), self.offer)
        self.life = 0
        self.up = False
        self.paused = False
        self.tick_time = TICK
        self.apply_latency = 0
        self.deferred: list[Any] = []
        self._keeps_snapshots = host.settings.keeps_snapshots(id)
        self._appends: deque[tuple[Message, list[Message]]] = deque()
        self._applies: deque[Message] = deque()

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start from what the disk holds."""
        disk = self.disk
        snapshot = disk.newest()
        checkpoint = disk.checkpoint
        if checkpoint is not None:
            state = (checkpoint.index, checkpoint.members, checkpoint.data)
        else:
            state = (snapshot.metadata.index, snapshot.metadata.conf_state, snapshot.data)
        self.application = Application(self.host.machine(), *state)
        applied = checkpoint.index if checkpoint is not None else 0
        random = self.host.stream("node", self.id, self.life)
        config = self.host.settings.config(self.id, disk, applied, random, self.host.logger)
        self.node = self.host.make_raw(config)
        self.raft = self.node.raft
        self.synchronous = not self.host.settings.of(self.id)["async_storage_writes"]
        self.life += 1
        self.up = True
        self.paused = False
        self._busy = self._appending = self._applying = False
        self._held: Ready | None = None
        self._snapshot: Message | None = None
        self._appends.clear()
        self._applies.clear()
        self.deferred.clear()
        self.waiting_reads: list[tuple[int, bytes]] = []
        self.seen: tuple[int, ...] = self.view()
        self.host.checkers.started(self, View._make(self.seen))
        self.host.start_ticking(self)

    def crash(self, random: Random) -> str:
        """Lose everything but the disk; says what the disk has lost."""
        self.up = False
        self.host.checkers.crashed(self)
        return self.disk.crash(random)

    def view(self) -> tuple[int, ...]:
        """The fields of a View."""
        r = self.raft
        log = r.log
        return r.term, r.vote, r.lead, r.state, log.committed, log.applied, log.last_index()

    def watch(self) -> None:
        """Show the checkers what has changed."""
        now = self.view()
        if now != self.seen:
            before = self.seen
            self.seen = now
            self.host.changed(self, View._make(before), View._make(now))

    # -- input ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Let a tick pass."""
        self.node.tick()
        self.watch()
        self.pump()

    def step(self, m: Message) -> bool:
        """Take a message from the network; False if it is not taken now, nor kept for later."""
        if m.type == k.READ_INDEX and self.answers_rashly():
            return False
        if m.type == k.SNAP and self.host.guard_snapshots and self.has_to_apply():
            if self._keeps_snapshots:
                self._snapshot = m
            return self._keeps_snapshots
        self._take(m)
        self.watch()
        self.pump()
        return True

    def _take(self, m: Message) -> None:
        checkers = self.host.checkers
        checkers.taking(self, m)
        self._step(m)
        checkers.taken(self, m)

    def _take_kept_snapshot(self) -> None:
        if self._snapshot is not None and not self.has_to_apply():
            m, self._snapshot = self._snapshot, None
            self._take(m)

    def _step(self, m: Message) -> None:
        try:
            self.node.step(m)
        except (MalformedMessage, LogLost) as error:
            raise Violation("correct peers", f"{self.id} refuses {m!r}: {type(error).__name__}: {error}") from error
        except (StepError, ProposalDropped):
            # From a stranger, or a proposal that was forwarded in vain.
            pass

    def ask(self, call: Any, *arguments: Any) -> bool:
        """Call a method of the node that may drop what it is asked; whether it was taken."""
        taken = True
        try:
            call(*arguments)
        except (ProposalDropped, Overloaded):
            taken = False
        self.watch()
        self.pump()
        return taken

    def has_to_apply(self) -> bool:
        """Whether a snapshot must not be taken in now (``guard_snapshots``).

        It puts its configuration in force at once. Changes that were handed out before and are not applied yet, which
        it holds already, would then be applied to that later configuration.
        """
        return bool(self._applies) or (self._held is not None and len(self._held.committed_entries) > 0)

    def answers_rashly(self) -> bool:
        """Whether a read must not be asked here now (``guard_reads``).

        Where there is a single voter its leader answers at once. That is right only if the leader is that voter, and
        not one that was removed while the voter may have begun to lead by itself; and only if it has committed an
        entry of its own term, or it may not know all that was committed before a restart or by a former leader.
        """
        raft = self.raft
        if not self.host.guard_reads or raft.state != k.LEADER or not raft.tracker.is_singleton():
            return False
        return self.id not in raft.tracker.config.voters or raft.log.term_or_zero(raft.log.committed) != raft.term

    def compact(self, keep: int) -> int:
        """Make a snapshot of what is applied and compact to ``keep`` entries before it; its index, 0 if there is none.

        Only what raft knows to be applied may go, and only as far as the commit index on disk: it is what a start
        goes by.
        """
        disk = self.disk
        at = self.application.applied
        if at > min(self.raft.log.applied, disk.last_index()) or not self._committed_on_disk(at):
            return 0
        disk.sync()
        snapshot = disk.create_snapshot(at, self.application.members, self.application.machine.snapshot())
        if disk.checkpoint is not None and disk.checkpoint.index <= at:
            disk.checkpoint = None
        self.host.checkers.snapshot_made(self, snapshot)
        if at - keep >= disk.first_index():
            disk.compact(at - keep)
        return at

    def offer(self) -> Snapshot:
        """The snapshot to send: a new one if the members have changed since, or a new member would not find itself."""
        newest = self.disk.newest()
        if newest.metadata.conf_state.equivalent(self.application.members):
            return newest
        if not self.compact(k.NO_LIMIT):
            raise SnapshotTemporarilyUnavailable()
        return self.disk.newest()

    def keep_state(self) -> int:
        """Store the application's state beside the log; the index, 0 if the commit index on disk is not as far."""
        disk = self.disk
        at = self.application.applied
        if not self._committed_on_disk(at):
            return 0
        disk.keep(Checkpoint(at, self.application.members, self.application.machine.snapshot()))
        return at

    def _committed_on_disk(self, index: int) -> bool:
        """Whether an index is beyond the newest snapshot, and committed by the hard state as written."""
        state = self.disk.written()
        return state is not None and self.disk.newest().metadata.index < index <= state.commit

    # -- Ready ---------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Handle all that the node has to say, as far as it can be handled now."""
        for _ in range(READYS_MOST):
            if not self.up or self._busy:
                return
            rd = self.node.poll()
            if rd is None:
                return
            if rd.entries:
                self.host.checkers.appended(self, rd.entries)
            for state in rd.read_states:
                self.waiting_reads.append((state.index, state.request_ctx))
            if self.synchronous:
                self._begin(rd)
            else:
                self._hand_out(rd)
            if self.waiting_reads:
                self._answer_reads()
            self.watch()
        raise Violation("correct nodes", f"{self.id} has said {READYS_MOST} things at one moment and goes on")

    def _begin(self, rd: Ready) -> None:
        """The synchronous way: write what there is to write."""
        if not rd.entries and rd.hard_state is None and rd.snapshot is None:
            self._finish(rd)
            return
        disk = self.disk
        # A snapshot is synced whatever the Ready says of its entries and hard state.
        disk.submit(Batch(rd.entries, rd.hard_state, rd.snapshot, rd.must_sync or rd.snapshot is not None))
        delay = disk.delay()
        if delay:
            self._busy = True
            self._held = rd
            self.host.later(self, delay, self._written)
        else:
            self._complete()
            self._finish(rd)

    def _written(self) -> None:
        rd, self._held = self._held, None
        if rd is None:
            raise InvariantError("a write ended that nobody waits for")
        self._busy = False
        self._complete()
        self._finish(rd)
        self.watch()
        self.pump()

    def _finish(self, rd: Ready) -> None:
        for m in rd.messages:
            self._send(m)
        if rd.snapshot is not None:
            self._restore(rd.snapshot)
        if rd.committed_entries:
            self._apply(rd.committed_entries)
        self.node.advance()
        self._take_kept_snapshot()

    def _hand_out(self, rd: Ready) -> None:
        """The asynchronous way: queue what is for the threads, send the rest."""
        held: list[Message] = []
        append = None
        for m in rd.messages:
            if m.to == k.LOCAL_APPEND_THREAD:
                append = m
            elif m.to == k.LOCAL_APPLY_THREAD:
                self._applies.append(m)
            elif m.type in _VOTES and self.host.hold_votes:
                held.append(m)
            else:
                self._send(m)
        if append is not None:
            self._appends.append((append, held))
            self.disk.submit(_batch(append))
        elif held:
            raise Violation("correct nodes", f"{self.id} asks for votes without anything to store: {held!r}")
        self._next_append()
        self._next_apply()

    def _next_append(self) -> None:
        while self._appends and not self._appending:
            delay = self.disk.delay()
            if delay:
                # All that waits is written at once, or a slow disk would fall behind for ever.
                self._appending = True
                self.host.later(self, delay, partial(self._appended, len(self._appends)))
            else:
                self._end_append()

    def _appended(self, count: int) -> None:
        self._appending = False
        for _ in range(count):
            self._end_append()
        self._next_append()
        self.watch()
        self.pump()

    def _end_append(self) -> None:
        m, held = self._appends.popleft()
        self._complete()
        if m.snapshot is not None:
            self._restore(m.snapshot)
        for each in held:
            self._send(each)
        self._respond(m)
        # Before anything is applied: what was committed is judged by the configuration in force.
        self.watch()

    def _next_apply(self) -> None:
        while self._applies and not self._applying:
            delay = int(self.disk.random.random() * 2 * self.apply_latency) if self.apply_latency else 0
            if delay:
                self._applying = True
                self.host.later(self, delay, self._applied)
            else:
                self._end_apply()

    def _applied(self) -> None:
        self._applying = False
        self._end_apply()
        self._next_apply()
        self.watch()
        self.pump()

    def _end_apply(self) -> None:
        m = self._applies.popleft()
        self._apply(m.entries)
        self._respond(m)
        self._take_kept_snapshot()
        if self.waiting_reads:
            self._answer_reads()

    def _respond(self, m: Message) -> None:
        for response in m.responses:
            if response.to == self.id:
                self._step(response)
            else:
                self._send(response)

    def _complete(self) -> None:
        """The oldest batch is on disk."""
        batch = self.disk.pending[0]
        self.host.checkers.storing(self, batch)
        self.disk.complete()

    def _send(self, m: Message) -> None:
        self.host.send(self, m)

    # -- applying ------------------------------------------------------------------------------------------------

    def _restore(self, snapshot: Snapshot) -> None:
        metadata = snapshot.metadata
        self.application.restore(metadata.index, metadata.conf_state, snapshot.data)
        self.host.checkers.restored(self, snapshot)

    def _apply(self, entries: list[Entry]) -> None:
        application = self.application
        for e in entries:
            if e.index <= application.applied:
                # The apply thread was overtaken by a snapshot.
                continue
            self.host.checkers.applying(self, e)
            if e.type == k.NORMAL:
                number = application.apply(e.index, e.data)
                if number:
                    self.host.clients.applied(self.id, number, e.index)
            else:
                self._change(e)
        if self.waiting_reads:
            self._answer_reads()

    def _change(self, e: Entry) -> None:
        self.watch()
        application = self.application
        change = (ConfChange if e.type == k.CONF_CHANGE else ConfChangeV2).decode(e.data)
        # All nodes refuse an invalid one alike, and nothing changes.
        with suppress(ConfChangeError):
            application.members = self.node.apply_conf_change(change)
        application.applied = e.index
        self.host.checkers.members_changed(self, e.index, application.members)

    def _answer_reads(self) -> None:
        applied = self.application.applied
        ready = [read for read in self.waiting_reads if read[0] <= applied]
        if ready:
            self.waiting_reads = [read for read in self.waiting_reads if read[0] > applied]
            for index, context in ready:
                self.host.clients.read(self.id, int.from_bytes(context, "big"), index, applied)


def _batch(m: Message) -> Batch:
    """What a MsgStorageAppend asks to write; synced before anything is said that rests on it."""
    state = HardState(term=m.term, vote=m.vote, commit=m.commit) if m.has("term") else None
    return Batch(m.entries, state, m.snapshot, bool(m.responses) or m.snapshot is not None)
