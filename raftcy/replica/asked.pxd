cimport cython
from libc.stdint cimport uint64_t

from ..core.ready cimport ReadState
from ..wire.messages cimport Entry


@cython.final
cdef class Asked:
    cdef list _reads
    cdef list _answered
    cdef dict _places
    cdef list _ended
    cdef readonly uint64_t count

    @cython.locals(state=ReadState)
    cpdef confirm(self, list states, uint64_t applied)
    @cython.locals(state=ReadState, reads=list)
    cpdef advance(self, uint64_t applied)
    cpdef list take_reads(self)
    cpdef place(self, uint64_t index, uint64_t term, object tag)
    @cython.locals(placed=list)
    cpdef settle(self, Entry entry, object answer)
    cpdef jump(self, uint64_t index)
    cpdef list take_outcomes(self)
