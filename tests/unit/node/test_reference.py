"""Answers to the reference's tests of its Node, and to those of its first releases that are gone since.

The reference looks at channels and replaces the state machine's step function. There is nothing like that here, so
these tests look at the results.
"""

import asyncio

import pytest

from raftcy.core.config import Peer
from raftcy.core.hardstate import is_hard_state_equal
from raftcy.core.rawnode import RawNode
from raftcy.core.ready import ReadState, Ready, SoftState
from raftcy.core.storage import MemoryStorage
from raftcy.errors import MalformedMessage, ProposalDropped, RaftError, Stopped
from raftcy.node import restart_node, start_node
from raftcy.wire.changes import ConfChange
from raftcy.wire.enums import ConfChangeType, EntryType, MessageType, ReadOnlyOption, StateType
from raftcy.wire.kinds import is_local_msg
from raftcy.wire.messages import ConfState, Entry, HardState, Message, Snapshot, SnapshotMetadata
from tests.support.node_loop import Cluster, Member, config, hard_state, leader, member, storage_with

PROPOSAL = Message(type=MessageType.MSG_PROP, from_=2, to=1, entries=[Entry(data=b"x")])


@pytest.mark.parametrize("kind", MessageType)
async def test_step_accepts_messages_by_kind(kind: MessageType) -> None:
    """A proposal waits for a leader, a local message is dropped, and all others reach the state machine.

    answers: TestNodeStep
    """
    single = member(storage_with(1, 2))
    node = single.node
    before = str(node.status())
    # With a refusal, so that the answer to a pre-vote has something to say.
    m = Message(type=kind, from_=2, to=1, term=1, reject=True, entries=[Entry(data=b"x", index=1, term=1)])
    if kind == MessageType.MSG_PROP:
        waiting = asyncio.create_task(node.step(PROPOSAL))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
    elif is_local_msg(kind):
        await node.step(m)
        assert str(node.status()) == before
    elif kind == MessageType.MSG_FORGET_LEADER:
        # The reference accepts it from anybody.
        with pytest.raises(MalformedMessage, match="MsgForgetLeader is only for the node itself"):
            await node.step(m)
        assert str(node.status()) == before
    else:
        await node.step(m)
        assert single.has_ready()
        assert (str(node.status()) == before) == (kind == MessageType.MSG_PRE_VOTE)
    await node.stop()


async def test_stop_and_cancel_end_a_waiting_step() -> None:
    """answers: TestNodeStepUnblock"""
    node = member(storage_with(1, 2)).node
    cancelled = asyncio.create_task(node.step(PROPOSAL))
    stopped = asyncio.create_task(node.step(PROPOSAL))
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await node.stop()
    with pytest.raises(Stopped):
        await stopped


async def test_propose_reaches_the_log() -> None:
    """answers: TestNodePropose"""
    single = await leader()
    await single.node.propose(b"somedata")
    rd = await single.turn()
    assert [(entry.type, entry.data) for entry in rd.entries] == [(EntryType.NORMAL, b"somedata")]
    assert not rd.entries[0].has("type")
    await single.node.stop()


async def test_proposals_are_forwarded_unless_disabled() -> None:
    """answers: TestDisableProposalForwarding"""
    for disabled in (False, True):
        cluster = Cluster(3, disable_proposal_forwarding=disabled)
        await cluster.elect(1)
        cluster.seen.clear()
        if disabled:
            with pytest.raises(ProposalDropped):
                await cluster[2].node.propose(b"testdata")
        else:
            await cluster[2].node.propose(b"testdata")
        await cluster.pump()
        assert [m.type for m in cluster.seen if m.from_ == 2].count(MessageType.MSG_PROP) == (not disabled)
        await cluster.stop()


async def test_read_index_is_passed_on_to_the_new_leader() -> None:
    """A former leader forwards a request with its sender and without a term.

    answers: TestNodeReadIndexToOldLeader
    """
    cluster = Cluster(3)
    await cluster.elect(1)
    request = [Entry(data=b"testdata")]
    forwarded = []
    for id in (2, 3):
        await cluster[id].node.read_index(b"testdata")
        rd = await cluster[id].turn()
        assert rd.messages == [Message(type=MessageType.MSG_READ_INDEX, from_=id, to=1, entries=request)]
        forwarded += rd.messages
    await cluster.elect(3)
    for m in forwarded:
        await cluster[1].node.step(m)
    rd = await cluster[1].turn()
    assert rd.messages == [Message(type=MessageType.MSG_READ_INDEX, from_=id, to=3, entries=request) for id in (2, 3)]
    assert not any(m.has("term") for m in rd.messages)
    await cluster.stop()


