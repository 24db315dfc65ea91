"""The clients: who has proposed or asked what, through which member, and what came of it.

An operation is pending until the member that it was last given to applies its entry or answers its read. Clients of a
member that crashes never learn what became of their operations. An operation that was dropped, or may be lost, can be
tried again under its own number.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .checkers import Checkers
    from .member import Member

PENDING_MOST = 24
"""Clients give up the oldest operation when there are more."""


class Operation:
    """A write or a read. ``floor`` is the position that every operation had at most that ended before this began."""

    __slots__ = ("data", "floor", "member", "number", "writes")

    def __init__(self, number: int, member: int, data: bytes | None, floor: int) -> None:
        self.number = number
        self.member = member
        self.data = data
        self.writes = data is not None
        self.floor = floor

    def __repr__(self) -> str:
        return f"{'write' if self.writes else 'read'} {self.number} through {self.member}"


class Clients:
    """``pending`` operations by number. ``floor`` is the greatest position of an operation that has ended."""

    def __init__(self, checkers: "Checkers") -> None:
        self.pending: dict[int, Operation] = {}
        self.floor = 0
        self.ended = {True: 0, False: 0}
        self._checkers = checkers
        self._number = 0

    def begin(self, member: int, data: bytes | None) -> Operation:
        """A new operation through a member: a write of ``data``, or a read."""
        self._number += 1
        operation = Operation(self._number, member, data, self.floor)
        self.pending[self._number] = operation
        if len(self.pending) > PENDING_MOST:
            del self.pending[next(iter(self.pending))]
        return operation

    def applied(self, member: "Member", number: int, index: int) -> None:
        """A member has applied the entry of a write."""
        self._end(member, number, index, index)

    def read(self, member: "Member", number: int, index: int) -> None:
        """A member has answered a read of the read index ``index`` from the state that it has."""
        self._end(member, number, index, member.application.applied)

    def _end(self, member: "Member", number: int, index: int, position: int) -> None:
        operation = self.pending.get(number)
        if operation is None or operation.member != member.id:
            return
        del self.pending[number]
        self.ended[operation.writes] += 1
        self._checkers.ended(operation, index)
        if position > self.floor:
            self.floor = position

    def lost(self, member: int) -> None:
        """A member has crashed or is stopped: its clients give up."""
        gone = [number for number, operation in self.pending.items() if operation.member == member]
        for number in gone:
            del self.pending[number]

    def oldest(self) -> Any:
        """The pending operation that was not tried for the longest time, None if there is none; counts as tried now."""
        for number, operation in self.pending.items():
            del self.pending[number]
            self.pending[number] = operation
            return operation
        return None

    def some(self, u: float) -> Any:
        """A pending operation, None if there is none."""
        if not self.pending:
            return None
        numbers = list(self.pending)
        return self.pending[numbers[int(u * len(numbers))]]
