"""What a transport requires of the nodes that it serves."""

from typing import Protocol, runtime_checkable

from ..errors import RaftError
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message


class Receiver(Protocol):
    """The receiving side of a node whose calls may have to wait. ``raftcy.Node`` implements it.

    The transport calls it in the thread of the event loop. When ``step`` or ``step_many`` raises ``Stopped``, the
    transport delivers nothing more to this receiver, and closes connections that serve no other. Any other RaftError
    costs the messages of that call only: they are dropped and counted. Any other exception is a failure of the
    application: it costs the same, and ``Transport.failure`` has it.
    """

    async def step(self, m: Message) -> None:
        """Take a MsgProp. May wait for a leader; the transport delivers other messages meanwhile.

        Raises why it is refused, ProposalDropped for example.
        """

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages of other types, in order, and return the position and the error of each one refused.

        They arrived together from one node and are 64 at most.
        """

    def report_unreachable(self, id: int) -> None:
        """Report that messages to node ``id`` may not have arrived."""

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Report that a MsgSnap to node ``id`` has arrived there (FINISH), or may not have arrived (FAILURE)."""


@runtime_checkable
class DirectReceiver(Protocol):
    """The receiving side of a node that never has to wait, such as ``raftcy.replica.pump.Pump``.

    Messages reach it in the callback that read them, without a task in between. Exceptions mean what they mean for a
    ``Receiver``.
    """

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages of any type, proposals included, and return the position and the error of each one refused.

        They arrived together from one node and are 256 at most.
        """

    def report_unreachable(self, id: int) -> None:
        """Report that messages to node ``id`` may not have arrived."""

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Report that a MsgSnap to node ``id`` has arrived there (FINISH), or may not have arrived (FAILURE)."""
