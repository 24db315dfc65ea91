"""Ready, and the two values in it that never leave the node: SoftState and ReadState.

A RawNode creates a Ready; its driver stores, sends and applies what it holds.
"""

from collections.abc import Iterable
from typing import Any

from ..wire import enums, immutable
from ..wire.checks import BytesLike, describe, digest, flag, frozen, i32, instance, instances, member, octets, same, u64
from ..wire.enums import StateType
from ..wire.messages import Entry, HardState, Message, Snapshot
from ..wire.whole import keep_whole

_STATES: dict[int, StateType] = {int(m): m for m in enums.StateType}


class SoftState:
    """State that is useful for logging and need not be stored (etcd's ``raft.SoftState``).

    ``lead`` is the id of the leader that the node knows (0: none), ``raft_state`` the node's role, a StateType. Raises
    TypeError or RangeError if a value is not a number in its range.
    """

    __slots__ = ("_raft_state", "lead")
    __match_args__ = ("lead", "raft_state")
    lead: int

    def __init__(self, *, lead: int = 0, raft_state: StateType | int = 0) -> None:
        lead_ = u64(lead, "lead")
        state = i32(raft_state, "raft_state")
        immutable.thaw(self)
        self.lead = lead_
        self._raft_state = state
        immutable.freeze(self)

    @property
    def raft_state(self) -> StateType | int:
        """The role, a StateType, or a plain int if the number is unknown."""
        return member(_STATES, self._raft_state)

    def has(self, name: str) -> bool:
        """Whether ``name`` is a field. Every field is always present."""
        return name in self.__match_args__

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, SoftState) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _soft_state, (self.lead, int(self.raft_state))

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class ReadState:
    """The answer to a read request (etcd's ``raft.ReadState``, thesis 6.4).

    ``request_ctx`` is the context of the request. Once the application has applied ``index``, a read of its state is
    linearizable for that request. Raises TypeError or RangeError if a value has the wrong type or range.
    """

    __slots__ = ("index", "request_ctx")
    __match_args__ = ("index", "request_ctx")
    index: int
    request_ctx: bytes

    def __init__(self, *, index: int = 0, request_ctx: BytesLike = b"") -> None:
        index_ = u64(index, "index")
        context = octets(request_ctx, "request_ctx")
        immutable.thaw(self)
        self.index = index_
        self.request_ctx = context
        immutable.freeze(self)

    def has(self, name: str) -> bool:
        """Whether ``name`` is a field. Every field is always present."""
        return name in self.__match_args__

    def __eq__(self, other: object) -> bool:
        return same(self, other) if isinstance(other, ReadState) else NotImplemented

    def __hash__(self) -> int:
        return digest(self)

    def __repr__(self) -> str:
        return describe(self)

    def __reduce__(self) -> Any:
        return _read_state, (self.index, self.request_ctx)

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


