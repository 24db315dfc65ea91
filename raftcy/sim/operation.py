"""An operation: what one client asks of the cluster."""


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
