cimport cython
from libc.stdint cimport int32_t

from . cimport consts as k
from .checks cimport instance
from .messages cimport Message

cpdef bint is_local(int32_t kind) noexcept
cpdef bint is_response(int32_t kind) noexcept
cpdef bint from_storage_thread(Message m) except -1
@cython.locals(local=bint)
cpdef int32_t allowed_sender(Message m) except -1
cdef object _LOCAL
cdef object _RESPONSES
cpdef bint is_local_msg(object type) except -1
cpdef bint is_response_msg(object type) except -1
cpdef bint is_local_msg_target(object id) except -1
cpdef object refuse_from_network(object m)
cdef object _refuse(Message m)
@cython.locals(kind=int32_t)
cpdef bint needs_no_gate(Message m) except -1
