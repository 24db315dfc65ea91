# Blank values of ready for the compiled build; fresh.py itself is not compiled. A new object's fields are zero or None.
from libc.stdint cimport int32_t, uint64_t

from .ready cimport ReadState, Ready, SoftState, _new_ready


cdef inline SoftState soft_state(uint64_t lead, int32_t raft_state):
    cdef SoftState s = SoftState.__new__(SoftState)
    s.lead = lead
    s._raft_state = raft_state
    return s


cdef inline ReadState read_state(uint64_t index, bytes request_ctx):
    cdef ReadState s = ReadState.__new__(ReadState)
    s.index = index
    s.request_ctx = request_ctx
    return s


cdef inline Ready ready():
    return _new_ready()
