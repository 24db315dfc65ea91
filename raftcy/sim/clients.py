"""The clients: who has proposed or asked what, through which member, and what came of it.

An operation is pending until the member that it was last given to applies its entry or answers its read. Clients of a
member that crashes never learn what became of their operations. An operation that was dropped, or may be lost, can be
tried again under its own number.
"""

from collections.abc import Callable

from .operation import Operation

PENDING_MOST = 24
"""Clients give up the oldest operation when there are more."""


class Clients:
    """``pending`` operations by number. ``floor`` is the greatest position of an operation that has ended.

    ``on_end`` is called with each operation that ends and the index that it took effect at.
    """

    def __init__(self, on_end: Callable[[Operation, int], None]) -> None:
        self.pending: dict[int, Operation] = {}
        self.floor = 0
        self.ended = {True: 0, False: 0}
        self._on_end = on_end
        self._number = 0

    def begin(self, member: int, data: bytes | None) -> Operation:
        """A new operation through a member: a write of ``data``, or a read."""
        self._number += 1
        operation = Operation(self._number, member, data, self.floor)
        self.pending[self._number] = operation
        if len(self.pending) > PENDING_MOST:
            del self.pending[next(iter(self.pending))]
        return operation

    def applied(self, member: int, number: int, index: int) -> None:
        """A member has applied the entry of a write."""
        self._end(member, number, index, index)

    def read(self, member: int, number: int, index: int, applied: int) -> None:
        """A member has answered a read of the read index ``index`` from the state at ``applied``."""
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
        """A member has crashed or is stopped: its clients give up."""
        gone = [number for number, operation in self.pending.items() if operation.member == member]
        for number in gone:
            del self.pending[number]

    def oldest(self) -> Operation | None:
        """The pending operation that was not tried for the longest time, None if there is none; counts as tried now."""
        for number, operation in self.pending.items():
            del self.pending[number]
            self.pending[number] = operation
            return operation
        return None

    def some(self, u: float) -> Operation | None:
        """A pending operation, None if there is none."""
        if not self.pending:
            return None
        numbers = list(self.pending)
        return self.pending[numbers[int(u * len(numbers))]]
