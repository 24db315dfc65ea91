"""Makes the snapshots of one replica, and restores its machine from them.

Rules:

- The machine is captured in the event loop, and its capture is written, synced and renamed on a thread, while entries
  are applied. The log refers to the file only then.
- A capture of at most ``INLINE_BYTES`` of bytes goes into the log at once: it shares the next sync, where a file would
  take two syncs of its own. For thousands of small groups that is most of the cost of a snapshot.
- One snapshot is made at a time. A snapshot that a received one has overtaken is thrown away.
- A file that cannot be written ends no group: the log still has everything. The next attempt comes after as many
  entries again. An error of the machine ends the replica.
- A machine is restored from a file on a thread, and nothing else touches the machine meanwhile. Nothing is restored
  while the log holds writes that are not durable: a machine on disk could get ahead of the log otherwise.
"""

import logging
from collections.abc import Callable
from io import BytesIO
from typing import Any, Protocol

from ..errors import Corruption, MachineFailed, RaftError, Stopped, StorageFailed
from ..machines import GroupMachine
from ..machines.statemachine import Capture, Writable
from ..storage.bodies import Bodies, BodyWriter, Reference, is_reference
from ..wire import consts as k
from ..wire.messages import Message, Snapshot
from . import events as happened
from .aside import Aside
from .events import Event
from .making import Making
from .membertable import MemberTable, head_with_table, read_table
from .notices import Notices
from .registry import Registry
from .tuning import Tuning

INLINE_BYTES = 64 << 10
"""A state of up to so many bytes stays within the log."""
_PIECE_BYTES = 1 << 20


class Surroundings(Protocol):
    """The part of a host that snapshots need."""

    cluster: int
    tuning: Tuning

    @property
    def snapshots(self) -> Aside:
        """Where snapshots are written and read."""

    def pin(self, name: str) -> None:
        """Keep a file of the log from being removed."""

    def unpin(self, name: str) -> None:
        """Take back one ``pin``."""


class Owner(Protocol):
    """The replica, as far as its snapshots need it."""

    def wake_up(self) -> None:
        """Get another turn soon."""

    def tell(self, event: Event) -> None:
        """Tell an event to whoever follows the replica."""

    def guarded(self, act: Any, *arguments: Any) -> None:
        """Do work whose errors end the replica."""

    def waiting_messages(self) -> list[Message]:
        """Return the messages that the driver has not got yet."""


_NO_FILES: frozenset[str] = frozenset()


class Spool:
    """Takes the bytes of a snapshot: in memory while they are few, and in a file from then on. For any thread.

    ``is_over`` says that nobody wants them any more; ``write`` then raises Stopped, which ends the capture.
    """

    def __init__(self, bodies: Bodies, index: int, term: int, is_over: Callable[[], bool]) -> None:
        self._bodies = bodies
        self._place = (index, term)
        self._is_over = is_over
        self._parts: list[bytes] = []
        self._writer: BodyWriter | None = None
        self.size = 0

    def write(self, data: bytes) -> int:
        """Append to the snapshot."""
        if self._is_over():
            raise Stopped(None)
        self.size += len(data)
        if self._writer is None:
            self._parts.append(bytes(data))
            if self.size > INLINE_BYTES:
                self._writer = self._bodies.write(*self._place)
                for part in self._parts:
                    self._writer.write(part)
                self._parts.clear()
        else:
            self._writer.write(data)
        return len(data)

    def finish(self) -> tuple[bytes, Reference | None]:
        """Return the data of the snapshot, with the reference to its file if it has one."""
        if self._writer is None:
            return b"".join(self._parts), None
        if self._is_over():
            raise Stopped(None)
        reference = self._writer.finish()
        return reference.encode(), reference

    def abort(self) -> None:
        """Remove what was written."""
        if self._writer is not None:
            self._writer.abort()


