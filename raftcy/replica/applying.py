"""Applies what the driver hands out to the group's machine, in slices. ``snapshots`` makes and restores its snapshots.

Rules:

- A long batch is applied in slices of a few milliseconds, and the event loop runs between them. Otherwise it would
  delay the heartbeats of all groups. Nobody sees a part of a batch as applied: ``Driver.applied`` moves at its end.
- Nothing is applied while the log holds writes of an earlier replica that are not durable. A machine with a database
  could get ahead of the log otherwise.
- While the machine is restored on a thread, nothing is applied.
- A snapshot carries the table of the cluster's members, so that a member that starts from it knows them.
- A change that would add a member whose program is too old for the group changes nothing, on all members alike; nor
  does one that the machine of the system group, the registry, refuses.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from ..core.entries import payloads_size
from ..errors import CommandError, InvariantError
from ..machines import GroupMachine, StateMachine
from ..wire.changes import ConfChangeV2, decode_change
from ..wire.messages import ConfState, Entry, Snapshot
from . import events as happened
from .driver import Driver
from .hostrecords import admits_arrival
from .membertable import MemberTable
from .notices import Notices
from .proposals import Proposals
from .registry import Registry
from .seams import Seams
from .slices import has_data, is_change, slices
from .snapshots import Owner, Snapshots
from .snapshots import Surroundings as SnapshotSurroundings
from .staged import Staged
from .waits import AppliedWaits
from .work import Batch

SLICE_S = 0.005
"""After this time, in seconds, applying a batch pauses to let the rest of the event loop run."""


class Surroundings(SnapshotSurroundings, Protocol):
    """The part of a host that applying needs."""

    seams: Seams

    @property
    def table(self) -> MemberTable:
        """The hosts of the cluster, with identities and addresses."""


# Between batches, all groups share these.
_NO_WORK: Iterator[None] = iter(())
_NO_ANSWERS: list[Any] = []


class Applying:
    """The machine of one replica, and what is being applied to it. The driver of the replica gets it as its machine.

    ``owner`` is the replica.
    """

    # Thousands of groups have one each.
    __slots__ = (
        "_answers",
        "_batch",
        "_driver",
        "_host",
        "_owner",
        "_postponed",
        "_proposals",
        "_registry",
        "_staged",
        "_waits",
        "_work",
        "machine",
        "snapshots",
    )

    def __init__(
        self,
        host: Surroundings,
        machine: StateMachine,
        log: Any,
        staged: Staged,
        proposals: Proposals,
        waits: AppliedWaits,
        owner: Owner,
        notices: Notices,
    ) -> None:
        self._host = host
        self._staged = staged
        self._proposals = proposals
        self._waits = waits
        self._owner = owner
        self._driver: Any = None
        self._registry = machine if isinstance(machine, Registry) else None
        # With sessions, time and versions around it.
        self.machine = GroupMachine(machine, self._present_members)
        self._batch: Batch | None = None
        self._work: Iterator[None] = _NO_WORK
        self._answers: list[Any] = _NO_ANSWERS
        self.snapshots = Snapshots(host, self.machine, log, owner, notices)
        # The snapshot from which the machine has to be restored before anything is applied.
        self._postponed: Snapshot | None = None

    def attach(self, driver: Driver) -> None:
        """Take the batches of this driver, which was made with this object as its machine."""
        self._driver = driver
        self.snapshots.attach(driver)

    @property
    def is_ready(self) -> bool:
        """Whether the machine shows the state of the applied index, and may be read."""
        return self._postponed is None and not self.snapshots.is_restoring

    def _present_members(self) -> ConfState:
        members: ConfState = self._driver.members
        return members

    @property
    def is_busy(self) -> bool:
        """Whether a batch or a snapshot is being applied, or waits for that."""
        return self._batch is not None or self._driver.has_batch() or not self.is_ready

    def run(self) -> bool:
        """Apply committed entries for a while, the rest in the loop's next rounds. Return whether a batch has ended."""
        began = 0.0
        ended = False
        snapshots = self.snapshots
        if self._staged.is_unsynced:
            return False
        if self._postponed is not None:
            postponed, self._postponed = self._postponed, None
            snapshots.restore(postponed)
        while not snapshots.is_restoring:
            if self._batch is None:
                batch = self._driver.next_batch()
                if batch is None:
                    if snapshots.is_wished:
                        snapshots.make(self._host.table)
                    return ended
                self._batch = batch
                self._answers = []
                self._work = self._apply(batch.entries)
                if batch.snapshot is not None:
                    snapshots.restore(batch.snapshot)
                    continue
            for _ in self._work:
                now = self._host.seams.stopwatch()
                began = began or now
                if now - began > SLICE_S:
                    self._owner.wake_up()
                    return ended
            self._end_batch()
            ended = True
        return ended

    def _apply(self, entries: list[Entry]) -> Iterator[None]:
        """Apply entries, and pause after each run of them, and within a run where the machine does."""
        in_steps = self.machine.machine.applies_in_steps
        for run in slices(entries):
            if not has_data(run):
                self._apply_run(run, [])
            elif in_steps:
                self._apply_run(run, (yield from self.machine.steps(run)))
            else:
                self._apply_run(run, self.machine.apply(run))
            yield

    def _apply_run(self, run: list[Entry], answers: list[Any]) -> None:
        """Note the answers to a run that the machine has applied, or apply a run that is not for the machine."""
        if has_data(run):
            if len(answers) != len(run):
                raise InvariantError(f"the machine gave {len(answers)} answers to {len(run)} entries")
            if self._answers:
                self._answers += answers
            else:
                self._answers = answers
            self.snapshots.applied(payloads_size(run))
            return
        self._answers += [None] * len(run)
        if is_change(run):
            self._change(run[0])

    def _change(self, e: Entry) -> None:
        members = self._driver.change(e)
        refused = self._driver.refused_change
        if refused is not None:
            self._answers[-1] = refused
            return
        if self._registry is not None:
            self._registry.changed(decode_change(e).as_v2())
        addresses = self._host.table.addresses()
        present = {*members.voters, *members.voters_outgoing, *members.learners, *members.learners_next}
        found = {id: addresses[id] for id in sorted(present) if id in addresses}
        self._owner.tell(happened.MembersChanged(members, e.index, found))

    def admit(self, change: ConfChangeV2, index: int) -> CommandError | None:
        """Return why a configuration change must change nothing, None if it may be applied. For the driver."""
        refused = admits_arrival(change, self.machine.refuses_member)
        if refused is None and self._registry is not None:
            refused = self._registry.admit(change, index)
        return refused

    def _end_batch(self) -> None:
        """Finish an applied batch, and wake everybody who waited for it."""
        batch, self._batch = self._batch, None
        if batch is None:
            raise InvariantError("no batch is being applied")
        driver = self._driver
        driver.finish(batch)
        if batch.snapshot is not None:
            metadata = batch.snapshot.metadata
            self._proposals.jump(metadata.index, metadata.term)
            self._owner.tell(happened.SnapshotReceived(metadata.index))
        if batch.entries:
            self._proposals.settle(batch.entries, self._answers)
        self._work, self._answers = _NO_WORK, _NO_ANSWERS
        self._waits.wake(driver.applied)
        self.snapshots.make(self._host.table)

    # -- snapshots, for the driver -------------------------------------------------------------------------------

    def wish_snapshot(self) -> None:
        """Make a snapshot soon, because a peer needs one with the present members."""
        self.snapshots.wish()

    def restore(self, snapshot: Snapshot) -> None:
        """Restore the machine at the start, or as soon as all that the log shows is durable.

        A machine on disk could otherwise get ahead of the log: a power cut may take back a snapshot that an earlier
        replica has received and staged.
        """
        if self._staged.is_unsynced:
            self._postponed = snapshot
        else:
            self.snapshots.restore(snapshot)
