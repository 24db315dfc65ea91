"""A node's whole state as plain data, and a node made to stand where that was taken.

``dump`` gives numbers, texts, bytes, None, lists and dicts of them, so that it can be stored by anybody; values that
travel are in their wire encoding. ``load`` puts it into a node that was just made from the same Config. From there the
two behave alike in everything, as long as their storages give the same answers and their random sources the same
numbers: that is what a recording is replayed from.

Not part of it: the storage, the random source, the loggers, and what is kept twice for speed. Every other attribute is;
a test holds the lists below against the classes.
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
    """The state of a living node; changes nothing and asks the storage nothing."""
    node.check_alive()
    return {
        "node": _node(node),
        "raft": _raft(node.raft),
        "log": _log(node.raft.log),
        "tracker": _tracker(node.raft.tracker),
        "reads": _reads(node.raft.read_only),
    }


def load(node: RawNode, state: dict[str, Any]) -> None:
    """Make a new node one that ``dump`` was called for.

    InvariantError if the node has another id. What is not a state that ``dump`` gives is met by a KeyError, TypeError
    or ValueError half-way; such a node is of no use.
    """
    if node.raft.id != state["raft"]["id"]:
        raise InvariantError(f"the state is that of {state['raft']['id']:x}, the node is {node.raft.id:x}")
    _load_node(node, state["node"])
    _load_raft(node.raft, state["raft"])
    _load_log(node.raft.log, state["log"])
    _load_tracker(node.raft.tracker, state["tracker"])
    _load_reads(node.raft.read_only, state["reads"])


# -- RawNode ---------------------------------------------------------------------------------------------------------


def _node(node: Any) -> dict[str, Any]:
    return {
        "prev": [node._prev_state, node._prev_lead, node._prev_term, node._prev_vote, node._prev_commit],
        "waiting": node._waiting,
        "own_messages": _encoded(node._own_messages),
        "acks": [node._acks, node._acked_term, node._acked_index, node._acked_log_term],
        "acked_snapshot": _encoded_one(node._acked_snapshot),
        "applying": _encoded(node._applying),
        "applying_size": node._applying_size,
        "async": node._async,
    }


def _load_node(node: Any, state: dict[str, Any]) -> None:
    node._prev_state, node._prev_lead, node._prev_term, node._prev_vote, node._prev_commit = state["prev"]
    node._waiting = state["waiting"]
    node._own_messages = _messages(state["own_messages"])
    node._acks, node._acked_term, node._acked_index, node._acked_log_term = state["acks"]
    node._acked_snapshot = _snapshot(state["acked_snapshot"])
    node._applying = _entries(state["applying"])
    node._applying_size = state["applying_size"]
    node._async = state["async"]


# -- Raft ------------------------------------------------------------------------------------------------------------


def _raft(r: Any) -> dict[str, Any]:
    return {
        "id": r.id,
        "hard": [r.term, r.vote],
        "soft": [r.lead, r.state, r.lead_transferee, r.is_learner],
        "limits": [r.max_msg_size, r.max_uncommitted_size, r.read_only.max_pending, r.max_pending_msgs],
        "proposed": [r.uncommitted_size, r.pending_conf_index],
        "timeouts": [r.election_timeout, r.heartbeat_timeout, r.randomized_election_timeout],
        "elapsed": [r.election_elapsed, r.heartbeat_elapsed],
        "flags": [
            r.check_quorum,
            r.pre_vote,
            r.disable_proposal_forwarding,
            r.disable_conf_change_validation,
            r.step_down_on_removal,
            r.batch_append,
            r.append_due,
        ],
        "msgs": _encoded(r.outbox.msgs),
        "msgs_after_append": _encoded(r.outbox.msgs_after_append),
        "read_states": [[s.index, s.request_ctx] for s in r.outbox.read_states],
        "pending_reads": _encoded(r.read_only.pending),
        "refused_reason": r.refused_reason,
    }


def _load_raft(r: Any, state: dict[str, Any]) -> None:
    r.term, r.vote = state["hard"]
    r.lead, r.state, r.lead_transferee, r.is_learner = state["soft"]
    r.max_msg_size, r.max_uncommitted_size, r.read_only.max_pending, r.max_pending_msgs = state["limits"]
    r.uncommitted_size, r.pending_conf_index = state["proposed"]
    r.election_timeout, r.heartbeat_timeout, r.randomized_election_timeout = state["timeouts"]
    r.election_elapsed, r.heartbeat_elapsed = state["elapsed"]
    r.check_quorum, r.pre_vote, r.disable_proposal_forwarding = state["flags"][:3]
    r.disable_conf_change_validation, r.step_down_on_removal = state["flags"][3:5]
    r.batch_append, r.append_due = state["flags"][5:]
    r.outbox.msgs = _messages(state["msgs"])
    r.outbox.msgs_after_append = _messages(state["msgs_after_append"])
    r.outbox.read_states = [ReadState(index=index, request_ctx=context) for index, context in state["read_states"]]
    r.read_only.pending = _messages(state["pending_reads"])
    r.refused_reason = state["refused_reason"]


# -- the log ---------------------------------------------------------------------------------------------------------


def _log(log: Any) -> dict[str, Any]:
    u = log.unstable
    return {
        "last": [log._last, log._last_term],
        "places": [log.committed, log.applying, log.applied],
        "applying": [log.max_applying_size, log.applying_size, log.applying_paused],
        "unstable": [u.offset, u.offset_in_progress, u.snapshot_in_progress],
        "entries": _encoded(u.entries),
        "snapshot": _encoded_one(u.snapshot),
    }


def _load_log(log: Any, state: dict[str, Any]) -> None:
    u = log.unstable
    log._last, log._last_term = state["last"]
    log.committed, log.applying, log.applied = state["places"]
    log.max_applying_size, log.applying_size, log.applying_paused = state["applying"]
    u.offset, u.offset_in_progress, u.snapshot_in_progress = state["unstable"]
    u.entries = _entries(state["entries"])
    u.snapshot = _snapshot(state["snapshot"])


# -- members and reads -----------------------------------------------------------------------------------------------


def _tracker(tracker: Any) -> dict[str, Any]:
    config = tracker.config
    return {
        "voters": [config.voters.incoming.ids(), config.voters.outgoing.ids()],
        "learners": [sorted(config.learners or ()), sorted(config.learners_next or ())],
        "auto_leave": config.auto_leave,
        "progress": [_progress(pr) for pr in tracker.progress.values()],
        "votes": [[id, granted] for id, granted in tracker.votes.items()],
        "limits": [tracker.max_inflight, tracker.max_inflight_bytes],
    }


def _load_tracker(tracker: Any, state: dict[str, Any]) -> None:
    learners, learners_next = state["learners"]
    voters = JointConfig(*state["voters"])
    config = TrackerConfig(voters, state["auto_leave"], learners, learners_next)
    tracker.max_inflight, tracker.max_inflight_bytes = state["limits"]
    tracker.switch(config, {each["id"]: _load_progress(each) for each in state["progress"]})
    tracker.votes = dict(state["votes"])


def _progress(pr: Any) -> dict[str, Any]:
    window = pr.inflights
    return {
        "id": pr.id,
        "places": [pr.match, pr.next, pr.sent_commit, pr.pending_snapshot],
        "state": pr._state,
        "flags": [pr.recent_active, pr.msg_app_flow_paused, pr.is_learner],
        "window": [window.size, window.max_bytes, [list(each) for each in window.window()]],
    }


def _load_progress(state: dict[str, Any]) -> Progress:
    size, max_bytes, window = state["window"]
    inflights = Inflights(size, max_bytes)
    for index, size_bytes in window:
        inflights.add(index, size_bytes)
    pr = Progress(0, 1, inflights)
    pr.id = state["id"]
    pr.match, pr.next, pr.sent_commit, pr.pending_snapshot = state["places"]
    pr._state = state["state"]
    pr.recent_active, pr.msg_app_flow_paused, pr.is_learner = state["flags"]
    return pr


def _reads(reads: Any) -> dict[str, Any]:
    return {
        "option": reads.option,
        "acks": [[id, number] for id, number in reads.acks.items()],
        "waiting": _encoded(reads.waiting),
        "indexes": list(reads.indexes),
        "confirmed": reads.confirmed,
    }


def _load_reads(reads: Any, state: dict[str, Any]) -> None:
    reads.option = state["option"]
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