class Snapshots:
    """The snapshots of one replica. ``machine`` is its machine, and ``log`` its log, which keeps bodies.

    ``owner`` is the replica, and ``notices`` takes the log lines.
    """

    # Thousands of groups have one each.
    __slots__ = (
        "_bytes",
        "_driver",
        "_failed_at",
        "_held",
        "_host",
        "_log",
        "_machine",
        "_making",
        "_notices",
        "_over",
        "_owner",
        "is_restoring",
        "is_wished",
    )

    def __init__(
        self,
        host: Surroundings,
        machine: GroupMachine,
        log: Any,
        owner: Owner,
        notices: Notices,
    ) -> None:
        self._notices = notices
        self._host = host
        self._machine = machine
        self._log = log
        self._owner = owner
        self._driver: Any = None
        self._bytes = 0
        self._failed_at = 0
        self.is_wished = False
        """Whether a snapshot is wanted although none is due."""
        self._over = False
        # The files of received snapshots that are not restored yet.
        self._held: frozenset[str] = _NO_FILES
        self._making: Making | None = None
        self.is_restoring = False
        """Whether the machine is being restored on the thread. Nothing may touch it then."""

    def attach(self, driver: Any) -> None:
        """Make the snapshots of this driver."""
        self._driver = driver

    def stop(self) -> None:
        """End everything: the thread writes and reads nothing more."""
        self._over = True
        for name in list(self._held):
            self._release(name)

    def hold(self, snapshot: Snapshot) -> None:
        """Keep the file of a received snapshot until the machine is restored from it.

        Another one may arrive meanwhile, and the log then needs this one no more.
        """
        for name in self._log.bodies.names_of(snapshot):
            if name not in self._held:
                self._held |= {name}
                self._host.pin(name)

    def _release(self, name: str) -> None:
        if name in self._held:
            self._held -= {name}
            self._host.unpin(name)

    def _is_over(self) -> bool:
        return self._over

    # -- making --------------------------------------------------------------------------------------------------

    def wish(self) -> None:
        """Ask for a snapshot although none is due: a peer needs one with the present members."""
        self.is_wished = True
        self._owner.wake_up()

    def applied(self, count: int) -> None:
        """Note that so many bytes of commands were applied."""
        self._bytes += count

    def make(self, table: MemberTable) -> None:
        """Begin a snapshot if one is due. Call it between batches. ``table`` has the members of the cluster."""
        driver, tuning = self._driver, self._host.tuning
        if not self.is_wished:
            entries = driver.applied - max(self._log.snapshot().metadata.index, self._failed_at)
            if entries < tuning.snapshot_entries and self._bytes < tuning.snapshot_bytes:
                return
        making = driver.begin_snapshot()
        if making is None:
            return
        self.is_wished = False
        self._bytes = 0
        try:
            captured: Any = self._machine.capture_state()
        except BaseException:
            driver.drop_snapshot(making)
            raise
        spool = Spool(self._log.bodies, making.index, self._log.term(making.index), self._is_over)
        head = head_with_table(self._host.cluster, table, True)
        self._making = making
        if captured.is_small(INLINE_BYTES):
            file = BytesIO()
            captured.write(file)
            state = file.getvalue()
            spool.write(head)
            if len(head) + len(state) <= INLINE_BYTES:
                spool.write(state)
                self._made(making, spool, spool.finish(), None)
                return
            captured = Whole(state)
        else:
            spool.write(head)
        self._host.snapshots.submit(
            lambda: _write(spool, captured),
            lambda written, failure: self._written(making, spool, written, failure),
        )

    def _written(self, making: Making, spool: Spool, written: Any, failure: BaseException | None) -> None:
        if not self._over:
            self._owner.guarded(self._made, making, spool, written, failure)
        elif failure is None:
            self._remove(written[1])

    def _remove(self, reference: Reference | None) -> None:
        if reference is not None:
            self._host.snapshots.submit(lambda: self._log.bodies.remove(reference), _ignore)

    def _made(
        self, making: Making, spool: Spool, written: tuple[bytes, Reference | None], failure: BaseException | None
    ) -> None:
        self._making = None
        driver, tuning = self._driver, self._host.tuning
        if failure is not None:
            driver.drop_snapshot(making)
            if isinstance(failure, StorageFailed):
                self._failed(failure)
                return
            if isinstance(failure, RaftError) or not isinstance(failure, Exception):
                raise failure
            raise MachineFailed(0, 0, b"", f"{type(failure).__name__}: {failure}") from failure
        data, reference = written
        made = driver.end_snapshot(making, data, self._keep(making.index, tuning.kept_entries))
        if made is not None:
            self._owner.tell(happened.SnapshotMade(making.index, spool.size))
        else:
            # A received snapshot has overtaken it.
            self._remove(reference)
        self._owner.wake_up()

    def _failed(self, error: Exception) -> None:
        self._failed_at = self._driver.applied
        text = "the snapshot at %d could not be made, the log goes on without it: %s"
        self._notices.say(logging.ERROR, "snapshot", text, self._failed_at, error)
        self._owner.tell(happened.SnapshotFailed(error))

    def _keep(self, at: int, kept: int) -> int:
        """Return how many entries to keep before a snapshot at this index.

        That includes all entries after a snapshot that is on its way to a peer: a peer that takes long for it would
        otherwise need another one afterwards, and so on without an end.
        """
        raft = self._driver.node.raft
        if raft.state != k.LEADER:
            return kept
        pending = [each.pending_snapshot for each in self._driver.node.status().progress.values()]
        return max(kept, at - min((index for index in pending if index), default=at))

    # -- for the depot -------------------------------------------------------------------------------------------

    def bodies(self) -> Bodies:
        """The bodies of the group."""
        bodies: Bodies = self._log.bodies
        return bodies

    def newest(self) -> Snapshot:
        """The newest snapshot of the group."""
        newest: Snapshot = self._log.snapshot()
        return newest

    def refers_to(self, reference: Reference) -> bool:
        """Whether the log refers to a body, or may come to refer to it."""
        if self._making is not None and self._making.index == reference.index:
            return True
        kept = [self._log.newest, self._log.older, *[m.snapshot for m in self._owner.waiting_messages()]]
        kept += self._driver.waiting_snapshots()
        return any(each is not None and reference.name in self._log.bodies.names_of(each) for each in kept)

    def body_damaged(self, reference: Reference, error: Corruption) -> None:
        """Make a new snapshot in place of the newest one, whose body cannot be sent."""
        if self._over:
            return
        text = "the snapshot at %d is damaged, and is made anew: %s"
        self._notices.say(logging.ERROR, "damaged", text, reference.index, error)
        self._owner.tell(happened.SnapshotFailed(error))
        self.wish()

    # -- restoring -----------------------------------------------------------------------------------------------

    def restore(self, snapshot: Snapshot) -> None:
        """Restore the machine from a snapshot: at once if the log holds the state, otherwise on the thread."""
        if not is_reference(snapshot.data):
            self._read(BytesIO(snapshot.data), snapshot.metadata.index)
            return
        self.hold(snapshot)
        bodies = self._log.bodies
        reference = bodies.reference(snapshot)
        name: str = reference.name

        def read() -> None:
            self._read(_Until(bodies.open(reference), self._is_over), snapshot.metadata.index)

        if not self._machine.machine.restores_on_thread:
            read()
            self._release(name)
            return
        self.is_restoring = True
        self._host.snapshots.submit(read, lambda _, failure: self._owner.guarded(self._ended, name, failure))

    def _read(self, file: Any, index: int) -> None:
        cluster, table, has_state = read_table(file)
        if cluster != self._host.cluster:
            raise Corruption(f"a snapshot of the cluster {cluster:x}, not {self._host.cluster:x}")
        if has_state:
            self._machine.restore_state(file, index)
        elif isinstance(self._machine.machine, Registry):
            self._machine.machine.found(table)

    def _ended(self, name: str, failure: BaseException | None) -> None:
        self.is_restoring = False
        self._release(name)
        if failure is not None:
            raise failure
        self._bytes = 0
        self._owner.wake_up()


class _Until:
    """A file that can be read until the replica is over."""

    def __init__(self, file: Any, is_over: Callable[[], bool]) -> None:
        self._file = file
        self._is_over = is_over

    def read(self, size: int = -1) -> bytes:
        """Read from the file; Stopped once the replica is over."""
        if self._is_over():
            raise Stopped(None)
        found: bytes = self._file.read(size)
        return found


class Whole:
    """A captured state as bytes."""

    def __init__(self, state: bytes) -> None:
        self._state = state

    def write(self, file: Writable) -> None:
        """Write it, in pieces."""
        with memoryview(self._state) as view:
            for at in range(0, len(view), _PIECE_BYTES):
                file.write(bytes(view[at : at + _PIECE_BYTES]))


def _write(spool: Spool, captured: Capture) -> tuple[bytes, Reference | None]:
    """Write a captured state, and return the data of its snapshot."""
    try:
        captured.write(spool)
        return spool.finish()
    except BaseException:
        spool.abort()
        raise


def _ignore(result: Any, failure: BaseException | None) -> None:
    """Do nothing: the next opening removes what could not be removed now."""
