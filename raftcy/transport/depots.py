"""The protocols by which a transport reads and writes the bodies of snapshots, which do not fit into a message.

A MsgSnap may carry a reference to a body in place of the state. A transport with a ``Depot`` sends such a body on a
connection of its own, and hands the MsgSnap to its receiver only once the body is complete and durable there.
"""

from typing import Protocol

from ..wire.messages import Message

__all__ = ["Depot", "Sink", "Source"]


class Source(Protocol):
    """The body of a snapshot, to be sent."""

    size_bytes: int
    """The size of the body."""
    key: bytes
    """Names the body: two bodies with one key have the same bytes."""

    async def read(self, at: int) -> bytes:
        """Return the piece of the body that begins at ``at``, where an earlier piece has ended; b"" at the end.

        A piece has at most 1 MiB. Raises RaftError for a damaged body, and OSError for one that cannot be read.
        """

    def close(self) -> None:
        """End the use of the body. It may be called during a ``read``, and twice."""


class Sink(Protocol):
    """A body that arrives. One stream at a time uses it; ``Depot.sink`` takes it away from an earlier one."""

    async def begin(self) -> int:
        """Return how many bytes are here already, from an earlier connection. The stream goes on after them."""

    async def write(self, piece: bytes) -> None:
        """Append a piece. Raises RaftError if it cannot be stored, or if another stream has taken the sink."""

    async def finish(self) -> None:
        """Verify the whole body, and make it durable. Raises RaftError if it is not the announced one."""

    def leave(self) -> None:
        """End the use by this stream. What has arrived stays, for the next connection."""


class Depot(Protocol):
    """Keeps the bodies of snapshots of all groups."""

    def source(self, group: int, m: Message) -> Source | None:
        """Return the body to which a MsgSnap refers, None if it carries the state itself.

        Raises RaftError if the body is not there.
        """

    def sink(self, group: int, sender: int, m: Message) -> Sink:
        """Return what takes the body of this MsgSnap from a peer. Raises RaftError if none is wanted."""
