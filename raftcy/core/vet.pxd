cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..wire cimport consts as k
from .acks cimport read_number
from .entries cimport contiguous
from ..wire cimport origins
from ..wire.messages cimport Entry, Message, SnapshotMetadata
from .raft cimport Raft, type_name


@cython.locals(kind=int32_t)
cpdef vet(Raft r, Message m)
@cython.locals(waiting=uint64_t)
cdef int _vet_backlog(Raft r, Message m) except -1
cdef bint _handled_as_follower(Raft r, Message m) except -1
cdef bint _handled_as_leader(Raft r, Message m) except -1
cdef uint64_t _term_of(Raft r, Message m) except? 0
cdef int _not_from_self(Raft r, Message m, int32_t sending) except -1
cdef int _not_without_term(Raft r, Message m) except -1
@cython.locals(last=Entry)
cdef _vet_append(Raft r, Message m)
@cython.locals(last=uint64_t, index=uint64_t)
cdef int _vet_append_answer(Raft r, Message m) except -1
@cython.locals(last=uint64_t)
cdef int _vet_heartbeat(Raft r, Message m) except -1
@cython.locals(size=Py_ssize_t, number=uint64_t)
cdef _vet_heartbeat_answer(Raft r, Message m)
@cython.locals(e=Entry)
cdef int _vet_proposal(Raft r, Message m) except -1
cdef _vet_proposed(Entry e)
cdef int _vet_forwarding(Raft r, Message m) except -1
@cython.locals(granting=bint, unanswerable=bint, answer=int32_t)
cdef int _vet_vote(Raft r, Message m) except -1
@cython.locals(metadata=SnapshotMetadata, size=Py_ssize_t, least=uint64_t)
cdef _vet_snapshot(Raft r, Message m)
cdef int _vet_read(Raft r, Message m) except -1
