"""The bounds that a transport works in, and its counters."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a transport holds and how long it waits. Sizes and times are positive."""

    queue_messages: int = 4096
    """Messages that wait for one peer; one more is dropped."""

    queue_bytes: int = 64 << 20
    """Bytes of the messages that wait for one peer. A single message may be larger, up to the size of a frame."""

    connections: int = 256
    """Connections that are open at a time from other nodes; one more is closed at once."""

    pending_bytes: int = 256 << 20
    """Bytes of frames that have not arrived wholly, on all connections; the one that brings more is closed. At least
    the size of the longest message, or that never arrives."""

    waiting_proposals: int = 4096
    """Forwarded proposals that wait for a leader; one more is dropped."""

    waiting_proposal_bytes: int = 64 << 20
    """Bytes of these messages. A single one may be larger, up to the size of a frame."""

    hello_seconds: float = 5.0
    """How long a new connection may take to say who it is from."""

    dial_seconds: float = 0.5
    """How long connecting to a peer may take."""

    write_seconds: float = 5.0
    """How long a connection may take no byte until it counts as broken."""

    retry_min_seconds: float = 0.02
    """The pause after the first failure to connect; it doubles with each further one."""

    retry_max_seconds: float = 0.5
    """The longest pause after a failure to connect. It delays how soon a peer that is back hears of it."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")


@dataclass(slots=True)
class Traffic:
    """What went through a transport since it was made."""

    sent_messages: int = 0
    sent_bytes: int = 0
    received_messages: int = 0
    received_bytes: int = 0
    dropped_messages: int = 0
    """Messages to others that were not sent: no connection, a full queue, or too large."""
    ignored_messages: int = 0
    """Messages from others that were not taken: to another node, refused, or too many proposals."""
