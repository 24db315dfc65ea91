cimport cython

from . cimport sealing
from .messages cimport HardState, Snapshot, SoftState
from .values cimport flag, instance


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
