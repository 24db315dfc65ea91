"""The page ``/metrics``: the numbers of a server under etcd's names, so that etcd's dashboards and alerts work.

Those of the host have raftcy's names (``raftcy.replica.prometheus``).

A name of etcd is there only if the number means the same. What counts bbolt's pages, or Go's memory, is missing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from ..errors import Stopped
from ..replica.metrics import HostMetrics
from .replies import Reply


class StoreNumbers(NamedTuple):
    """The numbers of the store, the leases and the watches at one moment. Counts begin at 0 with the process."""

    size_bytes: int
    keys: int
    revision: int
    compacted: int
    leases: int
    watchers: int
    slow_watchers: int
    watch_streams: int
    counts: Mapping[str, int]
    """Counters by the names of etcd, without the prefix ``etcd_`` and the suffix ``_total``."""


class Source(Protocol):
    """What the page asks a server."""

    @property
    def id(self) -> int:
        """The id of this member."""

    @property
    def quota_bytes(self) -> int:
        """The bound of the store, below 0 without one."""

    @property
    def is_learner(self) -> bool:
        """Whether this member has no vote."""

    @property
    def group(self) -> str:
        """The name of the group."""

    def host_metrics(self) -> HostMetrics:
        """Return the numbers of the host. Raises Stopped once it has failed."""

    def store_numbers(self) -> StoreNumbers:
        """Return the numbers of the store."""

    def health(self) -> tuple[int, int, Mapping[tuple[str, str, str], int]]:
        """Return how often ``/health`` was good and bad, and how often each other check ended how."""

    def handled(self) -> Mapping[tuple[str, str, str], int]:
        """Return how many calls have ended how, by kind and path of the method, and name of the code."""

    def versions(self) -> tuple[str, str]:
        """Return the version of the server, and of the cluster."""


def _gauge(name: str, text: str, value: float) -> Metric:
    found = GaugeMetricFamily(name, text)
    found.add_metric([], value)
    return found


def _labelled(name: str, text: str, label: str, value: str) -> Metric:
    found = GaugeMetricFamily(name, text, labels=[label])
    found.add_metric([value], 1)
    return found


def _count(name: str, text: str, value: float) -> Metric:
    found = CounterMetricFamily(name.removesuffix("_total"), text)
    found.add_metric([], value)
    return found


class EtcdCollector(Collector):
    """Reads a server at each scrape, in its event loop."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        source = self._source
        server, cluster = source.versions()
        yield _labelled("etcd_server_version", "The version of the API", "server_version", server)
        yield _labelled("etcd_cluster_version", "The version of the cluster", "cluster_version", cluster)
        yield _labelled("etcd_server_id", "The id of this member", "server_id", f"{source.id:x}")
        yield _gauge("etcd_server_quota_backend_bytes", "The bound of the store", source.quota_bytes)
        yield _gauge("etcd_server_is_learner", "1 if this member has no vote", int(source.is_learner))
        yield from self._health()
        yield self._handled()
        yield from self._store()
        try:
            found = source.host_metrics()
        except Stopped:
            yield _gauge("etcd_server_has_leader", "1 if a leader is known", 0)
            yield _gauge("etcd_server_is_leader", "1 if this member leads", 0)
            return
        yield from self._host(found)

    def _health(self) -> Iterator[Metric]:
        good, bad, checked = self._source.health()
        yield _gauge("etcd_server_health_success", "How often /health was true", good)
        yield _gauge("etcd_server_health_failures", "How often /health was false", bad)
        checks = CounterMetricFamily("etcd_server_healthchecks", "Checks by result", labels=["type", "name", "status"])
        for key, count in checked.items():
            checks.add_metric(list(key), count)
        yield checks

    def _handled(self) -> Metric:
        labels = ["grpc_type", "grpc_service", "grpc_method", "grpc_code"]
        found = CounterMetricFamily("grpc_server_handled", "Calls that have ended, by their codes", labels=labels)
        for (kind, path, code), count in sorted(self._source.handled().items()):
            _, service, method = path.split("/")
            found.add_metric([kind, service, method, code], count)
        return found

    def _store(self) -> Iterator[Metric]:
        found = self._source.store_numbers()
        for name, text, value in (
            ("etcd_mvcc_db_total_size_in_bytes", "The bytes of all kept revisions", found.size_bytes),
            ("etcd_mvcc_db_total_size_in_use_in_bytes", "The same", found.size_bytes),
            ("etcd_debugging_mvcc_keys_total", "Keys", found.keys),
            ("etcd_debugging_mvcc_current_revision", "The newest revision", found.revision),
            ("etcd_debugging_mvcc_compact_revision", "The compacted revision", max(found.compacted, 0)),
            ("etcd_debugging_mvcc_watcher_total", "Watchers", found.watchers),
            ("etcd_debugging_mvcc_slow_watcher_total", "Watchers that catch up", found.slow_watchers),
            ("etcd_debugging_mvcc_watch_stream_total", "Streams of watchers", found.watch_streams),
            ("raftcy_etcd_leases", "Leases", found.leases),
        ):
            yield _gauge(name, text, value)
        for name, count in found.counts.items():
            yield _count(f"etcd_{name}_total", f"Counted since the start: {name}", count)

    def _host(self, found: HostMetrics) -> Iterator[Metric]:
        own = found.replicas.get(self._source.group)
        yield _gauge("etcd_server_has_leader", "1 if a leader is known", int(own is not None and own.leader != 0))
        yield _gauge("etcd_server_is_leader", "1 if this member leads", int(own is not None and own.is_leader))
        if own is not None:
            ended = own.proposals
            failed = sum(ended.rejected.values()) + ended.unknown
            changes = "How often this member has learned of a leader"
            yield _count("etcd_server_leader_changes_seen_total", changes, own.leader_changes)
            yield _gauge("etcd_server_proposals_committed_total", "The commit index", own.commit)
            yield _gauge("etcd_server_proposals_applied_total", "The applied index", own.applied)
            yield _gauge("etcd_server_proposals_pending", "Proposals that wait", own.waiting_commands)
            yield _count("etcd_server_proposals_failed_total", "Proposals that failed", failed)
        yield _gauge("etcd_network_active_peers", "Peers with an open connection", _connected(found))
        labels = ["To", "From"]
        sent = CounterMetricFamily("etcd_network_peer_sent_bytes", "Bytes to peers", labels=labels[:1])
        received = CounterMetricFamily("etcd_network_peer_received_bytes", "Bytes from peers", labels=labels[1:])
        for peer, traffic in found.peers.items():
            sent.add_metric([f"{peer:x}"], traffic.sent_bytes)
            received.add_metric([f"{peer:x}"], traffic.received_bytes)
        yield from (sent, received)
        syncs = HistogramMetricFamily("etcd_disk_wal_fsync_duration_seconds", "How long the log's syncs took")
        total, buckets = 0, []
        bounds = (*map(str, found.sync_seconds.bounds), "+Inf")
        for bound, count in zip(bounds, found.sync_seconds.counts, strict=True):
            total += count
            buckets.append((bound, total))
        syncs.add_metric([], buckets, found.sync_seconds.total)
        yield syncs
        yield _count("etcd_disk_wal_write_bytes_total", "Bytes written to the log", found.sync_bytes.total)


def _connected(found: HostMetrics) -> int:
    return sum(peer.is_connected for peer in found.peers.values())


class Exposition:
    """Makes the page. ``others`` are collected too, such as ``raftcy.replica.prometheus.HostCollector``."""

    def __init__(self, source: Source, others: Iterable[Collector] = ()) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        for each in (EtcdCollector(source), *others):
            self._registry.register(each)
        for kind in (ProcessCollector, PlatformCollector, GCCollector):
            kind(registry=self._registry)

    def page(self, query: Mapping[str, list[str]]) -> Reply:
        """Answer ``/metrics``."""
        return Reply(generate_latest(self._registry), content_type=CONTENT_TYPE_LATEST)
