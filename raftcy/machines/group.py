"""The machine that a driver gets for a group: sessions, time and versions around the application's state machine.

Rules:

- The effect of an entry depends only on the entries before it and on the members at that point. It does not depend on
  the number of entries in one call, on the member, or on restarts. Otherwise the members' states would differ.
- A refused entry changes nothing, and its answer is the refusal, the same on all members.
- No entry that may be a command is skipped: the member stops before an entry that only a newer program can read.
- The application's machine gets commands only, each once, in the order of the log.
"""

from collections.abc import Callable, Generator, Iterator
from io import BytesIO
from itertools import chain
from typing import Any, NoReturn

from ..errors import CommandError, Corruption, DecodeError, InvariantError, MachineFailed, UpgradeNeeded
from ..wire.messages import ConfState, Entry, Snapshot
from . import elapsed, envelope, statefile
from .commands import plain_commands
from .envelope import Content
from .packing import Reader
from .packing import number as packed
from .plaindata import pack, unpack
from .sessions import SessionTable
from .statefile import StateReader, StateWriter
from .statemachine import Capture, Command, OnDiskMachine, Readable, StateMachine, Writable, failed
from .versions import Versions

SLICE_ENTRIES = 256
SLICE_BYTES = 1 << 20
_HEAD_FORMAT = 1
# Up to so many sessions and kept answers are encoded without delaying anybody.
_FEW_SESSIONS = 1000
_REFUSED, _ANSWERED = b"\0", b"\1"


class GroupCapture:
    """The state of a group at one index, which can be written while the group goes on.

    ``write`` writes all of it, on any thread. ``slices`` writes it piece by piece, for an event loop; ``sliceable``
    says whether the machine's part then comes in small pieces, or in one. Call only one of them, and only once.
    """

    __slots__ = ("_body", "_few", "_head", "sliceable")

    def __init__(self, head: Iterator[bytes], body: bytes | Capture, few: bool = False) -> None:
        self._head = head
        self._body = body
        self._few = few
        self.sliceable = isinstance(body, bytes) or hasattr(body, "__iter__")

    def is_small(self, limit: int) -> bool:
        """Whether writing takes no time: there are few sessions, and the machine's part is at most ``limit`` bytes."""
        return self._few and isinstance(self._body, bytes) and len(self._body) <= limit

    def write(self, file: Writable) -> None:
        """Write the whole state to ``file``."""
        for _ in self.slices(file):
            pass

    def slices(self, file: Writable) -> Iterator[None]:
        """Write one piece at each step."""
        writer = StateWriter(file)
        size = 0
        for part in self._head:
            writer.write(part)
            size += len(part)
            if size >= statefile.PIECE_BYTES:
                size = 0
                yield
        writer.end()
        body: Any = self._body
        if isinstance(body, bytes):
            body = statefile.pieces(body)
        elif not self.sliceable:
            body.write(writer)
            body = ()
        for piece in body:
            writer.write(piece)
            yield
        writer.end()


class _Batch:
    """Commands for one call of the machine, with the places of their answers, and their sessions and numbers."""

    __slots__ = ("commands", "numbers", "places")

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.places: list[int] = []
        # The position of a command in the batch, by its session and number.
        self.numbers: dict[tuple[int, int], int] = {}

    def add(self, place: int, command: Command) -> None:
        """Add a command, whose answer goes to this place."""
        self.commands.append(command)
        self.places.append(place)


