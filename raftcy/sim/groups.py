"""A subject that is a whole group: a ready machine with sessions, time and versions, and what keeps watch over them.

What is proposed is plain data that names a session by a slot, and a leader's time by "mine", because a client's view of
the log is not simulated. It becomes an entry where it is applied, alike on all members.
"""

from random import Random
from typing import Any

from ..errors import CommandError, SessionExpired
from ..machines import Command, GroupMachine, envelope
from ..machines.plaindata import pack, unpack
from ..machines.sessions import WINDOW
from ..wire.messages import ConfState, Entry, Snapshot, SnapshotMetadata
from .checkers import Violation
from .models import MODELS, Model

SLOTS = 5
KNOWS = 4
MEMBERS_MOST = 7


class Watch:
    """What the log says of sessions, time and versions, worked out anew and in the plainest form."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.version = 1
        self.reports: dict[int, int] = {}
        # By session: timeout, last sign of it, up to where it is acknowledged, and the answers of its commands.
        self.open: dict[int, list[Any]] = {}
        # All that was ever applied.
        self.applied: dict[int, list[int]] = {}

    def state(self) -> Any:
        """All of it, as plain data."""
        return [self.now_ms, self.version, self.reports, self.open, self.applied]

    def load(self, state: Any) -> None:
        """The reverse of ``state``."""
        self.now_ms, self.version, self.reports, self.open, self.applied = state

    def applied_once(self, session: int, number: int) -> None:
        """A command of a session was given to the machine."""
        known = self.applied.setdefault(session, [])
        if number in known:
            raise Violation("exactly once", f"command {number} of session {session} is applied a second time")
        known.append(number)

    def expected(self, session: int, number: int, acknowledged: int) -> tuple[str, bytes]:
        """What has to become of a command: a refusal's reason, "kept" with the answer, or "applied"."""
        found = self.open.get(session)
        if found is None:
            return "expired", b""
        found[1] = self.now_ms
        found[2] = max(found[2], acknowledged)
        for each in [each for each in found[3] if each <= found[2]]:
            del found[3][each]
        if number <= found[2]:
            return "acknowledged", b""
        if number > found[2] + WINDOW:
            return "window", b""
        return ("kept", found[3][number]) if number in found[3] else ("applied", b"")

    def pass_ms(self, elapsed_ms: int) -> None:
        """The time goes on, and silent sessions end."""
        self.now_ms += elapsed_ms
        for session, (timeout_ms, last_ms, _, _) in list(self.open.items()):
            if last_ms + timeout_ms + envelope.ADVANCE_MOST_MS <= self.now_ms:
                del self.open[session]

    def follow(self, members: ConfState) -> list[int]:
        """The members, sorted; forgets the reports of others, and lets the version rise to what all have reported."""
        present = sorted({*members.voters, *members.voters_outgoing, *members.learners, *members.learners_next})
        self.reports = {member: version for member, version in self.reports.items() if member in present}
        if len(self.reports) == len(present):
            self.version = max(self.version, min(self.reports.values(), default=1))
        return present


