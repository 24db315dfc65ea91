"""The clients: which operations they have begun, through which member, and how each ended.

An operation is pending until its member applies the entry or answers the read. If the member crashes, its clients never
learn the outcome. An operation that was dropped, or may be lost, can be tried again under the same number.
"""

from collections.abc import Callable

from .operation import Operation

PENDING_MOST = 24
"""The most pending operations. Beyond that, clients give up the oldest."""


class Clients:
    """Holds the ``pending`` operations, by number. ``floor`` is the highest position of an operation that has ended.

    Calls ``on_end`` for each operation that ends, with the index at which it took effect.
    """

    def __init__(self, on_end: Callable[[Operation, int], None]) -> None:
        self.pending: dict[int, Operation] = {}
        self.floor = 0
        self.ended = {True: 0, False: 0}
        self._on_end = on_end
        self._number = 0

    def begin(self, member: int, data: bytes | None) -> Operation:
        """Begin an operation through a member: a write of ``data``, or a read if that is None."""
        self._number += 1
        operation = Operation(self._number, member, data, self.floor)
        self.pending[self._number] = operation
        if len(self.pending) > PENDING_MOST:
            del self.pending[next(iter(self.pending))]
        return operation

    def applied(self, member: int, number: int, index: int) -> None:
        """Note that a member has applied the entry of a write."""
        self._end(member, number, index, index)

    def read(self, member: int, number: int, index: int, applied: int) -> None:
        """Note that a member has answered a read with read index ``index`` from its state at ``applied``."""
        self._end(member, number, index, applied)

    def _end(self, member: int, number: int, index: int, position: int) -> None:
        operation = self.pending.get(number)
        if operation is None or operation.member != member:
            return
        del self.pending[number]
        self.ended[operation.writes] += 1
        self._on_end(operation, index)
        if position > self.floor:
            self.floor = position

    def lost(self, member: int) -> None:
        """Give up the operations of a member that crashed or stopped."""
        gone = [number for number, operation in self.pending.items() if operation.member == member]
        for number in gone:
            del self.pending[number]

    def oldest(self) -> Operation | None:
        """Return the pending operation not tried for the longest time, or None. It counts as tried now."""
        for number, operation in self.pending.items():
            del self.pending[number]
            self.pending[number] = operation
            return operation
        return None

    def some(self, u: float) -> Operation | None:
        """Return a pending operation, selected by ``u``, or None."""
        if not self.pending:
            return None
        numbers = list(self.pending)
        return self.pending[numbers[int(u * len(numbers))]]
