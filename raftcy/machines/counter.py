"""A ready machine: a number that all members agree on."""

from dataclasses import dataclass

from ..errors import CommandError
from .statemachine import Command, Readable
from .typed import TypedMachine, applies, pack, unpack

LEAST, MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Add:
    """Add ``amount``, which may be negative. The answer is the new total."""

    amount: int


@dataclass(frozen=True, slots=True)
class SetTotal:
    """Set the total if it is ``expected`` now; if ``expected`` is None, always. The answer is the new total."""

    total: int
    expected: int | None = None


class Counter(TypedMachine):
    """A total from -2**63 to 2**63-1, 0 at first.

    It refuses a command that would leave this range with the reason "range", and a `SetTotal` that expects another
    total with the reason "changed".
    """

    def __init__(self) -> None:
        self.total = 0

    @applies(Add, name="add")
    def _add(self, command: Add, at: Command) -> int | CommandError:
        return self._set(self.total + command.amount)

    @applies(SetTotal, name="set")
    def _set_total(self, command: SetTotal, at: Command) -> int | CommandError:
        if command.expected is not None and command.expected != self.total:
            return CommandError(f"the total is {self.total}, not {command.expected}", "changed")
        return self._set(command.total)

    def _set(self, total: int) -> int | CommandError:
        if not LEAST <= total <= MOST:
            return CommandError(f"a total of {total} would be out of range", "range")
        self.total = total
        return total

    def capture(self) -> bytes:
        """The total."""
        return pack(self.total)

    def restore(self, file: Readable) -> None:
        """Set the total to the one in a capture."""
        self.total = unpack(file.read(), int)
