cimport cython
from libc.stdint cimport uint64_t

from . cimport fresh
from ..wire.messages cimport Message
from .ready cimport ReadState


@cython.final
cdef class Outbox:
    cdef list _msgs
    cdef list _msgs_after_append
    cdef list _read_states
    cdef readonly bint has_own

    @cython.locals(count=uint64_t)
    cpdef uint64_t count(self) except? 0
    cdef int _send(self, Message m) except -1
    cdef int _send_after_append(self, Message m) except -1
    cpdef add_read_state(self, uint64_t index, bytes request_ctx)
    @cython.locals(messages=list, m=Message)
    cpdef list messages(self, bint keep, bint both)
    cpdef taken(self)
    @cython.locals(messages=list, answers=list)
    cpdef list take_messages(self)
