"""Makes a new cluster of one member from the groups of an old one: from a directory, or from a backup of it.

Rules:

- The new cluster has another id and the new directory another identity, so that the members of the old one and those of
  the new one never talk with each other.
- A group keeps its id, its state and its log, and all entries of the log count as committed. The members of the old
  cluster are left behind: their configuration changes become empty entries.
- The registry is written last. A directory that a crash has left half done holds no registry, and no host starts on it.

The format of a backup is a line, and then blocks: the length and the checksum of a block (4 bytes each), and a tuple as
plain data. The first block names the old cluster. Each group is a block with its name, its id, and index and term of
its snapshot; blocks with pieces of the state; blocks with entries; and a block with its last index. The last block is
an end with the number of groups. Without it, the backup is cut off.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Protocol

from ..errors import Corruption, DecodeError, StorageFailed
from ..machines import GroupMachine
from ..machines.plaindata import pack, unpack
from ..storage.bodies import Bodies, reference_of
from ..storage.files import Files
from ..storage.group_log import GroupLog
from ..storage.offline import OfflineLog
from ..storage.shared_log import SharedLog
from ..wire.changes import decode_change
from ..wire.enums import EntryType
from ..wire.messages import ConfState, Entry, HardState, Snapshot, SnapshotMetadata
from .membertable import Member, MemberTable, split_table, with_table
from .registry import Registry

SYSTEM_LOG = 0
_TITLE = b"raftcy backup, format 1\n"
_BLOCK = struct.Struct("<LL")
_BLOCK_BYTES_MAX = 128 << 20
_PIECE_BYTES = 1 << 20
_ENTRIES_BYTES = 1 << 20
_CLUSTER, _GROUP, _STATE, _ENTRIES, _LAST, _END = range(6)


class Readable(Protocol):
    """The file from which a backup is read."""

    def read(self, size: int, /) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end."""


@dataclass(slots=True)
class Kept:
    """A group of an old cluster: its snapshot, and its entries from there on, read once and in order.

    ``name`` is empty if no registry has the group. ``state`` is None if the machine had applied nothing.
    """

    name: str
    id: int
    index: int
    term: int
    state: bytes | None
    entries: Iterator[Entry]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a group stands in a directory. ``commit`` is what the directory knows to be committed."""

    name: str
    id: int
    commit: int
    last_index: int
    last_term: int

    @property
    def unsure(self) -> int:
        """How many of the last entries may or may not have been committed."""
        return self.last_index - self.commit


class OldDirectory:
    """The groups in the directory of a member that does not run. Raises Corruption, and StorageFailed for others."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._log = OfflineLog(files)
        system = self._log.groups.get(SYSTEM_LOG)
        if system is None or system.snapshot().metadata.index == 0:
            raise StorageFailed("the directory holds no registry: its member has not begun")
        self.cluster, table, _ = split_table(self._data(system))
        self.registry = self._read_registry(system)
        identity = int.from_bytes(self._log.passport.identity[:8], "big") or 1
        found = {each.identity: each for each in (*table.members, *self.registry.table.members)}
        self.member = found.get(identity)

    def _data(self, group: GroupLog) -> bytes:
        snapshot = group.snapshot()
        reference = reference_of(snapshot.data)
        if reference is None:
            return bytes(snapshot.data)
        return b"".join(Bodies(self._files, group.id).read(reference))

    def _read_registry(self, system: GroupLog) -> Registry:
        registry = Registry()
        machine = GroupMachine(registry)
        _, table, state = split_table(self._data(system))
        if state is None:
            registry.found(table)
        else:
            machine.restore_state(BytesIO(state), system.snapshot().metadata.index)
        for e in self._log.entries(system, system.snapshot().metadata.index + 1):
            if e.type != EntryType.NORMAL:
                change = decode_change(e).as_v2()
                if registry.admit(change, e.index) is None:
                    registry.changed(change)
            elif e.data:
                machine.apply([e])
        return registry

    def standings(self) -> list[Standing]:
        """Return how each group stands, by name. Deleted groups are left out."""
        names = {each.id: name for name, each in self.registry.groups.items()}
        found = []
        for id, group in self._log.groups.items():
            if id != SYSTEM_LOG and group.last_index() > 0 and id not in self.registry.deleted:
                state, _ = group.initial_state()
                last = group.last_index()
                commit = 0 if state is None else state.commit
                found.append(Standing(names.get(id, ""), id, commit, last, group.term(last)))
        return sorted(found, key=lambda each: (each.name, each.id))

    def take(self, standing: Standing) -> Kept:
        """Return a group."""
        group = self._log.groups[standing.id]
        metadata = group.snapshot().metadata
        _, _, state = split_table(self._data(group))
        entries = self._log.entries(group, metadata.index + 1)
        return Kept(standing.name, standing.id, metadata.index, metadata.term, state, entries)


