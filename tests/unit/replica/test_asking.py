"""Reads through a driver: contexts that never come twice, and no read by a lease that has been given away."""

from typing import Any

import pytest

from raftcy import (
    ConfState,
    Contradiction,
    Driver,
    Entry,
    EntryType,
    HardState,
    InvariantError,
    MemoryStorage,
    Message,
    MessageType,
    NotNow,
    RawNode,
    ReadOnlyOption,
    Snapshot,
    SnapshotMetadata,
    StateType,
)

from .test_driver import Machine, begun, config, leader, run

NONCE = b"\1" * 16


class Group:
    """Three drivers, and what is on its way between them; member 1 leads, unless there are more voters."""

    def __init__(self, asynchronous: bool = False, steps: bool = False, guard: bool = True, voters: int = 3) -> None:
        self.asynchronous, self.steps, self.guard = asynchronous, steps, guard
        self.cut: set[int] = set()
        self.sent: dict[int, list[Message]] = {id: [] for id in (1, 2, 3)}
        self.reads: dict[int, list[tuple[int, bytes]]] = {id: [] for id in (1, 2, 3)}
        self.storages = {id: begun(MemoryStorage(), list(range(1, voters + 1))) for id in (1, 2, 3)}
        self.drivers = {id: self.start(id) for id in (1, 2, 3)}
        if voters != 3:
            return
        self[1].node.campaign()
        self.exchange()
        for _ in range(3):
            self.tick()
        assert self[1].node.raft.state == StateType.LEADER

    def __getitem__(self, id: int) -> Driver:
        return self.drivers[id]

    def start(self, id: int) -> Driver:
        options: dict[str, Any] = {"check_quorum": True, "read_only_option": ReadOnlyOption.LEASE_BASED}
        node = RawNode(config(self.storages[id], id, async_storage_writes=self.asynchronous, **options))
        return Driver(node, self.storages[id], Machine(), self.sent[id].extend, guard_reads=self.guard, nonce=NONCE)

    def work(self, id: int) -> None:
        driver = self.drivers[id]
        if not self.steps:
            run(driver)
        else:
            driver.step_many(driver.inbox)
            driver.inbox = []
            while (work := driver.poll()) is not None:
                self.sent[id] += work.messages
                if work.write is not None:
                    self.sent[id] += driver.store(work.write)
                while (batch := driver.next_batch()) is not None:
                    driver.apply(batch)
                    driver.finish(batch)
        self.reads[id] += [(read.index, read.request_ctx) for read in driver.take_reads()]

    def exchange(self, *, leave_out: MessageType | None = None) -> None:
        busy = True
        while busy:
            busy = False
            for id in (1, 2, 3):
                self.work(id)
                sent = list(self.sent[id])
                self.sent[id].clear()
                for m in sent:
                    if not {m.to, id} & self.cut and m.type != leave_out:
                        self.drivers[m.to].inbox.append(m)
                        busy = True

    def tick(self) -> None:
        for driver in self.drivers.values():
            driver.tick()
        self.exchange()


def handed_over(**options: Any) -> Group:
    """Member 1 has sent MsgTimeoutNow to 2 and hears nothing from then on; 2 leads and has committed a write."""
    group = Group(**options)
    group[1].node.transfer_leader(2)
    group.work(1)
    (order,) = [m for m in group.sent[1] if m.type == MessageType.MSG_TIMEOUT_NOW]
    group.sent[1].clear()
    group.cut.add(1)
    group[2].inbox.append(order)
    group.exchange()
    group[2].propose(b"x")
    group.exchange()
    for _ in range(5):
        group.tick()
    assert group[1].node.raft.state == group[2].node.raft.state == StateType.LEADER
    assert group[2].applied > group[1].applied
    return group


ROUNDS = {
    "run": {},
    "steps": {"steps": True},
    "asynchronous": {"asynchronous": True},
    "asynchronous steps": {"asynchronous": True, "steps": True},
}


