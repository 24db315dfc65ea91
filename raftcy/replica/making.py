"""Making: a snapshot that a driver has begun and that is not stored yet."""

from ..wire.messages import ConfState


class Making:
    """A snapshot of the state up to ``index``, with the members as of then. ``Driver.begin_snapshot`` returns it."""

    __slots__ = ("index", "members")

    def __init__(self, index: int, members: ConfState) -> None:
        self.index = index
        self.members = members

    def __repr__(self) -> str:
        return f"<Making of the snapshot {self.index}>"
