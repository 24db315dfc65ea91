cimport cython
from libc.stdint cimport int32_t

from . cimport consts as k
from . cimport origins
from .checks cimport instance
from .messages cimport Message

cdef object _LOCAL
cdef object _RESPONSES
cpdef bint is_local_msg(object type) except -1
cpdef bint is_response_msg(object type) except -1
cpdef bint is_local_msg_target(object id) except -1
cpdef object refuse_from_network(object m)
cdef object _refuse(Message m)
@cython.locals(kind=int32_t)
cpdef bint needs_no_gate(Message m) except -1
