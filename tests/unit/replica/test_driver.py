"""The driver's rules, one by one; tests/random/lockstep shows that its rounds equal a hand-written loop."""

from typing import Any

import pytest

from raftcy import (
    CommandError,
    ConfChange,
    ConfChangeSingle,
    ConfChangeType,
    ConfChangeV2,
    Config,
    ConfState,
    Driver,
    Entry,
    EntryType,
    HardState,
    InvariantError,
    LogLost,
    MemoryStorage,
    Message,
    MessageType,
    NotNow,
    Outcome,
    ProposalDropped,
    RawNode,
    Snapshot,
    SnapshotMetadata,
    StateType,
    Stopped,
    Work,
)

INDEX = 5


class Machine:
    """Keeps what is applied to it, and returns the length of each."""

    def __init__(self, fails_at: int = 0) -> None:
        self.entries: list[Entry] = []
        self.restored: list[int] = []
        self.fails_at = fails_at

    def apply(self, entries: list[Entry]) -> list[int]:
        if any(e.index == self.fails_at for e in entries):
            raise OSError("machine broken")
        self.entries += entries
        return [len(e.data) for e in entries]

    def restore(self, snapshot: Snapshot) -> None:
        self.restored.append(snapshot.metadata.index)

    def capture(self) -> bytes:
        return b"%d entries" % len(self.entries)


class Broken(MemoryStorage):
    """Fails to store on demand."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = False

    def save(self, hard_state: Any, entries: Any, snapshot: Any) -> None:
        if self.broken:
            raise OSError("no space left on device")
        super().save(hard_state, entries, snapshot)


def begun(storage: MemoryStorage, voters: list[int], learners: list[int] | None = None) -> MemoryStorage:
    members = ConfState(voters=voters, learners=learners or [], auto_leave=False)
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=members, index=INDEX, term=1)))
    storage.set_hard_state(HardState(term=1, commit=INDEX))
    return storage


def config(storage: MemoryStorage, id: int = 1, **options: Any) -> Config:
    flow = {"max_size_per_msg": 1 << 20, "max_inflight_msgs": 256}
    return Config(id=id, election_tick=10, heartbeat_tick=1, storage=storage, **flow, **options)


def made(
    voters: list[int] | None = None, storage: MemoryStorage | None = None, machine: Any = None, **options: Any
) -> Driver:
    """Member 1, by default of three voters; with options of the Config and of the driver."""
    storage = begun(storage or MemoryStorage(), voters or [1, 2, 3])
    asynchronous = options.pop("async_storage_writes", False)
    node = RawNode(config(storage, async_storage_writes=asynchronous))
    return Driver(node, storage, machine if machine is not None else Machine(), **options)


def run(driver: Driver) -> None:
    while driver.run():
        pass


def store(driver: Driver, work: Work | None) -> list[Message]:
    """Store what a round wants stored, and acknowledge it."""
    assert work is not None
    write = work.write
    assert write is not None
    if write.hard_state is not None:
        driver.storage.set_hard_state(write.hard_state)
    if write.snapshot is not None:
        driver.storage.apply_snapshot(write.snapshot)
    driver.storage.append(write.entries)
    return driver.stored(write)


def settle(driver: Driver) -> None:
    """Store and send everything pending, and apply nothing."""
    while (work := driver.poll()) is not None:
        if work.write is not None:
            store(driver, work)


def leader(**options: Any) -> Driver:
    """A single voter that leads."""
    driver = made([1], **options)
    driver.node.campaign()
    run(driver)
    assert driver.node.raft.state == StateType.LEADER
    return driver


def elect(driver: Driver, sent: list[Message]) -> None:
    """Make the member leader of three with the vote of member 2."""
    driver.node.campaign()
    run(driver)
    term = driver.node.raft.term
    driver.inbox.append(Message(type=MessageType.MSG_VOTE_RESP, from_=2, to=1, term=term))
    run(driver)
    assert driver.node.raft.state == StateType.LEADER
    sent.clear()


def acknowledge(driver: Driver, from_: int = 2) -> None:
    raft = driver.node.raft
    m = Message(type=MessageType.MSG_APP_RESP, from_=from_, to=1, term=raft.term, index=raft.log.last_index())
    driver.inbox.append(m)
    run(driver)


def snapshot_message(index: int, voters: list[int], term: int = 2) -> Message:
    members = ConfState(voters=voters, auto_leave=False)
    snapshot = Snapshot(data=b"state", metadata=SnapshotMetadata(conf_state=members, index=index, term=term))
    return Message(type=MessageType.MSG_SNAP, from_=2, to=1, term=term, snapshot=snapshot)


def append(index: int, count: int, commit: int, term: int = 2, kind: EntryType = EntryType.NORMAL) -> Message:
    """An append of member 2, with entries after ``index``."""
    entries = [Entry(type=kind, term=term, index=index + 1 + n, data=b"x" * n or b"y") for n in range(count)]
    before = 1 if index == INDEX else term
    return Message(
        type=MessageType.MSG_APP, from_=2, to=1, term=term, log_term=before, index=index, entries=entries, commit=commit
    )


# -- the machine's input -------------------------------------------------------------------------------------------


def test_the_machine_is_given_entries_with_data_only() -> None:
    """It gets neither a new leader's empty entry nor membership changes, which the driver puts in force."""
    driver = leader()
    driver.propose(b"a")
    driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4))
    driver.propose(b"b")
    driver.propose(b"")
    driver.propose(b"c")
    run(driver)
    machine = driver._machine if hasattr(driver, "_machine") else None
    assert driver.applied == driver.node.raft.log.last_index() == INDEX + 6
    assert driver.members == ConfState(voters=[1], learners=[4], auto_leave=False)
    assert machine is None or [e.data for e in machine.entries] == [b"a", b"b", b"c"]


