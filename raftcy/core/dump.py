"""Dumps the whole state of a node as plain data, and loads it into a new node.

``dump`` returns dicts and lists of numbers, strings, bytes and None, which any format can store; wire values are in
their encoding. ``load`` puts a dump into a node that was just created from the same Config. From then on both nodes
behave alike, as long as their storages return the same answers and their random sources the same numbers. The flight
recorder relies on this to replay a recording.

A dump leaves out the options, which belong to the Config and never change; the storage, the random source and the
loggers; and fields that only duplicate others for speed. It has every other attribute, by name. A test compares the
functions below with the classes.
"""

from typing import Any

from ..errors import InvariantError
from ..wire.messages import Entry, Message, Snapshot
from .acks import Acks
from .inflights import Inflights
from .progress import Progress
from .quorum import JointConfig
from .rawnode import RawNode
from .ready import ReadState
from .tracker import TrackerConfig


def dump(node: RawNode) -> dict[str, Any]:
    """Return the state of a node. Does not change the node or read its storage. Raises Stopped if the node is dead."""
    node.check_alive()
    return {
        "node": _node(node),
        "raft": _raft(node.raft),
        "log": _log(node.raft.log),
        "tracker": _tracker(node.raft.tracker),
        "reads": _reads(node.raft.read_only),
    }


def load(node: RawNode, state: dict[str, Any]) -> None:
    """Put a state that ``dump`` returned into a new node.

    Raises InvariantError if the state belongs to a node with another id. Raises KeyError, TypeError or ValueError if it
    did not come from ``dump``; the node may then be half loaded, so discard it.
    """
    if node.raft.id != state["raft"]["id"]:
        raise InvariantError(f"the state belongs to node {state['raft']['id']:x}, not to {node.raft.id:x}")
    _load_node(node, state["node"])
    _load_raft(node.raft, state["raft"])
    _load_log(node.raft.log, state["log"])
    _load_tracker(node.raft.tracker, state["tracker"])
    _load_reads(node.raft.read_only, state["reads"])


# -- RawNode ---------------------------------------------------------------------------------------------------------


def _node(node: Any) -> dict[str, Any]:
    return {
        "prev_state": node._prev_state,
        "prev_lead": node._prev_lead,
        "prev_term": node._prev_term,
        "prev_vote": node._prev_vote,
        "prev_commit": node._prev_commit,
        "waiting": node._waiting,
        "own_messages": _encoded(node._own_messages),
        "acks": node._acks,
        "acked_term": node._acked_term,
        "acked_index": node._acked_index,
        "acked_log_term": node._acked_log_term,
        "acked_snapshot": _encoded_one(node._acked_snapshot),
        "applying": _encoded(node._applying),
        "applying_size": node._applying_size,
    }


def _load_node(node: Any, state: dict[str, Any]) -> None:
    node._prev_state = state["prev_state"]
    node._prev_lead = state["prev_lead"]
    node._prev_term = state["prev_term"]
    node._prev_vote = state["prev_vote"]
    node._prev_commit = state["prev_commit"]
    node._waiting = state["waiting"]
    node._own_messages = _messages(state["own_messages"])
    node._acks = state["acks"]
    node._acked_term = state["acked_term"]
    node._acked_index = state["acked_index"]
    node._acked_log_term = state["acked_log_term"]
    node._acked_snapshot = _snapshot(state["acked_snapshot"])
    node._applying = _entries(state["applying"])
    node._applying_size = state["applying_size"]


# -- Raft ------------------------------------------------------------------------------------------------------------


def _raft(r: Any) -> dict[str, Any]:
    return {
        "id": r.id,
        "term": r.term,
        "vote": r.vote,
        "lead": r.lead,
        "state": r.state,
        "lead_transferee": r.lead_transferee,
        "is_learner": r.is_learner,
        "uncommitted_size": r.uncommitted_size,
        "pending_conf_index": r.pending_conf_index,
        "randomized_election_timeout": r.randomized_election_timeout,
        "election_elapsed": r.election_elapsed,
        "heartbeat_elapsed": r.heartbeat_elapsed,
        "append_due": r.append_due,
        "msgs": _encoded(r.outbox.msgs),
        "msgs_after_append": _encoded(r.outbox.msgs_after_append),
        "read_states": [[s.index, s.request_ctx] for s in r.outbox.read_states],
        "pending_reads": _encoded(r.read_only.pending),
        "refused_reason": r.refused_reason,
    }


def _load_raft(r: Any, state: dict[str, Any]) -> None:
    r.term = state["term"]
    r.vote = state["vote"]
    r.lead = state["lead"]
    r.state = state["state"]
    r.lead_transferee = state["lead_transferee"]
    r.is_learner = state["is_learner"]
    r.uncommitted_size = state["uncommitted_size"]
    r.pending_conf_index = state["pending_conf_index"]
    r.randomized_election_timeout = state["randomized_election_timeout"]
    r.election_elapsed = state["election_elapsed"]
    r.heartbeat_elapsed = state["heartbeat_elapsed"]
    r.append_due = state["append_due"]
    r.outbox.msgs = _messages(state["msgs"])
    r.outbox.msgs_after_append = _messages(state["msgs_after_append"])
    r.outbox.read_states = [ReadState(index=index, request_ctx=context) for index, context in state["read_states"]]
    r.read_only.pending = _messages(state["pending_reads"])
    r.refused_reason = state["refused_reason"]


