"""RawNode: the state machine behind the contract of Ready (etcd's ``RawNode``).

The contract, once the node has something to say (``has_ready``):

1. ``rd = node.ready()`` takes what there is. Nothing in it may be changed.
2. Store ``rd.hard_state``, ``rd.entries`` and ``rd.snapshot``, synced if ``rd.must_sync``. Entries that the storage has
   from the first new index on are overwritten.
3. Send ``rd.messages``, not before they are stored. Report what could not be sent: ``report_unreachable``, and for a
   snapshot ``report_snapshot`` in any case.
4. Apply ``rd.snapshot``, then ``rd.committed_entries``, in order; a configuration change by ``apply_conf_change``.
5. ``node.advance()``. Only then may the next Ready be taken.

With ``async_storage_writes``, 2 and 4 are asked for by messages to the storage threads, whose ``responses`` are to be
delivered when the work is done (stepped here, or sent, by their ``to``), in order; 5 is left out, and the next Ready
may be taken at any time.

A node has one owner: calls must not overlap. It is dead after InvariantError, LogLost, StorageFailed, and after any
error that is not raised on purpose: every later call raises Stopped.
"""

from sys import exc_info
from typing import Any

from ..errors import (
    BootstrapError,
    ConfChangeError,
    LogLost,
    Overloaded,
    ProposalDropped,
    RaftError,
    StepError,
    StepLocalMessage,
    StepPeerNotFound,
    Stopped,
)
from ..wire import blank, enums, immutable, origins
from ..wire import consts as k
from ..wire.changes import ConfChange, ConfChangeV2
from ..wire.checks import instance, octets, u64
from ..wire.messages import ConfState, Entry, HardState, Message, Snapshot
from ..wire.whole import keep_whole
from . import fresh, trace
from .config import Config
from .entries import entries_size
from .observer import Observer
from .raft import Raft
from .ready import Ready
from .status import BasicStatus, Status
from .vet import vet, vet_change

# What each kind of call may raise and leave the node as it was; LogLost, which is a StepError, never does.
_NO_MESSAGE = (StepError, ProposalDropped)
_NO_REQUEST = (Overloaded, ProposalDropped)
_NO_PROPOSAL = (ProposalDropped,)
_NO_CHANGE_PROPOSED = (ConfChangeError, ProposalDropped)
_NO_CHANGE = (ConfChangeError,)
_NO_START = (BootstrapError,)


