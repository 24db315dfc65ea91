# Compiled for `save_ready` alone: with a plain MemoryStorage it calls no Python.
cimport cython

from .ready cimport Ready
from .storage cimport MemoryStorage, check_hard_state


@cython.locals(rd=Ready, memory=MemoryStorage)
cpdef object save_ready(object storage, object ready)
