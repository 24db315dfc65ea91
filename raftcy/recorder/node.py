"""RecordedNode: a RawNode that records what enters it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from .. import __version__
from ..core import enums
from ..core.changes import ConfChange, ConfChangeV2
from ..core.checkpoint import dump
from ..core.config import Config
from ..core.messages import ConfState, Message
from ..core.rawnode import RawNode, Ready
from ..core.values import instance, octets, u64
from ..errors import RaftError, Stopped
from .answers import RecordedRandom, RecordedStorage
from .kinds import NUMBER, REPORT, Kind, pack_change, pack_data, pack_many
from .outcome import NOTHING, members_outcome, ready_outcome, refused_outcome
from .pack import pack
from .sinks import Sink
from .tape import Tape


class RecordedNode(RawNode):
    """A RawNode whose calls go into a sink, one record each, with the answers of its storage and its random source.

    It stands wherever a RawNode does: in a Cycle, or in a Node by ``start_node(config, peers, make_raw=...)``. Calls that
    only look, such as ``has_ready`` and ``status``, are not recorded; nor are calls whose arguments are refused for
    their type or range. Whoever changes ``raft`` behind its back makes a recording that cannot be replayed.

    ``clock`` gives the time of a record in nanoseconds. A sink that fails ends the recording and not the node: see
    ``recording_error``.
    """

    __slots__ = ("_tape",)

    def __init__(self, config: Config, sink: Sink, *, clock: Callable[[], int] = time.time_ns) -> None:
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
        if tape.record(Kind.START, b"", NOTHING):
            self._checkpoint()

    @property
    def recording_error(self) -> OSError | None:
        """Why the recording has ended; None if it goes on."""
        return self._tape.broken

    # -- input ---------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """As that of RawNode."""
        self._call(Kind.TICK, b"", RawNode.tick)

    def tick_quiesced(self) -> None:
        """As that of RawNode."""
        self._call(Kind.TICK_QUIESCED, b"", RawNode.tick_quiesced)

    def campaign(self) -> None:
        """As that of RawNode."""
        self._call(Kind.CAMPAIGN, b"", RawNode.campaign)

    def propose(self, data: Any) -> None:
        """As that of RawNode."""
        payload = None if data is None else octets(data, "data")
        self._call(Kind.PROPOSE, pack_data(payload), RawNode.propose, payload)

    def propose_conf_change(self, change: Any) -> None:
        """As that of RawNode."""
        if change is not None:
            instance(change, (ConfChange, ConfChangeV2), "change")
        self._call(Kind.PROPOSE_CONF_CHANGE, pack_change(change), RawNode.propose_conf_change, change)

    def step(self, m: Any) -> None:
        """As that of RawNode."""
        if not isinstance(m, Message):
            RawNode.step(self, m)
        self._call(Kind.STEP, m.encode(), RawNode.step, m)

    def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """As that of RawNode."""
        instance(messages, list, "messages")
        good = next((place for place, m in enumerate(messages) if not isinstance(m, Message)), len(messages))
        refused: list[tuple[int, RaftError]] = self._call(
            Kind.STEP_MANY, pack_many(messages[:good]), RawNode.step_many, messages[:good], told=refused_outcome
        )
        if good < len(messages):
            RawNode.step_many(self, messages[good:])
        return refused

    def read_index(self, rctx: Any) -> None:
        """As that of RawNode."""
        context = octets(rctx, "rctx")
        self._call(Kind.READ_INDEX, context, RawNode.read_index, context)

    def transfer_leader(self, transferee: int) -> None:
        """As that of RawNode."""
        id = u64(transferee, "transferee")
        self._call(Kind.TRANSFER_LEADER, NUMBER.pack(id), RawNode.transfer_leader, id)

    def forget_leader(self) -> None:
        """As that of RawNode."""
        self._call(Kind.FORGET_LEADER, b"", RawNode.forget_leader)

    def report_unreachable(self, id: int) -> None:
        """As that of RawNode."""
        peer = u64(id, "id")
        self._call(Kind.REPORT_UNREACHABLE, NUMBER.pack(peer), RawNode.report_unreachable, peer)

    def report_snapshot(self, id: int, status: Any) -> None:
        """As that of RawNode."""
        outcome = enums.SnapshotStatus(status)
        peer = u64(id, "id")
        self._call(Kind.REPORT_SNAPSHOT, REPORT.pack(peer, outcome), RawNode.report_snapshot, peer, outcome)

    def apply_conf_change(self, change: Any) -> ConfState:
        """As that of RawNode."""
        instance(change, (ConfChange, ConfChangeV2), "change")
        return self._call(  # type: ignore[no-any-return]
            Kind.APPLY_CONF_CHANGE, pack_change(change), RawNode.apply_conf_change, change, told=members_outcome
        )

    def bootstrap(self, peers: Iterable[Any]) -> None:
        """As that of RawNode."""
        members = list(peers)
        given = pack([[u64(each.id, "id"), octets(each.context, "context")] for each in members])
        self._call(Kind.BOOTSTRAP, given, RawNode.bootstrap, members)

    def begin_empty(self) -> None:
        """As that of RawNode."""
        self._call(Kind.BEGIN_EMPTY, b"", RawNode.begin_empty)

    def set_randomized_election_timeout(self, ticks: int) -> None:
        """As that of RawNode."""
        if ticks <= 0:
            RawNode.set_randomized_election_timeout(self, ticks)
        given = NUMBER.pack(ticks)
        self._call(Kind.SET_RANDOMIZED_ELECTION_TIMEOUT, given, RawNode.set_randomized_election_timeout, ticks)

    # -- output --------------------------------------------------------------------------------------------------

    def ready(self) -> Ready:
        """As that of RawNode."""
        return self._call(Kind.READY, b"", RawNode.ready, told=ready_outcome)  # type: ignore[no-any-return]

    def ready_without_accept(self) -> Ready:
        """As that of RawNode."""
        return self._call(  # type: ignore[no-any-return]
            Kind.READY_WITHOUT_ACCEPT, b"", RawNode.ready_without_accept, told=ready_outcome
        )

    def accept_ready(self, rd: Ready) -> None:
        """As that of RawNode. Replays accept what ``ready_without_accept`` gave last."""
        self._call(Kind.ACCEPT_READY, b"", RawNode.accept_ready, rd)

    def advance(self, rd: Ready | None = None) -> None:
        """As that of RawNode."""
        self._call(Kind.ADVANCE, b"", RawNode.advance)

    # -- recording -----------------------------------------------------------------------------------------------

    def _call(self, kind: Kind, given: bytes, act: Any, *args: Any, told: Any = None) -> Any:
        tape = self._tape
        if tape.answers:
            tape.fresh()
        try:
            result = act(self, *args)
        except BaseException as error:
            self._raised(kind, given, error)
            raise
        if tape.record(kind, given, NOTHING if told is None else told(result)):
            self._checkpoint()
        return result

    def _raised(self, kind: Kind, given: bytes, error: BaseException) -> None:
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
