cimport cython
from libc.stdint cimport int32_t


@cython.final
cdef class Log:
    cdef object _logger
    cdef bint _leveled
    cdef int32_t _asked
    cdef int32_t _on

    cpdef forget(self)
    @cython.locals(on=bint, bit=int32_t)
    cdef bint _is_on(self, int32_t level) except -1
    cpdef bint debug_on(self) except -1
    cpdef bint info_on(self) except -1
    cpdef bint warning_on(self) except -1
    cpdef bint error_on(self) except -1
    cpdef object debug(self, str text)
    cpdef object info(self, str text)
    cpdef object warning(self, str text)
    cpdef object error(self, str text)
    cpdef object fatal(self, str text, str hint=*)

cdef int32_t _DEBUG, _INFO, _WARNING, _ERROR
