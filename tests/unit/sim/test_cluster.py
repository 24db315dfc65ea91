"""Members and operator: how a node is driven, what a crash takes away, how a cluster comes to rest."""

from collections.abc import Callable

import pytest

from raftcy import ConfChangeV2, Message, MessageType, SnapshotStatus, StateType, conf_changes_from_string
from raftcy.core.guards import has_to_apply
from raftcy.sim import Profile
from raftcy.sim.actions import perform, pick
from raftcy.sim.clock import MS
from raftcy.sim.cluster import Cluster
from raftcy.sim.member import Member
from raftcy.sim.runs import Run, prepare, settle
from raftcy.sim.schedule import Action

from .test_world import Drawn

QUIET = {"retry": 1.0}


def quiet_run(*, asynchronous: float = 0.0, voters: int = 3, seed: int = 1, hold_votes: bool = True) -> Run:
    """A run in which only the test acts."""
    profile = Profile("quiet", "nothing", QUIET, voters=(voters,), learners=(0,), asynchronous=(asynchronous,))
    run = prepare(seed, profile, hold_votes=hold_votes)
    for member in run.cluster.members.values():
        member.disk.latency = 0
    return run


def quiet(*, asynchronous: float = 0.0, voters: int = 3, hold_votes: bool = True) -> Cluster:
    """The cluster of such a run."""
    return quiet_run(asynchronous=asynchronous, voters=voters, hold_votes=hold_votes).cluster


def until(cluster: Cluster, done: Callable[[], bool]) -> None:
    for _ in range(3000):
        if done():
            return
        cluster.step()
    pytest.fail("it did not come to it")


def led(cluster: Cluster) -> Cluster:
    until(cluster, lambda: cluster.leader() is not None)
    return cluster


@pytest.mark.parametrize("hold_votes", [True, False])
def test_requests_for_votes_wait_for_the_disk_with_asynchronous_writes(hold_votes: bool) -> None:
    cluster = quiet(asynchronous=1.0, hold_votes=hold_votes)
    member = cluster.members[1]
    member.disk.latency = 10 * MS
    sent: list[int] = []
    cluster.checkers.sending = lambda member, m: sent.append(m.type)
    member.ask(member.node.campaign)
    assert bool({MessageType.MSG_VOTE, MessageType.MSG_PRE_VOTE}.intersection(sent)) is not hold_votes


def test_nothing_is_sent_before_it_is_written_with_synchronous_writes() -> None:
    cluster = quiet()
    member = cluster.members[1]
    member.disk.latency = 10 * MS
    sent: list[int] = []
    cluster.checkers.sending = lambda member, m: sent.append(m.type)
    member.ask(member.node.campaign)
    assert sent == []
    until(cluster, lambda: not member.disk.pending)
    assert sent


@pytest.mark.parametrize("asynchronous", [0.0, 1.0])
def test_a_crash_between_ready_and_disk_loses_what_was_not_written(asynchronous: float) -> None:
    cluster = led(quiet(asynchronous=asynchronous))
    leader = cluster.leader()
    assert leader is not None
    until(cluster, lambda: leader.application.applied == leader.raft.log.last_index())
    leader.disk.latency = 10 * MS
    cluster.begin(leader, True)
    last = leader.raft.log.last_index()
    assert leader.disk.last_index() == last - 1
    # Nothing of it is complete, and nothing remains of the torn write.
    drawn = Drawn(*([0.9] if leader.disk.written() is leader.disk.synced else [0.9, 0.9]), 0.0)
    cluster.crash(leader, MS, drawn)
    assert cluster.clients.pending == {}
    until(cluster, lambda: leader.up)
    assert leader.raft.log.last_index() == last - 1
    assert leader.life == 2


def test_a_paused_member_gets_its_messages_later() -> None:
    cluster = led(quiet())
    leader = cluster.leader()
    assert leader is not None
    other = next(each for each in cluster.running() if each is not leader)
    cluster.pause(other, 100 * MS)
    cluster.begin(leader, True)
    until(cluster, lambda: leader.application.applied == leader.raft.log.last_index())
    assert other.raft.log.last_index() < leader.raft.log.last_index()
    assert other.deferred
    until(cluster, lambda: other.application.applied == leader.application.applied)


def test_a_disk_that_fails_stops_its_member_until_it_starts_again() -> None:
    cluster = led(quiet())
    leader = cluster.leader()
    assert leader is not None
    leader.disk.failing = True
    cluster.begin(leader, True)
    assert not leader.up
    assert cluster.coverage.counts["faults"]["failed write"] == 1
    until(cluster, lambda: leader.up and not leader.disk.failing)


def test_a_disk_that_cannot_be_read_stops_its_member() -> None:
    cluster = led(quiet())
    leader = cluster.leader()
    assert leader is not None
    follower = next(each for each in cluster.running() if each is not leader)
    cluster.crash(follower, 20 * MS, cluster.random)
    for _ in range(3):
        cluster.begin(leader, True)
    until(cluster, lambda: leader.application.applied == leader.raft.log.last_index())
    leader.disk.unreadable = True
    until(cluster, lambda: not leader.up)
    assert cluster.coverage.counts["faults"]["failed read"] == 1


