"""The state machine: roles, elections, replication, reads, membership (etcd's ``raft``; paper and thesis by section).

Every change of a node's role, term, vote and commit index is in this file.

Roles, and the events that move a node between them::

    follower ──election timeout──> pre-candidate (pre_vote) ──quorum grants──> candidate ──quorum grants──> leader
        ^                               │                                          │                          │
        └── a higher term, a leader of this term, a lost vote, no active quorum, removal ────────────────────┘

Rules:

1.  ``term`` never falls, and ``vote`` changes at most once within a term (5.2). Messages that rest on either wait in
    the outbox's ``msgs_after_append`` until both are stored. A node that sent its vote first and then crashed could
    vote again in the same term, for another candidate.
2.  A message of a higher term makes the node a follower in that term: of the sender, if only a leader sends such a
    message, else of nobody. Two exceptions (thesis 4.2.3, 9.6): a pre-vote request, and an answer that grants one,
    carry a term that nobody is in yet; and with ``check_quorum``, a node that has heard from a leader within the
    election timeout ignores requests for votes, unless that leader is transferring its leadership. Otherwise a node
    that was cut off or removed could depose a healthy leader.
3.  A message of a lower term is ignored, unless its sender would be stuck without an answer.
4.  A node votes only for a log at least as up to date as its own (5.4.1). Learners vote too: the candidate may have
    applied a change that makes them voters before they have seen it, and might lack a quorum without them.
5.  A leader appends an empty entry of its term when it is elected, and counts acknowledgements only for entries of its
    term (5.4.2). Another leader could still overwrite an older entry, even one that a majority has.
6.  A leader acknowledges its own entries by a message to itself, delivered once they are stored. Otherwise it would
    count entries that a crash can lose.
7.  Peers are visited by ascending id, so equal runs send equal messages in the same order.
8.  At most one configuration change is unapplied: ``pending_conf_index`` is the index of the newest one that may be. A
    proposal of another becomes an empty entry, unless the Config disables this check. A node does not campaign while a
    committed change is unapplied, since it could count votes by a configuration that the others have left already.
9.  In a joint configuration with auto-leave, the leader proposes to leave it as soon as it has applied the change that
    entered it.
10. A read is answered once a quorum has confirmed, after the request came, that the leader still leads; or at once, if
    reads rest on the lease or the leader is the only voter (thesis 6.4). Until a leader of several voters has committed
    an entry of its term, reads wait, because its commit index may be behind the previous leader's.
11. At most ``max_uncommitted_size`` bytes of payload that a leader has appended may be unapplied. While nothing is
    pending a payload of any size passes, since a large one could otherwise never pass. An empty payload always passes:
    raft itself appends empty entries.
12. With ``batch_append``, appends of entries proposed between two Readys are sent when the second Ready is made.

Messages may be lost, repeated and reordered: no rule relies on delivery or order, and a repeated message is not counted
twice. ``vet`` refuses malformed input before it gets here. Whatever still breaks a rule raises InvariantError.
"""

from typing import Any

from .._random import uses_default_randrange
from ..errors import (
    Compacted,
    ConfChangeError,
    ConfigError,
    InvariantError,
    ProposalDropped,
    RangeError,
    SnapshotTemporarilyUnavailable,
)
from ..wire import blank, enums, immutable
from ..wire import consts as k
from ..wire.changes import ConfChange, ConfChangeV2, decode_change
from ..wire.checks import u64
from ..wire.messages import ConfState, Entry, HardState, Message, Snapshot
from ..wire.whole import has_one_owner, keep_whole
from . import hints, trace
from .acks import read_number
from .confchange import Changer, restore
from .config import Config
from .describe import describe_conf_change
from .entries import entries_size, payloads_size
from .hardstate import is_empty_hard_state
from .log import RaftLog
from .logger import Log
from .outbox import Outbox
from .progress import Progress
from .readonly import ReadOnly
from .tracker import ProgressTracker

_NAMES: dict[int, str] = {int(t): str(t) for t in enums.MessageType}
_STATE_NAMES: dict[int, str] = {int(s): str(s) for s in enums.StateType}
_TRANSFER_CONTEXT = b"CampaignTransfer"
_NO_ENTRIES: list[Entry] = []  # read only


