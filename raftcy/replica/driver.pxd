cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..core.guards cimport answers_rashly, has_snapshot_from, has_to_apply
from ..core.log cimport RaftLog
from ..core.raft cimport Raft
from ..core.rawnode cimport RawNode
from ..core.ready cimport Ready
from ..core.storage cimport MemoryStorage
from ..wire cimport consts as k
from ..wire.messages cimport ConfState, Entry, Message, Snapshot
from .carrier cimport Carrier
from .delivering cimport Delivery
from .stages cimport Stages
from .work cimport Batch, Work, Write


@cython.final
cdef class Driver:
    cdef readonly RawNode node
    cdef readonly uint64_t id
    cdef readonly object storage
    cdef public list inbox
    cdef readonly bint hold_votes
    cdef readonly bint guard_reads
    cdef readonly bint guard_snapshots
    cdef readonly bint guard_offers
    cdef public bint keep_snapshots
    cdef bint _async
    cdef bint _captures
    cdef bint _wishes
    cdef object _core_lease
    cdef readonly object _lease
    cdef uint64_t _max_bytes
    cdef uint64_t _reads
    cdef bytes _nonce
    cdef object _offers
    cdef object _making
    cdef MemoryStorage _memory
    cdef object _send
    cdef object _machine
    cdef object _observer
    cdef Carrier _carrier
    cdef uint64_t _settled
    cdef uint64_t _snapshot_index
    cdef uint64_t _stored_commit
    cdef Stages _stages
    cdef Delivery _delivery

    cdef int _ride(self, Carrier carrier) except -1
    cpdef pass_time(self, object now_us)
    cpdef tick(self)
    cpdef step(self, Message m)
    @cython.locals(place=Py_ssize_t, batch=list)
    cpdef list step_many(self, object messages)
    cdef _take(self, Message m)
    cdef _step(self, Message m)
    @cython.locals(log=RaftLog)
    cdef bint _took(self, Message m) except -1
    @cython.locals(stages=Stages, m=Message)
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
    cdef list _leaving(self, list messages)
    cdef int _confirm(self, list states) except -1
    cdef int _deliver(self, list messages) except -1
    cdef int _called(self) except -1
    @cython.locals(work=Work, batch=Batch, messages=list)
    cdef bint _run_stages(self) except -1

    cpdef ConfState change(self, Entry e)
    cpdef list take_reads(self)
    cpdef list take_outcomes(self)

    @cython.locals(stages=Stages, rd=Ready, late=bint, messages=list)
    cpdef Work poll(self)
    cdef Stages _stage(self)
    cpdef list store(self, Write write)
    @cython.locals(stages=Stages)
    cpdef list stored(self, Write write)
    cpdef Batch next_batch(self)
    cpdef apply(self, Batch batch)
    @cython.locals(stages=Stages)
    cpdef finish(self, Batch batch, list answers=*)
    @cython.locals(m=Message)
    cdef int _respond(self, list responses) except -1

    @cython.locals(at=uint64_t)
    cpdef uint64_t snapshot_index(self) except? 0
    @cython.locals(at=uint64_t, least=uint64_t)
    cpdef Snapshot make_snapshot(self, object keep)
    cdef object _kept_offers(self)
    cpdef fail(self, object error)
