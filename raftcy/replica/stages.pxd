cimport cython
from libc.stdint cimport uint64_t

from ..core.droplist cimport drop_oldest
from ..core.ready cimport Ready
from ..wire cimport consts as k
from ..wire.messages cimport Entry, Message
from .work cimport Batch, Work, Write


@cython.final
cdef class Stages:
    cdef list _writes
    cdef Py_ssize_t _oldest
    cdef list _batches
    cdef readonly Batch round
    cdef readonly Batch running
    cdef readonly Batch snapshot
    cdef readonly Message kept

    @cython.locals(write=Write)
    cpdef Work begin(self, Ready rd, list messages)
    @cython.locals(work=Work, write=Write, held=list, responses=list, m=Message)
    cpdef Work split(self, Ready rd, list messages, bint hold_votes)
    cpdef int check_next(self, Write write) except -1
    cpdef int end_round(self, Write write) except -1
    @cython.locals(own=list, response=Message, waiting=Batch)
    cpdef list end_write(self, Write write, uint64_t id)
    @cython.locals(batch=Batch, e=Entry)
    cpdef Batch next_batch(self, uint64_t applied)
    cpdef bint has_batch(self) except -1
    cpdef list end_batch(self, Batch batch)
    cpdef int check_running(self, Batch batch) except -1
