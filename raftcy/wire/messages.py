"""The values that travel between nodes and into storage.

Owns the wire types ``Entry``, ``Message``, ``HardState``, ``ConfState``, ``SnapshotMetadata`` and ``Snapshot``. The
codec is built on this module and installs itself here.

Rules of every wire type:

- A value is immutable. Keyword arguments or the decoder set its fields once; afterwards they are only read, so nodes
  and threads can share it.
- A value records which fields are present. An argument that is omitted or None is absent: ``encode`` does not write it,
  and reading it gives 0, False, ``b""``, ``[]`` or an empty value (None for ``Message.snapshot``). ``has(name)`` tells
  the difference. A list is present when it is not empty.
- ``==`` and ``hash`` compare field values, so an absent field equals its default. To compare bytes, compare the results
  of ``encode()``.
- Numbers are unsigned 64-bit. The constructor raises TypeError or RangeError for anything else.
"""

from typing import Any

from . import consts as k
from . import enums, immutable
from .checks import describe, digest, flag, frozen, i32, instance, instances, member, octets, same, u64, u64s
from .whole import keep_whole

_ENTRY_TYPES: dict[int, Any] = {int(m): m for m in enums.EntryType}
_MESSAGE_TYPES: dict[int, Any] = {int(m): m for m in enums.MessageType}

_NO_IDS: list[int] = []  # never filled

_ENTRY_BITS = {"type": k.E_TYPE, "term": k.E_TERM, "index": k.E_INDEX, "data": k.E_DATA}
_HARD_STATE_BITS = {"term": k.H_TERM, "vote": k.H_VOTE, "commit": k.H_COMMIT}
_METADATA_BITS = {"conf_state": k.D_CONF_STATE, "index": k.D_INDEX, "term": k.D_TERM}
_SNAPSHOT_BITS = {"data": k.S_DATA, "metadata": k.S_METADATA}
_MESSAGE_BITS = {
    "type": k.P_TYPE,
    "to": k.P_TO,
    "from_": k.P_FROM,
    "term": k.P_TERM,
    "log_term": k.P_LOG_TERM,
    "index": k.P_INDEX,
    "commit": k.P_COMMIT,
    "snapshot": k.P_SNAPSHOT,
    "reject": k.P_REJECT,
    "reject_hint": k.P_REJECT_HINT,
    "context": k.P_CONTEXT,
    "vote": k.P_VOTE,
}


