from libc.stdint cimport uint64_t


cdef class Carrier:
    cdef uint64_t _calls

    cdef int _carry(self, list messages) except -1
