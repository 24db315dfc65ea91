"""One member's application: the state machine, and the index up to which entries are applied to it.

Each command carries the number of its proposal, so that the client that proposed it learns when it was applied.
"""

from ..wire.messages import ConfState, Entry
from .subject import Machine

NUMBER_BYTES = 6


def command(number: int, data: bytes) -> bytes:
    """Encode a proposal: its number, then the command."""
    return number.to_bytes(NUMBER_BYTES, "big") + data


class Application:
    """``applied`` is the index of the last applied entry. A crash loses all of it."""

    __slots__ = ("_apply_at", "applied", "machine")

    def __init__(self, machine: Machine, applied: int, data: bytes) -> None:
        self.machine = machine
        self._apply_at = getattr(machine, "apply_at", None)
        self.restore(applied, data)

    def restore(self, applied: int, data: bytes) -> None:
        """Restore the state of a snapshot or a checkpoint."""
        self.machine.restore(data)
        self.applied = applied

    def take(self, e: Entry, members: ConfState) -> int:
        """Apply a normal entry, with the members as of it. Returns the number of the proposal, 0 for an empty entry."""
        self.applied = e.index
        data = e.data
        if not data:
            return 0
        if self._apply_at is not None:
            self._apply_at(e.index, e.term, data[NUMBER_BYTES:], members)
        else:
            self.machine.apply(data[NUMBER_BYTES:])
        return int.from_bytes(data[:NUMBER_BYTES], "big")

    def capture(self) -> bytes:
        """Return the whole state."""
        return self.machine.snapshot()
