"""One log for all groups of a host: what they stage goes out as one write and one sync.

It does no waiting and reads no clock of its own. Files, clock and random bytes are given to it, so that the simulator
and the tests run it as it is. All calls are made from one thread, but for ``Batch.run`` and ``Chore.run``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigError, Corruption, InvariantError, StorageFailed
from ..wire.checks import u64
from . import passport, share
from .bodies import Bodies
from .files import SECTOR, Files
from .group import GroupLog, Host
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
# What a clean close needs at the end of a segment.
_RESERVE = SECTOR + 2 * FRAME


@dataclass
class Counters:
    """What a log has done since it was opened. ``seconds`` is the time of all writes with their syncs."""

    syncs: int = 0
    records: int = 0
    bytes: int = 0
    seconds: float = 0.0
    slow_syncs: int = 0
    segments_begun: int = 0
    segments_removed: int = 0
    groups_moved: int = 0


class SharedLog:
    """See the module. ``segment_size`` is in bytes, and ``memory_size`` how many bytes of entries stay in memory.

    ``cluster`` is the id of the cluster that the caller belongs to, empty if it is not known yet. ``progress`` is
    called while the log is read. ``clock`` gives the time in seconds, from any start, and ``draw`` so many random
    bytes, once, for the identity of a new directory.

    Raises WrongDirectory, NewerFormat and Corruption, and StorageFailed if a file cannot be read, or what was read
    cannot be made durable.
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
        # Called after each batch that is durable, when there may be chores.
        self.landed: Callable[[], None] | None = None
        # Groups that are dropped, until that is durable.
        self._leaving: list[GroupLog] = []
        self._gone: list[str] = []
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
        except OSError as error:
            raise StorageFailed(f"the log cannot be opened: {error}") from error
        self.cut = found.cut
        self._number = found.last
        self._offset = found.offset
        self._size = found.size
        self._chain = found.chain
        self._mark: Position = (found.last, found.offset)
        # The log ends with the mark of a clean close; another one would need space of its own.
        self._marked = found.marked
        self._reclaim = Reclaim(found.first or 1, segment_size)

    # -- groups --------------------------------------------------------------------------------------------------

    @property
    def identity(self) -> bytes:
        """What this directory is told by, drawn when it was made."""
        return self._passport.identity

    @property
    def cluster(self) -> bytes:
        """The id of the cluster, empty if it is not known yet."""
        return self._passport.cluster

    def set_cluster(self, cluster: bytes) -> None:
        """Store the id of the cluster, once it is known. Raises WrongDirectory if the directory has another one."""
        self._check_alive()
        try:
            self._passport = passport.claim(self.files, cluster, self.identity)
        except OSError as error:
            raise self._fail(error) from error

    def groups(self) -> list[int]:
        """The ids of the groups that have anything in the log."""
        return sorted(id for id, group in self._groups.items() if group.begun or group.share is not None)

    def group(self, id: int, *, bodies: bool = False) -> GroupLog:
        """The log of a group, which is empty if nothing was ever written to it. The same object each time.

        With ``bodies`` the data of its snapshots refers to files, which are written by ``GroupLog.bodies`` and read
        here once: if the newest one is damaged, the older one takes its place where nothing is lost by that. Else the
        data is the state itself, and stands in the log. Raises Corruption, which concerns this group alone, and
        StorageFailed if a file cannot be read.
        """
        id = u64(id, "id")
        found = self._groups.get(id)
        if found is None:
            found = self._groups[id] = self._made(id)
        if bodies and found.bodies is None:
            try:
                for name in found.keep_bodies(Bodies(self.files, id)):
                    # At once: the same body may come again.
                    self.files.remove(name)
            except OSError as error:
                raise StorageFailed(f"a snapshot of the group {id} cannot be read: {error}") from error
        return found

    def drop(self, id: int) -> None:
        """Stage that a group is gone, with all that it has written. It may begin anew later."""
        self._check_alive()
        group = self._groups.pop(u64(id, "id"), None)
        if group is None:
            return
        if group.share is None:
            self._staged.append(group)
        group.drop()
        self._leaving.append(group)

    def _changed(self, group: GroupLog) -> None:
        self._staged.append(group)

    # -- writing -------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Make durable what all groups have staged: one write and one sync, none if nothing is staged.

        Raises StorageFailed if either fails; the log is dead then. A batch that is under way has to be finished first.
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
        """The next write: all that is staged. None if nothing is.

        Until it is finished, groups may stage more, and no other batch can be prepared.
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
        """A write of these records at the end of the log, in a new segment if they do not fit into the present one."""
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
        """A batch has run: what it holds is durable. Raises StorageFailed if it is not; the log is dead then.

        Nothing is written again after an error: what the failed write or sync has left on the disk is not known.
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
        """The error that has ended the log, None while it is alive."""
        return self._host.failed

    def _check_alive(self) -> None:
        if self._host.failed is not None:
            raise StorageFailed(f"the log has failed: {self._host.failed}") from self._host.failed
        if self._closed:
            raise StorageFailed("the log is closed")

    def close(self) -> None:
        """Sync what is staged and write a mark, by which damage that comes later is told from a torn tail.

        A log that has failed is closed without a word. Raises StorageFailed if it fails now. May be called twice.
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
        """An empty record, for its mark, in a sector of its own: what damages the last commit leaves the mark alone."""
        size = SECTOR - (self._offset + FRAME) % SECTOR
        return [(0, bytes((FILLER,)) * size), (0, b"")]

    def abandon(self) -> None:
        """Take no more calls, and write nothing: what was not synced is lost, as by a crash."""
        self._closed = True

    # -- space and memory ----------------------------------------------------------------------------------------

    def chores(self) -> list[Chore]:
        """Work to be done beside the log, if there is any: make a spare segment, remove files that nothing needs.

        Each is to be run, on any thread, and then given to ``chore_done``. They may be left undone: then a segment is
        made when it is needed, which takes longer, and no space comes back.
        """
        found: list[Chore] = []
        if self._host.failed is not None or self._closed:
            return found
        needed = self._flight is None and not self._spare and not self._making
        if self._number and needed and self._offset * 2 > self._size:
            self._making = True
            found.append(Chore(self.files, size=self._segment_size))
        if self._gone and not self._removing:
            self._removing = True
            found.append(Chore(self.files, names=tuple(self._gone)))
            self._gone = []
        return found

    def chore_done(self, chore: Chore) -> None:
        """A chore has run. Its error ends the log: raises StorageFailed."""
        if chore.size:
            self._making = False
            self._spare = chore.size
        else:
            self._removing = False
            self.counters.segments_removed += sum(1 for name in chore.names if segment_number(name))
        if chore.error is not None:
            raise self._fail(chore.error) from chore.error

    def holders(self) -> list[int]:
        """The groups that keep the oldest segment from being given back, having too much in it to be moved.

        Each goes on holding it until it has made a snapshot and compacted its log.
        """
        return self._reclaim.holders(self._groups)

    def segments(self) -> tuple[int, int]:
        """The numbers of the oldest and of the newest segment; (1, 0) if there is none."""
        return self._reclaim.first, self._number

    def _moved(self, group: GroupLog, size: int) -> None:
        self._in_memory += size
        if size > 0:
            self._warm.pop(group, None)
            self._warm[group] = None
        elif not group.window_bytes:
            self._warm.pop(group, None)

    def _evict(self) -> None:
        """Drop entries that are on disk from memory, those of groups first that have not written for long."""
        if self._in_memory <= self._memory_size:
            return
        for group in list(self._warm):
            group.evict(self._in_memory - self._memory_size)
            if self._in_memory <= self._memory_size:
                return

    @property
    def in_memory(self) -> int:
        """About how many bytes the entries take that are in memory."""
        return self._in_memory

    # -- opening -------------------------------------------------------------------------------------------------

    def _replay(self, number: int, offset: int, head: Head, body: bytes) -> None:
        replay(self._groups, self._made, number, offset, head, body)

    def _made(self, id: int) -> GroupLog:
        return GroupLog(id, self._host, self.sync)

    def __repr__(self) -> str:
        return f"<SharedLog {len(self._groups)} groups, segments {self._reclaim.first} to {self._number}>"


_Record = tuple[GroupLog, bytes, "share.Begin | None"]


def _record_of(group: GroupLog) -> _Record:
    """What a group has staged, with its beginning if it has none yet."""
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
    """A record of a group is being written at this place."""
    size = FRAME + len(body)
    if begin is not None:
        group.rest_on(begin, number, offset, size)
        return
    if not group.begun:
        group.begun = group.rests = number
    span = group.flying_span
    if span is not None:
        group.places.put(span[0], span[1], number, offset, size)
