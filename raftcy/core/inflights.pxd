cimport cython
from libc.stdint cimport uint64_t


cdef struct Sent:
    uint64_t index
    uint64_t size_bytes


@cython.final
cdef class Inflights:
    cdef uint64_t _size
    cdef uint64_t _max_bytes
    cdef uint64_t _bytes
    cdef Py_ssize_t _start
    cdef Py_ssize_t _count
    cdef Py_ssize_t _room
    cdef Sent *_ring

    cdef _grow(self)
    cpdef add(self, uint64_t index, uint64_t size_bytes)
    cpdef free_le(self, uint64_t to)
    cpdef bint full(self) noexcept
    cpdef Py_ssize_t count(self) noexcept
    cpdef reset(self)
    cpdef Inflights clone(self)
