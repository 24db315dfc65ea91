"""Reads by a driver's lease: when a leader may answer at once, and when a member may vote."""

from collections.abc import Callable
from typing import Any

import pytest

from raftcy import (
    ConfChange,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    Config,
    Driver,
    MemoryStorage,
    Message,
    MessageType,
    NotNow,
    RawNode,
    ReadOnlyOption,
    StateType,
)
from raftcy.errors import ConfigError
from raftcy.replica.lease import TRANSFER_CONTEXT, Lease
from raftcy.replica.loopback import Loopback
from raftcy.wire.changes import conf_changes_from_string

from .test_driver import Machine, begun

TICK_US = 10_000
ELECTION_US = 100_000
# Without drift: an election timeout less one tick.
LENGTH_US = 90_000


def lease(**options: Any) -> Lease:
    options = {"election_us": ELECTION_US, "tick_us": TICK_US, "drift_ppm": 0} | options
    return Lease(**options)


class Group:
    """Three drivers with a lease each, their clocks, and what is on its way between them; member 1 leads.

    ``lost`` decides which messages are lost.
    """

    def __init__(self, voters: int = 3, asynchronous: bool = False, **leases: Lease | None) -> None:
        self.asynchronous = asynchronous
        self.given = leases
        self.lost: Callable[[Message], bool] = lambda m: False
        self.sent: list[Message] = []
        self.reads: list[tuple[int, int, bytes]] = []
        self.clocks = {id: 1_000_000 * id for id in range(1, voters + 1)}
        self.storages = {id: begun(MemoryStorage(), list(range(1, voters + 1))) for id in self.clocks}
        self.lives = 0
        self.drivers = {id: self.start(id) for id in self.clocks}
        for _ in range(10):
            self.tick(campaigns=False)
        self[1].campaign()
        self.exchange()
        assert self[1].node.raft.state == StateType.LEADER

    def __getitem__(self, id: int) -> Driver:
        return self.drivers[id]

    def start(self, id: int) -> Driver:
        self.lives += 1
        flow = {"max_size_per_msg": 1 << 20, "max_inflight_msgs": 256, "async_storage_writes": self.asynchronous}
        storage = self.storages[id]
        checks = {"check_quorum": True, "pre_vote": True}
        node = RawNode(Config(id=id, election_tick=10, heartbeat_tick=1, storage=storage, **flow, **checks))
        given = self.given.get(f"of_{id}", lease())
        driver = Driver(node, storage, Machine(), self.sent.extend, nonce=b"life%4d" % self.lives, lease=given)
        driver.pass_time(self.clocks[id])
        return driver

    def pass_us(self, us: int) -> None:
        for id, driver in self.drivers.items():
            self.clocks[id] += us
            driver.pass_time(self.clocks[id])

    def work(self, id: int) -> None:
        driver = self[id]
        while driver.run():
            pass
        self.reads += [(id, read.index, read.request_ctx) for read in driver.take_reads()]

    def exchange(self) -> None:
        busy = True
        while busy:
            for id in self.drivers:
                self.work(id)
            sent, self.sent[:] = list(self.sent), []
            passed = [m for m in sent if not self.lost(m)]
            for m in passed:
                self[m.to].inbox.append(m)
            busy = bool(passed)

    def tick(self, campaigns: bool = True) -> None:
        self.pass_us(TICK_US)
        for driver in self.drivers.values():
            if campaigns or driver.node.raft.state == StateType.LEADER:
                driver.tick()
            else:
                driver.tick()
                driver.node.raft.election_elapsed = 0
        self.exchange()

    def read(self, id: int = 1) -> bytes:
        """Ask for a read, and let the member do what it can without an answer."""
        context = self[id].read()
        self.work(id)
        return context

    def answered(self, context: bytes) -> bool:
        return any(context == each for _, _, each in self.reads)

    def leased(self) -> bool:
        """Whether the leader answers a read without sending anything."""
        context = self.read()
        sent, self.sent[:] = list(self.sent), []
        return self.answered(context) and not sent


def with_lease(**options: Any) -> Group:
    """A group whose leader has just renewed its lease: member 1 began the round at this very moment."""
    group = Group(**options)
    group.read()
    group.exchange()
    return group


# -- the leader ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_lease_answers_without_a_message(asynchronous: bool) -> None:
    """The first read begins a round, whose answers also begin the lease."""
    group = Group(asynchronous=asynchronous)
    first = group.read()
    assert not group.answered(first)
    group.exchange()
    assert group.answered(first)
    assert group.leased()
    assert group[1].leased_index() == group[1].node.raft.log.committed
    group[1].propose(b"x")
    group.exchange()
    assert group.leased()
    assert group.reads[-1][1] == group[1].node.raft.log.committed == group[1].applied


