cimport cython
from libc.stdint cimport uint64_t

from .inflights cimport Inflights
from .log cimport RaftLog
from ..wire.messages cimport Entry, Message, Snapshot
from .ready cimport ReadState
from .progress cimport Progress
from .quorum cimport JointConfig
from .raft cimport Raft
from .rawnode cimport RawNode
from .readonly cimport ReadOnly
from .tracker cimport ProgressTracker, TrackerConfig
from .unstable cimport Unstable


cpdef dict dump(RawNode node)
cpdef object load(RawNode node, dict state)

cdef dict _node(RawNode node)
cdef int _load_node(RawNode node, dict state) except -1
cdef dict _raft(Raft r)
cdef int _load_raft(Raft r, dict state) except -1
@cython.locals(u=Unstable)
cdef dict _log(RaftLog log)
@cython.locals(u=Unstable)
cdef int _load_log(RaftLog log, dict state) except -1
@cython.locals(config=TrackerConfig)
cdef dict _tracker(ProgressTracker tracker)
@cython.locals(config=TrackerConfig, size=uint64_t, max_bytes=uint64_t)
cdef int _load_tracker(ProgressTracker tracker, dict state) except -1
cdef dict _progress(Progress pr)
@cython.locals(inflights=Inflights, pr=Progress)
cdef Progress _load_progress(dict state, uint64_t size, uint64_t max_bytes)
cdef dict _reads(ReadOnly reads)
cdef int _load_reads(ReadOnly reads, dict state) except -1
