"""RawNode and its Ready: starting, restarting, membership changes, reading, paging, limits."""

from typing import Any

import pytest

from raftcy import (
    NO_LIMIT,
    ConfChange,
    ConfChangeSingle,
    ConfChangeTransition,
    ConfChangeType,
    ConfChangeV2,
    ConfState,
    Driver,
    Entry,
    EntryType,
    HardState,
    InvariantError,
    MalformedMessage,
    MemoryStorage,
    Message,
    MessageType,
    ProgressState,
    ProposalDropped,
    RawNode,
    ReadState,
    Ready,
    Snapshot,
    SnapshotMetadata,
    SoftState,
    StateType,
    StepLocalMessage,
    StepPeerNotFound,
    TrackerConfig,
    decode_change,
    is_local_msg,
    is_response_msg,
)
from raftcy.core.entries import entries_size, payload_size
from raftcy.core.quorum import JointConfig
from tests.support.network import make_config, make_storage


def new_node(storage: Any = None, **options: Any) -> RawNode:
    """Node 1 on a storage; by default its only voter."""
    return RawNode(make_config(1, storage or make_storage([1]), **options))


def storage_of(node: RawNode) -> MemoryStorage:
    return node.raft.log.storage


def store(node: RawNode, rd: Ready) -> None:
    """Store the contents of a Ready."""
    if rd.hard_state is not None:
        storage_of(node).set_hard_state(rd.hard_state)
    storage_of(node).append(rd.entries)


def round_of(node: RawNode) -> Ready:
    """One Ready, stored and advanced."""
    rd = node.ready()
    store(node, rd)
    node.advance(rd)
    return rd


def lead(node: RawNode) -> None:
    """Make a single voter the leader."""
    node.campaign()
    while node.has_ready():
        round_of(node)
    assert node.raft.state == StateType.LEADER


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(MessageType), ids=str)
def test_step(kind: MessageType) -> None:
    """Messages with nothing but a type: `step` takes no local ones, and responses only from peers.

    An empty proposal, which ends a leader of the reference, is refused everywhere. Refused messages change nothing.

    answers: TestRawNodeStep
    """
    storage = MemoryStorage()
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=[1]), index=1, term=1)))
    storage.set_hard_state(HardState(term=1, commit=1))
    node = new_node(storage)
    refused: type[Exception] | None = None
    if is_local_msg(kind):
        refused = StepLocalMessage
    elif is_response_msg(kind):
        refused = StepPeerNotFound
    elif kind == MessageType.MSG_PROP:
        refused = MalformedMessage
    before = node.basic_status()
    if refused is None:
        node.step(Message(type=kind))
    else:
        with pytest.raises(refused):
            node.step(Message(type=kind))
        assert node.basic_status() == before
        assert not node.has_ready()
    node.tick()


def test_step_takes_messages_alone() -> None:
    with pytest.raises(TypeError, match=r"^m must be of Message, not Entry$"):
        new_node().step(Entry())


# -- changes of the configuration ------------------------------------------------------------------------------------


def v2(text: str, transition: ConfChangeTransition | None = None) -> ConfChangeV2:
    kinds = {"v": ConfChangeType.ADD_NODE, "l": ConfChangeType.ADD_LEARNER_NODE}
    steps = [ConfChangeSingle(type=kinds[each[0]], node_id=int(each[1:])) for each in text.split()]
    return ConfChangeV2(changes=steps, transition=transition)


IMPLICIT, EXPLICIT = ConfChangeTransition.JOINT_IMPLICIT, ConfChangeTransition.JOINT_EXPLICIT
WITH_LEARNER = ConfState(voters=[1], learners=[2])
JOINT_WITH_LEARNER = {"voters": [1], "voters_outgoing": [1], "learners": [2]}
REPLACED = ConfState(voters=[2], learners=[1, 3])
JOINT_REPLACED = {"voters": [2], "voters_outgoing": [1], "learners": [3], "learners_next": [1]}

