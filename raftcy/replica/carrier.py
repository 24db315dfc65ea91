"""Carrier: the part of a Loopback that its drivers know."""

from ..wire.messages import Message


class Carrier:
    """Carries messages between the drivers of one process.

    ``_calls`` counts events that may have changed a node without its driver noticing, such as calls of the application.
    """

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls = 0

    def _carry(self, messages: list[Message]) -> None:
        """Deliver messages that a driver sends."""
        raise NotImplementedError

    def _ended(self, m: Message, taken: bool) -> None:
        """Record the end of a MsgSnap: its receiver has taken it, or it is lost."""
        raise NotImplementedError
