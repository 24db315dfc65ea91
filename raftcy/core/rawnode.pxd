cimport cython
from libc.stdint cimport int32_t, uint64_t

from . cimport fresh
from ..wire cimport blank
from ..wire cimport consts as k
from ..wire cimport immutable
from ..wire cimport origins
from .entries cimport entries_size
from .log cimport RaftLog
from .observer cimport Observer
from .outbox cimport Outbox
from ..wire.messages cimport ConfState, Entry, HardState, Message, Snapshot
from .progress cimport Progress
from .raft cimport Raft
from .ready cimport Ready
from .unstable cimport Unstable
from ..wire.checks cimport i32, instance, octets, u64
from .vet cimport vet


@cython.final
cdef class RawNode:
    cdef readonly Raft raft
    cdef uint64_t _ticks
    cdef object _died_of
    cdef Observer _observer
    cdef bint _watched
    cdef bint _async
    cdef bint _waiting
    cdef int32_t _prev_state
    cdef uint64_t _prev_lead
    cdef uint64_t _prev_term
    cdef uint64_t _prev_vote
    cdef uint64_t _prev_commit
    cdef list _own_messages
    cdef bint _acks
    cdef uint64_t _acked_term
    cdef uint64_t _acked_index
    cdef uint64_t _acked_log_term
    cdef Snapshot _acked_snapshot
    cdef list _applying
    cdef uint64_t _applying_size

    @cython.locals(done=bint)
    cpdef tick(self)
    @cython.locals(m=Message)
    cpdef campaign(self)
    @cython.locals(e=Entry, done=bint)
    cpdef propose(self, object data)
    @cython.locals(e=Entry, done=bint)
    cpdef propose_conf_change(self, object change)
    @cython.locals(r=Raft, m=Message)
    cdef int _propose_entry(self, Entry e, bint own) except -1
    @cython.locals(done=bint)
    cpdef step(self, object m)
    @cython.locals(sender=int32_t)
    cdef int _step(self, Message m) except -1
    @cython.locals(batch=list, refused=list)
    cpdef list step_many(self, object messages)
    @cython.locals(special=bint)
    cdef bint _look_over(self, list messages) except -1
    @cython.locals(place=size_t, m=Message, refused=list)
    cdef list _step_checked(self, list messages)
    @cython.locals(m=Message, e=Entry)
    cpdef read_index(self, object rctx)
    @cython.locals(m=Message)
    cpdef transfer_leader(self, object transferee)
    @cython.locals(m=Message)
    cpdef forget_leader(self)
    @cython.locals(m=Message)
    cpdef report_unreachable(self, object id)
    @cython.locals(m=Message)
    cpdef report_snapshot(self, object id, object status)
    @cython.locals(done=bint)
    cdef int _take(self, Message m, str call, object given) except -1

    cpdef bint has_ready(self) except -1
    @cython.locals(r=Raft, log=RaftLog, committed=uint64_t, hard=bint)
    cpdef int32_t pending_work(self) except -1
    @cython.locals(rd=Ready, done=bint)
    cpdef Ready ready(self)
    cpdef Ready poll(self)
    @cython.locals(what=int32_t)
    cpdef list take_messages(self)
    @cython.locals(rd=Ready, done=bint)
    cpdef Ready ready_without_accept(self)
    @cython.locals(done=bint)
    cpdef accept_ready(self, object rd)
    @cython.locals(done=bint)
    cpdef advance(self, object rd=*)
    @cython.locals(r=Raft, log=RaftLog, box=Outbox, rd=Ready)
    cdef Ready _make_ready(self, bint keep)
    @cython.locals(h=HardState)
    cdef HardState _hard_state(self)
    @cython.locals(answers=list, messages=list)
    cdef int _add_storage_messages(self, Ready rd) except -1
    @cython.locals(r=Raft, m=Message, responses=list)
    cdef Message _storage_append(self, Ready rd)
    @cython.locals(r=Raft, m=Message)
    cdef Message _storage_append_resp(self, Snapshot snapshot)
    @cython.locals(resp=Message, m=Message)
    cdef Message _storage_apply(self, list entries)
    @cython.locals(r=Raft, last=Entry, entries=list)
    cdef int _accept(self, Ready rd) except -1
    @cython.locals(r=Raft)
    cdef int _keep_for_advance(self, Ready rd) except -1
    @cython.locals(r=Raft, own=list, snapshot=Snapshot, applying=list, m=Message)
    cdef _advance(self)
    @cython.locals(r=Raft)
    cdef int _bootstrap(self, list peers) except -1
    @cython.locals(r=Raft, done=bint)
    cpdef begin_empty(self)
    @cython.locals(members=ConfState, done=bint)
    cpdef ConfState apply_conf_change(self, object change)

    cpdef check_alive(self)
    cdef inline int _begin(self, str call, object given) except -1
    cdef int _begin_watched(self, str call, object given) except -1
    cdef inline int _end(self, bint done, object result, object refusals) except -1
    cdef int _end_watched(self, bint done, object result, object refusals) except -1
    @cython.locals(alive=bint)
    cdef int _fail(self, object error, object refusals) except -1

cdef tuple _NO_MESSAGE, _NO_REQUEST, _NO_PROPOSAL, _NO_CHANGE_PROPOSED, _NO_CHANGE, _NO_START

cdef int _check_entries(Message m) except -1
cdef bint _is_special(Message m) except -1
cdef bint _leaves_alive(object error, object refusals) except -1
cdef bint _needs_append_ack(Raft r, Ready rd) except -1
