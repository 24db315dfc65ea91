"""Refuses messages that no correct peer sends, before the state machine sees them.

etcd's raft panics on these messages, at once or later. Here each raises MalformedMessage before any state changes, with
etcd's text if it has one, and the node keeps running. The one exception is a heartbeat that commits beyond this node's
log: it proves that the node has lost entries that it acknowledged, and raises LogLost.

Whether a message is harmful can depend on the node's state. A harmless one passes, as in etcd's raft. The functions
here only read.
"""

from typing import Any

from ..errors import ConfChangeError, DecodeError, LogLost, MalformedMessage, Overloaded
from ..wire import consts as k
from ..wire import origins
from ..wire.changes import decode_change
from ..wire.enums import ConfChangeTransition, ConfChangeType
from ..wire.kinds import is_local_msg_target
from ..wire.messages import Entry, Message
from .acks import read_number
from .confchange import restore
from .entries import contiguous
from .hints import LOG_LOST
from .raft import Raft, type_name

MAX_MEMBERS = 1000
"""The most members that a message may name, in a snapshot or a change. The cost grows with their square."""


def vet(r: Raft, m: Message) -> None:
    """Raise MalformedMessage, Overloaded or LogLost if ``m`` must not be stepped in the current state."""
    kind = m._type
    if r.max_pending_msgs != k.NO_LIMIT:
        _vet_backlog(r, m)
    if kind < 0:
        raise MalformedMessage(f"message type {kind} is negative")
    if m.term == k.NO_LIMIT:
        raise MalformedMessage(f"{type_name(kind)} of term {m.term}: no term can follow")
    if kind == k.APP:
        _vet_append(r, m)
    elif kind == k.APP_RESP:
        _vet_append_answer(r, m)
    elif kind == k.HEARTBEAT:
        _vet_heartbeat(r, m)
    elif kind == k.HEARTBEAT_RESP:
        _vet_heartbeat_answer(r, m)
    elif kind == k.PROP:
        _vet_proposal(r, m)
    elif kind == k.VOTE or kind == k.PRE_VOTE:
        _vet_vote(r, m)
    elif kind == k.SNAP:
        _vet_snapshot(r, m)
    elif kind == k.READ_INDEX:
        _vet_read(r, m)
    elif kind == k.TRANSFER_LEADER:
        _vet_forwarding(r, m)
    elif kind == k.STORAGE_APPEND_RESP:
        if m.snapshot is not None and m.snapshot.metadata.index > r.log.committed:
            raise MalformedMessage(_applied_text(r, m.snapshot.metadata.index))
    elif kind == k.STORAGE_APPLY_RESP:
        if m._entries is not None and m._entries[-1].index > r.log.committed:
            raise MalformedMessage(_applied_text(r, m._entries[-1].index))


def vet_change(change: Any) -> str | None:
    """Return why a configuration change is refused, or None: it is too large, or has an unknown type or transition."""
    v2 = change.as_v2()
    if len(v2.changes) > MAX_MEMBERS:
        return f"{len(v2.changes)} changes at once, more than {MAX_MEMBERS}"
    if not isinstance(v2.transition, ConfChangeTransition):
        return f"unknown transition: {v2.transition}"
    for single in v2.changes:
        if not isinstance(single.type, ConfChangeType):
            return f"unexpected conf type {single.type}"
        if is_local_msg_target(single.node_id) and single.type != ConfChangeType.REMOVE_NODE:
            return f"{single.node_id} cannot be a member: messages to it are for a storage thread"
    return None


def _vet_backlog(r: Raft, m: Message) -> None:
    """Refuse a peer's message while too many messages wait for a Ready, or its entries while too many are unstored.

    A refused message is like a lost one: the leader sends it again, and meanwhile the storage catches up. A response of
    this node's storage is never refused, because nobody would send it again.
    """
    if m.from_ != r.id and not origins.from_storage_thread(m):
        waiting = r.outbox.count()
        if waiting >= r.max_pending_msgs:
            raise Overloaded(f"{waiting} messages wait for a Ready")
        if m._type == k.APP and m._entries is not None:
            waiting = r.log.unstable.count
            if waiting >= r.max_pending_msgs:
                raise Overloaded(f"{waiting} entries wait for the storage")


