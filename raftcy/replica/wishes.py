"""What the log of the system group may ask of the registry, as bytes.

A command is plain data: a tuple of its kind and its fields. The fields of a kind never change; a command with other
fields gets a new kind, and the registry a new version, so that no program meets a command that it does not know.
"""

from dataclasses import dataclass
from typing import Any

from ..errors import DecodeError
from ..machines.plaindata import pack, unpack
from .hostrecords import (
    Wish,
    objection_to_addresses,
    objection_to_attributes,
    objection_to_id,
    objection_to_name,
)

_RESERVE, _WISH, _UPDATE, _CREATE, _DELETE = range(1, 6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """Keep a place for a host: its ``id``, and what is known of it. ``replaces`` is the host that it replaces, or 0."""

    id: int
    addresses: tuple[str, ...]
    wish: Wish
    name: str = ""
    attributes: tuple[tuple[str, str], ...] = ()
    replaces: int = 0


@dataclass(frozen=True, slots=True)
class Want:
    """Make a host a learner or a voter, or remove it. ``forced`` does not wait for an active majority."""

    id: int
    wish: Wish
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """Change what is known of a host; None leaves a field as it is."""

    id: int
    addresses: tuple[str, ...] | None = None
    name: str | None = None
    attributes: tuple[tuple[str, str], ...] | None = None


@dataclass(frozen=True, slots=True)
class Create:
    """Register a group by its name. It changes nothing if the group is registered already."""

    name: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete a group by its name. It changes nothing if the group is deleted already."""

    name: str


Command = Reserve | Want | Update | Create | Delete


def encode(command: Command) -> bytes:
    """Return the bytes of a command."""
    if isinstance(command, Reserve):
        fields: tuple[Any, ...] = (
            _RESERVE,
            command.id,
            command.addresses,
            int(command.wish),
            command.name,
            command.attributes,
            command.replaces,
        )
    elif isinstance(command, Want):
        fields = (_WISH, command.id, int(command.wish), command.forced)
    elif isinstance(command, Update):
        fields = (_UPDATE, command.id, command.addresses, command.name, command.attributes)
    elif isinstance(command, Delete):
        fields = (_DELETE, command.name)
    else:
        fields = (_CREATE, command.name)
    return pack(fields)


def decode(data: bytes) -> Command:
    """Decode a command. Raises DecodeError for other bytes, and for values out of their bounds."""
    fields = unpack(data)
    if not isinstance(fields, tuple) or not fields or type(fields[0]) is not int:
        raise DecodeError("no command of the registry", 0)
    kind, *rest = fields
    try:
        if kind == _RESERVE:
            return _reserve(*rest)
        if kind == _WISH:
            return _want(*rest)
        if kind == _UPDATE:
            return _update(*rest)
        if kind == _CREATE:
            return Create(_group(*rest))
        if kind == _DELETE:
            return Delete(_group(*rest))
    except (TypeError, ValueError) as error:
        raise DecodeError(f"a command of the registry is malformed: {error}", 0) from None
    raise DecodeError(f"a command of the unknown kind {kind}", 0)


def _check(*objections: str) -> None:
    for each in objections:
        if each:
            raise ValueError(each)


def _reserve(id: Any, addresses: Any, wish: Any, name: Any, attributes: Any, replaces: Any) -> Reserve:
    _check(
        objection_to_id(id),
        objection_to_addresses(addresses, least=0),
        objection_to_name(name),
        objection_to_attributes(attributes),
        "" if type(replaces) is int and replaces == 0 else objection_to_id(replaces),
        "" if wish in (Wish.LEARNER, Wish.VOTER) else f"no place is kept for {wish!r}",
    )
    return Reserve(id=id, addresses=addresses, wish=Wish(wish), name=name, attributes=attributes, replaces=replaces)


def _want(id: Any, wish: Any, forced: Any) -> Want:
    _check(objection_to_id(id), "" if type(forced) is bool else "forced is no bool")
    return Want(id, Wish(wish), forced)


def _update(id: Any, addresses: Any, name: Any, attributes: Any) -> Update:
    _check(
        objection_to_id(id),
        "" if addresses is None else objection_to_addresses(addresses),
        "" if name is None else objection_to_name(name),
        "" if attributes is None else objection_to_attributes(attributes),
    )
    return Update(id, addresses, name, attributes)


def _group(name: Any) -> str:
    _check(objection_to_name(name), "" if name else "a group needs a name")
    found: str = name
    return found
