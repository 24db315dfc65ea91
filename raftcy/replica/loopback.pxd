cimport cython
from libc.stdint cimport uint64_t

from ..core.rawnode cimport RawNode
from ..wire cimport consts as k
from ..wire.messages cimport Message
from .carrier cimport Carrier
from .driver cimport Driver


@cython.final
cdef class Loopback(Carrier):
    cdef readonly object name
    cdef readonly dict failures
    cdef readonly uint64_t sent
    cdef dict _drivers
    cdef tuple _order
    cdef tuple _small
    cdef list _taken
    cdef list _refused
    cdef list _fresh

    @cython.locals(driver=Driver)
    cpdef Driver remove(self, object id)
    cpdef Driver find(self, object id)
    cdef _arrange(self)
    cdef _died(self, Driver driver, object error)

    cpdef object route(self, object messages)
    @cython.locals(driver=Driver, m=Message, small=tuple, found=Py_ssize_t)
    cdef int _post(self, list messages) except -1
    @cython.locals(driver=Driver)
    cdef Driver _large(self, uint64_t id)
    @cython.locals(m=Message)
    cdef _lost(self, list messages)
    @cython.locals(m=Message, driver=Driver)
    cdef _report(self, list messages, object status)

    cpdef object drain(self)
    @cython.locals(driver=Driver, busy=bint, taken=list)
    cdef int _drain(self) except -1
    @cython.locals(driver=Driver, busy=bint)
    cpdef bint tick(self) except -1
    @cython.locals(driver=Driver, rest=tuple, ticked=Py_ssize_t, refused=list)
    cdef int _tick(self) except -1

@cython.locals(node=RawNode, ready=list, each=list)
cpdef list tick_all(object nodes)
@cython.locals(group=Loopback, failed=bint, each=list)
cpdef object drain_all(object groups)
@cython.locals(group=Loopback, failed=bint, each=list)
cpdef object tick_groups(object groups)

@cython.locals(items=list)
cdef list _checked(object given, object cls, str name)
