"""The numbers of a host and its replicas at one moment, as ``Host.metrics`` returns them.

All counters begin at 0 with each start of the host, or of the replica. All times are in seconds, all sizes in bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..transport.limits import PeerTraffic, Traffic
from ..wire.enums import StateType
from .tokens import RejectReason

LATENCY_BOUNDS_S = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
"""The upper bounds of the buckets of every histogram of times."""
SIZE_BOUNDS = (512, 1024, 4096, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20)
"""The upper bounds of the buckets of every histogram of sizes."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fell into each bucket.

    ``counts[n]`` is the number of values up to ``bounds[n]`` and above the bound before it. The last item of ``counts``
    is the number of values above all bounds. ``total`` is the sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self.counts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalMetrics:
    """How the commands ended that were proposed on this member."""

    applied: int
    """Commands that were applied, including those that the machine refused with a CommandError."""
    rejected: Mapping[RejectReason, int]
    """Commands that are certainly not in the log, by reason."""
    unknown: int
    """Commands whose outcome was unknown when the wait for them ended."""
    cancelled: int
    """Commands whose caller had given up before they were handed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMetrics:
    """How long commands take on a leader, from samples: while one batch of commands is followed, no other one is.

    ``queued`` is the time from the call until the leader appends the commands. The others begin then: until they are
    durable here, until they are committed, and until they are applied here.
    """

    queued: Histogram
    synced: Histogram
    committed: Histogram
    applied: Histogram


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaMetrics:
    """The numbers of one replica."""

    name: str
    role: StateType
    term: int
    leader: int
    """The id of the known leader, 0 without one."""
    is_leader: bool
    commit: int
    applied: int
    last_index: int
    snapshot_index: int
    campaigns: int
    """How many elections, or rounds of pre-votes, this member has begun."""
    elections_won: int
    """How many times this member has become the leader."""
    leader_changes: int
    """How many times this member has learned of a leader, or of the same one in a later term."""
    lag: Mapping[int, int]
    """On a leader, how many entries each other member is behind; empty elsewhere."""
    proposals: ProposalMetrics
    stages: StageMetrics
    waiting_commands: int
    waiting_bytes: int
    waiting_reads: int
    waiting_messages: int
    """Messages from other members that wait for the replica's next turn."""
    snapshots_made: int
    snapshots_received: int
    snapshots_failed: int
    """Snapshots that could not be made."""
    snapshots_sent: int
    """Snapshots that have reached another member."""
    snapshots_lost: int
    """Snapshots that were on their way to another member, and did not arrive."""
    snapshot_bytes: int
    """The size of the snapshot that was made last, 0 before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMetrics:
    """The numbers of one host."""

    id: int
    cluster: int
    has_failed: bool
    replicas: Mapping[str, ReplicaMetrics]
    """The numbers of each replica, by the name of its group. A replica that has ended is missing."""
    sync_seconds: Histogram
    """How long the log's syncs took, with their writes. All groups share them."""
    sync_bytes: Histogram
    """How much each of them wrote."""
    slow_syncs: int
    """Syncs that took longer than a second."""
    sync_waits_s: float
    """How long the present sync has lasted, 0 without one."""
    late_ticks: int
    """How often the event loop was held up for longer than an election timeout."""
    waiting_requests: int
    """Requests to other hosts that wait for their replies."""
    peers: Mapping[int, PeerTraffic]
    """Messages and bytes from and to each other host."""
    traffic: Traffic = field(default_factory=Traffic)
    """The counters of the transport, such as refused connections."""
