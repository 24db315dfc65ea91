cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..wire cimport consts as k
from ..wire.checks cimport flag, instance
from .acks cimport majority_match
from ..wire.messages cimport ConfState
from .progress cimport Progress
from .quorum cimport JointConfig, MajorityConfig


@cython.final
cdef class TrackerConfig:
    cdef readonly JointConfig voters
    cdef readonly bint auto_leave
    cdef readonly object learners
    cdef readonly object learners_next


@cython.final
cdef class ProgressTracker:
    cdef readonly TrackerConfig config
    cdef readonly uint64_t max_inflight
    cdef readonly uint64_t max_inflight_bytes
    cdef dict _by_id
    cdef dict _votes
    cdef tuple _peers
    cdef tuple _incoming
    cdef tuple _outgoing

    @cython.locals(pr=Progress)
    cpdef object switch(self, TrackerConfig config, dict progress)
    @cython.locals(voters=tuple, pr=Progress)
    cdef tuple _voters(self, MajorityConfig ids, dict progress)
    cpdef tuple peers(self)
    @cython.locals(pr=Progress)
    cpdef list ids(self)
    @cython.locals(peers=tuple, pr=Progress)
    cpdef Progress find(self, uint64_t id)
    cpdef ConfState conf_state(self)
    cpdef bint is_singleton(self) except -1
    cpdef uint64_t committed(self) except? 0
    @cython.locals(pr=Progress, votes=dict)
    cpdef bint quorum_active(self) except -1
    cpdef list voter_nodes(self)
    cpdef reset_votes(self)
    cpdef record_vote(self, uint64_t id, bint granted)
    @cython.locals(pr=Progress, votes=dict, granted=int32_t, rejected=int32_t)
    cpdef tuple tally_votes(self)
    cpdef int32_t vote_result(self) except -1

cdef Progress _NOTHING
cdef tuple _NO_PEERS
cdef dict _NO_VOTES
