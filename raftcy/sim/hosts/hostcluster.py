"""A cluster of whole hosts: real Hosts and Replicas in simulated processes, on simulated disks and a simulated network.

It has the same interface as ``cluster.Cluster`` towards the tools: ``step`` runs one event, ``heal`` ends all faults,
``digest`` tells two runs apart. Rules that are checked here, beside those of ``truth``:

- One cluster: all members that begin have the same table of members. Once others join, each id has one identity.
- Only who is to leave is removed, and whoever is removed ends.
- Who sleeps has nothing to do.
- A member that has lost its disk never says anything in a group again.
- One vote for each id, term and group, whatever was lost; one leader for each term.
- Term, commit and applied index never fall while a process lives.
- No process ends by an error that no fault explains, and every message is one that its receiver takes.
"""

import errno
import zlib
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

from ...errors import MemberRemoved, MembersDiffer, StorageFailed, UpgradeNeeded
from ...replica.membertable import MemberTable
from ...wire import consts as k
from ...wire.enums import MessageType, StateType
from ...wire.messages import Message
from ..checkers import Violation
from ..clock import MS, Clock
from ..coverage import Coverage
from ..links import Network
from ..streams import stream
from . import reports
from .callers import Caller, Unsure
from .drawn import HostSettings
from .journal import NEWEST
from .medium import Medium
from .process import MEMBERS_MOST, Closed, Killed, Process, ids_of
from .roamers import Roamer
from .truth import Truth
from .wires import Packet, Wire

_KINDS = {int(kind): str(kind) for kind in MessageType}
_ROLES = {int(role): str(role) for role in StateType}
LIMIT = 80
"""Within so many election timeouts after the last fault, everything must be at rest."""
ROAMERS = 3
UNSURE_MOST = 30


class Member:
    """A member: its disk, and its process if it has one.

    It is ``gone`` if it may not come back, because it has lost its disk or was removed. With ``joins``, it came later.
    """

    __slots__ = (
        "fault",
        "gone",
        "hangs",
        "id",
        "joins",
        "knew",
        "knows",
        "life",
        "may_fail",
        "medium",
        "process",
        "wiped",
    )

    def __init__(self, id: int, knows: int, joins: bool = False) -> None:
        self.id = id
        self.joins = joins
        # The newest version that the present program knows, and the newest that any of its programs has known.
        self.knows = knows
        self.knew = 1
        self.medium = Medium()
        self.process: Process | None = None
        self.life = 0
        self.gone = False
        self.wiped = False
        # What will happen at one of the next calls of the disk, and in how many of them.
        self.fault: tuple[str, int] | None = None
        # Whether an error of the disk was injected in this life.
        self.may_fail = False
        self.hangs = False

    @property
    def running(self) -> Process | None:
        """The process, if it is alive, not paused and open."""
        process = self.process
        return process if process is not None and process.is_open and not process.loop.paused else None


