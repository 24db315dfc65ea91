cimport cython
from libc.stdint cimport uint64_t

from ..wire cimport consts as k
from .entries cimport entries_size
from .logger cimport Log
from ..wire.checks cimport instance, u64
from ..wire.messages cimport Entry, Snapshot
from .storage cimport MemoryStorage
from .unstable cimport Unstable


@cython.final
cdef class RaftLog:
    cdef readonly object storage
    cdef MemoryStorage _memory
    cdef uint64_t _last
    cdef uint64_t _last_term
    cdef readonly Log log
    cdef readonly Unstable unstable
    cdef public uint64_t committed
    cdef public uint64_t applying
    cdef public uint64_t applied
    cdef public uint64_t max_applying_size
    cdef public uint64_t applying_size
    cdef public bint applying_paused
    cdef public object offer

    @cython.locals(first=uint64_t)
    cdef uint64_t _storage_first(self) except? 0
    @cython.locals(last=uint64_t)
    cdef uint64_t _storage_last(self) except? 0
    @cython.locals(term=uint64_t)
    cdef uint64_t _storage_term(self, uint64_t index) except? 0
    @cython.locals(found=list)
    cdef list _storage_entries(self, uint64_t lo, uint64_t hi, uint64_t max_size)
    cpdef Snapshot snapshot(self, uint64_t to=*)

    cpdef uint64_t first_index(self) except? 0
    cpdef uint64_t last_index(self) except? 0
    cpdef uint64_t last_term(self) except? 0
    cdef uint64_t _first_known_term(self, uint64_t last) except? 0

    @cython.locals(term=uint64_t)
    cpdef uint64_t look_up(self, uint64_t index) except? 0
    @cython.locals(term=uint64_t)
    cpdef uint64_t term(self, uint64_t index) except? 0
    @cython.locals(term=uint64_t)
    cpdef uint64_t term_or_zero(self, uint64_t index) except? 0
    @cython.locals(found=uint64_t)
    cpdef bint match_term(self, uint64_t index, uint64_t term) except -1
    @cython.locals(ours=uint64_t)
    cpdef bint is_up_to_date(self, uint64_t index, uint64_t term) except -1

    @cython.locals(last_new=uint64_t, conflict=uint64_t, skip=uint64_t)
    cpdef bint maybe_append(self, uint64_t index, uint64_t term, uint64_t committed, list entries) except -1
    @cython.locals(first=Entry, end=Entry)
    cpdef uint64_t append(self, list entries, bint own=*) except? 0
    @cython.locals(e=Entry)
    cpdef uint64_t find_conflict(self, list entries) except? 0
    @cython.locals(
        found=uint64_t, first=uint64_t, high=uint64_t, low=uint64_t, at=uint64_t, step=uint64_t, searching_back=bint
    )
    cpdef (uint64_t, uint64_t) find_conflict_by_term(self, uint64_t index, uint64_t term) except *

    cpdef bint maybe_commit(self, uint64_t index, uint64_t term) except -1
    @cython.locals(last=uint64_t)
    cpdef commit_to(self, uint64_t index)

    cpdef uint64_t max_appliable_index(self, bint allow_unstable) except? 0
    cpdef bint has_next_committed(self, bint allow_unstable) except -1
    @cython.locals(lo=uint64_t, hi=uint64_t)
    cpdef list next_committed(self, bint allow_unstable)
    cpdef accept_applying(self, uint64_t index, uint64_t size, bint allow_unstable)
    cpdef applied_to(self, uint64_t index, uint64_t size)

    @cython.locals(last=uint64_t)
    cpdef list entries(self, uint64_t index, uint64_t max_size)
    cpdef list all_entries(self)
    @cython.locals(unstable=Unstable, cut=uint64_t, stored=list, rest=list, size=uint64_t)
    cpdef list slice(self, uint64_t lo, uint64_t hi, uint64_t max_size)
    @cython.locals(page=list, e=Entry)
    cpdef bint has_unapplied_change(self, uint64_t lo, uint64_t hi, uint64_t page_size) except -1
    @cython.locals(first=uint64_t, last=uint64_t)
    cdef int _check_bounds(self, uint64_t lo, uint64_t hi) except -1
    cpdef restore(self, Snapshot snapshot)

@cython.locals(place=Py_ssize_t, e=Entry)
cdef object _no_answer(list found, uint64_t lo, uint64_t hi)