def test_a_run_of_entries_is_one_call() -> None:
    calls = []

    class Calls(Machine):
        def apply(self, entries: list[Entry]) -> list[int]:
            calls.append([e.data for e in entries])
            return super().apply(entries)

    driver = leader(machine=Calls())
    for data in (b"a", b"b"):
        driver.propose(data)
    driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4))
    driver.propose(b"c")
    run(driver)
    assert calls == [[b"a", b"b"], [b"c"]]


def test_a_change_that_is_not_allowed_changes_nothing() -> None:
    """A leader that does not validate may commit it; all members refuse it alike."""
    machine = Machine()
    driver = made(machine=machine)
    change = ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=1).encode()
    entries = [Entry(type=EntryType.CONF_CHANGE, term=2, index=INDEX + 1 + n, data=change) for n in range(1)]
    bad = ConfChangeV2(changes=[])
    entries.append(Entry(type=EntryType.CONF_CHANGE_V2, term=2, index=INDEX + 2, data=bad.encode()))
    m = Message(
        type=MessageType.MSG_APP,
        from_=2,
        to=1,
        term=2,
        log_term=1,
        index=INDEX,
        entries=entries,
        commit=INDEX + 2,
    )
    driver.inbox.append(m)
    run(driver)
    # Leaving a configuration that is not joint is refused, and counts as applied.
    assert driver.applied == INDEX + 2
    assert driver.members.voters == [2, 3]
    assert driver.failure is None


def test_what_a_machine_has_already_is_not_given_again() -> None:
    """A machine that keeps its own state may be beyond the snapshot; members are still tracked from the snapshot on.

    catches: faults#P
    """
    storage = begun(MemoryStorage(), [1])
    change = ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4).encode()
    storage.append(
        [
            Entry(term=1, index=INDEX + 1, data=b"old"),
            Entry(type=EntryType.CONF_CHANGE, term=1, index=INDEX + 2, data=change),
            Entry(term=1, index=INDEX + 3, data=b"old too"),
            Entry(term=1, index=INDEX + 4, data=b"new"),
        ]
    )
    storage.set_hard_state(HardState(term=1, commit=INDEX + 4))
    for asynchronous in (False, True):
        machine = Machine()
        node = RawNode(config(storage, async_storage_writes=asynchronous))
        driver = Driver(node, storage, machine, machine_applied=INDEX + 3)
        run(driver)
        assert [e.data for e in machine.entries] == [b"new"]
        assert driver.members.learners == [4]
        assert driver.applied == INDEX + 4


