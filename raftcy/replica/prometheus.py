"""The numbers of a host for Prometheus: a collector for the library prometheus-client.

Install the library with ``raftcy[metrics]``. Nothing else in raftcy imports this module.

    from prometheus_client import REGISTRY, start_http_server
    from raftcy.replica.prometheus import HostCollector

    async with Host(…) as host:
        REGISTRY.register(HostCollector(host))
        start_http_server(9100)
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import fields

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ..errors import Stopped
from .host import Host
from .metrics import Histogram, HostMetrics, ReplicaMetrics


class HostCollector(Collector):
    """Reads ``Host.metrics`` at each scrape. Make it in the host's event loop, and register it where you like.

    ``collect`` may be called by any thread. It waits for the event loop for at most ``timeout_s``, and raises
    TimeoutError if the loop does not answer, so that the scrape fails visibly. Once the host has failed or is closed,
    ``raftcy_up`` is 0 and nothing else is there.

    Every metric has the label ``host``, the id of the host. A metric of a replica has the label ``group`` too, and one
    about another host the label ``peer``.
    """

    def __init__(self, host: Host, timeout_s: float = 5.0) -> None:
        self._host = host
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics. prometheus-client calls this at each scrape."""
        found = self._ask()
        yield _one("raftcy_up", "1 while the host runs", [str(self._host.id)], int(found is not None))
        if found is not None:
            yield from _of_host(found)
            yield from _of_peers(found)
            yield from _of_replicas(found)

    def _ask(self) -> HostMetrics | None:
        if threading.get_ident() == self._thread:
            return self._read()
        answer: Future[HostMetrics | None] = Future()

        def read() -> None:
            if answer.set_running_or_notify_cancel():
                answer.set_result(self._read())

        try:
            self._loop.call_soon_threadsafe(read)
        except RuntimeError:
            # The loop is closed, and so is the host.
            return None
        try:
            return answer.result(self._timeout_s)
        finally:
            answer.cancel()

    def _read(self) -> HostMetrics | None:
        try:
            return self._host.metrics()
        except Stopped:
            return None


def _one(name: str, text: str, labels: list[str], value: float) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["host"])
    family.add_metric(labels, value)
    return family


