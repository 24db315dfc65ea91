"""One member's application: the state machine, what is applied to it, and the members as of then.

Each command travels with the number of its proposal, so that whoever proposed it knows when it was applied.
"""

from .machine import Machine

NUMBER_BYTES = 6


def command(number: int, data: bytes) -> bytes:
    """A proposal: its number, then the command."""
    return number.to_bytes(NUMBER_BYTES, "big") + data


class Application:
    """``applied`` is the index of the last entry applied; volatile, like everything here."""

    __slots__ = ("applied", "machine")

    def __init__(self, machine: Machine, applied: int, data: bytes) -> None:
        self.machine = machine
        self.restore(applied, data)

    def restore(self, applied: int, data: bytes) -> None:
        """Take over the state of a snapshot or a checkpoint."""
        self.machine.restore(data)
        self.applied = applied

    def take(self, index: int, data: bytes) -> int:
        """Apply the data of a normal entry; the number of the proposal, 0 for an empty entry."""
        self.applied = index
        if not data:
            return 0
        self.machine.apply(data[NUMBER_BYTES:])
        return int.from_bytes(data[:NUMBER_BYTES], "big")

    def capture(self) -> bytes:
        """The whole state."""
        return self.machine.snapshot()