def test_the_machine_may_be_ahead_of_the_stored_commit_index() -> None:
    """A commit index alone is not synced, so after a crash it may be behind the state that a machine has stored.

    catches: faults#P
    """
    storage = begun(MemoryStorage(), [1])
    storage.append([Entry(term=1, index=INDEX + 1 + n, data=b"%d" % n) for n in range(3)])
    storage.set_hard_state(HardState(term=1, commit=INDEX))
    machine = Machine()
    driver = Driver(RawNode(config(storage)), storage, machine, machine_applied=INDEX + 2)
    driver.node.campaign()
    run(driver)
    assert [e.data for e in machine.entries] == [b"2"]


def test_what_lies_before_the_snapshot_is_not_applied_again() -> None:
    """The log may reach back before the snapshot that the machine was restored from."""
    driver = leader()
    for n in range(4):
        driver.propose(b"%d" % n)
    run(driver)
    assert driver.make_snapshot(3) is not None
    storage = driver.storage
    assert storage.first_index() < driver.applied
    machine = Machine()
    again = Driver(RawNode(config(storage)), storage, machine)
    run(again)
    assert again.applied == driver.applied
    assert machine.entries == []


def test_an_entry_of_an_unknown_type_ends_the_member() -> None:
    """It may come from a newer version, and skipping it would let the members diverge."""
    driver = made(async_storage_writes=True)
    with pytest.raises(InvariantError, match="cannot be applied: an entry of type 7"):
        driver.change(Entry(type=7, term=2, index=INDEX + 1, data=b"?"))


def test_answers_must_fit_the_entries() -> None:
    class Short(Machine):
        def apply(self, entries: list[Entry]) -> list[int]:
            return []

    driver = leader(machine=Short())
    driver.propose(b"a")
    with pytest.raises(InvariantError, match="the machine gave 0 answers to 1 entries"):
        run(driver)
    with pytest.raises(Stopped):
        driver.run()


# -- storing and sending -------------------------------------------------------------------------------------------


def test_after_a_failed_write_nothing_is_sent_and_the_member_is_dead() -> None:
    """A node that continued could grant its vote again and, after a restart, vote for another node in the same term.

    catches: faults#B
    """
    sent: list[Message] = []
    storage = Broken()
    driver = made(storage=storage, send=sent.extend)
    storage.broken = True
    vote = Message(type=MessageType.MSG_VOTE, from_=2, to=1, term=5, log_term=2, index=INDEX + 9)
    driver.inbox.append(vote)
    with pytest.raises(OSError, match="no space"):
        driver.run()
    assert sent == []
    assert isinstance(driver.failure, OSError)
    for call in (
        driver.run,
        driver.tick,
        driver.poll,
        lambda: driver.step(vote),
        lambda: driver.propose(b"x"),
        lambda: driver.read_index(b"x"),
        lambda: driver.node.step(vote),
        driver.node.tick,
    ):
        with pytest.raises(Stopped) as caught:
            call()
        assert caught.value.cause is driver.failure
    storage.broken = False
    assert sent == []
    assert storage.initial_state()[0] == HardState(term=1, commit=INDEX)


def test_after_a_failed_apply_the_member_is_dead() -> None:
    """catches: faults#B"""
    driver = leader(machine=Machine(fails_at=INDEX + 3))
    driver.propose(b"a")
    driver.propose(b"b")
    with pytest.raises(OSError, match="machine broken"):
        run(driver)
    with pytest.raises(Stopped, match="machine broken"):
        driver.propose(b"c")


