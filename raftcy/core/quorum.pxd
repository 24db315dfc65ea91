cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..wire cimport consts as k
from .acks cimport Acks


@cython.final
cdef class MajorityConfig:
    cdef tuple _ids

    cpdef list ids(self)
    @cython.locals(n=Py_ssize_t, needed=Py_ssize_t, yes=Py_ssize_t, missing=Py_ssize_t)
    cpdef int32_t tally(self, dict votes) except -1


@cython.final
cdef class JointConfig:
    cdef readonly MajorityConfig incoming
    cdef readonly MajorityConfig outgoing

    cpdef list ids(self)
    @cython.locals(one=uint64_t, two=uint64_t)
    cpdef uint64_t acknowledged(self, Acks acks) except? 0
    cpdef int32_t tally(self, dict votes) except -1

cdef MajorityConfig _NOBODY

cdef MajorityConfig _as_majority(object ids)
