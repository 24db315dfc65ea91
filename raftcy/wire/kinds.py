"""Where a message may come from, judged by its type and its sender: every such question is asked here.

``refuse_from_network`` is the gate at the edge: a transport asks it before a message reaches a node. Inside, RawNode
refuses local messages and answers from strangers as etcd's does, and ``vet`` judges the rest by the node's state.

``is_local_msg``, ``is_response_msg`` and ``is_local_msg_target`` are etcd's ``IsLocalMsg``, ``IsResponseMsg`` and
``IsLocalMsgTarget``, and answer False for numbers that no message can carry. The core asks the other functions, whose
arguments are C numbers in the compiled build.
"""

from . import consts as k
from .checks import instance
from .enums import MessageType
from .messages import Message

__all__ = [
    "allowed_sender",
    "from_storage_thread",
    "is_local",
    "is_local_msg",
    "is_local_msg_target",
    "is_response",
    "is_response_msg",
    "needs_no_gate",
    "refuse_from_network",
]


def is_local(kind: int) -> bool:
    """Whether a message of type ``kind`` passes only between a node and its own storage threads."""
    return (
        kind == k.HUP
        or kind == k.BEAT
        or kind == k.UNREACHABLE
        or kind == k.SNAP_STATUS
        or kind == k.CHECK_QUORUM
        or (k.STORAGE_APPEND <= kind and kind <= k.STORAGE_APPLY_RESP)
    )


def is_response(kind: int) -> bool:
    """Whether a message of type ``kind`` answers another one."""
    return (
        kind == k.APP_RESP
        or kind == k.VOTE_RESP
        or kind == k.HEARTBEAT_RESP
        or kind == k.UNREACHABLE
        or kind == k.READ_INDEX_RESP
        or kind == k.PRE_VOTE_RESP
        or kind == k.STORAGE_APPEND_RESP
        or kind == k.STORAGE_APPLY_RESP
    )


def from_storage_thread(m: Message) -> bool:
    """Whether a message says that a storage thread sent it."""
    return m.from_ == k.LOCAL_APPEND_THREAD or m.from_ == k.LOCAL_APPLY_THREAD


def allowed_sender(m: Message) -> int:
    """Who may have sent a message like this one: ANYBODY, a MEMBER of the configuration, or only the node ITSELF.

    A storage thread may answer whatever the configuration is, so what it sent is ANYBODY's.
    """
    local = is_local(m._type)
    if not (local or is_response(m._type)) or from_storage_thread(m):
        return k.ANYBODY
    return k.ITSELF if local else k.MEMBER


_LOCAL = frozenset(int(kind) for kind in MessageType if is_local(kind))
_RESPONSES = frozenset(int(kind) for kind in MessageType if is_response(kind))


def is_local_msg(type: int) -> bool:
    """Whether a message of this type passes only between a node and its own storage threads, never the network."""
    return type in _LOCAL


def is_response_msg(type: int) -> bool:
    """Whether a message of this type answers another one; from a node outside the configuration it is refused."""
    return type in _RESPONSES


def is_local_msg_target(id: int) -> bool:
    """Whether an id is that of a storage thread: 2**64-1 for appending, 2**64-2 for applying."""
    return id in (k.LOCAL_APPEND_THREAD, k.LOCAL_APPLY_THREAD)


def refuse_from_network(m: Message) -> str | None:
    """Why a message must not be taken from the network; None if it may be stepped. TypeError for no Message.

    A storage thread's answers and MsgForgetLeader are for the node itself; etcd's raft takes them from anywhere.
    """
    return _refuse(instance(m, Message, "m"))


def _refuse(m: Message) -> str | None:
    if from_storage_thread(m):
        return "a storage thread is never a peer"
    if m._type == k.FORGET_LEADER:
        return "MsgForgetLeader is only for the node itself"
    if is_local(m._type):
        return "a local message"
    return None


def needs_no_gate(m: Message) -> bool:
    """Whether a message may be stepped as it came, at any time, as far as ``refuse_from_network`` goes.

    A proposal may have to wait for a leader, and a snapshot for what is being applied. A local message passes here:
    stepping it raises StepLocalMessage.
    """
    kind = m._type
    return kind != k.PROP and kind != k.SNAP and kind != k.FORGET_LEADER and not from_storage_thread(m)
