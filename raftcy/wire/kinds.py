"""Kinds of message types and targets (etcd's ``IsLocalMsg``, ``IsResponseMsg``, ``IsLocalMsgTarget``).

For transports and storage threads; the core has the same tables in its switches.
"""

from . import consts as k

__all__ = ["is_local_msg", "is_local_msg_target", "is_response_msg"]

_LOCAL = frozenset(
    (
        k.HUP,
        k.BEAT,
        k.UNREACHABLE,
        k.SNAP_STATUS,
        k.CHECK_QUORUM,
        k.STORAGE_APPEND,
        k.STORAGE_APPEND_RESP,
        k.STORAGE_APPLY,
        k.STORAGE_APPLY_RESP,
    )
)
_RESPONSES = frozenset(
    (
        k.APP_RESP,
        k.VOTE_RESP,
        k.HEARTBEAT_RESP,
        k.UNREACHABLE,
        k.READ_INDEX_RESP,
        k.PRE_VOTE_RESP,
        k.STORAGE_APPEND_RESP,
        k.STORAGE_APPLY_RESP,
    )
)


def is_local_msg(type: int) -> bool:
    """Whether a message of this type passes only between a node and its own storage threads, never the network."""
    return type in _LOCAL


def is_response_msg(type: int) -> bool:
    """Whether a message of this type answers another one; from a node outside the configuration it is refused."""
    return type in _RESPONSES


def is_local_msg_target(id: int) -> bool:
    """Whether an id is that of a storage thread: 2**64-1 for appending, 2**64-2 for applying."""
    return id in (k.LOCAL_APPEND_THREAD, k.LOCAL_APPLY_THREAD)
