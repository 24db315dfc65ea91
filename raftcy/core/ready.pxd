cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..wire cimport immutable
from ..wire.messages cimport HardState, Snapshot
from ..wire.checks cimport flag, i32, instance, member, octets, u64


@cython.final
cdef class SoftState:
    cdef int32_t _raft_state
    cdef readonly uint64_t lead


@cython.final
cdef class ReadState:
    cdef readonly uint64_t index
    cdef readonly bytes request_ctx


@cython.final
cdef class Ready:
    cdef readonly SoftState soft_state
    cdef readonly HardState hard_state
    cdef readonly Snapshot snapshot
    cdef readonly bint must_sync
    cdef list _read_states
    cdef list _entries
    cdef list _committed_entries
    cdef list _messages

cdef Ready _new_ready()
