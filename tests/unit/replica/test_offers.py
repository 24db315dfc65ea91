"""Snapshots to peers: none that the peer must refuse or that no message can carry, and no hot loop."""

from typing import Any

import pytest

from raftcy import (
    ConfChange,
    ConfChangeType,
    ConfState,
    Driver,
    MemoryStorage,
    Message,
    MessageType,
    ProposalDropped,
    RawNode,
    Snapshot,
    SnapshotMetadata,
    SnapshotStatus,
    SnapshotTooLarge,
    Stopped,
)
from raftcy.replica.offers import MAX_MESSAGE_BYTES
from raftcy.transport.frame import MAX_FRAME_BYTES

from .test_driver import Machine, begun, config, run

ELECTION_TICK = 10


class Lines:
    """A logger that keeps its warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def isEnabledFor(self, level: int) -> bool:
        return level >= 30

    def debug(self, text: str) -> None:
        """Is off."""

    info = debug

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    error = critical = warning


class Applies:
    """A machine that cannot be captured."""

    def apply(self, entries: list[Any]) -> None:
        """Does nothing."""

    def restore(self, snapshot: Snapshot) -> None:
        """Does nothing."""


class Pair:
    """Member 1, which leads alone, and the new member 2, joined by a network that reports each snapshot as sent."""

    def __init__(self, machine: Any, **options: Any) -> None:
        self.lines = Lines()
        self.sent: list[Message] = []
        self.lost = options.pop("lost", False)
        storage = begun(MemoryStorage(), [1])
        node = RawNode(config(storage, 1, logger=self.lines))
        self.leader = Driver(node, storage, machine, self.sent.extend, **options)
        self.joiner: Driver | None = None
        node.campaign()
        run(self.leader)
        for n in range(3):
            self.leader.propose(b"%d" % n)
        run(self.leader)
        self.snapshots: list[Message] = []

    def keep_old_snapshot(self) -> None:
        """Compact the log: what is left is a snapshot of before the change that adds member 2."""
        at = self.leader.applied
        self.leader.storage.create_snapshot(at, self.leader.members, b"old")
        self.leader.storage.compact(at)

    def add(self) -> None:
        self.leader.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=2))
        run(self.leader)
        storage = MemoryStorage()
        self.answers: list[Message] = []
        logger = Lines()
        self.joiner = Driver(RawNode(config(storage, 2, logger=logger)), storage, Applies(), self.answers.extend)

    def exchange(self, passes: int = 60) -> None:
        """Bring messages back and forth until nothing is on its way, or so many times."""
        assert self.joiner is not None
        for _ in range(passes):
            run(self.leader)
            sent = [m for m in self.sent if m.to == 2]
            self.sent.clear()
            for m in sent:
                if m.type == MessageType.MSG_SNAP:
                    self.snapshots.append(m)
                    status = SnapshotStatus.FAILURE if self.lost else SnapshotStatus.FINISH
                    self.leader.report_snapshot(2, status)
                    if self.lost:
                        continue
                self.joiner.inbox.append(m)
            run(self.joiner)
            self.leader.inbox += self.answers
            if not sent and not self.answers:
                return
            self.answers.clear()

    def tick(self, count: int) -> None:
        for _ in range(count):
            self.leader.node.tick()
            self.exchange()


def test_a_snapshot_that_its_receiver_must_refuse_is_not_sent() -> None:
    """It is older than the change that added the receiver: without the rule a hot loop, as fast as the network goes.

    catches: faults#X6
    """
    pair = Pair(Applies())
    pair.keep_old_snapshot()
    pair.add()
    pair.tick(3 * ELECTION_TICK)
    assert pair.snapshots == []
    assert pair.joiner is not None
    (told,) = pair.lines.warnings
    assert "1 the newest snapshot, at 9, was made before 2 became a member, which would refuse it" in told
    # A newer one ends the wait.
    at = pair.leader.applied
    pair.leader.storage.create_snapshot(at, pair.leader.members, b"new")
    pair.tick(2)
    assert [m.snapshot.metadata.index for m in pair.snapshots if m.snapshot is not None] == [at]
    assert pair.joiner.applied == at


def test_without_the_rule_it_is_sent_again_and_again() -> None:
    """As the reference does it: the more often, the faster the network is."""
    pair = Pair(Applies(), guard_offers=False)
    pair.keep_old_snapshot()
    pair.add()
    pair.leader.node.tick()
    pair.exchange(60)
    assert len(pair.snapshots) >= 20


def test_with_a_machine_that_can_be_captured_a_new_one_is_made() -> None:
    pair = Pair(Machine())
    pair.keep_old_snapshot()
    pair.add()
    pair.tick(2)
    assert len(pair.snapshots) == 1
    assert pair.joiner is not None
    assert pair.joiner.applied == pair.leader.applied
    assert pair.lines.warnings == []


def test_a_snapshot_that_is_not_taken_is_offered_again_after_a_pause() -> None:
    """catches: faults#X6"""
    pair = Pair(Machine(), lost=True)
    pair.keep_old_snapshot()
    pair.add()
    pair.tick(1)
    assert len(pair.snapshots) == 1
    pair.tick(ELECTION_TICK - 1)
    assert len(pair.snapshots) == 1
    assert pair.lines.warnings == []
    pair.tick(4 * ELECTION_TICK)
    assert 4 <= len(pair.snapshots) <= 5
    (told,) = pair.lines.warnings
    assert "1 2 has not taken the snapshot at" in told
    assert told.endswith("It is sent a snapshot every 10 ticks")
    pair.lost = False
    pair.tick(ELECTION_TICK + 1)
    assert pair.joiner is not None
    assert pair.joiner.applied == pair.leader.applied
    assert len(pair.lines.warnings) == 1


