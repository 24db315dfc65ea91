"""Counts what happens to a host and its replicas.

Rules:

- Nothing here costs more for each command than adding a number. What costs more is done once for each turn, batch or
  sync.
- Latencies come from samples: a meter follows one batch of commands at a time, from the call to its application. A
  clock is read a few times for each batch, and not at all while no batch is followed.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from ..transport.limits import PeerTraffic, Traffic
from ..wire.enums import StateType
from . import events as happened
from .events import Event
from .metrics import (
    LATENCY_BOUNDS_S,
    SIZE_BOUNDS,
    Histogram,
    HostMetrics,
    ProposalMetrics,
    ReplicaMetrics,
    StageMetrics,
)
from .proposals import Proposals
from .standing import ReplicaStatus
from .work import Write

SLOW_SYNC_S = 1.0
"""A sync that takes longer, in seconds, is counted as slow, and logged."""


class Surroundings(Protocol):
    """The part of a host that its numbers need."""

    id: int
    cluster: int
    failure: BaseException | None


class Replicated(Protocol):
    """The part of a replica that its host's numbers need."""

    name: str

    def metrics(self) -> ReplicaMetrics:
        """The numbers of the replica."""


class Carrying(Protocol):
    """The part of a transport that the numbers need."""

    def by_peer(self) -> dict[int, PeerTraffic]:
        """The counters of each peer."""

    def counters(self) -> Traffic:
        """The counters of all connections."""


class Buckets:
    """A histogram that grows."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def histogram(self) -> Histogram:
        """Return a copy of the present counts."""
        return Histogram(self._bounds, tuple(self._counts), self._total)


class SyncMeter:
    """The syncs of a host's log."""

    __slots__ = ("bytes", "seconds", "slow")

    def __init__(self) -> None:
        self.seconds = Buckets(LATENCY_BOUNDS_S)
        self.bytes = Buckets(SIZE_BOUNDS)
        self.slow = 0

    def add(self, seconds: float, size: int) -> bool:
        """Count a sync, and return whether it was slow."""
        self.seconds.add(seconds)
        self.bytes.add(size)
        if seconds <= SLOW_SYNC_S:
            return False
        self.slow += 1
        return True


_NO_STAGES: dict[str, Buckets] = {}