def _handled_as_follower(r: Raft, m: Message) -> bool:
    """Whether the node will process a leader's message: its term is not old, and the node does not lead that term."""
    if m.term == 0 or m.term == r.term:
        return r.state != k.LEADER
    return m.term > r.term


def _handled_as_leader(r: Raft, m: Message) -> bool:
    """Whether the node will process a message as the leader of its term."""
    return r.state == k.LEADER and (m.term == 0 or m.term == r.term)


def _term_of(r: Raft, m: Message) -> int:
    """Return the term in which a message is processed. A leader's log has no entry of a later one."""
    return r.term if m.term == 0 else m.term


def _not_from_self(r: Raft, m: Message, sending: int) -> None:
    """Refuse a message from the node itself if the answer, of type ``sending``, would be addressed to it as well."""
    if m.from_ == r.id:
        raise MalformedMessage(f"message should not be self-addressed when sending {type_name(sending)}")


def _not_without_term(r: Raft, m: Message) -> None:
    """Refuse a leader's message without a term on a candidate, which would adopt it and let its term fall to 0."""
    if m.term == 0 and r.term != 0 and (r.state == k.CANDIDATE or r.state == k.PRE_CANDIDATE):
        raise MalformedMessage(f"{type_name(m._type)} without a term")


def _vet_append(r: Raft, m: Message) -> None:
    _not_from_self(r, m, k.APP)
    _not_without_term(r, m)
    if not m._entries:
        return
    if not contiguous(m._entries, m.index, m.log_term):
        raise MalformedMessage(
            f"entries of MsgApp must follow ({m.log_term},{m.index}) without gaps and with non-decreasing terms"
        )
    last = m._entries[-1]
    if last.index >= k.NO_LIMIT - 1:
        raise MalformedMessage(f"MsgApp up to index {last.index}: no index can follow")
    if last.term > _term_of(r, m) and _handled_as_follower(r, m):
        raise MalformedMessage(f"MsgApp of term {_term_of(r, m)} with an entry of term {last.term}")


def _vet_append_answer(r: Raft, m: Message) -> None:
    if _handled_as_leader(r, m):
        if m.reject:
            # The leader acknowledges its own entries by a MsgAppResp to itself, but it never rejects them.
            _not_from_self(r, m, k.APP)
        last = r.log.last_index()
        if m.index > last or m.reject_hint > last:
            index = m.index if m.index > last else m.reject_hint
            raise MalformedMessage(f"MsgAppResp from {m.from_:x} for index {index} beyond the last index {last}")


def _vet_heartbeat(r: Raft, m: Message) -> None:
    _not_from_self(r, m, k.HEARTBEAT_RESP)
    _not_without_term(r, m)
    if _handled_as_follower(r, m):
        last = r.log.last_index()
        if m.commit > last:
            if m.term == 0:
                # No leader sends a heartbeat without a term, so this one proves nothing about the log.
                raise MalformedMessage(f"{type_name(m._type)} without a term")
            raise LogLost(
                f"tocommit({m.commit}) is out of range [lastIndex({last})]. "
                "Was the raft log corrupted, truncated, or lost?"
            ).hinted(LOG_LOST)


def _vet_heartbeat_answer(r: Raft, m: Message) -> None:
    if not _handled_as_leader(r, m):
        return
    _not_from_self(r, m, k.APP)
    size = len(m.context)
    if size == 0 or not r.read_only.safe():
        return
    if size < 8:
        raise MalformedMessage(f"MsgHeartbeatResp with a context of {size} bytes instead of 8")
    number = read_number(m.context)
    if number > r.read_only.last_number():
        raise MalformedMessage(f"MsgHeartbeatResp acknowledges read {number} of {r.read_only.last_number()}")