def test_what_waits_for_a_write_is_never_sent_after_a_failure() -> None:
    for asynchronous in (False, True):
        driver = made(async_storage_writes=asynchronous)
        driver.step(Message(type=MessageType.MSG_VOTE, from_=2, to=1, term=5, log_term=2, index=INDEX + 9))
        work = driver.poll()
        assert work is not None
        assert work.messages == []
        assert work.write is not None
        assert work.write.sync
        driver.fail(OSError("no space left on device"))
        with pytest.raises(Stopped, match="no space"):
            driver.stored(work.write)


def of_kind(messages: list[Message], *kinds: MessageType) -> list[Message]:
    return [m for m in messages if m.type in kinds]


def test_requests_for_votes_wait_until_the_vote_is_stored() -> None:
    driver = made(async_storage_writes=True)
    driver.node.campaign()
    work = driver.poll()
    assert work is not None
    assert work.write is not None
    assert work.write.hard_state == HardState(term=2, vote=1, commit=INDEX)
    assert of_kind(work.messages, MessageType.MSG_VOTE) == []
    assert len(of_kind(driver.stored(work.write), MessageType.MSG_VOTE)) == 2


def test_without_the_rule_they_do_not_wait() -> None:
    driver = made(async_storage_writes=True, hold_votes=False)
    driver.node.campaign()
    work = driver.poll()
    assert work is not None
    assert len(of_kind(work.messages, MessageType.MSG_VOTE)) == 2


def test_acknowledgements_wait_for_their_own_write() -> None:
    """A leader's appends do not wait at all."""
    driver = made(async_storage_writes=True)
    driver.step(append(INDEX, 2, INDEX))
    first = driver.poll()
    driver.step(append(INDEX + 2, 1, INDEX))
    second = driver.poll()
    assert first is not None
    assert second is not None
    assert first.messages == second.messages == []
    assert first.write is not None
    assert second.write is not None
    with pytest.raises(InvariantError, match="in their order"):
        driver.stored(second.write)
    driver = made(async_storage_writes=True)
    driver.step(append(INDEX, 2, INDEX))
    work = driver.poll()
    assert work is not None
    assert work.write is not None
    assert [(m.type, m.index) for m in driver.stored(work.write)] == [(MessageType.MSG_APP_RESP, INDEX + 2)]


def test_a_write_is_acknowledged_once() -> None:
    driver = made()
    driver.step(append(INDEX, 1, INDEX))
    work = driver.poll()
    assert work is not None
    assert work.write is not None
    driver.stored(work.write)
    with pytest.raises(InvariantError, match="in their order, and once"):
        driver.stored(work.write)


def test_a_round_at_a_time_without_asynchronous_writes() -> None:
    """Messages are accepted meanwhile; their effects come in the next round."""
    driver = made()
    driver.step(append(INDEX, 1, INDEX + 1))
    work = driver.poll()
    assert work is not None
    assert driver.step(append(INDEX + 1, 1, INDEX + 2)) is None
    assert driver.poll() is None
    store(driver, work)
    assert driver.poll() is None
    finish_all(driver)
    assert driver.poll() is not None


def finish_all(driver: Driver) -> list[int]:
    """Apply everything pending; returns the indexes."""
    applied = []
    while (batch := driver.next_batch()) is not None:
        applied += [e.index for e in batch.entries]
        driver.finish(batch)
    return applied


def test_a_commit_index_alone_needs_no_sync() -> None:
    driver = made(async_storage_writes=True)
    driver.step(append(INDEX, 1, INDEX))
    work = driver.poll()
    assert work is not None
    assert work.write is not None
    assert work.write.sync
    store(driver, work)
    driver.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=2, commit=INDEX + 1))
    work = driver.poll()
    assert work is not None
    assert work.write is not None
    assert work.write.hard_state == HardState(term=2, vote=0, commit=INDEX + 1)
    assert not work.write.sync