async def test_propose_conf_change_reaches_the_log() -> None:
    """answers: TestNodeProposeConfig"""
    single = await leader()
    change = ConfChange(type=ConfChangeType.ADD_NODE, node_id=1)
    await single.node.propose_conf_change(change)
    rd = await single.turn()
    assert [(entry.type, entry.data) for entry in rd.entries] == [(EntryType.CONF_CHANGE, change.encode())]
    await single.node.stop()


async def test_adding_a_node_twice_does_not_block_the_next() -> None:
    """answers: TestNodeProposeAddDuplicateNode"""
    single = await leader()
    first = ConfChange(type=ConfChangeType.ADD_NODE, node_id=1)
    second = ConfChange(type=ConfChangeType.ADD_NODE, node_id=2)
    for change in (first, first, second):
        await single.node.propose_conf_change(change)
        await single.settle()
    assert [entry.data for entry in single.committed] == [b"", first.encode(), first.encode(), second.encode()]
    assert single.states[-1].voters == [1, 2]
    await single.node.stop()


async def test_proposal_waits_for_a_leader() -> None:
    """answers: TestBlockProposal"""
    single = member()
    proposal = asyncio.create_task(single.node.propose(b"somedata"))
    await asyncio.sleep(0.01)
    assert not proposal.done()
    await single.node.campaign()
    await single.settle()
    async with asyncio.timeout(5):
        await proposal
    await single.settle()
    assert [entry.data for entry in single.committed] == [b"", b"somedata"]
    await single.node.stop()


async def test_dropped_proposal_raises() -> None:
    """A leader drops proposals during a transfer, and the proposer gets the error.

    answers: TestNodeProposeWaitDropped
    """
    cluster = Cluster(2)
    await cluster.elect(1)
    cluster.accepts = lambda m: m.to != 2
    await cluster[1].node.transfer_leadership(1, 2)
    with pytest.raises(ProposalDropped, match="raft proposal dropped"):
        await asyncio.wait_for(cluster[1].node.propose(b"test_dropping"), 0.1)
    await cluster.pump()
    assert not any(entry.data for entry in cluster[1].committed)
    await cluster.stop()


async def test_tick_reaches_the_state_machine() -> None:
    """answers: TestNodeTick"""
    single = member()
    raft = single.node._raw.raft
    elapsed = raft.election_elapsed
    single.node.tick()
    assert raft.election_elapsed == elapsed
    await asyncio.sleep(0)
    assert raft.election_elapsed == elapsed + 1
    await single.node.stop()


async def test_stop_can_be_repeated() -> None:
    """Where the reference returns an empty status after the end, every call here raises Stopped.

    answers: TestNodeStop
    """
    single = member()
    assert single.node.status().id == 1
    await single.node.stop()
    with pytest.raises(Stopped):
        single.node.status()
    await single.node.stop()


async def test_start_gives_exactly_these_readys() -> None:
    """answers: TestNodeStart"""
    change = ConfChange(type=ConfChangeType.ADD_NODE, node_id=1).encode()
    added = Entry(type=EntryType.CONF_CHANGE, term=1, index=1, data=change)
    storage = MemoryStorage()
    started = Member(start_node(config(storage), [Peer(1)]), storage)

    rd = await started.turn()
    assert rd == Ready(hard_state=hard_state(1, 0, 1), entries=[added], committed_entries=[added], must_sync=True)
    await started.node.campaign()
    await started.turn()
    await started.turn()
    await started.node.propose(b"foo")
    foo = Entry(term=2, index=3, data=b"foo")
    rd = await started.turn()
    assert rd == Ready(
        hard_state=hard_state(2, 1, 2), entries=[foo], committed_entries=[Entry(term=2, index=2)], must_sync=True
    )
    rd = await started.turn()
    assert rd == Ready(hard_state=hard_state(2, 1, 3), committed_entries=[foo], must_sync=False)
    assert await started.nothing_is_ready()
    await started.node.stop()


async def test_restart_hands_out_what_is_committed() -> None:
    """answers: TestNodeRestart"""
    entries = [Entry(term=1, index=1), Entry(term=1, index=2, data=b"foo")]
    storage = MemoryStorage()
    storage.set_hard_state(HardState(term=1, commit=1))
    storage.append(entries)
    restarted = Member(restart_node(config(storage)), storage)
    assert await restarted.turn() == Ready(committed_entries=entries[:1])
    assert await restarted.nothing_is_ready()
    await restarted.node.stop()


