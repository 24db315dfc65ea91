cimport cython
from libc.stdint cimport uint64_t

from ..wire cimport consts as k
from .entries cimport fitting
from .droplist cimport drop_oldest
from .logger cimport Log
from ..wire.messages cimport Entry, Snapshot, SnapshotMetadata


cdef list _NO_ENTRIES


@cython.final
cdef class Unstable:
    cdef list _entries
    cdef Py_ssize_t _head
    cdef public Snapshot snapshot
    cdef readonly uint64_t count
    cdef public uint64_t offset
    cdef public uint64_t offset_in_progress
    cdef public bint snapshot_in_progress
    cdef readonly Log log

    cdef int _hold(self, list entries) except -1
    cpdef uint64_t snapshot_index(self) except? 0
    cpdef bint has_last_index(self) except -1
    @cython.locals(n=uint64_t)
    cpdef uint64_t last_index(self) except? 0
    @cython.locals(snapshot=Snapshot, at=uint64_t, e=Entry)
    cpdef uint64_t look_up(self, uint64_t index) except? 0
    cpdef list next_entries(self)
    cpdef bint has_next_entries(self) except -1
    cpdef Snapshot next_snapshot(self)
    cpdef accept_in_progress(self)
    @cython.locals(log=Log, found=uint64_t, num=uint64_t)
    cpdef stable_to(self, uint64_t index, uint64_t term)
    cpdef stable_snap_to(self, uint64_t index)
    cpdef restore(self, Snapshot snapshot)
    @cython.locals(log=Log, first=Entry, start=uint64_t)
    cpdef truncate_and_append(self, list entries, bint own=*)
    @cython.locals(at=Py_ssize_t)
    cpdef list slice(self, uint64_t lo, uint64_t hi, uint64_t max_size)
    @cython.locals(upper=uint64_t)
    cdef _check_bounds(self, uint64_t lo, uint64_t hi)