class Raft:
    """The state machine of one node: takes messages and ticks, and puts messages and read states into ``outbox``."""

    __slots__ = (
        "_log",
        "_plain_random",
        "_random",
        "append_due",
        "batch_append",
        "check_quorum",
        "disable_conf_change_validation",
        "disable_proposal_forwarding",
        "election_elapsed",
        "election_timeout",
        "heartbeat_elapsed",
        "heartbeat_timeout",
        "id",
        "is_learner",
        "lead",
        "lead_transferee",
        "log",
        "max_msg_size",
        "max_pending_msgs",
        "max_uncommitted_size",
        "outbox",
        "pending_conf_index",
        "pre_vote",
        "randomized_election_timeout",
        "read_only",
        "refused_reason",
        "state",
        "step_down_on_removal",
        "term",
        "trace_logger",
        "tracker",
        "uncommitted_size",
        "vote",
    )

    def __init__(self, config: Config) -> None:
        c = config.validated()
        self._log = Log(c.logger)
        self._random: Any = c.random
        self._plain_random = uses_default_randrange(c.random)
        self.id = c.id
        self.term = 0
        self.vote = 0
        self.lead = 0
        self.lead_transferee = 0
        self.state = k.FOLLOWER
        self.is_learner = False
        self.max_msg_size = c.max_size_per_msg
        self.max_uncommitted_size = c.max_uncommitted_entries_size
        self.max_pending_msgs = c.max_pending_msgs
        self.uncommitted_size = 0
        self.pending_conf_index = 0
        self.election_timeout = c.election_tick
        self.heartbeat_timeout = c.heartbeat_tick
        self.randomized_election_timeout = c.election_tick
        self.election_elapsed = 0
        self.heartbeat_elapsed = 0
        self.check_quorum = c.check_quorum
        self.pre_vote = c.pre_vote
        self.disable_proposal_forwarding = c.disable_proposal_forwarding
        self.disable_conf_change_validation = c.disable_conf_change_validation
        self.step_down_on_removal = c.step_down_on_removal
        self.batch_append = c.batch_append
        self.append_due = False
        self.trace_logger = c.trace_logger
        self.read_only = ReadOnly(int(c.read_only_option), c.max_pending_reads)
        self.outbox = Outbox()
        self.refused_reason: str | None = None
        self.log = RaftLog(c.storage, self._log, c.max_committed_size_per_ready)
        self.tracker = ProgressTracker(c.max_inflight_msgs, c.max_inflight_bytes)
        self._recover(c)

    def _recover(self, c: Config) -> None:
        """Take over the log, the hard state and the configuration that the storage holds."""
        hard_state, conf_state = self.log.initial_state()
        if self.trace_logger is not None:
            trace.init_state(self)
        last = self.log.last_index()
        last_term = self.log.last_term()
        try:
            members = restore(self.tracker, last, conf_state)
        except ConfChangeError as error:
            raise ConfigError(f"the storage's conf state is impossible: {error}") from error
        self._check_equivalent(conf_state, self.switch_to_config(members.config, members.progress))
        if hard_state is not None and not is_empty_hard_state(hard_state):
            self._load_state(hard_state)
        if c.applied > 0:
            self._take_applied(c.applied)
        self.become_follower(self.term, 0)
        if self._log.info_on():
            peers = ",".join([f"{id:x}" for id in self.tracker.voter_nodes()])
            self._log.info(
                f"newRaft {self.id:x} [peers: [{peers}], term: {self.term}, commit: {self.log.committed}, "
                f"applied: {self.log.applied}, lastindex: {last}, lastterm: {last_term}]"
            )

    def _take_applied(self, index: int) -> None:
        """Follow the log from what the application has applied on."""
        committed = self.log.committed
        try:
            self.log.applied_to(index, 0)
        except InvariantError as error:
            error.hinted(
                f"Config.applied is {index}, but the stored hard state commits only up to {committed}: a commit index "
                "alone is not synced, so a crash may take it back behind what the application has stored. Start with "
                f"applied={committed}, and skip the entries up to {index} when they are handed out again. "
                "raftcy.Driver does so by itself"
            )
            raise

    def _load_state(self, state: HardState) -> None:
        last = self.log.last_index()
        if state.commit < self.log.committed or state.commit > last:
            self._log.fatal(
                f"{self.id:x} state.commit {state.commit} is out of range [{self.log.committed}, {last}]",
                hints.NOT_STORED_AS_ONE,
            )
        self.log.committed = state.commit
        self.term = state.term
        self.vote = state.vote

    def _check_equivalent(self, given: ConfState, made: ConfState) -> None:
        if not given.equivalent(made):
            self._log.fatal(f"ConfStates not equivalent after sorting:\n{given}\n{made}")

    # -- sending -------------------------------------------------------------------------------------------------

    def _message(self, kind: int, to: int) -> Message:
        """Return an open message from this node, in its term."""
        m = blank.message()
        m._type = kind
        m.to = to
        m.from_ = self.id
        m.term = self.term
        m._present = k.P_ADDRESS | k.P_TERM
        return m

    def _send(self, m: Message) -> None:
        """Freeze a message and put it into the outbox. Answers to appends and vote requests wait for the storage."""
        immutable.freeze(m)
        kind = m._type
        if kind == k.APP_RESP or kind == k.VOTE_RESP or kind == k.PRE_VOTE_RESP:
            self.outbox._send_after_append(m)
        else:
            if m.to == self.id:
                self._log.fatal(f"message should not be self-addressed when sending {type_name(kind)}")
            self.outbox._send(m)
        if self.trace_logger is not None:
            trace.send_message(self, m)

    def _send_app_resp(self, to: int, index: int) -> None:
        m = self._message(k.APP_RESP, to)
        m.index = index
        m._present |= k.P_INDEX
        self._send(m)

    def _send_vote_resp(self, to: int, kind: int, term: int, reject: bool) -> None:
        if term == 0:
            self._log.fatal(f"term should be set when sending {type_name(kind)}")
        m = self._message(kind, to)
        m.term = term
        if reject:
            m.reject = True
            m._present |= k.P_REJECT
        self._send(m)

    def _forward(self, m: Message) -> None:
        """Forward a message to the leader. It keeps its sender, if it has one, so that the answer goes there."""
        if m.term != 0:
            self._log.fatal(f"term should not be set when sending {type_name(m._type)} (was {m.term})")
        f = self._message(m._type, self.lead)
        if m.from_ != 0:
            f.from_ = m.from_
        f.log_term = m.log_term
        f.index = m.index
        f._entries = m._entries
        f.commit = m.commit
        f.snapshot = m.snapshot
        f.reject = m.reject
        f.reject_hint = m.reject_hint
        f.context = m.context
        f.vote = m.vote
        f._responses = m._responses
        f._unknown = m._unknown
        f._present = m._present | k.P_ADDRESS
        if m._type == k.PROP or m._type == k.READ_INDEX:
            # The leader proposes and reads in its own term.
            f.term = 0
        else:
            f._present |= k.P_TERM
        self._send(f)

    def _maybe_send_append(self, pr: Progress, send_if_empty: bool, like: Message | None) -> Message | None:
        """Send a peer the next entries, or a snapshot if they are compacted. Return the message, or None if none went.

        ``like`` is an append to another peer, made from the same log. If both start at the same index, its term and
        entries are used again.
        """
        if pr.is_paused():
            return None
        log = self.log
        if pr.next == log._last + 1 and not send_if_empty:
            return None
        prev_index = pr.next - 1
        entries: list[Entry] | None = None
        if like is not None and like.index == prev_index:
            prev_term = like.log_term
            entries = like._entries
        else:
            prev_term = log.look_up(prev_index)
            if prev_term == k.NO_TERM:
                return self._maybe_send_snapshot(pr)
        count = 0
        # If the window is full, only an empty append may be sent, which still carries the commit index.
        if pr.next <= log._last and (pr._state != k.REPLICATE or not pr.inflights.full()):
            if entries is None:
                try:
                    entries = log.entries(pr.next, self.max_msg_size)
                except Compacted:
                    return self._maybe_send_snapshot(pr) if send_if_empty else None
            count = len(entries)
        if count == 0 and not send_if_empty:
            return None
        m = self._message(k.APP, pr.id)
        m.index = prev_index
        m.log_term = prev_term
        m._entries = entries if count != 0 else None
        m.commit = log.committed
        m._present |= k.P_INDEX | k.P_LOG_TERM | k.P_COMMIT
        self._send(m)
        pr.sent_entries(count, payloads_size(entries) if entries else 0)
        pr.sent_commit = log.committed
        return m

    def _maybe_send_snapshot(self, pr: Progress) -> Message | None:
        log = self._log
        to = pr.id
        if not pr.recent_active:
            if log.debug_on():
                log.debug(f"ignore sending snapshot to {to:x} since it is not recently active")
            return None
        try:
            snapshot = self.log.snapshot(to)
        except SnapshotTemporarilyUnavailable:
            if log.debug_on():
                log.debug(f"{self.id:x} failed to send snapshot to {to:x} because snapshot is temporarily unavailable")
            return None
        index = snapshot.metadata.index
        if index == 0:
            log.fatal("need non-empty snapshot")
        first = self.log.first_index()
        if log.debug_on():
            log.debug(
                f"{self.id:x} [firstindex: {first}, commit: {self.log.committed}] sent "
                f"snapshot[index: {index}, term: {snapshot.metadata.term}] to {to:x} [{pr}]"
            )
        pr.become_snapshot(index)
        if log.debug_on():
            log.debug(f"{self.id:x} paused sending replication messages to {to:x} [{pr}]")
        m = self._message(k.SNAP, to)
        m.snapshot = snapshot
        m._present |= k.P_SNAPSHOT
        self._send(m)
        return m

    def _bcast_append(self) -> None:
        like: Message | None = None
        for pr in self.tracker.peers():
            if pr.id != self.id:
                like = _furthest(like, self._maybe_send_append(pr, True, like))

    def send_due_appends(self) -> None:
        """With ``batch_append``, send the entries that were proposed since the last Ready and are still unsent."""
        self.append_due = False
        last = self.log.last_index()
        like: Message | None = None
        for pr in self.tracker.peers():
            if pr.id != self.id and pr.next <= last:
                like = _furthest(like, self._maybe_send_append(pr, True, like))
                while self._maybe_send_append(pr, False, None) is not None:
                    pass

    def _bcast_heartbeat(self) -> None:
        context = self.read_only.heartbeat_ctx()
        for pr in self.tracker.peers():
            if pr.id != self.id:
                self._send_heartbeat(pr, context)

    def _send_heartbeat(self, pr: Progress, context: bytes | None) -> None:
        # The peer's log may differ from this one after ``match``, so a higher commit index could commit a wrong entry.
        commit = pr.match if pr.match < self.log.committed else self.log.committed
        m = self._message(k.HEARTBEAT, pr.id)
        m.commit = commit
        m._present |= k.P_COMMIT
        if context is not None:
            m.context = context
            m._present |= k.P_CONTEXT
        self._send(m)
        pr.sent_commit = commit

    def _send_timeout_now(self, to: int) -> None:
        self._send(self._message(k.TIMEOUT_NOW, to))

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Advance the clock by one tick: campaign, send heartbeats or check the quorum when due."""
        if self.state == k.LEADER:
            self._tick_heartbeat()
        else:
            self._tick_election()

    def _tick_election(self) -> None:
        self.election_elapsed += 1
        if self.promotable() and self.past_election_timeout():
            self.election_elapsed = 0
            self._campaign_or_pre_campaign()

    def _tick_heartbeat(self) -> None:
        self.heartbeat_elapsed += 1
        self.election_elapsed += 1
        if self.election_elapsed >= self.election_timeout:
            self.election_elapsed = 0
            if self.check_quorum:
                self._check_quorum_active()
            # A transfer that did not succeed within an election timeout has failed; accept proposals again.
            if self.state == k.LEADER:
                self.lead_transferee = 0
        if self.state == k.LEADER and self.heartbeat_elapsed >= self.heartbeat_timeout:
            self.heartbeat_elapsed = 0
            self._bcast_heartbeat()

    def past_election_timeout(self) -> bool:
        """Whether the randomized election timeout has passed since the node last heard from a leader or voted."""
        return self.election_elapsed >= self.randomized_election_timeout

    # -- roles ---------------------------------------------------------------------------------------------------

    def reset(self, term: int) -> None:
        """Enter a term and clear the state of the old role, whenever either changes. A new term frees the vote."""
        if self.term != term:
            self.term = term
            self.vote = 0
        self.lead = 0
        self.election_elapsed = 0
        self.heartbeat_elapsed = 0
        self._draw_timeout()
        self.lead_transferee = 0
        tracker = self.tracker
        tracker.reset_votes()
        last = self.log.last_index()
        for pr in tracker.peers():
            pr.restart(last if pr.id == self.id else 0, last + 1)
        self.pending_conf_index = 0
        self.uncommitted_size = 0
        self.append_due = False
        self.read_only.reset()

    def _draw_timeout(self) -> None:
        n = self.election_timeout
        if not self._plain_random or n <= 0:
            answer = u64(self._random.randrange(n), "randrange()")
            if answer >= n:
                raise RangeError(f"randrange({n}) of Config.random gave {answer}")
            self.randomized_election_timeout = n + answer
        else:
            # Draw as randrange(n) does and get the same number; its Python code would cost ten times as much.
            bits = 0
            while n >> bits > 0:
                bits += 1
            drawn = self._random.getrandbits(bits)
            while drawn >= n:
                drawn = self._random.getrandbits(bits)
            self.randomized_election_timeout = n + drawn

    def become_follower(self, term: int, lead: int) -> None:
        """Become a follower of ``lead`` in ``term``; 0 if no leader is known."""
        self.reset(term)
        self.lead = lead
        self.state = k.FOLLOWER
        if self._log.info_on():
            self._log.info(f"{self.id:x} became follower at term {self.term}")
        if self.trace_logger is not None:
            trace.become_follower(self)

    def become_candidate(self) -> None:
        """Start a new term and vote for this node."""
        if self.state == k.LEADER:
            self._log.fatal("invalid transition [leader -> candidate]")
        self.reset(self.term + 1)
        self.vote = self.id
        self.state = k.CANDIDATE
        if self._log.info_on():
            self._log.info(f"{self.id:x} became candidate at term {self.term}")
        if self.trace_logger is not None:
            trace.become_candidate(self)

    def become_pre_candidate(self) -> None:
        """Prepare to ask whether an election could be won, without changing term or vote (thesis 9.6)."""
        if self.state == k.LEADER:
            self._log.fatal("invalid transition [leader -> pre-candidate]")
        self.tracker.reset_votes()
        self.lead = 0
        self.state = k.PRE_CANDIDATE
        if self._log.info_on():
            self._log.info(f"{self.id:x} became pre-candidate at term {self.term}")

    def become_leader(self) -> None:
        """Become the leader of the current term and append an empty entry."""
        if self.state == k.FOLLOWER:
            self._log.fatal("invalid transition [follower -> leader]")
        pr = self.tracker.find(self.id)
        if pr is None:
            self._log.fatal(f"{self.id:x} was elected but is not a member of {self.tracker.config}")
        self.reset(self.term)
        self.lead = self.id
        self.state = k.LEADER
        pr.become_replicate()
        pr.recent_active = True
        # Any entry up to here may be an unapplied change. Finding out would mean reading them all.
        self.pending_conf_index = self.log.last_index()
        if self.trace_logger is not None:
            trace.become_leader(self)
        empty = blank.entry()
        immutable.freeze(empty)
        if not self._append_entries([empty], True):
            self._log.fatal("empty entry was dropped")
        if self._log.info_on():
            self._log.info(f"{self.id:x} became leader at term {self.term}")

    def promotable(self) -> bool:
        """Whether this node may campaign: it is a voter, and no snapshot is waiting to be stored."""
        pr = self.tracker.find(self.id)
        return pr is not None and not pr.is_learner and self.log.unstable.snapshot is None

    # -- elections -----------------------------------------------------------------------------------------------

    def _campaign_or_pre_campaign(self) -> None:
        self._hup(k.PRE_ELECTION if self.pre_vote else k.ELECTION)

    def _hup(self, how: int) -> None:
        """Campaign, unless this node leads already, may not campaign, or has no term or index left to use."""
        log = self._log
        if self.state == k.LEADER:
            if log.debug_on():
                log.debug(f"{self.id:x} ignoring MsgHup because already leader")
            return
        if not self.promotable():
            if log.warning_on():
                log.warning(f"{self.id:x} is unpromotable and can not campaign")
            return
        if self.term >= k.NO_LIMIT - 1:
            # The next term would be 2**64-1 or wrap around, and ``vet`` refuses that term.
            if log.warning_on():
                log.warning(f"{self.id:x} cannot campaign at term {self.term} since terms are used up")
            return
        if not self._has_room(1):
            # A new leader appends an entry.
            if log.warning_on():
                log.warning(f"{self.id:x} cannot campaign at term {self.term} since indexes are used up")
            return
        if self._has_unapplied_change():
            if log.warning_on():
                log.warning(
                    f"{self.id:x} cannot campaign at term {self.term} since there are still pending "
                    "configuration changes to apply"
                )
            return
        if log.info_on():
            log.info(f"{self.id:x} is starting a new election at term {self.term}")
        self._campaign(how)

    def _has_unapplied_change(self) -> bool:
        log = self.log
        if log.applied >= log.committed:
            return False
        lo = log.applied + 1
        hi = log.committed + 1
        try:
            return log.has_unapplied_change(lo, hi, log.max_applying_size)
        except Compacted as error:
            self._log.fatal(f"error scanning unapplied entries [{lo}, {hi}): {error}")
            raise

    def _campaign(self, how: int) -> None:
        if how == k.PRE_ELECTION:
            self.become_pre_candidate()
            kind = k.PRE_VOTE
            term = self.term + 1
        else:
            self.become_candidate()
            kind = k.VOTE
            term = self.term
        last = self.log.last_index()
        last_term = self.log.last_term()
        for id in self.tracker.voter_nodes():
            if id == self.id:
                # This node's own vote counts once it is stored.
                self._send_vote_resp(id, _vote_resp(kind), term, False)
                continue
            if self._log.info_on():
                self._log.info(
                    f"{self.id:x} [logterm: {last_term}, index: {last}] sent {type_name(kind)} request "
                    f"to {id:x} at term {self.term}"
                )
            m = self._message(kind, id)
            m.term = term
            m.index = last
            m.log_term = last_term
            m._present |= k.P_INDEX | k.P_LOG_TERM
            if how == k.TRANSFER:
                m.context = _TRANSFER_CONTEXT
                m._present |= k.P_CONTEXT
            self._send(m)

    def _poll(self, id: int, kind: int, granted: bool) -> int:
        """Record a vote and return the VoteResult so far."""
        log = self._log
        if log.info_on():
            rejection = "" if granted else " rejection"
            log.info(f"{self.id:x} received {type_name(kind)}{rejection} from {id:x} at term {self.term}")
        self.tracker.record_vote(id, granted)
        if log.info_on():
            yes, no, _ = self.tracker.tally_votes()
            log.info(f"{self.id:x} has received {yes} {type_name(kind)} votes and {no} vote rejections")
        return self.tracker.vote_result()

    def _step_vote(self, m: Message) -> None:
        """Answer a request for a vote or a pre-vote."""
        kind = m._type
        reply = _vote_resp(kind)
        if self.can_vote(m) and self.log.is_up_to_date(m.index, m.log_term):
            if self._log.info_on():
                self._log.info(self._vote_text(m, "cast {} for"))
            # Answer in the term of the request: for a pre-vote, this node is not in it.
            self._send_vote_resp(m.from_, reply, m.term, False)
            if kind == k.VOTE:
                self.election_elapsed = 0
                self.vote = m.from_
        else:
            if self._log.info_on():
                self._log.info(self._vote_text(m, "rejected {} from"))
            self._send_vote_resp(m.from_, reply, self.term, True)

    def can_vote(self, m: Message) -> bool:
        """Whether this node could vote for the sender of a request, apart from how its log compares."""
        return (
            self.vote == m.from_
            or (self.vote == 0 and self.lead == 0)
            or (m._type == k.PRE_VOTE and m.term > self.term)
        )

    def _vote_text(self, m: Message, action: str) -> str:
        return (
            f"{self.id:x} [logterm: {self.log.last_term()}, index: {self.log.last_index()}, vote: {self.vote:x}] "
            f"{action.format(type_name(m._type))} {m.from_:x} [logterm: {m.log_term}, index: {m.index}] "
            f"at term {self.term}"
        )

    # -- stepping ------------------------------------------------------------------------------------------------

    def step(self, m: Message) -> None:
        """Process a message (etcd's ``Step``).

        Raises ProposalDropped where etcd returns ErrProposalDropped, and Overloaded if too many reads wait already.
        """
        if self.trace_logger is not None:
            trace.receive_message(self, m)
        term = m.term
        if term != 0 and term != self.term:
            if term < self.term:
                self._step_lower_term(m)
                return
            if self.ignores_within_lease(m):
                self._log_lease(m)
                return
            self._step_higher_term(m)
        kind = m._type
        if kind == k.VOTE or kind == k.PRE_VOTE:
            self._step_vote(m)
        elif kind == k.HUP:
            self._campaign_or_pre_campaign()
        elif kind == k.STORAGE_APPEND_RESP:
            self.storage_append_resp(0, m.index, m.log_term, m.snapshot)
        elif kind == k.STORAGE_APPLY_RESP:
            if m._entries is not None:
                self.storage_apply_resp(m._entries, entries_size(m._entries))
        elif self.state == k.LEADER:
            self._step_leader(m)
        elif self.state == k.FOLLOWER:
            self._step_follower(m)
        else:
            self._step_candidate(m)

    def ignores_within_lease(self, m: Message) -> bool:
        """Whether a request for a vote in a higher term is ignored because the leader is alive (thesis 4.2.3)."""
        if m._type != k.VOTE and m._type != k.PRE_VOTE:
            return False
        in_lease = self.check_quorum and self.lead != 0 and self.election_elapsed < self.election_timeout
        return in_lease and m.context != _TRANSFER_CONTEXT

    def _log_lease(self, m: Message) -> None:
        if self._log.info_on():
            left = self.election_timeout - self.election_elapsed
            text = self._vote_text(m, "ignored {} from")
            self._log.info(f"{text}: lease is not expired (remaining ticks: {left})")

    def _step_higher_term(self, m: Message) -> None:
        kind = m._type
        if kind == k.PRE_VOTE or (kind == k.PRE_VOTE_RESP and not m.reject):
            # These name a term that nobody is in yet. A refusal names the term of its sender.
            return
        if self._log.info_on():
            self._log.info(
                f"{self.id:x} [term: {self.term}] received a {type_name(kind)} message with higher term "
                f"from {m.from_:x} [term: {m.term}]"
            )
        from_leader = kind == k.APP or kind == k.HEARTBEAT or kind == k.SNAP
        self.become_follower(m.term, m.from_ if from_leader else 0)

    def _step_lower_term(self, m: Message) -> None:
        kind = m._type
        if (self.check_quorum or self.pre_vote) and (kind == k.HEARTBEAT or kind == k.APP):
            # The answer makes that leader step down. Without it this node would be stuck after a partition: it is in a
            # higher term, so it ignores the leader, and the others ignore or refuse its requests for votes.
            self._send(self._message(k.APP_RESP, m.from_))
        elif kind == k.PRE_VOTE:
            # Without an answer, a cluster that has just turned pre-vote on could deadlock: this node may have reached a
            # higher term as a candidate with a shorter log, and only its refusal brings the others to that term.
            if self._log.info_on():
                self._log.info(self._vote_text(m, "rejected {} from"))
            self._send_vote_resp(m.from_, k.PRE_VOTE_RESP, self.term, True)
        elif kind == k.STORAGE_APPEND_RESP:
            self.storage_append_resp(m.term, m.index, m.log_term, m.snapshot)
        elif self._log.info_on():
            self._log.info(
                f"{self.id:x} [term: {self.term}] ignored a {type_name(kind)} message with lower term "
                f"from {m.from_:x} [term: {m.term}]"
            )

    # -- acknowledgements from the storage -----------------------------------------------------------------------

    def storage_append_resp(self, term: int, index: int, log_term: int, snapshot: Snapshot | None = None) -> None:
        """Record that the storage has the entries up to (``index``, ``log_term``), and ``snapshot``.

        ``term`` is the term in which the write was requested, 0 for the current one; ``index`` 0 means no entries. An
        acknowledgement of entries from an older term is ignored. Suppose that entries were written, overwritten, and
        then written again as they were: the first acknowledgement matches them, although the third write may not be
        stored yet (ABA). A snapshot is committed state, so its acknowledgement counts in any term.
        """
        if index != 0:
            if term != 0 and term < self.term:
                if self._log.info_on():
                    self._log.info(
                        f"{self.id:x} [term: {self.term}] ignored entry appends from a MsgStorageAppendResp message "
                        f"with lower term [term: {term}]"
                    )
            else:
                self.log.unstable.stable_to(index, log_term)
        if snapshot is not None:
            stored = snapshot.metadata.index
            self.log.unstable.stable_snap_to(stored)
            self._applied_to(stored, 0)

    def storage_apply_resp(self, entries: list[Entry], size: int) -> None:
        """Record that the application has applied ``entries``, which are ``size`` bytes when encoded."""
        last = entries[len(entries) - 1]
        self._applied_to(last.index, size)
        if self.uncommitted_size > 0:
            payload = payloads_size(entries)
            self.uncommitted_size = self.uncommitted_size - payload if self.uncommitted_size > payload else 0

    def _applied_to(self, index: int, size: int) -> None:
        log = self.log
        new = index if index > log.applied else log.applied
        log.applied_to(new, size)
        config = self.tracker.config
        if config.auto_leave and new >= self.pending_conf_index and self.state == k.LEADER:
            self._leave_joint(config)

    def _leave_joint(self, config: Any) -> None:
        e = blank.entry()
        e._type = k.CONF_CHANGE_V2
        e._present = k.E_TYPE
        immutable.freeze(e)
        try:
            self.propose_fresh([e])
        except ProposalDropped as error:
            if self._log.debug_on():
                self._log.debug(f"not initiating automatic transition out of joint configuration {config}: {error}")
            return
        if self._log.info_on():
            self._log.info(f"initiating automatic transition out of joint configuration {config}")

    # -- the leader ----------------------------------------------------------------------------------------------

    def _step_leader(self, m: Message) -> None:
        kind = m._type
        if kind == k.PROP:
            self._propose(m._entries, False)
            return
        if kind == k.BEAT:
            self._bcast_heartbeat()
            return
        if kind == k.CHECK_QUORUM:
            self._check_quorum_active()
            return
        if kind == k.READ_INDEX:
            self._leader_read(m)
            return
        if kind == k.FORGET_LEADER:
            return
        pr = self.tracker.find(m.from_)
        if pr is None:
            if self._log.debug_on():
                self._log.debug(f"{self.id:x} no progress available for {m.from_:x}")
            return
        if kind == k.APP_RESP:
            pr.recent_active = True
            if m.reject:
                self._append_refused(m, pr)
            else:
                self._append_accepted(m, pr)
        elif kind == k.HEARTBEAT_RESP:
            self._heartbeat_answered(m, pr)
        elif kind == k.SNAP_STATUS:
            self._snapshot_reported(m, pr)
        elif kind == k.UNREACHABLE:
            # Appends on their way may be lost; a probe finds out where to resume.
            if pr._state == k.REPLICATE:
                pr.become_probe()
            if self._log.debug_on():
                self._log.debug(f"{self.id:x} failed to send message to {m.from_:x} because it is unreachable [{pr}]")
        elif kind == k.TRANSFER_LEADER:
            self._transfer_leader(m.from_, pr)

    def _check_quorum_active(self) -> None:
        """Step down unless a quorum has been heard from since the last check (thesis 6.2)."""
        if not self.tracker.quorum_active():
            if self._log.warning_on():
                self._log.warning(f"{self.id:x} stepped down to follower since quorum is not active")
            self.become_follower(self.term, 0)
        for pr in self.tracker.peers():
            if pr.id != self.id:
                pr.recent_active = False

    def propose_fresh(self, entries: list[Entry]) -> None:
        """Propose, on a leader, entries that no other code holds, in a list that no other code holds.

        The entries get their term and index in place, which saves a copy. Raises ProposalDropped.
        """
        self._propose(entries, True)

    def _propose(self, entries: Any, fresh: bool) -> None:
        """Append proposed entries to the log and send them to the peers. Raises ProposalDropped if that is refused."""
        if entries is None:
            self._log.fatal(f"{self.id:x} stepped empty MsgProp")
        if self.tracker.find(self.id) is None:
            raise ProposalDropped("this leader was removed from the configuration", hints.REMOVED)
        if self.lead_transferee != 0:
            if self._log.debug_on():
                self._log.debug(
                    f"{self.id:x} [term {self.term}] transfer leadership to {self.lead_transferee:x} "
                    "is in progress; dropping proposal"
                )
            raise ProposalDropped("leadership is being transferred", hints.TRANSFER)
        if not self._has_room(len(entries)):
            raise ProposalDropped("indexes are used up", hints.NO_ROOM)
        if not self._append_entries(self._admit_changes(entries), fresh):
            raise ProposalDropped("too much is uncommitted", hints.UNCOMMITTED)
        if self.batch_append:
            self.append_due = True
        else:
            self._bcast_append()

    def _admit_changes(self, entries: list[Entry]) -> list[Entry]:
        """Return the entries to append. A configuration change that may not be proposed now becomes an empty entry."""
        admitted = entries
        self.refused_reason = None
        for i, e in enumerate(entries):
            if e._type != k.CONF_CHANGE and e._type != k.CONF_CHANGE_V2:
                continue
            change = decode_change(e)
            reason = self._reason_against(change)
            if reason is not None and not self.disable_conf_change_validation:
                if self._log.info_on():
                    self._log.info(
                        f"{self.id:x} ignoring conf change {describe_conf_change(change)} "
                        f"at config {self.tracker.config}: {reason}"
                    )
                self.refused_reason = reason
                if admitted is entries:
                    admitted = list(entries)
                empty = blank.entry()
                empty._present = k.E_TYPE
                immutable.freeze(empty)
                admitted[i] = empty
            else:
                self.pending_conf_index = self.log.last_index() + i + 1
                if self.trace_logger is not None:
                    trace.change_conf(self, change)
        return admitted

    def _reason_against(self, change: ConfChange | ConfChangeV2) -> str | None:
        """Return why a change may not be proposed now, or None if it may. The texts are etcd's."""
        joint = len(self.tracker.config.voters.outgoing) > 0
        leaves = len(change.as_v2().changes) == 0
        if self.pending_conf_index > self.log.applied:
            return f"possible unapplied conf change at index {self.pending_conf_index} (applied to {self.log.applied})"
        if joint and not leaves:
            return "must transition out of joint config first"
        if not joint and leaves:
            return "not in joint state; refusing empty conf change"
        return None

    def _has_room(self, count: int) -> bool:
        """Whether ``count`` more entries get indexes that other nodes accept (``vet``)."""
        return self.log.last_index() < k.NO_LIMIT - 1 - count

    def _append_entries(self, entries: list[Entry], fresh: bool) -> bool:
        """Append entries, giving them term and index. Return False if they exceed the limit on uncommitted payload.

        The entries are copied unless they are ``fresh``, which means that no other code holds them or their list.
        """
        size = payloads_size(entries)
        if self.uncommitted_size > 0 and size > 0 and self.uncommitted_size + size > self.max_uncommitted_size:
            if self._log.warning_on():
                self._log.warning(
                    f"{self.id:x} appending new entries to log would exceed uncommitted entry size limit; "
                    "dropping proposal"
                )
            return False
        self.uncommitted_size += size
        index = self.log.last_index()
        if index >= k.NO_LIMIT - len(entries):
            self._log.fatal(f"{self.id:x} cannot append after index {index} since indexes are used up")
        placed = entries if fresh else [_unplaced(e) for e in entries]
        for p in placed:
            index += 1
            immutable.thaw(p)
            p.term = self.term
            p.index = index
            p._present |= k.E_TERM | k.E_INDEX
            immutable.freeze(p)
        if self.trace_logger is not None:
            trace.replicate(self, placed)
        self.log.append(placed, True)
        self._send_app_resp(self.id, index)
        return True

    def _maybe_commit(self) -> bool:
        raised = self.log.maybe_commit(self.tracker.committed(), self.term)
        if self.trace_logger is not None:
            trace.commit(self)
        return raised

    def _append_refused(self, m: Message, pr: Progress) -> None:
        log = self._log
        if log.debug_on():
            log.debug(
                f"{self.id:x} received MsgAppResp(rejected, hint: (index {m.reject_hint}, term {m.log_term})) "
                f"from {m.from_:x} for index {m.index}"
            )
        # The follower's log has log_term at reject_hint and no newer term before it, so the logs cannot agree on any
        # entry of a newer term. Skip those: with the follower doing the same, each term takes at most one probe.
        probe = m.reject_hint
        if m.log_term > 0:
            probe, _ = self.log.find_conflict_by_term(m.reject_hint, m.log_term)
        if pr.maybe_decr_to(m.index, probe):
            if log.debug_on():
                log.debug(f"{self.id:x} decreased progress of {m.from_:x} to [{pr}]")
            if pr._state == k.REPLICATE:
                pr.become_probe()
            self._maybe_send_append(pr, True, None)

    def _append_accepted(self, m: Message, pr: Progress) -> None:
        log = self.log
        # An old acknowledgement changes nothing, unless it confirms a probe, after which appends can be streamed.
        if not pr.maybe_update(m.index) and not (pr.match == m.index and pr._state == k.PROBE):
            return
        if pr._state == k.PROBE:
            pr.become_replicate()
        elif pr._state == k.SNAPSHOT:
            # It does not matter which snapshot the peer got, as long as this log continues from there.
            if pr.match + 1 >= log.first_index():
                if self._log.debug_on():
                    self._log.debug(
                        f"{self.id:x} recovered from needing snapshot, resumed sending replication messages "
                        f"to {m.from_:x} [{pr}]"
                    )
                pr.become_probe()
                pr.become_replicate()
        else:
            pr.inflights.free_le(m.index)
        # One more node that has a committed entry cannot raise the commit index, so do not compute it.
        if (pr.match > log.committed or self.trace_logger is not None) and self._maybe_commit():
            self._release_pending_reads()
            self._bcast_append()
        elif m.from_ != self.id and pr.can_bump_commit(log.committed):
            self._maybe_send_append(pr, True, None)
        if m.from_ == self.id:
            return
        # The window has room again, possibly for several messages.
        while self._maybe_send_append(pr, False, None) is not None:
            pass
        if m.from_ == self.lead_transferee and pr.match == log.last_index():
            if self._log.info_on():
                self._log.info(f"{self.id:x} sent MsgTimeoutNow to {m.from_:x} after received MsgAppResp")
            self._send_timeout_now(m.from_)

    def _heartbeat_answered(self, m: Message, pr: Progress) -> None:
        pr.recent_active = True
        pr.msg_app_flow_paused = False
        # The appends that fill the window may be lost. So even with a full window each answer to a heartbeat sends an
        # append; the answer to that one frees the window.
        if pr.match < self.log.last_index() or pr._state == k.PROBE:
            self._maybe_send_append(pr, True, None)
        read_only = self.read_only
        if len(m.context) == 0 or read_only.count == 0 or not read_only.safe():
            return
        read_only.recv_ack(m.from_, read_number(m.context))
        count = read_only.maybe_advance(self.tracker.config.voters)
        oldest = read_only._head
        for place in range(oldest, oldest + count):
            self._answer_read(read_only._waiting[place], read_only._indexes[place])
        read_only.drop(count)

    def _snapshot_reported(self, m: Message, pr: Progress) -> None:
        if pr._state != k.SNAPSHOT:
            return
        if m.reject:
            # The peer does not have the snapshot, so probing resumes after the last entry known to be there.
            pr.pending_snapshot = 0
        pr.become_probe()
        if self._log.debug_on():
            outcome = "failed" if m.reject else "succeeded"
            self._log.debug(
                f"{self.id:x} snapshot {outcome}, resumed sending replication messages to {m.from_:x} [{pr}]"
            )
        # After a success, wait for the peer's answer; after a failure, for the next answer to a heartbeat.
        pr.msg_app_flow_paused = True

    def _transfer_leader(self, transferee: int, pr: Progress) -> None:
        """Start a transfer of leadership (thesis 3.10): let the transferee campaign once its log is complete."""
        log = self._log
        if pr.is_learner:
            if log.debug_on():
                log.debug(f"{self.id:x} is learner. Ignored transferring leadership")
            return
        before = self.lead_transferee
        if before != 0:
            if before == transferee:
                if log.info_on():
                    log.info(
                        f"{self.id:x} [term {self.term}] transfer leadership to {transferee:x} is in progress, "
                        f"ignores request to same node {transferee:x}"
                    )
                return
            self.lead_transferee = 0
            if log.info_on():
                log.info(f"{self.id:x} [term {self.term}] abort previous transferring leadership to {before:x}")
        if transferee == self.id:
            if log.debug_on():
                log.debug(f"{self.id:x} is already leader. Ignored transferring leadership to self")
            return
        if log.info_on():
            log.info(f"{self.id:x} [term {self.term}] starts to transfer leadership to {transferee:x}")
        # The transfer should finish within one election timeout.
        self.election_elapsed = 0
        self.lead_transferee = transferee
        if pr.match == self.log.last_index():
            self._send_timeout_now(transferee)
            if log.info_on():
                log.info(
                    f"{self.id:x} sends MsgTimeoutNow to {transferee:x} immediately "
                    f"as {transferee:x} already has up-to-date log"
                )
        else:
            self._maybe_send_append(pr, True, None)

    # -- reads ---------------------------------------------------------------------------------------------------

    def _leader_read(self, m: Message) -> None:
        if self.tracker.is_singleton():
            self._answer_read(m, self.log.committed)
        elif not self._committed_in_term():
            # Until this leader commits an entry of its term, its commit index may be behind the previous leader's, and
            # the read could miss a write that a client has been told is committed.
            self.read_only.check_room()
            self.read_only.put_off(m)
        else:
            self.read_only.check_room()
            self._begin_read(m)

    def _begin_read(self, m: Message) -> None:
        read_only = self.read_only
        if read_only.safe():
            read_only.add_request(self.log.committed, m)
            read_only.recv_ack(self.id, read_only.last_number())
            self._bcast_heartbeat()
        else:
            self._answer_read(m, self.log.committed)

    def _answer_read(self, request: Message, index: int) -> None:
        if request.from_ == 0 or request.from_ == self.id:
            e = request.entries[0]
            self.outbox.add_read_state(index, e.data)
            return
        m = self._message(k.READ_INDEX_RESP, request.from_)
        m.index = index
        m._entries = request._entries
        m._present |= k.P_INDEX
        self._send(m)

    def _release_pending_reads(self) -> None:
        if self.read_only._pending is None:
            return
        if not self._committed_in_term():
            if self._log.error_on():
                self._log.error("pending MsgReadIndex should be released only after first commit in current term")
            return
        for m in self.read_only.take_pending():
            self._begin_read(m)

    def _committed_in_term(self) -> bool:
        return self.log.term_or_zero(self.log.committed) == self.term

    # -- candidates ----------------------------------------------------------------------------------------------

    def _step_candidate(self, m: Message) -> None:
        kind = m._type
        if kind == k.PROP:
            self._drop_proposal()
        elif kind == k.APP:
            self.become_follower(m.term, m.from_)
            self._handle_append(m)
        elif kind == k.HEARTBEAT:
            self.become_follower(m.term, m.from_)
            self._handle_heartbeat(m)
        elif kind == k.SNAP:
            self.become_follower(m.term, m.from_)
            self._handle_snapshot(m)
        elif kind == (k.PRE_VOTE_RESP if self.state == k.PRE_CANDIDATE else k.VOTE_RESP):
            result = self._poll(m.from_, kind, not m.reject)
            if result == k.VOTE_WON:
                if self.state == k.PRE_CANDIDATE:
                    self._campaign(k.ELECTION)
                else:
                    self.become_leader()
                    self._bcast_append()
            elif result == k.VOTE_LOST:
                # Keep the current term: a pre-vote asks about the next one but does not start it.
                self.become_follower(self.term, 0)
        elif kind == k.TIMEOUT_NOW:
            if self._log.debug_on():
                self._log.debug(
                    f"{self.id:x} [term {self.term} state {_STATE_NAMES[self.state]}] "
                    f"ignored MsgTimeoutNow from {m.from_:x}"
                )

    def _drop_proposal(self) -> None:
        if self._log.info_on():
            self._log.info(f"{self.id:x} no leader at term {self.term}; dropping proposal")
        raise ProposalDropped("there is no leader", hints.NO_LEADER)

    # -- followers -----------------------------------------------------------------------------------------------

    def _step_follower(self, m: Message) -> None:
        kind = m._type
        if kind == k.APP:
            self.election_elapsed = 0
            self.lead = m.from_
            self._handle_append(m)
        elif kind == k.HEARTBEAT:
            self.election_elapsed = 0
            self.lead = m.from_
            self._handle_heartbeat(m)
        elif kind == k.SNAP:
            self.election_elapsed = 0
            self.lead = m.from_
            self._handle_snapshot(m)
        elif kind == k.PROP:
            self._forward_proposal(m)
        elif kind == k.TRANSFER_LEADER:
            if self.lead != 0:
                self._forward(m)
            elif self._log.info_on():
                self._log.info(f"{self.id:x} no leader at term {self.term}; dropping leader transfer msg")
        elif kind == k.FORGET_LEADER:
            self._forget_leader()
        elif kind == k.TIMEOUT_NOW:
            if self._log.info_on():
                self._log.info(
                    f"{self.id:x} [term {self.term}] received MsgTimeoutNow from {m.from_:x} "
                    "and starts an election to get leadership."
                )
            # Skip the pre-vote even if it is on: the leader itself asks for this election.
            self._hup(k.TRANSFER)
        elif kind == k.READ_INDEX:
            if self.lead != 0:
                self._forward(m)
            elif self._log.info_on():
                self._log.info(f"{self.id:x} no leader at term {self.term}; dropping index reading msg")
        elif kind == k.READ_INDEX_RESP:
            self._read_answered(m)

    def _forward_proposal(self, m: Message) -> None:
        if self.lead == 0:
            self._drop_proposal()
        if self.disable_proposal_forwarding:
            if self._log.info_on():
                self._log.info(
                    f"{self.id:x} not forwarding to leader {self.lead:x} at term {self.term}; dropping proposal"
                )
            raise ProposalDropped("forwarding to the leader is off", hints.NO_FORWARDING)
        self._forward(m)

    def _forget_leader(self) -> None:
        if not self.read_only.safe():
            # Lease-based reads rely on this node not voting while the leader's lease lasts.
            if self._log.error_on():
                self._log.error("ignoring MsgForgetLeader due to ReadOnlyLeaseBased")
            return
        if self.lead != 0:
            if self._log.info_on():
                self._log.info(f"{self.id:x} forgetting leader {self.lead:x} at term {self.term}")
            self.lead = 0

    def _read_answered(self, m: Message) -> None:
        entries = m.entries
        if len(entries) != 1:
            if self._log.error_on():
                self._log.error(
                    f"{self.id:x} invalid format of MsgReadIndexResp from {m.from_:x}, entries count: {len(entries)}"
                )
            return
        e = entries[0]
        self.outbox.add_read_state(m.index, e.data)

    # -- messages from a leader ----------------------------------------------------------------------------------

    def _handle_append(self, m: Message) -> None:
        log = self.log
        if m.index < log.committed:
            # An old append. Up to the commit index this log is known to agree with the leader's.
            self._send_app_resp(m.from_, log.committed)
            return
        entries = m._entries if m._entries is not None else _NO_ENTRIES
        if log.maybe_append(m.index, m.log_term, m.commit, entries):
            self._send_app_resp(m.from_, m.index + len(entries))
            return
        ours = log.term_or_zero(m.index)
        if self._log.debug_on():
            self._log.debug(
                f"{self.id:x} [logterm: {ours}, index: {m.index}] rejected MsgApp "
                f"[logterm: {m.log_term}, index: {m.index}] from {m.from_:x}"
            )
        # The hint is the last index at which the logs may agree, given the leader's term at m.index.
        last = log.last_index()
        hint, hint_term = log.find_conflict_by_term(m.index if m.index < last else last, m.log_term)
        r = self._message(k.APP_RESP, m.from_)
        r.index = m.index
        r.reject = True
        r.reject_hint = hint
        r.log_term = hint_term
        r._present |= k.P_INDEX | k.P_REJECT | k.P_REJECT_HINT | k.P_LOG_TERM
        self._send(r)

    def _handle_heartbeat(self, m: Message) -> None:
        self.log.commit_to(m.commit)
        r = self._message(k.HEARTBEAT_RESP, m.from_)
        if m._present & k.P_CONTEXT:
            r.context = m.context
            r._present |= k.P_CONTEXT
        self._send(r)

    def _handle_snapshot(self, m: Message) -> None:
        index = 0
        term = 0
        restored = False
        if m.snapshot is not None:
            index = m.snapshot.metadata.index
            term = m.snapshot.metadata.term
            restored = self.restore(m.snapshot)
        if self._log.info_on():
            outcome = "restored" if restored else "ignored"
            self._log.info(
                f"{self.id:x} [commit: {self.log.committed}] {outcome} snapshot [index: {index}, term: {term}]"
            )
        self._send_app_resp(m.from_, self.log.last_index() if restored else self.log.committed)

    def restore(self, s: Snapshot) -> bool:
        """Replace log and configuration by a snapshot.

        Return False and keep both if the log already has the snapshot's last entry, or the snapshot does not name this
        node as a member.
        """
        index = s.metadata.index
        term = s.metadata.term
        log = self.log
        if index <= log.committed:
            return False
        if self.state != k.FOLLOWER:
            if self._log.warning_on():
                self._log.warning(f"{self.id:x} attempted to restore snapshot as leader; should never happen")
            self.become_follower(self.term + 1, 0)
            return False
        members = s.metadata.conf_state
        if self.id not in members.voters + members.learners + members.voters_outgoing:
            if self._log.warning_on():
                self._log.warning(
                    f"{self.id:x} attempted to restore snapshot but it is not in the ConfState {members}; "
                    "should never happen"
                )
            return False
        last = log.last_index()
        if log.match_term(index, term):
            if self._log.info_on():
                self._log.info(
                    f"{self.id:x} [commit: {log.committed}, lastindex: {last}, lastterm: {log.last_term()}] "
                    f"fast-forwarded commit to snapshot [index: {index}, term: {term}]"
                )
            log.commit_to(index)
            return False
        log.restore(s)
        try:
            tracker = restore(self.tracker, log.last_index(), members)
        except ConfChangeError as error:
            self._log.fatal(f"unable to restore config {members}: {error}")
            raise
        self.tracker = ProgressTracker(tracker.max_inflight, tracker.max_inflight_bytes)
        self._check_equivalent(members, self.switch_to_config(tracker.config, tracker.progress))
        if self._log.info_on():
            self._log.info(
                f"{self.id:x} [commit: {log.committed}, lastindex: {log.last_index()}, lastterm: {log.last_term()}] "
                f"restored snapshot [index: {index}, term: {term}]"
            )
        return True

    # -- membership ----------------------------------------------------------------------------------------------

    def apply_conf_change(self, change: ConfChangeV2) -> ConfState:
        """Apply a committed change and return the new members. Raises ConfChangeError if the change is invalid."""
        changer = Changer(self.tracker, self.log.last_index())
        try:
            auto_leave, joint = change.enter_joint()
        except ValueError as error:
            raise ConfChangeError(str(error)) from None
        if change.leave_joint():
            config, progress = changer.leave_joint()
        elif joint:
            config, progress = changer.enter_joint(auto_leave, change.changes)
        else:
            config, progress = changer.simple(change.changes)
        return self.switch_to_config(config, progress)

    def switch_to_config(self, config: Any, progress: dict[int, Progress]) -> ConfState:
        """Put a configuration in force and return its members.

        A leader may have to step down, commit by a smaller quorum, send appends to new peers, or abort a transfer.
        """
        if self.trace_logger is not None:
            trace.apply_conf_change(self, config)
        tracker = self.tracker
        tracker.switch(config, progress)
        if self._log.info_on():
            self._log.info(f"{self.id:x} switched to configuration {config}")
        members = tracker.conf_state()
        pr = progress.get(self.id)
        self.is_learner = pr is not None and pr.is_learner
        if (pr is None or self.is_learner) and self.state == k.LEADER:
            # A leader that is no longer a voter continues without counting itself (thesis 4.2.2), unless configured
            # to step down.
            if self.step_down_on_removal:
                self.become_follower(self.term, 0)
            return members
        if self.state != k.LEADER or len(config.voters.incoming) == 0:
            return members
        if self._maybe_commit():
            # A smaller quorum may have committed more; send everybody the new commit index.
            self._bcast_append()
        else:
            # New peers need not wait for the next heartbeat.
            for peer in tracker.peers():
                if peer.id != self.id:
                    self._maybe_send_append(peer, False, None)
        if self.lead_transferee != 0 and self.lead_transferee not in config.voters:
            self.lead_transferee = 0
        return members


def _furthest(like: Message | None, sent: Message | None) -> Message | None:
    """Return which of two appends more likely serves the next peer of a broadcast: most peers are equally far ahead."""
    if sent is None or sent._type != k.APP:
        return like
    return sent if like is None or like._entries is None or sent.index > like.index else like


def _unplaced(e: Entry) -> Entry:
    """Return a copy of an entry without term and index."""
    c = blank.entry()
    c._type = e._type
    c.data = e.data
    c._present = e._present
    c._unknown = e._unknown
    immutable.freeze(c)
    return c


def _vote_resp(kind: int) -> int:
    return k.VOTE_RESP if kind == k.VOTE else k.PRE_VOTE_RESP


def type_name(kind: int) -> str:
    """Return etcd's name of a message type, or the number as text if it is unknown."""
    return _NAMES.get(kind) or str(kind)


keep_whole(Raft)
has_one_owner(Raft)
