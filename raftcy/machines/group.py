"""A group's machine, as a driver has it: sessions, time and versions, around the state machine that a user writes.

Rules:

- What an entry does depends on the entries before it, and on the members as of there, only: not on how many come in one
  call, nor on which member, nor on restarts.
- An entry that is refused changes nothing and has its refusal as its answer, on all members alike.
- Nothing is skipped that may be a command: what only a newer program can read stops the member before it.
- The machine of a user is given commands only, each once, in the order of the log.
"""

from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import chain
from typing import Any, NoReturn

from ..errors import CommandError, Corruption, DecodeError, InvariantError, MachineFailed, UpgradeNeeded
from ..wire.messages import ConfState, Entry, Snapshot
from . import elapsed, envelope, statefile
from .envelope import MARK, Content
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
_REFUSED, _ANSWERED = b"\0", b"\1"

_command = tuple.__new__


class GroupCapture:
    """The state of a group at one index, ready to be written while it goes on.

    ``write`` writes all of it, on any thread. ``slices`` writes it piece by piece, for an event loop; ``sliceable``
    says whether the machine's part comes in small pieces then, or in one. Call one of the two, and once.
    """

    __slots__ = ("_body", "_head", "sliceable")

    def __init__(self, head: Iterator[bytes], body: bytes | Capture) -> None:
        self._head = head
        self._body = body
        self.sliceable = isinstance(body, bytes) or hasattr(body, "__iter__")

    def write(self, file: Writable) -> None:
        """Write the whole state to ``file``."""
        for _ in self.slices(file):
            pass

    def slices(self, file: Writable) -> Iterator[None]:
        """Write a piece at each step."""
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
    """Commands for one call of the machine: the places of their answers, and which of them are whose of a session."""

    __slots__ = ("commands", "numbers", "places")

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.places: list[int] = []
        # By session and number, which of the commands it is.
        self.numbers: dict[tuple[int, int], int] = {}

    def add(self, place: int, command: Command) -> None:
        """One more command, whose answer goes to this place."""
        self.commands.append(command)
        self.places.append(place)


class GroupMachine:
    """Applies a group's log: what a Driver is given as its machine.

    ``machine`` is the user's, ``members`` returns the members as of the entries that were applied last, such as
    ``lambda: driver.members``. Before ``members`` is set the group's version stays.

    ``version``, ``time_ms`` and ``sessions`` are of the last applied entry.
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
        """The index up to which a machine on disk has applied; 0 for any other one.

        A member whose log ends before it has lost entries. The driver itself is not to be told: this group needs all
        entries from the snapshot on, and keeps from the machine what it has.
        """
        return 0 if self._on_disk is None else self._on_disk.applied

    def needs_time(self) -> bool:
        """Whether leaders have to count time: see ``Timekeeper.due``."""
        return len(self.sessions) > 0 or self.machine.needs_time()

    def refuses_member(self, version: int) -> CommandError | None:
        """Why a member whose program knows versions up to ``version`` cannot be added, None if it can.

        To be asked where the change is applied: all members then give the same answer.
        """
        return self.versions.refuses(version)

    # -- applying ------------------------------------------------------------------------------------------------

    def apply(self, entries: list[Entry]) -> list[Any]:
        """Apply committed entries that are neither empty nor changes of the members; returns an answer for each.

        Raises UpgradeNeeded before the first entry that a newer program is needed for; those before it are applied.
        Raises MachineFailed if the machine raises.
        """
        self.versions.check()
        self._follow_members()
        time_ms = self.time_ms
        commands = [_command(Command, (e.index, e.term, e.data, time_ms, 0)) for e in entries]
        for command in commands:
            if command.data[0] == MARK:
                return self._apply_mixed(entries)
        return self._hand(commands)

    def _apply_mixed(self, entries: list[Entry]) -> list[Any]:
        """`apply` for entries of which some are marked: the commands between two of the group's own are one call."""
        answers: list[Any] = [None] * len(entries)
        batch = _Batch()
        for place, e in enumerate(entries):
            try:
                content = envelope.decode(e.data)
            except DecodeError as error:
                # Kinds never change, so that every program that knows the kind refuses it.
                answers[place] = CommandError(f"entry {e.index} is malformed: {error}", "malformed")
                continue
            except UpgradeNeeded:
                self._run(batch, answers)
                raise
            if isinstance(content, envelope.Plain):
                batch.add(place, Command(e.index, e.term, content.data, self.time_ms, 0))
            elif isinstance(content, envelope.SessionCommand):
                if (content.session, content.number) in batch.numbers:
                    # It is repeated before it has its answer.
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
        """`apply` in slices: each step applies some of the entries and gives their answers.

        Between two steps ticks and messages may be handled, but nobody may read the machine, nor capture it: finish the
        driver's batch behind the last step only, which is what reads wait for.
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
        """Hand a batch to the machine, put its answers in their places, and keep those of sessions; a new batch."""
        commands = batch.commands
        if not commands:
            return batch
        # What a machine on disk has applied before a restart; its answers to sessions are kept there.
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
        """The machine's answers; None for what a machine on disk has applied before a restart."""
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
        except MachineFailed:
            raise
        except Exception as error:
            raise failed(commands[0], commands[-1], error) from error
        if len(given) != len(commands):
            wrong = InvariantError(f"{len(given)} answers to {len(commands)} commands")
            raise failed(commands[0], commands[-1], wrong) from wrong
        return [None] * known + given

    def _apply_own(self, e: Entry, content: Content) -> Any:
        """Apply an entry that the machine does not see."""
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
        """A session's command: its kept answer or a refusal; None if the batch has it now."""
        session, number = content.session, content.number
        found = self.sessions.begin(session, number, content.acknowledged, self.time_ms)
        if isinstance(found, bytes):
            return self._decode_answer(found)
        if found is None:
            batch.numbers[session, number] = len(batch.commands)
            batch.add(place, Command(e.index, e.term, content.data, self.time_ms, session))
        return found

    def kept_answer(self, session: int, place: int) -> tuple[Any] | None:
        """The answer of command number ``place`` of a session, as the only item of a tuple.

        None if it has not been applied yet, was acknowledged, or the session is not there.
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
        """The state as of the last applied entry, to be written later: see GroupCapture.

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
        return GroupCapture(head, body)

    def restore_state(self, file: Readable, index: int) -> None:
        """Replace the state by that of a snapshot, which is of ``index``.

        A machine on disk that has applied this index already keeps what it has. Sessions, time and versions are checked
        before anything changes: Corruption if they are damaged, UpgradeNeeded if the group's version or the format is
        beyond this program. Raises MachineFailed if the machine raises, and Corruption for damage within its part: the
        state is unknown then.
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
        """`capture_state` as bytes, for a driver that keeps snapshots in memory."""
        file = BytesIO()
        self.capture_state().write(file)
        return file.getvalue()

    def restore(self, snapshot: Snapshot) -> None:
        """`restore_state` from a snapshot's data, for such a driver."""
        self.restore_state(BytesIO(snapshot.data), snapshot.metadata.index)


def _raise_failed(error: Exception) -> NoReturn:
    raise MachineFailed(0, 0, b"", f"{type(error).__name__}: {error}") from error
