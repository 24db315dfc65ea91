# Fields of messages.py as C fields. A `readonly` field keeps its Python name; a name with `_` backs a property.
cimport cython
from libc.stdint cimport int32_t, uint32_t, uint64_t

from . cimport consts as k
from . cimport immutable
from .checks cimport flag, i32, instance, member, octets, u64


@cython.final
cdef class Entry:
    cdef int32_t _type
    cdef uint32_t _present
    cdef readonly uint64_t term
    cdef readonly uint64_t index
    cdef readonly bytes data
    cdef bytes _unknown


@cython.final
cdef class HardState:
    cdef uint32_t _present
    cdef readonly uint64_t term
    cdef readonly uint64_t vote
    cdef readonly uint64_t commit
    cdef bytes _unknown


@cython.final
cdef class ConfState:
    cdef uint32_t _present
    cdef list _voters
    cdef list _learners
    cdef list _voters_outgoing
    cdef list _learners_next
    cdef readonly bint auto_leave
    cdef bytes _unknown


@cython.final
cdef class SnapshotMetadata:
    cdef uint32_t _present
    cdef ConfState _conf_state
    cdef readonly uint64_t index
    cdef readonly uint64_t term
    cdef bytes _unknown


@cython.final
cdef class Snapshot:
    cdef uint32_t _present
    cdef readonly bytes data
    cdef SnapshotMetadata _metadata
    cdef bytes _unknown


@cython.final
cdef class Message:
    cdef int32_t _type
    cdef uint32_t _present
    cdef readonly bint reject
    cdef readonly uint64_t to
    cdef readonly uint64_t from_
    cdef readonly uint64_t term
    cdef readonly uint64_t log_term
    cdef readonly uint64_t index
    cdef readonly uint64_t commit
    cdef readonly uint64_t reject_hint
    cdef readonly uint64_t vote
    cdef list _entries
    cdef list _responses
    cdef readonly Snapshot snapshot
    cdef readonly bytes context
    cdef bytes _unknown


cdef object _codec
cdef object _protobuf
cdef object _encode_message
cdef object _decode_message
cdef Entry _new_entry()
cdef Message _new_message()
cdef HardState _new_hard_state()