class HostCluster:
    """See the module."""

    def __init__(self, settings: HostSettings, logger: Any = None) -> None:
        self.settings = settings
        self.logger = logger
        self.clock = Clock()
        self.random = self.stream("cluster")
        self.network = Network(self.clock, self.stream("network"), self._deliver, self._lost)
        self.network.mend(settings.network_us)
        self.coverage = Coverage(reports.GROUPS)
        self.truths = {name: Truth(self._known_by_all) for name in settings.groups}
        self.members = {id: Member(id, settings.knows) for id in range(1, settings.count + 1)}
        self.roamers = [
            Roamer(self, f"roamer {n}", self.truths[settings.groups[n % len(settings.groups)]], (100, 2000, 60_000)[n])
            for n in range(ROAMERS)
        ]
        self.ledger: Any = None
        if settings.profile.etcd:
            # Only this profile needs what etcd needs.
            from ..etcd.ledgers import EtcdLedger

            self.ledger = EtcdLedger(lambda: self.clock.now)
        self.events = 0
        self.digest = 0
        self.healed = False
        self.touched: Process | None = None
        self.ended = {True: 0, False: 0}
        self.questions: list[Unsure] = []
        self.broken: Violation | None = None
        self._groups = ids_of(settings.groups)
        self._number = 0
        self._suffering: Counter[tuple[str, int]] = Counter()
        self._tables: dict[int, MemberTable] = {}
        self._identities: dict[int, int] = {}
        # The members that somebody wanted to leave, and those that have left, as a caller was told.
        self.leaving: set[int] = set()
        self.have_left: set[int] = set()
        self._votes: dict[tuple[int, int, int], int] = {}
        self._leaders: dict[tuple[str, int], int] = {}
        for member in self.members.values():
            self.clock.after(int(self.random.random() * 100 * MS), self.start, member)

    def _known_by_all(self) -> int:
        """The newest version that some program of each member has known."""
        return min(member.knew for member in self.members.values())

    def stream(self, *purpose: object) -> Random:
        """Return the random numbers for one purpose."""
        return stream(self.settings.seed, *purpose)

    # -- what happens --------------------------------------------------------------------------------------------

    def step(self) -> str:
        """Run the next event and return its name. Raises Violation."""
        handler, arguments = self.clock.next()
        self.events += 1
        self.touched = None
        reports.hear(self.logger)
        try:
            handler(*arguments)
        finally:
            reports.unhear()
        if self.broken is not None:
            raise self.broken
        return handler.__name__

    def wrong(self, rule: str, text: str) -> None:
        """Note a violation, which ends the run after this event. The first one counts."""
        if self.broken is None:
            self.broken = Violation(rule, text)

    def note(self, *words: object) -> None:
        """Put words into the digest."""
        self.digest = zlib.crc32(repr((self.clock.now, *words)).encode(), self.digest)

    def told(self, what: str, *words: object) -> None:
        """Note what a caller was told."""
        self.coverage.counts["callers"][f"{what}: {_outcome(words)}"] += 1
        self.note(what, *words)

    def number(self) -> int:
        """Return the number of the next command."""
        self._number += 1
        return self._number

    def unsure(self, found: Unsure) -> None:
        """Keep a command to ask for it later."""
        self.questions.append(found)
        del self.questions[:-UNSURE_MOST]

    # -- processes -----------------------------------------------------------------------------------------------

    def start(self, member: Member) -> None:
        """Start a member's program, unless it runs."""
        if member.process is None and not member.gone:
            member.life += 1
            member.may_fail = False
            member.knew = max(member.knew, member.knows)
            process = Process(self, member.id, member.life, member.medium, member.knows, member.joins)
            member.process = self.touched = process
            if member.hangs:
                self.hang(member, member.process)

    def newcomer(self) -> Member | None:
        """Start a new member, which asks for a place; None if there were enough."""
        id = max(self.members) + 1
        if id > MEMBERS_MOST:
            return None
        member = self.members[id] = Member(id, self.settings.knows, joins=True)
        self.start(member)
        return member

    def left(self, id: int) -> None:
        """A caller was told that a member is removed."""
        self.have_left.add(id)

    def hang(self, member: Member, process: Process) -> None:
        """Let a member's disk be slow."""
        process.drive.latency_us = (
            40 * self.settings.latency_us + 100 * MS if member.hangs else self.settings.latency_us
        )

    def turn(self, process: Process) -> None:
        """Give a process its turn, and look at it afterwards."""
        self.touched = process
        process.loop.run()
        if process.alive:
            self._look(process)

    def _look(self, process: Process) -> None:
        failure = process.failure()
        if failure is not None and not process.is_closing:
            self.failed(process, failure)
            return
        for name, calls in process.calls.items():
            replica = calls.replica
            self._look_at_sleep(process, name, replica)
            role = replica.role
            now = (replica.term, replica.commit, replica.applied, int(role))
            before = process.seen.get(name)
            if now == before:
                continue
            process.seen[name] = now
            if before is None:
                continue
            if now[0] < before[0] or now[1] < before[1] or now[2] < before[2] or now[2] > now[1]:
                self.wrong("monotonic", f"{process.id}: term, commit, applied are {now[:3]} after {before[:3]}")
            if now[3] != before[3]:
                self._role_changed(process, name, before[3], now[3], now[0])
            self.note(process.id, name, now)

    def _look_at_sleep(self, process: Process, name: str, replica: Any) -> None:
        sleeps = replica.is_asleep
        if sleeps and not replica.is_idle():
            self.wrong("sleep", f"{process.id} sleeps in {name}, though it has work")
        if sleeps != (name in process.asleep):
            process.asleep ^= {name}
            self.coverage.counts["sleep"]["falls asleep" if sleeps else "wakes"] += 1

    def _role_changed(self, process: Process, name: str, before: int, now: int, term: int) -> None:
        counts = self.coverage.counts
        counts["roles"][_ROLES[now]] += 1
        counts["transitions"][f"{_ROLES[before]} to {_ROLES[now]}"] += 1
        if now == k.LEADER:
            other = self._leaders.setdefault((name, term), process.id)
            if other != process.id:
                self.wrong("election safety", f"{process.id} and {other} lead {name} in term {term}")

    def began(self, process: Process) -> None:
        """A host is open: its table of members must be that of all others that have stored one."""
        host = process.host
        self.note("began", process.id, process.life, host.cluster)
        if len(self.members) == self.settings.count and not self.leaving:
            for id, table in self._tables.items():
                if table != host.table:
                    self.wrong("one cluster", f"{process.id} has begun with {host.table}, and {id} with {table}")
        for each in host.table.members:
            known = self._identities.setdefault(each.id, each.identity)
            if known != each.identity:
                self.wrong("one cluster", f"{process.id} knows {each.id} as {each.identity:x}, others as {known:x}")
        self._tables[process.id] = host.table

    def failed(self, process: Process, error: BaseException) -> None:
        """A process has ended with an error. It starts again later, unless it must not."""
        member = self.members[process.id]
        if not process.alive or member.process is not process:
            return
        self.note("failed", process.id, type(error).__name__)
        self.coverage.counts["ends"][type(error).__name__] += 1
        pause = int(self.random.random() * 500 * MS)
        if not self._is_explained(member, process, error):
            self.wrong("no error", f"{process}: {type(error).__name__}: {error}")
        self.kill(member)
        if isinstance(error, UpgradeNeeded):
            member.knows = NEWEST
        self.clock.after(pause, self.start, member)

    def _is_explained(self, member: Member, process: Process, error: BaseException) -> bool:
        if isinstance(error, Closed):
            return True
        if isinstance(error, UpgradeNeeded):
            return process.knows < error.needed <= self._known_by_all()
        if isinstance(error, MemberRemoved):
            member.gone = member.id in self.leaving
            return member.gone
        if isinstance(error, MembersDiffer):
            table = next((table for id, table in self._tables.items() if id != member.id), None)
            own = None if table is None else table.find(member.id)
            member.gone = own is not None and own.identity != process.host.identity
            return any(each.wiped for each in self.members.values())
        return isinstance(error, StorageFailed | OSError) and member.may_fail

    def kill(self, member: Member) -> None:
        """Kill a member's process. What it has written stays, synced or not."""
        process = member.process
        if process is None:
            return
        member.process = None
        self.touched = process
        process.kill()
        for roamer in self.roamers:
            roamer.killed(process)
        member.medium = process.medium.killed()
        member.fault = None

    def cut_power(self, member: Member, random: Random) -> str:
        """Cut a member's power: any part of what was not synced is lost. Returns a text about that."""
        self.kill(member)
        count = len(member.medium.items)
        how = random.random()
        if how < 0.2:
            kept = list(range(count))
        elif how < 0.4:
            kept = []
        elif how < 0.6:
            kept = list(range(int(random.random() * (count + 1))))
        else:
            share = random.random()
            kept = [place for place in range(count) if random.random() < share]
        member.medium = member.medium.after(kept)
        return f"{len(kept)} of {count} unsynced sectors and names are kept" if count else ""

    def wipe(self, member: Member) -> None:
        """Kill a member and lose its disk."""
        self.kill(member)
        member.medium = Medium()
        member.wiped = True
        self._tables.pop(member.id, None)

    def disk_call(self, process: Process, kind: str, name: str) -> int | None:
        """Let a call of a disk happen, fail, or end the process."""
        if not process.alive:
            raise Killed
        member = self.members[process.id]
        if member.fault is None:
            return None
        what, left = member.fault
        if left > 0:
            member.fault = (what, left - 1)
            return None
        if what == "cut":
            member.fault = None
            self.coverage.begin("power cut in a write")
            self.coverage.end("power cut in a write")
            self.cut_power(member, self.random)
            self.clock.after(int(self.random.random() * 400 * MS), self.start, member)
            raise Killed
        if what == "full" and kind != "write":
            return None
        if what == "sync" and kind != "sync":
            return None
        member.fault = None
        member.may_fail = True
        if what == "full":
            return int(self.random.random() * 600)
        raise OSError(errno.EIO, "input/output error", name)

    def pause(self, process: Process) -> None:
        """Stop a process for a while; what comes for it waits."""
        process.loop.paused = True

    def resume(self, process: Process) -> None:
        """Let a process go on."""
        if process.loop.paused and process.alive:
            self.touched = process
            process.loop.resume()

    # -- messages ------------------------------------------------------------------------------------------------

    def sending(self, wire: Wire, group: int, m: Message, data: bytes) -> None:
        """Look at a message that leaves."""
        self.digest = zlib.crc32(data, self.digest)
        name = self._groups.get(group)
        if name is None:
            self.coverage.counts["messages"]["a request" if m.type == k.HEARTBEAT else "a reply"] += 1
            return
        self.coverage.counts["messages"][_KINDS[m.type]] += 1
        for table in self._tables.values():
            own = table.find(wire.id)
            if own is not None and own.identity != wire.identity:
                self.wrong("lost disks", f"{wire.id} has lost its disk, and sends {m!r}")
            break
        if m.type == k.VOTE_RESP and not m.reject:
            self._voted(group, wire.id, m.term, m.to)
        elif m.type == k.VOTE:
            self._voted(group, wire.id, m.term, wire.id)

    def _voted(self, group: int, id: int, term: int, candidate: int) -> None:
        other = self._votes.setdefault((group, id, term), candidate)
        if other != candidate:
            self.wrong("one vote", f"{id} votes for {candidate} in term {term}, and has voted for {other}")

    def wire_to(self, id: int) -> Wire | None:
        """Return the wire at which a member can be reached now."""
        member = self.members.get(id)
        process = None if member is None else member.process
        return None if process is None else process.parts.wire

    def _deliver(self, from_: int, to: int, packet: Packet) -> None:
        wire = self.wire_to(to)
        if wire is None or not wire.may_hear(packet):
            packet.wire.lost(to, packet.group, Message.decode(packet.data).type)
            return
        process = self.members[to].process
        if process is not None:
            process.loop.post(wire.take, packet)
            if not process.loop.paused:
                self.turn(process)

    def _lost(self, from_: int, to: int, kind: int, packet: Packet) -> None:
        packet.wire.lost(to, packet.group, kind)

    # -- faults --------------------------------------------------------------------------------------------------

    def fault(self, name: str, duration: int, end: Callable[[], None], id: int = 0) -> None:
        """Begin a fault, and end it after ``duration`` microseconds, as ``Cluster.fault`` does."""
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

    def heal(self) -> None:
        """End all faults at once."""
        self.healed = True
        self.coverage.active.clear()
        self.network.clear()
        self.network.mend(min(self.settings.network_us, MS))
        for member in self.members.values():
            member.fault = None
            member.hangs = False
            process = member.process
            if process is not None:
                process.loop.set_rate(1.0)
                process.drive.latency_us = min(self.settings.latency_us, MS)
                self.resume(process)

    def end(self) -> None:
        """End all processes."""
        reports.hear(None)
        try:
            for member in self.members.values():
                if member.process is not None:
                    member.process.kill()
        finally:
            reports.unhear()

    def limit(self) -> int:
        """Return the most time that the second phase may take, in microseconds."""
        return LIMIT * self.settings.election_us

    # -- who is there --------------------------------------------------------------------------------------------

    def open(self) -> list[Process]:
        """Return the processes that are open and not paused, by ascending id."""
        return [found for member in self.members.values() if (found := member.running) is not None]

    def leader(self, group: str) -> Process | None:
        """Return the process that leads a group in the highest term, if there is one."""
        leading = [each for each in self.open() if each.calls[group].replica.is_leader]
        return max(leading, key=lambda each: int(each.calls[group].replica.term), default=None)

    def etcd_leader(self) -> Process | None:
        """Return the process that leads the etcd group in the highest term, if there is one."""
        leading = [each for each in self.open() if each.clerk is not None and each.clerk.member.replica.is_leader]
        return max(leading, key=lambda each: int(each.clerk.member.replica.term), default=None)

    def caller_ended(self, process: Process, caller: Caller) -> None:
        """A caller has its outcome."""
        self.ended[caller.writes] += 1

    def pending(self) -> list[Caller]:
        """Return the callers that have no outcome yet."""
        return [
            caller
            for member in self.members.values()
            if member.process is not None
            for caller in member.process.callers
        ]


def _outcome(words: tuple[object, ...]) -> str:
    """The kind of an outcome, for counting."""
    for word in words:
        if isinstance(word, str) and not word.startswith("roamer"):
            return word
    return "answered"
