"""The cluster: members, network, clients and checkers around one clock. It runs one event at a time, all from the seed.

Actions begin faults, each for some time. ``heal`` ends all of them.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from ..core.config import Config, Peer
from ..core.rawnode import RawNode
from ..errors import NotNow, StorageFailed
from ..replica.work import Write
from ..wire import consts as k
from ..wire.changes import ConfChangeV2
from ..wire.enums import MessageType, SnapshotStatus, StateType
from ..wire.kinds import refuse_from_network
from ..wire.messages import ConfState, HardState, Message, Snapshot, SnapshotMetadata
from .application import command
from .checkers import Checkers, Committed, Violation
from .checkers.elections import ElectionSafety, LeaderCompleteness
from .checkers.leases import LeasesExclude
from .checkers.linearizable import Linearizable
from .checkers.liveness import LIMIT, Liveness
from .checkers.logs import CommittedIsDurable, LeaderAppendOnly, LogMatching
from .checkers.machines import Monotonic, StateMachineSafety
from .checkers.membership import MembershipSafety
from .checkers.promises import PromisesAreDurable
from .checkers.quotas import QuotasReturn
from .checkers.sleep import SleepEnds
from .checkers.steps import (
    AppliedIsDurable,
    CommitsWhatItKnows,
    CountedIsDurable,
    ElectedByQuorum,
    HandoversEnd,
    OldMessages,
    OwnTerm,
    ReadsByQuorum,
    StoredOnce,
    UndisturbedLeaders,
)
from .clients import Clients
from .clock import MS, TICK, Clock
from .coverage import Coverage
from .disk import DiskFailed
from .links import Network
from .member import Member
from .operation import Operation
from .seen import View
from .settings import Settings
from .streams import stream
from .subject import Machine

_KINDS = {int(kind): str(kind) for kind in MessageType}
_ROLES = {int(role): str(role) for role in StateType}
# No message begins with this byte.
_BEAT = b"\xff"
_STATE = struct.Struct("<9Q")


def _nothing() -> None:
    pass


def guarded(call: Callable[..., Any], *arguments: Any) -> Any:
    """Call ``call``. Any error, of the core or of the state machine under test, becomes a Violation of "no error"."""
    try:
        return call(*arguments)
    except Violation:
        raise
    except Exception as error:
        raise Violation("no error", f"{type(error).__name__}: {error}") from error


class Silent:
    """A logger that is off."""

    def isEnabledFor(self, level: int) -> bool:
        """Return False."""
        return False

    def debug(self, text: str) -> None:
        """Do nothing."""

    info = warning = error = critical = debug


class Cluster:
    """A simulated cluster. ``step`` runs one event; ``healed`` is set once all faults have ended.

    ``digest`` is a checksum of all messages and state changes so far: two runs with equal digests took the same course.
    The constructor raises Violation if a rule is violated during set-up.
    """

    def __init__(
        self,
        settings: Settings,
        machine: Callable[[], Machine],
        *,
        logger: Any = None,
        make_raw: Callable[[Config], RawNode] = RawNode,
        hold_votes: bool = True,
        guard_reads: bool = True,
        guard_snapshots: bool = True,
        torn_writes: bool = False,
    ) -> None:
        self.settings = settings
        self.machine = machine
        self.logger = logger or Silent()
        self.make_raw = make_raw
        self.hold_votes = hold_votes
        self.guard_reads = guard_reads
        self.guard_snapshots = guard_snapshots
        self.torn_writes = torn_writes
        self.clock = Clock()
        self.members: dict[int, Member] = {}
        self.committed = Committed()
        self.membership = MembershipSafety()
        self.durable = CommittedIsDurable(self.committed, self.members)
        self.checkers = Checkers(
            [
                self.committed,
                ElectionSafety(),
                LeaderCompleteness(self.committed),
                LogMatching(),
                LeaderAppendOnly(),
                self.durable,
                StateMachineSafety(),
                Monotonic(),
                self.membership,
                PromisesAreDurable(),
                Linearizable(),
                Liveness(),
                QuotasReturn(),
                ElectedByQuorum(),
                UndisturbedLeaders(),
                OldMessages(),
                OwnTerm(),
                AppliedIsDurable(),
                CountedIsDurable(self.members),
                StoredOnce(),
                CommitsWhatItKnows(),
                ReadsByQuorum(),
                HandoversEnd(),
                SleepEnds(self.members),
                LeasesExclude(self.members),
            ]
        )
        self.clients = Clients(self.checkers.ended)
        self.coverage = Coverage()
        self.network = Network(self.clock, self.stream("network"), self._deliver, self._lost)
        self.random = self.stream("cluster")
        self.events = 0
        self.digest = 0
        self.touched: Member | None = None
        self._suffering: Counter[tuple[str, int]] = Counter()
        self.healed = False
        self._commands = self.stream("commands")
        self._proposer: Machine = guarded(machine)
        guarded(self._set_up)

    def stream(self, *purpose: object) -> Random:
        """Return the random numbers for one purpose."""
        return stream(self.settings.seed, *purpose)

    # -- setting up ----------------------------------------------------------------------------------------------

    def _set_up(self) -> None:
        s = self.settings
        voters = list(range(1, s.voters + 1))
        learners = [] if s.bootstrapped else list(range(s.voters + 1, s.voters + s.learners + 1))
        members = ConfState(voters=voters, learners=learners, auto_leave=False)
        if s.bootstrapped:
            index, terms = len(voters), dict.fromkeys(voters, 1)
        else:
            index, terms = s.index, {s.index: 1}
        self.committed.begin(index, terms)
        self.durable.begin(index)
        self.membership.begin(index, members)
        self.clients.floor = index
        for id in voters + learners:
            member = self.members[id] = Member(self, id)
            if not s.bootstrapped:
                metadata = SnapshotMetadata(conf_state=members, index=index, term=1)
                data = self.machine().snapshot()
                state = HardState(term=1, vote=0, commit=index)
                member.disk.submit(Write(state, [], Snapshot(data=data, metadata=metadata), True))
                member.disk.complete()
            member.start()
            if s.bootstrapped:
                member.node.bootstrap([Peer(each) for each in voters])
                member.watch()
                member.pump()
            member.disk.latency = s.latency(id)

    def spawn(self, id: int) -> Member:
        """Make sure that a member is up: create it, or restart it from its disk, if necessary."""
        member = self.members.get(id)
        if member is None:
            member = self.members[id] = Member(self, id)
            member.disk.latency = self.settings.latency(id)
        if not member.up:
            self._start(member)
        return member

    # -- what happens --------------------------------------------------------------------------------------------

    def step(self) -> str:
        """Run the next event and return its name. Raises Violation."""
        handler, arguments = self.clock.next()
        self.events += 1
        self.touched = None
        guarded(handler, *arguments)
        return handler.__name__

    def run(self, member: Member, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call a member. If its disk fails, the member crashes."""
        self.touched = member
        member.read_clock()
        try:
            return call(*arguments)
        except (DiskFailed, StorageFailed) as error:
            # The core wraps every error of a Storage in StorageFailed, including one of the state machine that makes
            # the snapshot. Only DiskFailed is a simulated fault.
            cause = (error.__cause__ if isinstance(error, StorageFailed) else None) or error
            if not isinstance(cause, DiskFailed):
                raise cause from cause.__cause__
            self.fault("failed read" if member.disk.unreadable else "failed write", 50 * MS)
            self.crash(member, 50 * MS, self.random)
            return None

    def start_ticking(self, member: Member) -> None:
        """Start the member's clock."""
        self.clock.after(int(self.random.random() * TICK), self._tick, member, member.life)

    def _tick(self, member: Member, life: int) -> None:
        if life != member.life or not member.up:
            return
        self.clock.after(member.tick_time, self._tick, member, life)
        if not member.paused:
            self.run(member, member.tick)

    def later(self, member: Member, delay: int, call: Callable[[], None]) -> None:
        """Call back after ``delay`` microseconds, unless the member has crashed by then."""
        self.clock.after(delay, self._later, member, member.life, call)

    def _later(self, member: Member, life: int, call: Callable[[], None]) -> None:
        if life != member.life or not member.up:
            return
        if member.paused:
            member.deferred.append((self._later, (member, life, call)))
        else:
            self.run(member, call)

    def changed(self, member: Member, before: View, after: View) -> None:
        """Record and check a change of the member's observable state."""
        self.digest = zlib.crc32(_STATE.pack(member.id, self.clock.now, *after), self.digest)
        if before.state != after.state:
            counts = self.coverage.counts
            counts["roles"][_ROLES[after.state]] += 1
            counts["transitions"][f"{_ROLES[before.state]} to {_ROLES[after.state]}"] += 1
        self.checkers.changed(member, before, after)

    # -- messages ------------------------------------------------------------------------------------------------

    def send(self, member: Member, m: Message) -> None:
        """Put a message on the network."""
        self.checkers.sending(member, m)
        data = m.encode()
        self.digest = zlib.crc32(data, self.digest)
        self.network.send(member.id, m, data)

    def send_beat(self, member: Member, m: Message) -> None:
        """Put a beat, or an answer to one, on the network."""
        data = _BEAT + m.encode()
        self.digest = zlib.crc32(data, self.digest)
        self.network.send(member.id, m, data)

    def _deliver(self, from_: int, to: int, data: bytes) -> None:
        member = self.members.get(to)
        beat = data[:1] == _BEAT
        if member is None or not member.up:
            if not beat:
                self._lost(from_, to, Message.decode(data).type)
            return
        if member.paused or member.stalled:
            member.deferred.append((self._deliver, (from_, to, data)))
            return
        if beat:
            self.run(member, member.hear, Message.decode(data[1:]))
            return
        m = Message.decode(data)
        refused = refuse_from_network(m)
        if refused is not None:
            raise Violation("correct peers", f"{from_} sends {m!r} to {to}: {refused}")
        self.coverage.counts["messages"][_KINDS[m.type]] += 1
        taken = self.run(member, member.step, m)
        if m.type == k.SNAP:
            if taken:
                self.clock.after(MS, self._report, from_, to, SnapshotStatus.FINISH)
            else:
                self._lost(from_, to, m.type)

    def _lost(self, from_: int, to: int, kind: int, data: bytes = b"") -> None:
        if kind == k.SNAP:
            self.clock.after(5 * MS, self._report, from_, to, SnapshotStatus.FAILURE)
        elif kind == k.APP and self.random.random() < 0.2:
            self.clock.after(MS, self._unreachable, from_, to)

    def _report(self, from_: int, to: int, status: SnapshotStatus) -> None:
        member = self.members[from_]
        if member.up and not member.paused:
            self.run(member, member.ask, member.driver.report_snapshot, to, status)
        elif member.up:
            member.deferred.append((self._report, (from_, to, status)))

    def _unreachable(self, from_: int, to: int) -> None:
        member = self.members[from_]
        if member.up and not member.paused:
            self.run(member, member.ask, member.driver.report_unreachable, to)

    # -- faults --------------------------------------------------------------------------------------------------

    def fault(self, name: str, duration: int, end: Callable[[], None] = _nothing, id: int = 0) -> None:
        """Begin a fault. After ``duration`` microseconds ``end`` is called to end it, unless ``heal`` came first.

        If the fault has the ``id`` of a member and several of the same name overlap on it, only the last one calls
        ``end``.
        """
        self.coverage.begin(name)
        self._suffering[name, id] += 1
        self.clock.after(duration, self._end_fault, name, end, id)

    def _end_fault(self, name: str, end: Callable[[], None], id: int) -> None:
        if self.healed:
            return
        self.coverage.end(name)
        self._suffering[name, id] -= 1
        if not id or not self._suffering[name, id]:
            end()

    def crash(self, member: Member, duration: int, random: Random) -> str:
        """Crash a member, which restarts after ``duration`` microseconds. Returns a text about what its disk lost."""
        self.clients.lost(member.id)
        effects = member.crash(random)
        if "torn" in effects:
            self.fault("torn write", duration)
        self.fault("crash", duration, lambda: self._start(member))
        return effects

    def stop(self, member: Member) -> str:
        """Stop a member; it loses what was not synced, as in a crash."""
        self.clients.lost(member.id)
        return member.crash(self.random)

    def _start(self, member: Member) -> None:
        if not member.up:
            member.start()
            self.run(member, member.pump)

    def pause(self, member: Member, duration: int) -> None:
        """Pause a member; messages and events for it wait."""
        member.paused = True
        self.fault("pause", duration, lambda: self.resume(member))

    def stall(self, member: Member, duration: int) -> None:
        """Let messages to a member wait, as on a connection that stalls; the member itself goes on."""
        member.stalled = True
        self.fault("stalled connections", duration, lambda: self.resume(member), member.id)

    def resume(self, member: Member) -> None:
        """Resume a member with the messages and events that waited."""
        member.paused = member.stalled = False
        waiting, member.deferred = member.deferred, []
        for handler, arguments in waiting:
            self.clock.after(0, handler, *arguments)

    # -- clients -------------------------------------------------------------------------------------------------

    def begin(self, member: Member, writes: bool) -> Operation:
        """Have a client write or read through a member."""
        data = self._proposer.command(self._commands) if writes else None
        operation = self.clients.begin(member.id, data)
        self.attempt(operation)
        return operation

    def attempt(self, operation: Operation) -> bool:
        """Try an operation, for the first time or again. Returns whether the member accepted it."""
        member = self.members[operation.member]
        if not member.up or member.paused:
            return False
        if operation.data is None:
            try:
                taken = self.run(member, member.ask, member.driver.read_index, operation.number.to_bytes(6, "big"))
            except NotNow:
                return False
        else:
            data = command(operation.number, operation.data)
            taken = self.run(member, member.ask, member.driver.propose, data)
        if taken is False:
            self.clients.pending.pop(operation.number, None)
        return bool(taken)

    def propose_change(self, member: Member, change: ConfChangeV2 | None) -> bool:
        """Propose a configuration change through a member; None leaves a joint one. Returns whether it was accepted."""
        return bool(self.run(member, member.ask, member.driver.propose_change, change))

    # -- who is there --------------------------------------------------------------------------------------------

    @property
    def ended(self) -> dict[bool, int]:
        """How many writes (True) and reads (False) have ended."""
        return self.clients.ended

    def running(self) -> list[Member]:
        """The members that are up, by ascending id."""
        return [self.members[id] for id in sorted(self.members) if self.members[id].up]

    def leader(self) -> Member | None:
        """The leader of the highest term, if there is one."""
        leaders = [member for member in self.members.values() if member.up and member.raft.state == k.LEADER]
        return max(leaders, key=lambda member: member.raft.term) if leaders else None

    # -- after the last fault ------------------------------------------------------------------------------------

    def heal(self) -> None:
        """End all faults at once. Raises Violation."""
        guarded(self._heal)

    def _heal(self) -> None:
        self.healed = True
        self.coverage.active.clear()
        self.network.clear()
        for member in list(self.members.values()):
            member.run_clock(1.0)
            member.apply_latency = 0
            disk = member.disk
            # Otherwise a member that is far behind might not catch up within the limit.
            disk.latency = min(disk.latency, MS // 2)
            disk.failing = disk.unreadable = disk.snapshot_away = False
            if member.paused or member.stalled:
                self.resume(member)

    def limit(self) -> int:
        """The most time that the second phase may take, in microseconds."""
        return LIMIT * self.settings.election_tick * TICK
