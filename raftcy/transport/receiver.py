"""What a transport needs of the node that it serves."""

from typing import Protocol

from ..errors import RaftError
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message


class Receiver(Protocol):
    """The receiving side of a node; ``raftcy.Node`` is one, and a Pump another.

    The transport calls it in the thread of the event loop, and ends when a call raises ``Stopped``.
    """

    async def step(self, m: Message) -> None:
        """Take a MsgProp. It may wait here for a leader; the transport goes on with other messages meanwhile."""

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take other messages, in order, and return the place and the error of each that is refused.

        They are what arrived together from one node, 64 at most. Raises what ends the node.
        """

    def report_unreachable(self, id: int) -> None:
        """A message to node ``id`` was dropped."""

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """A MsgSnap to node ``id`` was written, or was dropped."""
