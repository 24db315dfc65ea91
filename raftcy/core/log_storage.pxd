# Compiled only for the sake of `save_ready`, which with a plain MemoryStorage runs without a Python call.
cimport cython

from .ready cimport Ready
from .storage cimport MemoryStorage, check_hard_state


@cython.locals(rd=Ready, memory=MemoryStorage)
cpdef object save_ready(object storage, object ready)
