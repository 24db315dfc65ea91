cimport cython

from ..wire.messages cimport Entry
from .tape cimport Tape

cdef object _term
cdef object _index
cdef object _drawn
cdef object _head
cdef object _three
cdef object _size


@cython.final
cdef class RecordedStorage:
    cdef object _storage
    cdef Tape _notes

    cpdef object initial_state(self)
    @cython.locals(found=list, parts=list, data=bytes, body=bytes)
    cpdef list entries(self, object lo, object hi, object max_size)
    cpdef object term(self, object i)
    cpdef object first_index(self)
    cpdef object last_index(self)
    @cython.locals(notes=Tape)
    cpdef object snapshot(self)
    cdef object _place(self, int question, object found)
    cdef object _raised(self, int question, bytes asked, object error)
    cdef object _odd(self, int question, object found)


@cython.final
cdef class RecordedRandom:
    cdef object _source
    cdef Tape _notes

    cpdef object randrange(self, object n)
