# The public methods of MemoryStorage are Python methods, which check their arguments. `_entries` and `_term_at` read
# without checks, for callers with valid numbers and a storage whose type is MemoryStorage itself.
cimport cython
from libc.stdint cimport uint64_t

from ..wire cimport blank
from ..wire cimport consts as k
from ..wire cimport immutable
from .entries cimport fitting
from .droplist cimport drop_oldest
from .ready cimport Ready
from ..wire.messages cimport ConfState, Entry, HardState, Snapshot, SnapshotMetadata
from ..wire.checks cimport instance, octets, u64


cdef class MemoryStorage:
    cdef HardState _hard_state
    cdef Snapshot _snapshot
    cdef uint64_t _index
    cdef uint64_t _term
    cdef list _log
    cdef Py_ssize_t _head

    cpdef uint64_t first_index(self) except? 0
    cpdef uint64_t last_index(self) except? 0
    @cython.locals(last=uint64_t, at=Py_ssize_t, end=Py_ssize_t)
    cdef list _entries(self, uint64_t lo, uint64_t hi, uint64_t max_size)
    @cython.locals(e=Entry)
    cdef uint64_t _term_at(self, uint64_t i) except? 0

    @cython.locals(new=list)
    cpdef object save(self, object hard_state, object entries, object snapshot)
    cdef object _store(self, HardState hard_state, list new, Snapshot snapshot)
    @cython.locals(before=HardState, term=uint64_t, commit=uint64_t, last=uint64_t, first=Entry, end=Entry)
    cdef bint _follows(self, HardState hard_state, list new) except -1
    cdef object _save_ready(self, Ready rd)
    cpdef object sync(self)
    cpdef object close(self)
    @cython.locals(base=uint64_t, last=uint64_t, term=uint64_t, first=Entry, end=Entry)
    @cython.locals(metadata=SnapshotMetadata, before=HardState)
    cdef object _check_save(self, HardState hard_state, list new, Snapshot snapshot)
    @cython.locals(index=uint64_t, present=uint64_t, metadata=SnapshotMetadata)
    cdef object _check_newer(self, Snapshot snap)
    @cython.locals(new=list)
    cpdef object append(self, object entries)
    @cython.locals(first=Entry, skip=uint64_t, keep=uint64_t, stored=uint64_t)
    cdef object _put(self, list new)
    cpdef object set_hard_state(self, object st)
    cpdef object apply_snapshot(self, object snap)
    @cython.locals(metadata=SnapshotMetadata)
    cdef object _begin_with(self, Snapshot snap)
    @cython.locals(index=uint64_t, last=uint64_t, term=uint64_t)
    cpdef object compact(self, object compact_index)

cpdef object check_hard_state(HardState state, uint64_t base, uint64_t last, uint64_t term)
cpdef object check_successor(HardState before, HardState after)
cdef object _refill(
    MemoryStorage storage, object hard_state, Snapshot snapshot, uint64_t index, uint64_t term, list log
)
@cython.locals(new=list)
cpdef list consecutive(object entries)
@cython.locals(e=Entry, last=uint64_t)
cdef list _in_order(list new)
@cython.locals(given=SnapshotMetadata, s=Snapshot)
cpdef Snapshot complete_snapshot(Snapshot snapshot)
@cython.locals(d=SnapshotMetadata)
cdef SnapshotMetadata _complete_metadata(SnapshotMetadata metadata)
@cython.locals(c=ConfState)
cdef ConfState _complete_conf_state(ConfState conf_state)
