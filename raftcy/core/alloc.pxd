# Blank values for the compiled build; alloc.py itself is not compiled. New objects are zeroed: numbers 0, objects None.
from libc.stdint cimport int32_t, uint64_t

from .messages cimport ConfState, Entry, HardState, Message, ReadState, Snapshot, SnapshotMetadata, SoftState
from .messages cimport _new_entry, _new_hard_state, _new_message
from .ready cimport Ready, _new_ready


cdef inline Entry blank_entry():
    cdef Entry e = _new_entry()
    e.data = b""
    return e


cdef inline Message blank_message():
    cdef Message m = _new_message()
    m.context = b""
    return m


cdef inline HardState blank_hard_state():
    return _new_hard_state()


cdef inline ConfState blank_conf_state():
    cdef ConfState c = ConfState.__new__(ConfState)
    c._voters = []
    c._learners = []
    c._voters_outgoing = []
    c._learners_next = []
    return c


cdef inline SnapshotMetadata blank_metadata():
    return SnapshotMetadata.__new__(SnapshotMetadata)


cdef inline Snapshot blank_snapshot():
    cdef Snapshot s = Snapshot.__new__(Snapshot)
    s.data = b""
    return s


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


cdef inline Ready blank_ready():
    return _new_ready()
