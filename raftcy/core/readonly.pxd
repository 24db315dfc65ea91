cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..wire cimport consts as k
from .acks cimport Acks, pack_number
from .droplist cimport drop_oldest
from ..wire.messages cimport Message
from .quorum cimport JointConfig


@cython.final
cdef class ReadOnly:
    cdef readonly int32_t option
    cdef readonly Acks acks
    cdef list _waiting
    cdef list _indexes
    cdef list _pending
    cdef readonly uint64_t max_pending
    cdef Py_ssize_t _head
    cdef readonly uint64_t confirmed
    cdef readonly uint64_t count

    cpdef reset(self)
    cdef int _forget(self) except -1
    @cython.locals(waiting=uint64_t)
    cpdef check_room(self)
    cpdef put_off(self, Message request)
    @cython.locals(requests=list)
    cpdef list take_pending(self)
    cpdef add_request(self, uint64_t index, Message request)
    cpdef uint64_t last_number(self) except? 0
    cpdef recv_ack(self, uint64_t from_, uint64_t number)
    @cython.locals(number=uint64_t)
    cpdef uint64_t maybe_advance(self, JointConfig voters) except? 0
    cpdef drop(self, uint64_t count)
    cpdef bytes heartbeat_ctx(self)
    cpdef bint safe(self) except -1

cdef list _NO_REQUESTS
cdef list _NO_INDEXES
cdef Acks _NO_ACKS
