"""Reports a node's steps to ``Config.trace_logger``, as etcd's TLA+ specification of raft knows them.

A trace has the events of all nodes of a group, one per line, in an order that respects cause and effect. It can be
checked against the specification (``tla/Traceetcdraft.tla`` in etcd's raft). The specification covers elections,
replication, snapshots and configuration changes. It does not cover pre-votes, quorum checks, reads, leadership
transfers and asynchronous storage writes, so turn these off, or do not use them, while tracing.

Owns the events and their JSON. Raft calls these functions only if there is a trace logger, so tracing costs nothing
when it is off. None of them changes state, waits, or reads a clock.
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

_ACTIONS: dict[int, str] = {
    ConfChangeType.ADD_NODE: "AddNewServer",
    ConfChangeType.REMOVE_NODE: "RemoveServer",
    ConfChangeType.ADD_LEARNER_NODE: "AddLearner",
}

_APPEND, _APPEND_RESPONSE = "AppendEntriesRequest", "AppendEntriesResponse"
_VOTE, _VOTE_RESPONSE = "RequestVoteRequest", "RequestVoteResponse"
# The specification treats heartbeats and snapshots as appends.
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
    """A node's hard state. ``vote`` is an id in decimal, ``"0"`` if the node has not voted."""

    term: int
    vote: str
    commit: int

    def fields(self) -> dict[str, Any]:
        """The fields under their names in JSON."""
        return {"term": self.term, "vote": self.vote, "commit": self.commit}


@dataclass(frozen=True, slots=True)
class TracingMessage:
    """A message as the specification sees it. Ids are in decimal.

    ``type`` is etcd's name of the type, and ``entries`` the number of entries. For a snapshot, ``entries`` is its
    index, and ``log_term`` and ``index`` are 0.
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

    ``name`` is the step, ``node_id`` the node's id in decimal. ``state``, ``role`` (such as ``StateLeader``),
    ``log_size`` (the last index) and ``conf`` (incoming and outgoing voters, ids in decimal) describe the node when the
    event is reported. ``message`` is the message that was sent or received, and ``properties`` has the other details of
    the step. Both may be None.
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
        """Format as etcd's JSON, on one line, without ``msg`` and ``prop`` if they are absent."""
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
    """The protocol of ``Config.trace_logger`` (etcd's ``TraceLogger``)."""

    def trace_event(self, event: TracingEvent) -> None:
        """Record an event before returning, because the events of all nodes of a group must stay in one order."""


class NdjsonTraceLogger:
    """Writes events to a text file, one line of JSON each, in the form that etcd's trace specification reads.

    ``file`` must be open for writing text; the caller flushes and closes it. Each line is one ``write``. The nodes of a
    group can share one object if they run in one thread.
    """

    __slots__ = ("_file",)

    def __init__(self, file: Any) -> None:
        self._file = file

    def trace_event(self, event: TracingEvent) -> None:
        """Write an event as one line."""
        self._file.write(f'{{"tag":"trace","event":{event.to_json()}}}\n')


# -- functions that Raft calls ---------------------------------------------------------------------------------------


def init_state(r: Any) -> None:
    """Report that the node was created. It has the storage's log, and otherwise the state of a new node."""
    _trace(r, "InitState")


def become_follower(r: Any) -> None:
    """Report that the node became a follower."""
    _trace(r, "BecomeFollower")


def become_candidate(r: Any) -> None:
    """Report that the node became a candidate."""
    _trace(r, "BecomeCandidate")


def become_leader(r: Any) -> None:
    """Report that the node became leader. It has not appended its empty entry yet."""
    _trace(r, "BecomeLeader")


def commit(r: Any) -> None:
    """Report that the leader has tried to raise its commit index, successfully or not."""
    _trace(r, "Commit")


def replicate(r: Any, entries: Iterable[Entry]) -> None:
    """Report each normal entry that the leader is about to append."""
    for e in entries:
        if e.type == k.NORMAL:
            _trace(r, "Replicate")


def ready(r: Any) -> None:
    """Report that a Ready was taken."""
    _trace(r, "Ready")


def change_conf(r: Any, cc: ConfChange | ConfChangeV2) -> None:
    """Report that the leader is about to append a configuration change, unless it adds and removes nobody."""
    steps = [(c.node_id, _ACTIONS[c.type]) for c in cc.as_v2().changes if c.type in _ACTIONS]
    if steps:
        changes = [{"nid": str(id), "action": action} for id, action in steps]
        _trace(r, "ChangeConf", properties={"cc": {"changes": changes}})


def apply_conf_change(r: Any, config: TrackerConfig) -> None:
    """Report that ``config`` is about to take effect; the event's ``conf`` is still the previous one."""
    voters = _ids(config.voters.incoming.ids())
    _trace(r, "ApplyConfChange", properties={"cc": {"newconf": voters} if voters else {}})


def send_message(r: Any, m: Message) -> None:
    """Report that a message was put into the outbox, if the specification knows its type."""
    kind = int(m.type)
    name = _MESSAGES.get(kind)
    if name is None:
        return
    properties = {}
    if kind == k.APP and (pr := r.tracker.progress.get(m.from_)) is not None:
        properties = {"match": pr.match, "next": pr.next}
    _trace(r, f"Send{name}", m, properties)


def receive_message(r: Any, m: Message) -> None:
    """Report that a message has arrived and is about to be processed, if the specification knows its type."""
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
