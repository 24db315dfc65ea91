"""The numbers of hosts and replicas: what they count, what a sample measures, and how Prometheus gets them."""

import asyncio
import dataclasses
import threading
from typing import Any

import pytest

from raftcy.errors import CommandError, OutcomeUnknown, Rejected, Stopped
from raftcy.replica.events import LeaderChanged, SnapshotFailed, SnapshotMade, SnapshotReceived
from raftcy.replica.meters import Buckets, Meter, SyncMeter
from raftcy.replica.metrics import HostMetrics, ReplicaMetrics
from raftcy.replica.tokens import RejectReason
from raftcy.replica.work import Write
from raftcy.wire.enums import StateType
from raftcy.wire.messages import Entry
from tests.support.hosts import Ledger, World, agreed, followers_of, leader_of, tuned
from tests.support.needs import needs_package
from tests.support.virtual import caught, run_story

# -- parts


def test_buckets() -> None:
    buckets = Buckets((1, 2.5, 10))
    for value in (0, 1, 1.1, 2.5, 9, 11, 1000):
        buckets.add(value)
    found = buckets.histogram()
    assert (found.bounds, found.counts, found.count, found.total) == ((1, 2.5, 10), (2, 2, 1, 2), 7, 1024.6)
    buckets.add(3)
    assert found.count == 7


def test_slow_syncs_are_counted() -> None:
    meter = SyncMeter()
    assert [meter.add(seconds, 4096) for seconds in (0.001, 1.0, 1.1)] == [False, False, True]
    assert meter.slow == 1
    assert meter.bytes.histogram().total == 3 * 4096


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.reads = 0

    def __call__(self) -> float:
        self.reads += 1
        return self.now


def write(*indexes: int) -> Write:
    return Write(None, [Entry(term=3, index=index) for index in indexes], None, True)


def sums(meter: Meter) -> tuple[Any, ...]:
    stages = meter.stages()
    found = (stages.queued, stages.synced, stages.committed, stages.applied)
    return tuple((each.count, round(each.total, 6)) for each in found)


def test_a_batch_is_followed_through_its_stages() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.waits_since = 99.5
    meter.appended(7, 3)
    assert meter.followed == 7
    clock.now += 1
    meter.synced([write(5, 6)])
    meter.turned(3, 6, 6)
    assert sums(meter)[1:] == ((0, 0), (0, 0), (0, 0))
    meter.synced([write(6), write(7, 8)])
    clock.now += 1
    meter.turned(3, 8, 6)
    clock.now += 1
    meter.turned(3, 8, 8)
    assert sums(meter) == ((1, 0.5), (1, 1.0), (1, 2.0), (1, 3.0))
    assert meter.followed == 0


def test_a_batch_may_be_applied_before_it_is_durable_here() -> None:
    """The others have committed it. It counts once for each stage all the same."""
    clock = Clock()
    meter = Meter(clock)
    meter.appended(7, 3)
    for _ in range(3):
        clock.now += 1
        meter.turned(3, 7, 7)
    assert meter.followed == 7
    meter.synced([write(7)])
    meter.turned(3, 7, 7)
    assert sums(meter) == ((0, 0), (1, 3.0), (1, 1.0), (1, 1.0))
    assert meter.followed == 0


def test_one_batch_is_followed_at_a_time_and_not_in_another_term() -> None:
    clock = Clock()
    meter = Meter(clock)
    meter.appended(7, 3)
    reads = clock.reads
    meter.appended(9, 3)
    assert (meter.followed, clock.reads) == (7, reads)
    meter.turned(4, 9, 9)
    assert meter.followed == 0
    # Nothing new was appended in that turn: all commands were refused.
    meter.appended(9, 4)
    assert meter.followed == 0
    assert sums(meter) == ((0, 0),) * 4


