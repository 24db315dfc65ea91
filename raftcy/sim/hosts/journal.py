"""The state machine of simulated hosts: a count and a chain of checksums over all commands, and their order.

Two states are equal only if the same commands made them, in the same order, under the same version: from version 2 on,
a command changes the chain in another way. So a member that applies a command under the wrong version, twice, or not at
all differs from then on.

A command is a letter, its number, which no other command has, and a filler: ``w`` for one that is applied, ``n`` for
one that the machine refuses.
"""

import zlib
from typing import Any, Protocol

from ...errors import CommandError
from ...machines import Command, StateMachine
from ...machines.statemachine import Readable

NEWEST = 2
"""The newest version that any program knows."""
Answer = tuple[int, int, int]
"""The answer to a command: its index, the count, and the chain."""


def command(number: int, refused: bool, size: int) -> bytes:
    """Return the command with a number, and a filler of ``size`` bytes."""
    return b"%s%d %s" % (b"n" if refused else b"w", number, b"." * size)


def number_of(data: bytes) -> int:
    """Return the number of a command."""
    return int(data[1 : data.index(b" ")])


class Watch(Protocol):
    """Sees what one member applies and restores."""

    def applied(self, journal: "Journal", command: Command, answer: Any) -> None:
        """A command was applied; ``answer`` is what its proposer gets."""

    def restored(self, journal: "Journal") -> None:
        """A snapshot was restored."""


class Journal(StateMachine):
    """See the module. ``last`` is the index of the last command."""

    def __init__(self, watch: Watch, knows: int) -> None:
        self.knows = knows
        self.count = 0
        self.chain = 0
        self.last = 0
        self._watch = watch

    def apply_one(self, command: Command) -> Any:
        """Apply a command."""
        answer: Answer | CommandError
        self.last = command.index
        if command.data[0] == ord("n"):
            answer = CommandError("the journal does not take this", "no")
        else:
            self.count += 1
            self.chain = zlib.crc32(command.data + b"2" * (self.version - 1), self.chain)
            answer = (command.index, self.count, self.chain)
        self._watch.applied(self, command, answer)
        return answer

    def capture(self) -> bytes:
        """Return the state in the format of the group's version."""
        return b"%d %d %d %d" % (self.version, self.count, self.chain, self.last)

    def restore(self, file: Readable) -> None:
        """Restore the state. ValueError for a format that this program does not know."""
        version, self.count, self.chain, self.last = map(int, file.read().split())
        if version > self.knows or version != self.version:
            raise ValueError(f"a state of version {version}, in a group of version {self.version}")
        self._watch.restored(self)