def _add(family: HistogramMetricFamily, labels: list[str], found: Histogram) -> None:
    """Add a histogram, whose buckets Prometheus wants as running totals."""
    total = 0
    buckets = []
    for bound, count in zip((*map(str, found.bounds), "+Inf"), found.counts, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric(labels, buckets, found.total)


def _of_host(found: HostMetrics) -> Iterator[Metric]:
    host = [str(found.id)]
    for name, text, of in (
        ("raftcy_sync_seconds", "How long the log's syncs took, with their writes", found.sync_seconds),
        ("raftcy_sync_bytes", "How much each sync of the log wrote", found.sync_bytes),
    ):
        family = HistogramMetricFamily(name, text, labels=["host"])
        _add(family, host, of)
        yield family
    for name, text, count in (
        ("raftcy_slow_syncs", "Syncs that took longer than a second", found.slow_syncs),
        ("raftcy_late_ticks", "How often the event loop was held up", found.late_ticks),
    ):
        counter = CounterMetricFamily(name, text, labels=["host"])
        counter.add_metric(host, count)
        yield counter
    yield _one("raftcy_sync_waits_seconds", "How long the present sync has lasted", host, found.sync_waits_s)
    yield _one("raftcy_waiting_requests", "Requests that wait for a reply", host, found.waiting_requests)
    counter = CounterMetricFamily(
        "raftcy_transport_events", "The transport's counters, such as refused connections", labels=["host", "event"]
    )
    for field in fields(found.traffic):
        counter.add_metric([*host, field.name], getattr(found.traffic, field.name))
    yield counter


def _of_peers(found: HostMetrics) -> Iterator[Metric]:
    labels = ["host", "peer", "direction"]
    messages = CounterMetricFamily("raftcy_peer_messages", "Messages from and to a host", labels=labels)
    size = CounterMetricFamily("raftcy_peer_bytes", "Bytes of messages from and to a host", labels=labels)
    queued = GaugeMetricFamily("raftcy_peer_queued_messages", "Messages that wait", labels=labels[:2])
    waiting = GaugeMetricFamily("raftcy_peer_queued_bytes", "Bytes of messages that wait", labels=labels[:2])
    connected = GaugeMetricFamily("raftcy_peer_connected", "1 if the connection is open", labels=labels[:2])
    for id, peer in found.peers.items():
        key = [str(found.id), str(id)]
        messages.add_metric([*key, "out"], peer.sent_messages)
        messages.add_metric([*key, "in"], peer.received_messages)
        size.add_metric([*key, "out"], peer.sent_bytes)
        size.add_metric([*key, "in"], peer.received_bytes)
        queued.add_metric(key, peer.queued_messages)
        waiting.add_metric(key, peer.queued_bytes)
        connected.add_metric(key, int(peer.is_connected))
    yield from (messages, size, queued, waiting, connected)


_GAUGES: tuple[tuple[str, str, Callable[[ReplicaMetrics], float]], ...] = (
    ("raftcy_leader", "1 if this member leads", lambda of: of.is_leader),
    ("raftcy_known_leader", "The id of the known leader, 0 without one", lambda of: of.leader),
    ("raftcy_term", "The present term", lambda of: of.term),
    ("raftcy_commit_index", "Up to where the log is committed", lambda of: of.commit),
    ("raftcy_applied_index", "Up to where the log is applied", lambda of: of.applied),
    ("raftcy_last_index", "The index of the last entry of the log", lambda of: of.last_index),
    ("raftcy_snapshot_index", "The index of the newest snapshot", lambda of: of.snapshot_index),
    ("raftcy_snapshot_bytes", "The size of the snapshot that was made last", lambda of: of.snapshot_bytes),
    ("raftcy_waiting_commands", "Commands that wait for their answers", lambda of: of.waiting_commands),
    ("raftcy_waiting_bytes", "Bytes of commands that wait", lambda of: of.waiting_bytes),
    ("raftcy_waiting_reads", "Reads that wait", lambda of: of.waiting_reads),
    ("raftcy_waiting_messages", "Messages that wait for the next turn", lambda of: of.waiting_messages),
)
_COUNTERS: tuple[tuple[str, str, Callable[[ReplicaMetrics], float]], ...] = (
    ("raftcy_campaigns", "Elections that this member has begun", lambda of: of.campaigns),
    ("raftcy_elections_won", "Elections that this member has won", lambda of: of.elections_won),
    ("raftcy_leader_changes", "How often this member has learned of a leader", lambda of: of.leader_changes),
    ("raftcy_snapshots_made", "Snapshots that this member has made", lambda of: of.snapshots_made),
    ("raftcy_snapshots_received", "Snapshots that have replaced the state", lambda of: of.snapshots_received),
    ("raftcy_snapshots_failed", "Snapshots that could not be made", lambda of: of.snapshots_failed),
    ("raftcy_snapshots_sent", "Snapshots that have reached another member", lambda of: of.snapshots_sent),
    ("raftcy_snapshots_lost", "Snapshots that did not reach another member", lambda of: of.snapshots_lost),
)


def _of_replicas(found: HostMetrics) -> Iterator[Metric]:
    labels = ["host", "group"]
    families: list[tuple[GaugeMetricFamily | CounterMetricFamily, Callable[[ReplicaMetrics], float]]] = []
    families += [(GaugeMetricFamily(name, text, labels=labels), read) for name, text, read in _GAUGES]
    families += [(CounterMetricFamily(name, text, labels=labels), read) for name, text, read in _COUNTERS]
    lag = GaugeMetricFamily("raftcy_lag_entries", "How far a member is behind its leader", labels=[*labels, "peer"])
    ended = CounterMetricFamily(
        "raftcy_proposals", "Commands by outcome, and by reason of rejection", labels=[*labels, "outcome", "reason"]
    )
    stages = HistogramMetricFamily("raftcy_stage_seconds", "Latency of samples, by stage", labels=[*labels, "stage"])
    for each in found.replicas.values():
        key = [str(found.id), each.name]
        for family, read in families:
            family.add_metric(key, read(each))
        for peer, entries in each.lag.items():
            lag.add_metric([*key, str(peer)], entries)
        proposals = each.proposals
        for outcome, count in (
            ("applied", proposals.applied),
            ("unknown", proposals.unknown),
            ("cancelled", proposals.cancelled),
        ):
            ended.add_metric([*key, outcome, ""], count)
        for reason, count in proposals.rejected.items():
            ended.add_metric([*key, "rejected", str(reason)], count)
        for field in fields(each.stages):
            _add(stages, [*key, field.name], getattr(each.stages, field.name))
    yield from (family for family, _ in families)
    yield from (lag, ended, stages)
