cimport cython
from libc.stdint cimport uint64_t


cdef class Ring:
    cdef readonly uint64_t max_bytes
    cdef object _save_to
    cdef bytes _header
    cdef object _older
    cdef list _newest
    cdef uint64_t _newest_size
    cdef uint64_t _size
    cdef uint64_t _limit

    cpdef begin(self, bytes header)
    @cython.locals(size=uint64_t)
    cpdef bint write(self, bytes frame) except -1
    cpdef checkpoint(self, bytes frame)
    cdef _drop(self)
    cpdef died(self)
