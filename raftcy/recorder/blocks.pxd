cimport cython
from libc.stdint cimport uint64_t

cdef object _pack_head
cdef object _pack_tail

@cython.locals(length=uint64_t, each=bytes, data=bytes)
cpdef bytes frame_bytes(object number, object time_ns, object kind, bytes given, bytes outcome, list answers)
