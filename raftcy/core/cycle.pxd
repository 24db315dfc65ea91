cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..wire cimport consts as k
from ..wire.messages cimport Message
from .rawnode cimport RawNode
from .ready cimport Ready
from .storage cimport MemoryStorage


@cython.final
cdef class Cycle:
    cdef readonly RawNode node
    cdef readonly uint64_t id
    cdef readonly object storage
    cdef public list inbox
    cdef MemoryStorage _memory
    cdef object _save
    cdef object _send
    cdef object _apply
    cdef Exchange _exchange
    cdef uint64_t _settled

    @cython.locals(busy=bint, node=RawNode, inbox=list, what=int32_t, messages=list)
    cpdef bint run(self) except -1
    cpdef object handle(self, Ready rd)
    cdef int _called(self) except -1
    cdef int _deliver(self, list messages) except -1
    cdef object _store(self, Ready rd)


@cython.final
cdef class Exchange:
    cdef dict _cycles
    cdef tuple _order
    cdef tuple _small
    cdef uint64_t _calls
    cdef readonly uint64_t sent

    @cython.locals(cycle=Cycle)
    cpdef Cycle add(self, RawNode node, object storage, object apply=*)
    @cython.locals(cycle=Cycle, m=Message)
    cpdef object route(self, list messages)
    @cython.locals(cycle=Cycle, busy=bint)
    cpdef object drain(self)
    cpdef Cycle find(self, uint64_t id)
    @cython.locals(busy=bint, cycle=Cycle)
    cpdef bint tick(self) except -1

@cython.locals(node=RawNode, ready=list)
cpdef list tick_all(list nodes)
@cython.locals(exchange=Exchange)
cpdef object drain_all(list exchanges)
@cython.locals(exchange=Exchange, cycle=Cycle)
cpdef object tick_groups(list exchanges)
