"""What a peer can make grow, and the limit of each: a typed error, and nothing changed by a refused message."""

from contextlib import suppress
from typing import Any

import pytest

from raftcy import (
    LOCAL_APPEND_THREAD,
    ConfChangeError,
    ConfChangeSingle,
    ConfChangeType,
    ConfChangeV2,
    Entry,
    EntryType,
    MalformedMessage,
    MemoryStorage,
    Message,
    MessageType,
    Overloaded,
    ProposalDropped,
    RawNode,
    ReadOnlyOption,
    StepPeerNotFound,
)
from tests.support.network import CANDIDATE, FOLLOWER, LEADER, make_config, make_storage
from tests.support.peers import run, snapshot_of
from tests.support.state import dump_node

MAX = 2**64 - 1
MEMBERS = 1000
# The last index that an append may bring, and so the last one that a leader assigns.
LAST = MAX - 2


def leader_at(index: int) -> RawNode:
    """A leader of two with a snapshot just before `index`, where its first entry is."""
    storage = MemoryStorage()
    storage.apply_snapshot(snapshot_of(index - 1, 1, voters=[1, 2]))
    node = RawNode(make_config(1, storage))
    node.campaign()
    run(node)
    node.step(Message(type=MessageType.MSG_VOTE_RESP, from_=2, to=1, term=1))
    run(node)
    assert (node.raft.state, node.raft.log.last_index()) == (LEADER, index)
    return node


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_proposals_after_the_last_index() -> None:
    """A log that a hostile snapshot moved near the last index fills up; the node keeps running."""
    node = leader_at(LAST - 2)
    run(node)
    before = dump_node(node)
    three = [m.__class__() for m in node.raft.log.all_entries()] * 3
    with pytest.raises(ProposalDropped) as caught:
        node.step(Message(type=MessageType.MSG_PROP, from_=2, to=1, entries=three))
    assert caught.value.reason == "indexes are used up"
    assert dump_node(node) == before
    node.propose(b"last but one")
    node.propose(b"last")
    assert node.raft.log.last_index() == LAST
    with pytest.raises(ProposalDropped):
        node.propose(b"one more")
    run(node)
    node.step(Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=1, index=LAST))
    run(node)
    assert node.raft.log.committed == LAST


@pytest.mark.parametrize("index", [LAST, LAST + 1])
def test_nobody_leads_without_an_index_to_begin_with(index: int) -> None:
    """A leader begins with an empty entry, which needs an index that may be used up."""
    storage = MemoryStorage()
    storage.apply_snapshot(snapshot_of(index, 1, voters=[1]))
    node = RawNode(make_config(1, storage))
    node.campaign()
    run(node)
    for _ in range(50):
        node.tick()
    assert (node.raft.state, node.raft.term) == (FOLLOWER, 0)


# -- reads -------------------------------------------------------------------------------------------------------------


def new_leader(**options: Any) -> RawNode:
    """The leader of term 1 among three; nobody else has stored its first entry, at index 1."""
    node = RawNode(make_config(1, make_storage([1, 2, 3]), **options))
    node.campaign()
    run(node)
    node.step(Message(type=MessageType.MSG_VOTE_RESP, from_=2, to=1, term=1))
    run(node)
    assert node.raft.state == LEADER
    return node


def commit(node: RawNode) -> None:
    """Node 2 has stored everything."""
    last = node.raft.log.last_index()
    node.step(Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=1, index=last))
    run(node)


def read(from_: int) -> Message:
    """A read that a peer forwards."""
    return Message(type=MessageType.MSG_READ_INDEX, from_=from_, to=1, entries=[Entry(data=b"ctx")])


def refuses(node: RawNode, m: Message, text: str) -> None:
    """The node treats the message as lost: Overloaded is raised, and nothing changes."""
    before = dump_node(node)
    with pytest.raises(Overloaded) as caught:
        node.step(m)
    assert str(caught.value) == text
    [(place, again)] = node.step_many([m])
    assert (place, type(again), str(again)) == (0, Overloaded, text)
    assert dump_node(node) == before


READS = "3 reads wait already"


