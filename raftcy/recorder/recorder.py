"""Recorder: an observer that records the calls of a RawNode."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .. import __version__
from ..core.config import Config
from ..core.dump import dump
from ..core.observer import Observer
from ..core.rawnode import RawNode
from ..wire.checks import instance, octets, u64
from ..wire.messages import Message
from ..wire.whole import has_one_owner, keep_whole
from .answers import RecordedRandom, RecordedStorage
from .outcome import NOTHING, members_outcome, ready_outcome, refused_outcome
from .pack import pack
from .records import NUMBER, REPORT, SIZE, Kind, pack_change
from .sinks import Sink
from .tape import Tape

_START = int(Kind.START)
_PROPOSE = int(Kind.PROPOSE)
_PROPOSE_CONF_CHANGE = int(Kind.PROPOSE_CONF_CHANGE)
_STEP = int(Kind.STEP)
_STEP_MANY = int(Kind.STEP_MANY)
_READ_INDEX = int(Kind.READ_INDEX)
_REPORT_SNAPSHOT = int(Kind.REPORT_SNAPSHOT)
_READY = int(Kind.READY)
_READY_WITHOUT_ACCEPT = int(Kind.READY_WITHOUT_ACCEPT)
_ACCEPT_READY = int(Kind.ACCEPT_READY)
_BOOTSTRAP = int(Kind.BOOTSTRAP)
_APPLY_CONF_CHANGE = int(Kind.APPLY_CONF_CHANGE)
_KINDS = {str(kind): int(kind) for kind in Kind}
_size: Any = SIZE.pack


class Recorder(Observer):
    """Writes each call of one RawNode into a sink, with the answers of its storage and its random source.

    ``make_raw(config)`` creates the node, for a Driver, or for ``start_node`` with ``make_raw=recorder.make_raw``.
    Calls that only read, such as ``has_ready`` and ``status``, are not recorded, and neither are calls with an argument
    of wrong type or range. If other code changes the node's ``raft`` directly, the recording cannot be replayed.

    ``clock`` returns the time of a record, in nanoseconds. An error of the sink ends the recording but does not affect
    the node: see ``error``.
    """

    __slots__ = ("_given", "_kind", "_tape", "_used")

    def __init__(self, sink: Sink, clock: Callable[[], int] = time.time_ns) -> None:
        self._tape = Tape(sink, clock)
        self._used = False
        # The current call: its kind, and its argument in bytes.
        self._kind = _START
        self._given = b""

    @property
    def error(self) -> OSError | None:
        """The error that ended the recording, or None. An error of another type than OSError is its ``__cause__``."""
        return self._tape.broken

    def make_raw(self, config: Config) -> RawNode:
        """Create a RawNode and record it from its start on.

        Raises what ``RawNode(config)`` raises, OSError if the sink cannot start, and ValueError if this recorder has
        created a node already: each start of a node needs a new recorder and a new sink.
        """
        instance(config, Config, "config")
        given = config.validated()
        if self._used:
            raise ValueError("a recorder records only one node")
        self._used = True
        tape = self._tape
        tape.begin(config, __version__)
        recorded = replace(
            config, storage=RecordedStorage(given.storage, tape), random=RecordedRandom(given.random, tape)
        )
        try:
            node = RawNode(recorded)
        except BaseException as error:
            tape.failed(_START, b"", error)
            tape.died()
            raise
        node.observer = self
        self._record(node, _START, b"", NOTHING)
        return node

    def offering(self, node: Any, offer: Any) -> Any:
        """Record offered snapshots as the storage's, because a replay gets every snapshot from its storage."""
        return node.raft.log.storage.offering(offer)

    def began(self, call: str, given: Any) -> None:
        """Keep the argument in bytes until the call ends."""
        kind = _KINDS[call]
        data = b""
        if kind == _STEP:
            data = given.encode()
        elif given is None or kind == _ACCEPT_READY:
            # A replay accepts the last result of ``ready_without_accept``.
            pass
        elif kind == _STEP_MANY:
            data = _packed(given)
        elif kind == _PROPOSE:
            data = b"\1" + given
        elif kind == _READ_INDEX:
            data = given
        elif kind in (_PROPOSE_CONF_CHANGE, _APPLY_CONF_CHANGE):
            data = pack_change(given)
        elif kind == _REPORT_SNAPSHOT:
            data = REPORT.pack(*given)
        elif kind == _BOOTSTRAP:
            data = pack([[u64(peer.id, "id"), octets(peer.context, "context")] for peer in given])
        else:
            data = NUMBER.pack(given)
        self._kind = kind
        self._given = data
        self._tape.fresh()

    def returned(self, node: Any, result: Any) -> None:
        """Record a call that returns."""
        kind = self._kind
        outcome = NOTHING
        if kind in (_READY, _READY_WITHOUT_ACCEPT):
            outcome = ready_outcome(result)
        elif kind == _STEP_MANY:
            if len(result) > 0:
                outcome = refused_outcome(result)
        elif kind == _APPLY_CONF_CHANGE:
            outcome = members_outcome(result)
        self._record(node, kind, self._given, outcome)

    def raised(self, node: Any, error: BaseException, dead: bool) -> None:
        """Record a call that raises."""
        due = self._tape.failed(self._kind, self._given, error)
        if dead:
            self._tape.died()
        elif due:
            self._tape.checkpoint(pack(dump(node)))

    def failed(self, node: Any, error: BaseException) -> None:
        """Tell the sink that the node is dead."""
        self._tape.died()

    def _record(self, node: RawNode, kind: int, given: bytes, outcome: bytes) -> None:
        if self._tape.record(kind, given, outcome):
            self._tape.checkpoint(pack(dump(node)))


def _packed(messages: list[Message]) -> bytes:
    """Encode messages, each after its size."""
    parts: list[bytes] = []
    for m in messages:
        data = m.encode()
        parts.append(_size(len(data)))
        parts.append(data)
    return b"".join(parts)


keep_whole(Recorder)
has_one_owner(Recorder)
