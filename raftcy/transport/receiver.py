"""What a transport requires of the node that it serves."""

from typing import Protocol

from ..errors import RaftError
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message


class Receiver(Protocol):
    """The receiving side of a node. ``raftcy.Node`` implements it.

    The transport calls it in the thread of the event loop. When ``step`` or ``step_many`` raises ``Stopped``, the
    transport stops reading: it closes the connection, or accepts no more forwarded proposals.
    """

    async def step(self, m: Message) -> None:
        """Take a MsgProp. May wait for a leader; the transport delivers other messages meanwhile.

        Raises why it is refused, ProposalDropped for example.
        """

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages of other types, in order, and return the position and the error of each one refused.

        They arrived together from one node and are 64 at most. Raises only what ends the node.
        """

    def report_unreachable(self, id: int) -> None:
        """Report that a message to node ``id`` was dropped."""

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Report that a MsgSnap to node ``id`` was written (FINISH) or dropped (FAILURE)."""
