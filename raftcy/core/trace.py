"""What a node tells a ``Config.trace_logger``: the steps that etcd's TLA+ specification of raft knows.

A trace of all nodes of a group, one event a line in the order of cause and effect, can be checked against that
specification (``tla/Traceetcdraft.tla`` in etcd's raft). It knows elections, replication, snapshots and configuration
changes; not pre-votes, quorum checks, reads, leadership transfers and asynchronous storage writes, which should be off.

Owns the events and their JSON. Raft calls the functions only while there is a trace logger, so tracing costs nothing
when it is off; none of them changes anything, waits, or reads a clock.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..wire import consts as k
from ..wire.changes import ConfChange, ConfChangeV2
from ..wire.enums import ConfChangeType, StateType
from ..wire.messages import Entry, Message
from .tracker import TrackerConfig

__all__ = [
    "NdjsonTraceLogger",
    "TraceLogger",
    "TracingEvent",
    "TracingMessage",
    "TracingState",
]

_ACTIONS = {
    ConfChangeType.ADD_NODE: "AddNewServer",
    ConfChangeType.REMOVE_NODE: "RemoveServer",
    ConfChangeType.ADD_LEARNER_NODE: "AddLearner",
}

_APPEND, _APPEND_RESPONSE = "AppendEntriesRequest", "AppendEntriesResponse"
_VOTE, _VOTE_RESPONSE = "RequestVoteRequest", "RequestVoteResponse"
# The specification takes heartbeats and snapshots for appends.
_MESSAGES = {
    k.APP: _APPEND,
    k.HEARTBEAT: _APPEND,
    k.SNAP: _APPEND,
    k.APP_RESP: _APPEND_RESPONSE,
    k.HEARTBEAT_RESP: _APPEND_RESPONSE,
    k.VOTE: _VOTE,
    k.VOTE_RESP: _VOTE_RESPONSE,
}


@dataclass(frozen=True, slots=True)
class TracingState:
    """A node's hard state: ``term``, ``vote`` an id in decimal (``"0"``: nobody), ``commit``."""

    term: int
    vote: str
    commit: int

    def fields(self) -> dict[str, Any]:
        """The fields under their names in JSON."""
        return {"term": self.term, "vote": self.vote, "commit": self.commit}


@dataclass(frozen=True, slots=True)
class TracingMessage:
    """A message as the specification sees it. Ids are in decimal.

    ``type`` is etcd's name; ``entries`` the number of entries, for a snapshot its index, when ``log_term`` and
    ``index`` are 0.
    """

    type: str
    term: int
    from_: str
    to: str
    entries: int
    log_term: int
    index: int
    commit: int
    vote: str
    reject: bool
    reject_hint: int

    def fields(self) -> dict[str, Any]:
        """The fields under their names in JSON."""
        return {
            "type": self.type,
            "term": self.term,
            "from": self.from_,
            "to": self.to,
            "entries": self.entries,
            "logTerm": self.log_term,
            "index": self.index,
            "commit": self.commit,
            "vote": self.vote,
            "reject": self.reject,
            "rejectHint": self.reject_hint,
        }


@dataclass(frozen=True, slots=True)
class TracingEvent:
    """One step of one node (etcd's ``TracingEvent``).

    ``name`` says which; ``node_id`` the node, in decimal; ``state``, ``role`` (such as ``StateLeader``), ``log_size``
    (its last index) and ``conf`` (incoming and outgoing voters, in decimal) the node after the step, where ``conf`` of
    an ApplyConfChange is still the one before. ``message`` is what was sent or received, ``properties`` what else
    belongs to the step.
    """

    name: str
    node_id: str
    state: TracingState
    role: str
    log_size: int
    conf: tuple[tuple[str, ...], tuple[str, ...]]
    message: TracingMessage | None = None
    properties: Mapping[str, Any] | None = None

    def to_json(self) -> str:
        """etcd's JSON text, on one line; ``msg`` and ``prop`` are left out where there are none."""
        return _json(self._fields())

    def _fields(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "nid": self.node_id,
            "state": self.state.fields(),
            "role": self.role,
            "log": self.log_size,
            "conf": self.conf,
        }
        if self.message is not None:
            found["msg"] = self.message.fields()
        if self.properties:
            found["prop"] = {name: self.properties[name] for name in sorted(self.properties)}
        return found


