"""The rule that clients observe: linearizability."""

from ..operation import Operation
from .base import Checker


class Linearizable(Checker):
    """Reads and writes take effect one after another, each between its beginning and its end.

    The log orders all writes: a write has the position of its entry, and a read the position of the last entry in the
    state from which it is answered. Positions are the same on all members (state machine safety), so the only order to
    try is by position, with a read after the write at its position. The order is valid unless an operation that began
    after another had ended precedes it. So it suffices to compare each position with the highest position of all
    operations that had ended when this one began: a write's must be greater, a read's must not be smaller. For a read
    the read index is compared. The state may hold more when it is answered, but the read index alone must suffice.
    """

    rule = "linearizable reads and writes"

    def ended(self, operation: Operation, index: int) -> None:
        if index < operation.floor or (operation.writes and index == operation.floor):
            self.fail(f"{operation!r} has position {index}, but one at {operation.floor} had ended when it began")
