"""RawNode: the state machine behind the contract of Ready (etcd's ``RawNode``).

The contract, whenever ``has_ready`` is true:

1. Take a Ready: ``rd = node.ready()``. Change nothing in it.
2. Store ``rd.hard_state``, ``rd.entries`` and ``rd.snapshot``, and sync them if ``rd.must_sync``. The entries overwrite
   the storage from their first index on.
3. Then send ``rd.messages``. If they left earlier, a crash could undo what they promise, such as a vote. Report a peer
   that cannot be reached by ``report_unreachable``, and the outcome of every snapshot by ``report_snapshot``.
4. Apply ``rd.snapshot``, then ``rd.committed_entries`` in order. Pass configuration changes to ``apply_conf_change``.
5. Call ``node.advance()``. Only then take the next Ready.

With ``async_storage_writes``, messages to the storage threads ask for steps 2 and 4. When a thread has done its work,
deliver the ``responses`` of its message in order: step those to this node, and send the others. Step 5 does not exist,
and the next Ready may be taken at any time.

Calls must not overlap. InvariantError, LogLost, StorageFailed and any error that raftcy does not raise on purpose kill
the node, and every later call raises Stopped.
"""

from collections.abc import Callable, Iterable
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
from ..wire.checks import BytesLike, i32, instance, octets, u64
from ..wire.kinds import is_local_msg_target
from ..wire.messages import ConfState, Entry, HardState, Message, Snapshot
from ..wire.whole import has_one_owner, keep_whole
from . import fresh, trace
from .config import Config, Peer
from .entries import entries_size
from .observer import Observer
from .progress import Progress
from .raft import Raft
from .ready import Ready
from .status import BasicStatus, Status
from .vet import vet, vet_change

# The errors that each kind of call may raise without killing the node. LogLost, although a StepError, always kills it.
_NO_MESSAGE = (StepError, ProposalDropped)
_NO_REQUEST = (Overloaded, ProposalDropped)
_NO_PROPOSAL = (ProposalDropped,)
_NO_CHANGE_PROPOSED = (ConfChangeError, ProposalDropped)
_NO_CHANGE = (ConfChangeError,)
_NO_START = (BootstrapError,)


