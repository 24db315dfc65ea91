"""The protocols that the nodes of a transport implement."""

from typing import Protocol, runtime_checkable

from ..errors import RaftError
from ..wire.enums import SnapshotStatus
from ..wire.messages import Message


class Receiver(Protocol):
    """The receiving side of a node whose calls may have to wait. ``raftcy.Node`` implements it.

    The transport calls it in the thread of the event loop. After ``step`` or ``step_many`` has raised ``Stopped``, the
    transport delivers nothing more to this receiver, and closes connections that serve no other. After any other
    RaftError, the transport drops and counts the messages of that call, and goes on. Any other exception is a failure
    of the application: it costs the same messages, and ``Transport.failure`` keeps the first one.
    """

    async def step(self, m: Message) -> None:
        """Take a forwarded proposal, a MsgProp. May wait for a leader; other messages are delivered meanwhile.

        Raises an error if the receiver refuses the proposal, for example ProposalDropped.
        """

    async def step_many(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages of other types, in order, and return the position and the error of each refused one.

        The messages, at most 64, arrived together from one node.
        """

    def report_unreachable(self, id: int) -> None:
        """Report that messages to node ``id`` may not have arrived."""

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Report that a MsgSnap to node ``id`` has arrived there (FINISH), or may not have arrived (FAILURE)."""


@runtime_checkable
class DirectReceiver(Protocol):
    """The receiving side of a node whose calls never wait, such as ``raftcy.replica.pump.Pump``.

    The callback that reads messages passes them on directly, without a task in between. Exceptions mean the same as for
    a ``Receiver``.
    """

    def receive(self, messages: list[Message]) -> list[tuple[int, RaftError]]:
        """Take messages of any type, including proposals, and return the position and the error of each refused one.

        The messages, at most 256, arrived together from one node.
        """

    def report_unreachable(self, id: int) -> None:
        """Report that messages to node ``id`` may not have arrived."""

    def report_snapshot(self, id: int, status: SnapshotStatus) -> None:
        """Report that a MsgSnap to node ``id`` has arrived there (FINISH), or may not have arrived (FAILURE)."""
