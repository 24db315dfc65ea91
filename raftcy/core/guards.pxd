cimport cython

from ..wire cimport consts as k
from .log cimport RaftLog
from .raft cimport Raft

cpdef bint has_to_apply(Raft raft) except -1
@cython.locals(log=RaftLog)
cpdef bint answers_rashly(Raft raft) except -1