class GroupMachine:
    """Applies a group's log. Pass it to a Driver as its machine.

    ``machine`` is the application's machine. ``members`` returns the members as of the last applied entries, for
    example ``lambda: driver.members``. The group's version does not change until ``members`` is set.

    ``version``, ``time_ms`` and ``sessions`` have the state as of the last applied entry.
    """

    def __init__(self, machine: StateMachine, members: Callable[[], ConfState] | None = None) -> None:
        self.machine = machine
        self.members = members
        self.versions = Versions(machine.knows)
        self.sessions = SessionTable()
        self.time_ms = 0
        machine.version = 1
        self._on_disk = machine if isinstance(machine, OnDiskMachine) else None

    @property
    def version(self) -> int:
        """The group's version."""
        return self.versions.version

    @property
    def machine_applied(self) -> int:
        """The index up to which a machine on disk has applied commands; 0 for any other machine.

        If a member's log ends before it, the member has lost entries. Do not pass it to the driver as
        ``machine_applied``: this group needs all entries from the snapshot on, and itself skips the commands that the
        machine has applied.
        """
        return 0 if self._on_disk is None else self._on_disk.applied

    def needs_time(self) -> bool:
        """Whether leaders must count time: see ``Timekeeper.due``."""
        return len(self.sessions) > 0 or self.machine.needs_time()

    def refuses_member(self, version: int) -> CommandError | None:
        """Return why a member whose program knows versions up to ``version`` cannot be added, None if it can.

        Call it where the change is applied: there, all members give the same answer.
        """
        return self.versions.refuses(version)

    # -- applying ------------------------------------------------------------------------------------------------

    def apply(self, entries: list[Entry]) -> list[Any]:
        """Apply committed entries, and return an answer for each. Do not pass empty entries or membership changes.

        Raises UpgradeNeeded before the first entry that needs a newer program; the entries before it are applied.
        The machine may raise it too, for its own commands. Raises MachineFailed if the machine raises anything else.
        """
        self.versions.check()
        self._follow_members()
        commands = plain_commands(entries, self.time_ms, Command)
        return self._apply_mixed(entries) if commands is None else self._hand(commands)

    def steps(self, entries: list[Entry]) -> Generator[None, None, list[Any]]:
        """Apply committed entries as ``apply`` does, in steps if the machine takes them: see ``StateMachine.steps``.

        Entries that stand among marked ones are applied in one step.
        """
        if self._on_disk is not None or not self.machine.applies_in_steps:
            return self.apply(entries)
        self.versions.check()
        self._follow_members()
        commands = plain_commands(entries, self.time_ms, Command)
        if commands is None:
            return self._apply_mixed(entries)
        try:
            given = list((yield from self.machine.steps(commands)))
        except (MachineFailed, UpgradeNeeded):
            raise
        except Exception as error:
            raise failed(commands[0], commands[-1], error) from error
        return _counted(given, commands)

    def _apply_mixed(self, entries: list[Entry]) -> list[Any]:
        """Apply entries of which some are marked. Commands between two marked entries reach the machine in one call."""
        answers: list[Any] = [None] * len(entries)
        batch = _Batch()
        for place, e in enumerate(entries):
            try:
                content = envelope.decode(e.data)
            except DecodeError as error:
                # Kinds never change, so every program that knows this kind refuses the entry.
                answers[place] = CommandError(f"entry {e.index} is malformed: {error}", "malformed")
                continue
            except UpgradeNeeded:
                self._run(batch, answers)
                raise
            if isinstance(content, envelope.Plain):
                batch.add(place, Command(e.index, e.term, content.data, self.time_ms, 0))
            elif isinstance(content, envelope.SessionCommand):
                if (content.session, content.number) in batch.numbers:
                    # The batch repeats a command that has no answer yet, so the batch has to run first.
                    batch = self._run(batch, answers)
                answers[place] = self._begin(place, e, content, batch)
            else:
                batch = self._run(batch, answers)
                answers[place] = self._apply_own(e, content)
        self._run(batch, answers)
        return answers

    def slices(
        self, entries: list[Entry], most_entries: int = SLICE_ENTRIES, most_bytes: int = SLICE_BYTES
    ) -> Iterator[list[Any]]:
        """Apply entries in slices: each step applies some of them and yields their answers.

        Between two steps the caller may handle ticks and messages, but must neither read nor capture the machine, whose
        state is that of no finished batch. Finish the driver's batch only after the last step: reads wait for that.
        """
        begin = size = 0
        for place, e in enumerate(entries):
            if place > begin and (place - begin >= most_entries or size + len(e.data) > most_bytes):
                yield self.apply(entries[begin:place])
                begin, size = place, 0
            size += len(e.data)
        if begin < len(entries):
            yield self.apply(entries[begin:])

    def _follow_members(self) -> None:
        if self.members is not None:
            self.versions.follow(self.members())
            self.machine.version = self.versions.version

    def _run(self, batch: "_Batch", answers: list[Any]) -> "_Batch":
        """Apply a batch, store its answers, keep the answers of sessions, and return a new batch."""
        commands = batch.commands
        if not commands:
            return batch
        # A machine on disk has applied the commands up to here before a restart, and keeps their answers for sessions.
        old = 0 if self._on_disk is None else self._on_disk.applied
        given = self._hand(commands)
        for (session, number), at in batch.numbers.items():
            command = commands[at]
            try:
                if self._on_disk is not None and command.index <= old:
                    given[at] = self._on_disk.kept_answer(command.index)
                kept = self._encode_answer(given[at])
            except Exception as error:
                raise failed(command, command, error) from error
            self.sessions.keep(session, number, kept)
        for place, answer in zip(batch.places, given, strict=True):
            answers[place] = answer
        return _Batch()

    def _hand(self, commands: list[Command]) -> list[Any]:
        """Return the machine's answers; None for commands that a machine on disk has applied before a restart."""
        known = 0
        if self._on_disk is not None:
            applied = self._on_disk.applied
            while known < len(commands) and commands[known].index <= applied:
                known += 1
            if known == len(commands):
                return [None] * known
            commands = commands[known:]
        try:
            given = list(self.machine.apply(commands))
        except (MachineFailed, UpgradeNeeded):
            raise
        except Exception as error:
            raise failed(commands[0], commands[-1], error) from error
        return [None] * known + _counted(given, commands)

    def _apply_own(self, e: Entry, content: Content) -> Any:
        """Apply an entry of sessions, time or versions, which the machine does not get."""
        if isinstance(content, envelope.TimePassed):
            self.time_ms = elapsed.advanced(self.time_ms, e.term, content)
            self.sessions.expire(self.time_ms)
            return None
        if isinstance(content, envelope.Opened):
            if self._on_disk is not None and not self._on_disk.keeps_answers:
                return CommandError("this machine keeps no answers, so the group has no sessions", "no sessions")
            return self.sessions.open(e.index, content.timeout_ms, self.time_ms)
        if isinstance(content, envelope.Acknowledged):
            return self.sessions.acknowledge(content.session, content.acknowledged, self.time_ms)
        if isinstance(content, envelope.Closed):
            return self.sessions.close(content.session)
        if isinstance(content, envelope.VersionReport):
            refused = self.versions.report(content.member, content.version)
            self.machine.version = self.versions.version
            return refused
        raise InvariantError(f"entry {e.index} has {content!r}, which nobody applies")

    def _begin(self, place: int, e: Entry, content: envelope.SessionCommand, batch: "_Batch") -> Any:
        """Return the kept answer of a session's command, or a refusal; None after adding it to the batch."""
        session, number = content.session, content.number
        found = self.sessions.begin(session, number, content.acknowledged, self.time_ms)
        if isinstance(found, bytes):
            return self._decode_answer(found)
        if found is None:
            batch.numbers[session, number] = len(batch.commands)
            batch.add(place, Command(e.index, e.term, content.data, self.time_ms, session))
        return found

    def kept_answer(self, session: int, place: int) -> tuple[Any] | None:
        """Return the answer of command number ``place`` of a session, as the only item of a tuple.

        None if the command is not applied yet, if its answer was acknowledged, or if the session does not exist.
        """
        kept = self.sessions.answer(session, place)
        return None if kept is None else (self._decode_answer(kept),)

    def _encode_answer(self, answer: Any) -> bytes:
        if isinstance(answer, CommandError):
            return _REFUSED + pack(CommandError(answer.text, answer.reason))
        return _ANSWERED + self.machine.encode_answer(answer)

    def _decode_answer(self, kept: bytes) -> Any:
        return unpack(kept[1:]) if kept[:1] == _REFUSED else self.machine.decode_answer(kept[1:])

    # -- snapshots -----------------------------------------------------------------------------------------------

    def capture_state(self) -> GroupCapture:
        """Return the state as of the last applied entry, for writing it later: see GroupCapture.

        Raises MachineFailed if the machine's ``capture`` raises.
        """
        first = packed(_HEAD_FORMAT) + packed(self.time_ms) + self.versions.encode()
        head = chain((first,), self.sessions.copy().encode())
        try:
            body = self.machine.capture()
        except Exception as error:
            _raise_failed(error)
        if isinstance(body, bytearray | memoryview):
            body = bytes(body)
        if not isinstance(body, bytes) and not hasattr(body, "write"):
            _raise_failed(TypeError(f"capture must return bytes or what has write, not {type(body).__name__}"))
        return GroupCapture(head, body, self.sessions.kept() + len(self.sessions) <= _FEW_SESSIONS)

    def restore_state(self, file: Readable, index: int) -> None:
        """Replace the state by the state of a snapshot of ``index``.

        A machine on disk that has already applied this index keeps its state. Before anything changes, this checks
        sessions, time and versions: it raises Corruption if they are damaged, and UpgradeNeeded if the group's version
        or the format is beyond this program. It raises MachineFailed if the machine raises, and Corruption for damage
        in the machine's part; the state is unknown then.
        """
        reader = StateReader(file)
        try:
            time_ms, versions, sessions = self._decode_head(reader.head)
        except DecodeError as error:
            raise Corruption(f"the head of a snapshot is damaged: {error}") from error
        versions.check()
        self.time_ms, self.versions, self.sessions = time_ms, versions, sessions
        self.machine.version = versions.version
        if self._on_disk is not None and self._on_disk.applied >= index:
            return
        try:
            self.machine.restore(reader)
        except (Corruption, UpgradeNeeded):
            raise
        except Exception as error:
            _raise_failed(error)
        reader.finish()

    def _decode_head(self, head: bytes) -> tuple[int, Versions, SessionTable]:
        reader = Reader(head)
        format = reader.number()
        if format != _HEAD_FORMAT:
            raise UpgradeNeeded("snapshot head", format, _HEAD_FORMAT)
        time_ms = reader.number()
        versions = self.versions.decode(reader)
        sessions = SessionTable.decode(reader)
        reader.end()
        return time_ms, versions, sessions

    def capture(self) -> bytes:
        """Return `capture_state` as bytes, for a driver that keeps snapshots in memory."""
        file = BytesIO()
        self.capture_state().write(file)
        return file.getvalue()

    def restore(self, snapshot: Snapshot) -> None:
        """Call `restore_state` with a snapshot's data, for a driver that keeps snapshots in memory."""
        self.restore_state(BytesIO(snapshot.data), snapshot.metadata.index)


def _counted(given: list[Any], commands: list[Command]) -> list[Any]:
    """Return the machine's answers, of which there must be one for each command."""
    if len(given) != len(commands):
        wrong = InvariantError(f"{len(given)} answers to {len(commands)} commands")
        raise failed(commands[0], commands[-1], wrong) from wrong
    return given


def _raise_failed(error: Exception) -> NoReturn:
    raise MachineFailed(0, 0, b"", f"{type(error).__name__}: {error}") from error
