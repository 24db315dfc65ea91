"""The page of metrics, with numbers of the test behind it."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from raftcy.errors import Stopped
from raftcy.etcd.exposition import Exposition, StoreNumbers
from raftcy.replica.metrics import LATENCY_BOUNDS_S, SIZE_BOUNDS, Histogram


class Source:
    id = 0xABC
    quota_bytes = 8
    is_learner = False
    group = "etcd"
    stopped = False
    leader = 5

    def host_metrics(self) -> Any:
        if self.stopped:
            raise Stopped()
        own = SimpleNamespace(
            leader=self.leader, is_leader=True, leader_changes=3, commit=20, applied=19, waiting_commands=2,
            proposals=SimpleNamespace(rejected={"a": 1, "b": 2}, unknown=4),
        )  # fmt: skip
        counts = [0] * (len(LATENCY_BOUNDS_S) + 1)
        counts[0], counts[2] = 5, 7
        return SimpleNamespace(
            replicas={"etcd": own},
            peers={0x1F: SimpleNamespace(sent_bytes=10, received_bytes=20, is_connected=True)},
            sync_seconds=Histogram(LATENCY_BOUNDS_S, tuple(counts), 1.5),
            sync_bytes=Histogram(SIZE_BOUNDS, (0,) * (len(SIZE_BOUNDS) + 1), 4096.0),
        )

    def store_numbers(self) -> StoreNumbers:
        return StoreNumbers(1000, 3, 9, -1, 2, 4, 1, 2, {"mvcc_put": 6})

    def health(self) -> tuple[int, int, Mapping[tuple[str, str, str], int]]:
        return 4, 2, {("readyz", "non_learner", "success"): 1}

    def handled(self) -> Mapping[tuple[str, str, str], int]:
        return {("unary", "/etcdserverpb.KV/Put", "OK"): 12}

    def versions(self) -> tuple[str, str]:
        return "3.7.3", "3.7.0"


HANDLED = '{grpc_code="OK",grpc_method="Put",grpc_service="etcdserverpb.KV",grpc_type="unary"}'


def page(source: Source) -> dict[str, float]:
    lines = Exposition(source).page({}).body.decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_numbers_have_etcds_names() -> None:
    found = page(Source())
    wanted = {
        "etcd_server_has_leader": 1, "etcd_server_is_leader": 1, "etcd_server_leader_changes_seen_total": 3,
        "etcd_server_proposals_committed_total": 20, "etcd_server_proposals_applied_total": 19,
        "etcd_server_proposals_pending": 2, "etcd_server_proposals_failed_total": 7,
        "etcd_mvcc_db_total_size_in_bytes": 1000, "etcd_debugging_mvcc_keys_total": 3, "etcd_mvcc_put_total": 6,
        "etcd_debugging_mvcc_compact_revision": 0, "etcd_server_health_success": 4, "etcd_server_health_failures": 2,
        'etcd_server_version{server_version="3.7.3"}': 1, 'etcd_server_id{server_id="abc"}': 1,
        'etcd_network_peer_sent_bytes_total{To="1f"}': 10, 'etcd_network_peer_received_bytes_total{From="1f"}': 20,
        f"grpc_server_handled_total{HANDLED}": 12,
        "etcd_network_active_peers": 1, "etcd_disk_wal_fsync_duration_seconds_count": 12,
        'etcd_disk_wal_fsync_duration_seconds_bucket{le="0.0001"}': 5, "etcd_disk_wal_write_bytes_total": 4096,
        'etcd_server_healthchecks_total{name="non_learner",status="success",type="readyz"}': 1,
    }  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted
    assert "process_cpu_seconds_total" in found


def test_a_member_without_a_leader() -> None:
    source = Source()
    source.leader = 0
    assert page(source)["etcd_server_has_leader"] == 0


def test_a_host_that_has_failed_has_no_leader_and_a_page_still() -> None:
    source = Source()
    source.stopped = True
    found = page(source)
    assert (found["etcd_server_has_leader"], found["etcd_server_is_leader"]) == (0, 0)
    assert found["etcd_mvcc_db_total_size_in_bytes"] == 1000
    assert "etcd_disk_wal_fsync_duration_seconds_count" not in found