@pytest.mark.parametrize("rounds", ROUNDS)
def test_no_read_by_a_lease_that_was_given_away(rounds: str) -> None:
    """A new leader may have committed writes before the lease of this one has ended.

    catches: faults#Q
    """
    group = handed_over(**ROUNDS[rounds])
    with pytest.raises(NotNow, match="a leader that has sent MsgTimeoutNow cannot answer reads by its lease"):
        group[1].read()
    asked = Message(type=MessageType.MSG_READ_INDEX, from_=3, to=1, entries=[Entry(data=b"of 3")])
    assert isinstance(group[1].step(asked), NotNow)
    group[1].inbox.append(asked)
    group.work(1)
    assert [m for m in group.sent[1] if m.type == MessageType.MSG_READ_INDEX_RESP] == []
    assert group.reads[1] == []
    # It may lead again, in another term.
    group.cut.clear()
    group.tick()
    assert group[1].node.raft.state == StateType.FOLLOWER
    group[2].node.transfer_leader(1)
    group.exchange()
    context = group[1].read()
    group.exchange()
    assert group.reads[1] == [(group[1].applied, context)]


def test_without_the_rule_the_read_is_stale() -> None:
    group = handed_over(guard=False)
    context = group[1].read()
    group.work(1)
    ((index, answered),) = group.reads[1]
    assert answered == context
    assert index < group[2].applied


def test_reads_before_the_order_has_left() -> None:
    """While the receiver catches up, and in the same round: nobody leads yet but this leader."""
    group = Group()
    group[1].node.transfer_leader(2)
    context = group[1].read()
    group.work(1)
    assert [answered for _, answered in group.reads[1]] == [context]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_a_read_that_waited_for_the_first_commit_is_not_answered_after_the_order(rounds: str) -> None:
    """Neither the leader's own nor a follower's: the commit may come late, when another has committed more.

    catches: faults#Q
    """
    group = Group(voters=5, **ROUNDS[rounds])
    driver, raft = group[1], group[1].node.raft

    def heard(kind: MessageType, id: int) -> None:
        driver.inbox.append(Message(type=kind, from_=id, to=1, term=raft.term, index=raft.log.last_index()))
        group.work(1)

    driver.node.campaign()
    group.work(1)
    for id in (2, 3):
        heard(MessageType.MSG_VOTE_RESP, id)
    # 2 has all that there is, but two of five commit nothing.
    heard(MessageType.MSG_APP_RESP, 2)
    driver.read()
    driver.step(Message(type=MessageType.MSG_READ_INDEX, from_=3, to=1, entries=[Entry(data=b"of 3")]))
    driver.node.transfer_leader(2)
    group.work(1)
    assert MessageType.MSG_TIMEOUT_NOW in [m.type for m in group.sent[1]]
    assert raft.log.term_or_zero(raft.log.committed) != raft.term
    heard(MessageType.MSG_APP_RESP, 3)
    assert raft.log.term_or_zero(raft.log.committed) == raft.term
    assert group.reads[1] == []
    assert MessageType.MSG_READ_INDEX_RESP not in [m.type for m in group.sent[1]]


# -- contexts ------------------------------------------------------------------------------------------------------


def test_contexts_never_come_twice() -> None:
    """Within a start by their number, from start to start by the nonce.

    catches: faults#X1
    """
    driver = leader(nonce=NONCE)
    contexts = [driver.read() for _ in range(300)]
    again = leader(nonce=b"\2" * 16)
    contexts += [again.read() for _ in range(300)]
    assert len(set(contexts)) == 600
    run(driver)
    assert [read.request_ctx for read in driver.take_reads()] == contexts[:300]


