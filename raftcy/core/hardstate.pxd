from ..wire.messages cimport HardState, Snapshot


cdef HardState _checked(object st)
cpdef bint must_sync(object st, object prev, object entsnum) except -1
cpdef bint is_hard_state_equal(object a, object b) except -1
cpdef bint is_empty_hard_state(object st) except -1
cpdef bint is_empty_snap(object sp) except -1