def test_of_faults_of_one_kind_on_one_member_the_last_one_ends_them() -> None:
    cluster = led(quiet())
    member = cluster.members[2]
    numbers = {"kind": "slow_disk", "u": member_number(cluster, member), "v": 0.5, "w": 0.5}
    for number, x in enumerate((0.9, 0.1)):
        perform(cluster, Action(number, cluster.clock.now, x=x, **numbers))
    assert cluster.coverage.active["slow disk"] == 2
    until(cluster, lambda: cluster.coverage.active["slow disk"] == 1)
    assert member.disk.latency > MS
    until(cluster, lambda: not cluster.coverage.active["slow disk"])
    assert member.disk.latency == cluster.settings.latency(2)


def member_number(cluster: Cluster, member: Member) -> float:
    """The draw that makes an action pick this member, who must not be the leader's choice."""
    return next(u / 1000 for u in range(700, 1000) if pick(cluster, u / 1000) is member)


def test_an_action_that_cuts_nothing_is_skipped() -> None:
    cluster = led(quiet(voters=1))
    for kind in ("partition", "isolate", "one_way"):
        assert perform(cluster, Action(1, 0, kind, 0.0, 0.9, 0.0, 0.5)) == ""
    cluster.crash(cluster.members[1], 10 * MS, cluster.random)
    assert perform(cluster, Action(1, 0, "crash_all", 0.0, 0.0, 0.0, 0.5)) == ""
    assert list(cluster.coverage.counts["faults"]) == ["crash"]


def test_a_paused_leader_is_asked_for_nothing() -> None:
    cluster = led(quiet())
    leader = cluster.leader()
    assert leader is not None
    assert pick(cluster, 0.1) is leader
    cluster.pause(leader, 100 * MS)
    assert pick(cluster, 0.1) not in (leader, None)


def test_a_refusal_does_not_end_the_run() -> None:
    cluster = quiet()
    for member in cluster.running():
        cluster.stop(member)
        cluster.settings.of(member.id)["max_pending_reads"] = 1
        cluster.spawn(member.id)
    leader = led(cluster).leader()
    assert leader is not None
    until(cluster, lambda: leader.application.applied == leader.raft.log.last_index())
    first, second = cluster.begin(leader, False), cluster.begin(leader, False)
    assert cluster.clients.pending == {first.number: first}
    assert not cluster.attempt(second)


@pytest.mark.parametrize("asynchronous", [0.0, 1.0])
@pytest.mark.parametrize("keeps", [True, False])
def test_a_snapshot_is_kept_or_lost_while_changes_are_applied(keeps: bool, asynchronous: float) -> None:
    cluster = led(quiet(asynchronous=asynchronous))
    leader = cluster.leader()
    assert leader is not None
    until(cluster, lambda: all(each.application.applied == leader.raft.log.last_index() for each in cluster.running()))
    follower = next(each for each in cluster.running() if each is not leader)
    follower.driver.keep_snapshots = keeps
    follower.disk.latency = follower.apply_latency = 200 * MS
    cluster.begin(leader, True)
    until(cluster, lambda: has_to_apply(follower.raft))
    assert leader.compact(0)
    snapshot = leader.disk.newest()
    m = Message(type=MessageType.MSG_SNAP, to=follower.id, from_=leader.id, term=leader.raft.term, snapshot=snapshot)
    told: list[int] = []
    follower.host.checkers.taking = lambda member, m: told.append(m.type)
    cluster._deliver(leader.id, follower.id, m.encode())
    reports = [arguments for _, _, handler, arguments in cluster.clock._due if handler == cluster._report]
    finished = SnapshotStatus.FINISH if keeps else SnapshotStatus.FAILURE
    assert reports == [(leader.id, follower.id, finished)]
    assert MessageType.MSG_SNAP not in told
    until(cluster, lambda: not has_to_apply(follower.raft))
    assert (MessageType.MSG_SNAP in told) is keeps


def test_the_operator_starts_what_is_down_and_proves_that_it_works() -> None:
    run = quiet_run()
    cluster = led(run.cluster)
    for member in cluster.running():
        cluster.crash(member, 10_000 * MS, cluster.random)
    settle(run)
    assert [member.id for member in cluster.running()] == [1, 2, 3]
    assert cluster.clients.ended[True] > 0
    assert cluster.clients.ended[False] > 0
    assert cluster.clients.pending == {}


def test_the_operator_completes_a_roll_out() -> None:
    run = quiet_run()
    cluster = run.cluster
    for member in cluster.running():
        cluster.stop(member)
        cluster.settings.of(member.id)["check_quorum"] = member.id == 2
        cluster.spawn(member.id)
    assert [member.raft.check_quorum for member in cluster.running()] == [False, True, False]
    settle(run)
    assert all(member.raft.check_quorum for member in cluster.running())


def test_the_operator_stops_removed_members_and_leaves_a_joint_configuration() -> None:
    run = quiet_run(voters=5)
    cluster = led(run.cluster)
    leader = cluster.leader()
    assert leader is not None
    gone = next(each for each in cluster.members if each != leader.id)
    until(cluster, lambda: leader.application.applied == leader.raft.log.last_index())
    change = ConfChangeV2(transition=2, changes=conf_changes_from_string(f"v6 r{gone}"))
    cluster.spawn(6)
    assert cluster.propose_change(leader, change)
    until(cluster, lambda: bool(leader.raft.tracker.config.voters.outgoing.ids()))
    settle(run)
    assert not cluster.members[gone].up
    assert 6 in [member.id for member in cluster.running()]
    settled = cluster.leader()
    assert settled is not None
    assert settled.raft.state == StateType.LEADER
    assert settled.raft.tracker.config.voters.outgoing.ids() == []
    assert all(member.raft.pre_vote for member in cluster.running())