def test_a_lease_ends_after_its_time() -> None:
    """An election timeout less a tick after the round began; a read then begins a round.

    catches: tikv#964
    """
    group = with_lease()
    group.pass_us(LENGTH_US - 1)
    assert group.leased()
    group.pass_us(1)
    assert not group.leased()
    assert group[1].leased_index() == 0


def test_a_lease_runs_from_the_sending() -> None:
    """However late the answers come, they tell of the moment at which they were asked for."""
    group = Group()
    kept: list[Message] = []

    def keep(m: Message) -> bool:
        late = m.type == MessageType.MSG_HEARTBEAT_RESP
        kept.extend([m] if late else [])
        return late

    group.lost = keep
    group.read()
    group.exchange()
    group.pass_us(LENGTH_US - 1)
    group[1].step_many(kept)
    assert group.leased()
    group.pass_us(1)
    assert not group.leased()


def test_answers_to_an_earlier_round_change_nothing() -> None:
    group = Group()
    group.read()
    group[1].run()
    early, group.sent[:] = list(group.sent), []
    group.pass_us(50_000)
    group.read()
    group.exchange()
    for m in early:
        group[m.to].inbox.append(m)
    group.exchange()
    group.pass_us(LENGTH_US - 1)
    assert group.leased()


def test_drift_shortens_a_lease() -> None:
    """Clocks may be a tenth too slow here and a tenth too fast there."""
    group = with_lease(of_1=lease(drift_ppm=100_000))
    group.pass_us(LENGTH_US * 9 // 11 - 1)
    assert group.leased()
    group.pass_us(1)
    assert not group.leased()


def test_while_reads_come_ticks_renew_the_lease() -> None:
    """Without reads the rounds end, and the program hears nothing of them."""
    group = with_lease()
    for _ in range(30):
        group.tick()
        assert group.leased()
    asked = len(group.reads)
    for _ in range(11):
        group.tick()
    heartbeats: list[Message] = []
    group.lost = lambda m: bool(heartbeats.append(m)) if m.type == MessageType.MSG_HEARTBEAT else False
    for _ in range(20):
        group.tick()
    assert [m for m in heartbeats if m.context] == []
    assert len(heartbeats) == 40
    assert len(group.reads) == asked
    assert not group.leased()


def test_a_quorum_has_to_answer() -> None:
    group = Group()
    group.lost = lambda m: 3 in (m.to, m.from_)
    group.read()
    group.exchange()
    assert group.leased()
    group.lost = lambda m: True
    group.pass_us(LENGTH_US)
    group.read()
    group.exchange()
    assert not group.leased()


def test_a_quorum_is_one_of_the_present_members() -> None:
    """Two of three had answered; of the five members then, two are no majority."""
    group = Group(voters=5)
    group.lost = lambda m: not {m.to, m.from_} <= {1, 2, 3}
    group.read()
    group.exchange()
    assert group.leased()
    raft = group[1].node.raft
    joint = raft.tracker.config.voters
    assert joint.incoming.ids() == [1, 2, 3, 4, 5]
    group.lost = lambda m: not {m.to, m.from_} <= {1, 2}
    group.pass_us(LENGTH_US)
    group.read()
    group.exchange()
    assert not group.leased()


def test_both_halves_have_to_answer() -> None:
    """In a joint configuration, from 1, 2, 3 to 1, 2, 3, 4, 5 without 2: those who stay are no majority of both."""
    group = with_lease()
    changes = conf_changes_from_string("r2 r3 v4 v5")
    change = ConfChangeV2(transition=ConfChangeTransition.JOINT_EXPLICIT, changes=changes)
    assert group[1].propose_change(change) is None
    group.lost = lambda m: m.to > 3
    group.exchange()
    assert group[1].members.voters == [1, 4, 5]
    assert group[1].members.voters_outgoing == [1, 2, 3]
    # All of the outgoing half have promised, and of the other one only this member.
    assert not group.leased()
    assert group[1].leased_index() == 0


def test_a_member_without_a_promise_does_not_count() -> None:
    group = Group(of_2=None, of_3=None)
    context = group.read()
    group.exchange()
    assert group.answered(context)
    assert not group.leased()
    assert not any(m.vote for m in group.sent)


def test_a_promise_that_is_too_short_does_not_count() -> None:
    group = Group(of_2=lease(election_us=ELECTION_US // 2), of_3=lease(election_us=2 * ELECTION_US))
    group.lost = lambda m: 3 in (m.to, m.from_)
    group.read()
    group.exchange()
    assert not group.leased()
    group.lost = lambda m: 2 in (m.to, m.from_)
    group.read()
    group.exchange()
    assert group.leased()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_no_lease_once_leadership_is_handed_over(asynchronous: bool) -> None:
    """From MsgTimeoutNow to the end of the term; what the lease had answered and waits for the machine is lost."""
    group = with_lease(asynchronous=asynchronous)
    group[1].node.transfer_leader(2)
    # It has not left yet.
    assert group[1].leased_index() > 0
    waits = group[1].read()
    lost: list[Message] = []
    group.lost = lambda m: bool(lost.append(m)) or m.type == MessageType.MSG_TIMEOUT_NOW
    group.exchange()
    assert any(m.type == MessageType.MSG_TIMEOUT_NOW for m in lost)
    assert not group.answered(waits)
    assert group[1].leased_index() == 0
    group.lost = lambda m: m.type == MessageType.MSG_TIMEOUT_NOW
    for _ in range(15):
        group.tick()
        assert not group.leased()
        group.exchange()
    assert group[1].node.raft.lead_transferee == 0
    # In another term there is one again.
    group.lost = lambda m: False
    group[1].node.transfer_leader(2)
    group.exchange()
    group[2].node.transfer_leader(1)
    group.exchange()
    assert group[1].node.raft.state == StateType.LEADER
    group.read()
    group.exchange()
    assert group.leased()


def test_a_lease_ends_with_the_leadership() -> None:
    group = with_lease()
    group[1].step(Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=group[1].node.raft.term + 1))
    assert group[1].node.raft.state == StateType.FOLLOWER
    assert group[1].leased_index() == 0


def test_a_clock_that_goes_back_ends_a_lease() -> None:
    group = with_lease()
    group[1].pass_time(group.clocks[1] - 1)
    assert not group.leased()


def test_a_clock_that_stands_still_does_not_lengthen_a_lease() -> None:
    """Its ticks end the lease too."""
    group = with_lease()
    group.lost = lambda m: True
    for _ in range(8):
        group[1].tick()
        assert group[1].leased_index() > 0
    group[1].tick()
    assert group[1].leased_index() == 0


def test_followers_ask_the_leader() -> None:
    group = with_lease()
    context = group[2].read()
    assert group[2].leased_index() == 0
    group.exchange()
    assert group.answered(context)


# -- the voter -----------------------------------------------------------------------------------------------------


def asks(group: Group, kind: MessageType = MessageType.MSG_PRE_VOTE, of_member: int = 2, context: bytes = b"") -> bool:
    """Whether a member takes a request for a vote by 3, with the best log, in a term far ahead."""
    raft = group[of_member].node.raft
    term = raft.term + 10
    last = raft.log.last_index() + 10
    m = Message(type=kind, from_=3, to=of_member, term=term, index=last, log_term=term, context=context)
    return not isinstance(group[of_member].step(m), NotNow)


@pytest.mark.parametrize("kind", [MessageType.MSG_VOTE, MessageType.MSG_PRE_VOTE])
def test_no_vote_after_a_heartbeat(kind: MessageType) -> None:
    """For an election timeout by the clock and in ticks, even if the leader is forgotten or the term is another."""
    group = with_lease()
    group[2].node.forget_leader()
    group[2].step(Message(type=MessageType.MSG_APP_RESP, from_=3, to=2, term=group[2].node.raft.term + 1))
    assert group[2].node.raft.lead == 0
    group[2].pass_time(group.clocks[2] + ELECTION_US - 1)
    for _ in range(10):
        assert not asks(group, kind)
        group[2].tick()
    assert not asks(group, kind)
    group[2].pass_time(group.clocks[2] + ELECTION_US)
    assert asks(group, kind)


def test_a_clock_that_jumps_ahead_does_not_shorten_a_promise() -> None:
    group = with_lease()
    group[2].pass_time(group.clocks[2] + 1000 * ELECTION_US)
    for _ in range(10):
        assert not asks(group)
        group[2].tick()
    assert asks(group)


def test_a_clock_that_goes_back_lengthens_a_promise_by_a_timeout_at_most() -> None:
    group = with_lease()
    for _ in range(10):
        group[2].tick()
    group[2].pass_time(0)
    group[2].pass_time(ELECTION_US - 1)
    assert not asks(group)
    group[2].pass_time(ELECTION_US)
    assert asks(group)


def test_a_transfer_needs_no_patience() -> None:
    group = with_lease()
    group[1].node.transfer_leader(3)
    group.exchange()
    assert group[3].node.raft.state == StateType.LEADER
    assert asks(with_lease(), MessageType.MSG_VOTE, context=TRANSFER_CONTEXT)


@pytest.mark.parametrize("kind", [MessageType.MSG_VOTE, MessageType.MSG_PRE_VOTE])
def test_no_vote_after_a_start(kind: MessageType) -> None:
    """An earlier life may have answered a heartbeat just before it ended."""
    group = with_lease()
    group.drivers[2] = group.start(2)
    for _ in range(10):
        assert not asks(group, kind)
        group[2].tick()
    group[2].pass_time(group.clocks[2] + ELECTION_US - 1)
    assert not asks(group, kind)
    group[2].pass_time(group.clocks[2] + ELECTION_US)
    assert asks(group, kind)


def test_no_campaign_within_a_promise() -> None:
    """A member's vote for itself is a vote, whether the program or the election timeout asks for it."""
    group = with_lease()
    with pytest.raises(NotNow, match="promises not to vote"):
        group[2].campaign()
    raft = group[2].node.raft
    for _ in range(50):
        # The ticks pass, and the clock does not.
        group[2].tick()
    assert raft.state == StateType.FOLLOWER
    group[2].pass_time(group.clocks[2] + ELECTION_US)
    group[2].tick()
    assert raft.state == StateType.PRE_CANDIDATE


def test_a_removed_member_keeps_its_promise() -> None:
    group = with_lease()
    group[1].propose_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=2))
    group.exchange()
    assert group[2].members.voters == [1, 3]
    assert not asks(group)


