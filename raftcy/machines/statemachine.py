"""What a user of a group writes: a state machine."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from ..errors import MachineFailed
from ..wire.checks import octets
from . import plaindata


class Command(NamedTuple):
    """A committed command, as a state machine is given it.

    ``index`` and ``term`` are those of its log entry: no two commands of a group have the same index, and later ones
    have higher ones. ``data`` is what was proposed. ``time_ms`` is the group's time: milliseconds that its leaders have
    counted, the same on all members. It never falls, it stands still while there is no leader, and it has nothing to do
    with any clock's date. ``session`` is the session that the command came by, 0 if it came without one.
    """

    index: int  # type: ignore[assignment]  # in place of the tuple's method
    term: int
    data: bytes
    time_ms: int
    session: int


class Writable(Protocol):
    """Where a snapshot is written to."""

    def write(self, data: bytes, /) -> Any:
        """Take all of ``data``."""


class Readable(Protocol):
    """Where a snapshot is read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return the next ``size`` bytes, fewer only at the end; all that is left if ``size`` is negative."""


class Capture(Protocol):
    """The state of a machine at one index, ready to be written while the machine goes on."""

    def write(self, file: Writable, /) -> None:
        """Write the state. May be called on another thread, once."""


class Pieces:
    """A capture that is made of pieces of bytes, so that the event loop can write one at a time between its work.

    ``pieces`` is an iterable of bytes, such as a generator over a copy of the state. It is read once.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)

    def write(self, file: Writable) -> None:
        """Write all pieces."""
        for piece in self._pieces:
            file.write(piece)


class StateMachine:
    """A deterministic machine: the same commands in the same order give the same state and answers on every member.

    So its methods must not look at a clock, at random numbers, at the environment, or at the order of a set; what they
    need of these belongs into the command. Write ``apply_one`` or ``apply``, and ``capture`` and ``restore``.

    A refusal is an answer: return a `CommandError`, and the proposer gets it raised. An error that is raised stops the
    member with `MachineFailed`: what happens to the state is unknown then.

    ``knows`` is the newest version of commands and snapshots that this program knows, from 1 on. ``version`` is the
    group's, which rises to what all members know. Use nothing newer than ``version``: neither in commands that you
    propose, nor in ``capture``.
    """

    knows: int = 1
    version: int = 1
    # Whether a replica was given this machine. It would get the whole log a second time from another one.
    _has_served: bool = False

    def apply(self, commands: Sequence[Command]) -> Sequence[Any]:
        """Apply committed commands, in order; returns an answer for each.

        Called with as many as there are, so that a database can take them in one transaction. How many there are in one
        call differs from member to member, and must not make a difference.
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

    def apply_one(self, command: Command) -> Any:
        """Apply one command; returns its answer."""
        raise NotImplementedError(f"{type(self).__name__} has neither apply nor apply_one")

    def capture(self) -> bytes | Capture:
        """The whole state, as it is now: bytes, or what writes them later, on a thread or piece by piece (`Pieces`).

        Must return within milliseconds, for the event loop stands still meanwhile, and what it returns must not change
        when further commands are applied: copy a dict, do not encode it. Equal states should give equal bytes.
        """
        raise NotImplementedError(f"{type(self).__name__} has no capture")

    def restore(self, file: Readable) -> None:
        """Replace the state by that of a capture, written at the group's ``version``, which is set before.

        What it raises stops the member.
        """
        raise NotImplementedError(f"{type(self).__name__} has no restore")

    def encode(self, command: Any) -> bytes:
        """A command as bytes, for proposing. Here bytes as they are; TypeError for anything else."""
        return octets(command, "command")

    def needs_time(self) -> bool:
        """Whether the group's time has to go on, because something of this state ends by it.

        While no machine and no session needs it, leaders add no time to the log, and an idle group can sleep.
        """
        return False

    def encode_answer(self, answer: Any) -> bytes:
        """An answer as bytes, to be kept for a session. Here plain data; TypeError for anything else."""
        return plaindata.pack(answer)

    def decode_answer(self, data: bytes) -> Any:
        """The answer of these bytes."""
        return plaindata.unpack(data)


class OnDiskMachine(StateMachine):
    """A machine that keeps its state itself, durably, such as in a database.

    It stores ``applied`` in the transaction of the commands that it applies. After a restart it is given what lies
    above; sessions, time and versions are followed from the snapshot on all the same. A group whose machine has
    sessions needs the answers of commands below ``applied`` again then: with ``keeps_answers`` the machine keeps the
    answer of each command of a session in the same transaction, until it has been captured twice since, and gives it
    out by ``kept_answer``. Without it the group refuses sessions.

    Its captures carry ``applied`` and the kept answers along. The group itself may still be behind, after a restart;
    who restores such a capture follows it from there in the same way.
    """

    keeps_answers: bool = False

    @property
    def applied(self) -> int:
        """The index of the last command that is applied and durable; 0 at first. A restored snapshot sets it too."""
        raise NotImplementedError(f"{type(self).__name__} has no applied")

    def kept_answer(self, index: int) -> Any:
        """The answer that the command at ``index`` was given."""
        raise NotImplementedError(f"{type(self).__name__} has no kept_answer")


def failed(first: Command, last: Command, error: BaseException) -> MachineFailed:
    """The error that stops a member after commands that failed."""
    return MachineFailed(first.index, last.index, first.data, f"{type(error).__name__}: {error}")
