cimport cython
from libc.stdint cimport int32_t

from . cimport consts as k


@cython.final
cdef class MajorityConfig:
    cdef object _set
    cdef list _ids

    cpdef int32_t tally(self, object votes) except -1


@cython.final
cdef class JointConfig:
    cdef readonly MajorityConfig incoming
    cdef readonly MajorityConfig outgoing

    cpdef int32_t tally(self, object votes) except -1

cdef MajorityConfig _as_majority(object ids)