async def test_restart_from_a_snapshot() -> None:
    """answers: TestNodeRestartFromSnapshot"""
    metadata = SnapshotMetadata(conf_state=ConfState(voters=[1, 2]), index=2, term=1)
    entries = [Entry(term=1, index=3, data=b"foo")]
    storage = MemoryStorage()
    storage.set_hard_state(HardState(term=1, commit=3))
    storage.apply_snapshot(Snapshot(metadata=metadata))
    storage.append(entries)
    restarted = Member(restart_node(config(storage)), storage)
    assert await restarted.turn() == Ready(committed_entries=entries)
    assert await restarted.nothing_is_ready()
    await restarted.node.stop()


async def test_the_next_ready_comes_after_advance() -> None:
    """answers: TestNodeAdvance"""
    single = await leader()
    await single.node.propose(b"foo")
    await single.take()
    assert await single.nothing_is_ready()
    single.node.advance()
    assert [entry.data for entry in (await single.turn()).committed_entries] == [b"foo"]
    await single.node.stop()


def test_soft_state_equality() -> None:
    """answers: TestSoftStateEqual"""
    assert SoftState() == SoftState(lead=0, raft_state=StateType.FOLLOWER)
    assert SoftState(lead=1) != SoftState()
    assert SoftState(raft_state=StateType.LEADER) != SoftState()


def test_hard_state_equality() -> None:
    """answers: TestIsHardStateEqual"""
    assert is_hard_state_equal(HardState(), HardState(term=0, vote=0, commit=0))
    for other in (HardState(vote=1), HardState(commit=1), HardState(term=1)):
        assert not is_hard_state_equal(other, HardState())


async def test_adding_a_learner_leaves_the_voters() -> None:
    """answers: TestNodeProposeAddLearnerNode"""
    single = await leader()
    await single.node.propose_conf_change(ConfChange(type=ConfChangeType.ADD_LEARNER_NODE, node_id=2))
    await single.settle()
    (state,) = single.states
    assert (state.voters, state.learners) == ([1], [2])
    await single.node.stop()


async def test_appends_keep_to_the_size_limit() -> None:
    """answers: TestAppendPagination"""
    limit = 2048
    cluster = Cluster(3, max_size_per_msg=limit)
    await cluster.elect(1)
    cluster.seen.clear()
    cluster.accepts = lambda m: m.from_ != 1 and m.to != 1
    for _ in range(5):
        await cluster[1].node.propose(b"a" * 1000)
        await cluster.pump()
    cluster.accepts = lambda m: True
    cluster[1].node.tick()
    await asyncio.sleep(0)
    await cluster.pump()
    sizes = [sum(len(e.data) for e in m.entries) for m in cluster.seen if m.type == MessageType.MSG_APP]
    assert max(sizes) <= limit
    assert max(sizes) > limit // 2
    assert [len(m.committed) for m in cluster.members.values()] == [6, 6, 6]
    await cluster.stop()


async def test_committed_entries_keep_to_the_size_limit() -> None:
    """answers: TestCommitPagination"""
    single = await leader(max_committed_size_per_ready=2048)
    for _ in range(3):
        await single.node.propose(b"a" * 1000)
    assert len((await single.turn()).entries) == 3
    assert [len((await single.turn()).committed_entries) for _ in range(2)] == [2, 1]
    await single.node.stop()


class _Storing:
    """The storage threads of a node with async storage writes, one message at a time."""

    def __init__(self, single: Member) -> None:
        self.single = single

    async def ready(self) -> list[Message]:
        async with asyncio.timeout(5):
            return (await self.single.node.ready()).messages

    async def append(self, m: Message) -> None:
        assert m.type == MessageType.MSG_STORAGE_APPEND
        self.single.storage.append(m.entries)
        for answer in m.responses:
            await self.single.node.step(answer)