def _vet_proposal(r: Raft, m: Message) -> None:
    if m._entries is None:
        raise MalformedMessage(f"{r.id:x} stepped empty MsgProp")
    for e in m._entries:
        _vet_proposed(e)
    if not r.disable_proposal_forwarding:
        _vet_forwarding(r, m)


def _vet_proposed(e: Entry) -> None:
    if e._type != k.CONF_CHANGE and e._type != k.CONF_CHANGE_V2:
        return
    try:
        change = decode_change(e)
    except DecodeError as error:
        raise MalformedMessage(f"undecodable configuration change in MsgProp: {error}") from error
    reason = vet_change(change)
    if reason is not None:
        raise MalformedMessage(reason)


def _vet_forwarding(r: Raft, m: Message) -> None:
    """Refuse a request with a term that a follower would forward: a forwarded request must not have a term.

    With a newer term the request passes, because the follower then knows no leader to forward it to.
    """
    if m.term != 0 and m.term == r.term and r.state == k.FOLLOWER and r.lead != 0:
        raise MalformedMessage(f"term should not be set when sending {type_name(m._type)} (was {m.term})")


def _vet_vote(r: Raft, m: Message) -> None:
    """Refuse a vote request whose answer would have no term.

    An answer that grants a vote has the term of the request, and one that rejects it the node's. Either may be 0.
    """
    if m.term == 0:
        granting = r.can_vote(m) and r.log.is_up_to_date(m.index, m.log_term)
        unanswerable = granting or r.term == 0
    else:
        unanswerable = (
            m._type == k.PRE_VOTE
            and r.term == 0
            and not r.ignores_within_lease(m)
            and not r.log.is_up_to_date(m.index, m.log_term)
        )
    if unanswerable:
        answer = k.VOTE_RESP if m._type == k.VOTE else k.PRE_VOTE_RESP
        raise MalformedMessage(f"term should be set when sending {type_name(answer)}")


def _vet_snapshot(r: Raft, m: Message) -> None:
    _not_from_self(r, m, k.SNAP)
    _not_without_term(r, m)
    if m.snapshot is None:
        return
    metadata = m.snapshot.metadata
    if metadata.index >= k.NO_LIMIT - 1:
        raise MalformedMessage(f"MsgSnap at index {metadata.index}: no index can follow")
    if not _handled_as_follower(r, m) or metadata.index <= r.log.committed:
        return
    members = metadata.conf_state
    if r.id not in members.voters + members.learners + members.voters_outgoing:
        return
    if r.log.match_term(metadata.index, metadata.term):
        return
    if metadata.term > _term_of(r, m):
        raise MalformedMessage(f"MsgSnap of term {_term_of(r, m)} with a snapshot of term {metadata.term}")
    least = r.log.term_or_zero(r.log.committed)
    if metadata.term < least or metadata.term == 0:
        # Terms never fall along a log, and every entry has one.
        raise MalformedMessage(
            f"MsgSnap at index {metadata.index} with a snapshot of term {metadata.term}, after committed entries of "
            f"term {least}"
        )
    size = len(members.voters) + len(members.learners) + len(members.voters_outgoing) + len(members.learners_next)
    if size > MAX_MEMBERS:
        raise MalformedMessage(f"MsgSnap with {size} members, more than {MAX_MEMBERS}")
    try:
        possible = members.equivalent(restore(r.tracker, metadata.index, members).conf_state())
    except ConfChangeError as error:
        raise MalformedMessage(f"unable to restore config {members}: {error}") from error
    if not possible:
        raise MalformedMessage(f"MsgSnap with an impossible {members}")


def _vet_read(r: Raft, m: Message) -> None:
    _vet_forwarding(r, m)
    if m._entries is None and (m.from_ == 0 or m.from_ == r.id) and _handled_as_leader(r, m):
        raise MalformedMessage("MsgReadIndex without an entry")


def _applied_text(r: Raft, index: int) -> str:
    return f"applied({index}) is out of range [prevApplied({r.log.applied}), committed({r.log.committed})]"