# -- a new directory ---------------------------------------------------------------------------------------------------


def plant(
    files: Files,
    groups: Iterable[Kept],
    id: int,
    addresses: tuple[str, ...],
    clock: Callable[[], float],
    draw: Callable[[int], bytes],
) -> int:
    """Make the directory of the only member ``id`` of a new cluster with these groups. Return the cluster's id.

    Raises StorageFailed if the directory holds data already, or cannot be written, and the errors of reading.
    """
    return plant_all({id: (files, addresses)}, lambda: groups, clock, draw)


def plant_all(
    directories: Mapping[int, tuple[Files, tuple[str, ...]]],
    groups: Callable[[], Iterable[Kept]],
    clock: Callable[[], float],
    draw: Callable[[int], bytes],
) -> int:
    """Make the directories of all members of a new cluster, which begin with these groups. Return the cluster's id.

    ``directories`` has the files and the addresses of each member, by id. ``groups`` is called once for each of them,
    and must return the same groups. Raises StorageFailed if a directory holds data already, or cannot be written, and
    the errors of reading.
    """
    logs: dict[int, SharedLog] = {}
    try:
        for id, (files, _) in directories.items():
            logs[id] = SharedLog(files, clock=clock, draw=draw)
            if logs[id].groups() or logs[id].cluster:
                raise StorageFailed("the directory holds data already")
        found = [
            Member(id, int.from_bytes(logs[id].identity[:8], "big") or 1, directories[id][1]) for id in sorted(logs)
        ]
        table = MemberTable(tuple(found))
        for log in logs.values():
            _plant_member(log, groups(), table)
    finally:
        for log in logs.values():
            log.close()
    return table.cluster


def _plant_member(log: SharedLog, groups: Iterable[Kept], table: MemberTable) -> None:
    """Write the groups and then the registry into the log of one member."""
    registry = Registry()
    registry.found(table)
    members = ConfState(voters=[each.id for each in table.members])
    for kept in groups:
        _plant_group(log, kept, table, members)
        if kept.name:
            registry.enlist(kept.name)
    state = with_table(table.cluster, table, GroupMachine(registry).capture())
    metadata = SnapshotMetadata(conf_state=members, index=1, term=1)
    log.group(SYSTEM_LOG).save(HardState(term=1, vote=0, commit=1), [], Snapshot(data=state, metadata=metadata))
    log.sync()
    log.set_cluster(table.cluster.to_bytes(8, "big"))


