"""One member of one group on its host: it runs a Driver whose log the host syncs.

All calls come from the thread of the host's event loop. Messages, proposals, reads, ticks and the end of a sync wake a
replica, which then does all of its driver's work in one turn. Rules:

- The driver decides the order: appends leave at once, and answers and votes leave after the sync that makes them
  durable. Otherwise a crash could take back a vote that others have counted.
- Every wait ends. An error of the machine, the log or a task ends the replica, and with it every wait and every later
  call.
- Votes and acknowledgements count only from hosts in the registry, whose identities the transport checks. Otherwise a
  member that lost its data, and came back under its id, could vote twice in one term.
- No turn waits. Long batches are applied in slices, and the event loop runs between them. Otherwise a long batch would
  delay the heartbeats of all groups.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from ..core.config import Config
from ..core.ready import ReadState
from ..errors import (
    Compacted,
    MemberRefused,
    NotNow,
    Overloaded,
    RaftError,
    Rejected,
    Stopped,
)
from ..machines import StateMachine, Timekeeper
from ..machines.envelope import MARK, open_session, plain
from ..wire import consts as k
from ..wire.changes import ConfChangeV2
from ..wire.checks import octets
from ..wire.enums import SnapshotStatus, StateType
from ..wire.messages import ConfState, HardState, Message, Snapshot, SnapshotMetadata
from . import events as happened
from .applying import Applying
from .aside import Aside
from .barriers import Barriers
from .calls import Answer
from .depot import Served
from .driver import Driver
from .events import Event, EventQueue
from .forwarding import Placed
from .handing import Handing, reject_all
from .latecommits import LateCommits
from .membertable import MemberTable, with_table
from .meters import Meter, replica_metrics
from .metrics import ReplicaMetrics
from .notices import CoreLogger, Notices
from .proposals import Proposal
from .reconcile import View
from .seams import Seams
from .session import Session
from .staged import Staged
from .standing import ReplicaStatus, is_member
from .tokens import Fate, RejectReason, Token
from .tuning import Tuning
from .waits import NOBODY, AppliedWaits, Waits, wake
from .work import Write

COMMITTED_BYTES = 2 << 20
"""The most bytes of committed entries that are read in one turn of the event loop, for example after a start."""

INFLIGHT_BYTES = 4 << 20
"""The most bytes of entries on their way to one member. They are read in one turn of the event loop if the member was
away, so more would block the loop; and more than the transport's queue takes would be dropped and read again."""

_LOG = logging.getLogger("raftcy.replica")
_COUNTED = frozenset((k.APP_RESP, k.HEARTBEAT_RESP, k.VOTE_RESP, k.PRE_VOTE_RESP))
_PATIENCE = 10
"""A member that has had no leader for so many election timeouts says so."""


# Shared by all replicas that have none. They stay empty.
_NO_MESSAGES: list[Message] = []
_NO_FOLLOWERS: dict[EventQueue, None] = {}


class Surroundings(Protocol):
    """The part of a host that a replica needs."""

    id: int
    cluster: int
    tuning: Tuning
    seams: Seams
    clock: Callable[[], float]

    @property
    def table(self) -> MemberTable:
        """The hosts of the cluster, with identities and addresses."""

    @property
    def snapshots(self) -> Aside:
        """Where snapshots are written and read."""

    def pin(self, name: str) -> None:
        """Keep a file of the log from being removed."""

    def unpin(self, name: str) -> None:
        """Take back one ``pin``."""

    def wake(self, replica: "Replica") -> None:
        """Give it a turn soon."""

    def woken(self, replica: "Replica") -> None:
        """Note that it has a turn now, so that it does not sleep, and gets its next ticks."""

    def send(self, group: int, messages: list[Message]) -> None:
        """Send messages of a group."""

    def ask(self, peer: int, kind: int, group: int, data: bytes, end: Any) -> None:
        """Send a request to another host."""

    def flush(self) -> None:
        """Write what was sent, now and not in the loop's next round."""

    def staged(self, replica: "Replica", due: bool) -> None:
        """Note that a write was staged; ``due`` says whether a sync must begin for it."""

    def now_us(self) -> int:
        """Return a reading of the clock of leases, in microseconds."""

    def disk_waits_s(self) -> float:
        """How long the present sync has lasted, in seconds; 0 without one."""

    def knows(self, id: int) -> bool:
        """Whether the registry has this host, so that its votes and acknowledgements count."""

    def look(self, replica: "Replica") -> None:
        """Ask another host to wake a group that has no leader here."""

    def members_due(self, replica: "Replica") -> None:
        """Note that a replica may have to change its members: it leads now, or its members have changed."""

    def died(self, replica: "Replica", error: BaseException) -> None:
        """A replica has died."""

    def left(self, replica: "Replica") -> None:
        """A replica was closed."""

    def is_asleep(self, replica: "Replica") -> bool:
        """Whether a replica takes no ticks."""


