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
    cdef Carrier carrier
    cdef object machine
    cdef object _apply
    cdef uint64_t _machine_applied
    cdef Asked _asked
    cdef uint64_t applied
    cdef ConfState members
    cdef bint changing
    cdef object refused_change

    cdef int restore(self, Snapshot snapshot) except -1
    cdef int restore_machine(self, Snapshot snapshot) except -1
    cdef int jump(self, Snapshot snapshot) except -1
    @cython.locals(first=Py_ssize_t, place=Py_ssize_t, e=Entry, head=Entry)
    cdef int apply_all(self, list entries) except -1
    @cython.locals(first=Entry, last=Entry, e=Entry, place=Py_ssize_t, asked=Asked)
    cdef int _hand(self, list entries) except -1
    cdef ConfState change(self, Entry e)
    @cython.locals(last=Entry, asked=Asked, place=Py_ssize_t, e=Entry)
    cdef int applied_all(self, list entries, list answers) except -1
    cdef int confirm(self, list states) except -1
    cdef int place(self, uint64_t index, uint64_t term, object tag) except -1
    cdef Asked _ask(self)
    cdef list take_reads(self)
    cdef list take_outcomes(self)