def test_reads_that_wait_for_the_first_commit() -> None:
    """They are kept until the leader has committed in its term, so their number is limited."""
    node = new_leader(max_pending_reads=3)
    node.read_index(b"own")
    node.step(read(2))
    node.step(read(3))
    refuses(node, read(2), READS)
    before = dump_node(node)
    with pytest.raises(Overloaded, match=READS):
        node.read_index(b"own")
    assert dump_node(node) == before
    commit(node)
    assert (len(node.raft.read_only.pending), len(node.raft.read_only.waiting)) == (0, 3)


def test_reads_that_wait_for_a_quorum() -> None:
    """Confirmed reads make room; a change of role drops all of them."""
    node = new_leader(max_pending_reads=3)
    commit(node)
    for from_ in (1, 2, 3):
        node.step(read(from_))
    refuses(node, read(2), READS)
    run(node)
    number = (2).to_bytes(8, "little")
    node.step(Message(type=MessageType.MSG_HEARTBEAT_RESP, from_=3, to=1, term=1, context=number))
    node.step(read(2))
    node.step(read(2))
    refuses(node, read(2), READS)
    node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=2, commit=1))
    assert len(node.raft.read_only.waiting) == 0


def test_reads_of_both_kinds_count_together() -> None:
    """A leader first has reads that wait for its first commit, and later reads that wait for a quorum; both count."""
    node = new_leader(max_pending_reads=1)
    node.step(read(2))
    refuses(node, read(3), "1 reads wait already")
    commit(node)
    refuses(node, read(3), "1 reads wait already")


def test_reads_by_lease_never_wait() -> None:
    node = new_leader(max_pending_reads=1, check_quorum=True, read_only_option=ReadOnlyOption.LEASE_BASED)
    commit(node)
    for _ in range(5):
        node.step(read(2))
    assert len(node.raft.outbox.msgs) == 5


@pytest.mark.parametrize("options", [{}, {"max_pending_reads": 0}])
def test_reads_without_a_limit(options: dict[str, int]) -> None:
    """The default is etcd's: no limit."""
    node = new_leader(**options)
    for _ in range(5_000):
        node.step(read(2))
    assert len(node.raft.read_only.pending) == 5_000


# -- messages between two Readys ---------------------------------------------------------------------------------------


def pre_vote(from_: int) -> Message:
    """A request that is always answered."""
    return Message(type=MessageType.MSG_PRE_VOTE, from_=from_, to=1, term=9, index=5, log_term=5)


def test_answers_that_wait_for_a_ready() -> None:
    """A peer that floods a node with a slow storage gets no more answers until the next Ready."""
    node = RawNode(make_config(1, make_storage([1, 2, 3]), max_pending_msgs=4))
    for _ in range(4):
        node.step(pre_vote(2))
    refuses(node, pre_vote(3), "4 messages wait for a Ready")
    refuses(node, Message(type=MessageType.MSG_APP, from_=3, to=1, term=5), "4 messages wait for a Ready")
    node.tick()
    node.campaign()
    assert len(run(node)) == 1
    node.step(pre_vote(3))
    assert len(node.raft.outbox.msgs_after_append) == 1


def test_read_answers_that_wait_for_a_ready() -> None:
    """A follower's answers for its application count too."""
    node = RawNode(make_config(1, make_storage([1, 2, 3]), max_pending_msgs=2))
    node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=1))
    run(node)
    answer = Message(type=MessageType.MSG_READ_INDEX_RESP, from_=2, to=1, term=1, entries=[Entry(data=b"x")])
    node.step(answer)
    node.step(answer)
    refuses(node, answer, "2 messages wait for a Ready")


def test_answers_of_the_storage_are_never_refused() -> None:
    """The storage's acknowledgements must not be lost, so they pass however many messages wait."""
    node = RawNode(make_config(1, make_storage([1, 2, 3]), max_pending_msgs=1, async_storage_writes=True))
    node.campaign()
    responses = [r for m in node.ready().messages if m.to == LOCAL_APPEND_THREAD for r in m.responses]
    node.step(Message(type=MessageType.MSG_TRANSFER_LEADER, from_=2, to=1))
    node.step(pre_vote(2))
    refuses(node, pre_vote(2), "1 messages wait for a Ready")
    for response in responses:
        node.step(response)
    assert node.raft.tracker.votes == {1: True}


