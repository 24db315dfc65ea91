cimport cython

cdef Py_ssize_t _LEAST

@cython.locals(end=Py_ssize_t)
cpdef Py_ssize_t drop_oldest(list items, Py_ssize_t head, Py_ssize_t count) except -1
