"""Limits and counters of a transport."""

from dataclasses import dataclass

from .frame import MAX_FRAME_BYTES

STREAM_WINDOW_BYTES_MAX = 32 << 20
"""The most bytes of a body that any node may have on its way. A node closes a connection on which more wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for the memory and the waits of a transport.

    Raises ValueError unless every limit is positive, ``frame_bytes`` is at most 64 MiB, and ``stream_window_bytes`` at
    most 32 MiB.
    """

    frame_bytes: int = MAX_FRAME_BYTES
    """The longest payload of a frame, in bytes. A message may have 9 bytes less, for its kind and its group. The
    transport neither sends nor accepts longer payloads."""

    queue_messages: int = 4096
    """The most messages that wait for one peer. The transport drops and reports further messages."""

    queue_bytes: int = 64 << 20
    """The most bytes that wait for one peer. A message that waits alone may be larger, up to ``frame_bytes``."""

    connections: int = 256
    """The most open connections from other nodes, one for each sender. A further sender is refused with BUSY."""

    unproved_connections: int = 64
    """The most unproved connections, whose hello has not passed yet. A further one closes the oldest of them."""

    unproved_of_address: int = 16
    """The most unproved connections from one address. A further one closes the oldest from that address."""

    pending_bytes: int = 256 << 20
    """The most bytes of incomplete frames, over all connections. The connection that exceeds it is closed. Make it at
    least as large as the longest message, or that message never arrives."""

    waiting_proposals: int = 4096
    """The most forwarded proposals of a group that wait for a leader. Further ones are dropped."""

    waiting_proposal_bytes: int = 64 << 20
    """The most bytes of a group's waiting forwarded proposals. A proposal that waits alone may be larger, up to
    ``frame_bytes``."""

    streams: int = 4
    """The most bodies of snapshots that this node sends at a time. Further ones wait."""

    waiting_streams: int = 1024
    """The most bodies of snapshots for one peer that are sent or wait. Further ones are reported as failed."""

    incoming_streams: int = 16
    """The most bodies of snapshots that this node receives at a time. The sender of a further one tries again later."""

    stream_window_bytes: int = 1 << 20
    """How many bytes of a body may be on their way, 32 MiB at most. It bounds the memory of a stream at both ends."""

    stream_bytes_per_second: int = 256 << 20
    """How many bytes of bodies this node sends in a second, to all peers together."""

    stream_give_up_seconds: float = 30.0
    """How long a stream may make no progress, over any number of connections, before its snapshot counts as failed."""

    hello_seconds: float = 5.0
    """How long a new connection from another node may take to send its hello, including the TLS handshake."""

    replace_seconds: float = 1.0
    """How long an open connection may take to answer a ping before another start of its sender replaces it."""

    idle_seconds: float = 10.0
    """A connection from another node counts as broken after about this long without a byte, not even an answer to a
    ping."""

    dial_seconds: float = 0.5
    """How long connecting to a peer may take."""

    greet_seconds: float = 2.0
    """How long a peer may take to answer the hello of a new connection, including the TLS handshake."""

    write_timeout_seconds: float = 2.0
    """A connection to a peer counts as broken about this long after the peer's last sign of life, which is an answer to
    a ping or, while a ping is on its way, an acknowledgement of bytes before the ping."""

    report_seconds: float = 0.1
    """The shortest time between two reports to one group that a peer is unreachable."""

    retry_min_seconds: float = 0.02
    """The pause after the first failure to connect. It doubles with every further failure. A random part of up to half
    is cut off each pause, so that peers do not try in step."""

    retry_max_seconds: float = 0.3
    """The longest pause after a failure to connect. A peer that comes back may hear from this node that much later."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)!r}")
        if self.stream_window_bytes > STREAM_WINDOW_BYTES_MAX:
            raise ValueError(
                f"stream_window_bytes must be at most {STREAM_WINDOW_BYTES_MAX}, not {self.stream_window_bytes}"
            )
        if self.frame_bytes > MAX_FRAME_BYTES:
            raise ValueError(f"frame_bytes must be at most {MAX_FRAME_BYTES}, not {self.frame_bytes}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTraffic:
    """The messages from and to one peer. Bytes are those of encoded messages.

    What was sent is counted since the peer's present addresses were set.
    """

    sent_messages: int
    sent_bytes: int
    received_messages: int
    received_bytes: int
    queued_messages: int
    """Messages that wait to be sent."""
    queued_bytes: int
    is_connected: bool
    """Whether the connection to the peer is open. It opens when messages wait."""


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
    """Messages not sent for any reason: no connection, a full queue, no address, no encoding, or too long."""
    too_long_messages: int = 0
    """Dropped messages that fit into no frame."""
    queue_full_messages: int = 0
    """Dropped messages that found the queue full."""
    ignored_messages: int = 0
    """Messages received but not delivered: the four kinds below, and messages that the receiver refused."""
    foreign_messages: int = 0
    """Ignored messages that named another receiver, or a sender other than the connection's."""
    forbidden_messages: int = 0
    """Ignored messages of types that no peer may send, such as local messages."""
    groupless_messages: int = 0
    """Ignored messages for a group without a receiver."""
    overloaded_proposals: int = 0
    """Ignored forwarded proposals that found no room to wait."""
    failed_calls: int = 0
    """Calls of a receiver or callback that raised an unexpected exception."""

    streams_begun: int = 0
    """Bodies of snapshots that this node began to send."""
    streams_stored: int = 0
    """Bodies of snapshots that a peer has stored."""
    streams_failed: int = 0
    """Bodies of snapshots that were given up or refused."""
    streams_resumed: int = 0
    """Connections that went on with a body after its beginning."""
    streams_received: int = 0
    """Bodies of snapshots that this node has received and stored."""
    stream_bytes: int = 0
    """Bytes of bodies handed to the operating system."""

    connects: int = 0
    """Connections that this node opened and the peer accepted."""
    reconnects: int = 0
    """Accepted connections that followed an earlier one to the same peer."""
    failed_dials: int = 0
    """Attempts to connect to a peer that failed, refusals included."""
    broken_connections: int = 0
    """Connections to peers that ended with unconfirmed messages, or because the peer fell silent."""
    refused_by_peers: int = 0
    """Connections that a peer has refused."""
    wrong_peers: int = 0
    """Connections whose other end was not the expected peer, or could not prove that it was."""
    unreachable_reports: int = 0
    """Calls of ``report_unreachable``."""

    accepted: int = 0
    """Connections from other nodes that have proved who they are."""
    replaced: int = 0
    """Connections that a newer one of the same sender has replaced."""
    refused: int = 0
    """Connections from other nodes that this node refused, for any ``Reason``."""
    refused_cluster: int = 0
    refused_version: int = 0
    refused_identity: int = 0
    refused_sender: int = 0
    """Refused by the policy, for its own id, or for an id that no node has."""
    refused_certificate: int = 0
    refused_duplicate: int = 0
    """Refused because another start of the same member is connected and alive."""
    crowded_out: int = 0
    """Connections closed because too many were unproved."""
    silent_connections: int = 0
    """Connections closed because the hello did not come in time, or because they fell silent later."""
    malformed_connections: int = 0
    """Connections closed because their bytes were not valid frames, packets or messages."""