class Entry:
    """One record of the log (etcd's ``raftpb.Entry``).

    ``type`` is an EntryType. ``term`` and ``index`` are the entry's place in the log; the leader assigns them, so a
    proposal has neither. ``data`` holds the application's bytes or an encoded configuration change.
    """

    __slots__ = ("_present", "_type", "_unknown", "data", "index", "term")
    __match_args__ = ("type", "term", "index", "data")
    term: int
    index: int
    data: bytes

    def __init__(self, *, type: Any = None, term: Any = None, index: Any = None, data: Any = None) -> None:
        present = 0
        kind = 0
        term_ = 0
        index_ = 0
        data_ = b""
        if type is not None:
            kind = i32(type, "type")
            present |= k.E_TYPE
        if term is not None:
            term_ = u64(term, "term")
            present |= k.E_TERM
        if index is not None:
            index_ = u64(index, "index")
            present |= k.E_INDEX
        if data is not None:
            data_ = octets(data, "data")
            present |= k.E_DATA
        immutable.thaw(self)
        self._type = kind
        self.term = term_
        self.index = index_
        self.data = data_
        self._present = present
        self._unknown = None
        immutable.freeze(self)

    @property
    def type(self) -> Any:
        """An EntryType, or a plain int if the number is unknown."""
        return member(_ENTRY_TYPES, self._type)

    def has(self, name: str) -> bool:
        """Whether the field ``name`` is present. Raises ValueError if no field has that name."""
        return _has(_ENTRY_BITS, self._present, name)

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _codec.encode_entry(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: Any) -> "Entry":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _codec.decode_entry(data)  # type: ignore[no-any-return]

    def to_protobuf(self) -> Any:
        """Convert to a message of the generated protobuf module."""
        return _protobuf.to_protobuf(self)

    @staticmethod
    def from_protobuf(message: Any) -> "Entry":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, Entry)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, Entry) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _from_wire, ("Entry", self.encode())

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class HardState:
    """What a node must store before it responds to a message (etcd's ``raftpb.HardState``; paper figure 2, thesis 3.4).

    ``term`` is the latest term that the node has seen, ``vote`` the candidate it voted for in that term (0: none), and
    ``commit`` the highest index that it knows to be committed. A node that forgot its vote could vote twice in a term
    and so elect two leaders.
    """

    __slots__ = ("_present", "_unknown", "commit", "term", "vote")
    __match_args__ = ("term", "vote", "commit")
    term: int
    vote: int
    commit: int

    def __init__(self, *, term: Any = None, vote: Any = None, commit: Any = None) -> None:
        present = 0
        term_ = 0
        vote_ = 0
        commit_ = 0
        if term is not None:
            term_ = u64(term, "term")
            present |= k.H_TERM
        if vote is not None:
            vote_ = u64(vote, "vote")
            present |= k.H_VOTE
        if commit is not None:
            commit_ = u64(commit, "commit")
            present |= k.H_COMMIT
        immutable.thaw(self)
        self.term = term_
        self.vote = vote_
        self.commit = commit_
        self._present = present
        self._unknown = None
        immutable.freeze(self)

    def has(self, name: str) -> bool:
        """Whether the field ``name`` is present. Raises ValueError if no field has that name."""
        return _has(_HARD_STATE_BITS, self._present, name)

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _codec.encode_hard_state(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: Any) -> "HardState":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _codec.decode_hard_state(data)  # type: ignore[no-any-return]

    def to_protobuf(self) -> Any:
        """Convert to a message of the generated protobuf module."""
        return _protobuf.to_protobuf(self)

    @staticmethod
    def from_protobuf(message: Any) -> "HardState":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, HardState)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, HardState) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _from_wire, ("HardState", self.encode())

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class ConfState:
    """The members of a cluster, as lists of ids (etcd's ``raftpb.ConfState``).

    ``voters`` and ``learners`` are the current members. A joint configuration has also ``voters_outgoing``, the voters
    before the change, and ``learners_next``, those of them that become learners once the cluster leaves it. With
    ``auto_leave`` the leader proposes to leave it by itself.
    """

    __slots__ = ("_learners", "_learners_next", "_present", "_unknown", "_voters", "_voters_outgoing", "auto_leave")
    __match_args__ = ("voters", "learners", "voters_outgoing", "learners_next", "auto_leave")
    auto_leave: bool

    def __init__(
        self,
        *,
        voters: Any = None,
        learners: Any = None,
        voters_outgoing: Any = None,
        learners_next: Any = None,
        auto_leave: Any = None,
    ) -> None:
        voters_ = u64s(voters, "voters") if voters is not None else _NO_IDS
        learners_ = u64s(learners, "learners") if learners is not None else _NO_IDS
        outgoing = u64s(voters_outgoing, "voters_outgoing") if voters_outgoing is not None else _NO_IDS
        next_ = u64s(learners_next, "learners_next") if learners_next is not None else _NO_IDS
        leave = flag(auto_leave, "auto_leave") if auto_leave is not None else False
        immutable.thaw(self)
        self._voters = voters_
        self._learners = learners_
        self._voters_outgoing = outgoing
        self._learners_next = next_
        self.auto_leave = leave
        self._present = k.C_AUTO_LEAVE if auto_leave is not None else 0
        self._unknown = None
        immutable.freeze(self)

    @property
    def voters(self) -> list[int]:
        """Ids of the voters (in a joint configuration: the incoming ones), as a new list."""
        return list(self._voters)

    @property
    def learners(self) -> list[int]:
        """Ids of the learners, as a new list."""
        return list(self._learners)

    @property
    def voters_outgoing(self) -> list[int]:
        """Ids of the outgoing voters of a joint configuration, as a new list."""
        return list(self._voters_outgoing)

    @property
    def learners_next(self) -> list[int]:
        """Ids of the outgoing voters that will become learners, as a new list."""
        return list(self._learners_next)

    def has(self, name: str) -> bool:
        """Whether the field ``name`` is present. Raises ValueError if no field has that name."""
        if name == "auto_leave":
            return self._present != 0
        return bool(_list_field(self, name, self.__match_args__))

    def equivalent(self, other: "ConfState") -> bool:
        """Whether both hold the same members, in any order (etcd's ``ConfState.Equivalent``)."""
        return (
            self.auto_leave == other.auto_leave
            and sorted(self._voters) == sorted(other.voters)
            and sorted(self._learners) == sorted(other.learners)
            and sorted(self._voters_outgoing) == sorted(other.voters_outgoing)
            and sorted(self._learners_next) == sorted(other.learners_next)
        )

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _codec.encode_conf_state(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: Any) -> "ConfState":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _codec.decode_conf_state(data)  # type: ignore[no-any-return]

    def to_protobuf(self) -> Any:
        """Convert to a message of the generated protobuf module."""
        return _protobuf.to_protobuf(self)

    @staticmethod
    def from_protobuf(message: Any) -> "ConfState":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, ConfState)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, ConfState) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _from_wire, ("ConfState", self.encode())

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class SnapshotMetadata:
    """What a snapshot covers (etcd's ``raftpb.SnapshotMetadata``).

    ``index`` and ``term`` are those of the last entry in it, ``conf_state`` the members as of that index.
    """

    __slots__ = ("_conf_state", "_present", "_unknown", "index", "term")
    __match_args__ = ("conf_state", "index", "term")
    index: int
    term: int

    def __init__(self, *, conf_state: Any = None, index: Any = None, term: Any = None) -> None:
        present = 0
        index_ = 0
        term_ = 0
        if conf_state is not None:
            instance(conf_state, ConfState, "conf_state")
            present |= k.D_CONF_STATE
        if index is not None:
            index_ = u64(index, "index")
            present |= k.D_INDEX
        if term is not None:
            term_ = u64(term, "term")
            present |= k.D_TERM
        immutable.thaw(self)
        self._conf_state = conf_state
        self.index = index_
        self.term = term_
        self._present = present
        self._unknown = None
        immutable.freeze(self)

    @property
    def conf_state(self) -> ConfState:
        """The members as of ``index``; an empty ConfState if absent."""
        return _NO_CONF_STATE if self._conf_state is None else self._conf_state

    def has(self, name: str) -> bool:
        """Whether the field ``name`` is present. Raises ValueError if no field has that name."""
        return _has(_METADATA_BITS, self._present, name)

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _codec.encode_snapshot_metadata(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: Any) -> "SnapshotMetadata":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _codec.decode_snapshot_metadata(data)  # type: ignore[no-any-return]

    def to_protobuf(self) -> Any:
        """Convert to a message of the generated protobuf module."""
        return _protobuf.to_protobuf(self)

    @staticmethod
    def from_protobuf(message: Any) -> "SnapshotMetadata":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, SnapshotMetadata)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, SnapshotMetadata) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _from_wire, ("SnapshotMetadata", self.encode())

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class Snapshot:
    """The application's state, in place of a prefix of the log (etcd's ``raftpb.Snapshot``; paper section 7).

    ``data`` holds the application's bytes and ``metadata`` says which entries they cover. An index of 0 means that
    there is no snapshot.
    """

    __slots__ = ("_metadata", "_present", "_unknown", "data")
    __match_args__ = ("data", "metadata")
    data: bytes

    def __init__(self, *, data: Any = None, metadata: Any = None) -> None:
        present = 0
        data_ = b""
        if data is not None:
            data_ = octets(data, "data")
            present |= k.S_DATA
        if metadata is not None:
            instance(metadata, SnapshotMetadata, "metadata")
            present |= k.S_METADATA
        immutable.thaw(self)
        self.data = data_
        self._metadata = metadata
        self._present = present
        self._unknown = None
        immutable.freeze(self)

    @property
    def metadata(self) -> SnapshotMetadata:
        """What the snapshot covers; an empty SnapshotMetadata if absent."""
        return _NO_METADATA if self._metadata is None else self._metadata

    def has(self, name: str) -> bool:
        """Whether the field ``name`` is present. Raises ValueError if no field has that name."""
        return _has(_SNAPSHOT_BITS, self._present, name)

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _codec.encode_snapshot(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: Any) -> "Snapshot":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _codec.decode_snapshot(data)  # type: ignore[no-any-return]

    def to_protobuf(self) -> Any:
        """Convert to a message of the generated protobuf module."""
        return _protobuf.to_protobuf(self)

    @staticmethod
    def from_protobuf(message: Any) -> "Snapshot":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, Snapshot)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, Snapshot) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _from_wire, ("Snapshot", self.encode())

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class Message:
    """A message between nodes, or between a node and its storage threads (etcd's ``raftpb.Message``).

    ``type`` is a MessageType and decides which other fields are used. ``to`` and ``from_`` are ids of nodes. ``term``
    is the sender's term (0: none), ``log_term`` and ``index`` are the place in the log that the message is about, and
    ``commit`` is the sender's commit index. ``reject`` and ``reject_hint`` describe a refusal. A response returns the
    ``context`` of its request unchanged. ``vote`` and ``responses`` are for the storage threads only. But in the
    ``vote`` of MsgHeartbeatResp, a driver with a lease says for how many microseconds it grants none.
    """

    __slots__ = (
        "_entries",
        "_present",
        "_responses",
        "_type",
        "_unknown",
        "commit",
        "context",
        "from_",
        "index",
        "log_term",
        "reject",
        "reject_hint",
        "snapshot",
        "term",
        "to",
        "vote",
    )
    __match_args__ = (
        "type",
        "to",
        "from_",
        "term",
        "log_term",
        "index",
        "entries",
        "commit",
        "snapshot",
        "reject",
        "reject_hint",
        "context",
        "vote",
        "responses",
    )
    to: int
    from_: int
    term: int
    log_term: int
    index: int
    commit: int
    snapshot: Snapshot | None
    reject: bool
    reject_hint: int
    context: bytes
    vote: int

    def __init__(
        self,
        *,
        type: Any = None,
        to: Any = None,
        from_: Any = None,
        term: Any = None,
        log_term: Any = None,
        index: Any = None,
        entries: Any = None,
        commit: Any = None,
        snapshot: Any = None,
        reject: Any = None,
        reject_hint: Any = None,
        context: Any = None,
        vote: Any = None,
        responses: Any = None,
    ) -> None:
        kind = i32(type, "type") if type is not None else 0
        numbers = [
            u64(value, name) if value is not None else 0
            for name, value in (
                ("to", to),
                ("from_", from_),
                ("term", term),
                ("log_term", log_term),
                ("index", index),
                ("commit", commit),
                ("reject_hint", reject_hint),
                ("vote", vote),
            )
        ]
        entries_ = instances(entries, Entry, "entries") if entries is not None else None
        responses_ = instances(responses, Message, "responses") if responses is not None else None
        if snapshot is not None:
            instance(snapshot, Snapshot, "snapshot")
        reject_ = flag(reject, "reject") if reject is not None else False
        context_ = octets(context, "context") if context is not None else b""
        present = 0
        given = (type, to, from_, term, log_term, index, commit, snapshot, reject, reject_hint, context, vote)
        for bit, value in zip(_MESSAGE_BITS.values(), given, strict=True):
            if value is not None:
                present |= bit
        immutable.thaw(self)
        self._type = kind
        self.to, self.from_, self.term, self.log_term, self.index, self.commit, self.reject_hint, self.vote = numbers
        self._entries = entries_ or None
        self.snapshot = snapshot
        self.reject = reject_
        self.context = context_
        self._responses = responses_ or None
        self._present = present
        self._unknown = None
        immutable.freeze(self)

    @property
    def type(self) -> Any:
        """A MessageType, or a plain int if the number is unknown."""
        return member(_MESSAGE_TYPES, self._type)

    @property
    def entries(self) -> list[Entry]:
        """The entries. Do not change the list: the core and messages to other peers share it."""
        return [] if self._entries is None else self._entries

    @property
    def responses(self) -> list["Message"]:
        """Messages that a storage thread must deliver after its work. Do not change the list: the core shares it."""
        return [] if self._responses is None else self._responses

    def has(self, name: str) -> bool:
        """Whether the field ``name`` is present. Raises ValueError if no field has that name."""
        if name == "entries":
            return self._entries is not None
        if name == "responses":
            return self._responses is not None
        return _has(_MESSAGE_BITS, self._present, name)

    def hard_state(self) -> HardState | None:
        """The HardState that a MsgStorageAppend asks to store, or None if it carries none or has another type."""
        if self._type != k.STORAGE_APPEND or not self._present & k.P_TERM:
            return None
        return HardState(term=self.term, vote=self.vote, commit=self.commit)

    def encode(self) -> bytes:
        """Encode as protobuf, byte for byte as etcd's raft v3.7.0. Raises RangeError beyond a limit of ``bounds``."""
        return _encode_message(self)  # type: ignore[no-any-return]

    @staticmethod
    def decode(data: Any) -> "Message":
        """Decode ``data``, any contiguous buffer. Raises DecodeError if it is not an encoding of this type."""
        return _decode_message(data)  # type: ignore[no-any-return]

    def to_protobuf(self) -> Any:
        """Convert to a message of the generated protobuf module."""
        return _protobuf.to_protobuf(self)

    @staticmethod
    def from_protobuf(message: Any) -> "Message":
        """Convert from a message of a generated protobuf module. Raises TypeError for anything else."""
        return _protobuf.from_protobuf(message, Message)  # type: ignore[no-any-return]

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, Message) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _from_wire, ("Message", self.encode())

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