# -- the log ---------------------------------------------------------------------------------------------------------


def _log(log: Any) -> dict[str, Any]:
    u = log.unstable
    return {
        "last": log._last,
        "last_term": log._last_term,
        "committed": log.committed,
        "applying": log.applying,
        "applied": log.applied,
        "applying_size": log.applying_size,
        "applying_paused": log.applying_paused,
        "offset": u.offset,
        "offset_in_progress": u.offset_in_progress,
        "snapshot_in_progress": u.snapshot_in_progress,
        "entries": _encoded(u.entries),
        "snapshot": _encoded_one(u.snapshot),
    }


def _load_log(log: Any, state: dict[str, Any]) -> None:
    u = log.unstable
    log._last = state["last"]
    log._last_term = state["last_term"]
    log.committed = state["committed"]
    log.applying = state["applying"]
    log.applied = state["applied"]
    log.applying_size = state["applying_size"]
    log.applying_paused = state["applying_paused"]
    u.offset = state["offset"]
    u.offset_in_progress = state["offset_in_progress"]
    u.snapshot_in_progress = state["snapshot_in_progress"]
    u.entries = _entries(state["entries"])
    u.snapshot = _snapshot(state["snapshot"])


# -- members and reads -----------------------------------------------------------------------------------------------


def _tracker(tracker: Any) -> dict[str, Any]:
    config = tracker.config
    return {
        "voters": config.voters.incoming.ids(),
        "voters_outgoing": config.voters.outgoing.ids(),
        "learners": sorted(config.learners or ()),
        "learners_next": sorted(config.learners_next or ()),
        "auto_leave": config.auto_leave,
        "progress": [_progress(pr) for pr in tracker.progress.values()],
        "votes": [[id, granted] for id, granted in tracker.votes.items()],
    }


def _load_tracker(tracker: Any, state: dict[str, Any]) -> None:
    voters = JointConfig(state["voters"], state["voters_outgoing"])
    config = TrackerConfig(voters, state["auto_leave"], state["learners"], state["learners_next"])
    size, max_bytes = tracker.max_inflight, tracker.max_inflight_bytes
    tracker.switch(config, {each["id"]: _load_progress(each, size, max_bytes) for each in state["progress"]})
    tracker.votes = dict(state["votes"])


def _progress(pr: Any) -> dict[str, Any]:
    return {
        "id": pr.id,
        "match": pr.match,
        "next": pr.next,
        "sent_commit": pr.sent_commit,
        "pending_snapshot": pr.pending_snapshot,
        "state": pr._state,
        "recent_active": pr.recent_active,
        "msg_app_flow_paused": pr.msg_app_flow_paused,
        "is_learner": pr.is_learner,
        "window": [list(each) for each in pr.inflights.window()],
    }


def _load_progress(state: dict[str, Any], size: int, max_bytes: int) -> Progress:
    inflights = Inflights(size, max_bytes)
    for index, size_bytes in state["window"]:
        inflights.add(index, size_bytes)
    pr = Progress(0, 1, inflights)
    pr.id = state["id"]
    pr.match = state["match"]
    pr.next = state["next"]
    pr.sent_commit = state["sent_commit"]
    pr.pending_snapshot = state["pending_snapshot"]
    pr._state = state["state"]
    pr.recent_active = state["recent_active"]
    pr.msg_app_flow_paused = state["msg_app_flow_paused"]
    pr.is_learner = state["is_learner"]
    return pr


def _reads(reads: Any) -> dict[str, Any]:
    return {
        "acks": [[id, number] for id, number in reads.acks.items()],
        "waiting": _encoded(reads.waiting),
        "indexes": list(reads.indexes),
        "confirmed": reads.confirmed,
    }


def _load_reads(reads: Any, state: dict[str, Any]) -> None:
    reads.acks = Acks()
    for id, number in state["acks"]:
        reads.acks.raise_to(id, number)
    reads._waiting = _messages(state["waiting"])
    reads._indexes = list(state["indexes"])
    reads._head = 0
    reads.count = len(state["indexes"])
    reads.confirmed = state["confirmed"]


# -- values ----------------------------------------------------------------------------------------------------------


def _encoded(values: Any) -> list[bytes] | None:
    return None if values is None else [value.encode() for value in values]


def _encoded_one(value: Any) -> bytes | None:
    return None if value is None else value.encode()


def _messages(data: Any) -> Any:
    return None if data is None else [Message.decode(each) for each in data]


def _entries(data: Any) -> Any:
    return None if data is None else [Entry.decode(each) for each in data]


def _snapshot(data: Any) -> Any:
    return None if data is None else Snapshot.decode(data)
