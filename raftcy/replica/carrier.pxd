from libc.stdint cimport uint64_t

from ..wire.messages cimport Message


cdef class Carrier:
    cdef uint64_t _calls

    cdef int _carry(self, list messages) except -1
    cdef _ended(self, Message m, bint taken)
