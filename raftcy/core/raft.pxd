cimport cython
from libc.stdint cimport int32_t, int64_t, uint64_t

from ..wire cimport blank
from ..wire cimport consts as k
from ..wire cimport immutable
from .acks cimport read_number
from .entries cimport entries_size, payloads_size
from .hardstate cimport is_empty_hard_state
from .log cimport RaftLog
from .logger cimport Log
from .outbox cimport Outbox
from ..wire.messages cimport ConfState, Entry, HardState, Message, Snapshot
from .progress cimport Progress
from .readonly cimport ReadOnly
from .tracker cimport ProgressTracker, TrackerConfig
from .unstable cimport Unstable


@cython.final
cdef class Raft:
    cdef Log _log
    cdef object _random
    cdef readonly uint64_t id
    cdef public uint64_t term
    cdef public uint64_t vote
    cdef public uint64_t lead
    cdef public uint64_t lead_transferee
    cdef public int32_t state
    cdef readonly bint is_learner
    cdef public uint64_t max_msg_size
    cdef public uint64_t max_uncommitted_size
    cdef readonly uint64_t max_pending_msgs
    cdef public uint64_t uncommitted_size
    cdef public uint64_t pending_conf_index
    cdef public int64_t election_timeout
    cdef public int64_t heartbeat_timeout
    cdef public int64_t randomized_election_timeout
    cdef public int64_t election_elapsed
    cdef public int64_t heartbeat_elapsed
    cdef public bint check_quorum
    cdef public bint pre_vote
    cdef public bint disable_proposal_forwarding
    cdef public bint disable_conf_change_validation
    cdef public bint step_down_on_removal
    cdef public bint batch_append
    cdef readonly bint append_due
    cdef bint _plain_random
    cdef readonly object trace_logger
    cdef readonly ReadOnly read_only
    cdef readonly Outbox outbox
    cdef public object refused_reason
    cdef readonly RaftLog log
    cdef readonly ProgressTracker tracker

    @cython.locals(last=uint64_t, last_term=uint64_t)
    cdef int _recover(self, object c) except -1
    @cython.locals(committed=uint64_t)
    cdef int _take_applied(self, uint64_t index) except -1
    @cython.locals(last=uint64_t)
    cdef int _load_state(self, HardState state) except -1
    cdef int _check_equivalent(self, ConfState given, ConfState made) except -1

    @cython.locals(m=Message)
    cdef Message _message(self, int32_t kind, uint64_t to)
    @cython.locals(kind=int32_t)
    cdef int _send(self, Message m) except -1
    @cython.locals(m=Message)
    cdef int _send_app_resp(self, uint64_t to, uint64_t index) except -1
    @cython.locals(m=Message)
    cdef int _send_vote_resp(self, uint64_t to, int32_t kind, uint64_t term, bint reject) except -1
    @cython.locals(f=Message)
    cdef int _forward(self, Message m) except -1
    @cython.locals(log=RaftLog, prev_index=uint64_t, prev_term=uint64_t, entries=list, count=Py_ssize_t, m=Message)
    cdef Message _maybe_send_append(self, Progress pr, bint send_if_empty, Message like)
    @cython.locals(log=Log, to=uint64_t, snapshot=Snapshot, index=uint64_t, m=Message)
    cdef Message _maybe_send_snapshot(self, Progress pr)
    @cython.locals(pr=Progress, like=Message)
    cdef int _bcast_append(self) except -1
    @cython.locals(last=uint64_t, pr=Progress, like=Message)
    cpdef send_due_appends(self)
    @cython.locals(pr=Progress, context=bytes)
    cdef int _bcast_heartbeat(self) except -1
    @cython.locals(commit=uint64_t, m=Message)
    cdef int _send_heartbeat(self, Progress pr, bytes context) except -1
    cdef int _send_timeout_now(self, uint64_t to) except -1

    cpdef tick(self)
    cdef int _tick_election(self) except -1
    cdef int _tick_heartbeat(self) except -1
    cpdef bint past_election_timeout(self) except -1

    @cython.locals(tracker=ProgressTracker, last=uint64_t, pr=Progress)
    cpdef reset(self, uint64_t term)
    @cython.locals(n=int64_t, bits=int32_t, drawn=int64_t)
    cdef int _draw_timeout(self) except -1
    cpdef become_follower(self, uint64_t term, uint64_t lead)
    cpdef become_candidate(self)
    cpdef become_pre_candidate(self)
    @cython.locals(pr=Progress, empty=Entry)
    cpdef become_leader(self)
    @cython.locals(pr=Progress)
    cpdef bint promotable(self) except -1

    cdef int _campaign_or_pre_campaign(self) except -1
    @cython.locals(log=Log)
    cdef _hup(self, int32_t how)
    @cython.locals(log=RaftLog, lo=uint64_t, hi=uint64_t)
    cdef bint _has_unapplied_change(self) except -1
    @cython.locals(kind=int32_t, term=uint64_t, last=uint64_t, last_term=uint64_t, id=uint64_t, m=Message)
    cdef int _campaign(self, int32_t how) except -1
    @cython.locals(log=Log)
    cdef int32_t _poll(self, uint64_t id, int32_t kind, bint granted) except -1
    @cython.locals(kind=int32_t, reply=int32_t)
    cdef int _step_vote(self, Message m) except -1
    cpdef bint can_vote(self, Message m) except -1
    cdef str _vote_text(self, Message m, str action)

    @cython.locals(term=uint64_t, kind=int32_t)
    cpdef step(self, Message m)
    cpdef bint ignores_within_lease(self, Message m) except -1
    cdef int _log_lease(self, Message m) except -1
    @cython.locals(kind=int32_t, from_leader=bint)
    cdef _step_higher_term(self, Message m)
    @cython.locals(kind=int32_t)
    cdef int _step_lower_term(self, Message m) except -1

    @cython.locals(stored=uint64_t)
    cpdef storage_append_resp(self, uint64_t term, uint64_t index, uint64_t log_term, Snapshot snapshot=*)
    @cython.locals(last=Entry, payload=uint64_t)
    cpdef storage_apply_resp(self, list entries, uint64_t size)
    @cython.locals(log=RaftLog, new=uint64_t, config=TrackerConfig)
    cdef int _applied_to(self, uint64_t index, uint64_t size) except -1
    @cython.locals(e=Entry)
    cdef _leave_joint(self, object config)

    @cython.locals(kind=int32_t, pr=Progress)
    cdef _step_leader(self, Message m)
    @cython.locals(pr=Progress)
    cdef int _check_quorum_active(self) except -1
    cpdef propose_fresh(self, list entries)
    cdef int _propose(self, list entries, bint fresh) except -1
    cdef bint _has_room(self, Py_ssize_t count) except -1
    @cython.locals(admitted=list, e=Entry, empty=Entry, i=Py_ssize_t)
    cdef list _admit_changes(self, list entries)
    @cython.locals(joint=bint, leaves=bint)
    cdef object _reason_against(self, object change)
    @cython.locals(size=uint64_t, index=uint64_t, placed=list, e=Entry, p=Entry)
    cdef bint _append_entries(self, list entries, bint fresh) except -1
    @cython.locals(raised=bint)
    cdef bint _maybe_commit(self) except -1
    @cython.locals(log=Log, probe=uint64_t)
    cdef int _append_refused(self, Message m, Progress pr) except -1
    @cython.locals(log=RaftLog)
    cdef _append_accepted(self, Message m, Progress pr)
    @cython.locals(read_only=ReadOnly, count=Py_ssize_t, place=Py_ssize_t)
    cdef _heartbeat_answered(self, Message m, Progress pr)
    cdef _snapshot_reported(self, Message m, Progress pr)
    @cython.locals(log=Log, before=uint64_t)
    cdef _transfer_leader(self, uint64_t transferee, Progress pr)

    cdef int _leader_read(self, Message m) except -1
    @cython.locals(read_only=ReadOnly)
    cdef int _begin_read(self, Message m) except -1
    @cython.locals(m=Message, e=Entry)
    cdef _answer_read(self, Message request, uint64_t index)
    cdef _release_pending_reads(self)
    cdef bint _committed_in_term(self) except -1

    @cython.locals(kind=int32_t, result=int32_t)
    cdef int _step_candidate(self, Message m) except -1
    cdef int _drop_proposal(self) except -1
    @cython.locals(kind=int32_t)
    cdef int _step_follower(self, Message m) except -1
    cdef int _forward_proposal(self, Message m) except -1
    cdef _forget_leader(self)
    @cython.locals(entries=list, e=Entry)
    cdef _read_answered(self, Message m)

    @cython.locals(log=RaftLog, entries=list, last=uint64_t, hint=uint64_t, hint_term=uint64_t, r=Message)
    cdef _handle_append(self, Message m)
    @cython.locals(r=Message)
    cdef int _handle_heartbeat(self, Message m) except -1
    @cython.locals(index=uint64_t, term=uint64_t, restored=bint)
    cdef int _handle_snapshot(self, Message m) except -1
    @cython.locals(index=uint64_t, term=uint64_t, log=RaftLog, last=uint64_t, tracker=ProgressTracker)
    cpdef bint restore(self, Snapshot s) except -1

    cpdef ConfState apply_conf_change(self, object change)
    @cython.locals(tracker=ProgressTracker, members=ConfState, pr=Progress, peer=Progress)
    cpdef ConfState switch_to_config(self, TrackerConfig config, dict progress)

cdef list _NO_ENTRIES

cdef Message _furthest(Message like, Message sent)
@cython.locals(c=Entry)
cdef Entry _unplaced(Entry e)
cdef int32_t _vote_resp(int32_t kind) noexcept
cpdef str type_name(int32_t kind)