def append(index: int, count: int = 1, commit: int = 0) -> Message:
    """Entries of term 1 after `index`."""
    entries = [Entry(term=1, index=index + 1 + n, data=b"x") for n in range(count)]
    log_term = 1 if index else 0
    return Message(
        type=MessageType.MSG_APP, from_=2, to=1, term=1, log_term=log_term, index=index, entries=entries, commit=commit
    )


def written(node: RawNode) -> list[Message]:
    """The answers of the thread that appends to all its work."""
    rd = node.ready()
    return [r for m in rd.messages if m.to == LOCAL_APPEND_THREAD for r in m.responses if r.to == 1]


def test_entries_that_wait_for_the_storage() -> None:
    """A leader does not wait for answers, and the storage gives none; heartbeats and commits still pass."""
    node = RawNode(make_config(1, make_storage([1, 2, 3]), async_storage_writes=True, max_pending_msgs=4))
    answers: list[Message] = []
    taken = 0
    for index in range(5_000):
        with suppress(Overloaded):
            node.step(append(index))
            answers += written(node)
            taken += 1
    assert (taken, node.raft.log.last_index(), len(node.raft.log.unstable.entries)) == (4, 4, 4)
    refuses(node, append(4), "4 entries wait for the storage")
    refuses(node, append(0, 4), "4 entries wait for the storage")
    node.step(Message(type=MessageType.MSG_HEARTBEAT, from_=2, to=1, term=1, commit=1))
    node.step(Message(type=MessageType.MSG_APP, from_=2, to=1, term=1, log_term=1, index=4, commit=2))
    assert node.raft.log.committed == 2
    node.ready()
    node.raft.log.storage.append(append(0).entries)
    node.step(answers[0])
    node.step(append(4, 9))
    assert node.raft.log.last_index() == 13
    refuses(node, append(13), "12 entries wait for the storage")


def test_entries_that_wait_for_an_advance() -> None:
    """The same without a thread that appends."""
    node = RawNode(make_config(1, make_storage([1, 2, 3]), max_pending_msgs=2))
    node.step(append(0, 2))
    rd = node.ready()
    refuses(node, append(2), "2 entries wait for the storage")
    node.raft.log.storage.append(rd.entries)
    node.advance()
    node.step(append(2))
    assert node.raft.log.last_index() == 3


def test_a_follower_with_a_slow_storage_catches_up() -> None:
    """The leader sends refused entries again, so the follower loses only time."""
    storages = {id: make_storage([1, 2]) for id in (1, 2)}
    options = {"max_size_per_msg": 0, "max_committed_size_per_ready": MAX}
    nodes = {
        1: RawNode(make_config(1, storages[1], max_pending_msgs=2, **options)),
        2: RawNode(make_config(2, storages[2], **options)),
    }
    refused = 0

    def turn(slow: bool) -> int:
        """Every node but the slow one handles its Ready; messages that the follower refuses are lost."""
        count, sent = 0, []
        for id, node in nodes.items():
            if node.has_ready() and not (slow and id == 1):
                sent += [m for rd in run(node) for m in rd.messages]
        for m in sent:
            try:
                nodes[m.to].step(m)
            except Overloaded:
                count += 1
        return count

    nodes[2].campaign()
    for _ in range(6):
        turn(slow=False)
    assert nodes[2].raft.state == LEADER
    for _ in range(20):
        nodes[2].propose(b"x")
        refused += turn(slow=True)
        nodes[2].tick()
    assert refused > 0
    assert nodes[1].raft.log.last_index() < nodes[2].raft.log.last_index()
    for _ in range(60):
        nodes[2].tick()
        turn(slow=False)
    assert nodes[1].raft.log.last_index() == nodes[1].raft.log.committed == nodes[2].raft.log.last_index() == 21


def test_messages_without_a_limit() -> None:
    """The default is etcd's: no limit."""
    node = RawNode(make_config(1, make_storage([1, 2, 3])))
    for _ in range(5_000):
        node.step(pre_vote(2))
    assert len(node.raft.outbox.msgs_after_append) == 5_000


# -- members -----------------------------------------------------------------------------------------------------------