_NO_CONF_STATE = ConfState()
_NO_METADATA = SnapshotMetadata()
_codec: Any = None
_protobuf: Any = None
_encode_message: Any = None
_decode_message: Any = None


def install(codec: Any, protobuf: Any) -> None:
    """Install the encoding of the values: the modules ``codec`` and ``protobuf``, which are built on this one.

    Importing ``raftcy.wire`` calls this, before anyone else can create a value. An import here would be a circle.
    """
    global _codec, _protobuf, _encode_message, _decode_message
    _codec = codec
    _protobuf = protobuf
    _encode_message = codec.encode_message
    _decode_message = codec.decode_message


def _has(bits: dict[str, int], present: int, name: str) -> bool:
    bit = bits.get(name)
    if bit is None:
        raise ValueError(f"no field {name!r}")
    return present & bit != 0


def _list_field(value: Any, name: str, names: tuple[str, ...]) -> Any:
    if name not in names:
        raise ValueError(f"no field {name!r}")
    return getattr(value, name)


# For ``blank`` and the codec: the compiled build reuses freed objects only when this module creates the new ones.


def _new_entry() -> Entry:
    return Entry.__new__(Entry)


def _new_message() -> Message:
    return Message.__new__(Message)


def _new_hard_state() -> HardState:
    return HardState.__new__(HardState)


def _from_wire(name: str, data: bytes) -> Any:
    """Rebuild a pickled value; both builds' pickles name this function, so each can load the other's."""
    return {
        "Entry": Entry,
        "HardState": HardState,
        "ConfState": ConfState,
        "SnapshotMetadata": SnapshotMetadata,
        "Snapshot": Snapshot,
        "Message": Message,
    }[name].decode(data)  # type: ignore[attr-defined]


for _each in (Entry, HardState, ConfState, SnapshotMetadata, Snapshot, Message):
    keep_whole(_each)