# -- snapshots -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("keeps", [True, False])
def test_a_snapshot_waits_while_entries_are_applied(keeps: bool, asynchronous: bool) -> None:
    driver = made(async_storage_writes=asynchronous, keep_snapshots=keeps)
    driver.step(append(INDEX, 2, INDEX + 2))
    work = driver.poll()
    if asynchronous:
        # Entries are handed out only after they are stored.
        store(driver, work)
        settle(driver)
    before = driver.node.raft.log.applied
    assert before < driver.node.raft.log.applying
    refused = driver.step(snapshot_message(INDEX + 20, [1, 2, 3, 4]))
    assert (refused is None) is keeps
    assert keeps or isinstance(refused, NotNow)
    assert driver.node.raft.log.unstable.snapshot is None
    if not asynchronous:
        store(driver, work)
    assert finish_all(driver) == [INDEX + 1, INDEX + 2]
    assert (driver.node.raft.log.unstable.snapshot is not None) is keeps


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_snapshot_is_stored_then_restored_then_acknowledged_here(asynchronous: bool) -> None:
    machine = Machine()
    driver = made(machine=machine, async_storage_writes=asynchronous)
    driver.step(snapshot_message(INDEX + 20, [1, 2, 3, 4]))
    work = driver.poll()
    assert work is not None
    assert work.write is not None
    assert work.write.sync
    assert work.write.snapshot is not None
    sent = store(driver, work)
    assert [(m.type, m.index) for m in sent] == [(MessageType.MSG_APP_RESP, INDEX + 20)]
    assert driver.node.raft.log.unstable.snapshot is not None
    batch = driver.next_batch()
    assert batch is not None
    assert batch.snapshot is work.write.snapshot
    assert driver.applied == INDEX
    driver.finish(batch)
    assert driver.applied == INDEX + 20
    assert driver.members.voters == [1, 2, 3, 4]
    assert driver.node.raft.log.unstable.snapshot is None
    assert driver.snapshot_index() == 0


def test_acknowledgements_behind_a_snapshot_keep_their_order() -> None:
    """A later write may finish before the snapshot is restored."""
    driver = made(async_storage_writes=True)
    driver.step(snapshot_message(INDEX + 20, [1, 2, 3]))
    first = driver.poll()
    driver.step(append(INDEX + 20, 1, INDEX + 20))
    second = driver.poll()
    assert first is not None
    assert first.write is not None
    assert first.write.snapshot is not None
    assert second is not None
    assert second.write is not None
    store(driver, first)
    store(driver, second)
    unstable = driver.node.raft.log.unstable
    assert unstable.snapshot is not None
    assert unstable.count == 1
    finish_all(driver)
    assert unstable.snapshot is None
    assert unstable.count == 0


def test_entries_that_a_snapshot_has_overtaken_are_left_out() -> None:
    driver = made(async_storage_writes=True, guard_snapshots=False)
    driver.step(append(INDEX, 2, INDEX + 2))
    settle(driver)
    assert driver.has_batch()
    driver.step(snapshot_message(INDEX + 20, [1, 2, 3]))
    store(driver, driver.poll())
    batch = driver.next_batch()
    assert batch is not None
    assert batch.snapshot is not None
    driver.finish(batch)
    batch = driver.next_batch()
    assert batch is not None
    assert batch.entries == []
    driver.finish(batch)
    assert driver.applied == INDEX + 20


def test_a_snapshot_holds_the_members_as_of_its_index() -> None:
    driver = leader()
    assert driver.snapshot_index() == INDEX + 1
    driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4))
    run(driver)
    snapshot = driver.make_snapshot(0)
    assert snapshot is not None
    assert snapshot.metadata.index == driver.applied
    assert snapshot.metadata.conf_state.learners == [4]
    assert driver.storage.first_index() == driver.applied + 1
    assert driver.make_snapshot(0) is None