CHANGES = [
    # v1, and the same as v2: no joint configuration
    (ConfChange(type=ConfChangeType.ADD_NODE, node_id=2), ConfState(voters=[1, 2]), None),
    (v2("v2"), ConfState(voters=[1, 2]), None),
    (v2("l2"), WITH_LEARNER, None),
    # joint on request
    (v2("l2", EXPLICIT), ConfState(**JOINT_WITH_LEARNER), WITH_LEARNER),
    (v2("l2", IMPLICIT), ConfState(**JOINT_WITH_LEARNER, auto_leave=True), WITH_LEARNER),
    # joint by need: the only voter becomes a learner
    (v2("v2 l1 l3"), ConfState(**JOINT_REPLACED, auto_leave=True), REPLACED),
    (v2("v2 l1 l3", EXPLICIT), ConfState(**JOINT_REPLACED), REPLACED),
    (v2("v2 l1 l3", IMPLICIT), ConfState(**JOINT_REPLACED, auto_leave=True), REPLACED),
]


def decoded(e: Entry) -> ConfChange | ConfChangeV2 | None:
    """The change inside an entry."""
    return None if e.type == EntryType.NORMAL else decode_change(e)


def propose_and_apply(node: RawNode, change: Any, machine: Any = None) -> ConfState:
    """Make a single node leader, propose data and a change, and continue until the change is applied."""
    driver = Driver(node, storage_of(node), machine)
    node.campaign()
    while driver.run():
        pass
    driver.propose(b"somedata")
    driver.propose_change(change)
    before = driver.members
    while driver.members is before:
        assert driver.run()
    return driver.members


def check_last_entries(node: RawNode, change: ConfChange | ConfChangeV2) -> None:
    """The stored entries are the proposals, byte for byte."""
    last = storage_of(node).last_index()
    data, stored = storage_of(node).entries(last - 1, last + 1, NO_LIMIT)
    assert data.data == b"somedata"
    is_v1 = isinstance(change, ConfChange)
    assert stored.type == (EntryType.CONF_CHANGE if is_v1 else EntryType.CONF_CHANGE_V2)
    assert stored.data == change.encode()


@pytest.mark.parametrize(("change", "members", "after"), CHANGES)
def test_propose_and_conf_change(change: Any, members: ConfState, after: ConfState | None) -> None:
    """A change is stored as it was proposed; a joint configuration is left automatically or on demand (thesis 4.3).

    answers: TestRawNodeProposeAndConfChange
    """
    node = new_node()
    assert propose_and_apply(node, change) == members
    check_last_entries(node, change)
    leaving_waits = members.auto_leave
    assert node.raft.pending_conf_index == storage_of(node).last_index() + leaving_waits

    rd = node.ready()
    context = None
    if not leaving_waits:
        assert rd.entries == []
        node.advance(rd)
        if after is None:
            return
        context = b"manual"
        node.propose_conf_change(ConfChangeV2(context=context))
        rd = node.ready()
    # Leaving needs a majority of both halves, so it is not committed here.
    (leaving,) = rd.entries
    assert leaving.type == EntryType.CONF_CHANGE_V2
    assert decoded(leaving) == ConfChangeV2(context=context)
    assert node.apply_conf_change(decoded(leaving)) == after
    node.advance(rd)


def test_a_joint_configuration_outlives_its_leader() -> None:
    """A deposed leader does not leave it; the next leader does, once it has applied everything before.

    answers: TestRawNodeJointAutoLeave
    catches: etcd#12136
    """
    node = new_node()

    class StepsDown:
        """When it applies the data that was proposed just before the change."""

        def apply(self, entries: list[Entry]) -> None:
            node.step(Message(type=MessageType.MSG_HEARTBEAT_RESP, from_=1, term=node.raft.term + 1))

    change = v2("l2", IMPLICIT)
    members = propose_and_apply(node, change, StepsDown())
    assert members == ConfState(**JOINT_WITH_LEARNER, auto_leave=True)
    check_last_entries(node, change)
    assert node.raft.pending_conf_index == 0
    assert node.ready_without_accept().entries == []

    node.campaign()
    for _ in range(3):
        assert all(e.type == EntryType.NORMAL for e in round_of(node).entries)
    rd = node.ready()
    (leaving,) = rd.entries
    assert leaving.type == EntryType.CONF_CHANGE_V2
    assert decoded(leaving) == ConfChangeV2()
    assert node.apply_conf_change(ConfChangeV2()) == WITH_LEARNER


