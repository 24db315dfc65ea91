"""What clients see."""

from ..operation import Operation
from .base import Checker


class Linearizable(Checker):
    """Reads and writes take effect one after the other, each between its beginning and its end.

    The log orders all writes: a write has the position of its entry, and a read that of the last entry in the state
    that it is answered from. Positions are the same everywhere (state machine safety), so the order by position, reads
    after the write of their position, is the only one to try; it fits if no operation that began after another had
    ended comes before it. So it is enough to compare each position with the greatest one of all operations that had
    ended when this one began: greater for a write, not smaller for a read. Of a read it is the read index that is
    compared, although the state may hold more by the time of the answer: it has to suffice.
    """

    rule = "linearizable reads and writes"

    def ended(self, operation: Operation, index: int) -> None:
        if index < operation.floor or (operation.writes and index == operation.floor):
            self.fail(f"{operation!r} has position {index}, though one at {operation.floor} had ended when it began")