async def test_async_commits_keep_to_the_size_limit() -> None:
    """Entries that are handed out and not acknowledged as applied count, over several Readys.

    answers: TestCommitPaginationWithAsyncStorageWrites
    """
    single = member(async_storage_writes=True, max_committed_size_per_ready=2048)
    node, storing = single.node, _Storing(single)
    await node.campaign()
    for _ in range(2):
        (append,) = await storing.ready()
        await storing.append(append)
    append, apply = await storing.ready()
    await storing.append(append)
    assert len(apply.entries) == 1
    await node.step(apply.responses[0])

    await node.propose(b"a" * 1024)
    (append,) = await storing.ready()
    assert len(append.entries) == 1
    await storing.append(append)
    answers = []
    for _ in range(2):
        await node.propose(b"a" * 1024)
        append, apply = await storing.ready()
        await storing.append(append)
        assert len(apply.entries) == 1
        answers += apply.responses
    # The third waits until the first is applied.
    while not await single.nothing_is_ready():
        pass
    await node.step(answers.pop(0))
    (apply,) = await storing.ready()
    assert (apply.type, len(apply.entries)) == (MessageType.MSG_STORAGE_APPLY, 1)
    for answer in (*answers, *apply.responses):
        await node.step(answer)
    await node.stop()


class _Generous(MemoryStorage):
    """A storage that ignores the size limit."""

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        return super().entries(lo, hi, 2**64 - 1)


async def test_commit_index_does_not_fall_after_a_restart() -> None:
    """Not even if the storage returns more than the node asked for.

    answers: TestNodeCommitPaginationAfterRestart
    """
    storage = _Generous()
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=ConfState(voters=[1]))))
    entries = [Entry(type=EntryType.NORMAL, term=1, index=index, data=b"a") for index in range(1, 11)]
    storage.set_hard_state(hard_state(1, 1, 10))
    storage.append(entries)
    size = sum(len(entry.encode()) for entry in entries)
    single = member(storage, max_size_per_msg=size - len(entries[-1].encode()) - 1)
    rd = await single.turn()
    assert rd.hard_state is None or rd.hard_state.commit >= 10
    await single.settle()
    assert [entry.index for entry in single.committed] == list(range(1, 11))
    await single.node.stop()


async def test_log_growth_is_bounded_while_partitioned() -> None:
    """A leader that cannot commit keeps entries below the quota, and drops the rest.

    answers: TestNodeBoundedLogGrowthWithPartition
    """
    data = b"testdata"
    quota = 16 * len(data)
    single = await leader(max_uncommitted_entries_size=quota)
    dropped = 0
    for _ in range(1024):
        try:
            await single.node.propose(data)
        except ProposalDropped:
            dropped += 1
    rd = await single.turn()
    assert len(rd.entries) == 16
    assert dropped == 1024 - 16
    await single.settle()
    assert single.node._raw.raft.uncommitted_size == 0
    await single.node.propose(data)
    await single.node.stop()


async def test_read_index_gives_a_read_state() -> None:
    """answers: TestNodeReadIndex"""
    single = await leader()
    await single.node.read_index(b"somedata")
    assert (await single.turn()).read_states == [ReadState(index=1, request_ctx=b"somedata")]
    await single.node.stop()

    lease = Cluster(3, check_quorum=True, read_only_option=ReadOnlyOption.LEASE_BASED)
    await lease.elect(1)
    await lease[1].node.read_index(b"by lease")
    assert (await lease[1].turn()).read_states == [ReadState(index=1, request_ctx=b"by lease")]
    await lease.stop()


@pytest.mark.parametrize(
    ("rd", "contains"),
    [
        (Ready(), False),
        (Ready(must_sync=True), False),
        (Ready(soft_state=SoftState(lead=1)), True),
        (Ready(hard_state=HardState(vote=1)), True),
        (Ready(entries=[Entry()]), True),
        (Ready(committed_entries=[Entry()]), True),
        (Ready(messages=[Message()]), True),
        (Ready(read_states=[ReadState()]), True),
        (Ready(snapshot=Snapshot(metadata=SnapshotMetadata(index=1))), True),
    ],
)
def test_whether_a_ready_contains_anything(rd: Ready, contains: bool) -> None:
    """answers: TestReadyContainUpdates"""
    assert rd.contains_updates() is contains


async def test_the_harness_sees_ready_as_raw_nodes_do() -> None:
    """A Node hands out the same Readys as a RawNode with the same input."""
    storage = storage_with(1)
    raw = RawNode(config(storage))
    single = member()
    raw.campaign()
    await single.node.campaign()
    for _ in range(3):
        expected = raw.ready()
        storage.append(expected.entries)
        assert await single.turn() == expected
        raw.advance()
    assert not raw.has_ready()
    with pytest.raises(RaftError, match="without a Ready"):
        single.node.advance()
    await single.node.stop()
