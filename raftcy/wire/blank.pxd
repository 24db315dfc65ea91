# Blank values for the compiled build; blank.py itself is not compiled. New objects start with numbers 0, objects None.
from .messages cimport ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata
from .messages cimport _new_entry, _new_hard_state, _new_message


cdef inline Entry entry():
    cdef Entry e = _new_entry()
    e.data = b""
    return e


cdef inline Message message():
    cdef Message m = _new_message()
    m.context = b""
    return m


cdef inline HardState hard_state():
    return _new_hard_state()


cdef inline ConfState conf_state():
    cdef ConfState c = ConfState.__new__(ConfState)
    c._voters = []
    c._learners = []
    c._voters_outgoing = []
    c._learners_next = []
    return c


cdef inline SnapshotMetadata metadata():
    return SnapshotMetadata.__new__(SnapshotMetadata)


cdef inline Snapshot snapshot():
    cdef Snapshot s = Snapshot.__new__(Snapshot)
    s.data = b""
    return s
