cimport cython

from ..wire.messages cimport Entry


@cython.locals(e=Entry, commands=list)
cpdef list plain_commands(list entries, object time_ms, type kind)