def test_no_snapshot_beyond_the_stored_commit_index() -> None:
    """The next start relies on it: compacted entries must be committed by the stored commit index."""
    driver = made(async_storage_writes=True)
    driver.step(append(INDEX, 2, INDEX))
    store(driver, driver.poll())
    driver.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=2, commit=INDEX + 2))
    commits = driver.poll()
    settle(driver)
    assert finish_all(driver) == [INDEX + 1, INDEX + 2]
    assert driver.snapshot_index() == 0
    assert driver.make_snapshot(0) is None
    store(driver, commits)
    assert driver.snapshot_index() == INDEX + 2


def test_no_snapshot_in_the_middle_of_a_batch() -> None:
    """In the middle of a batch the machine is further than the driver knows."""
    driver = leader(async_storage_writes=True)
    driver.propose(b"a")
    settle(driver)
    batch = driver.next_batch()
    assert batch is not None
    assert driver.make_snapshot(0) is None
    driver.finish(batch)
    settle(driver)
    assert driver.make_snapshot(0) is not None


def test_a_peer_is_sent_a_snapshot_of_the_present_members() -> None:
    """A new member would not find itself in an older snapshot, and would refuse it again and again."""
    sent: list[Message] = []
    driver = leader(send=sent.extend)
    driver.propose(b"a")
    run(driver)
    assert driver.make_snapshot(0) is not None
    driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=2))
    run(driver)
    driver.tick()
    run(driver)
    raft = driver.node.raft
    for m in [m for m in sent if m.type == MessageType.MSG_APP]:
        driver.inbox.append(
            Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=raft.term, index=m.index, reject=True)
        )
    run(driver)
    snapshots = [m.snapshot for m in sent if m.type == MessageType.MSG_SNAP]
    assert snapshots
    assert all(snapshot is not None and snapshot.metadata.conf_state.learners == [2] for snapshot in snapshots)


# -- reads ---------------------------------------------------------------------------------------------------------


def test_a_read_is_answered_once_its_index_is_applied() -> None:
    driver = leader(async_storage_writes=True)
    driver.propose(b"a")
    settle(driver)
    driver.read_index(b"one")
    assert driver.poll() is not None
    assert driver.take_reads() == []
    finish_all(driver)
    assert [(state.index, state.request_ctx) for state in driver.take_reads()] == [(INDEX + 2, b"one")]
    assert driver.take_reads() == []


def test_a_single_voter_is_not_asked_before_it_has_committed_in_its_term() -> None:
    """It would answer at once, and might not know all entries that were committed before its restart."""
    driver = made([1], async_storage_writes=True)
    driver.node.campaign()
    store(driver, driver.poll())
    assert driver.node.raft.state == StateType.LEADER
    with pytest.raises(NotNow):
        driver.read_index(b"early")
    forwarded = Message(type=MessageType.MSG_READ_INDEX, from_=2, to=1, entries=[Entry(data=b"early")])
    assert isinstance(driver.step(forwarded), NotNow)


# -- proposals -----------------------------------------------------------------------------------------------------


def test_outcomes_of_proposals() -> None:
    driver = leader()
    assert driver.propose(b"four", tag="first")
    assert driver.propose(b"no tag")
    assert driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4), tag="second") is None
    assert driver.propose(b"", tag="third")
    assert driver.take_outcomes() == []
    run(driver)
    assert driver.take_outcomes() == [
        Outcome("first", "applied", INDEX + 2, 4),
        Outcome("second", "applied", INDEX + 4),
        Outcome("third", "applied", INDEX + 5),
    ]
    assert driver.take_outcomes() == []


