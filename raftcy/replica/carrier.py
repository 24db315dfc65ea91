"""What carries the messages of drivers that share a process; the driver knows it by this much."""

from ..wire.messages import Message


class Carrier:
    """Takes its drivers' messages. ``_calls`` counts whatever may have changed a node behind its driver's back."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls = 0

    def _carry(self, messages: list[Message]) -> None:
        """Take messages that a driver sends."""
        raise NotImplementedError

    def _ended(self, m: Message, taken: bool) -> None:
        """A snapshot has come to its receiver: it was taken, or is lost."""
        raise NotImplementedError
