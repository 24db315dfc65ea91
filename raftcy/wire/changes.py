"""Configuration changes, as proposed and as stored in entries (etcd's ``raftpb.ConfChange`` and ``ConfChangeV2``).

Owns the three values, their text notation, and decoding one from an entry. Whether a change is valid in a given
configuration is for ``core.confchange`` to judge. Presence, equality and immutability follow the rules of ``messages``.
"""

from collections.abc import Iterable
from typing import Any

from . import enums, immutable
from .checks import BytesLike, describe, digest, frozen, i32, instance, instances, member, octets, same, u64
from .gotext import WHITE_SPACE, parse_uint
from .messages import Entry

_TYPES: dict[int, enums.ConfChangeType] = {int(m): m for m in enums.ConfChangeType}
_TRANSITIONS: dict[int, enums.ConfChangeTransition] = {int(m): m for m in enums.ConfChangeTransition}
_LETTERS = {
    "v": enums.ConfChangeType.ADD_NODE,
    "l": enums.ConfChangeType.ADD_LEARNER_NODE,
    "r": enums.ConfChangeType.REMOVE_NODE,
    "u": enums.ConfChangeType.UPDATE_NODE,
}
_NAMES: dict[int, str] = {number: letter for letter, number in _LETTERS.items()}


class _Change:
    """Base of the three values. ``_present`` holds the bit 1 << (field number - 1) of each field that is present."""

    __slots__ = ("_present", "_unknown")
    __match_args__: tuple[str, ...] = ()
    _BITS: dict[str, int] = {}
    _present: int
    _unknown: bytes | None

    def has(self, name: str) -> bool:
        """Whether the field ``name`` is present. Raises ValueError if no field has that name."""
        bit = self._BITS.get(name)
        if bit is None:
            raise ValueError(f"no field {name!r}")
        return self._present & bit != 0

    def to_protobuf(self) -> Any:
        """Convert to a message of the generated protobuf module."""
        return _protobuf.to_protobuf(self)

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return same(self, other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class ConfChangeSingle(_Change):
    """One step of a ConfChangeV2: what to do (``type``, a ConfChangeType) to which node (``node_id``; 0 is skipped)."""

    __slots__ = ("_type", "node_id")
    __match_args__ = ("type", "node_id")
    _BITS = {"type": 1, "node_id": 2}
    node_id: int

    def __init__(self, *, type: enums.ConfChangeType | int | None = None, node_id: int | None = None) -> None:
        kind = i32(type, "type") if type is not None else 0
        node = u64(node_id, "node_id") if node_id is not None else 0
        immutable.thaw(self)
        self._type = kind
        self.node_id = node
        self._present = (type is not None) * 1 | (node_id is not None) * 2
        self._unknown = None
        immutable.freeze(self)

    @property
    def type(self) -> "enums.ConfChangeType | int":
        """A ConfChangeType, or a plain int if the number is unknown."""
        return member(_TYPES, self._type)

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _codec.encode_conf_change_single(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: BytesLike) -> "ConfChangeSingle":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _codec.decode_conf_change_single(data)  # type: ignore[no-any-return]

    @staticmethod
    def from_protobuf(message: Any) -> "ConfChangeSingle":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, ConfChangeSingle)  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return _from_wire, ("ConfChangeSingle", self.encode())


class ConfChange(_Change):
    """A change of one member (etcd's v1 change, thesis 4.1).

    ``type`` is a ConfChangeType and ``node_id`` the node that it concerns. ``id`` and ``context`` (bytes, such as the
    node's address) are for the application; raft does not read them.
    """

    __slots__ = ("_type", "context", "id", "node_id")
    __match_args__ = ("id", "type", "node_id", "context")
    _BITS = {"id": 1, "type": 2, "node_id": 4, "context": 8}
    id: int
    node_id: int
    context: bytes

    def __init__(
        self,
        *,
        id: int | None = None,
        type: enums.ConfChangeType | int | None = None,
        node_id: int | None = None,
        context: BytesLike | None = None,
    ) -> None:
        number = u64(id, "id") if id is not None else 0
        kind = i32(type, "type") if type is not None else 0
        node = u64(node_id, "node_id") if node_id is not None else 0
        context_ = octets(context, "context") if context is not None else b""
        immutable.thaw(self)
        self.id = number
        self._type = kind
        self.node_id = node
        self.context = context_
        self._present = (
            (id is not None) * 1 | (type is not None) * 2 | (node_id is not None) * 4 | (context is not None) * 8
        )
        self._unknown = None
        immutable.freeze(self)

    @property
    def type(self) -> "enums.ConfChangeType | int":
        """A ConfChangeType, or a plain int if the number is unknown."""
        return member(_TYPES, self._type)

    def as_v2(self) -> "ConfChangeV2":
        """The equivalent ConfChangeV2."""
        single = ConfChangeSingle(type=self.type, node_id=self.node_id)
        return ConfChangeV2(changes=[single], context=self.context if self.has("context") else None)

    def as_v1(self) -> "ConfChange | None":
        """Itself."""
        return self

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _codec.encode_conf_change(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: BytesLike) -> "ConfChange":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _codec.decode_conf_change(data)  # type: ignore[no-any-return]

    @staticmethod
    def from_protobuf(message: Any) -> "ConfChange":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, ConfChange)  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return _from_wire, ("ConfChange", self.encode())


