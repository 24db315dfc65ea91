"""An operation: one request of a client to the cluster."""


class Operation:
    """A write (``data`` is not None) or a read, through the member with id ``member``.

    ``floor`` is the highest position of all operations that had ended when this one began.
    """

    __slots__ = ("data", "floor", "member", "number", "writes")

    def __init__(self, number: int, member: int, data: bytes | None, floor: int) -> None:
        self.number = number
        self.member = member
        self.data = data
        self.writes = data is not None
        self.floor = floor

    def __repr__(self) -> str:
        return f"{'write' if self.writes else 'read'} {self.number} through {self.member}"