def test_members_of_a_snapshot() -> None:
    """The cost of members grows faster than their number, so a message may bring only so many."""
    for size in (MEMBERS, MEMBERS + 1):
        node = RawNode(make_config(1, make_storage([1, 2, 3])))
        snapshot = snapshot_of(11, 2, voters=range(1, 600), learners=range(600, size + 1))
        m = Message(type=MessageType.MSG_SNAP, from_=2, to=1, term=2, snapshot=snapshot)
        if size == MEMBERS:
            node.step(m)
            assert len(node.raft.tracker.peers()) == MEMBERS
        else:
            before = dump_node(node)
            with pytest.raises(MalformedMessage, match=r"^MsgSnap with 1001 members, more than 1000$"):
                node.step(m)
            assert dump_node(node) == before


@pytest.mark.parametrize("ids", ["voters", "learners", "voters_outgoing", "learners_next"])
def test_members_of_every_kind_count(ids: str) -> None:
    """All kinds count, and repeated ids too."""
    node = RawNode(make_config(1, make_storage([1, 2, 3])))
    members: dict[str, Any] = {"voters": [1], ids: [1] * (MEMBERS + 1)}
    m = Message(type=MessageType.MSG_SNAP, from_=2, to=1, term=2, snapshot=snapshot_of(11, 2, **members))
    with pytest.raises(MalformedMessage, match=r"members, more than 1000$"):
        node.step(m)


def test_changes_of_a_proposal() -> None:
    """One entry can change so many members and no more, whoever proposes it."""
    steps = [ConfChangeSingle(type=ConfChangeType.ADD_LEARNER_NODE, node_id=id) for id in range(2, MEMBERS + 3)]
    text = r"^1001 changes at once, more than 1000$"
    many, just = ConfChangeV2(changes=steps), ConfChangeV2(changes=steps[:-1])
    node = new_leader()
    commit(node)
    before = dump_node(node)
    entry = Entry(type=EntryType.CONF_CHANGE_V2, data=many.encode())
    with pytest.raises(MalformedMessage, match=text):
        node.step(Message(type=MessageType.MSG_PROP, from_=2, to=1, entries=[entry]))
    with pytest.raises(ConfChangeError, match=text):
        node.propose_conf_change(many)
    assert dump_node(node) == before
    assert node.propose_conf_change_checked(just) is None


# -- votes -------------------------------------------------------------------------------------------------------------


def test_votes_of_strangers_are_not_kept() -> None:
    """There are never more votes than members."""
    node = RawNode(make_config(1, make_storage([1, 2, 3])))
    node.campaign()
    run(node)
    before = dump_node(node)
    for id in range(4, 100):
        with pytest.raises(StepPeerNotFound):
            node.step(Message(type=MessageType.MSG_VOTE_RESP, from_=id, to=1, term=1))
    assert dump_node(node) == before
    for id in (2, 2, 2):
        node.step(Message(type=MessageType.MSG_VOTE_RESP, from_=id, to=1, term=1, reject=True))
    assert (node.raft.state, node.raft.tracker.votes) == (CANDIDATE, {1: True, 2: False})


# -- entries -----------------------------------------------------------------------------------------------------------


def test_uncommitted_proposals_of_peers() -> None:
    """The quota on a leader's uncommitted payload holds for every proposer."""
    node = new_leader(max_uncommitted_entries_size=100)
    m = Message(type=MessageType.MSG_PROP, from_=2, to=1, entries=[Entry(data=b"x" * 60)])
    node.step(m)
    before = dump_node(node)
    with pytest.raises(ProposalDropped) as caught:
        node.step(m)
    assert caught.value.reason == "too much is uncommitted"
    assert dump_node(node) == before


def test_appends_in_flight() -> None:
    """However often a peer answers, its window limits the messages on the way to it."""
    node = new_leader(max_inflight_msgs=3, max_size_per_msg=0, max_committed_size_per_ready=MAX)
    commit(node)
    for _ in range(20):
        node.propose(b"x")
    run(node)
    for _ in range(50):
        node.step(Message(type=MessageType.MSG_HEARTBEAT_RESP, from_=2, to=1, term=1))
        node.step(Message(type=MessageType.MSG_APP_RESP, from_=2, to=1, term=1, index=1))
        [ready] = run(node)
        assert sum(len(m.entries) for m in ready.messages) == 0
        assert len(ready.messages) == 1
    assert node.raft.tracker.progress[2].inflights.count() == 3
