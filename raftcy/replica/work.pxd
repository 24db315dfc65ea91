cimport cython

from ..core.ready cimport SoftState
from ..wire.messages cimport HardState, Snapshot


@cython.final
cdef class Write:
    cdef readonly HardState hard_state
    cdef readonly list entries
    cdef readonly Snapshot snapshot
    cdef readonly bint sync
    cdef list _messages
    cdef list _responses


@cython.final
cdef class Batch:
    cdef readonly Snapshot snapshot
    cdef readonly list entries
    cdef list _responses


@cython.final
cdef class Work:
    cdef readonly Write write
    cdef readonly list messages
    cdef readonly SoftState soft_state
