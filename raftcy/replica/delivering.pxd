cimport cython
from libc.stdint cimport uint64_t

from ..core.rawnode cimport RawNode
from ..wire cimport consts as k
from ..wire.messages cimport ConfState, Entry, Snapshot
from .asked cimport Asked
from .carrier cimport Carrier


@cython.final
cdef class Delivery:
    cdef RawNode _node
    cdef readonly Carrier carrier
    cdef readonly object machine
    cdef object _admit
    cdef object _apply
    cdef uint64_t _machine_applied
    cdef Asked _asked
    cdef readonly uint64_t applied
    cdef readonly ConfState members
    cdef readonly bint changing
    cdef readonly object refused_change

    cpdef int restore(self, Snapshot snapshot) except -1
    cpdef int restore_machine(self, Snapshot snapshot) except -1
    cpdef int jump(self, Snapshot snapshot) except -1
    @cython.locals(first=Py_ssize_t, place=Py_ssize_t, e=Entry, head=Entry)
    cpdef int apply_all(self, list entries) except -1
    @cython.locals(first=Entry, last=Entry, e=Entry, place=Py_ssize_t, asked=Asked)
    cdef int _hand(self, list entries) except -1
    cpdef ConfState change(self, Entry e)
    @cython.locals(last=Entry, asked=Asked, place=Py_ssize_t, e=Entry)
    cpdef int applied_all(self, list entries, list answers) except -1
    cpdef int confirm(self, list states) except -1
    cpdef int place(self, uint64_t index, uint64_t term, object tag) except -1
    cdef Asked _ask(self)
    cpdef list take_reads(self)
    cpdef list take_outcomes(self)