class Ready:
    """The work that a node has for its driver: what to store, send and apply (etcd's ``Ready``).

    A Ready is read-only, and so are its lists. An absent part is None or an empty list.

    ``soft_state``
        A SoftState, if it changed since the last Ready.
    ``hard_state``
        A HardState to store, if it changed.
    ``read_states``
        ReadStates, the answers to read requests.
    ``entries``
        Entries to store before the messages are sent.
    ``snapshot``
        A snapshot to store, and then to apply.
    ``committed_entries``
        Entries to apply to the state machine, in order.
    ``messages``
        Messages to send once hard state, entries and snapshot are stored.
    ``must_sync``
        Whether these must be durable before the messages are sent.

    Raises TypeError if an argument has the wrong type.
    """

    __slots__ = (
        "_committed_entries",
        "_entries",
        "_messages",
        "_read_states",
        "hard_state",
        "must_sync",
        "snapshot",
        "soft_state",
    )
    __match_args__ = (
        "soft_state",
        "hard_state",
        "read_states",
        "entries",
        "snapshot",
        "committed_entries",
        "messages",
        "must_sync",
    )
    soft_state: SoftState | None
    hard_state: HardState | None
    snapshot: Snapshot | None
    must_sync: bool
    _read_states: list[ReadState] | None
    _entries: list[Entry] | None
    _committed_entries: list[Entry] | None
    _messages: list[Message] | None

    def __init__(
        self,
        *,
        soft_state: SoftState | None = None,
        hard_state: HardState | None = None,
        read_states: Iterable[ReadState] | None = None,
        entries: Iterable[Entry] | None = None,
        snapshot: Snapshot | None = None,
        committed_entries: Iterable[Entry] | None = None,
        messages: Iterable[Message] | None = None,
        must_sync: bool = False,
    ) -> None:
        if soft_state is not None:
            instance(soft_state, SoftState, "soft_state")
        if hard_state is not None:
            instance(hard_state, HardState, "hard_state")
        if snapshot is not None:
            instance(snapshot, Snapshot, "snapshot")
        reads = instances(read_states, ReadState, "read_states") if read_states is not None else None
        stored = instances(entries, Entry, "entries") if entries is not None else None
        committed = instances(committed_entries, Entry, "committed_entries") if committed_entries is not None else None
        sent = instances(messages, Message, "messages") if messages is not None else None
        synced = flag(must_sync, "must_sync")
        immutable.thaw(self)
        self.soft_state = soft_state
        self.hard_state = hard_state
        self.snapshot = snapshot
        self._read_states = reads or None
        self._entries = stored or None
        self._committed_entries = committed or None
        self._messages = sent or None
        self.must_sync = synced
        immutable.freeze(self)

    # An empty list is created for each caller and not kept, because None is quicker to test inside the package.

    @property
    def read_states(self) -> list[ReadState]:
        """ReadStates, the answers to read requests."""
        return [] if self._read_states is None else self._read_states

    @property
    def entries(self) -> list[Entry]:
        """Entries to store before the messages are sent."""
        return [] if self._entries is None else self._entries

    @property
    def committed_entries(self) -> list[Entry]:
        """Entries to apply to the state machine, in order."""
        return [] if self._committed_entries is None else self._committed_entries

    @property
    def messages(self) -> list[Message]:
        """Messages to send once the entries, the hard state and the snapshot are stored."""
        return [] if self._messages is None else self._messages

    def contains_updates(self) -> bool:
        """Whether any part but ``must_sync`` is present (etcd's ``containsUpdates``)."""
        return (
            self.soft_state is not None
            or self.hard_state is not None
            or self.snapshot is not None
            or len(self.entries) > 0
            or len(self.committed_entries) > 0
            or len(self.messages) > 0
            or len(self.read_states) > 0
        )

    def applied_cursor(self) -> int:
        """Return the index of the last committed entry, else of the snapshot, else 0: how far this Ready applies."""
        if len(self.committed_entries) > 0:
            return self.committed_entries[-1].index
        return 0 if self.snapshot is None else self.snapshot.metadata.index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ready) and _ready_fields(self) == _ready_fields(other)

    def __hash__(self) -> int:
        raise TypeError("unhashable type: 'Ready'")

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)!r}" for name in self.__match_args__ if getattr(self, name)]
        return f"Ready({', '.join(shown)})"

    def __reduce__(self) -> Any:
        return _ready, _ready_fields(self)

    def __setattr__(self, name: str, value: Any) -> None:
        raise frozen(self, name)

    def __delattr__(self, name: str) -> None:
        raise frozen(self, name)


def _ready_fields(rd: Ready) -> tuple[Any, ...]:
    return (
        rd.soft_state,
        rd.hard_state,
        rd.read_states,
        rd.entries,
        rd.snapshot,
        rd.committed_entries,
        rd.messages,
        rd.must_sync,
    )


def _ready(*fields: Any) -> Ready:
    return Ready(**dict(zip(Ready.__match_args__, fields, strict=True)))


def _soft_state(lead: int, raft_state: int) -> SoftState:
    return SoftState(lead=lead, raft_state=raft_state)


def _read_state(index: int, request_ctx: bytes) -> ReadState:
    return ReadState(index=index, request_ctx=request_ctx)


# For ``fresh``: the compiled build reuses freed objects only when this module creates the new ones.


def _new_ready() -> Ready:
    return Ready.__new__(Ready)


for _each in (SoftState, ReadState, Ready):
    keep_whole(_each)
