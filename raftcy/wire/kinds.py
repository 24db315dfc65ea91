"""Classifies messages by type and sender: which may come from the network, which are local, which are responses.

``refuse_from_network`` is the gate at the edge: a transport calls it before it passes a message to a node. Behind it,
RawNode refuses local messages and responses from unknown peers as etcd's does, and ``core.vet`` judges the rest against
the node's state.

``is_local_msg``, ``is_response_msg`` and ``is_local_msg_target`` are etcd's ``IsLocalMsg``, ``IsResponseMsg`` and
``IsLocalMsgTarget``, and answer False for numbers that no message can carry. The core asks ``origins``
itself.
"""

from . import consts as k
from . import origins
from .checks import instance
from .enums import MessageType
from .messages import Message

__all__ = [
    "is_local_msg",
    "is_local_msg_target",
    "is_response_msg",
    "needs_no_gate",
    "refuse_from_network",
]


_LOCAL = frozenset(int(kind) for kind in MessageType if origins.is_local(kind))
_RESPONSES = frozenset(int(kind) for kind in MessageType if origins.is_response(kind))


def is_local_msg(type: int) -> bool:
    """Whether a message of this type stays within a node and its storage threads and never crosses the network."""
    return type in _LOCAL


def is_response_msg(type: int) -> bool:
    """Whether a message of this type responds to another; RawNode refuses one from outside the configuration."""
    return type in _RESPONSES


def is_local_msg_target(id: int) -> bool:
    """Whether ``id`` denotes a storage thread: 2**64-1 appends, 2**64-2 applies."""
    return id in (k.LOCAL_APPEND_THREAD, k.LOCAL_APPLY_THREAD)


def refuse_from_network(m: Message) -> str | None:
    """Return why a message must not be accepted from the network, or None if it may be stepped.

    Storage threads' responses and MsgForgetLeader must come from the node itself. etcd's raft accepts them from anyone,
    so a peer could acknowledge entries on behalf of a node that has not stored them.

    Raises TypeError if ``m`` is not a Message.
    """
    return _refuse(instance(m, Message, "m"))


def _refuse(m: Message) -> str | None:
    if origins.from_storage_thread(m):
        return "a storage thread is never a peer"
    if m._type == k.FORGET_LEADER:
        return "MsgForgetLeader is only for the node itself"
    if origins.is_local(m._type):
        return "a local message"
    return None


def needs_no_gate(m: Message) -> bool:
    """Whether a message may be stepped at once, without ``refuse_from_network``: the fast path for most messages.

    Not for a proposal, which may have to wait for a leader, nor for a snapshot, which may have to wait until committed
    entries are applied. A local message passes, because stepping it raises StepLocalMessage.
    """
    kind = m._type
    return kind != k.PROP and kind != k.SNAP and kind != k.FORGET_LEADER and not origins.from_storage_thread(m)