class Replica:
    """One group's member on a host. ``Host.replica`` makes it. As an async context manager, it closes at the end.

    ``machine`` is the state machine, and ``name`` the name of the group. ``failure`` is the error that ended it, None
    while it runs and after ``close``.
    """

    # Thousands of groups have one each. The dictionary is made only for attributes that tests set.
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_applied_waits",
        "_applying",
        "_attended",
        "_barriers",
        "_closing",
        "_driver",
        "_ending",
        "_followers",
        "_handing",
        "_host",
        "_inbox",
        "_known_leader",
        "_late",
        "_leader_waits",
        "_leaderless_ticks",
        "_lease",
        "_log",
        "_loop",
        "_meter",
        "_notices",
        "_over",
        "_proposals",
        "_ready_waits",
        "_silent",
        "_staged",
        "_start",
        "_timekeeper",
        "_until_report",
        "_warned",
        "failure",
        "group",
        "id",
        "is_dirty",
        "is_settled",
        "machine",
        "name",
    )

    def __init__(self, host: Surroundings, name: str, group: int, machine: StateMachine, log: Any) -> None:
        self._loop = asyncio.get_running_loop()
        self._host = host
        self.name: str = name
        self.group: int = group
        self.id: int = host.id
        self.machine: StateMachine = machine
        self.failure: BaseException | None = None
        tuning = host.tuning
        self._log = log
        # No other start has these bytes. The contexts of reads, and tokens, begin with them.
        self._start = host.seams.draw(16)
        self._barriers = Barriers(tuning.election_ticks, tuning.waiting_reads)
        self._timekeeper = Timekeeper()
        self._until_report = 0
        # Whether the last tick was passed on to this replica.
        self._attended = False
        self._inbox: list[Message] = _NO_MESSAGES
        self._followers: dict[EventQueue, None] = _NO_FOLLOWERS
        self._known_leader = (0, 0)
        self._leader_waits: Waits = NOBODY
        self._ready_waits: Waits = NOBODY
        self._applied_waits = AppliedWaits(self._loop, tuning.waiting_reads)
        self._closing = False
        self._ending: asyncio.Task[None] | None = None
        self._over = False
        self._silent = False
        self._warned = False
        self.is_dirty: bool = False
        # Whether the members are those that the registry wants, as far as this leader knows. For the registrar.
        self.is_settled: bool = True
        state, _ = log.initial_state()
        term, vote = (0, 0) if state is None else (state.term, state.vote)
        self._staged = Staged(term, vote, unsynced=log.is_unsynced)
        self._meter = Meter(host.clock)
        self._notices = Notices(_LOG, host.clock, self.id, name, self._present_term)
        self._leaderless_ticks = 0
        self._handing = Handing(host, group, self._start)
        self._proposals = self._handing.proposals
        self._late = LateCommits(self)
        self._applying = Applying(
            host,
            machine,
            log,
            self._staged,
            self._proposals,
            self._applied_waits,
            self,
            self._notices,
        )
        self._driver = self._start_driver(log)
        self._proposals.applied = self._driver.applied
        if self._staged.is_due:
            # What a replica before this one has staged.
            host.staged(self, True)

    def _start_driver(self, log: Any) -> Driver:
        tuning = self._host.tuning
        # The host syncs staged writes, of all groups at once.
        log.sync_with(self._sync_soon)
        config = Config(
            id=self.id,
            election_tick=tuning.election_ticks,
            heartbeat_tick=1,
            storage=log,
            async_storage_writes=True,
            max_size_per_msg=1 << 20,
            max_committed_size_per_ready=COMMITTED_BYTES,
            max_uncommitted_entries_size=2 * tuning.waiting_bytes,
            max_inflight_msgs=512,
            max_inflight_bytes=INFLIGHT_BYTES,
            max_pending_reads=10_000,
            max_pending_msgs=100_000,
            check_quorum=True,
            pre_vote=True,
            step_down_on_removal=True,
            disable_proposal_forwarding=True,
            batch_append=True,
            random=self._host.seams.random(),
            logger=CoreLogger(self._notices, _LOG, self._host.clock),
        )
        # A log that is not new may be that of a life which has promised not to vote.
        is_new = log.last_index() == log.snapshot().metadata.index <= 1
        self._lease = tuning.lease(is_new)
        driver = Driver.start(config, self._applying, nonce=self._start, lease=self._lease)
        self._applying.attach(driver)
        return driver

    def begin(self, members: ConfState) -> None:
        """Begin the group, the same on all its first members. The log must be empty. For the host.

        The sync of the first vote makes it durable.
        """
        host = self._host
        metadata = SnapshotMetadata(conf_state=members, index=1, term=1)
        data = with_table(host.cluster, host.table, None)
        self._log.save(HardState(term=1, vote=0, commit=1), [], Snapshot(data=data, metadata=metadata))
        self._staged.begin_log(term=1)
        self._driver = self._start_driver(self._log)
        self._proposals.applied = self._driver.applied
        host.staged(self, True)
        host.wake(self)

    def campaign(self) -> None:
        """Campaign at the next tick if no leader is known. For the host, when it begins a group."""
        raft = self._driver.node.raft
        if raft.lead == 0:
            raft.election_elapsed = raft.randomized_election_timeout

    def refused(self, text: str) -> None:
        """End, because the group cannot take this host in. For the host."""
        self.die(MemberRefused(f"the group {self.name!r} cannot take this host in: {text}", "version"))

    @property
    def knows(self) -> int:
        """The newest version of the group that this program knows."""
        return self.machine.knows

    @property
    def is_begun(self) -> bool:
        """Whether the log has anything. Before, this member waits until the group is made, or it is added."""
        return bool(self._log.last_index() > 0)

    @property
    def is_member(self) -> bool:
        """Whether this host is a member of the group, in any role, as of the applied index."""
        return is_member(self.id, self._driver.members)

    def wake_up(self) -> None:
        """Get another turn soon. For the parts of this replica."""
        self._host.wake(self)

    def waiting_messages(self) -> list[Message]:
        """Return the messages that the driver has not got yet. For the snapshots."""
        return self._inbox

    def _sync_soon(self) -> None:
        self._host.staged(self, True)

    def _present_term(self) -> int:
        # The core logs lines before there is a driver.
        return int(self._driver.node.raft.term) if hasattr(self, "_driver") else 0

    # -- what a program asks --------------------------------------------------------------------------------------

    def propose(self, command: Any, *, only_in_term: int = 0, timeout_s: float | None = None) -> "asyncio.Future[Any]":
        """Propose a command. The result is the machine's answer, once this member has applied the command.

        ``command`` is an argument for the machine's ``encode``: bytes, by default. The call proposes it at once, even
        if nobody awaits the result. When the result is there, the command is durable on a majority and applied here;
        other members apply it soon. With ``only_in_term``, the command is refused in any other term, and never
        forwarded. So a leader that passes its term cannot mix its commands with another leader's.

        Awaiting the result raises:

        - Rejected: the command is not in the log and never will be. ``reason`` is a RejectReason.
        - OutcomeUnknown: ``timeout_s`` has passed, or the answer was lost. Ask ``outcome`` later.
        - CommandError: the machine has refused the command.

        Cancelling the wait takes the command back only if it was not handed on yet.
        """
        data = self.machine.encode(command)
        if type(data) is not bytes or not data or data[0] == MARK:
            data = plain(octets(data, "command"))
        return self._propose([data], False, only_in_term, timeout_s)

    def propose_many(
        self, commands: Sequence[Any], *, only_in_term: int = 0, timeout_s: float | None = None
    ) -> "asyncio.Future[list[Any]]":
        """Propose commands in this order. The result is a list with an item for each, once all have one.

        An item is the machine's answer, or a CommandError, Rejected or OutcomeUnknown, which are not raised. The log
        has no other entries between the commands, but the first ones may be applied and the later ones lost.
        """
        encode = self.machine.encode
        data = [plain(octets(encode(each), "command")) for each in commands]
        return self._propose(data, True, only_in_term, timeout_s)

    def propose_entry(self, entry: bytes, *, only_in_term: int = 0, timeout_s: float | None = None) -> Any:
        """Propose an entry that ``machines.envelope`` has made, and return a future. Sessions use this."""
        return self._propose([entry], False, only_in_term, timeout_s)

    async def session(self, timeout_ms: int = 60_000, timeout_s: float | None = None) -> Session:
        """Open a session: the group applies each of its commands once, even if it is proposed several times.

        The session expires when the group has heard nothing from it for ``timeout_ms`` of the group's time. While this
        process lives, the session keeps itself alive. Raises the errors of ``propose``; CommandError if the machine
        cannot have sessions; RangeError for a timeout below 100 ms or above a week.
        """
        id = await self.propose_entry(open_session(timeout_ms), timeout_s=timeout_s)
        return Session(self, id, timeout_ms)

    @property
    def election_s(self) -> float:
        """The election timeout in seconds."""
        return self._host.tuning.election_ms / 1000

    def _propose(
        self, commands: list[bytes], many: bool, only_in_term: int, timeout_s: float | None
    ) -> "asyncio.Future[Any]":
        end: asyncio.Future[Any] = self._loop.create_future()
        if not commands:
            end.set_result([])
            return end
        proposal = Proposal(commands, end, many, only_in_term)
        if self._take(proposal) and timeout_s is not None:
            timer = self._loop.call_later(timeout_s, self._too_late, proposal, timeout_s)
            end.add_done_callback(lambda _: timer.cancel())
        return end

    def _take(self, proposal: Proposal) -> bool:
        """Let a proposal wait to be handed on, or reject it. Return whether it waits."""
        if self._over or self._closing:
            self._reject(proposal, RejectReason.STOPPED)
            return False
        try:
            self._proposals.add(proposal)
        except Rejected as error:
            self._proposals.count_rejected(RejectReason(error.reason), proposal.count)
            if error.reason == RejectReason.OVERLOADED:
                self._notices.warn("overloaded", "commands are rejected: %s", error.detail)
            reject_all(proposal, error)
            return False
        if not self.is_dirty:
            self._meter.waits_since = self._loop.time()
            self._host.wake(self)
        return True

    def propose_for(self, end: Any, command: bytes) -> None:
        """Propose a command whose outcome goes to ``end``, which saves a future where a program has its own.

        ``end`` has ``done``, ``set_result`` and ``set_exception``, like a future, and gets what ``propose`` would raise
        or return. They are called within a turn of this replica, perhaps before this call returns; an error that they
        raise ends the replica. Once ``done`` returns True, nobody waits: see ``propose`` about cancelling.
        """
        self._take(Proposal([plain(command)], end))

    def _reject(self, proposal: Proposal, reason: RejectReason) -> None:
        error = Rejected(reason, "" if self.failure is None else repr(self.failure))
        error.__cause__ = self.failure
        reject_all(proposal, error)

    def _too_late(self, proposal: Proposal, timeout_s: float) -> None:
        self._proposals.give_up(proposal, f"{timeout_s} s have passed")

    async def outcome(self, token: Token, timeout_s: float | None = None) -> Fate:
        """Return the fate of a command whose outcome was unknown: applied, rejected, or lost (too old to know).

        Waits until that is decided. Raises Stopped if the replica ends before, and TimeoutError.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                found = self._proposals.fate(token)
                if isinstance(found, Placed):
                    if self._driver.applied >= found.index:
                        return self._fate_at(found)
                elif found is not None:
                    return found
                await self._next(self._handing, "waits")

    def _fate_at(self, place: Placed) -> Fate:
        try:
            term = self._log.term(place.index)
        except Compacted:
            return Fate.LOST
        return Fate.APPLIED if term == place.term else Fate.REJECTED

    async def read(self, *, at_least: int | None = None, stale: bool = False, timeout_s: float | None = None) -> int:
        """Wait until the machine has applied everything committed at the time of the call; return its applied index.

        Afterwards, until the next ``await``, you may read ``machine``, on any member. It shows every command that was
        answered to anybody before the call. With ``at_least``, this waits for that index instead, for example from an
        earlier read, and asks no other member. With ``stale``, it does not wait. Otherwise it also waits while the
        group has no leader. Every read waits while the machine is being restored from a snapshot on a thread.

        Raises Overloaded if too many reads wait, Stopped if the replica ends before, and TimeoutError.
        """
        self._check()
        if self._applying.is_ready and (stale or (at_least is None and self._may_read_now())):
            return self._driver.applied
        async with asyncio.timeout(timeout_s):
            if not stale:
                await self._barrier(at_least)
            while not self._applying.is_ready:
                await self._next(self, "_ready_waits")
            return self._driver.applied

    async def _barrier(self, at_least: int | None) -> None:
        if at_least is not None:
            await self._until_applied(at_least)
            return
        read: asyncio.Future[None] = self._loop.create_future()
        self._barriers.add(read)
        self._host.wake(self)
        try:
            await read
        except BaseException:
            self._barriers.drop(read)
            raise

    def barrier(self, end: Any) -> None:
        """Give ``end`` a result once the machine has applied everything committed at the time of the call.

        It is ``read`` without a coroutine, for programs with many reads: ``end`` is hashable, and has ``done``,
        ``set_result`` and ``set_exception``, which are called within a turn of this replica and must not raise errors.
        Look at ``is_ready`` before you read the machine. Raises Overloaded and Stopped.
        """
        self._check()
        if self._applying.is_ready and self._may_read_now():
            end.set_result(None)
            return
        self._barriers.add(end)
        self._host.wake(self)

    def leave_barrier(self, end: Any) -> None:
        """Forget an ``end`` that was given to ``barrier``, because nobody waits for it any more."""
        self._barriers.drop(end)

    @property
    def is_ready(self) -> bool:
        """Whether the machine may be read: it is not being restored from a snapshot on a thread."""
        return not self._over and self._applying.is_ready

    def _may_read_now(self) -> bool:
        """Whether the lease answers a read of this moment from the machine as it is."""
        if self._lease is None:
            return False
        self._driver.pass_time(self._host.now_us())
        return 0 < self._driver.leased_index() <= self._driver.applied

    async def wait_for_leader(self, timeout_s: float | None = None) -> int:
        """Wait until this member knows a leader, and return its id.

        Raises Stopped if the replica ends before, and TimeoutError.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                self._check()
                leader = self.leader
                if leader is not None:
                    return leader
                await self._next(self, "_leader_waits")

    async def events(self) -> AsyncIterator[Event]:
        """Iterate over the events of this member from now on, up to ReplicaStopped. Each iterator gets all events."""
        ready = asyncio.Event()
        queue = EventQueue(self._host.tuning.events, ready.set)
        if self._over:
            queue.put(happened.ReplicaStopped(self.failure))
        else:
            if self._followers is _NO_FOLLOWERS:
                self._followers = {}
            self._followers[queue] = None
        try:
            while True:
                event = queue.take()
                if event is None:
                    ready.clear()
                    await ready.wait()
                    continue
                yield event
                if isinstance(event, happened.ReplicaStopped):
                    return
        finally:
            self._followers.pop(queue, None)

    async def transfer(self, to: int | None = None, timeout_s: float | None = None) -> None:
        """Hand the leadership to the voter ``to``, by default the voter with most of the log; return once it leads.

        Raises NotNow if this member does not lead, if ``to`` is not another voter, or if that voter does not take over
        in time; Stopped if the replica ends before, and TimeoutError.
        """
        self._check()
        target = self._successor() if to is None else to
        if not self.is_leader or target is None:
            raise NotNow("only a leader can hand over, to another voter")
        term = self.term
        self._driver.node.transfer_leader(target)
        if self._driver.node.raft.lead_transferee != target:
            raise NotNow(f"{target} is no other voter")
        self._host.wake(self)
        # The core gives up after an election timeout, but a leader that has stepped down meanwhile says nothing.
        deadline = self._loop.time() + 2 * self._host.tuning.election_ms / 1000
        async with asyncio.timeout(timeout_s):
            while self.leader != target:
                led_on = self.is_leader and self.term == term
                given_up = led_on and self._driver.node.raft.lead_transferee != target
                if given_up or self._loop.time() > deadline:
                    raise NotNow(f"{target} did not take over in time")
                if not led_on and self.leader is not None:
                    raise NotNow(f"{self.leader} leads instead of {target}")
                await self._next(self, "_leader_waits")

    def _successor(self, not_to: frozenset[int] = frozenset()) -> int | None:
        """Return the recently active voter that has most of the log, except for these."""
        progress = self._driver.node.status().progress
        voters = [id for id in self._driver.members.voters if id != self.id and id in progress and id not in not_to]
        active = [id for id in voters if progress[id].recent_active] or voters
        return max(active, key=lambda id: (progress[id].match, -id), default=None)

    # -- members --------------------------------------------------------------------------------------------------

    def view(self) -> View:
        """Return what the leader of the group sees of its members. For the host."""
        raft = self._driver.node.raft
        progress = {id: each for id, each in self._driver.node.status().progress.items() if id != self.id}
        pending = bool(raft.pending_conf_index > self._driver.applied)
        return View(self._driver.members, progress, int(raft.log.last_index()), pending)

    def change_members(self, change: ConfChangeV2) -> str:
        """Propose a change as the leader. Return why it was not proposed, or an empty text. For the host."""
        try:
            refused = self._driver.propose_change(change)
        except RaftError as error:
            return str(error)
        self._host.wake(self)
        return refused or ""

    def hand_over(self, not_to: frozenset[int]) -> str:
        """Begin to hand over to a voter other than these. Return why that cannot be, or an empty text. For the host."""
        target = self._successor(not_to)
        if target is None:
            return "no other voter can lead"
        if self._driver.node.raft.lead_transferee == 0:
            self._driver.node.transfer_leader(target)
            self._host.wake(self)
        return "the leader hands over first"

    def refuses_version(self, knows: int) -> str:
        """Return why a host whose program knows this version cannot become a member, or an empty text."""
        refused = self._applying.machine.refuses_member(knows)
        return "" if refused is None else refused.text

    # -- how it stands --------------------------------------------------------------------------------------------

    @property
    def term(self) -> int:
        """The present term."""
        return int(self._driver.node.raft.term)

    @property
    def role(self) -> StateType:
        """The role of this member in the present term."""
        return StateType(self._driver.node.raft.state)

    @property
    def leader(self) -> int | None:
        """The id of the leader that this member knows, None if it knows none."""
        return None if self._over else int(self._driver.node.raft.lead) or None

    @property
    def is_leader(self) -> bool:
        """Whether this member leads, as far as it knows. Another member may already lead in a later term."""
        return not self._over and bool(self._driver.node.raft.state == k.LEADER)

    @property
    def is_asleep(self) -> bool:
        """Whether this member sleeps: its group has nothing to do, and all members have agreed. Any call wakes it."""
        return self._host.is_asleep(self)

    @property
    def commit(self) -> int:
        """The index up to which the log is known to be committed."""
        return int(self._driver.node.raft.log.committed)

    @property
    def applied(self) -> int:
        """The index up to which the machine has applied the log."""
        return self._driver.applied

    @property
    def members(self) -> ConfState:
        """The members as of the applied index."""
        return self._driver.members

    def status(self) -> ReplicaStatus:
        """Return the present state of this replica."""
        driver = self._driver
        raft = driver.node.raft
        last = int(raft.log.last_index())
        lag = {}
        if self.is_leader:
            progress = driver.node.status().progress
            lag = {id: last - each.match for id, each in progress.items() if id != self.id}
        leader = self.leader
        addresses = self._host.table.addresses()
        return ReplicaStatus(
            name=self.name,
            id=self.id,
            cluster=self._host.cluster,
            role=self.role,
            term=self.term,
            leader=leader,
            leader_addresses=() if leader is None else addresses.get(leader, ()),
            addresses=addresses,
            commit=self.commit,
            applied=driver.applied,
            last_index=last,
            snapshot_index=self._log.snapshot().metadata.index,
            members=driver.members,
            lag=lag,
            waiting_commands=self._proposals.count,
            waiting_reads=len(self._barriers),
            failure=self.failure,
        )

    def metrics(self) -> ReplicaMetrics:
        """Return the present numbers of this replica. ``Host.metrics`` has those of all replicas."""
        return replica_metrics(self.status(), self._meter, self._proposals, len(self._inbox))

    @property
    def served(self) -> Served:
        """The snapshots of this replica. For the host's depot."""
        return self._applying.snapshots

    def __repr__(self) -> str:
        return f"<Replica {self.name!r} of member {self.id}, {self.role.name.lower()} in term {self.term}>"

    # -- turns ----------------------------------------------------------------------------------------------------

    @property
    def driver(self) -> Driver:
        """The driver. For the host, which ticks it."""
        return self._driver

    @property
    def is_mute(self) -> bool:
        """Whether no message may leave. For the host."""
        return self._silent

    def tick_alone(self) -> None:
        """Let the driver take a tick, with the time for its lease. For the host, which ticks other drivers itself."""
        self.guarded(self._tick_alone)

    def _tick_alone(self) -> None:
        self._driver.pass_time(self._host.now_us())
        raft = self._driver.node.raft
        term, role = raft.term, raft.state
        self._driver.tick()
        if raft.term > term or (raft.state != role and raft.state in (k.CANDIDATE, k.PRE_CANDIDATE)):
            self.campaigned()

    def campaigned(self) -> None:
        """Count an election that this member has begun. For the host."""
        self._meter.campaigns += 1

    def tick(self) -> bool:
        """Let a tick pass, which the driver has taken already. Return whether the next one concerns this replica.

        For the host.
        """
        self.guarded(self._tick)
        return not self._over and (self._attended or self.is_dirty)

    def _awaits_ticks(self) -> bool:
        """Whether anything here goes on with time, besides the driver."""
        machine = self._applying.machine
        waits = len(self._staged) or len(self._barriers) or self._leader_waits or self._handing.is_due
        return bool(
            waits
            or self._silent
            or self._warned
            or not self._driver.node.raft.lead
            or (self.is_leader and machine.needs_time())
            or machine.versions.report_due(self.id) is not None
        )

    def is_idle(self) -> bool:
        """Whether this replica has nothing to do, so that it may sleep. For the host."""
        busy = self.is_dirty or self._inbox or self._proposals.count or self._closing or self._applying.is_busy
        return not (busy or self._over or not self.is_settled or self._awaits_ticks())

    def turn(self) -> None:
        """Do all waiting work. For the host."""
        self.guarded(self._turn)

    def guarded(self, act: Any, *arguments: Any) -> None:
        """Do work whose errors end this replica. For its parts."""
        if self._over:
            return
        try:
            act(*arguments)
        except BaseException as error:
            self.die(error)
            if not isinstance(error, Exception):
                raise

    def _tick(self) -> None:
        if self._lease is not None:
            self._driver.pass_time(self._host.now_us())
        self._watch_disk()
        if self._driver.node.raft.lead:
            self._leaderless_ticks = 0
        else:
            self._miss_leader()
        self._barriers.tick()
        if self._applying.is_ready:
            self._propose_own()
        self._turn()
        wake(self._leader_waits)
        self._attended = self._awaits_ticks()

    def _miss_leader(self) -> None:
        """Note a tick without a leader, and say so if there were many."""
        self._leaderless_ticks += 1
        tuning = self._host.tuning
        if self._leaderless_ticks % tuning.election_ticks == 0 and not self._driver.node.raft.promotable():
            # A voter's campaign wakes the others. A learner does not campaign.
            self._host.look(self)
        if self._leaderless_ticks >= _PATIENCE * tuning.election_ticks:
            seconds = self._leaderless_ticks * tuning.tick_ms / 1000
            text = "there has been no leader for %.0f s: can a majority of %s reach each other?"
            self._notices.warn("leader", text, seconds, list(self.members.voters))

    def _propose_own(self) -> None:
        """Propose entries that the group needs: the time that has passed, and the version that this program knows."""
        term = self.term if self.is_leader else 0
        machine = self._applying.machine
        now_ms = int(self._loop.time() * 1000)
        if not self._attended:
            # The time until now does not count: nobody knows when the group began to need it.
            self._timekeeper.due(now_ms, term, False)
        passed = self._timekeeper.due(now_ms, term, machine.needs_time())
        if passed is not None:
            self._forget(self.propose_entry(passed, only_in_term=term))
        versions = machine.versions
        self._until_report -= 1
        # A program that knows only the first version reports nothing, unless its last report was of a later version.
        if self._until_report <= 0 and (versions.knows > 1 or versions.reported(self.id) > 0):
            self._until_report = self._host.tuning.election_ticks
            report = versions.report_due(self.id)
            if report is not None and self.leader is not None:
                self._forget(self.propose_entry(report, timeout_s=self.election_s))

    @staticmethod
    def _forget(end: "asyncio.Future[Any]") -> None:
        """Ignore the outcome of an entry for which nobody waits. If it was lost, another one is proposed later."""
        end.add_done_callback(lambda ended: ended.cancelled() or ended.exception())

    def _watch_disk(self) -> None:
        """Hand over the leadership if the disk hangs, and fall silent if that fails.

        A leader with a hanging disk commits nothing, but its heartbeats would keep the others from electing another.
        """
        waits = self._host.disk_waits_s() if len(self._staged) else 0.0
        election_s = self._host.tuning.election_ms / 1000
        self._silent = self._silent and waits > election_s
        if waits > election_s and self.is_leader:
            if not self._warned:
                self._warned = True
                text = "the disk has not answered for %.1f s, so this leader hands its leadership over"
                self._notices.warn("disk", text, waits)
                target = self._successor()
                if target is not None:
                    self._driver.node.transfer_leader(target)
            elif waits > 2 * election_s:
                self._silent = True
        elif not waits:
            self._warned = False

    def _turn(self) -> None:
        driver = self._driver
        if self._lease is not None:
            driver.pass_time(self._host.now_us())
        if self._inbox:
            inbox, self._inbox = self._inbox, _NO_MESSAGES
            driver.step_many(inbox)
        if self._handing.is_due:
            self._handing.run(driver)
            self._meter.appended(self._handing.appended, driver.node.raft.term)
        if self._barriers.is_due:
            self._begin_read()
        while True:
            work = driver.poll()
            if work is not None:
                if work.messages:
                    messages = self._late.sift(work.messages, self._proposals.count > 0)
                    if messages:
                        self._send(messages)
                if work.write is not None:
                    self._stage(work.write)
            applied = self._applying.run()
            if applied and self._handing.waits:
                wake(self._handing.waits)
            if self._ready_waits and self._applying.is_ready:
                wake(self._ready_waits)
            if not applied and work is None:
                break
        for state in driver.take_reads():
            self._answer_read(state)
        raft = driver.node.raft
        if self._meter.followed:
            self._meter.turned(raft.term, raft.log.committed, driver.applied)
        if (raft.lead, raft.term if raft.lead else 0) != self._known_leader:
            self._leader_changed()

    def _leader_changed(self) -> None:
        raft = self._driver.node.raft
        self._known_leader = (raft.lead, raft.term if raft.lead else 0)
        self.tell(happened.LeaderChanged(int(raft.lead) or None, int(raft.term)))
        self._barriers.lose()
        self._host.members_due(self)
        if raft.lead:
            if self._barriers.is_due:
                self._host.wake(self)
        wake(self._leader_waits)

    def _send(self, messages: list[Message]) -> None:
        if not self._silent:
            self._host.send(self.group, messages)
            return
        for m in messages:
            if m.type == k.SNAP:
                # Its receiver would get no entries until somebody says what became of it.
                self._driver.report_snapshot(m.to, SnapshotStatus.FAILURE)

    @property
    def call_soon(self) -> Any:
        """The event loop's ``call_soon``. For what holds messages back."""
        return self._loop.call_soon

    def send_late(self, held: list[Message]) -> None:
        """Send what was held back."""
        self.guarded(self._send_late, held)

    def _send_late(self, held: list[Message]) -> None:
        self._send(held)
        self._host.flush()

    def _stage(self, write: Write) -> None:
        """Stage a write. It is acknowledged once it is durable, or at once if it need not be durable."""
        if write.snapshot is not None:
            self._applying.snapshots.hold(write.snapshot)
        self._log.save(write.hard_state, write.entries, write.snapshot)
        if self._staged.add(write):
            messages = self._driver.stored(write)
            if messages:
                self._send(messages)
        self._host.staged(self, self._staged.is_due)

    def sync_begins(self) -> None:
        """Note that the sync that begins now makes all staged writes durable. For the host."""
        self._staged.begin()

    def sync_ended(self) -> None:
        """Acknowledge the writes that the last sync has made durable. For the host."""
        self.guarded(self._acknowledge)

    def _acknowledge(self) -> None:
        ended = self._staged.end()
        if self._meter.followed:
            self._meter.synced(ended)
        for write in ended:
            messages = self._driver.stored(write)
            if messages:
                self._send(messages)
        self._turn()

    # -- reads ----------------------------------------------------------------------------------------------------

    def _begin_read(self) -> None:
        """Begin a round of reads if a leader is known. Otherwise the round begins once this member knows one."""
        if self._driver.node.raft.lead == 0:
            return
        try:
            context = self._driver.read()
        except (NotNow, Overloaded):
            # The next tick tries again.
            return
        self._barriers.begin(context)

    def _answer_read(self, state: ReadState) -> None:
        for read in self._barriers.end(state.request_ctx):
            if not read.done():
                read.set_result(None)
        if self._barriers.is_due:
            self._host.wake(self)

    # -- messages -------------------------------------------------------------------------------------------------

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages from a transport, which has checked them. For the host's transport.

        They are handled at once: another round of the event loop for each message would be a fifth of a read's time.
        """
        self._check()
        if not self._host.knows(messages[0].from_):
            messages = [m for m in messages if m.type not in _COUNTED or self._host.knows(m.from_)]
        self._inbox = [*self._inbox, *messages]
        if not self.is_dirty:
            # A group that sleeps must wake before its driver has the messages.
            self._host.woken(self)
            self.turn()
            self._host.flush()
        return []

    def take_forwarded(self, data: bytes, answer: Answer) -> None:
        """Take commands that another member forwards. For the host."""
        if self._handing.take_guest(data, answer):
            self._host.wake(self)

    def report_unreachable(self, id: int) -> None:
        """Note that a message to a member may be lost. For the host's transport."""
        if not self._over:
            self._driver.report_unreachable(id)
            self._host.wake(self)

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Note that a snapshot has reached a member, or is lost. For the host's transport."""
        if not self._over:
            self._meter.snapshot_ended(status == SnapshotStatus.FINISH)
            self._driver.report_snapshot(id, status)
            self._host.wake(self)

    # -- waits ----------------------------------------------------------------------------------------------------

    async def _until_applied(self, index: int) -> None:
        if self._driver.applied >= index:
            return
        self._check()
        await self._applied_waits.add(index)

    async def _next(self, owner: Any, name: str) -> None:
        """Wait until those are woken who wait in this attribute."""
        self._check()
        waits = getattr(owner, name)
        if waits is NOBODY:
            waits = {}
            setattr(owner, name, waits)
        wait: asyncio.Future[None] = self._loop.create_future()
        waits[wait] = None
        try:
            await wait
        finally:
            waits.pop(wait, None)

    def tell(self, event: Event) -> None:
        """Tell an event to whoever follows this replica. For its parts."""
        self._meter.happened(event, self.id)
        if isinstance(event, happened.MembersChanged | happened.SnapshotReceived):
            self._host.members_due(self)
        for queue in self._followers:
            queue.put(event)

    def _check(self) -> None:
        if self._over:
            raise Stopped(self.failure)

    # -- the end --------------------------------------------------------------------------------------------------

    def die(self, error: BaseException, level: int = logging.ERROR) -> None:
        """End at once, because of an error, and log it at this level. For the host."""
        if self._over:
            return
        self.failure = error
        self._driver.fail(error)
        self._notices.always(level, "this member has died: %r", error)
        self._end()
        self._host.died(self, error)

    def _end(self) -> None:
        self._over = True
        self._applying.snapshots.stop()
        cause = self.failure
        why = "the replica was closed" if cause is None else f"the replica died: {cause!r}"
        self._handing.stop(why, cause)
        stopped = self._applied_waits.take_all() + self._barriers.take_all()
        stopped += [*self._leader_waits, *self._handing.waits, *self._ready_waits]
        for wait in stopped:
            if not wait.done():
                wait.set_exception(Stopped(cause))
        self.tell(happened.ReplicaStopped(cause))

    async def close(self) -> None:
        """Hand over the leadership, end, and end all waits. Every call waits for the end.

        Cancelling a wait does not stop the closing.
        """
        if self._ending is None:
            if self._over:
                return
            self._closing = True
            self._ending = self._loop.create_task(self._close())
        await asyncio.shield(self._ending)

    async def _close(self) -> None:
        deadline = self._loop.time() + self._host.tuning.handover_ms / 1000
        try:
            while self.is_leader and self._successor() is not None and self._loop.time() < deadline:
                try:
                    await self.transfer(timeout_s=deadline - self._loop.time())
                except NotNow:
                    await asyncio.sleep(self._host.tuning.tick_ms / 1000)
        except (TimeoutError, Stopped):
            self._notices.warn("handover", "this leader was closed before it could hand its leadership over")
        finally:
            if not self._over:
                self._end()
            self._host.left(self)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