class TraceLogger(Protocol):
    """What a ``Config.trace_logger`` must be (etcd's ``TraceLogger``)."""

    def trace_event(self, event: TracingEvent) -> None:
        """Take note of an event, at once: the events of all nodes of a group belong into one order."""


class NdjsonTraceLogger:
    """Writes events to a text file, one line of JSON each, in the form that etcd's trace specification reads.

    ``file`` is open for writing text, and stays the caller's to flush and close. Each line is one ``write``. One object
    serves all nodes of a group that run in one thread.
    """

    __slots__ = ("_file",)

    def __init__(self, file: Any) -> None:
        self._file = file

    def trace_event(self, event: TracingEvent) -> None:
        """Write the event as a line."""
        self._file.write(f'{{"tag":"trace","event":{event.to_json()}}}\n')


# -- what Raft calls -------------------------------------------------------------------------------------------------


def init_state(r: Any) -> None:
    """The node was made; its log is that of the storage, everything else as if it were new."""
    _trace(r, "InitState")


def become_follower(r: Any) -> None:
    """The node has become follower."""
    _trace(r, "BecomeFollower")


def become_candidate(r: Any) -> None:
    """The node has become candidate."""
    _trace(r, "BecomeCandidate")


def become_leader(r: Any) -> None:
    """The node has become leader, and is about to append its empty entry."""
    _trace(r, "BecomeLeader")


def commit(r: Any) -> None:
    """The leader has looked whether it can commit more, with or without success."""
    _trace(r, "Commit")


def replicate(r: Any, entries: Iterable[Entry]) -> None:
    """The leader has appended entries of its own; an event for each normal one."""
    for e in entries:
        if e.type == k.NORMAL:
            _trace(r, "Replicate")


def ready(r: Any) -> None:
    """A Ready was handed out."""
    _trace(r, "Ready")


def change_conf(r: Any, cc: ConfChange | ConfChangeV2) -> None:
    """The leader is about to append a configuration change; no event if it adds and removes nobody."""
    steps = [(c.node_id, _ACTIONS[c.type]) for c in cc.as_v2().changes if c.type in _ACTIONS]
    if steps:
        changes = [{"nid": str(id), "action": action} for id, action in steps]
        _trace(r, "ChangeConf", properties={"cc": {"changes": changes}})


def apply_conf_change(r: Any, config: TrackerConfig) -> None:
    """``config`` is about to take effect."""
    voters = _ids(config.voters.incoming.ids())
    _trace(r, "ApplyConfChange", properties={"cc": {"newconf": voters} if voters else {}})


def send_message(r: Any, m: Message) -> None:
    """A message waits to be sent."""
    kind = int(m.type)
    name = _MESSAGES.get(kind)
    if name is None:
        return
    properties = {}
    if kind == k.APP and (pr := r.tracker.progress.get(m.from_)) is not None:
        properties = {"match": pr.match, "next": pr.next}
    _trace(r, f"Send{name}", m, properties)


def receive_message(r: Any, m: Message) -> None:
    """A message has come and is about to be looked at."""
    name = _MESSAGES.get(int(m.type))
    if name is not None:
        _trace(r, f"Receive{name}", m)


def _trace(r: Any, name: str, m: Message | None = None, properties: Mapping[str, Any] | None = None) -> None:
    voters = r.tracker.config.voters
    r.trace_logger.trace_event(
        TracingEvent(
            name=name,
            node_id=str(r.id),
            state=TracingState(r.term, str(r.vote), r.log.committed),
            role=str(StateType(r.state)),
            log_size=r.log.last_index(),
            conf=(_ids(voters.incoming.ids()), _ids(voters.outgoing.ids())),
            message=None if m is None else _message(m),
            properties=properties,
        )
    )


def _message(m: Message) -> TracingMessage:
    entries, log_term, index = len(m.entries), m.log_term, m.index
    if m.type == k.SNAP:
        entries, log_term, index = 0 if m.snapshot is None else m.snapshot.metadata.index, 0, 0
    return TracingMessage(
        type=str(m.type),
        term=m.term,
        from_=str(m.from_),
        to=str(m.to),
        entries=entries,
        log_term=log_term,
        index=index,
        commit=m.commit,
        vote=str(m.vote),
        reject=m.reject,
        reject_hint=m.reject_hint,
    )


def _ids(ids: Iterable[int]) -> tuple[str, ...]:
    return tuple(map(str, ids))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
