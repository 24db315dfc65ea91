cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..core.guards cimport answers_rashly, has_to_apply
from ..core.log cimport RaftLog
from ..core.raft cimport Raft
from ..core.rawnode cimport RawNode
from ..core.ready cimport Ready
from ..core.storage cimport MemoryStorage
from ..wire cimport consts as k
from ..wire.messages cimport ConfState, Entry, Message, Snapshot
from .asked cimport Asked
from .carrier cimport Carrier
from .work cimport Batch, Work, Write


@cython.final
cdef class _Stages:
    cdef object writes
    cdef object batches
    cdef Batch round
    cdef Batch running
    cdef list deferred
    cdef Message kept


@cython.final
cdef class Driver:
    cdef readonly RawNode node
    cdef readonly uint64_t id
    cdef readonly object storage
    cdef readonly uint64_t applied
    cdef readonly ConfState members
    cdef readonly object refused_change
    cdef public list inbox
    cdef readonly bint hold_votes
    cdef readonly bint guard_reads
    cdef readonly bint guard_snapshots
    cdef readonly bint guard_offers
    cdef public bint keep_snapshots
    cdef bint _async
    cdef bint _changing
    cdef bint _captures
    cdef bint _lease
    cdef uint64_t _handed_over
    cdef uint64_t _polled_term
    cdef uint64_t _max_bytes
    cdef uint64_t _reads
    cdef bytes _nonce
    cdef object _offers
    cdef MemoryStorage _memory
    cdef object _send
    cdef object _machine
    cdef object _admit
    cdef object _apply
    cdef object _observer
    cdef Carrier _carrier
    cdef uint64_t _settled
    cdef uint64_t _machine_applied
    cdef uint64_t _snapshot_index
    cdef uint64_t _stored_commit
    cdef _Stages _stages
    cdef Asked _asked

    cpdef tick(self)
    cpdef step(self, Message m)
    @cython.locals(place=Py_ssize_t, batch=list)
    cpdef list step_many(self, object messages)
    cdef _take(self, Message m)
    cdef _step(self, Message m)
    @cython.locals(log=RaftLog)
    cdef bint _took(self, Message m) except -1
    @cython.locals(stages=_Stages, m=Message)
    cdef int _take_kept(self) except -1
    @cython.locals(raft=Raft)
    cdef bint _place(self, object tag) except -1
    @cython.locals(raft=Raft)
    cdef str _no_reads(self)

    @cython.locals(busy=bint, node=RawNode, inbox=list, what=int32_t, messages=list)
    cpdef bint run(self) except -1
    @cython.locals(m=Message, ended=Py_ssize_t)
    cdef _step_each(self, list inbox)
    @cython.locals(late=bint)
    cdef int _round(self, Ready rd) except -1
    cdef _store(self, Ready rd)
    cdef bint _is_late(self) except -1
    @cython.locals(handed=uint64_t, m=Message)
    cdef list _without_reads(self, list messages)
    cdef int _deliver(self, list messages) except -1
    cdef int _called(self) except -1
    @cython.locals(work=Work, batch=Batch, messages=list)
    cdef bint _run_stages(self) except -1

    cdef int _machine_restore(self, Snapshot snapshot) except -1
    cdef int _restored(self, Snapshot snapshot) except -1
    @cython.locals(first=Py_ssize_t, place=Py_ssize_t, e=Entry, head=Entry)
    cdef int _apply_all(self, list entries) except -1
    @cython.locals(first=Entry, last=Entry, e=Entry, place=Py_ssize_t, asked=Asked)
    cdef int _hand(self, list entries) except -1
    cpdef ConfState change(self, Entry e)
    cdef int _confirm(self, list states) except -1
    cdef Asked _ask(self)
    cpdef list take_reads(self)
    cpdef list take_outcomes(self)

    @cython.locals(stages=_Stages, rd=Ready, late=bint)
    cpdef Work poll(self)
    cdef list _leaving(self, Ready rd)
    cdef _Stages _stage(self)
    @cython.locals(write=Write)
    cdef Work _begin(self, Ready rd, _Stages stages)
    @cython.locals(work=Work, write=Write, held=list, responses=list, m=Message)
    cdef Work _split(self, Ready rd, _Stages stages)
    cpdef list store(self, Write write)
    cdef int _check_next(self, Write write) except -1
    @cython.locals(stages=_Stages, messages=list, own=list, response=Message)
    cpdef list stored(self, Write write)
    @cython.locals(stages=_Stages, batch=Batch, e=Entry)
    cpdef Batch next_batch(self)
    cpdef apply(self, Batch batch)
    @cython.locals(stages=_Stages, asked=Asked, e=Entry, deferred=list)
    cpdef finish(self, Batch batch, list answers=*)
    @cython.locals(m=Message)
    cdef int _respond(self, list responses) except -1

    @cython.locals(at=uint64_t)
    cpdef uint64_t snapshot_index(self) except? 0
    @cython.locals(at=uint64_t, least=uint64_t)
    cpdef Snapshot make_snapshot(self, object keep)
    cdef Snapshot _present_snapshot(self)
    cdef object _kept_offers(self)
    cdef int _warn(self, uint64_t peer, str kind, str text) except -1
    cpdef fail(self, object error)
