cimport cython
from libc.stdint cimport uint64_t

from ..core.rawnode cimport RawNode
from ..wire.messages cimport Message
from .carrier cimport Carrier
from .driver cimport Driver


@cython.final
cdef class Loopback(Carrier):
    cdef dict _drivers
    cdef tuple _order
    cdef tuple _small
    cdef readonly uint64_t sent

    cpdef object route(self, list messages)
    @cython.locals(driver=Driver, m=Message)
    cdef int _post(self, list messages) except -1
    @cython.locals(driver=Driver, busy=bint)
    cpdef object drain(self)
    cpdef Driver find(self, uint64_t id)
    @cython.locals(busy=bint, driver=Driver)
    cpdef bint tick(self) except -1

@cython.locals(node=RawNode, ready=list)
cpdef list tick_all(list nodes)
@cython.locals(group=Loopback)
cpdef object drain_all(list groups)
@cython.locals(group=Loopback, driver=Driver)
cpdef object tick_groups(list groups)
