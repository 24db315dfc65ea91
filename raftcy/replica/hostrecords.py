"""What the registry knows of a host and of a group, what a host says when it arrives, and the bounds of these."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..errors import CommandError, DecodeError
from ..machines.plaindata import pack, unpack
from .bootstrap import split_address
from .membertable import Member

ADDRESSES_MAX = 8
ADDRESS_BYTES_MAX = 255
NAME_BYTES_MAX = 255
ATTRIBUTES_MAX = 64
ATTRIBUTE_BYTES_MAX = 1024
ID_MAX = 2**64 - 3


class Wish(IntEnum):
    """What the cluster wants a host to be."""

    LEARNER = 1
    """It gets the log, and has no vote."""
    VOTER = 2
    LEAVING = 3
    """It is to be removed."""


class Role(IntEnum):
    """What a host is in the system group, by the applied configuration changes."""

    NONE = 0
    LEARNER = 1
    VOTER = 2
    OUTGOING = 3
    """It is in the old half of the joint configuration in force, and is removed when that ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRecord:
    """A host of the cluster.

    ``identity`` is the identity of its data directory, 0 for a place that is reserved for a host that has not come yet.
    ``name`` and ``attributes`` are for people and programs; raftcy does not read them. ``replaces`` is the host whose
    place it takes, 0 for none. With ``forced``, its change does not wait for an active majority.
    """

    id: int
    identity: int
    addresses: tuple[str, ...]
    wish: Wish
    role: Role = Role.NONE
    name: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    replaces: int = 0
    forced: bool = False

    @property
    def is_reserved(self) -> bool:
        """Whether this is a place for a host that has not come yet."""
        return self.identity == 0

    def as_member(self) -> Member:
        """Return its row in a table of members."""
        return Member(self.id, self.identity, self.addresses)


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """A group: its ``name``, its ``id`` in log and transport, and the hosts that are its first ``voters``."""

    name: str
    id: int
    voters: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What a host says of itself when it asks for a place. It is the context of the change that adds the host.

    ``wish`` counts if no place is reserved for the id. ``knows`` is the newest version of the group that its program
    knows.
    """

    id: int
    identity: int
    addresses: tuple[str, ...] = ()
    wish: Wish = Wish.VOTER
    knows: int = 1
    name: str = ""
    attributes: tuple[tuple[str, str], ...] = ()

    def encode(self) -> bytes:
        """Return the bytes of the context."""
        return pack(
            (_ARRIVAL, self.id, self.identity, self.addresses, int(self.wish), self.knows, self.name, self.attributes)
        )


_ARRIVAL = 1


def decode_arrival(data: bytes) -> Arrival:
    """Decode the context of a change. Raises DecodeError for other bytes, and for values out of their bounds."""
    fields = unpack(data)
    if not isinstance(fields, tuple) or len(fields) != 8 or fields[0] != _ARRIVAL:
        raise DecodeError("no arrival of a host", 0)
    _, id, identity, addresses, wish, knows, name, attributes = fields
    problem = (
        objection_to_id(id)
        or objection_to_addresses(addresses, least=0)
        or objection_to_name(name)
        or objection_to_attributes(attributes)
    )
    if problem:
        raise DecodeError(problem, 0)
    if type(identity) is not int or not 0 < identity < 2**64 or type(knows) is not int or not 0 < knows < 2**31:
        raise DecodeError("an arrival without an identity or a version", 0)
    if wish not in (Wish.LEARNER, Wish.VOTER):
        raise DecodeError(f"nobody arrives to be {wish!r}", 0)
    return Arrival(
        id=id,
        identity=identity,
        addresses=addresses,
        wish=Wish(wish),
        knows=knows,
        name=name,
        attributes=attributes,
    )


def admits_arrival(change: Any, refuses: Callable[[int], CommandError | None]) -> CommandError | None:
    """Return why a change must not add a host, None if it may. ``refuses`` judges the version that its program knows.

    A change without an arrival adds nobody new: it promotes, demotes or removes.
    """
    if not change.context:
        return None
    try:
        arrival = decode_arrival(change.context)
    except DecodeError as error:
        return CommandError(str(error), "malformed")
    return refuses(arrival.knows)


# -- what callers give, and what comes from a log or a peer ------------------------------------------------------------


def objection_to_id(id: Any) -> str:
    """Return why this is no id of a host, or an empty text."""
    good = type(id) is int and 0 < id <= ID_MAX
    return "" if good else f"{id!r} is no id of a member: ids are 1 to 2**64-3"


def objection_to_addresses(addresses: Any, least: int = 1) -> str:
    """Return why these are no addresses of a host, or an empty text."""
    if type(addresses) is not tuple or not least <= len(addresses) <= ADDRESSES_MAX:
        return f"a host has {least} to {ADDRESSES_MAX} addresses, not {addresses!r}"
    for address in addresses:
        try:
            split_address(address)
        except (TypeError, ValueError) as error:
            return str(error)
        if len(address.encode(errors="replace")) > ADDRESS_BYTES_MAX:
            return f"an address has at most {ADDRESS_BYTES_MAX} bytes"
    return ""


def objection_to_name(name: Any) -> str:
    """Return why this is no name of a host or a group, or an empty text."""
    good = type(name) is str and len(name.encode(errors="replace")) <= NAME_BYTES_MAX
    return "" if good else f"a name is a text of at most {NAME_BYTES_MAX} bytes, not {name!r}"


def objection_to_attributes(attributes: Any) -> str:
    """Return why these are no attributes of a host, or an empty text."""
    if type(attributes) is not tuple or len(attributes) > ATTRIBUTES_MAX:
        return f"a host has at most {ATTRIBUTES_MAX} attributes"
    names = []
    for each in attributes:
        if type(each) is not tuple or len(each) != 2 or not all(type(text) is str for text in each):
            return f"an attribute is a name and a value, both texts, not {each!r}"
        if any(len(text.encode(errors="replace")) > ATTRIBUTE_BYTES_MAX for text in each):
            return f"an attribute has at most {ATTRIBUTE_BYTES_MAX} bytes in its name and in its value"
        names.append(each[0])
    return "" if names == sorted(set(names)) else "the attributes are not sorted by name, each once"


def given_addresses(addresses: Any) -> tuple[str, ...]:
    """Return a caller's address, or several, as a tuple. Raises ValueError or TypeError for others."""
    several = (addresses,) if isinstance(addresses, str) else addresses
    if not isinstance(several, tuple | list):
        raise TypeError(f'an address is a text such as "host:7000", or a list of them, not {addresses!r}')
    found = tuple(several)
    if problem := objection_to_addresses(found):
        raise ValueError(problem)
    return found


def given_attributes(attributes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return a caller's attributes as sorted pairs. Raises ValueError for wrong ones."""
    found = tuple(sorted(attributes.items()))
    if problem := objection_to_attributes(found):
        raise ValueError(problem)
    return found
