cimport cython
from libc.stdint cimport uint64_t

from ..core.ready cimport Ready
from ..wire cimport consts as k
from ..wire.messages cimport Entry, Message
from .work cimport Batch, Work, Write


@cython.final
cdef class Stages:
    cdef list _writes
    cdef list _batches
    cdef Batch round
    cdef Batch running
    cdef Batch snapshot
    cdef Message kept

    @cython.locals(write=Write)
    cdef Work begin(self, Ready rd, list messages)
    @cython.locals(work=Work, write=Write, held=list, responses=list, m=Message)
    cdef Work split(self, Ready rd, list messages, bint hold_votes)
    cdef int check_next(self, Write write) except -1
    cdef int end_round(self, Write write) except -1
    @cython.locals(own=list, response=Message, waiting=Batch)
    cdef list end_write(self, Write write, uint64_t id)
    @cython.locals(batch=Batch, e=Entry)
    cdef Batch next_batch(self, uint64_t applied)
    cdef bint has_batch(self) except -1
    cdef list end_batch(self, Batch batch)
    cdef int check_running(self, Batch batch) except -1
