"""The table of a cluster's members, with their identities and addresses, and its place in each snapshot.

Its bytes are a version, the number of members, and for each, by ascending id: id and identity (8 bytes each), the
number of addresses (1 byte), and each address with its length (2 bytes). The cluster's id comes from the hash of these
bytes at the beginning of the cluster.
"""

import hashlib
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO

from ..errors import DecodeError
from ..machines.statemachine import Readable

_VERSION = 1
_COUNT = struct.Struct(">BL")
_MEMBER = struct.Struct(">QQB")
_LENGTH = struct.Struct(">H")
_HEAD = struct.Struct(">BBQL")
_HAS_STATE = 1

Members = Mapping[int, tuple[str, ...]]
"""The addresses of each member by its id, as a host gets them."""


@dataclass(frozen=True, slots=True)
class Member:
    """One member: its id, the identity of its data directory (0 if it is not known), and its addresses."""

    id: int
    identity: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MemberTable:
    """All members, by ascending id."""

    members: tuple[Member, ...]

    def encode(self) -> bytes:
        """Return the bytes. Two tables are equal if their bytes are."""
        parts = [_COUNT.pack(_VERSION, len(self.members))]
        for member in self.members:
            parts.append(_MEMBER.pack(member.id, member.identity, len(member.addresses)))
            for address in member.addresses:
                text = address.encode()
                parts += (_LENGTH.pack(len(text)), text)
        return b"".join(parts)

    @property
    def cluster(self) -> int:
        """The id of a cluster that begins with this table; never 0."""
        return int.from_bytes(hashlib.sha256(self.encode()).digest()[:8], "big") or 1

    def find(self, id: int) -> Member | None:
        """Return the member with this id, None if the table has none."""
        return next((member for member in self.members if member.id == id), None)

    def addresses(self) -> dict[int, tuple[str, ...]]:
        """Return the addresses of each member."""
        return {member.id: member.addresses for member in self.members}

    def __str__(self) -> str:
        return ", ".join(
            f"{member.id}={'|'.join(member.addresses)}" + (f" ({member.identity:016x})" if member.identity else "")
            for member in self.members
        )


def table_of(members: Members, identities: Mapping[int, int]) -> MemberTable:
    """Return the table of these members, with the known identities."""
    return MemberTable(tuple(Member(id, identities.get(id, 0), members[id]) for id in sorted(members)))


def decode_table(data: bytes, at: int = 0) -> tuple[MemberTable, int]:
    """Decode the table at an offset, and return it with its end. Raises DecodeError for other bytes."""
    try:
        version, count = _COUNT.unpack_from(data, at)
        if version != _VERSION:
            raise DecodeError(f"a table of members of the unknown version {version}", at)
        at += _COUNT.size
        members: list[Member] = []
        for _ in range(count):
            id, identity, number = _MEMBER.unpack_from(data, at)
            if id <= (members[-1].id if members else 0):
                raise DecodeError(f"the member {id} is out of order", at)
            at += _MEMBER.size
            addresses = []
            for _ in range(number):
                (length,) = _LENGTH.unpack_from(data, at)
                at += _LENGTH.size
                text = data[at : at + length]
                if len(text) < length:
                    raise DecodeError("an address is cut off", at)
                addresses.append(text.decode())
                at += length
            members.append(Member(id, identity, tuple(addresses)))
    except (struct.error, UnicodeDecodeError) as error:
        raise DecodeError(f"a table of members is malformed: {error}", min(at, len(data))) from None
    return MemberTable(tuple(members)), at


def head_with_table(cluster: int, table: MemberTable, has_state: bool) -> bytes:
    """Return the beginning of a snapshot's data: cluster and members. The machine's state follows if it has one."""
    head = table.encode()
    return _HEAD.pack(_VERSION, _HAS_STATE if has_state else 0, cluster, len(head)) + head


def with_table(cluster: int, table: MemberTable, state: bytes | None) -> bytes:
    """Return a snapshot's data: cluster, members, and the machine's state, None if it has applied nothing yet."""
    return head_with_table(cluster, table, state is not None) + (state or b"")


def split_table(data: bytes) -> tuple[int, MemberTable, bytes | None]:
    """Split the data that ``with_table`` has made into its parts. Raises DecodeError for other bytes."""
    file = BytesIO(data)
    cluster, table, has_state = read_table(file)
    return cluster, table, file.read() if has_state else None


def read_table(file: Readable) -> tuple[int, MemberTable, bool]:
    """Read the beginning of a snapshot: the cluster, the members, and whether the machine's state follows.

    The first snapshot of the system group is the bare table with which the cluster began; it has no state. Raises
    DecodeError for other bytes.
    """
    head = file.read(_HEAD.size)
    if len(head) == _HEAD.size and head[1] == 0:
        return *_read_stateless(head + file.read()), False
    if len(head) < _HEAD.size:
        raise DecodeError("a snapshot without its table of members", len(head))
    version, flags, cluster, length = _HEAD.unpack(head)
    if version != _VERSION or flags > _HAS_STATE:
        raise DecodeError(f"a snapshot of the unknown version {version}, with the flags {flags}", 0)
    data = file.read(length)
    table, end = decode_table(data)
    if end != length or len(data) != length:
        raise DecodeError(f"a table of members of {length} bytes ends at {end}", _HEAD.size)
    return cluster, table, True


def _read_stateless(data: bytes) -> tuple[int, MemberTable]:
    version, _, cluster, length = _HEAD.unpack_from(data)
    try:
        table, end = decode_table(data, _HEAD.size)
        if version != _VERSION:
            raise DecodeError(f"a snapshot of the unknown version {version}", 0)
        if end != _HEAD.size + length:
            raise DecodeError(f"a table of members of {length} bytes ends at {end}", _HEAD.size)
        if end != len(data):
            raise DecodeError("a snapshot has a state that it says it has not", end)
    except DecodeError:
        with suppress(DecodeError):
            bare, end = decode_table(data)
            if end == len(data) and bare.members:
                return bare.cluster, bare
        raise
    return cluster, table
