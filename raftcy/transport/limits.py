"""Limits and counters of a transport."""

from dataclasses import dataclass

from .frame import MAX_FRAME_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a transport holds, and how long it waits.

    Raises ValueError unless every limit is positive and ``frame_bytes`` at most 64 MiB.
    """

    frame_bytes: int = MAX_FRAME_BYTES
    """The longest frame, in bytes, 13 of which are not the message's. Longer ones are neither sent nor accepted."""

    queue_messages: int = 4096
    """The most messages that wait for one peer. Further messages are dropped."""

    queue_bytes: int = 64 << 20
    """The most bytes that wait for one peer. A message that waits alone may be larger, up to the size of a frame."""

    connections: int = 256
    """The most connections open at a time from other nodes, one for each sender. A further sender is refused."""

    unproved_connections: int = 64
    """The most connections that have not said who they are. For a further one, the oldest of them is closed."""

    unproved_of_address: int = 16
    """The same for the connections from one address."""

    pending_bytes: int = 256 << 20
    """The most bytes of incomplete frames, over all connections. A connection that exceeds it is closed. It must be at
    least the size of the longest message, or that message never arrives."""

    waiting_proposals: int = 4096
    """The most forwarded proposals of a group that wait for a leader. Further ones are dropped."""

    waiting_proposal_bytes: int = 64 << 20
    """The most bytes of forwarded proposals. One that waits alone may be larger, up to the size of a frame."""

    hello_seconds: float = 5.0
    """How long a new connection may take to say who it is, TLS included."""

    replace_seconds: float = 1.0
    """How long a connection may take to answer before another start of its sender replaces it."""

    idle_seconds: float = 10.0
    """After about so long without a byte, a ping unanswered, a connection from another node counts as broken."""

    dial_seconds: float = 0.5
    """How long connecting to a peer may take."""

    greet_seconds: float = 2.0
    """How long a peer may take to answer the hello of a new connection, TLS included."""

    write_timeout_seconds: float = 2.0
    """About so long after the last byte that the peer has acknowledged, a connection to it counts as broken."""

    report_seconds: float = 0.1
    """A peer is reported as unreachable at most this often to one group."""

    retry_min_seconds: float = 0.02
    """The pause after the first failure to connect. It doubles with every further failure. Each pause is cut by a
    random part of up to a half, so that peers do not try in step."""

    retry_max_seconds: float = 0.3
    """The longest pause after a failure to connect. A peer that comes back may hear from this node that much later."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")
        if self.frame_bytes > MAX_FRAME_BYTES:
            raise ValueError(f"frame_bytes must be at most {MAX_FRAME_BYTES}, not {self.frame_bytes}")


@dataclass(slots=True)
class Traffic:
    """Counters of a transport since its creation. Bytes are those of encoded messages, without frames.

    ``Transport.counters`` returns a copy.
    """

    sent_messages: int = 0
    """Messages handed to the operating system. They may still be lost."""
    sent_bytes: int = 0
    received_messages: int = 0
    received_bytes: int = 0

    dropped_messages: int = 0
    """Messages not sent, for whatever reason: no connection, a full queue, no address, no encoding, too long."""
    too_long_messages: int = 0
    """Those of them that fit into no frame."""
    queue_full_messages: int = 0
    """Those of them for which the queue had no room."""
    ignored_messages: int = 0
    """Messages received but not delivered, for whatever reason: the four kinds below, and refused by the receiver."""
    foreign_messages: int = 0
    """Those of them that named another receiver, or another sender than the connection's."""
    forbidden_messages: int = 0
    """Those of them that no peer may send, such as local messages."""
    groupless_messages: int = 0
    """Those of them of a group without a receiver."""
    overloaded_proposals: int = 0
    """Those of them that were forwarded proposals for which there was no room."""
    failed_calls: int = 0
    """Calls of a receiver or callback that raised an unexpected exception."""

    connects: int = 0
    """Connections to peers that were opened and accepted."""
    reconnects: int = 0
    """Those of them that followed another one to the same peer."""
    failed_dials: int = 0
    """Attempts to connect to a peer that failed, refusals included."""
    broken_connections: int = 0
    """Connections to peers that ended while messages were not confirmed, or in silence."""
    refused_by_peers: int = 0
    """Connections that a peer has refused."""
    wrong_peers: int = 0
    """Connections whose other end was not the peer that should be there, or could not prove it."""
    unreachable_reports: int = 0
    """Calls of ``report_unreachable``."""

    accepted: int = 0
    """Connections from other nodes that have proved who they are."""
    replaced: int = 0
    """Connections that a newer one of the same sender has replaced."""
    refused: int = 0
    """Connections from other nodes that were refused, for whatever ``Reason``."""
    refused_cluster: int = 0
    refused_version: int = 0
    refused_identity: int = 0
    refused_sender: int = 0
    """Refused by the policy, for its own id, or for an id that no node has."""
    refused_certificate: int = 0
    refused_duplicate: int = 0
    """Refused because another start of the same member is connected and alive."""
    crowded_out: int = 0
    """Connections closed because too many had not said who they are."""
    silent_connections: int = 0
    """Connections closed because no hello came in time, or nothing more."""
    malformed_connections: int = 0
    """Connections closed because their bytes were no valid frames, packets or messages."""