def _plant_group(log: SharedLog, kept: Kept, table: MemberTable, members: ConfState) -> None:
    group = log.group(kept.id)
    metadata = SnapshotMetadata(conf_state=members, index=kept.index, term=kept.term)
    data = with_table(table.cluster, table, kept.state)
    group.save(HardState(term=kept.term, vote=0, commit=kept.index), [], Snapshot(data=data, metadata=metadata))
    log.sync()
    last, term = kept.index, kept.term
    for some in _batches(kept.entries):
        for e in some:
            if e.index != last + 1 or e.term < term:
                raise Corruption(f"entry {e.index} of term {e.term} follows entry {last} of term {term}")
            last, term = e.index, e.term
        group.save(HardState(term=term, vote=0, commit=last), some, None)
        log.sync()


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Cut entries into lists of bounded size; changes of members become empty entries."""
    some: list[Entry] = []
    size = 0
    for e in entries:
        data = e.data if e.type == EntryType.NORMAL else b""
        some.append(Entry(term=e.term, index=e.index, data=data))
        size += len(data) + 64
        if size > _ENTRIES_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


# -- backups -----------------------------------------------------------------------------------------------------------


def write_backup(write: Callable[[bytes], Any], old: OldDirectory) -> None:
    """Write all groups of a directory as a backup."""

    def block(*fields: Any) -> None:
        data = pack(fields)
        write(_BLOCK.pack(len(data), zlib.crc32(data)) + data)

    write(_TITLE)
    block(_CLUSTER, old.cluster, 0 if old.member is None else old.member.id)
    standings = old.standings()
    for standing in standings:
        kept = old.take(standing)
        block(_GROUP, kept.name, kept.id, kept.index, kept.term, kept.state is not None)
        state = kept.state or b""
        for at in range(0, len(state), _PIECE_BYTES):
            block(_STATE, state[at : at + _PIECE_BYTES])
        for some in _batches(kept.entries):
            block(_ENTRIES, [(e.index, e.term, e.data) for e in some])
        block(_LAST, standing.last_index)
    block(_END, len(standings))


class Backup:
    """A backup that is read once, from its beginning. ``cluster`` and ``id`` are those of the member that made it.

    Raises Corruption for a file that is cut off, damaged, or no backup.
    """

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._next: tuple[Any, ...] | None = None
        if file.read(len(_TITLE)) != _TITLE:
            raise Corruption("this is no backup of raftcy, or one of a newer version")
        _, self.cluster, self.id = self._expect(_CLUSTER, 3)

    def _peek(self) -> tuple[Any, ...]:
        if self._next is None:
            head = self._file.read(_BLOCK.size)
            if len(head) < _BLOCK.size:
                raise Corruption("the backup is cut off")
            size, checksum = _BLOCK.unpack(head)
            data = self._file.read(size) if size <= _BLOCK_BYTES_MAX else b""
            if len(data) < size or zlib.crc32(data) != checksum:
                raise Corruption("the backup is cut off or damaged")
            try:
                fields = unpack(data)
            except DecodeError as error:
                raise Corruption(f"the backup is damaged: {error}") from error
            if type(fields) is not tuple or not fields:
                raise Corruption("the backup is damaged: a block without a kind")
            self._next = fields
        return self._next

    def _expect(self, kind: int, count: int) -> tuple[Any, ...]:
        fields = self._peek()
        if fields[0] != kind or len(fields) != count:
            raise Corruption(f"the backup is damaged: a block of the kind {fields[0]!r} is out of place")
        self._next = None
        return fields

    def groups(self) -> Iterator[Kept]:
        """Yield the groups. The entries of each must be read before the next one."""
        count = 0
        while self._peek()[0] == _GROUP:
            _, name, id, index, term, has_state = self._expect(_GROUP, 6)
            parts = []
            while self._peek()[0] == _STATE:
                parts.append(self._expect(_STATE, 2)[1])
            entries = self._entries(index)
            yield Kept(name, id, index, term, b"".join(parts) if has_state else None, entries)
            for _ in entries:
                pass
            count += 1
        if self._expect(_END, 2)[1] != count or self._file.read(1):
            raise Corruption("the backup does not end where it should")

    def _entries(self, last: int) -> Iterator[Entry]:
        while self._peek()[0] == _ENTRIES:
            for index, term, data in self._expect(_ENTRIES, 2)[1]:
                last = index
                yield Entry(term=term, index=index, data=data)
        if self._expect(_LAST, 2)[1] != last:
            raise Corruption(f"entries are missing after entry {last} of the backup")
