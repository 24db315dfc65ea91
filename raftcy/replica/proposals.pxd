cimport cython
from libc.stdint cimport uint64_t

from ..wire cimport blank, immutable
from ..wire cimport consts as k
from ..wire.messages cimport Entry


@cython.final
cdef class Proposal:
    cdef readonly object commands
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t size
    cdef readonly object end
    cdef readonly bint many
    cdef readonly object only_in_term
    cdef readonly Py_ssize_t done
    cdef readonly uint64_t term
    cdef readonly uint64_t index
    cdef readonly uint64_t number
    cdef readonly list results


@cython.final
cdef class Proposals:
    cdef bytes _start
    cdef object _count_max
    cdef object _bytes_max
    cdef object _command_bytes_max
    cdef readonly list _queue
    cdef readonly list _taken
    cdef readonly dict _placed
    cdef readonly dict _sent
    cdef uint64_t _number
    cdef readonly object _late
    cdef uint64_t _forgotten
    cdef readonly object _kept
    cdef readonly Py_ssize_t _kept_count
    cdef uint64_t _kept_after
    cdef public uint64_t applied
    cdef uint64_t _applied_term
    cdef object _cause
    cdef readonly Py_ssize_t count
    cdef readonly Py_ssize_t size
    cdef readonly Py_ssize_t answered
    cdef readonly Py_ssize_t unknown
    cdef readonly Py_ssize_t cancelled
    cdef readonly object rejected

    cpdef add(self, Proposal proposal)
    @cython.locals(each=Proposal, queue=list, taken=list)
    cpdef list take(self)
    cpdef place(self, Proposal proposal, uint64_t term, uint64_t index)
    @cython.locals(each=Proposal)
    cpdef uint64_t place_all(self, list proposals, uint64_t term, uint64_t index) except? 0
    cpdef reject(self, Proposal proposal, object reason, object detail=*)
    cpdef uint64_t send(self, Proposal proposal, uint64_t term) except? 0
    @cython.locals(proposal=Proposal)
    cpdef reply(self, uint64_t number, object reply)
    @cython.locals(proposal=Proposal)
    cpdef lose(self, uint64_t number, object why)
    cdef _catch_up(self, Proposal proposal, object reply)
    @cython.locals(proposal=Proposal, placed=object)
    cpdef jump(self, uint64_t index, uint64_t term)
    cpdef give_up(self, Proposal proposal, object why)
    cdef _give_up(self, Proposal proposal, object why)
    cdef object _unknown(self, Proposal proposal, Py_ssize_t n, object why)
    @cython.locals(last=Entry)
    cpdef settle(self, list entries, object answers)
    @cython.locals(
        proposal=Proposal, first=uint64_t, last=uint64_t, at=uint64_t, start=Py_ssize_t, count=Py_ssize_t,
        results=list, e=Entry,
    )
    cdef _settle(self, uint64_t term, list entries, object answers)
    cdef _some(self, Proposal proposal, list results)
    cdef _count_superseded(self, list results)
    cdef _forget(self, Proposal proposal)


@cython.locals(proposal=Proposal, e=Entry, entries=list)
cpdef list entries_of(list proposals)

cdef tuple _RAISED
cdef object _result(object answer, Entry e, Proposal proposal)
