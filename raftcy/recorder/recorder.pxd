cimport cython

from ..core.observer cimport Observer
from ..core.rawnode cimport RawNode
from ..wire.checks cimport instance, octets, u64
from ..wire.messages cimport Message
from .outcome cimport ready_outcome
from .tape cimport Tape

cdef int _START
cdef int _PROPOSE
cdef int _PROPOSE_CONF_CHANGE
cdef int _STEP
cdef int _STEP_MANY
cdef int _READ_INDEX
cdef int _REPORT_SNAPSHOT
cdef int _READY
cdef int _READY_WITHOUT_ACCEPT
cdef int _ACCEPT_READY
cdef int _BOOTSTRAP
cdef int _APPLY_CONF_CHANGE
cdef dict _KINDS
cdef object _size


cdef class Recorder(Observer):
    cdef Tape _tape
    cdef bint _used
    cdef int _kind
    cdef bytes _given

    @cython.locals(tape=Tape, node=RawNode)
    cpdef make_raw(self, object config)
    @cython.locals(kind=int, data=bytes)
    cpdef began(self, str call, object given)
    @cython.locals(kind=int, outcome=bytes)
    cpdef returned(self, object node, object result)
    @cython.locals(due=bint)
    cpdef raised(self, object node, object error, bint dead)
    cdef int _record(self, RawNode node, int kind, bytes given, bytes outcome) except -1

@cython.locals(parts=list, m=Message, data=bytes)
cdef bytes _packed(list messages)
