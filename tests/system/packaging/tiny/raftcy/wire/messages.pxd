# Fields of messages.py.
from libc.stdint cimport uint64_t

from . cimport consts as k


cdef class Message:
    cdef public uint64_t index
    cpdef bint is_append(self, int kind)
