"""The registry: who the hosts of a cluster are, and which groups it has. The state machine of the system group. No I/O.

A host enters by one entry of the system group's log: the configuration change that adds it, whose context is its
``Arrival``. ``admit`` judges each change where it is applied, and ``changed`` follows the changes that were applied.
Commands (``wishes``) change what the cluster wants of a host, reserve places, and register groups. The leader of each
group brings its configuration to that (``reconcile``).

Rules:

- An id has one identity. A change that brings another identity for a known id changes nothing: the directory behind the
  id was lost, and with it its votes. The host has to come back under a new id.
- A removed id is never taken again. Somebody could still act on what the removed host has said under it.
- A host that a joint change removes stays until the joint configuration ends, which may need its vote. The others
  would refuse a removed host.
- An identity has one id. Otherwise a copy of a directory could come in as a second member.
- A change leaves a voter, and only removes a host that is to leave or has been replaced.
- Two groups have different ids. The id is the hash of the name; a name whose hash is taken is refused.
- The id of a deleted group is never used again (``deleting``).
- A group begins with the same voters on all hosts, those of its record. They are the members that founded the cluster
  while all of those are still voters, because earlier versions began each group with them.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import CommandError, ConfigError, Corruption, DecodeError
from ..machines import Command, StateMachine
from ..machines.plaindata import pack, unpack
from ..wire.changes import ConfChangeV2
from ..wire.enums import ConfChangeType
from ..wire.messages import ConfState
from .hostrecords import Arrival, GroupRecord, HostRecord, Role, Wish, decode_arrival
from .membertable import MemberTable, decode_table
from .wishes import Create, Delete, Reserve, Update, Want, decode, encode

HOSTS_MAX = 1000
"""The most hosts of a cluster, with reserved places."""
GROUPS_MAX = 1 << 20
"""The most groups of a cluster, together with those that were deleted."""
_FORMAT = 1


class Registry(StateMachine):
    """The hosts, removed ids and groups of a cluster, as of the applied index.

    ``hosts`` has a record for each host and each reserved place by id, ``removed`` the removed ids, ``groups`` a record
    for each group by name, and ``deleted`` the names of deleted groups by id. ``generation`` rises with every change of
    them, and ``on_change`` is called then; it must not raise an error.
    """

    # Restoring calls ``on_change``, in the event loop.
    restores_on_thread = False

    def __init__(self) -> None:
        self.hosts: dict[int, HostRecord] = {}
        self.removed: set[int] = set()
        self.groups: dict[str, GroupRecord] = {}
        self.deleted: dict[int, str] = {}
        self.founding = MemberTable(())
        """The table of the members that founded the cluster. Its hash is the cluster's id."""
        self.generation = 0
        self.on_change: Callable[[], object] | None = None
        self._group_ids: dict[int, str] = {}
        self._table: tuple[int, MemberTable] = (-1, MemberTable(()))

    def found(self, table: MemberTable) -> None:
        """Begin with the table of the members that found the cluster, all of them voters."""
        self.founding = table
        self.expect(table)

    def expect(self, table: MemberTable) -> None:
        """Take these hosts for the cluster's, until the snapshot comes: a host that joins knows no more at first."""
        self.hosts = {
            each.id: HostRecord(
                id=each.id, identity=each.identity, addresses=each.addresses, wish=Wish.VOTER, role=Role.VOTER
            )
            for each in table.members
        }
        self.removed = set()
        self.groups = {}
        self.deleted = {}
        self._group_ids = {}
        self._note()

    @property
    def table(self) -> MemberTable:
        """The hosts that have come, as a table of members."""
        if self._table[0] != self.generation:
            hosts = [self.hosts[id].as_member() for id in sorted(self.hosts) if not self.hosts[id].is_reserved]
            self._table = (self.generation, MemberTable(tuple(hosts)))
        return self._table[1]

    def has(self, id: int) -> bool:
        """Whether a host has come under this id, and is not removed. Only such hosts count in votes and commits."""
        found = self.hosts.get(id)
        return found is not None and not found.is_reserved

    def replacement(self, id: int) -> HostRecord | None:
        """Return the host that replaces another one, None without one."""
        return next((each for each in self.hosts.values() if each.replaces == id), None)

    def _note(self) -> None:
        self.generation += 1
        if self.on_change is not None:
            self.on_change()

    def _put(self, record: HostRecord) -> None:
        if self.hosts.get(record.id) != record:
            self.hosts[record.id] = record
            self._note()

    # -- configuration changes -------------------------------------------------------------------------------------

    def objection(self, arrival: Arrival) -> CommandError | None:
        """Return why a host cannot have a place, None if it can."""
        if arrival.id in self.removed:
            return CommandError(f"member {arrival.id} was removed, and no host gets its id again", "removed")
        found = self.hosts.get(arrival.id)
        if found is not None and found.identity not in (0, arrival.identity):
            return CommandError(
                f"member {arrival.id} has the identity {found.identity:016x}, not {arrival.identity:016x}: its data "
                "was lost, or this is another directory. Replace it by a host with a new id",
                "identity",
            )
        if found is not None and found.wish == Wish.LEAVING and found.is_reserved:
            return CommandError(f"the place of member {arrival.id} was given up", "removed")
        for each in self.hosts.values():
            if each.identity == arrival.identity and each.id != arrival.id:
                return CommandError(f"the directory belongs to member {each.id}, not {arrival.id}", "identity")
        if found is None and len(self.hosts) >= HOSTS_MAX:
            return CommandError(f"a cluster has at most {HOSTS_MAX} hosts", "full")
        if not arrival.addresses and (found is None or not found.addresses):
            return CommandError(f"member {arrival.id} has no address", "addresses")
        return None

    def admit(self, change: ConfChangeV2, index: int) -> CommandError | None:
        """Return why a configuration change must change nothing, None if it may be applied. Changes nothing itself."""
        voters = {id for id, each in self.hosts.items() if each.role == Role.VOTER}
        for step in change.changes:
            id = step.node_id
            refused = self._judge(step.type, id, change.context)
            if refused is not None:
                return refused
            if step.type == ConfChangeType.ADD_NODE:
                voters.add(id)
            else:
                voters.discard(id)
        if change.changes and not voters:
            return CommandError("the change would leave no voter", "last")
        return None

    def _judge(self, kind: Any, id: int, context: bytes) -> CommandError | None:
        found = self.hosts.get(id)
        if kind == ConfChangeType.ADD_LEARNER_NODE and context:
            arrival = _arrival_of(context)
            if arrival is None or arrival.id != id:
                return CommandError(f"the arrival of {id} is malformed", "malformed")
            return self.objection(arrival)
        if found is None or found.is_reserved:
            return CommandError(f"{id} is not a member", "unknown")
        if kind == ConfChangeType.REMOVE_NODE:
            if found.wish != Wish.LEAVING and self.replacement(id) is None:
                return CommandError(f"nobody wants member {id} to leave", "not wished")
        elif kind == ConfChangeType.ADD_NODE:
            if found.wish != Wish.VOTER:
                return CommandError(f"nobody wants member {id} to be a voter", "not wished")
        elif kind != ConfChangeType.ADD_LEARNER_NODE:
            return CommandError(f"{kind!r} is no change of members", "malformed")
        return None

    def changed(self, change: ConfChangeV2) -> None:
        """Follow a change that was admitted and applied. One without steps ends a joint configuration."""
        if not change.changes:
            for id in [id for id, each in self.hosts.items() if each.role == Role.OUTGOING]:
                self._remove(id)
        for step in change.changes:
            id = step.node_id
            found = self.hosts.get(id)
            if step.type == ConfChangeType.REMOVE_NODE:
                if found is not None and len(change.changes) > 1:
                    self._put(replace(found, role=Role.OUTGOING))
                else:
                    self._remove(id)
            elif step.type == ConfChangeType.ADD_NODE and found is not None:
                self._put(replace(found, role=Role.VOTER, forced=False))
            elif step.type == ConfChangeType.ADD_LEARNER_NODE:
                arrival = _arrival_of(change.context) if change.context else None
                if arrival is not None:
                    found = _come(found, arrival)
                if found is not None:
                    self._put(replace(found, role=Role.LEARNER, forced=False))

    def _remove(self, id: int) -> None:
        self.hosts.pop(id, None)
        self.removed.add(id)
        newer = self.replacement(id)
        if newer is not None:
            self._put(replace(newer, replaces=0))
        self._note()

    # -- commands --------------------------------------------------------------------------------------------------

    def apply_one(self, command: Command) -> Any:
        try:
            wanted = decode(command.data)
        except DecodeError as error:
            return CommandError(str(error), "malformed")
        if isinstance(wanted, Reserve):
            return self._reserve(wanted)
        if isinstance(wanted, Want):
            return self._want(wanted)
        if isinstance(wanted, Update):
            return self._update(wanted)
        if isinstance(wanted, Delete):
            return self._delete(wanted)
        return self._create(wanted)

    def _reserve(self, wanted: Reserve) -> CommandError | None:
        id = wanted.id
        if id in self.removed:
            return CommandError(f"member {id} was removed, and no host gets its id again", "removed")
        old = self.hosts.get(wanted.replaces)
        if wanted.replaces and (old is None or old.is_reserved):
            return CommandError(f"{wanted.replaces} is not a member", "unknown")
        if wanted.replaces:
            newer = self.replacement(wanted.replaces)
            if newer is not None and newer.id != id:
                return CommandError(f"member {newer.id} replaces member {wanted.replaces} already", "replaced")
        found = self.hosts.get(id)
        if found is None:
            if len(self.hosts) >= HOSTS_MAX:
                return CommandError(f"a cluster has at most {HOSTS_MAX} hosts", "full")
            found = HostRecord(id=id, identity=0, addresses=wanted.addresses, wish=wanted.wish)
        elif not found.is_reserved and not wanted.replaces:
            # The command may come twice, if the first answer was lost.
            return None if found.wish == wanted.wish else CommandError(f"member {id} is there already", "known")
        elif found.replaces not in (0, wanted.replaces) or wanted.replaces == id:
            return CommandError(f"member {id} cannot replace member {wanted.replaces}", "known")
        self._put(
            replace(
                found,
                addresses=wanted.addresses if found.is_reserved and wanted.addresses else found.addresses,
                wish=wanted.wish if old is None else old.wish,
                name=wanted.name or found.name,
                attributes=wanted.attributes or found.attributes,
                replaces=wanted.replaces or found.replaces,
            )
        )
        return None

    def _want(self, wanted: Want) -> CommandError | None:
        id = wanted.id
        found = self.hosts.get(id)
        if id in self.removed:
            return None if wanted.wish == Wish.LEAVING else CommandError(f"member {id} was removed", "removed")
        if found is None:
            return CommandError(f"{id} is not a member", "unknown")
        if wanted.wish != Wish.VOTER and found.wish == Wish.VOTER and not self._voters_without(id):
            return CommandError(f"member {id} is the last voter: a cluster needs one", "last")
        if wanted.wish == Wish.LEAVING and found.is_reserved:
            del self.hosts[id]
            self._note()
            return None
        self._put(replace(found, wish=wanted.wish, forced=wanted.forced))
        return None

    def _voters_without(self, id: int) -> bool:
        """Whether another host is a voter, and stays one."""
        return any(each.wish == Wish.VOTER and each.role == Role.VOTER for each in self.hosts.values() if each.id != id)

    def _update(self, wanted: Update) -> CommandError | None:
        found = self.hosts.get(wanted.id)
        if found is None:
            removed = wanted.id in self.removed
            text = f"member {wanted.id} was removed" if removed else f"{wanted.id} is not a member"
            return CommandError(text, "removed" if removed else "unknown")
        self._put(
            replace(
                found,
                addresses=found.addresses if wanted.addresses is None else wanted.addresses,
                name=found.name if wanted.name is None else wanted.name,
                attributes=found.attributes if wanted.attributes is None else wanted.attributes,
            )
        )
        return None

    def _create(self, wanted: Create) -> CommandError | int:
        found = self.groups.get(wanted.name)
        if found is not None:
            return found.id
        id = group_of(wanted.name)
        if id in self.deleted:
            return CommandError(
                f"the group {self.deleted[id]!r} was deleted, and no group gets its id again", "deleted"
            )
        if id in self._group_ids:
            return CommandError(f"{wanted.name!r} and {self._group_ids[id]!r} would have one id", "collision")
        if len(self.groups) + len(self.deleted) >= GROUPS_MAX:
            return CommandError(f"a cluster has at most {GROUPS_MAX} groups", "full")
        voters = tuple(sorted(each.id for each in self.hosts.values() if each.role == Role.VOTER))
        founders = tuple(each.id for each in self.founding.members)
        if set(founders) <= set(voters):
            voters = founders
        self._take_group(GroupRecord(wanted.name, id, voters))
        self._note()
        return id

    def _delete(self, wanted: Delete) -> CommandError | None:
        record = self.groups.pop(wanted.name, None)
        if record is None:
            # The command may come twice, if the first answer was lost.
            was = self.deleted.get(group_of(wanted.name)) == wanted.name
            return None if was else CommandError(f"the cluster has no group {wanted.name!r}", "unknown")
        del self._group_ids[record.id]
        self.deleted[record.id] = record.name
        self._note()
        return None

    def enlist(self, name: str) -> None:
        """Register a group as a command does. Raises ConfigError if that is refused."""
        refused = self._create(Create(name))
        if isinstance(refused, CommandError):
            raise ConfigError(refused.text)

    def _take_group(self, record: GroupRecord) -> None:
        self.groups[record.name] = record
        self._group_ids[record.id] = record.name

    # -- the machine -----------------------------------------------------------------------------------------------

    def encode(self, command: Any) -> bytes:
        return encode(command)

    def capture(self) -> bytes:
        hosts = tuple(
            (
                each.id,
                each.identity,
                each.addresses,
                int(each.wish),
                int(each.role),
                each.name,
                each.attributes,
                each.replaces,
                each.forced,
            )
            for _, each in sorted(self.hosts.items())
        )
        groups = tuple((each.name, each.id, each.voters) for _, each in sorted(self.groups.items()))
        deleted = tuple(sorted(self.deleted.items()))
        return pack((_FORMAT, self.founding.encode(), hosts, tuple(sorted(self.removed)), groups, deleted))

    def restore(self, file: Any) -> None:
        try:
            # Earlier versions wrote no deleted groups.
            format, founding, hosts, removed, groups, *rest = unpack(file.read())
            if format != _FORMAT:
                raise DecodeError(f"a registry of the unknown format {format}", 0)
            found = {
                each[0]: HostRecord(
                    id=each[0],
                    identity=each[1],
                    addresses=each[2],
                    wish=Wish(each[3]),
                    role=Role(each[4]),
                    name=each[5],
                    attributes=each[6],
                    replaces=each[7],
                    forced=each[8],
                )
                for each in hosts
            }
            records = [GroupRecord(*each) for each in groups]
            gone = dict(*rest)
            table, _ = decode_table(founding)
        except (DecodeError, TypeError, ValueError, IndexError) as error:
            raise Corruption(f"the registry in a snapshot is damaged: {error}") from error
        self.founding = table
        self.hosts = found
        self.removed = set(removed)
        self.groups = {}
        self.deleted = gone
        self._group_ids = {}
        for record in records:
            self._take_group(record)
        self._note()

    def __repr__(self) -> str:
        return f"<Registry of {len(self.hosts)} hosts and {len(self.groups)} groups>"


def _arrival_of(context: bytes) -> Arrival | None:
    try:
        return decode_arrival(context)
    except DecodeError:
        return None


def _come(found: HostRecord | None, arrival: Arrival) -> HostRecord:
    """Return the record of a host that takes its place."""
    if found is None:
        found = HostRecord(id=arrival.id, identity=0, addresses=(), wish=arrival.wish)
    return replace(
        found,
        identity=arrival.identity,
        addresses=arrival.addresses or found.addresses,
        name=arrival.name or found.name,
        attributes=arrival.attributes or found.attributes,
    )


def group_of(name: str) -> int:
    """Return the id of the group with this name, 1 to 2**63-1. ConfigError if it is empty, TypeError if not a text."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a group is a text, not {name!r}")
    if not name:
        raise ConfigError("a group needs a name")
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % (2**63 - 1) + 1


def first_voters(registry: Registry, name: str, id: int) -> ConfState | None:
    """Return the configuration with which a group begins at host ``id``.

    None if the group is not registered yet, and an empty one if the host is not among the first voters: it then waits
    for the leader to add it.
    """
    found = registry.groups.get(name)
    if found is None:
        return None
    return ConfState(voters=list(found.voters)) if id in found.voters else ConfState()