class ConfChangeV2(_Change):
    """A change of any number of members (etcd's v2 change, thesis 4.3).

    ``transition`` is a ConfChangeTransition, ``changes`` a list of ConfChangeSingle, and ``context`` bytes for the
    application. With an empty list of changes it leaves a joint configuration.
    """

    __slots__ = ("_changes", "_transition", "context")
    __match_args__ = ("transition", "changes", "context")
    _BITS = {"transition": 1, "changes": 2, "context": 4}
    context: bytes

    def __init__(
        self,
        *,
        transition: enums.ConfChangeTransition | int | None = None,
        changes: Iterable[ConfChangeSingle] | None = None,
        context: BytesLike | None = None,
    ) -> None:
        way = i32(transition, "transition") if transition is not None else 0
        steps = instances(changes, ConfChangeSingle, "changes") if changes is not None else []
        context_ = octets(context, "context") if context is not None else b""
        immutable.thaw(self)
        self._transition = way
        self._changes = steps
        self.context = context_
        self._present = (transition is not None) * 1 | bool(steps) * 2 | (context is not None) * 4
        self._unknown = None
        immutable.freeze(self)

    @property
    def transition(self) -> enums.ConfChangeTransition | int:
        """A ConfChangeTransition, or a plain int if the number is unknown."""
        return member(_TRANSITIONS, self._transition)

    @property
    def changes(self) -> list[ConfChangeSingle]:
        """The steps; a new list."""
        return list(self._changes)

    def as_v2(self) -> "ConfChangeV2":
        """Itself."""
        return self

    def as_v1(self) -> "ConfChange | None":
        """None: a v2 change is never proposed as a v1 change."""
        return None

    def enter_joint(self) -> tuple[bool, bool]:
        """``(auto_leave, joint)``: whether the cluster leaves the joint configuration by itself, and whether there is
        one.

        Raises ValueError for an unknown transition.
        """
        if self._transition == enums.ConfChangeTransition.AUTO and len(self._changes) <= 1:
            return False, False
        if self._transition not in _TRANSITIONS:
            raise ValueError(f"unknown transition: {self._transition}")
        return self._transition != enums.ConfChangeTransition.JOINT_EXPLICIT, True

    def leave_joint(self) -> bool:
        """Whether the change leaves a joint configuration."""
        return self._transition == enums.ConfChangeTransition.AUTO and not self._changes

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _codec.encode_conf_change_v2(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: BytesLike) -> "ConfChangeV2":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _codec.decode_conf_change_v2(data)  # type: ignore[no-any-return]

    @staticmethod
    def from_protobuf(message: Any) -> "ConfChangeV2":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, ConfChangeV2)  # type: ignore[no-any-return]

    def __reduce__(self) -> Any:
        return _from_wire, ("ConfChangeV2", self.encode())


def conf_changes_from_string(text: str) -> list[ConfChangeSingle]:
    """Parse changes from a text such as ``"v1 l2 r3 u4"`` (etcd's ``ConfChangesFromString``).

    Raises ValueError, with etcd's text, if it cannot be parsed.
    """
    tokens = text.strip(WHITE_SPACE)
    changes = []
    for token in tokens.split(" ") if tokens else ():
        if len(token.encode("utf-8", "surrogateescape")) < 2:
            raise ValueError(f"unknown token {token}")
        kind = _LETTERS.get(token[0])
        if kind is None:
            raise ValueError(f"unknown input: {token}")
        changes.append(ConfChangeSingle(type=kind, node_id=parse_uint(token[1:])))
    return changes


def conf_changes_to_string(changes: list[ConfChangeSingle]) -> str:
    """The inverse of ``conf_changes_from_string`` (etcd's ``ConfChangesToString``)."""
    return " ".join(f"{_NAMES.get(c.type, 'unknown')}{c.node_id}" for c in changes)


def decode_change(entry: Entry) -> ConfChange | ConfChangeV2:
    """Decode the configuration change of an entry of type CONF_CHANGE or CONF_CHANGE_V2, for ``apply_conf_change``.

    Raises ValueError for an entry of another type, and DecodeError if its data cannot be decoded.
    """
    kind = instance(entry, Entry, "entry").type
    if kind == enums.EntryType.CONF_CHANGE:
        return ConfChange.decode(entry.data)
    if kind == enums.EntryType.CONF_CHANGE_V2:
        return ConfChangeV2.decode(entry.data)
    raise ValueError(f"an entry of type {kind} holds no configuration change")


_codec: Any = None
_protobuf: Any = None


def install(codec: Any, protobuf: Any) -> None:
    """Install the encoding of the values; see ``messages.install``."""
    global _codec, _protobuf
    _codec = codec
    _protobuf = protobuf


def _from_wire(name: str, data: bytes) -> Any:
    """Rebuild a pickled value; both builds' pickles name this function, so each can load the other's."""
    cls: Any = {"ConfChangeSingle": ConfChangeSingle, "ConfChange": ConfChange, "ConfChangeV2": ConfChangeV2}[name]
    return cls.decode(data)
