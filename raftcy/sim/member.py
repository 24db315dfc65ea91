"""One member: a Driver with a simulated disk and an application.

The driver is the one that users run; the checkers observe it. Only its surroundings are simulated: how long a write or
an apply takes, and what a crash loses. ``Config.async_storage_writes`` selects one of two modes:

- Synchronous: the node produces nothing more until its write is done and applied. It accepts messages and ticks
  meanwhile.
- Asynchronous: one thread writes and another applies, each with a queue.

A crash loses the node, the application and the queues; the disk remains.
"""

from functools import partial
from random import Random
from typing import Any

from ..errors import InvariantError, LogLost, MalformedMessage, NotNow, Overloaded, ProposalDropped, RaftError
from ..replica.driver import Driver
from ..replica.lease import Lease
from ..replica.work import Batch, Write
from ..wire import consts as k
from ..wire.messages import Message, Snapshot
from .application import Application
from .checkers import Violation
from .clock import TICK
from .disk import Checkpoint, Disk
from .seen import View
from .sleeper import Sleeper
from .timepiece import Timepiece
from .world import Host

READYS_MOST = 10_000
"""The most Readys at one moment. A few hundred are normal; with more, the node is in an endless loop."""


class Member:
    """A member. ``up`` while it runs, ``paused`` while its messages and events wait. ``life`` counts its starts."""

    __slots__ = (
        "_appending",
        "_applying",
        "_busy",
        "application",
        "apply_latency",
        "deferred",
        "disk",
        "driver",
        "host",
        "id",
        "lease",
        "life",
        "node",
        "paused",
        "raft",
        "seen",
        "sleeper",
        "stalled",
        "synchronous",
        "tick_time",
        "timepiece",
        "up",
    )

    def __init__(self, host: "Host[Member]", id: int) -> None:
        self.host = host
        self.id = id
        self.disk = Disk(host.stream("disk", id), host.torn_writes)
        self.life = 0
        self.up = False
        self.paused = False
        self.stalled = False
        self.tick_time = TICK
        self.timepiece = Timepiece(host.clock)
        self.lease: Lease | None = None
        self.apply_latency = 0
        self.deferred: list[Any] = []

    # -- life ----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start from the state on the disk."""
        disk = self.disk
        if disk.torn:
            disk.take_up_term()
        snapshot = disk.newest()
        checkpoint = disk.checkpoint
        metadata = snapshot.metadata
        state = (metadata.index, snapshot.data) if checkpoint is None else (checkpoint.index, checkpoint.data)
        self.application = Application(self.host.machine(), *state)
        applied = 0 if checkpoint is None else checkpoint.index
        host = self.host
        random = host.stream("node", self.id, self.life)
        config = host.settings.config(self.id, disk, applied, random, host.logger)
        self.node = host.make_raw(config)
        self.raft = self.node.raft
        self.lease = host.settings.drivers_lease(self.id)
        self.driver = Driver(
            self.node,
            disk,
            self.application,
            snapshot=snapshot,
            observer=self,
            keep_snapshots=host.settings.keeps_snapshots(self.id),
            hold_votes=host.hold_votes,
            guard_reads=host.guard_reads,
            guard_snapshots=host.guard_snapshots,
            nonce=b"%8d" % self.life,
            lease=self.lease,
        )
        self.read_clock()
        self.synchronous = not host.settings.of(self.id)["async_storage_writes"]
        self.life += 1
        self.up = True
        self.paused = self.stalled = False
        self._busy = self._appending = self._applying = False
        self.deferred.clear()
        self.sleeper = Sleeper(self) if host.settings.profile.sleeps else None
        self.seen: tuple[int, ...] = self.view()
        self.host.checkers.started(self, View._make(self.seen))
        self.host.start_ticking(self)

    def crash(self, random: Random) -> str:
        """Crash: lose everything but the disk. Returns a text about what the disk lost."""
        self.up = False
        self.host.checkers.crashed(self)
        return self.disk.crash(random)

    def view(self) -> tuple[int, ...]:
        """The fields of a View of the current state."""
        r = self.raft
        log = r.log
        return r.term, r.vote, r.lead, r.state, log.committed, log.applied, log.last_index()

    def watch(self) -> None:
        """Report a change of the observable state to the cluster, if there is one."""
        now = self.view()
        if now != self.seen:
            before = self.seen
            self.seen = now
            self.host.changed(self, View._make(before), View._make(now))

    # -- input ---------------------------------------------------------------------------------------------------

    def read_clock(self) -> None:
        """Pass a reading of the clock to the driver."""
        if self.lease is not None:
            self.driver.pass_time(self.timepiece.read())

    def run_clock(self, rate: float) -> None:
        """Let the clock and the ticks run at a rate from now on; 1 is right."""
        self.timepiece.run_at(rate)
        self.tick_time = self.timepiece.tick_time()

    def lease_runs(self) -> bool:
        """Whether a read would be answered by the lease at this moment."""
        return self.lease is not None and self.lease.is_running(self.timepiece.read())

    def tick(self) -> None:
        """Advance the node by one tick, unless it sleeps."""
        if self.sleeper is None:
            self.driver.tick()
        else:
            self.sleeper.tick()
            self.host.checkers.ticked(self)
        self.watch()
        self.pump()

    def hear(self, m: Message) -> None:
        """Take a beat, or an answer to one."""
        if self.sleeper is not None:
            self.sleeper.hear(m)
            self.host.checkers.beaten(self, m.from_)
        self.watch()
        self.pump()

    @property
    def is_running(self) -> bool:
        """Whether it is up and not paused."""
        return self.up and not self.paused

    @property
    def is_asleep(self) -> bool:
        """Whether it takes no ticks, because its group sleeps."""
        return self.sleeper is not None and self.sleeper.is_asleep

    def is_idle(self) -> bool:
        """Whether nothing is under way around the driver."""
        busy = self._busy or self._appending or self._applying
        return not (busy or self.disk.pending or self.driver.has_batch())

    def _rouse(self) -> None:
        if self.sleeper is not None:
            self.sleeper.rouse()

    def step(self, m: Message) -> bool:
        """Step a message from the network. Returns False if the driver dropped it because it cannot be stepped yet."""
        self._rouse()
        try:
            refused = self.driver.step(m)
        except LogLost as error:
            raise self._incorrect(m, error) from error
        if isinstance(refused, NotNow):
            return False
        self.watch()
        self.pump()
        return True

    def taking(self, m: Message) -> None:
        """Called by the driver before it steps a message."""
        self.host.checkers.taking(self, m)

    def taken(self, m: Message, refused: RaftError | None) -> None:
        """Called by the driver after it stepped a message.

        A refusal is fine if the sender is unknown or a forwarded proposal was dropped, but no correct peer sends a
        malformed message.
        """
        if isinstance(refused, MalformedMessage):
            raise self._incorrect(m, refused) from refused
        self.host.checkers.taken(self, m)

    def snapshot_made(self, snapshot: Snapshot) -> None:
        """Called by the driver when it has made a snapshot."""
        self.host.checkers.snapshot_made(self, snapshot)

    def _incorrect(self, m: Message, error: RaftError) -> Violation:
        return Violation("correct peers", f"{self.id} refuses {m!r}: {type(error).__name__}: {error}")

    def ask(self, call: Any, *arguments: Any) -> bool:
        """Call a method of the node that may refuse the request. Returns whether the node accepted it."""
        taken = True
        self._rouse()
        try:
            call(*arguments)
        except (ProposalDropped, Overloaded):
            taken = False
        self.watch()
        self.pump()
        return taken

    def compact(self, keep: int) -> int:
        """Make a snapshot and compact the log to ``keep`` entries before it. Returns its index, 0 if none was made."""
        made = self.driver.make_snapshot(keep)
        return 0 if made is None else made.metadata.index

    def keep_state(self) -> int:
        """Store the application's state beside the log. Returns its index.

        Returns 0, and stores nothing, if the commit index on disk does not cover it yet: after a crash the application
        would be ahead of its log.
        """
        disk = self.disk
        at = self.application.applied
        if not self._committed_on_disk(at):
            return 0
        disk.keep(Checkpoint(at, self.driver.members, self.application.capture()))
        return at

    def _committed_on_disk(self, index: int) -> bool:
        """Whether an index is beyond the newest snapshot and committed according to the written hard state."""
        state = self.disk.written()
        return state is not None and self.disk.newest().metadata.index < index <= state.commit

    # -- work for the driver -------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Do the driver's work, as far as possible at this moment."""
        for _ in range(READYS_MOST):
            if not self.up or self._busy:
                return
            work = self.driver.poll()
            if work is None:
                return
            write = work.write
            if write is not None and write.entries:
                self.host.checkers.appended(self, write.entries)
            for m in work.messages:
                self._send(m)
            if write is not None:
                self.disk.submit(write)
            if self.synchronous:
                self._begin(write)
            else:
                self._next_append()
                self._next_apply()
            self._answer_reads()
            self.watch()
        raise Violation("correct nodes", f"{self.id} does not stop after {READYS_MOST} Readys at one moment")

    def _begin(self, write: Write | None) -> None:
        """Begin a write in synchronous mode."""
        delay = self.disk.delay() if write is not None else 0
        if delay:
            self._busy = True
            self.host.later(self, delay, self._written)
            return
        if write is not None:
            self._end_write()
        self._apply()

    def _written(self) -> None:
        self._busy = False
        self._end_write()
        self._apply()
        self.watch()
        self.pump()

    def _next_append(self) -> None:
        while self.disk.pending and not self._appending:
            delay = self.disk.delay()
            if delay:
                # Write everything that waits at once; otherwise a slow disk would fall further and further behind.
                self._appending = True
                self.host.later(self, delay, partial(self._appended, len(self.disk.pending)))
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
        write = self._end_write()
        if write.snapshot is not None:
            self._apply()
        # Report before anything is applied: the checkers judge a commit by the configuration in force.
        self.watch()

    def _end_write(self) -> Write:
        """Complete the oldest write."""
        self.host.checkers.storing(self, self.disk.pending[0])
        write = self.disk.complete()
        for m in self.driver.stored(write):
            self._send(m)
        return write

    def _next_apply(self) -> None:
        while self.driver.has_batch() and not self._applying:
            delay = int(self.disk.random.random() * 2 * self.apply_latency) if self.apply_latency else 0
            if delay:
                self._applying = True
                self.host.later(self, delay, self._applied)
            else:
                self._apply()

    def _applied(self) -> None:
        self._applying = False
        self._apply()
        self._next_apply()
        self.watch()
        self.pump()

    def _send(self, m: Message) -> None:
        self.host.send(self, m)

    # -- applying ------------------------------------------------------------------------------------------------

    def _apply(self) -> None:
        """Apply the driver's next batch."""
        batch = self.driver.next_batch()
        if batch is None:
            raise InvariantError("the driver has nothing to apply")
        self._apply_batch(batch)
        self.driver.finish(batch)
        self._answer_reads()

    def _apply_batch(self, batch: Batch) -> None:
        application = self.application
        if batch.snapshot is not None:
            application.restore(batch.snapshot.metadata.index, batch.snapshot.data)
            self.host.checkers.restored(self, batch.snapshot)
        for e in batch.entries:
            self.host.checkers.applying(self, e)
            if e.type == k.NORMAL:
                number = application.take(e, self.driver.members)
                if number:
                    self.host.clients.applied(self.id, number, e.index)
            else:
                self.watch()
                members = self.driver.change(e)
                application.applied = e.index
                self.host.checkers.members_changed(self, e.index, members)

    def _answer_reads(self) -> None:
        for state in self.driver.take_reads():
            self.host.clients.read(
                self.id, int.from_bytes(state.request_ctx, "big"), state.index, self.application.applied
            )
