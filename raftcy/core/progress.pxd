cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..wire cimport consts as k
from ..wire.checks cimport flag, instance, u64
from .inflights cimport Inflights


@cython.final
cdef class Progress:
    cdef int32_t _state
    cdef public bint _window_is_shared
    cdef public uint64_t id
    cdef public uint64_t match
    cdef public uint64_t next
    cdef public uint64_t sent_commit
    cdef public uint64_t pending_snapshot
    cdef public bint recent_active
    cdef public bint msg_app_flow_paused
    cdef public bint is_learner
    cdef public Inflights inflights

    cpdef restart(self, uint64_t match, uint64_t next)
    cpdef reset_state(self, int32_t state)
    cpdef become_probe(self)
    cpdef become_replicate(self)
    cpdef become_snapshot(self, uint64_t index)
    cpdef sent_entries(self, uint64_t entries, uint64_t size_bytes)
    cpdef bint can_bump_commit(self, uint64_t index) except -1
    cpdef bint maybe_update(self, uint64_t n) except -1
    cpdef bint maybe_decr_to(self, uint64_t rejected, uint64_t match_hint) except -1
    cpdef bint is_paused(self) except -1
    cdef int _lower_sent_commit(self) except -1
    cpdef Progress copy(self, object inflights)

cpdef Progress _rebuilt(tuple fields, object window)
