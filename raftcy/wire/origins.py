"""Where a message may come from, by its type and sender: the questions that the core asks at every message.

Written twice: the compiled build has them inline (``origins.pxd``), and this module is not compiled.
``tests/random/property/test_twins.py`` holds the two against each other.
"""

from . import consts as k
from .messages import Message


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


def allowed_sender(kind: int, sender: int) -> int:
    """Who may have sent a message of type ``kind``: ANYBODY, a MEMBER of the configuration, or only the node ITSELF.

    A storage thread may answer whatever the configuration is, so ANYBODY is the answer if it is the ``sender``.
    """
    if sender == k.LOCAL_APPEND_THREAD or sender == k.LOCAL_APPLY_THREAD:
        return k.ANYBODY
    if is_local(kind):
        return k.ITSELF
    return k.MEMBER if is_response(kind) else k.ANYBODY
