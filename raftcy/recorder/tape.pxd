cimport cython

from .blocks cimport frame_bytes


@cython.final
cdef class Tape:
    cdef public list answers
    cdef public object snapshot
    cdef readonly object broken
    cdef object _clock
    cdef object _number
    cdef object _sink

    cpdef fresh(self)
    @cython.locals(frame=bytes)
    cpdef bint record(self, int kind, bytes given, bytes outcome) except -1
    cpdef checkpoint(self, bytes state)
    cdef _breaks(self, object error)
    cpdef bint failed(self, int kind, bytes given, object error) except -1
    cpdef died(self)
