cimport cython
from libc.stdint cimport int32_t, uint64_t

from ..core.log cimport RaftLog
from ..core.outbox cimport Outbox
from ..core.raft cimport Raft
from ..core.progress cimport Progress
from ..core.rawnode cimport RawNode
from ..wire cimport blank
from ..wire cimport consts as k
from ..wire cimport immutable
from ..wire.messages cimport Message
from .driver cimport Driver


@cython.final
cdef class Seat:
    cdef readonly uint64_t group
    cdef readonly Driver driver
    cdef readonly RawNode node
    cdef readonly Raft raft
    cdef readonly RaftLog log
    cdef readonly object owner
    cdef public bint mute
    cdef readonly bint plain
    cdef public Py_ssize_t place
    cdef public uint64_t idle_term
    cdef public uint64_t idle_last


@cython.final
cdef class Column:
    cdef readonly list seats
    cdef readonly list numbers


@cython.final
cdef class Found:
    cdef readonly list due
    cdef readonly list ripe
    cdef readonly list campaigning
    cdef readonly list failed
    cdef readonly list alone
    cdef readonly list messages
    cdef readonly list begun
    cdef readonly list held
    cdef public Py_ssize_t room


@cython.locals(seat=Seat, place=Py_ssize_t)
cpdef object tick_seats(list seats, dict columns, Found found)
@cython.locals(raft=Raft)
cpdef bint is_due(Seat seat) except -1
@cython.locals(seat=Seat)
cpdef object begin_elections(list seats, dict columns, Found found)
@cython.locals(raft=Raft)
cdef int _tick(Seat seat, dict columns, Found found) except -1
cdef int _tick_any(Seat seat, dict columns, Found found) except -1
@cython.locals(driver=Driver, node=RawNode, raft=Raft, state=int32_t, term=uint64_t)
cdef int _tick_fully(Seat seat, dict columns, Found found) except -1
@cython.locals(messages=list, m=Message)
cdef int _take_heartbeats(Seat seat, Outbox box, dict columns) except -1
@cython.locals(m=Message)
cdef bint _are_plain(list messages) except -1
@cython.locals(column=Column)
cdef int _put(Seat seat, uint64_t to, uint64_t term, uint64_t commit, dict columns) except -1
@cython.locals(node=RawNode, raft=Raft, due=bint, committed=uint64_t, pr=Progress)
cdef bint _tick_shortly(Seat seat, dict columns, Found found) except -1
@cython.locals(raft=Raft)
cdef bint _is_heard(Seat seat, uint64_t sender, uint64_t term, uint64_t commit) except -1
@cython.locals(raft=Raft, pr=Progress)
cdef bint _is_answered(Seat seat, uint64_t sender, uint64_t term) except -1
@cython.locals(unanswered=list, seat=Seat, place=Py_ssize_t, count=Py_ssize_t, term=uint64_t, commit=uint64_t)
cpdef list step_heartbeats(dict table, uint64_t sender, object numbers, Found found)
@cython.locals(driver=Driver, m=Message, messages=list)
cdef bint _step_heartbeat(Seat seat, uint64_t sender, uint64_t term, uint64_t commit) except -1
@cython.locals(seats=list, numbers=list, seat=Seat, place=Py_ssize_t, skip=Py_ssize_t)
cpdef object step_answers(dict table, Column column, object unanswered, uint64_t sender, Found found)
@cython.locals(m=Message)
cdef Message _heartbeat(Seat seat, uint64_t sender, uint64_t term, uint64_t commit)
@cython.locals(m=Message)
cdef Message _answer(Seat seat, uint64_t sender, uint64_t term)
@cython.locals(driver=Driver)
cdef int _step_answer(Seat seat, uint64_t sender, uint64_t term, Found found) except -1