class GroupSubject:
    """A Machine for the simulator, around the ready machine of a model."""

    def __init__(self, model: type[Model]) -> None:
        self._kind = model
        self._numbers = [0] * SLOTS
        self._begin()

    def _begin(self) -> None:
        self.model = self._kind()
        self.watch = Watch()
        self.slots = [0] * SLOTS
        machine = self.model.machine()
        machine.knows = KNOWS
        self._apply = machine.apply
        self._given: list[Command] = []
        machine.apply = self._seen  # type: ignore[method-assign]
        self._members = ConfState()
        self.group = GroupMachine(machine, lambda: self._members)

    def _seen(self, commands: Any) -> Any:
        self._given.extend(commands)
        return self._apply(commands)

    # -- proposing -----------------------------------------------------------------------------------------------

    def command(self, random: Random) -> bytes:
        """Draw an entry."""
        u, v = random.random(), random.random()
        slot = int(random.random() * SLOTS)
        if u < 0.25:
            return pack(("plain", self.model.draw(random)))
        if u < 0.65:
            if v < 0.7:
                self._numbers[slot] += 1
                number = self._numbers[slot]
            elif v < 0.97:
                number = max(1, self._numbers[slot] - int(random.random() * 4))
            else:
                # Of a client that does not acknowledge.
                number = self._numbers[slot] + 2 * WINDOW
            acknowledged = max(0, min(number, self._numbers[slot]) - 1 - int(random.random() * 8))
            # A repeated command is the same command.
            seed = f"{slot} {number}"
            return pack(("session", slot, number, acknowledged, self.model.draw(Random(seed))))
        if u < 0.75:
            return pack(("open", slot, (100, 1000, 10_000)[int(v * 3)]))
        if u < 0.79:
            return pack(("acknowledge", slot, int(v * (self._numbers[slot] + 1))))
        if u < 0.8:
            return pack(("close", slot))
        if u < 0.9:
            return pack(("time", 1 + int(v * v * envelope.ADVANCE_MOST_MS), random.random() < 0.9))
        return pack(("report", 1 + int(v * MEMBERS_MOST), 1 + int(random.random() * KNOWS)))

    # -- applying ------------------------------------------------------------------------------------------------

    def apply(self, data: bytes) -> None:
        """Not used: an entry's index, term and members are needed."""
        raise NotImplementedError("a group is given entries")

    def apply_at(self, index: int, term: int, data: bytes, members: ConfState) -> None:
        """Apply an entry, and compare what becomes of it."""
        what, *fields = unpack(data)
        self._members = members
        present = self.watch.follow(members)
        getattr(self, f"_{what}")(index, term, present, *fields)
        self.watch.follow(members)
        self._compare("time", self.group.time_ms, self.watch.now_ms)
        self._compare("version", self.group.version, self.watch.version)
        self._compare("sessions", [each for each in sorted(self.watch.open) if each not in self.group.sessions], [])
        self._compare("sessions", len(self.group.sessions), len(self.watch.open))
        self._compare("sessions", self.group.sessions.kept(), sum(len(each[3]) for each in self.watch.open.values()))

    def _compare(self, rule: str, found: Any, expected: Any) -> None:
        if found != expected:
            raise Violation(rule, f"{found!r} in place of {expected!r}")

    def _put(self, index: int, term: int, data: bytes) -> Any:
        self._given.clear()
        return self.group.apply([Entry(index=index, term=term, data=data)])[0]

    def _plain(self, index: int, term: int, present: list[int], drawn: Any) -> None:
        command = self.model.command(drawn)
        answer = self._put(index, term, envelope.plain(self.group.machine.encode(command)))
        self._compare("exactly once", [each.index for each in self._given], [index])
        self.model.answered(command, self._given[0], answer)

    def _session(
        self, index: int, term: int, present: list[int], slot: int, number: int, floor: int, drawn: Any
    ) -> None:
        session = self.slots[slot]
        command = self.model.command(drawn)
        what, kept = self.watch.expected(session, number, floor)
        data = envelope.session_command(session, number, floor, self.group.machine.encode(command))
        answer = self._put(index, term, data)
        for _ in self._given:
            self.watch.applied_once(session, number)
        self._compare("exactly once", [each.index for each in self._given], [index] if what == "applied" else [])
        if what == "applied":
            self.model.answered(command, self._given[0], answer)
            self.watch.open[session][3][number] = pack(answer)
        elif what == "kept":
            self._compare("exactly once", pack(answer), kept)
        else:
            self._compare("exactly once", getattr(answer, "reason", answer), what)

    def _open(self, index: int, term: int, present: list[int], slot: int, timeout_ms: int) -> None:
        self._compare("sessions", self._put(index, term, envelope.open_session(timeout_ms)), index)
        self.slots[slot] = index
        self.watch.open[index] = [timeout_ms, self.watch.now_ms, 0, {}]

    def _acknowledge(self, index: int, term: int, present: list[int], slot: int, number: int) -> None:
        session = self.slots[slot]
        self._refused(self._put(index, term, envelope.acknowledge(session, number)), session)
        self.watch.expected(session, 2**63, number)

    def _close(self, index: int, term: int, present: list[int], slot: int) -> None:
        session = self.slots[slot]
        self._refused(self._put(index, term, envelope.close_session(session)), session)
        self.watch.open.pop(session, None)

    def _refused(self, answer: Any, session: int) -> None:
        self._compare("sessions", isinstance(answer, SessionExpired), session not in self.watch.open)

    def _time(self, index: int, term: int, present: list[int], elapsed_ms: int, mine: bool) -> None:
        self._put(index, term, envelope.time_passed(term if mine else term + 1, elapsed_ms))
        if mine:
            self.watch.pass_ms(elapsed_ms)

    def _report(self, index: int, term: int, present: list[int], member: int, version: int) -> None:
        answer = self._put(index, term, envelope.version_report(member, version))
        good = member in present and version >= self.watch.version
        self._compare("version", isinstance(answer, CommandError), not good)
        if good:
            self.watch.reports[member] = version

    # -- snapshots -----------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """The group's own snapshot, and what keeps watch over it."""
        return pack([self.group.capture(), self.slots, self.model.state, self.watch.state()])

    def restore(self, data: bytes) -> None:
        """Restore a snapshot into a new group."""
        self._begin()
        if data:
            captured, self.slots, self.model.state, watched = unpack(data)
            self.watch.load(watched)
            self.group.restore(Snapshot(data=captured, metadata=SnapshotMetadata(index=1, term=1)))


def subject(name: str) -> GroupSubject:
    """A group with the ready machine of this name, one of ``models.MODELS``."""
    return GroupSubject(MODELS[name])
