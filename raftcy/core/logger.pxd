cimport cython


@cython.final
cdef class Log:
    cdef object _logger
    cdef object _enabled

    cpdef bint debug_on(self) except -1
    cpdef bint info_on(self) except -1
    cpdef bint warning_on(self) except -1
    cpdef bint error_on(self) except -1
    cpdef object debug(self, str text)
    cpdef object info(self, str text)
    cpdef object warning(self, str text)
    cpdef object error(self, str text)
    cpdef object fatal(self, str text)