def test_events_are_counted() -> None:
    meter = Meter(Clock())
    for event in (
        LeaderChanged(2, 4), LeaderChanged(None, 4), LeaderChanged(1, 5), SnapshotMade(9, 100), SnapshotReceived(12),
        SnapshotFailed(RuntimeError()), SnapshotMade(20, 70),
    ):  # fmt: skip
        meter.happened(event, 1)
    assert (meter.leader_changes, meter.elections_won) == (2, 1)
    counted = (meter.snapshots_made, meter.snapshot_bytes, meter.snapshots_received, meter.snapshots_failed)
    assert counted == (2, 70, 1, 1)
    for arrived in (True, False, True):
        meter.snapshot_ended(arrived)
    assert (meter.snapshots_sent, meter.snapshots_lost) == (2, 1)


# -- hosts


def of(host: Any) -> ReplicaMetrics:
    found: ReplicaMetrics = host.metrics().replicas["ledger"]
    return found


def test_what_a_leader_and_its_followers_count() -> None:
    async def story() -> None:
        world = World(tuning=tuned(snapshot_entries=15))
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            leader = await agreed(replicas)
            for _ in range(5):
                await leader.propose(b"x")
            await leader.propose_many([b"y"] * 20)
            assert isinstance(await caught(leader.propose(b"no")), CommandError)
            await followers_of(replicas)[0].propose(b"z")
            await asyncio.sleep(0.1)
            mine, whole = of(hosts[leader.id]), hosts[leader.id].metrics()
            assert (mine.name, mine.role, mine.is_leader, mine.leader) == (
                "ledger", StateType.LEADER, True, leader.id,
            )  # fmt: skip
            assert (mine.proposals.applied, mine.proposals.rejected, mine.proposals.unknown) == (26, {}, 0)
            assert (mine.term, mine.commit, mine.applied) == (leader.term, leader.commit, leader.applied)
            assert mine.lag == dict.fromkeys([id for id in hosts if id != leader.id], 0)
            assert mine.elections_won == 1
            assert mine.snapshots_made >= 1
            assert mine.snapshot_bytes > 0
            for stage in dataclasses.fields(mine.stages):
                assert 5 <= getattr(mine.stages, stage.name).count <= 8, stage.name
            assert mine.stages.applied.total >= mine.stages.committed.total > 0
            assert whole.sync_seconds.count == whole.sync_bytes.count > 5
            assert whole.sync_bytes.total > 0
            assert (whole.id, whole.cluster, whole.has_failed) == (leader.id, hosts[1].cluster, False)
            other = followers_of(replicas)[0]
            theirs = of(hosts[other.id])
            assert (theirs.proposals.applied, theirs.is_leader, theirs.lag) == (1, False, {})
            assert theirs.elections_won == 0
            assert sum(of(host).campaigns for host in hosts.values()) >= 1

    run_story(story())


def test_commands_that_are_not_applied_are_counted_by_their_outcome() -> None:
    async def story() -> None:
        world = World(tuning=tuned(waiting_commands=10, waiting_bytes=4000, command_bytes=2000))
        async with world.serving() as replicas:
            leader = leader_of(replicas)
            others = [id for id in replicas if id != leader.id]
            assert isinstance(await caught(leader.propose(bytes(3000))), Rejected)
            assert isinstance((await leader.propose_many([b"x"] * 11))[0], Rejected)
            assert isinstance(await caught(leader.propose(b"x", only_in_term=99)), Rejected)
            given_up = leader.propose(b"x")
            given_up.cancel()
            await asyncio.sleep(0.05)
            world.cut(leader.id)
            assert isinstance(await caught(leader.propose(b"x", timeout_s=0.05)), OutcomeUnknown)
            waits = [leader.propose(b"x"), leader.propose_many([b"y"] * 2)]
            while leader.is_leader:
                await asyncio.sleep(0.01)
            await replicas[others[0]].read()
            world.heal()
            assert isinstance(await caught(waits[0]), Rejected)
            assert [type(each) for each in await waits[1]] == [Rejected, Rejected]
            found = leader.metrics().proposals
            assert found.rejected == {
                RejectReason.TOO_LARGE: 1,
                RejectReason.OVERLOADED: 11,
                RejectReason.OTHER_TERM: 1,
                RejectReason.SUPERSEDED: 3,
            }
            assert (found.applied, found.unknown, found.cancelled) == (0, 1, 1)
            assert leader.metrics().waiting_commands == 0

    run_story(story())


