"""The base classes of an application's state machine."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from ..errors import MachineFailed
from ..wire.checks import octets
from . import plaindata


class Command(NamedTuple):
    """A committed command, as a state machine gets it.

    ``index`` and ``term`` come from its log entry. No two commands of a group have the same index, and later commands
    have higher ones. ``data`` has the proposed bytes. ``time_ms`` is the group's time: milliseconds that its leaders
    have counted, the same on all members. It never falls, it stands still while the group has no leader, and it does
    not depend on the date of any clock. ``session`` is the command's session, 0 without one.
    """

    index: int  # type: ignore[assignment]  # in place of the tuple's method
    term: int
    data: bytes
    time_ms: int
    session: int


class Writable(Protocol):
    """The file to which a snapshot is written."""

    def write(self, data: bytes, /) -> Any:
        """Take all of ``data``."""


class Readable(Protocol):
    """The file from which a snapshot is read."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end; all remaining bytes if ``size`` is negative."""


class Capture(Protocol):
    """The state of a machine at one index, which can be written while the machine goes on."""

    def write(self, file: Writable, /) -> None:
        """Write the state. It is called once, perhaps on another thread."""


class Pieces:
    """A capture in pieces of bytes, so that the event loop can write one piece at a time between its other work.

    ``pieces`` is an iterable of bytes, for example a generator over a copy of the state. It is read once.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def write(self, file: Writable) -> None:
        """Write all pieces."""
        for piece in self._pieces:
            file.write(piece)


def read_full(file: Readable, size: int) -> bytes:
    """Read so many bytes, fewer only at the end of the file.

    It asks for a megabyte at a time, so that a damaged size costs no memory that the file does not have.
    """
    parts = []
    while size > 0:
        part = file.read(min(size, 1 << 20))
        if not part:
            break
        parts.append(part)
        size -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class StateMachine:
    """A deterministic machine: the same commands in the same order give the same state and answers on every member.

    So its methods must not use a clock, random numbers, the environment, or the order of a set. If a command needs such
    a value, the proposer must put it into the command. Otherwise the members' states differ, without an error. Write
    ``apply_one`` or ``apply``, and ``capture`` and ``restore``.

    A refusal is an answer: return a `CommandError`, and the proposal raises it. If a method raises any other error, the
    member stops with `MachineFailed`, because the state is then unknown.

    ``knows`` is the newest version of commands and snapshots that this program knows, from 1 on. ``version`` is the
    group's version, which rises to the newest version that all members know. Use nothing newer than ``version``, either
    in the commands that you propose or in ``capture``; other members could not read it.

    ``restores_on_thread`` says whether a replica may call ``restore`` on a thread, which it does unless the state is
    small. It uses the machine in no other way meanwhile. Set it to False for a machine that is bound to one thread,
    such as one with a connection of sqlite3. The event loop then stands still until the machine is restored.

    ``applies_in_steps`` says whether the machine has ``steps``, for commands that may take long.
    """

    knows: int = 1
    version: int = 1
    restores_on_thread: bool = True
    applies_in_steps: bool = False
    # Whether a replica was given this machine. It would get the whole log a second time from another one.
    _has_served: bool = False

    def apply(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Apply committed commands, in order, and return an answer for each.

        One call passes all available commands, so that a database can take them in one transaction. Their number
        differs from member to member, and must not change the outcome.
        """
        answers = []
        command = None
        apply_one = self.apply_one
        try:
            for command in commands:
                answers.append(apply_one(command))
        except Exception as error:
            if command is None:
                raise
            raise failed(command, command, error) from error
        return answers

    def steps(self, commands: Sequence[Command]) -> Generator[None, None, Sequence[Any]]:
        """Apply commands as ``apply`` does, but pause where a single command takes long: yield there.

        A generator that returns the answers. A replica calls it in place of ``apply`` if ``applies_in_steps`` is True,
        and lets its event loop run between the steps, up to the last of which the replica neither applies anything
        else, nor captures the state, nor ends a ``read``. What the machine shows meanwhile is the machine's matter.
        """
        return self.apply(commands)
        yield

    def apply_one(self, command: Command) -> Any:
        """Apply one command, and return its answer."""
        raise NotImplementedError(f"{type(self).__name__} has neither apply nor apply_one")

    def capture(self) -> bytes | Capture:
        """Return the whole present state: bytes, a `Capture` that writes them later on a thread, or `Pieces`.

        It must return within milliseconds, because the event loop stands still meanwhile. The returned object must not
        change when further commands are applied. So copy a dict, and encode the copy later. Equal states should give
        equal bytes.
        """
        raise NotImplementedError(f"{type(self).__name__} has no capture")

    def restore(self, file: Readable) -> None:
        """Replace the state by the state of a capture. ``version`` is set before to the group's version at the capture.

        If it raises an error, the member stops.
        """
        raise NotImplementedError(f"{type(self).__name__} has no restore")

    def encode(self, command: Any) -> bytes:
        """Encode a command for proposing. This default returns bytes unchanged; TypeError for anything else."""
        return octets(command, "command")

    def needs_time(self) -> bool:
        """Return whether the group's time must advance, because a part of this state, such as a lease, ends by it.

        While neither the machine nor a session needs it, leaders add no time to the log, and an idle group can sleep.
        """
        return False

    def encode_answer(self, answer: Any) -> bytes:
        """Encode an answer that a session keeps. This default encodes plain data; TypeError for anything else."""
        return plaindata.pack(answer)

    def decode_answer(self, data: bytes) -> Any:
        """Decode an answer."""
        return plaindata.unpack(data)


class OnDiskMachine(StateMachine):
    """A machine that itself keeps its state durably, for example in a database.

    It stores ``applied`` in the transaction of the commands that it applies. After a restart, it gets only the commands
    above ``applied``, while the group follows sessions, time and versions from the snapshot on. With sessions, the
    group then needs the answers of commands below ``applied`` again. With ``keeps_answers``, the machine keeps the
    answer of each session's command in the same transaction, until two captures have followed, and returns it from
    ``kept_answer``. Without ``keeps_answers``, the group refuses sessions.

    A capture must include ``applied`` and the kept answers. After a restart, the group itself may still be behind the
    machine; a member that restores such a capture catches up in the same way.
    """

    keeps_answers: bool = False

    @property
    def applied(self) -> int:
        """The index of the last command that is applied and durable, 0 at first. Restoring a snapshot sets it too."""
        raise NotImplementedError(f"{type(self).__name__} has no applied")

    def kept_answer(self, index: int) -> Any:
        """Return the answer of the command at ``index``."""
        raise NotImplementedError(f"{type(self).__name__} has no kept_answer")


def failed(first: Command, last: Command, error: BaseException) -> MachineFailed:
    """Return the error that stops a member after failed commands."""
    return MachineFailed(first.index, last.index, first.data, f"{type(error).__name__}: {error}")
