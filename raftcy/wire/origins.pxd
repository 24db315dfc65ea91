# The questions of origins.py inline, for compiled code; origins.py itself is not compiled.
from libc.stdint cimport int32_t, uint64_t

from . cimport consts as k
from .messages cimport Message


cdef inline bint is_local(int32_t kind) noexcept:
    return (
        kind == k.HUP
        or kind == k.BEAT
        or kind == k.UNREACHABLE
        or kind == k.SNAP_STATUS
        or kind == k.CHECK_QUORUM
        or (k.STORAGE_APPEND <= kind and kind <= k.STORAGE_APPLY_RESP)
    )

cdef inline bint is_response(int32_t kind) noexcept:
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

cdef inline bint from_storage_thread(Message m) noexcept:
    return m.from_ == k.LOCAL_APPEND_THREAD or m.from_ == k.LOCAL_APPLY_THREAD

cdef inline int32_t allowed_sender(int32_t kind, uint64_t sender) noexcept:
    if sender == k.LOCAL_APPEND_THREAD or sender == k.LOCAL_APPLY_THREAD:
        return k.ANYBODY
    if is_local(kind):
        return k.ITSELF
    return k.MEMBER if is_response(kind) else k.ANYBODY