def test_a_host_that_is_closed_has_no_numbers() -> None:
    async def story() -> None:
        world = World(1)
        with pytest.raises(Stopped):
            world.host(1).metrics()
        async with world.running() as hosts:
            assert list(hosts[1].metrics().replicas) == ["(system)"]
        with pytest.raises(Stopped):
            hosts[1].metrics()

    run_story(story())


def test_a_loop_that_is_held_up_is_counted() -> None:
    async def story() -> None:
        world = World(1)
        async with world.running() as hosts:
            loop: Any = asyncio.get_running_loop()
            await asyncio.sleep(0.05)
            loop._jumping.now += 0.5
            await asyncio.sleep(0.05)
            assert hosts[1].metrics().late_ticks == 1

    run_story(story())


# -- Prometheus


def samples(collector: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (
            sample.name,
            tuple(sorted((key, value) for key, value in sample.labels.items() if key != "host")),
        ): sample.value
        for metric in collector.collect()
        for sample in metric.samples
    }


def test_the_collector() -> None:
    needs_package("prometheus_client")
    from raftcy.replica.prometheus import HostCollector

    async def story() -> None:
        world = World()
        async with world.running() as hosts:
            replicas = {id: host.replica("ledger", Ledger()) for id, host in hosts.items()}
            leader = await agreed(replicas)
            host = hosts[leader.id]
            collector = HostCollector(host)
            await leader.propose(b"x")
            assert isinstance(await caught(leader.propose(b"x", only_in_term=99)), Rejected)
            found = samples(collector)
            group = ("group", "ledger")
            assert found["raftcy_up", ()] == 1
            assert found["raftcy_leader", (group,)] == 1
            assert found["raftcy_term", (group,)] == leader.term
            assert found["raftcy_proposals_total", (group, ("outcome", "applied"), ("reason", ""))] == 1
            refused = (group, ("outcome", "rejected"), ("reason", "other term"))
            assert found["raftcy_proposals_total", refused] == 1
            assert found["raftcy_stage_seconds_count", (group, ("stage", "applied"))] == 1
            last = found["raftcy_sync_seconds_bucket", (("le", "+Inf"),)]
            assert last == found["raftcy_sync_seconds_count", ()] == host.metrics().sync_seconds.count
            assert found["raftcy_transport_events_total", (("event", "refused_identity"),)] == 0
            assert found["raftcy_lag_entries", (group, ("peer", str(leader.id % 3 + 1)))] >= 0
        assert samples(collector) == {("raftcy_up", ()): 0}

    run_story(story())


class Still:
    """A host of numbers that never change."""

    id = 1

    def __init__(self, found: HostMetrics) -> None:
        self.found = found
        self.threads: list[int] = []

    def metrics(self) -> HostMetrics:
        self.threads.append(threading.get_ident())
        return self.found


def test_the_collector_reads_in_the_loops_thread() -> None:
    """Prometheus scrapes on a thread of its own, while the loop changes what is counted."""
    needs_package("prometheus_client")
    from raftcy.replica.prometheus import HostCollector

    histogram = Buckets((1,)).histogram()
    found = HostMetrics(
        id=1, cluster=2, has_failed=False, replicas={}, sync_seconds=histogram, sync_bytes=histogram, slow_syncs=0,
        sync_waits_s=0.0, late_ticks=0, waiting_requests=0, peers={},
    )  # fmt: skip
    host: Any = Still(found)

    async def main() -> Any:
        collector = HostCollector(host, timeout_s=0.2)
        scraped = await asyncio.to_thread(samples, collector)
        assert scraped["raftcy_up", ()] == 1
        assert host.threads == [threading.get_ident()]
        failed: list[BaseException] = []

        def scrape() -> None:
            try:
                samples(collector)
            except TimeoutError as error:
                failed.append(error)

        thread = threading.Thread(target=scrape)
        thread.start()
        # The loop is held up.
        thread.join()
        assert len(failed) == 1
        return collector

    collector = asyncio.run(main())
    late: list[Any] = []
    thread = threading.Thread(target=lambda: late.append(samples(collector)))
    thread.start()
    thread.join()
    assert late == [{("raftcy_up", ()): 0}]