class Meter:
    """The counters of one replica. ``clock`` returns seconds."""

    __slots__ = (
        "_begun",
        "_clock",
        "_is_applied",
        "_is_committed",
        "_is_synced",
        "_last",
        "_stages",
        "_term",
        "campaigns",
        "elections_won",
        "followed",
        "leader_changes",
        "snapshot_bytes",
        "snapshots_failed",
        "snapshots_lost",
        "snapshots_made",
        "snapshots_received",
        "snapshots_sent",
        "waits_since",
    )

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        # By stage, from the first sample on: most groups of a host with thousands of them are idle.
        self._stages: dict[str, Buckets] = _NO_STAGES
        self.followed = 0
        """The index of the last entry of the batch that is followed, 0 while none is."""
        self.waits_since = 0.0
        """When the oldest commands that wait for the next turn came, 0 if that is not known."""
        self._term = 0
        self._begun = 0.0
        self._is_synced = False
        self._is_committed = False
        self._is_applied = False
        self._last = 0
        self.campaigns = 0
        self.elections_won = 0
        self.leader_changes = 0
        self.snapshots_made = 0
        self.snapshots_received = 0
        self.snapshots_failed = 0
        self.snapshots_sent = 0
        self.snapshots_lost = 0
        self.snapshot_bytes = 0

    def appended(self, index: int, term: int) -> None:
        """Note that waiting commands were handed on. ``index`` is the last entry that this leader has appended."""
        since, self.waits_since = self.waits_since, 0.0
        if index == self._last or self.followed:
            self._last = index
            return
        self._last = self.followed = index
        self._term = term
        self._is_synced = self._is_committed = self._is_applied = False
        self._begun = now = self._clock()
        if since:
            self._add("queued", now - since)

    def synced(self, writes: list[Write]) -> None:
        """Note durable writes, while a batch is followed."""
        if not self._is_synced and any(w.entries and w.entries[-1].index >= self.followed for w in writes):
            self._is_synced = True
            self._add("synced", self._clock() - self._begun)

    def turned(self, term: int, committed: int, applied: int) -> None:
        """Note how the replica stands after a turn, while a batch is followed."""
        if term != self._term:
            # Another leader may replace these entries.
            self.followed = 0
            return
        if committed < self.followed:
            return
        if not self._is_committed:
            self._is_committed = True
            self._add("committed", self._clock() - self._begun)
        if applied >= self.followed and not self._is_applied:
            self._is_applied = True
            self._add("applied", self._clock() - self._begun)
        if self._is_applied and self._is_synced:
            self.followed = 0

    def _add(self, stage: str, seconds: float) -> None:
        buckets = self._stages.get(stage)
        if buckets is None:
            if self._stages is _NO_STAGES:
                self._stages = {}
            buckets = self._stages[stage] = Buckets(LATENCY_BOUNDS_S)
        buckets.add(seconds)

    def happened(self, event: Event, id: int) -> None:
        """Count an event of the member ``id``."""
        if isinstance(event, happened.LeaderChanged):
            self.leader_changes += event.leader is not None
            self.elections_won += event.leader == id
        elif isinstance(event, happened.SnapshotMade):
            self.snapshots_made += 1
            self.snapshot_bytes = event.size
        elif isinstance(event, happened.SnapshotReceived):
            self.snapshots_received += 1
        elif isinstance(event, happened.SnapshotFailed):
            self.snapshots_failed += 1

    def snapshot_ended(self, arrived: bool) -> None:
        """Count a snapshot that was on its way to another member."""
        if arrived:
            self.snapshots_sent += 1
        else:
            self.snapshots_lost += 1

    def stages(self) -> StageMetrics:
        """Return the present latencies."""
        none = Buckets(LATENCY_BOUNDS_S)
        found = {
            name: self._stages.get(name, none).histogram() for name in ("queued", "synced", "committed", "applied")
        }
        return StageMetrics(**found)


def replica_metrics(status: ReplicaStatus, meter: Meter, proposals: Proposals, waiting_messages: int) -> ReplicaMetrics:
    """Return the numbers of a replica."""
    return ReplicaMetrics(
        name=status.name,
        role=status.role,
        term=status.term,
        leader=status.leader or 0,
        is_leader=status.role == StateType.LEADER,
        commit=status.commit,
        applied=status.applied,
        last_index=status.last_index,
        snapshot_index=status.snapshot_index,
        campaigns=meter.campaigns,
        elections_won=meter.elections_won,
        leader_changes=meter.leader_changes,
        lag=dict(status.lag),
        proposals=ProposalMetrics(
            applied=proposals.answered,
            rejected=dict(proposals.rejected),
            unknown=proposals.unknown,
            cancelled=proposals.cancelled,
        ),
        stages=meter.stages(),
        waiting_commands=status.waiting_commands,
        waiting_bytes=proposals.size,
        waiting_reads=status.waiting_reads,
        waiting_messages=waiting_messages,
        snapshots_made=meter.snapshots_made,
        snapshots_received=meter.snapshots_received,
        snapshots_failed=meter.snapshots_failed,
        snapshots_sent=meter.snapshots_sent,
        snapshots_lost=meter.snapshots_lost,
        snapshot_bytes=meter.snapshot_bytes,
    )


def host_metrics(
    host: Surroundings, replicas: Iterable[Replicated], syncs: SyncMeter, sync_waits_s: float, late_ticks: int,
    waiting_requests: int, transport: Carrying,
) -> HostMetrics:  # fmt: skip
    """Return the numbers of a host that is open."""
    return HostMetrics(
        id=host.id,
        cluster=host.cluster,
        has_failed=host.failure is not None,
        replicas={replica.name: replica.metrics() for replica in replicas},
        sync_seconds=syncs.seconds.histogram(),
        sync_bytes=syncs.bytes.histogram(),
        slow_syncs=syncs.slow,
        sync_waits_s=sync_waits_s,
        late_ticks=late_ticks,
        waiting_requests=waiting_requests,
        peers=transport.by_peer(),
        traffic=transport.counters(),
    )
