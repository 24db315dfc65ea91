"""How the members of a new cluster agree on who they are, before any of them votes. No I/O.

Each member gets a list of members, and has an identity on its disk. The members send each other both. Once a member has
heard the identities of all others from themselves, it confirms the table of all members. Once all have confirmed the
same table, it stores the table, and with it the cluster's id. From then on it sends the table to every member that
asks.

Why: a member that loses its disk has lost its votes too, and must not vote again under its old id. It comes back with
another identity, by which the others notice the loss. From the first vote on, this works only if every member that
votes has all identities on disk.

Rules:

- A list that differs is an error that shows both lists. So is an identity that differs from a confirmed one.
- While a member runs, it confirms only one table. After a restart it may confirm another. That is safe: either the
  other members have not all confirmed the first table, or one of them has stored it and refuses the second.
- A member takes over a stored table from any member, if the table names it with its identity.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import DecodeError, MembersDiffer
from ..wire.checks import instance
from .membertable import Members, MemberTable, decode_table, table_of

_HEARD, _CONFIRMED, _STORED = range(3)


@dataclass(frozen=True, slots=True)
class Statement:
    """A member's statement: its table so far, and whether it has confirmed or stored the table."""

    table: MemberTable
    confirmed: bool
    stored: bool

    def encode(self) -> bytes:
        """Return the statement as bytes."""
        return bytes([_STORED if self.stored else _CONFIRMED if self.confirmed else _HEARD]) + self.table.encode()


def decode_statement(data: bytes) -> Statement:
    """Decode a statement. Raises DecodeError for other bytes."""
    if not data or data[0] > _STORED:
        raise DecodeError("no statement of a new cluster's member", 0)
    table, end = decode_table(data, 1)
    if end != len(data):
        raise DecodeError("more than a statement", end)
    return Statement(table, data[0] >= _CONFIRMED, data[0] == _STORED)


class Bootstrap:
    """One member of a new cluster: ``id``, with the ``identity`` of its data directory, 1 to 2**64-1.

    ``table`` is None until the caller may store it. Raises MembersDiffer if ``members`` does not have ``id``.
    """

    def __init__(self, id: int, identity: int, members: Members) -> None:
        if id not in members:
            raise MembersDiffer(f"member {id} is not in the list of members: {table_of(members, {})}")
        self._id = id
        self._members = dict(members)
        self._identities: dict[int, int] = {id: identity}
        self._confirmed: MemberTable | None = None
        self._agreed: set[int] = set()
        self._claims: dict[int, MemberTable] = {}
        self.table: MemberTable | None = None
        self._look()

    @property
    def missing(self) -> list[int]:
        """The members that have not confirmed the table yet, or have said nothing yet."""
        return sorted(set(self._members) - self._agreed)

    def say(self) -> bytes:
        """Return the statement to send to the others now."""
        table = self.table or self._confirmed or table_of(self._members, self._identities)
        return Statement(table, self._confirmed is not None, False).encode()

    def hear(self, sender: int, data: bytes) -> None:
        """Take a statement of the member ``sender``.

        Raises MembersDiffer if it contradicts this member's list or table, and DecodeError for other bytes.
        """
        said = decode_statement(data)
        if self.table is not None:
            return
        if said.stored:
            self._take_stored(sender, said.table)
            return
        theirs = said.table.addresses()
        if theirs != self._members:
            raise self._differ(f"member {sender} was given other members", said.table)
        member = said.table.find(sender)
        if member is None or member.identity == 0:
            raise DecodeError(f"member {sender} does not say who it is", 0)
        known = self._identities.get(sender)
        if self._confirmed is not None and known != member.identity:
            raise self._differ(f"member {sender} has a new identity: it has lost its data", said.table)
        self._identities[sender] = member.identity
        self._claims.pop(sender, None)
        if said.confirmed:
            self._claims[sender] = said.table
        self._look()

    def _take_stored(self, sender: int, table: MemberTable) -> None:
        if table.addresses() != self._members:
            raise self._differ(f"member {sender} has begun with other members", table)
        own = table.find(self._id)
        if own is None or own.identity != self._identities[self._id]:
            raise self._differ(
                f"the cluster has begun, and knows member {self._id} under another identity. Its data was lost, so it "
                "must not vote again: replace it by a member with a new id",
                table,
            )
        self.table = table

    def _look(self) -> None:
        """Confirm the table once it is complete, and check whether all have confirmed the same one."""
        if self._confirmed is None:
            if len(self._identities) < len(self._members):
                return
            self._confirmed = table_of(self._members, self._identities)
            self._agreed = {self._id}
        for sender, table in self._claims.items():
            if table != self._confirmed:
                raise self._differ(f"member {sender} has confirmed another table", table)
            self._agreed.add(sender)
        if len(self._agreed) == len(self._members):
            self.table = self._confirmed

    def _differ(self, text: str, theirs: MemberTable) -> MembersDiffer:
        ours = self._confirmed or table_of(self._members, self._identities)
        return MembersDiffer(f"{text}.\n  here:  {ours}\n  there: {theirs}", ours, theirs)


def stored(table: MemberTable) -> bytes:
    """Return the statement of a member that has stored the table."""
    return Statement(table, True, True).encode()


def given_members(members: Mapping[int, object]) -> dict[int, tuple[str, ...]]:
    """Check a caller's members, each with one address or several. Raises TypeError or ValueError for wrong ones."""
    found: dict[int, tuple[str, ...]] = {}
    owners: dict[str, int] = {}
    for id, addresses in instance(members, Mapping, "members").items():
        if isinstance(id, bool) or not isinstance(id, int) or not 0 < id < 2**64 - 2:
            raise ValueError(f"{id!r} is no id of a member: ids are 1 to 2**64-3")
        several = (addresses,) if isinstance(addresses, str) else addresses
        if not isinstance(several, tuple | list) or not several:
            raise TypeError(f'member {id} needs an address such as "host:7000", or several of them, not {addresses!r}')
        for address in several:
            split_address(address)
            if owners.setdefault(address, id) != id:
                raise ValueError(f"members {owners[address]} and {id} have the same address, {address!r}")
        found[id] = tuple(several)
    return found


def split_address(address: object) -> tuple[str, int]:
    """Split "host:port", or "[address]:port" for IPv6, into its parts. Raises ValueError or TypeError for others."""
    if not isinstance(address, str):
        raise TypeError(f'an address is a text such as "host:7000", not {address!r}')
    host, colon, port = address.rpartition(":")
    host = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not host or not port.isascii() or not port.isdigit() or not int(port) < 65536:
        raise ValueError(f'{address!r} is no address such as "host:7000"')
    return host, int(port)