def test_a_proposal_whose_place_another_term_takes_is_rejected() -> None:
    driver = made()
    elect(driver, [])
    assert driver.propose(b"lost", tag=1)
    run(driver)
    place = driver.node.raft.log.last_index()
    term = driver.node.raft.term + 1
    entries = [Entry(term=term, index=place - 1), Entry(term=term, index=place, data=b"other")]
    m = Message(
        type=MessageType.MSG_APP, from_=2, to=1, term=term, log_term=1, index=INDEX, entries=entries, commit=place
    )
    driver.inbox.append(m)
    run(driver)
    assert driver.take_outcomes() == [Outcome(1, "rejected", place)]


def test_nothing_is_known_of_entries_that_a_snapshot_skipped() -> None:
    driver = made()
    elect(driver, [])
    assert driver.propose(b"who knows", tag=1)
    run(driver)
    place = driver.node.raft.log.last_index()
    driver.inbox.append(snapshot_message(INDEX + 20, [1, 2, 3], term=driver.node.raft.term + 1))
    run(driver)
    assert driver.take_outcomes() == [Outcome(1, "unknown", place)]


def test_a_forwarded_proposal_has_no_place() -> None:
    driver = made()
    driver.inbox.append(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=2))
    run(driver)
    assert not driver.propose(b"x", tag=1)
    run(driver)
    assert driver.take_outcomes() == []


def test_a_dropped_proposal_is_raised() -> None:
    driver = made()
    with pytest.raises(ProposalDropped):
        driver.propose(b"x", tag=1)
    assert driver.take_outcomes() == []


def test_a_change_that_becomes_an_empty_entry_says_why() -> None:
    driver = leader()
    driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=4))
    reason = driver.propose_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=5))
    assert reason is not None
    assert "possible unapplied conf change" in reason


# -- messages ------------------------------------------------------------------------------------------------------


def test_refused_messages_are_returned_and_lost_logs_raised() -> None:
    driver = made()
    stranger = Message(type=MessageType.MSG_APP_RESP, from_=77, to=1, term=1, index=1)
    assert str(driver.step(stranger)) == "raft: cannot step as peer not found"
    with pytest.raises(LogLost):
        driver.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=9, commit=99))
    with pytest.raises(Stopped):
        driver.poll()


def test_the_observer_sees_what_is_taken() -> None:
    seen: list[Any] = []

    class Observer:
        def taking(self, m: Message) -> None:
            seen.append(("taking", m.type))

        def taken(self, m: Message, refused: Any) -> None:
            seen.append(("taken", m.type, type(refused).__name__))

        def snapshot_made(self, snapshot: Snapshot) -> None:
            seen.append(("made", snapshot.metadata.index))

    driver = leader(observer=Observer())
    driver.step(Message(type=MessageType.MSG_APP_RESP, from_=77, to=1, term=1, index=1))
    driver.make_snapshot(0)
    assert seen == [
        ("taking", MessageType.MSG_APP_RESP),
        ("taken", MessageType.MSG_APP_RESP, "StepPeerNotFound"),
        ("made", INDEX + 1),
    ]


def test_a_change_that_the_machine_does_not_admit_changes_nothing() -> None:
    """All members refuse it alike, and it does not stand in the way of the next one.

    catches: etcd#21178
    """
    asked: list[tuple[list[int], int]] = []

    class Doorkeeper(Machine):
        def admit(self, change: Any, index: int) -> CommandError | None:
            asked.append(([step.node_id for step in change.changes], index))
            return CommandError("not this one", "no") if change.context == b"bad" else None

    driver = Driver.start(config(begun(MemoryStorage(), [1])), Doorkeeper())
    driver.node.campaign()
    while driver.run():
        pass
    step = ConfChangeSingle(type=ConfChangeType.ADD_LEARNER_NODE, node_id=2)
    for context, learners, refused in ((b"bad", [], CommandError("not this one", "no")), (b"", [2], None)):
        assert driver.propose_change(ConfChangeV2(changes=[step], context=context)) is None
        while driver.run():
            pass
        assert list(driver.members.learners) == learners
        assert driver.refused_change == refused
    assert [ids for ids, _ in asked] == [[2], [2]]
    assert asked[0][1] < asked[1][1] == driver.applied
