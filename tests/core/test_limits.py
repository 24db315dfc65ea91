"""What a peer can make grow, and where that ends: each limit with its error, and nothing changed by what is refused."""

import pytest

from raftcy import MemoryStorage, Message, MessageType, ProposalDropped, RawNode

from .network import FOLLOWER, LEADER, make_config
from .peers import run, snapshot_of
from .state import dump_node

MAX = 2**64 - 1
# The last index that an append may bring, and so the last one that a leader gives away.
LAST = MAX - 2


def leader_at(index: int) -> RawNode:
    """A leader of two whose log began with a snapshot just before `index`, where its first entry is."""
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
    """A log that a hostile snapshot has brought near the end of numbers fills up; the node lives on."""
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
    """A leader begins with an empty entry, which needs a place that others take."""
    storage = MemoryStorage()
    storage.apply_snapshot(snapshot_of(index, 1, voters=[1]))
    node = RawNode(make_config(1, storage))
    node.campaign()
    run(node)
    for _ in range(50):
        node.tick()
    assert (node.raft.state, node.raft.term) == (FOLLOWER, 0)