def test_a_peer_that_took_one_gets_the_next_at_once() -> None:
    """The log may have been compacted again while it was on its way."""
    pair = Pair(Machine())
    pair.keep_old_snapshot()
    pair.add()
    pair.tick(2)
    before = len(pair.snapshots)
    for n in range(3):
        pair.leader.propose(b"%d" % n)
        run(pair.leader)
    pair.sent.clear()
    assert pair.leader.make_snapshot(0) is not None
    pair.leader.report_unreachable(2)
    pair.tick(3)
    assert pair.joiner is not None
    assert (len(pair.snapshots), pair.joiner.applied) == (before + 1, pair.leader.applied)


# -- what no message can carry -------------------------------------------------------------------------------------


class Large(Machine):
    size = 2000

    def capture(self) -> bytes:
        return b"x" * self.size


def test_a_snapshot_that_no_message_can_carry_is_not_made() -> None:
    """It could be sent to nobody: a follower that needs it would wait for ever.

    catches: faults#X2
    """
    machine = Large()
    pair = Pair(machine, max_message_bytes=1999)
    driver = pair.leader
    before = driver.storage.snapshot()
    with pytest.raises(
        SnapshotTooLarge, match="its 2000 bytes do not fit into a message, which may have 1999"
    ) as error:
        driver.make_snapshot(0)
    assert (error.value.size, error.value.limit) == (2000, 1999)
    with pytest.raises(SnapshotTooLarge):
        driver.make_snapshot(0)
    assert len(pair.lines.warnings) == 1
    assert "was not made" in pair.lines.warnings[0]
    assert driver.storage.snapshot() is before
    assert driver.failure is None
    driver.propose(b"the member goes on")
    run(driver)
    machine.size = 1999
    assert driver.make_snapshot(0) is not None


def test_without_a_limit_it_is_made() -> None:
    assert Pair(Large(), max_message_bytes=None).leader.make_snapshot(0) is not None


def test_a_machine_that_cannot_be_captured_ends_the_member() -> None:
    class Fails(Machine):
        def capture(self) -> bytes:
            raise OSError("no memory")

    driver = Pair(Fails()).leader
    with pytest.raises(OSError, match="no memory"):
        driver.make_snapshot(0)
    with pytest.raises(Stopped):
        driver.propose(b"x")


def test_a_large_snapshot_of_before_is_never_offered() -> None:
    """It was made without the driver, or under a higher limit: said once, not at each heartbeat.

    catches: faults#X2
    """
    pair = Pair(Applies(), max_message_bytes=100)
    pair.add()
    members = pair.leader.members
    pair.leader.storage.create_snapshot(pair.leader.applied, members, b"x" * 101)
    pair.leader.storage.compact(pair.leader.applied)
    pair.tick(3 * ELECTION_TICK)
    assert pair.snapshots == []
    (told,) = pair.lines.warnings
    assert "has 101 bytes, and a message may have 100" in told


def test_a_new_snapshot_that_becomes_too_large_is_no_failure_of_the_storage() -> None:
    """The leader would make one because the members have changed; it goes on without, and says so once."""
    pair = Pair(Large(), max_message_bytes=1000)
    pair.keep_old_snapshot()
    pair.add()
    pair.tick(3 * ELECTION_TICK)
    assert pair.snapshots == []
    assert pair.leader.failure is None
    assert len(pair.lines.warnings) == 1


def test_a_proposal_that_no_message_can_carry_is_dropped() -> None:
    """As an entry it could be sent to no follower, and nothing behind it either.

    catches: faults#X2
    """
    driver = Pair(Machine(), max_message_bytes=100).leader
    last = driver.node.raft.log.last_index()
    for data in (b"x" * 101, bytearray(101)):
        with pytest.raises(ProposalDropped) as dropped:
            driver.propose(data)
        assert dropped.value.reason == "101 bytes do not fit into a message, which may have 100"
    assert driver.node.raft.log.last_index() == last
    driver.propose(b"x" * 100)
    driver.propose(None)
    with pytest.raises(TypeError):
        driver.propose("x")
    assert driver.node.raft.log.last_index() == last + 2


def test_the_default_limit_fits_into_a_frame() -> None:
    members = ConfState(voters=list(range(2**63, 2**63 + 10_000)), learners=list(range(2**62, 2**62 + 10_000)))
    snapshot = Snapshot(data=b"", metadata=SnapshotMetadata(conf_state=members, index=2**63, term=2**63))
    m = Message(type=MessageType.MSG_SNAP, to=2**63, from_=2**63, term=2**63, snapshot=snapshot)
    assert len(m.encode()) + MAX_MESSAGE_BYTES < MAX_FRAME_BYTES


def test_what_is_asked_without_an_offer_is_the_storages() -> None:
    """RawNode.offer_snapshots gives the peer's id."""
    asked: list[int] = []
    pair = Pair(Applies(), guard_offers=False)
    storage = pair.leader.storage

    def offer(to: int) -> Snapshot:
        asked.append(to)
        found: Snapshot = storage.snapshot()
        return found

    pair.leader.node.offer_snapshots(offer)
    pair.keep_old_snapshot()
    pair.add()
    pair.leader.node.tick()
    pair.exchange(10)
    assert set(asked) == {2}
