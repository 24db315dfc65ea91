cimport cython
from libc.stdint cimport uint64_t


cdef struct Ack:
    uint64_t id
    uint64_t number


@cython.final
cdef class Acks:
    cdef Py_ssize_t _count
    cdef Py_ssize_t _room
    cdef Ack *_table

    cdef Py_ssize_t _place(self, uint64_t id) noexcept
    cdef _insert(self, Py_ssize_t place, uint64_t id)
    cpdef uint64_t get(self, uint64_t id) noexcept
    cpdef raise_to(self, uint64_t id, uint64_t number)
    cpdef uint64_t majority(self, tuple ids) except? 0

cpdef uint64_t majority_match(tuple peers) except? 0
cpdef bytes pack_number(uint64_t number)
cpdef uint64_t read_number(bytes context) except? 0