def test_adding_a_node_twice() -> None:
    """The second change does not block the next one.

    answers: TestRawNodeProposeAddDuplicateNode
    """
    node = new_node()
    lead(node)
    driver = Driver(node, storage_of(node))
    changes = [ConfChange(type=ConfChangeType.ADD_NODE, node_id=id) for id in (1, 1, 2)]
    members = []
    for change in changes:
        driver.propose_change(change)
        while driver.run():
            pass
        members.append(driver.members)
    last = storage_of(node).last_index()
    assert [e.data for e in storage_of(node).entries(last - 2, last + 1, NO_LIMIT)] == [c.encode() for c in changes]
    assert members == [ConfState(voters=[1]), ConfState(voters=[1]), ConfState(voters=[1, 2])]


# -- reads -------------------------------------------------------------------------------------------------------------


def test_read_index() -> None:
    """A request reaches the state machine with its context, and its answer comes in a Ready, once.

    answers: TestRawNodeReadIndex
    """
    node = new_node()
    answer = ReadState(index=1, request_ctx=b"somedata")
    node.raft.outbox.read_states = [answer]
    assert node.has_ready()
    assert round_of(node).read_states == [answer]
    assert node.raft.outbox.read_states == []
    lead(node)
    node.read_index(b"somedata2")
    assert round_of(node).read_states == [ReadState(index=node.raft.log.committed, request_ctx=b"somedata2")]
    assert not node.has_ready()


def test_read_index_is_passed_on() -> None:
    """A follower forwards the request unchanged to the leader.

    answers: TestRawNodeReadIndex
    """
    node = new_node(make_storage([1, 2]))
    node.raft.become_follower(1, 2)
    node.read_index(b"somedata2")
    (m,) = node.ready().messages
    assert (m.type, m.to, m.from_, m.has("term")) == (MessageType.MSG_READ_INDEX, 2, 1, False)
    assert [e.data for e in m.entries] == [b"somedata2"]


# -- starts ------------------------------------------------------------------------------------------------------------


def test_start() -> None:
    """A group can begin with a snapshot that names the members.

    The snapshot's index is above any that a log reaches on its own, so every node needs the snapshot.

    answers: TestRawNodeStart
    """
    storage = MemoryStorage()
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=[1]), index=1, term=0)))
    node = new_node(storage)
    assert not node.has_ready()
    node.campaign()
    rd = round_of(node)
    assert rd.hard_state == HardState(term=1, vote=1, commit=1)
    assert (rd.entries, rd.must_sync) == ([], True)
    node.propose(b"foo")
    entries = [Entry(term=1, index=2), Entry(term=1, index=3, data=b"foo")]
    rd = round_of(node)
    assert rd.entries == entries
    assert rd.soft_state == SoftState(lead=1, raft_state=StateType.LEADER)
    # They can be committed only now that they are stored.
    rd = round_of(node)
    assert rd == Ready(hard_state=HardState(term=1, vote=1, commit=3), committed_entries=entries, must_sync=False)
    assert not node.has_ready()


def test_restart() -> None:
    """Committed entries are handed out again, and there is nothing to store.

    answers: TestRawNodeRestart
    """
    storage = make_storage([1])
    storage.set_hard_state(HardState(term=1, commit=1))
    entries = [Entry(term=1, index=1), Entry(term=1, index=2, data=b"foo")]
    storage.append(entries)
    node = new_node(storage)
    assert round_of(node) == Ready(committed_entries=entries[:1], must_sync=False)
    assert not node.has_ready()


def test_restart_from_a_snapshot() -> None:
    """Entries that the snapshot covers are not handed out.

    answers: TestRawNodeRestartFromSnapshot
    """
    storage = MemoryStorage()
    storage.set_hard_state(HardState(term=1, commit=3))
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=[1, 2]), index=2, term=1)))
    entry = Entry(term=1, index=3, data=b"foo")
    storage.append([entry])
    node = new_node(storage)
    assert round_of(node) == Ready(committed_entries=[entry], must_sync=False)
    assert not node.has_ready()


def test_restart_with_applied_entries() -> None:
    """Entries up to `Config.applied` are not handed out again."""
    storage = make_storage([1], terms=[1, 1, 1])
    storage.set_hard_state(HardState(term=1, commit=3))
    node = new_node(storage, applied=2)
    assert [e.index for e in round_of(node).committed_entries] == [3]


def test_status() -> None:
    """Only a leader knows the members' progress; the status is a copy.

    answers: TestRawNodeStatus
    """
    node = new_node()
    assert not node.status().progress
    lead(node)
    status = node.status()
    assert (status.lead, status.raft_state) == (1, StateType.LEADER)
    assert status.progress == {1: node.raft.tracker.progress[1]}
    assert status.progress[1] is not node.raft.tracker.progress[1]
    assert status.progress[1].state == ProgressState.REPLICATE
    assert status.config == TrackerConfig(JointConfig([1]))


