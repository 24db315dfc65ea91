"""RecordedNode: a RawNode that records what enters it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from .. import __version__
from ..core.config import Config
from ..core.dump import dump
from ..core.rawnode import RawNode
from ..core.ready import Ready
from ..errors import RaftError, Stopped
from ..wire import enums
from ..wire.changes import ConfChange, ConfChangeV2
from ..wire.checks import instance, octets, u64
from ..wire.messages import ConfState, Message
from .answers import RecordedRandom, RecordedStorage
from .outcome import NOTHING, members_outcome, ready_outcome, refused_outcome
from .pack import pack
from .records import NUMBER, REPORT, SIZE, Kind, pack_change
from .sinks import Sink
from .tape import Tape

_TICK = int(Kind.TICK)
_PROPOSE = int(Kind.PROPOSE)
_STEP = int(Kind.STEP)
_STEP_MANY = int(Kind.STEP_MANY)
_READY = int(Kind.READY)
_ADVANCE = int(Kind.ADVANCE)
_size: Any = SIZE.pack


class RecordedNode(RawNode):
    """A RawNode whose calls go into a sink, one record each, with the answers of its storage and its random source.

    It stands wherever a RawNode does: in a Cycle, or in a Node by ``start_node(config, peers, make_raw=...)``. Calls
    that only look, such as ``has_ready`` and ``status``, are not recorded; nor are calls whose arguments are refused
    for their type or range. Whoever changes ``raft`` behind its back makes a recording that cannot be replayed.

    ``clock`` gives the time of a record in nanoseconds. A sink that fails ends the recording and not the node: see
    ``recording_error``.
    """

    __slots__ = ("_tape",)

    def __init__(self, config: Config, sink: Sink, clock: Callable[[], int] = time.time_ns) -> None:
        instance(config, Config, "config")
        given = config.validated()
        tape = self._tape = Tape(sink, clock)
        tape.begin(config, __version__)
        recorded = replace(
            config, storage=RecordedStorage(given.storage, tape), random=RecordedRandom(given.random, tape)
        )
        try:
            super().__init__(recorded)
        except BaseException as error:
            tape.failed(Kind.START, b"", error)
            tape.died()
            raise
        self._done(Kind.START, b"", NOTHING)

    @property
    def recording_error(self) -> OSError | None:
        """Why the recording has ended; None if it goes on. If the sink raised no OSError, that is its ``__cause__``."""
        return self._tape.broken

    def offer_snapshots(self, offer: Any) -> None:
        """As that of RawNode; what is offered is recorded as the storage's."""
        storage = self.raft.log.storage
        RawNode.offer_snapshots(self, storage.offering(offer) if callable(offer) else offer)

    # -- input ---------------------------------------------------------------------------------------------------

    # The first few are called in every round, so they do without the detour that the others take.

    def tick(self) -> None:
        """As that of RawNode."""
        self._tape.fresh()
        try:
            RawNode.tick(self)
        except BaseException as error:
            self._raised(_TICK, b"", error)
            raise
        self._done(_TICK, b"", NOTHING)

    def propose(self, data: Any) -> None:
        """As that of RawNode."""
        given = b"" if data is None else b"\1" + octets(data, "data")
        self._tape.fresh()
        try:
            RawNode.propose(self, data)
        except BaseException as error:
            self._raised(_PROPOSE, given, error)
            raise
        self._done(_PROPOSE, given, NOTHING)

    def step(self, m: Any) -> None:
        """As that of RawNode."""
        if not isinstance(m, Message):
            RawNode.step(self, m)
        given = m.encode()
        self._tape.fresh()
        try:
            RawNode.step(self, m)
        except BaseException as error:
            self._raised(_STEP, given, error)
            raise
        return self._done(_STEP, given, NOTHING)

    def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """As that of RawNode."""
        instance(messages, list, "messages")
        for m in messages:
            instance(m, Message, "m")
        given = _packed(messages)
        self._tape.fresh()
        try:
            refused = RawNode.step_many(self, messages)
        except BaseException as error:
            self._raised(_STEP_MANY, given, error)
            raise
        self._done(_STEP_MANY, given, refused_outcome(refused) if len(refused) > 0 else NOTHING)
        return refused

    def ready(self) -> Ready:
        """As that of RawNode."""
        self._tape.fresh()
        try:
            rd = RawNode.ready(self)
        except BaseException as error:
            self._raised(_READY, b"", error)
            raise
        self._done(_READY, b"", ready_outcome(rd))
        return rd

    def advance(self, rd: Ready | None = None) -> None:
        """As that of RawNode."""
        self._tape.fresh()
        try:
            RawNode.advance(self)
        except BaseException as error:
            self._raised(_ADVANCE, b"", error)
            raise
        self._done(_ADVANCE, b"", NOTHING)

    def tick_quiesced(self) -> None:
        """As that of RawNode."""
        self._call(Kind.TICK_QUIESCED, b"", None)

    def campaign(self) -> None:
        """As that of RawNode."""
        self._call(Kind.CAMPAIGN, b"", None)

    def propose_conf_change(self, change: Any) -> None:
        """As that of RawNode."""
        if change is not None:
            instance(change, (ConfChange, ConfChangeV2), "change")
        self._call(Kind.PROPOSE_CONF_CHANGE, pack_change(change), change)

    def read_index(self, rctx: Any) -> None:
        """As that of RawNode."""
        context = octets(rctx, "rctx")
        self._call(Kind.READ_INDEX, context, context)

    def transfer_leader(self, transferee: int) -> None:
        """As that of RawNode."""
        id = u64(transferee, "transferee")
        self._call(Kind.TRANSFER_LEADER, NUMBER.pack(id), id)

    def forget_leader(self) -> None:
        """As that of RawNode."""
        self._call(Kind.FORGET_LEADER, b"", None)

    def report_unreachable(self, id: int) -> None:
        """As that of RawNode."""
        peer = u64(id, "id")
        self._call(Kind.REPORT_UNREACHABLE, NUMBER.pack(peer), peer)

    def report_snapshot(self, id: int, status: Any) -> None:
        """As that of RawNode."""
        outcome = enums.SnapshotStatus(status)
        peer = u64(id, "id")
        self._call(Kind.REPORT_SNAPSHOT, REPORT.pack(peer, outcome), (peer, outcome))

    def apply_conf_change(self, change: Any) -> ConfState:
        """As that of RawNode."""
        instance(change, (ConfChange, ConfChangeV2), "change")
        return self._call(Kind.APPLY_CONF_CHANGE, pack_change(change), change)  # type: ignore[no-any-return]

    def bootstrap(self, peers: Iterable[Any]) -> None:
        """As that of RawNode."""
        members = list(peers)
        given = pack([[u64(each.id, "id"), octets(each.context, "context")] for each in members])
        self._call(Kind.BOOTSTRAP, given, members)

    def begin_empty(self) -> None:
        """As that of RawNode."""
        self._call(Kind.BEGIN_EMPTY, b"", None)

    def set_randomized_election_timeout(self, ticks: int) -> None:
        """As that of RawNode."""
        if ticks <= 0:
            RawNode.set_randomized_election_timeout(self, ticks)
        self._call(Kind.SET_RANDOMIZED_ELECTION_TIMEOUT, NUMBER.pack(ticks), ticks)

    def take_messages(self) -> list[Message] | None:
        """None for nothing, else an empty list: whatever there is comes as a Ready, which is recorded."""
        return [] if self.has_ready() else None

    def ready_without_accept(self) -> Ready:
        """As that of RawNode."""
        return self._call(Kind.READY_WITHOUT_ACCEPT, b"", None)  # type: ignore[no-any-return]

    def accept_ready(self, rd: Ready) -> None:
        """As that of RawNode. Replays accept what ``ready_without_accept`` gave last."""
        self._call(Kind.ACCEPT_READY, b"", rd)

    # -- recording -----------------------------------------------------------------------------------------------

    def _call(self, kind: int, given: bytes, value: Any) -> Any:
        self._tape.fresh()
        try:
            result, outcome = self._act(kind, value)
        except BaseException as error:
            self._raised(kind, given, error)
            raise
        self._done(kind, given, outcome)
        return result

    def _act(self, kind: int, value: Any) -> tuple[Any, bytes]:
        """What the call returns, and its outcome in bytes."""
        if kind == Kind.APPLY_CONF_CHANGE:
            members = RawNode.apply_conf_change(self, value)
            return members, members_outcome(members)
        if kind == Kind.READY_WITHOUT_ACCEPT:
            rd = RawNode.ready_without_accept(self)
            return rd, ready_outcome(rd)
        if kind == Kind.ACCEPT_READY:
            RawNode.accept_ready(self, value)
        elif kind == Kind.CAMPAIGN:
            RawNode.campaign(self)
        elif kind == Kind.PROPOSE_CONF_CHANGE:
            RawNode.propose_conf_change(self, value)
        elif kind == Kind.READ_INDEX:
            RawNode.read_index(self, value)
        elif kind == Kind.TRANSFER_LEADER:
            RawNode.transfer_leader(self, value)
        elif kind == Kind.FORGET_LEADER:
            RawNode.forget_leader(self)
        elif kind == Kind.REPORT_UNREACHABLE:
            RawNode.report_unreachable(self, value)
        elif kind == Kind.REPORT_SNAPSHOT:
            RawNode.report_snapshot(self, value[0], value[1])
        elif kind == Kind.TICK_QUIESCED:
            RawNode.tick_quiesced(self)
        elif kind == Kind.BOOTSTRAP:
            RawNode.bootstrap(self, value)
        elif kind == Kind.BEGIN_EMPTY:
            RawNode.begin_empty(self)
        else:
            RawNode.set_randomized_election_timeout(self, value)
        return None, NOTHING

    def _done(self, kind: int, given: bytes, outcome: bytes) -> None:
        if self._tape.record(kind, given, outcome):
            self._checkpoint()

    def _raised(self, kind: int, given: bytes, error: BaseException) -> None:
        """Record a call that raised. What is called on a dead node is no part of its life."""
        if isinstance(error, Stopped):
            return
        due = self._tape.failed(kind, given, error)
        try:
            self.has_ready()
        except Stopped:
            self._tape.died()
        else:
            if due:
                self._checkpoint()

    def _checkpoint(self) -> None:
        self._tape.checkpoint(pack(dump(self)))


def _packed(messages: list[Message]) -> bytes:
    """Messages, each after its size."""
    parts: list[bytes] = []
    for m in messages:
        data = m.encode()
        parts.append(_size(len(data)))
        parts.append(data)
    return b"".join(parts)