class RawNode:
    """One member of a group, without clock, storage or network of its own (etcd's ``RawNode``).

    No class may derive from it; an ``observer`` sees what is called.

    Raises ConfigError for a Config that cannot work, and InvariantError for a storage whose state contradicts itself.
    """

    __slots__ = (
        "_acked_index",
        "_acked_log_term",
        "_acked_snapshot",
        "_acked_term",
        "_acks",
        "_applying",
        "_applying_size",
        "_async",
        "_died_of",
        "_observer",
        "_own_messages",
        "_prev_commit",
        "_prev_lead",
        "_prev_state",
        "_prev_term",
        "_prev_vote",
        "_waiting",
        "_watched",
        "raft",
    )
    raft: Raft

    def __init__(self, config: Config) -> None:
        instance(config, Config, "config")
        self._died_of: BaseException | None = None
        self._observer: Observer | None = None
        # Whether a call has to look for the two above.
        self._watched = False
        self.raft = Raft(config)
        r = self.raft
        self._async = config.async_storage_writes
        self._prev_lead = r.lead
        self._prev_state = r.state
        self._prev_term = r.term
        self._prev_vote = r.vote
        self._prev_commit = r.log.committed
        # What advance() delivers, in this order: messages to oneself, what was stored, what was applied.
        self._waiting = False
        self._own_messages: list[Message] | None = None
        self._acks = False
        self._acked_term = 0
        self._acked_index = 0
        self._acked_log_term = 0
        self._acked_snapshot: Snapshot | None = None
        self._applying: list[Entry] | None = None
        self._applying_size = 0

    @property
    def id(self) -> int:
        """The node's id."""
        return self.raft.id

    @property
    def refused_reason(self) -> str | None:
        """Why the newest configuration change proposed here was replaced by an empty entry; None if it was not."""
        return self.raft.refused_reason

    @property
    def observer(self) -> Observer | None:
        """Who is shown each call that can change the node; None at first, and TypeError for no Observer."""
        return self._observer

    @observer.setter
    def observer(self, observer: Any) -> None:
        self._observer = None if observer is None else instance(observer, Observer, "observer")
        self._watched = observer is not None or self._died_of is not None

    # -- input ---------------------------------------------------------------------------------------------------

    # Each call that can change the state goes the same way: check the arguments, ``_begin``, work, ``_end``. The end is
    # a ``finally``: in the compiled build a handler would save what is being handled each time, which costs more.

    def tick(self) -> None:
        """Let a tick of the clock pass (etcd's ``Tick``)."""
        self._begin("tick", None)
        done = False
        try:
            self.raft.tick()
            done = True
        finally:
            self._end(done, None, ())

    def tick_quiesced(self) -> None:
        """Count a tick without its consequences (etcd's ``TickQuiesced``, deprecated there)."""
        self._begin("tick_quiesced", None)
        self.raft.election_elapsed += 1
        self._end(True, None, ())

    def campaign(self) -> None:
        """Start an election, if this node may (etcd's ``Campaign``)."""
        m = blank.message()
        m._type = k.HUP
        m._present = k.P_TYPE
        self._take(m, "campaign", None)

    def propose(self, data: Any) -> None:
        """Propose bytes for the log; None proposes an entry without data (etcd's ``Propose``).

        Raises ProposalDropped if they are certainly not in the log. Otherwise they may still be lost, with their leader
        or on the way to it.
        """
        e = blank.entry()
        if data is not None:
            e.data = octets(data, "data")
            e._present = k.E_DATA
        self._begin("propose", None if data is None else e.data)
        done = False
        try:
            self._propose_entry(e, True)
            done = True
        finally:
            self._end(done, None, _NO_PROPOSAL)

    def propose_conf_change(self, change: Any) -> None:
        """Propose a ConfChange or a ConfChangeV2; None leaves a joint configuration (etcd's ``ProposeConfChange``).

        Raises ProposalDropped, or ConfChangeError for a type or transition that is not known. A change that is not
        allowed now becomes an empty entry, as in etcd's raft: see ``propose_conf_change_checked``.
        """
        e = blank.entry()
        e._type = k.CONF_CHANGE_V2
        e._present = k.E_TYPE
        if change is not None:
            instance(change, (ConfChange, ConfChangeV2), "change")
            if change.as_v1() is not None:
                e._type = k.CONF_CHANGE
            e.data = change.encode()
            e._present |= k.E_DATA
        self._begin("propose_conf_change", change)
        done = False
        try:
            reason = vet_change(change) if change is not None else None
            if reason is not None:
                raise ConfChangeError(reason)
            self.raft.refused_reason = None
            self._propose_entry(e, False)
            done = True
        finally:
            self._end(done, None, _NO_CHANGE_PROPOSED)

    def propose_conf_change_checked(self, change: Any) -> str | None:
        """``propose_conf_change``, and why the change became an empty entry; None if it did not, or was forwarded."""
        self.propose_conf_change(change)
        return self.raft.refused_reason

    def _propose_entry(self, e: Entry, own: bool) -> None:
        immutable.freeze(e)
        r = self.raft
        if r.state == k.LEADER and r.trace_logger is None:
            # What stepping MsgProp does on a leader, without the message.
            r.propose_fresh([e])
        else:
            m = blank.message()
            m._type = k.PROP
            m._entries = [e]
            m._present = k.P_TYPE
            if own:
                m.from_ = r.id
                m._present |= k.P_FROM
            immutable.freeze(m)
            r.step(m)

    def step(self, m: Any) -> None:
        """Take in a message from a peer, or from a storage thread (etcd's ``Step``).

        Raises StepLocalMessage and StepPeerNotFound as etcd does, ProposalDropped for a refused proposal,
        MalformedMessage and Overloaded before anything changes, and LogLost, after which the node is dead. A message
        that comes from the network must be checked by ``refuse_from_network`` first, since this method takes responses
        of storage threads.
        """
        self.check_alive()
        instance(m, Message, "m")
        self._begin("step", m)
        done = False
        try:
            self._step(m)
            done = True
        finally:
            self._end(done, None, _NO_MESSAGE)

    def _step(self, m: Message) -> None:
        """What ``step`` does. LogLost and whatever is not one of _NO_MESSAGE has to kill the node."""
        sender = origins.allowed_sender(m._type, m.from_)
        if sender == k.ITSELF:
            raise StepLocalMessage()
        if sender == k.MEMBER and self.raft.tracker.find(m.from_) is None:
            raise StepPeerNotFound()
        vet(self.raft, m)
        self.raft.step(m)

    def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """``step`` each of a list of messages, in order, going on after those that are refused.

        Returns the place and the error of each refused message; what kills the node is raised, and the rest is lost.
        """
        refused: list[tuple[int, RaftError]] = []
        self._step_all(messages, refused)
        return refused

    def _step_all(self, messages: list[Message], refused: list[tuple[int, RaftError]] | None) -> None:
        """``step_many``; what is refused is added to ``refused``, if that is wanted."""
        self._look_over(messages)
        self._step_checked(messages, refused)

    def _look_over(self, messages: list[Message]) -> bool:
        """Refuse what is no Message; whether any is a snapshot or a read, for which a driver has rules of its own."""
        self.check_alive()
        special = False
        for each in messages:
            if type(each) is not Message:
                instance(each, Message, "m")
            m: Message = each
            if m._type == k.SNAP or m._type == k.READ_INDEX:
                special = True
        return special

    def _step_checked(self, messages: list[Message], refused: list[tuple[int, RaftError]] | None) -> None:
        if refused is None and self._observer is not None:
            refused = []
        self._begin("step_many", messages)
        place = 0
        while place < len(messages):
            # One handler for all messages up to the next refused one: entering it costs as much as some messages do.
            try:
                while place < len(messages):
                    m = messages[place]
                    place += 1
                    self._step(m)
            except BaseException as error:
                if not _leaves_alive(error, _NO_MESSAGE):
                    self._fail(error, ())
                    raise
                if refused is not None:
                    refused.append((place - 1, error))  # type: ignore[arg-type]
        self._end(True, refused, ())

    def read_index(self, rctx: Any) -> None:
        """Ask for a read state with the context ``rctx`` (etcd's ``ReadIndex``). It may be lost: ask again.

        Raises Overloaded if ``max_pending_reads`` wait already.
        """
        e = blank.entry()
        e.data = octets(rctx, "rctx")
        e._present = k.E_DATA
        immutable.freeze(e)
        m = blank.message()
        m._type = k.READ_INDEX
        m._entries = [e]
        m._present = k.P_TYPE
        self._take(m, "read_index", e.data)

    def transfer_leader(self, transferee: int) -> None:
        """Ask the leader to hand over to ``transferee`` (etcd's ``TransferLeader``)."""
        id = u64(transferee, "transferee")
        m = blank.message()
        m._type = k.TRANSFER_LEADER
        m.from_ = id
        m._present = k.P_TYPE | k.P_FROM
        self._take(m, "transfer_leader", id)

    def forget_leader(self) -> None:
        """Follow nobody from now on, so as to be free to vote (etcd's ``ForgetLeader``)."""
        m = blank.message()
        m._type = k.FORGET_LEADER
        m._present = k.P_TYPE
        self._take(m, "forget_leader", None)

    def report_unreachable(self, id: int) -> None:
        """The last message to the node ``id`` could not be sent (etcd's ``ReportUnreachable``)."""
        peer = u64(id, "id")
        m = blank.message()
        m._type = k.UNREACHABLE
        m.from_ = peer
        m._present = k.P_TYPE | k.P_FROM
        self._take(m, "report_unreachable", peer)

    def report_snapshot(self, id: int, status: Any) -> None:
        """What became of a snapshot that was sent to the node ``id``: a SnapshotStatus (etcd's ``ReportSnapshot``).

        A failure must be reported, or the peer is never sent anything again.
        """
        outcome = enums.SnapshotStatus(status)
        peer = u64(id, "id")
        m = blank.message()
        m._type = k.SNAP_STATUS
        m.from_ = peer
        m.reject = outcome == enums.SnapshotStatus.FAILURE
        m._present = k.P_TYPE | k.P_FROM | k.P_REJECT
        self._take(m, "report_snapshot", (peer, outcome))

    def _take(self, m: Message, call: str, given: Any) -> None:
        """Step a message that was made here, for a ``call`` with the argument ``given``."""
        immutable.freeze(m)
        self._begin(call, given)
        done = False
        try:
            self.raft.step(m)
            done = True
        finally:
            self._end(done, None, _NO_REQUEST)

    # -- output --------------------------------------------------------------------------------------------------

    def has_ready(self) -> bool:
        """Whether ``ready`` has anything (etcd's ``HasReady``)."""
        return self.pending_work() != k.NOTHING

    def pending_work(self) -> int:
        """What a Ready would hold now: 0 for nothing, 1 for messages alone, with nothing to advance, 2 for more."""
        if self._died_of is not None:
            raise Stopped(self._died_of)
        r = self.raft
        log = r.log
        unstable = log.unstable
        committed = log.committed
        box = r.outbox
        # Written out, not called: every visit of a node comes here, in the pure build too.
        hard = r.term != self._prev_term or r.vote != self._prev_vote or committed != self._prev_commit
        if (
            (hard and (r.term != 0 or r.vote != 0 or committed != 0))
            or unstable.has_next_entries()
            or (log.applying < committed and log.has_next_committed(not self._async))
            or r.lead != self._prev_lead
            or r.state != self._prev_state
            or (unstable.snapshot is not None and not unstable.snapshot_in_progress)
            or box._read_states is not None
        ):
            return k.MORE
        if not box._msgs and not box._msgs_after_append:
            return k.NOTHING
        if (
            self._async
            or self._waiting
            or hard
            or unstable.count > 0
            or unstable.snapshot is not None
            or r.trace_logger is not None
            or box.has_own
            or self._observer is not None
        ):
            return k.MORE
        return k.MESSAGES

    def ready(self) -> Ready:
        """Take what there is; it must be handled (etcd's ``Ready``). InvariantError if the last one is not advanced."""
        self._begin("ready", None)
        done, rd = False, None
        try:
            rd = self._make_ready(False)
            self._accept(rd)
            done = True
        finally:
            self._end(done, rd, ())
        return rd

    def poll(self) -> Ready | None:
        """``ready`` if there is anything, else None, in one call."""
        return self.ready() if self.has_ready() else None

    def take_messages(self) -> list[Message] | None:
        """``ready`` and ``advance`` in one if there are only messages to send: those messages. None for nothing.

        An empty list if there is more, which only ``ready`` gives. Most Readys of a group that is idle, or that reads,
        are nothing but messages: heartbeats and answers.
        """
        what = self.pending_work()
        if what == k.MESSAGES:
            return self.raft.outbox.take_messages()
        return None if what == k.NOTHING else []

    def ready_without_accept(self) -> Ready:
        """What ``ready`` would take now (etcd's ``readyWithoutAccept``)."""
        self._begin("ready_without_accept", None)
        done, rd = False, None
        try:
            rd = self._make_ready(True)
            done = True
        finally:
            self._end(done, rd, ())
        return rd

    def accept_ready(self, rd: Ready) -> None:
        """Count ``rd`` as taken (etcd's ``acceptReady``); nothing may have happened since it was made."""
        self.check_alive()
        instance(rd, Ready, "rd")
        self._begin("accept_ready", rd)
        done = False
        try:
            self._accept(rd)
            done = True
        finally:
            self._end(done, None, ())

    def advance(self, rd: Ready | None = None) -> None:
        """The last Ready is stored, sent and applied (etcd's ``Advance``); ``rd`` is not looked at.

        InvariantError with ``async_storage_writes``.
        """
        self._begin("advance", None)
        done = False
        try:
            self._advance()
            done = True
        finally:
            self._end(done, None, ())

    def _make_ready(self, keep: bool) -> Ready:
        """What there is; the node's own list of messages is handed over unless it must ``keep`` it."""
        r = self.raft
        log = r.log
        if r.append_due:
            r.send_due_appends()
        rd = fresh.ready()
        if log.unstable.has_next_entries():
            rd._entries = log.unstable.next_entries()
            rd.must_sync = True
        if log.applying < log.committed and log.has_next_committed(not self._async):
            rd._committed_entries = log.next_committed(not self._async)
        box = r.outbox
        if box._read_states is not None:
            rd._read_states = list(box._read_states) if keep else box._read_states
        rd._messages = box.messages(keep, not self._async)
        rd.snapshot = log.unstable.next_snapshot()
        if r.lead != self._prev_lead or r.state != self._prev_state:
            rd.soft_state = fresh.soft_state(r.lead, r.state)
        if r.term != self._prev_term or r.vote != self._prev_vote or log.committed != self._prev_commit:
            rd.hard_state = self._hard_state()
            if r.vote != self._prev_vote or r.term != self._prev_term:
                rd.must_sync = True
        if self._async:
            self._add_storage_messages(rd)
        immutable.freeze(rd)
        return rd

    def _hard_state(self) -> HardState:
        h = blank.hard_state()
        h.term = self.raft.term
        h.vote = self.raft.vote
        h.commit = self.raft.log.committed
        h._present = k.H_ALL
        immutable.freeze(h)
        return h

    def _add_storage_messages(self, rd: Ready) -> None:
        answers = self.raft.outbox._msgs_after_append
        messages = rd.messages
        if rd._entries is not None or rd.hard_state is not None or rd.snapshot is not None or answers:
            messages.append(self._storage_append(rd))
        if rd._committed_entries is not None:
            messages.append(self._storage_apply(rd._committed_entries))
        if len(messages) > 0:
            rd._messages = messages

    def _storage_append(self, rd: Ready) -> Message:
        """MsgStorageAppend: what to store, and what may be said once it is stored."""
        r = self.raft
        m = blank.message()
        m._type = k.STORAGE_APPEND
        m.to = k.LOCAL_APPEND_THREAD
        m.from_ = r.id
        m._entries = rd._entries
        m._present = k.P_ADDRESS
        if rd.hard_state is not None:
            m.term = r.term
            m.vote = r.vote
            m.commit = r.log.committed
            m._present |= k.P_TERM | k.P_VOTE | k.P_COMMIT
        if rd.snapshot is not None:
            m.snapshot = rd.snapshot
            m._present |= k.P_SNAPSHOT
        responses = list(r.outbox.msgs_after_append)
        if _needs_append_ack(r, rd):
            responses.append(self._storage_append_resp(rd.snapshot))
        m._responses = responses if len(responses) > 0 else None
        immutable.freeze(m)
        return m

    def _storage_append_resp(self, snapshot: Snapshot | None) -> Message:
        r = self.raft
        m = blank.message()
        m._type = k.STORAGE_APPEND_RESP
        m.to = r.id
        m.from_ = k.LOCAL_APPEND_THREAD
        m.term = r.term
        m._present = k.P_ADDRESS | k.P_TERM
        if r.log.unstable.count > 0:
            m.index = r.log.last_index()
            m.log_term = r.log.last_term()
            m._present |= k.P_INDEX | k.P_LOG_TERM
        if snapshot is not None:
            m.snapshot = snapshot
            m._present |= k.P_SNAPSHOT
        immutable.freeze(m)
        return m

    def _storage_apply(self, entries: list[Entry]) -> Message:
        """MsgStorageApply: what to apply. Committed entries are of no term."""
        resp = blank.message()
        resp._type = k.STORAGE_APPLY_RESP
        resp.to = self.raft.id
        resp.from_ = k.LOCAL_APPLY_THREAD
        resp._entries = entries
        resp._present = k.P_ADDRESS | k.P_TERM
        immutable.freeze(resp)
        m = blank.message()
        m._type = k.STORAGE_APPLY
        m.to = k.LOCAL_APPLY_THREAD
        m.from_ = self.raft.id
        m._entries = entries
        m._responses = [resp]
        m._present = k.P_ADDRESS | k.P_TERM
        immutable.freeze(m)
        return m

    def _accept(self, rd: Ready) -> None:
        r = self.raft
        if rd.soft_state is not None:
            self._prev_lead = r.lead
            self._prev_state = r.state
        if rd.hard_state is not None and (r.term != 0 or r.vote != 0 or r.log.committed != 0):
            self._prev_term = r.term
            self._prev_vote = r.vote
            self._prev_commit = r.log.committed
        if not self._async:
            self._keep_for_advance(rd)
        r.outbox.taken()
        r.log.unstable.accept_in_progress()
        entries = rd._committed_entries
        if entries is not None:
            last = entries[len(entries) - 1]
            self._applying_size = entries_size(entries)
            r.log.accept_applying(last.index, self._applying_size, not self._async)
        if r.trace_logger is not None:
            trace.ready(r)

    def _keep_for_advance(self, rd: Ready) -> None:
        r = self.raft
        if self._waiting:
            r._log.fatal("two accepted Ready structs without call to Advance")
        self._own_messages = r.outbox._msgs_after_append if r.outbox.has_own else None
        self._acked_snapshot = rd.snapshot
        self._acks = _needs_append_ack(r, rd)
        if self._acks:
            self._acked_term = r.term
            self._acked_index = 0
            if r.log.unstable.count > 0:
                self._acked_index = r.log._last
                self._acked_log_term = r.log._last_term
        self._applying = rd._committed_entries
        self._waiting = self._acks or self._applying is not None or self._own_messages is not None

    def _advance(self) -> None:
        r = self.raft
        if self._async:
            r._log.fatal("Advance must not be called when using AsyncStorageWrites")
        if not self._waiting:
            return
        own = self._own_messages
        snapshot = self._acked_snapshot
        applying = self._applying
        self._waiting = False
        self._own_messages = None
        self._acked_snapshot = None
        self._applying = None
        if own is not None:
            for m in own:
                if m.to == r.id:
                    r.step(m)
        if self._acks:
            self._acks = False
            r.storage_append_resp(self._acked_term, self._acked_index, self._acked_log_term, snapshot)
        if applying is not None:
            r.storage_apply_resp(applying, self._applying_size)

    # -- membership and status -----------------------------------------------------------------------------------

    def bootstrap(self, peers: Any) -> None:
        """Begin a new group with these Peers, the same ones on each (etcd's ``Bootstrap``).

        The log begins with one committed change for each, which the application is handed like any other. Raises
        BootstrapError without peers, with one of id 0, or on a storage that is not empty.
        """
        self.check_alive()
        members = list(peers)
        for peer in members:
            u64(peer.id, "id")
            octets(peer.context, "context")
        self._begin("bootstrap", members)
        done = False
        try:
            self._bootstrap(members)
            done = True
        finally:
            self._end(done, None, _NO_START)

    def _bootstrap(self, peers: list[Any]) -> None:
        r = self.raft
        if len(peers) == 0:
            raise BootstrapError("must provide at least one peer to Bootstrap")
        if any(peer.id == 0 for peer in peers):
            raise BootstrapError("cannot use none as id")
        if r.log.last_index() != 0:
            raise BootstrapError("can't bootstrap a nonempty Storage")
        # The first Ready must hold the hard state, so that a restart finds the entries committed.
        self._prev_term = 0
        self._prev_vote = 0
        self._prev_commit = 0
        r.become_follower(1, 0)
        entries = []
        for i, peer in enumerate(peers):
            context = peer.context if peer.context else None
            change = ConfChange(type=enums.ConfChangeType.ADD_NODE, node_id=peer.id, context=context)
            entries.append(Entry(type=k.CONF_CHANGE, term=1, index=i + 1, data=change.encode()))
        r.log.append(entries)
        r.log.committed = len(entries)
        # In force at once, so that the node can campaign; they are applied again when they are handed out.
        for peer in peers:
            r.apply_conf_change(ConfChange(type=enums.ConfChangeType.ADD_NODE, node_id=peer.id).as_v2())

    def begin_empty(self) -> None:
        """Begin in term 1 without members, which a leader will tell of; only on a storage that holds nothing.

        BootstrapError if it holds something, or a term was seen.
        """
        r = self.raft
        self._begin("begin_empty", None)
        done = False
        try:
            if r.term != 0 or r.log.last_index() != 0:
                raise BootstrapError("can't bootstrap a nonempty Storage")
            r.become_follower(1, 0)
            done = True
        finally:
            self._end(done, None, _NO_START)

    def apply_conf_change(self, change: Any) -> ConfState:
        """Put a committed change in force; returns the members after it (etcd's ``ApplyConfChange``).

        Raises ConfChangeError, and nothing changes, if it is invalid; all nodes refuse alike, so the application treats
        the entry as empty.
        """
        self.check_alive()
        instance(change, (ConfChange, ConfChangeV2), "change")
        self._begin("apply_conf_change", change)
        done, members = False, None
        try:
            members = self.raft.apply_conf_change(change.as_v2())
            done = True
        finally:
            self._end(done, members, _NO_CHANGE)
        return members

    def status(self) -> Status:
        """An independent copy of the state; with the progress of all peers on a leader (etcd's ``Status``)."""
        self.check_alive()
        return Status.of(self.raft)

    def basic_status(self) -> BasicStatus:
        """The numbers of ``status`` without configuration and progress (etcd's ``BasicStatus``)."""
        self.check_alive()
        return BasicStatus.of(self.raft)

    def with_progress(self, visitor: Any) -> None:
        """Call ``visitor(id, type, progress)`` for each member by ascending id (etcd's ``WithProgress``).

        ``type`` is a ProgressType, ``progress`` a copy without its window.
        """
        self.check_alive()
        for pr in list(self.raft.tracker.peers()):
            kind = enums.ProgressType.LEARNER if pr.is_learner else enums.ProgressType.PEER
            visitor(pr.id, kind, pr.copy(None))

    def set_randomized_election_timeout(self, ticks: int) -> None:
        """Replace the timeout that was drawn, until it is drawn again: for tests that must not depend on chance."""
        self.check_alive()
        if ticks <= 0:
            raise ValueError("ticks must be greater than 0")
        self._begin("set_randomized_election_timeout", ticks)
        self.raft.randomized_election_timeout = ticks
        self._end(True, None, ())

    def offer_snapshots(self, offer: Any) -> None:
        """Ask ``offer()`` for each snapshot that a peer is sent, in place of the storage's ``snapshot``.

        For whoever can make a new one at that moment; it answers, and raises, as ``Storage.snapshot`` does. None for
        the storage's again. Raises TypeError for what cannot be called.
        """
        self.check_alive()
        if offer is not None and not callable(offer):
            raise TypeError(f"offer must be callable, not {type(offer).__name__}")
        if offer is not None and self._observer is not None:
            offer = self._observer.offering(self, offer)
        self.raft.log.offer = offer

    def fail(self, error: BaseException) -> None:
        """Die of an error outside: what a Ready holds could not be stored or applied.

        A node that went on could promise again what its storage has lost. Every later call raises Stopped with
        ``error`` as the cause. Nothing happens if the node is dead already.
        """
        if self._died_of is None:
            self._died_of = error
            self._watched = True
            if self._observer is not None:
                self._observer.failed(self, error)

    @property
    def failure(self) -> BaseException | None:
        """What the node died of, None while it lives."""
        return self._died_of

    # -- life ----------------------------------------------------------------------------------------------------

    def check_alive(self) -> None:
        """What every call begins with: Stopped if the node is dead, else nothing."""
        if self._died_of is not None:
            raise Stopped(self._died_of)

    def _begin(self, call: str, given: Any) -> None:
        """Begin a call that can change the state: what the logger said about its levels is forgotten."""
        if self._watched:
            self._begin_watched(call, given)
        self.raft._log._asked = 0

    def _begin_watched(self, call: str, given: Any) -> None:
        self.check_alive()
        if self._observer is not None:
            self._observer.began(call, given)

    def _end(self, done: bool, result: Any, refusals: Any) -> None:
        """End a call, by the error that goes on its way if it was not ``done``."""
        if self._watched or not done:
            self._end_watched(done, result, refusals)

    def _end_watched(self, done: bool, result: Any, refusals: Any) -> None:
        if not done:
            self._fail(exc_info()[1], refusals)
        elif self._observer is not None:
            self._observer.returned(self, result)

    def _fail(self, error: Any, refusals: Any) -> None:
        """End a call by an error. The node dies of it, since its state may be half changed, but not of ``refusals``."""
        alive = _leaves_alive(error, refusals)
        if not alive:
            self._died_of = error
            self._watched = True
        if self._observer is not None:
            self._observer.raised(self, error, not alive)


def _leaves_alive(error: BaseException, refusals: Any) -> bool:
    return isinstance(error, refusals) and not isinstance(error, LogLost)


def _needs_append_ack(r: Raft, rd: Ready) -> bool:
    # Also without new entries: an earlier acknowledgement of a lower term may have been ignored.
    return r.log.unstable.count > 0 or rd.snapshot is not None


immutable.final(RawNode)


keep_whole(RawNode)