# -- limits ------------------------------------------------------------------------------------------------------------


class Generous(MemoryStorage):
    """Returns all entries that it is asked for, whatever the limit."""

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        return super().entries(lo, hi, NO_LIMIT)


def test_commit_pages_after_a_restart() -> None:
    """Even if a storage exceeds the limit, only entries that were handed out count as applied.

    answers: TestRawNodeCommitPaginationAfterRestart
    """
    storage = Generous()
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=[1]))))
    storage.set_hard_state(HardState(term=1, vote=1, commit=10))
    entries = [Entry(term=1, index=index, type=EntryType.NORMAL, data=b"a") for index in range(1, 11)]
    storage.append([*entries, Entry(term=1, index=11, type=EntryType.NORMAL, data=b"boom")])
    node = new_node(storage, max_size_per_msg=entries_size(entries[:9]) - 1)
    applied: list[int] = []
    while len(applied) < 11:
        rd = node.ready()
        assert rd.committed_entries, f"stopped after {applied}"
        applied += [e.index for e in rd.committed_entries]
        node.advance(rd)
        node.step(Message(type=MessageType.MSG_HEARTBEAT, to=1, from_=2, term=1, commit=11))
    assert applied == list(range(1, 12))


def test_a_leader_without_a_quorum_keeps_its_log_small() -> None:
    """Proposals are dropped beyond the limit of uncommitted payload, and applying makes room again.

    answers: TestRawNodeBoundedLogGrowthWithPartition
    """
    data = b"testdata"
    count = 16
    limit = count * payload_size(Entry(data=data))
    node = new_node(max_uncommitted_entries_size=limit)
    lead(node)
    dropped = 0
    for _ in range(1024):
        try:
            node.propose(data)
        except ProposalDropped:
            dropped += 1
    assert dropped == 1024 - count
    assert node.raft.uncommitted_size == limit
    assert len(round_of(node).entries) == count
    # The entries are stored but not applied.
    assert node.raft.uncommitted_size == limit
    rd = round_of(node)
    assert (rd.entries, len(rd.committed_entries)) == ([], count)
    assert node.raft.uncommitted_size == 0
    node.propose(data)


# -- the contract of Ready ---------------------------------------------------------------------------------------------


def test_only_ready_takes_the_messages() -> None:
    """`ready_without_accept` looks, `ready` takes, and `advance` does not touch later messages.

    answers: TestRawNodeConsumeReady
    """
    node = new_node()
    one, two = Message(context=b"foo"), Message(context=b"bar")
    node.raft.outbox.msgs.append(one)
    assert node.ready_without_accept().messages == [one]
    assert node.raft.outbox.msgs == [one]
    rd = node.ready()
    assert rd.messages == [one]
    assert node.raft.outbox.msgs == []
    node.raft.outbox.msgs.append(two)
    assert rd.messages == [one]
    node.advance(rd)
    assert node.raft.outbox.msgs == [two]


@pytest.mark.parametrize("value", [None, 1, Message()], ids=repr)
def test_only_a_ready_is_accepted(value: Any) -> None:
    node = new_node()
    with pytest.raises(TypeError, match=r"^rd must be of Ready, not "):
        node.accept_ready(value)
    lead(node)


def test_messages_alone_are_taken_without_a_ready() -> None:
    """None if nothing is pending, an empty list if a Ready must be taken, the messages if nothing else is pending."""
    node = new_node(make_storage([1, 2]))
    assert node.take_messages() is None
    node.campaign()
    assert node.take_messages() == []
    assert round_of(node).hard_state == HardState(term=1, vote=1)
    node.step(Message(type=MessageType.MSG_VOTE_RESP, from_=2, to=1, term=1))
    assert node.take_messages() == []
    while node.take_messages() is not None:
        round_of(node)
    node.tick()
    heartbeats = node.take_messages()
    assert [(m.type, m.to) for m in heartbeats] == [(MessageType.MSG_HEARTBEAT, 2)]
    assert node.take_messages() is None
    assert not node.has_ready()


