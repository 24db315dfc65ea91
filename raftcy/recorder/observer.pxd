cimport cython

from ..wire.messages cimport ConfState, Message
from ..core.rawnode cimport RawNode, Ready
from .outcome cimport ready_outcome
from .tape cimport Tape

cdef int _TICK
cdef int _PROPOSE
cdef int _STEP
cdef int _STEP_MANY
cdef int _READY
cdef int _ADVANCE
cdef object _size


cdef class RecordedNode(RawNode):
    cdef readonly Tape _tape

    cpdef tick(self)
    @cython.locals(given=bytes)
    cpdef propose(self, object data)
    @cython.locals(given=bytes)
    cpdef step(self, object m)
    @cython.locals(given=bytes, stepped=list, refused=list, good=Py_ssize_t)
    cpdef list step_many(self, list messages)
    @cython.locals(rd=Ready)
    cpdef Ready ready(self)
    cpdef advance(self, object rd=*)
    cpdef campaign(self)
    cpdef propose_conf_change(self, object change)
    cpdef read_index(self, object rctx)
    cpdef transfer_leader(self, object transferee)
    cpdef forget_leader(self)
    cpdef report_unreachable(self, object id)
    cpdef report_snapshot(self, object id, object status)
    cpdef Ready ready_without_accept(self)
    cpdef accept_ready(self, Ready rd)
    cpdef begin_empty(self)
    cdef _call(self, int kind, bytes given, object value)
    @cython.locals(rd=Ready)
    cdef tuple _act(self, int kind, object value)
    cdef _done(self, int kind, bytes given, bytes outcome)
    cdef _raised(self, int kind, bytes given, object error)
    cdef _checkpoint(self)

@cython.locals(parts=list, m=Message, data=bytes)
cdef bytes _packed(list messages)