def test_a_refused_read_uses_its_context_up() -> None:
    driver = leader(nonce=NONCE)
    driver.read()
    driver.node.raft.term += 1  # as if it had led for less than a commit
    with pytest.raises(NotNow):
        driver.read()
    driver.node.raft.term -= 1
    assert driver.read() == NONCE + (3).to_bytes(8, "big")


def test_a_nonce_is_asked_for() -> None:
    """The driver itself draws nothing: whoever runs it knows what no start had before."""
    with pytest.raises(TypeError, match=r"read\(\) needs a Driver with a nonce"):
        leader().read()
    for nonce, error in ((b"1234567", ValueError), ("12345678", TypeError), (12345678, TypeError)):
        with pytest.raises(error):
            leader(nonce=nonce)
    leader(nonce=bytearray(b"12345678")).read()


def test_a_late_answer_of_before_a_restart_is_another_read() -> None:
    """With a context used again it would be taken for the new read, which would then miss writes.

    catches: faults#X1
    """
    answers = []
    for nonce in (NONCE, b"\2" * 16):
        storage = begun(MemoryStorage(), [1, 2, 3])
        follower = Driver(RawNode(config(storage, 2)), storage, Machine(), nonce=nonce)
        follower.step(Message(type=MessageType.MSG_HEARTBEAT, from_=1, to=2, term=2))
        context = follower.read()
        answers.append(
            Message(type=MessageType.MSG_READ_INDEX_RESP, from_=1, to=2, term=2, index=5, entries=[Entry(data=context)])
        )
    follower.step(answers[0])
    run(follower)
    assert [read.request_ctx for read in follower.take_reads()] != [answers[1].entries[0].data]


# -- the index that the machine has --------------------------------------------------------------------------------


def log_of(last: int, commit: int) -> MemoryStorage:
    storage = MemoryStorage()
    members = ConfState(voters=[1], auto_leave=False)
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=members, index=1, term=1)))
    storage.append([Entry(type=EntryType.NORMAL, term=1, index=i, data=b"%d" % i) for i in range(2, last + 1)])
    storage.set_hard_state(HardState(term=1, commit=commit))
    return storage


@pytest.mark.parametrize("how", ["machine_applied", "Config.applied"])
def test_a_machine_that_is_ahead_of_the_stored_commit_index(how: str) -> None:
    """It is handed nothing twice, and the log is followed from the snapshot on.

    catches: faults#P
    """
    machine = Machine()
    storage = log_of(5, commit=2)
    if how == "machine_applied":
        driver = Driver.start(config(storage), machine, machine_applied=4)
    else:
        driver = Driver.start(config(storage, applied=4), machine)
    run(driver)
    assert (driver.applied, machine.entries) == (2, [])
    driver.node.campaign()
    run(driver)
    assert [e.data for e in machine.entries] == [b"5"]
    assert machine.restored == []
    assert driver.applied == 6


def test_a_machine_that_is_ahead_of_the_log() -> None:
    """What it has applied was acknowledged, and is gone: the member must not come back under its id.

    catches: faults#P
    """
    for make in (
        lambda storage: Driver.start(config(storage), Machine(), machine_applied=6),
        lambda storage: Driver(RawNode(config(storage)), storage, Machine(), machine_applied=6),
    ):
        with pytest.raises(Contradiction, match="applied the entries up to 6, but the log ends at 5") as refused:
            make(log_of(5, commit=2))
        assert "a new one under a fresh id" in str(refused.value)
    assert Driver.start(config(log_of(5, commit=2)), Machine(), machine_applied=5).applied == 1


def test_the_cores_error_says_what_to_do() -> None:
    """For those who make a node by themselves; the text itself is etcd's.

    catches: faults#P
    """
    with pytest.raises(InvariantError) as refused:
        RawNode(config(log_of(5, commit=2), applied=4))
    assert str(refused.value) == "applied(4) is out of range [prevApplied(1), committed(2)]"
    note = refused.value.hint
    assert "a commit index alone is not synced" in note
    assert "Start with applied=2" in note