def test_a_ready_may_be_looked_at_before_it_is_accepted() -> None:
    """Reading its empty lists leaves no trace in it."""
    node = new_node()
    node.campaign()
    rd = node.ready_without_accept()
    assert (rd.committed_entries, rd.read_states, rd.messages) == ([], [], [])
    node.accept_ready(rd)
    store(node, rd)
    node.advance()
    rd = Ready(entries=[], committed_entries=[], messages=[], read_states=[])
    assert (rd, rd.contains_updates()) == (Ready(), False)
    node.accept_ready(rd)


def test_advance_before_the_next_ready() -> None:
    """Accepting two Readys in a row is a defect of the caller, if the first had something to wait for."""
    node = new_node()
    node.campaign()
    node.ready()
    node.raft.outbox.msgs_after_append = [Message(type=MessageType.MSG_APP_RESP, to=1, from_=1)]
    with pytest.raises(InvariantError, match=r"^two accepted Ready structs without call to Advance$"):
        node.ready()


def test_what_waits_for_the_storage_is_replaced() -> None:
    """Not extended, so the node knows whether the list holds a message to itself, which is delivered, not sent."""
    node = new_node()
    node.campaign()
    to_another = Message(type=MessageType.MSG_APP_RESP, to=2, from_=1)
    with pytest.raises(AttributeError):
        node.raft.outbox.msgs_after_append.append(to_another)
    node.raft.outbox.msgs_after_append = [*node.raft.outbox.msgs_after_append, to_another]
    rd = node.ready()
    assert rd.messages == [to_another]
    store(node, rd)
    node.advance()
    assert node.raft.state == StateType.LEADER


def test_a_ready_is_read_only() -> None:
    """etcd's Ready must not be changed; this one cannot be assigned to, whether the node or the user made it."""
    node = new_node()
    node.campaign()
    for rd in (node.ready_without_accept(), node.ready(), Ready()):
        before = repr(rd)
        for name in (*Ready.__match_args__, "_entries", "nothing"):
            text = f"Ready is immutable: cannot assign or delete '{name}'"
            with pytest.raises(AttributeError) as caught:
                setattr(rd, name, None)
            assert str(caught.value) == text
            with pytest.raises(AttributeError) as caught:
                delattr(rd, name)
            assert str(caught.value) == text
        rd.read_states.append(ReadState())
        assert (type(rd), repr(rd), rd.read_states) == (Ready, before, [])


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("soft_state", 1, "soft_state must be of SoftState, not int"),
        ("hard_state", SoftState(), "hard_state must be of HardState, not SoftState"),
        ("snapshot", b"", "snapshot must be of Snapshot, not bytes"),
        ("read_states", [1], "read_states must be of ReadState, not int"),
        ("entries", [Message()], "entries must be of Entry, not Message"),
        ("committed_entries", [None], "committed_entries must be of Entry, not NoneType"),
        ("messages", [Entry()], "messages must be of Message, not Entry"),
        ("must_sync", 1, "must_sync must be a bool, not int"),
    ],
)
def test_a_ready_holds_what_it_says(name: str, value: Any, text: str) -> None:
    with pytest.raises(TypeError) as caught:
        Ready(**{name: value})
    assert str(caught.value) == text


def test_a_ready_of_any_iterables() -> None:
    entry, m, read = Entry(index=1), Message(to=2), ReadState(index=3)
    rd = Ready(entries=(entry,), committed_entries=iter([entry]), messages={m: 1}, read_states=[read])
    assert (rd.entries, rd.committed_entries, rd.messages, rd.read_states) == ([entry], [entry], [m], [read])
    assert (rd.contains_updates(), rd.applied_cursor(), rd.must_sync) == (True, 1, False)


def test_looking_at_a_ready_changes_nothing() -> None:
    """Its lists may be read before it is accepted, also empty ones, and it may be made by hand."""
    nodes = [new_node(), new_node(), new_node()]
    for node in nodes:
        node.campaign()
    ready = [node.ready_without_accept() for node in nodes]
    for name in ("read_states", "entries", "committed_entries", "messages"):
        getattr(ready[1], name)
    by_hand = Ready(**{name: getattr(ready[2], name) for name in Ready.__match_args__})
    assert by_hand == ready[0] == ready[1]
    for node, rd in zip(nodes, (ready[0], ready[1], by_hand), strict=True):
        node.accept_ready(rd)
        node.advance()
    assert len({repr(node.ready_without_accept()) for node in nodes}) == 1
    assert nodes[0].ready_without_accept().contains_updates()
