"""Limits and counters of a transport."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a transport holds, and how long it waits. Raises ValueError unless every limit is positive."""

    queue_messages: int = 4096
    """The most messages that wait for one peer. Further messages are dropped."""

    queue_bytes: int = 64 << 20
    """The most bytes that wait for one peer. A message that waits alone may be larger, up to the size of a frame."""

    connections: int = 256
    """The most connections open at a time from other nodes. A further one is closed at once."""

    pending_bytes: int = 256 << 20
    """The most bytes of incomplete frames, over all connections. A connection that exceeds it is closed. It must be at
    least the size of the longest message, or that message never arrives."""

    waiting_proposals: int = 4096
    """The most forwarded proposals that wait for a leader. Further ones are dropped."""

    waiting_proposal_bytes: int = 64 << 20
    """The most bytes of forwarded proposals. One that waits alone may be larger, up to the size of a frame."""

    hello_seconds: float = 5.0
    """How long a new connection may take to send its hello."""

    dial_seconds: float = 0.5
    """How long connecting to a peer may take."""

    write_seconds: float = 5.0
    """How long a peer may accept no byte before its connection counts as broken."""

    retry_min_seconds: float = 0.02
    """The pause after the first failure to connect. It doubles with every further failure."""

    retry_max_seconds: float = 0.5
    """The longest pause after a failure to connect. A peer that comes back may hear from this node that much later."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")


@dataclass(slots=True)
class Traffic:
    """Counters of a transport since its creation. Bytes are those of encoded messages, without frames."""

    sent_messages: int = 0
    sent_bytes: int = 0
    received_messages: int = 0
    received_bytes: int = 0
    dropped_messages: int = 0
    """Messages not sent: there was no connection, the queue was full, or the message was too large."""
    ignored_messages: int = 0
    """Messages received but not delivered: meant for another node, refused, or one forwarded proposal too many."""
