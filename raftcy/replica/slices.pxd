cimport cython
from libc.stdint cimport uint64_t

from ..wire cimport consts as k
from ..wire.messages cimport Entry


@cython.locals(e=Entry, size=uint64_t, place=Py_ssize_t, kind=int)
cpdef Py_ssize_t end_of_run(list entries, Py_ssize_t first, Py_ssize_t count, uint64_t size_bytes) except -1

cdef int _EMPTY
cdef int _DATA
cdef int _CHANGE

cdef int _kind(Entry e) except -1
