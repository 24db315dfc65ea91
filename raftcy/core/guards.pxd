cimport cython
from libc.stdint cimport uint64_t

from ..wire cimport consts as k
from ..wire.messages cimport Snapshot
from .log cimport RaftLog
from .raft cimport Raft

cpdef bint has_to_apply(Raft raft) except -1
@cython.locals(snapshot=Snapshot)
cpdef bint has_snapshot_from(Raft raft, uint64_t index) except -1
@cython.locals(log=RaftLog)
cpdef bint answers_rashly(Raft raft) except -1
