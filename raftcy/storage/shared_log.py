"""One log for all groups of a host: their staged changes go out as one write and one sync.

It waits for nothing. The caller supplies files, clock and random bytes, so the simulator and the tests run the same
code. All calls come from one thread, except ``Batch.run`` and ``Chore.run``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigError, Corruption, InvariantError, StorageFailed
from ..wire.checks import u64
from . import passport, share
from .bodies import Bodies, group_of_body
from .files import SECTOR, Files
from .group_log import GroupLog, Host
from .layout import (
    FILLER,
    FRAME,
    HEADER,
    Head,
    Header,
    Position,
    pack_header,
    pack_record,
    seed,
    segment_name,
    segment_number,
)
from .opening import Progress, make_durable, read_log
from .rebuild import check_begun, replay
from .reclaim import Reclaim
from .writing import Batch, Chore, leftovers

LOGGER = logging.getLogger("raftcy.storage")

SEGMENT_SIZE = 64 << 20
MEMORY_SIZE = 64 << 20
SLOW_SYNC_S = 1.0
_SEGMENT_MIN = 4096
# The bytes that a clean close needs at the end of a segment.
_RESERVE = SECTOR + 2 * FRAME


@dataclass
class Counters:
    """Counters of a log since it was opened. ``seconds`` is the time of all writes with their syncs."""

    syncs: int = 0
    records: int = 0
    bytes: int = 0
    seconds: float = 0.0
    slow_syncs: int = 0
    segments_begun: int = 0
    segments_removed: int = 0
    groups_moved: int = 0


class SharedLog:
    """The log of all groups, over ``Files``.

    ``segment_size`` is in bytes. ``memory_size`` is how many bytes of entries stay in memory. ``cluster`` is the id of
    the caller's cluster, empty while it is unknown. ``progress`` is called while the log is read. ``clock`` returns the
    time in seconds, from any start. ``draw`` returns a given number of random bytes; it is called once, for the
    identity of a new directory.

    Raises WrongDirectory, NewerFormat and Corruption, and StorageFailed if a file cannot be read or the records that
    were read cannot be made durable.
    """

    def __init__(
        self,
        files: Files,
        *,
        cluster: bytes = b"",
        segment_size: int = SEGMENT_SIZE,
        memory_size: int = MEMORY_SIZE,
        progress: Progress | None = None,
        clock: Callable[[], float],
        draw: Callable[[int], bytes],
    ) -> None:
        if segment_size < _SEGMENT_MIN or segment_size % SECTOR:
            raise ConfigError(f"segment_size must be a multiple of {SECTOR} and at least {_SEGMENT_MIN}")
        self.files = files
        self.counters = Counters()
        self._segment_size = segment_size
        self._memory_size = memory_size
        self._clock = clock
        self._groups: dict[int, GroupLog] = {}
        self._staged: list[GroupLog] = []
        self._warm: dict[GroupLog, None] = {}
        self._in_memory = 0
        self._flight: Batch | None = None
        self._flying: list[GroupLog] = []
        # Called after each durable batch, because new chores may wait then.
        self.landed: Callable[[], None] | None = None
        # Dropped groups whose drop is not durable yet.
        self._leaving: list[GroupLog] = []
        self._gone: list[str] = []
        # Bodies that somebody reads or still waits for, which no chore may remove; how many times each.
        self._pinned: dict[str, int] = {}
        # The bodies that the opening has found, by group.
        self._bodies: dict[int, list[str]] = {}
        self._spare = 0
        self._making = self._removing = False
        self._closed = False
        try:
            self._passport = passport.claim(files, cluster, draw(passport.IDENTITY_SIZE))
            self._host = Host(files, self._passport.identity, self._changed, self._moved)
            for name in leftovers(files.names()):
                files.remove(name)
            found = read_log(files, self._passport.identity, self._replay, progress)
            check_begun(self._groups, found)
            self._warm.clear()
            make_durable(files, found)
            self._find_bodies()
        except OSError as error:
            raise StorageFailed(f"the log cannot be opened: {error}") from error
        self.cut = found.cut
        self._number = found.last
        self._offset = found.offset
        self._size = found.size
        self._chain = found.chain
        self._mark: Position = (found.last, found.offset)
        # Whether the log ends with the mark of a clean close; if so, closing writes no other one.
        self._marked = found.marked
        self._reclaim = Reclaim(found.first or 1, segment_size)

    # -- groups --------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> bytes:
        """The identity of this directory, 16 bytes that were drawn when it was made."""
        return self._passport.identity

    @property
    def cluster(self) -> bytes:
        """The id of the cluster, empty while it is unknown."""
        return self._passport.cluster

    def set_cluster(self, cluster: bytes) -> None:
        """Store the id of the cluster when it becomes known. Raises WrongDirectory if the directory has another one."""
        self._check_alive()
        try:
            self._passport = passport.claim(self.files, cluster, self.identity)
        except OSError as error:
            raise self._fail(error) from error

    def groups(self) -> list[int]:
        """Return the ids of the groups that have records in the log."""
        return sorted(id for id, group in self._groups.items() if group.begun or group.share is not None)

    def group(self, id: int, *, bodies: bool = False) -> GroupLog:
        """Return the log of a group, the same object each time. It is empty if the group has written nothing.

        With ``bodies``, the data of a snapshot may refer to a file, which ``GroupLog.bodies`` writes. This call reads
        the newest file once: if it is damaged, the older one takes its place, provided that nothing is lost by that.
        Data that does not begin like a reference is the state itself, and the log holds it; so is all data without
        ``bodies``. Raises Corruption, which concerns this group only, and StorageFailed if a file cannot be read.
        """
        id = u64(id, "id")
        found = self._groups.get(id)
        if found is None:
            found = self._groups[id] = self._made(id)
        if bodies and found.bodies is None:
            try:
                for name in found.keep_bodies(Bodies(self.files, id), self._bodies.pop(id, ())):
                    # Removed at once: a later chore could remove a body of the same name that was written meanwhile.
                    self.files.remove(name)
            except OSError as error:
                raise StorageFailed(f"a snapshot of the group {id} cannot be read: {error}") from error
        return found

    def drop(self, id: int) -> bool:
        """Stage that a group is gone, with all its records, and return whether it had any.

        The group may begin anew later.
        """
        self._check_alive()
        group = self._groups.pop(u64(id, "id"), None)
        if group is None:
            return False
        had = bool(group.begun) or group.share is not None
        if group.share is None:
            self._staged.append(group)
        group.drop()
        self._leaving.append(group)
        return had

    def _changed(self, group: GroupLog) -> None:
        self._staged.append(group)

    # -- writing -------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Make all staged changes durable with one write and one sync; do nothing if nothing is staged.

        Raises StorageFailed if either fails; the log is dead then. The caller must finish a prepared batch first.
        """
        batch = self.prepare()
        if batch is not None:
            try:
                batch.run()
            except BaseException as error:
                self._fail(error)
                raise
            self.finish(batch)

    def prepare(self) -> Batch | None:
        """Return the next write, with all staged changes; None if nothing is staged.

        Until the caller finishes it, groups may stage more, but no other batch can be prepared.
        """
        self._check_alive()
        if self._flight is not None:
            raise InvariantError("a batch is under way: finish it first")
        if not self._staged:
            return None
        self._marked = False
        staged, self._staged = self._staged, []
        try:
            records = [_record_of(group) for group in staged]
            records += self._reclaim.move(self._groups)
            batch = self._batch([(group.id, body) for group, body, _ in records])
        except (OSError, Corruption, InvariantError) as error:
            raise self._fail(error) from error
        self.counters.groups_moved += len(records) - len(staged)
        number, offset = self._number, batch.offset + (HEADER if batch.size else 0)
        for group, body, begin in records:
            _note(group, body, begin, number, offset)
            offset += FRAME + len(body)
        self._flight, self._flying = batch, [group for group, _, _ in records]
        return batch

    def _batch(self, bodies: list[tuple[int, bytes]]) -> Batch:
        """Return a write of these records at the end of the log, in a new segment if they do not fit into this one."""
        total = sum([FRAME + len(body) for _, body in bodies])
        parts: list[bytes] = []
        size = 0
        closing = bodies[-1][1] == b""
        if self._number == 0 or (self._offset + total + _RESERVE > self._size and not closing):
            size = max(self._segment_size, HEADER + total + _RESERVE)
            size += -size % SECTOR
            self._number += 1
            header = Header(self._number, size, self._chain, self._offset, self._mark)
            parts.append(pack_header(header, seed(self.identity, self._number)))
            self._offset, self._size = 0, size
            self.counters.segments_begun += 1
            self._reclaim.begun(self._number, self._groups)
        start, offset = seed(self.identity, self._number), self._offset + sum(map(len, parts))
        at = self._offset
        for id, body in bodies:
            data, self._chain = pack_record(body, id, self._chain, self._mark, start, offset)
            parts.append(data)
            offset += len(data)
        self._offset = offset
        end = (self._number, offset)
        batch = Batch(self.files, self._clock, segment_name(self._number), at, b"".join(parts), end)
        batch.records = len(bodies)
        if size:
            batch.begins_segment(size, spare=self._spare == size)
            self._spare = 0
        return batch

    def finish(self, batch: Batch) -> None:
        """Acknowledge a batch that has run. Raises StorageFailed if it has failed; the log is dead then.

        The log never writes again after an error, because nobody knows what the failed write or sync left on the disk.
        """
        if batch is not self._flight:
            raise InvariantError("this batch is not under way")
        self._flight = None
        flying, self._flying = self._flying, []
        self._note_time(batch)
        if batch.error is not None:
            raise self._fail(batch.error) from batch.error
        self._mark = batch.end
        for group in flying:
            self._gone += group.landed()
        self._leaving = [group for group in self._leaving if group not in flying]
        self._evict()
        self._gone += self._reclaim.landed(self._groups, self._leaving)
        if self.landed is not None:
            self.landed()

    def _note_time(self, batch: Batch) -> None:
        counters = self.counters
        counters.syncs += 1
        counters.records += batch.records
        counters.bytes += len(batch.data)
        counters.seconds += batch.seconds
        if batch.seconds > SLOW_SYNC_S:
            counters.slow_syncs += 1
            LOGGER.warning("%s: a write with its sync took %.1f s", batch.name, batch.seconds)

    def _fail(self, error: BaseException) -> StorageFailed:
        if self._host.failed is None:
            self._host.failed = error
            LOGGER.error("the log has failed, and takes nothing more until it is opened anew: %r", error)
        return StorageFailed(f"the log has failed: {error}")

    @property
    def failure(self) -> BaseException | None:
        """The error that ended the log, None while it is alive."""
        return self._host.failed

    def _check_alive(self) -> None:
        if self._host.failed is not None:
            raise StorageFailed(f"the log has failed: {self._host.failed}") from self._host.failed
        if self._closed:
            raise StorageFailed("the log is closed")

    def close(self) -> None:
        """Sync staged changes, and write a mark. Without it, later damage could look like a torn tail.

        A log that has failed is closed without an error. Raises StorageFailed if this fails now. May be called twice.
        """
        if self._closed:
            return
        try:
            if self._host.failed is None and self._flight is None:
                self.sync()
                if self._number and not self._marked:
                    batch = self._flight = self._batch(self._closing_records())
                    batch.run()
                    self.finish(batch)
        finally:
            self._closed = True

    def _closing_records(self) -> list[tuple[int, bytes]]:
        """Return the records of a clean close: a filler, then an empty record with the mark in a separate sector.

        Damage to the sectors of the last commit then leaves the mark intact.
        """
        size = SECTOR - (self._offset + FRAME) % SECTOR
        return [(0, bytes((FILLER,)) * size), (0, b"")]

    def abandon(self) -> None:
        """Refuse all further calls, and write nothing. Unsynced changes are lost, as in a crash."""
        self._closed = True

    # -- space and memory ----------------------------------------------------------------------------------------

    def chores(self) -> list[Chore]:
        """Return the work that waits beside the log: making a spare segment, removing files that nothing needs.

        The caller runs each chore on any thread, and then passes it to ``chore_done``. Without that, the log makes a
        segment only when it needs one, which takes longer, and frees no space.
        """
        found: list[Chore] = []
        if self._host.failed is not None or self._closed:
            return found
        needed = self._flight is None and not self._spare and not self._making
        if self._number and needed and self._offset * 2 > self._size:
            self._making = True
            found.append(Chore(self.files, size=self._segment_size))
        if self._gone and not self._removing:
            free = tuple(name for name in self._gone if name not in self._pinned and not self._needs(name))
            self._gone = [name for name in self._gone if name in self._pinned]
            if free:
                self._removing = True
                found.append(Chore(self.files, names=free))
        return found

    def _needs(self, name: str) -> bool:
        """Whether a group refers to a body: one that was dropped and began anew may have the same snapshot again."""
        group = self._groups.get(group_of_body(name) or 0)
        if group is None or group.bodies is None:
            return False
        return any(name in group.bodies.names_of(each) for each in (group.newest, group.older) if each is not None)

    def pin(self, name: str) -> None:
        """Keep a body from being removed until ``unpin``, for whoever reads it, or still waits for its record."""
        self._pinned[name] = self._pinned.get(name, 0) + 1

    def unpin(self, name: str) -> None:
        """Take back one ``pin``. If nothing needs the body any more, the next chore removes it."""
        count = self._pinned.pop(name, 0) - 1
        if count > 0:
            self._pinned[name] = count

    def chore_done(self, chore: Chore) -> None:
        """Acknowledge a chore that has run. If it has failed, the log is dead, and this raises StorageFailed."""
        if chore.size:
            self._making = False
            self._spare = chore.size
        else:
            self._removing = False
            self.counters.segments_removed += sum(1 for name in chore.names if segment_number(name))
        if chore.error is not None:
            raise self._fail(chore.error) from chore.error

    def holders(self) -> list[int]:
        """Return the groups that hold the oldest segment, because they have too many bytes in it to move.

        Such a group holds the segment until it makes a snapshot and compacts its log.
        """
        return self._reclaim.holders(self._groups)

    def segments(self) -> tuple[int, int]:
        """Return the numbers of the oldest and the newest segment; (1, 0) without segments."""
        return self._reclaim.first, self._number

    def _moved(self, group: GroupLog, size: int) -> None:
        self._in_memory += size
        if size > 0:
            self._warm.pop(group, None)
            self._warm[group] = None
        elif not group.window_bytes:
            self._warm.pop(group, None)

    def _evict(self) -> None:
        """Drop entries that are on disk from memory, first from the groups that wrote longest ago."""
        if self._in_memory <= self._memory_size:
            return
        for group in list(self._warm):
            group.evict(self._in_memory - self._memory_size)
            if self._in_memory <= self._memory_size:
                return

    @property
    def in_memory(self) -> int:
        """Return about how many bytes the entries in memory take."""
        return self._in_memory

    # -- opening -------------------------------------------------------------------------------------------------

    def _find_bodies(self) -> None:
        """Note the bodies of each group, and remove those of groups that the log does not know.

        A crash leaves such a body between its rename and the group's first record, or between the durable drop of a
        group and the removal of its files.
        """
        for name in sorted(self.files.names()):
            group = group_of_body(name)
            if group is None:
                continue
            if group in self._groups:
                self._bodies.setdefault(group, []).append(name)
            else:
                self.files.remove(name)

    def _replay(self, number: int, offset: int, head: Head, body: bytes) -> None:
        replay(self._groups, self._made, number, offset, head, body)

    def _made(self, id: int) -> GroupLog:
        return GroupLog(id, self._host, self.sync)

    def __repr__(self) -> str:
        return f"<SharedLog {len(self._groups)} groups, segments {self._reclaim.first} to {self._number}>"


_Record = tuple[GroupLog, bytes, "share.Begin | None"]


def _record_of(group: GroupLog) -> _Record:
    """Return a record of a group's staged changes, with its beginning if it has none yet."""
    taken = group.take_share()
    parts: list[bytes] = []
    if group.dropped:
        share.add(parts, share.DROP, b"")
        return group, b"".join(parts), None
    if not group.begun:
        share.add_begin(parts, share.Begin(0, 0, 0, 0, 0, 0, []))
    if taken is not None:
        parts.append(taken.encode())
    return group, b"".join(parts), None


def _note(group: GroupLog, body: bytes, begin: "share.Begin | None", number: int, offset: int) -> None:
    """Note that a record of a group is being written at this place."""
    size = FRAME + len(body)
    if begin is not None:
        group.rest_on(begin, number, offset, size)
        return
    if not group.begun:
        group.begun = group.rests = number
    span = group.flying_span
    if span is not None:
        group.places.put(span[0], span[1], number, offset, size)
