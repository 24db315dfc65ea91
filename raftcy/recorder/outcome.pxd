cimport cython
from libc.stdint cimport uint64_t

from ..wire.messages cimport ConfState, Entry, HardState, Message
from ..core.rawnode cimport Ready

cdef object _numbers

@cython.locals(parts=list, sent=list, hard=HardState, m=Message, lead=uint64_t, term=uint64_t, vote=uint64_t)
cpdef bytes ready_outcome(Ready rd)
@cython.locals(e=Entry)
cdef tuple _add_entries(list parts, list entries)