class RawNode:
    """One member of a group, without a clock, a network or a loop (etcd's ``RawNode``).

    The class cannot be subclassed. Set ``observer`` to see the calls.

    Raises ConfigError if the Config is invalid, InvariantError if the contents of the storage contradict each other,
    and StorageFailed if reading its log fails.
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
        "_ticks",
        "_waiting",
        "_watched",
        "raft",
    )
    raft: Raft

    def __init__(self, config: Config) -> None:
        instance(config, Config, "config")
        self._died_of: BaseException | None = None
        self._observer: Observer | None = None
        # Whether a call has to check the two fields above.
        self._watched = False
        # Ticks since it was made, by whatever way they came.
        self._ticks = 0
        self.raft = Raft(config)
        r = self.raft
        self._async = config.async_storage_writes
        self._prev_lead = r.lead
        self._prev_state = r.state
        self._prev_term = r.term
        self._prev_vote = r.vote
        self._prev_commit = r.log.committed
        # advance() delivers, in this order: the node's messages to itself, what was stored, what was applied.
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
        """Why the last configuration change proposed here became an empty entry, or None if it did not."""
        return self.raft.refused_reason

    @property
    def observer(self) -> Observer | None:
        """The Observer of this node, or None. Setting anything else raises TypeError."""
        return self._observer

    @observer.setter
    def observer(self, observer: Observer | None) -> None:
        self._observer = None if observer is None else instance(observer, Observer, "observer")
        self._watched = observer is not None or self._died_of is not None

    # -- input ---------------------------------------------------------------------------------------------------

    # Each call that can change the state takes the same steps: check the arguments, ``_begin``, work, ``_end``. The
    # last is in a ``finally``: in the compiled build an ``except`` would save the current exception at each call.

    def tick(self) -> None:
        """Advance the node's clock by one tick (etcd's ``Tick``). Elections and heartbeats depend on it."""
        self._begin("tick", None)
        self._ticks += 1
        done = False
        try:
            self.raft.tick()
            done = True
        finally:
            self._end(done, None, ())

    def tick_quiesced(self) -> None:
        """Advance the clock by one tick without campaigning or sending (etcd's ``TickQuiesced``, deprecated there)."""
        self._begin("tick_quiesced", None)
        self.raft.election_elapsed += 1
        self._end(True, None, ())

    def campaign(self) -> None:
        """Start an election, unless this node leads already or may not campaign (etcd's ``Campaign``)."""
        m = blank.message()
        m._type = k.HUP
        m._present = k.P_TYPE
        self._take(m, "campaign", None)

    def propose(self, data: BytesLike | None) -> None:
        """Propose to append ``data`` to the log (etcd's ``Propose``). None proposes an entry without data.

        Raises ProposalDropped if the proposal is refused and certainly not in the log. A proposal that is not refused
        may still be lost, on its way to the leader or with the leader.
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

    def propose_conf_change(self, change: ConfChange | ConfChangeV2 | None) -> None:
        """Propose a ConfChange or a ConfChangeV2; None leaves a joint configuration (etcd's ``ProposeConfChange``).

        Raises ProposalDropped, and ConfChangeError for an unknown type or transition or too many changes. A leader
        replaces a change that is not allowed now by an empty entry, as etcd's raft does, without an error here: see
        ``propose_conf_change_checked``.
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

    def propose_conf_change_checked(self, change: ConfChange | ConfChangeV2 | None) -> str | None:
        """Do ``propose_conf_change``, and return why the change became an empty entry.

        Returns None if it did not, and also on a follower, which only forwards the change.
        """
        self.propose_conf_change(change)
        return self.raft.refused_reason

    def _propose_entry(self, e: Entry, own: bool) -> None:
        immutable.freeze(e)
        r = self.raft
        if r.state == k.LEADER and r.trace_logger is None:
            # Do what stepping a MsgProp does on a leader, without creating the message.
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

    def step(self, m: Message) -> None:
        """Process a message from a peer or from a storage thread (etcd's ``Step``).

        Check a message from the network with ``refuse_from_network`` first. This method accepts responses of storage
        threads, so a peer could acknowledge entries that this node has not stored.

        Raises StepLocalMessage for a message that only the node sends to itself, StepPeerNotFound for a response from a
        node outside the configuration, ProposalDropped for a refused proposal, and MalformedMessage and Overloaded,
        before anything changes. Raises LogLost if a leader commits entries that this node has lost; the node is then
        dead.
        """
        self.check_alive()
        instance(m, Message, "m")
        _check_entries(m)
        self._begin("step", m)
        done = False
        try:
            self._step(m)
            done = True
        finally:
            self._end(done, None, _NO_MESSAGE)

    def _step(self, m: Message) -> None:
        """Do ``step``. The caller must let LogLost, and any error outside _NO_MESSAGE, kill the node."""
        sender = origins.allowed_sender(m._type, m.from_)
        if sender == k.ITSELF:
            raise StepLocalMessage()
        if sender == k.MEMBER and self.raft.tracker.find(m.from_) is None:
            raise StepPeerNotFound()
        vet(self.raft, m)
        self.raft.step(m)

    def step_many(self, messages: Iterable[Message]) -> list[tuple[int, RaftError]]:
        """Step messages in order, and continue after a refused one.

        Returns the place and the error of each refused message. Raises an error that kills the node, without stepping
        the rest.
        """
        batch = messages if type(messages) is list else list(messages)
        self._look_over(batch)
        refused = self._step_checked(batch)
        return [] if refused is None else refused

    def _look_over(self, messages: list[Message]) -> bool:
        """Check the types. Return whether a message is a snapshot or a read, to which a driver applies ``guards``."""
        if self._died_of is not None:
            raise Stopped(self._died_of)
        if type(messages) is not list:
            raise TypeError(f"messages must be a list, not {type(messages).__name__}")
        special = False
        for each in messages:
            if type(each) is not Message:
                instance(each, Message, "m")
            if _is_special(each):
                special = True
        return special

    def _step_checked(self, messages: list[Message]) -> list[tuple[int, RaftError]] | None:
        """Step messages that ``_look_over`` has seen. Return the refused ones, None instead of an empty list."""
        refused: list[tuple[int, RaftError]] | None = None
        self._begin("step_many", messages)
        place = 0
        while place < len(messages):
            # One ``try`` covers all messages up to the next refused one, because entering it can cost as much as a
            # message.
            try:
                while place < len(messages):
                    m = messages[place]
                    place += 1
                    self._step(m)
            except BaseException as error:
                if not _leaves_alive(error, _NO_MESSAGE):
                    self._fail(error, ())
                    raise
                if refused is None:
                    refused = []
                refused.append((place - 1, error))  # type: ignore[arg-type]
        if refused is None and self._observer is not None:
            refused = []
        self._end(True, refused, ())
        return refused

    def read_index(self, rctx: BytesLike) -> None:
        """Request a read state with the context ``rctx`` (etcd's ``ReadIndex``, thesis 6.4).

        The answer is a ReadState in a later Ready. Without a leader, or if the leader changes, none comes: ask again
        after a timeout, with a new context. **A context must be unique, even across restarts**: the late answer to an
        earlier read with the same context would pass for the answer to this one, which could then miss writes.

        Raises Overloaded if ``max_pending_reads`` reads wait already.
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
        """Ask the leader to transfer its leadership to ``transferee`` (etcd's ``TransferLeader``). It may fail."""
        id = u64(transferee, "transferee")
        m = blank.message()
        m._type = k.TRANSFER_LEADER
        m.from_ = id
        m._present = k.P_TYPE | k.P_FROM
        self._take(m, "transfer_leader", id)

    def forget_leader(self) -> None:
        """Make a follower forget its leader, so that it may vote at once (etcd's ``ForgetLeader``)."""
        m = blank.message()
        m._type = k.FORGET_LEADER
        m._present = k.P_TYPE
        self._take(m, "forget_leader", None)

    def report_unreachable(self, id: int) -> None:
        """Report that the last message to node ``id`` could not be sent (etcd's ``ReportUnreachable``).

        The leader then probes that node instead of streaming entries to it.
        """
        peer = u64(id, "id")
        m = blank.message()
        m._type = k.UNREACHABLE
        m.from_ = peer
        m._present = k.P_TYPE | k.P_FROM
        self._take(m, "report_unreachable", peer)

    def report_snapshot(self, id: int, status: enums.SnapshotStatus) -> None:
        """Report the outcome of a snapshot that was sent to node ``id``, a SnapshotStatus (etcd's ``ReportSnapshot``).

        Report every failure: until then the leader sends that node no entries, so it would stay behind.
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
        """Step a message that the method ``call`` made from its argument ``given``."""
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
        """Whether there is a Ready to take (etcd's ``HasReady``)."""
        return self.pending_work() != k.NOTHING

    def pending_work(self) -> int:
        """Return what a Ready would hold: 0 for nothing, 1 for only messages with nothing to advance, 2 for more."""
        if self._died_of is not None:
            raise Stopped(self._died_of)
        r = self.raft
        log = r.log
        committed = log.committed
        # Written out instead of calling methods, since every visit of a node comes here, also in the pure build.
        hard = r.term != self._prev_term or r.vote != self._prev_vote or committed != self._prev_commit
        if (
            (hard and (r.term != 0 or r.vote != 0 or committed != 0))
            or log.unstable.has_next_entries()
            or (log.applying < committed and log.has_next_committed(not self._async))
            or r.lead != self._prev_lead
            or r.state != self._prev_state
            or (log.unstable.snapshot is not None and not log.unstable.snapshot_in_progress)
            or r.outbox._read_states is not None
        ):
            return k.MORE
        if not r.outbox._msgs and not r.outbox._msgs_after_append:
            return k.NOTHING
        if (
            self._async
            or self._waiting
            or hard
            or log.unstable.count > 0
            or log.unstable.snapshot is not None
            or r.trace_logger is not None
            or r.outbox.has_own
            or self._observer is not None
        ):
            return k.MORE
        return k.MESSAGES

    def ready(self) -> Ready:
        """Take a Ready, which must then be handled (etcd's ``Ready``).

        Raises InvariantError if the previous one still has to be advanced.
        """
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
        """Return ``ready()`` if ``has_ready()``, else None."""
        return self.ready() if self.has_ready() else None

    def take_messages(self) -> list[Message] | None:
        """Take the messages if there is nothing else to do, like ``ready`` and ``advance`` in one call.

        Returns None if there is nothing to do, and an empty list if there is more to do: then call ``ready``. Most
        Readys of a group that is idle or only reads hold nothing but heartbeats and their answers.
        """
        what = self.pending_work()
        if what == k.MESSAGES:
            return self.raft.outbox.take_messages()
        return None if what == k.NOTHING else []

    def ready_without_accept(self) -> Ready:
        """Return the Ready that ``ready`` would take, without taking it (etcd's ``readyWithoutAccept``)."""
        self._begin("ready_without_accept", None)
        done, rd = False, None
        try:
            rd = self._make_ready(True)
            done = True
        finally:
            self._end(done, rd, ())
        return rd

    def accept_ready(self, rd: Ready) -> None:
        """Take ``rd``, which ``ready_without_accept`` just returned (etcd's ``acceptReady``).

        No other call may come in between. Raises TypeError if ``rd`` is not a Ready.
        """
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
        """Report that the last Ready is stored, sent and applied (etcd's ``Advance``). ``rd`` is ignored.

        Raises InvariantError with ``async_storage_writes``, where the storage threads' responses replace this call.
        """
        self._begin("advance", None)
        done = False
        try:
            self._advance()
            done = True
        finally:
            self._end(done, None, ())

    def _make_ready(self, keep: bool) -> Ready:
        """Return a Ready. With ``keep`` it gets copies of the outbox's lists, otherwise maybe the lists themselves."""
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
        """Return the MsgStorageAppend that says what to store, with the responses to deliver afterwards."""
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
        """Return the MsgStorageApply that says what to apply. Its term is 0: entries stay committed in any term."""
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

    def bootstrap(self, peers: Iterable[Peer]) -> None:
        """Start a new group with these Peers, the same ones in the same order on each node (etcd's ``Bootstrap``).

        The log begins with one committed configuration change per peer, which the application applies like any other.
        If the nodes get different peers, their logs differ from the first entry on. Raises BootstrapError without
        peers, with a peer of id 0, or on a storage that is not empty.
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
        if any(is_local_msg_target(peer.id) for peer in peers):
            raise BootstrapError("cannot use local target as id")
        if r.log.last_index() != 0:
            raise BootstrapError("can't bootstrap a nonempty Storage")
        # The first Ready must contain the hard state, so that a restart finds the entries committed.
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
        # Put the peers in force at once, so that the node can campaign. Applying the entries again changes nothing.
        for peer in peers:
            r.apply_conf_change(ConfChange(type=enums.ConfChangeType.ADD_NODE, node_id=peer.id).as_v2())

    def begin_empty(self) -> None:
        """Start in term 1 without members, until a leader sends the log or a snapshot with them.

        Raises BootstrapError if the storage is not empty or the node has seen a term.
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

    def apply_conf_change(self, change: ConfChange | ConfChangeV2) -> ConfState:
        """Apply a committed configuration change and return the new members (etcd's ``ApplyConfChange``).

        Raises ConfChangeError if the change is invalid in the current configuration, which then stays unchanged. Every
        node refuses the same change, so the application treats the entry as empty.
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
        """Return a copy of the state, on a leader with the progress of all members (etcd's ``Status``)."""
        self.check_alive()
        return Status.of(self.raft)

    def basic_status(self) -> BasicStatus:
        """Return a copy of the state without configuration and progress (etcd's ``BasicStatus``)."""
        self.check_alive()
        return BasicStatus.of(self.raft)

    def with_progress(self, visitor: Callable[[int, enums.ProgressType, Progress], None]) -> None:
        """Call ``visitor(id, type, progress)`` for each member by ascending id (etcd's ``WithProgress``).

        ``type`` is a ProgressType, and ``progress`` a copy without its window of inflight appends.
        """
        self.check_alive()
        for pr in list(self.raft.tracker.peers()):
            kind = enums.ProgressType.LEARNER if pr.is_learner else enums.ProgressType.PEER
            visitor(pr.id, kind, pr.copy(None))

    def set_randomized_election_timeout(self, ticks: int) -> None:
        """Set the election timeout, in ticks, until the node draws one again. For tests that must not be random.

        Raises ValueError if ``ticks`` is not positive.
        """
        self.check_alive()
        given = i32(ticks, "ticks")
        if given <= 0:
            raise ValueError("ticks must be greater than 0")
        self._begin("set_randomized_election_timeout", given)
        self.raft.randomized_election_timeout = given
        self._end(True, None, ())

    def offer_snapshots(self, offer: Callable[[int], Snapshot] | None) -> None:
        """Call ``offer(id)`` instead of the storage's ``snapshot`` whenever the node ``id`` needs a snapshot.

        ``offer`` can create a snapshot at that moment. It must return and raise the same as ``Storage.snapshot``. None
        goes back to the storage. Raises TypeError if ``offer`` is neither None nor callable.
        """
        self.check_alive()
        if offer is not None and not callable(offer):
            raise TypeError(f"offer must be callable, not {type(offer).__name__}")
        if offer is not None and self._observer is not None:
            offer = self._observer.offering(self, offer)
        self.raft.log.offer = offer

    def fail(self, error: BaseException) -> None:
        """Kill the node because the contents of a Ready could not be stored or applied.

        A node that continued could acknowledge entries that its storage has lost. Every later call raises Stopped with
        ``error`` as the cause. Does nothing if the node is dead already.
        """
        if self._died_of is None:
            self._died_of = error
            self._watched = True
            if self._observer is not None:
                self._observer.failed(self, error)

    @property
    def failure(self) -> BaseException | None:
        """The error that killed the node, or None while it lives."""
        return self._died_of

    # -- life ----------------------------------------------------------------------------------------------------

    def check_alive(self) -> None:
        """Raise Stopped if the node is dead."""
        if self._died_of is not None:
            raise Stopped(self._died_of)

    def _begin(self, call: str, given: Any) -> None:
        """Begin a call that can change the state. The logger is asked for its levels again."""
        if self._watched:
            self._begin_watched(call, given)
        self.raft._log._asked = 0

    def _begin_watched(self, call: str, given: Any) -> None:
        self.check_alive()
        if self._observer is not None:
            self._observer.began(call, given)

    def _end(self, done: bool, result: Any, refusals: Any) -> None:
        """End a call. If it is not ``done``, the exception that is being raised ends it."""
        if self._watched or not done:
            self._end_watched(done, result, refusals)

    def _end_watched(self, done: bool, result: Any, refusals: Any) -> None:
        if not done:
            self._fail(exc_info()[1], refusals)
        elif self._observer is not None:
            self._observer.returned(self, result)

    def _fail(self, error: Any, refusals: Any) -> None:
        """End a call by an error. The node dies, as its state may be half changed, unless it is among ``refusals``."""
        alive = _leaves_alive(error, refusals)
        if not alive:
            self._died_of = error
            self._watched = True
        if self._observer is not None:
            self._observer.raised(self, error, not alive)


def _check_entries(m: Message) -> None:
    """Raise TypeError if the list of a message's entries was changed, and has something else in it."""
    if m._entries is not None:
        for e in m._entries:
            if type(e) is not Entry:
                instance(e, Entry, "an item of entries")


def _is_special(m: Message) -> bool:
    """Check the entries. Return whether the message is a snapshot or a read."""
    if m._entries is not None:
        _check_entries(m)
    return m._type == k.SNAP or m._type == k.READ_INDEX


def _leaves_alive(error: BaseException, refusals: Any) -> bool:
    return isinstance(error, refusals) and not isinstance(error, LogLost)


def _needs_append_ack(r: Raft, rd: Ready) -> bool:
    # Needed even without new entries, because an earlier acknowledgement from a lower term may have been ignored.
    return r.log.unstable.count > 0 or rd.snapshot is not None


immutable.final(RawNode)


keep_whole(RawNode)
has_one_owner(RawNode)
