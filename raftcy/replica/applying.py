"""Applies what the driver hands out to the group's machine, in slices, and makes the snapshots of the machine.

Rules:

- A long batch is applied in slices of a few milliseconds, and the event loop runs between them. Otherwise it would
  delay the heartbeats of all groups. Nobody sees a part of a batch as applied: ``Driver.applied`` moves at its end.
- Nothing is applied while the log holds writes of an earlier replica that are not durable. A machine with a database
  could get ahead of the log otherwise.
- A snapshot carries the table of the cluster's members, so that a member that starts from it knows them.
"""

import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any, Protocol

from ..core.entries import payloads_size
from ..errors import InvariantError, SnapshotTooLarge, StorageFailed
from ..machines import GroupMachine, StateMachine
from ..wire.messages import ConfState, Entry, Snapshot
from . import events as happened
from .driver import Driver
from .events import Event
from .membertable import MemberTable, split_table, with_table
from .proposals import Proposals
from .slices import has_data, is_change, slices
from .staged import Staged
from .tuning import Tuning
from .waits import AppliedWaits
from .work import Batch

SLICE_S = 0.005
"""After this time, in seconds, applying a batch pauses to let the rest of the event loop run."""


class Surroundings(Protocol):
    """The part of a host that applying needs."""

    cluster: int
    table: MemberTable
    tuning: Tuning


class Applying:
    """The machine of one replica, and what is being applied to it. The driver of the replica gets it as its machine.

    ``again`` is called to get another turn soon, and ``tell`` with each event.
    """

    def __init__(
        self,
        host: Surroundings,
        machine: StateMachine,
        log: Any,
        staged: Staged,
        proposals: Proposals,
        waits: AppliedWaits,
        again: Callable[[], None],
        tell: Callable[[Event], None],
    ) -> None:
        self._host = host
        self._log = log
        self._staged = staged
        self._proposals = proposals
        self._waits = waits
        self._again = again
        self._tell = tell
        self._driver: Any = None
        self.table = host.table
        """The table of the cluster's members, as of the applied index."""
        self.machine = GroupMachine(machine, self._present_members)
        """The machine with sessions, time and versions around it."""
        self._batch: Batch | None = None
        self._runs: Iterator[list[Entry]] | None = None
        self._answers: list[Any] = []
        self._bytes_since_snapshot = 0
        self._too_large_at = 0

    def attach(self, driver: Driver) -> None:
        """Take the batches of this driver, which was made with this object as its machine."""
        self._driver = driver

    def _present_members(self) -> ConfState:
        members: ConfState = self._driver.members
        return members

    @property
    def is_busy(self) -> bool:
        """Whether a batch is being applied, or waits for that."""
        return self._batch is not None or self._driver.has_batch()

    def run(self) -> bool:
        """Apply committed entries for a while, the rest in the loop's next rounds. Return whether a batch has ended."""
        began = 0.0
        ended = False
        if self._staged.is_unsynced:
            return False
        while True:
            if self._runs is None:
                batch = self._driver.next_batch()
                if batch is None:
                    return ended
                self._batch = batch
                self._answers = []
                if batch.snapshot is not None:
                    self.restore(batch.snapshot)
                self._runs = slices(batch.entries)
            for run in self._runs:
                self._apply_run(run)
                now = time.perf_counter()
                began = began or now
                if now - began > SLICE_S:
                    self._again()
                    return ended
            self._runs = None
            self._end_batch()
            ended = True

    def _apply_run(self, run: list[Entry]) -> None:
        if has_data(run):
            answers = self.machine.apply(run)
            if len(answers) != len(run):
                raise InvariantError(f"the machine gave {len(answers)} answers to {len(run)} entries")
            if self._answers:
                self._answers += answers
            else:
                self._answers = answers
            self._bytes_since_snapshot += payloads_size(run)
            return
        self._answers += [None] * len(run)
        if is_change(run):
            members = self._driver.change(run[0])
            refused = self._driver.refused_change
            if refused is not None:
                self._answers[-1] = refused
            else:
                self._tell(happened.MembersChanged(members, run[0].index))

    def _end_batch(self) -> None:
        """Finish an applied batch, and wake everybody who waited for it."""
        batch, self._batch = self._batch, None
        if batch is None:
            raise InvariantError("no batch is being applied")
        driver = self._driver
        driver.finish(batch)
        if batch.snapshot is not None:
            metadata = batch.snapshot.metadata
            self._bytes_since_snapshot = 0
            self._proposals.jump(metadata.index, metadata.term)
            self._tell(happened.SnapshotReceived(metadata.index))
        if batch.entries:
            self._proposals.settle(batch.entries, self._answers)
        self._waits.wake(driver.applied)
        self._make_snapshot()

    # -- snapshots ------------------------------------------------------------------------------------------------

    def _make_snapshot(self) -> None:
        """Make a snapshot if one is due."""
        driver, tuning = self._driver, self._host.tuning
        entries = driver.applied - max(self._log.snapshot().metadata.index, self._too_large_at)
        if entries < tuning.snapshot_entries and self._bytes_since_snapshot < tuning.snapshot_bytes:
            return
        try:
            made = driver.make_snapshot(tuning.kept_entries)
        except SnapshotTooLarge as error:
            # The log keeps growing. The next attempt comes after as many entries again.
            self._too_large_at = driver.applied
            self._bytes_since_snapshot = 0
            self._tell(happened.SnapshotFailed(error))
            return
        if made is not None:
            self._bytes_since_snapshot = 0
            self._tell(happened.SnapshotMade(made.metadata.index, len(made.data)))

    def capture(self) -> bytes:
        """Return the data of a snapshot. For the driver."""
        return with_table(self._host.cluster, self.table, self.machine.capture())

    def restore(self, snapshot: Snapshot) -> None:
        """Take over the state of a snapshot. For the driver."""
        cluster, table, state = split_table(snapshot.data)
        if cluster != self._host.cluster:
            raise StorageFailed(f"a snapshot of the cluster {cluster:x}, not {self._host.cluster:x}")
        # Equal tables of thousands of groups are one object.
        self.table = self._host.table if table == self._host.table else table
        if state is not None:
            self.machine.restore_state(BytesIO(state), snapshot.metadata.index)