def test_answers_say_how_long_the_promise_is() -> None:
    group = Group()
    answers: list[Message] = []
    group.lost = lambda m: bool(answers.append(m)) if m.type == MessageType.MSG_HEARTBEAT_RESP else False
    group.tick()
    assert {m.from_: m.vote for m in answers} == {2: ELECTION_US, 3: ELECTION_US}


def test_without_a_clock_nobody_votes_and_nobody_reads_by_a_lease() -> None:
    group = with_lease()
    del group.clocks[2]
    node = RawNode(Config(id=2, election_tick=10, heartbeat_tick=1, storage=group.storages[2], max_inflight_msgs=1))
    driver = Driver(node, group.storages[2], lease=lease(), nonce=b"12345678")
    for _ in range(30):
        driver.tick()
    group.drivers[2] = driver
    assert not asks(group)
    with pytest.raises(NotNow):
        driver.campaign()
    assert driver.leased_index() == 0


def test_who_takes_no_part_keeps_only_what_an_earlier_life_may_have_promised() -> None:
    """A member whose lease was turned off: silent after its start, then as a member without one."""
    group = Group(of_2=lease(promises=False))
    group.given["of_2"] = lease(promises=False)
    group.drivers[2] = group.start(2)
    assert not asks(group)
    group.exchange()
    answers: list[Message] = []
    group.lost = lambda m: bool(answers.append(m)) if m.type == MessageType.MSG_HEARTBEAT_RESP else False
    for _ in range(10):
        group.tick()
    assert {m.vote for m in answers if m.from_ == 2} == {0}
    group[2].node.forget_leader()
    assert asks(group)
    assert group[2].leased_index() == 0


# -- what is refused -----------------------------------------------------------------------------------------------


def test_what_a_lease_is_given() -> None:
    for wrong in ({"tick_us": 0}, {"tick_us": 60_000}, {"drift_ppm": -1}, {"drift_ppm": 300_001}):
        with pytest.raises(ConfigError):
            lease(**wrong)


def test_what_a_driver_needs_for_a_lease() -> None:
    storage = begun(MemoryStorage(), [1, 2, 3])

    def node(**options: Any) -> RawNode:
        return RawNode(
            Config(id=1, election_tick=10, heartbeat_tick=1, storage=storage, max_inflight_msgs=1, **options)
        )

    with pytest.raises(TypeError, match="needs a nonce"):
        Driver(node(), storage, lease=lease())
    with pytest.raises(TypeError, match="lease must be a Lease or None, not int"):
        Driver(node(), storage, lease=1, nonce=b"12345678")  # type: ignore[arg-type]
    by_lease = node(check_quorum=True, read_only_option=ReadOnlyOption.LEASE_BASED)
    with pytest.raises(ValueError, match="read_only_option"):
        Driver(by_lease, storage, lease=lease(), nonce=b"12345678")
    used = lease()
    Driver(node(), storage, lease=used, nonce=b"12345678")
    with pytest.raises(ConfigError, match="serves one driver"):
        Driver(node(), storage, lease=used, nonce=b"12345678")
    with pytest.raises(ValueError, match="reads no clock"):
        Loopback().add(node(), storage, lease=lease(), nonce=b"12345678")


def test_a_single_voter_needs_no_lease() -> None:
    group = Group(voters=1)
    context = group.read()
    assert group.answered(context)
    assert group[1].leased_index() == 0
