"""``batch_append``: proposals between two Readys go out as one append per peer, and nothing else changes."""

import random
from typing import Any

import pytest

import raftcy
from raftcy import NO_LIMIT, Entry, Message, MessageType, RawNode, Ready
from raftcy.core.entries import entries_size
from tests.random.lockstep.cluster import Options
from tests.random.lockstep.drivers import Event, Group, draw
from tests.support.network import make_config, make_storage
from tests.support.peers import run

APP = MessageType.MSG_APP
APP_RESP = MessageType.MSG_APP_RESP


def leader(**options: Any) -> RawNode:
    """Node 1 of three, which leads in term 1; all nodes have stored its empty entry at index 1."""
    node = RawNode(make_config(1, make_storage([1, 2, 3]), **{"batch_append": True, **options}))
    node.campaign()
    run(node)
    node.step(Message(type=MessageType.MSG_VOTE_RESP, to=1, from_=2, term=1))
    run(node)
    for peer in (2, 3):
        node.step(Message(type=APP_RESP, to=1, from_=peer, term=1, index=1))
    run(node)
    return node


def appends(ready: Ready, to: int) -> list[Message]:
    return [m for m in ready.messages if m.type == APP and m.to == to]


def indexes(m: Message) -> list[int]:
    return [e.index for e in m.entries]


def take(node: RawNode) -> Ready:
    """The next Ready, stored and advanced."""
    ready = node.ready()
    node.raft.log.storage.save(ready.hard_state, ready.entries, ready.snapshot)
    node.advance()
    return ready


def propose(node: RawNode, count: int) -> None:
    for number in range(count):
        node.propose(b"%08d" % number)


def test_one_append_for_all_that_was_proposed() -> None:
    node = leader()
    propose(node, 5)
    ready = take(node)
    for peer in (2, 3):
        [m] = appends(ready, peer)
        assert (m.index, m.log_term, m.commit, indexes(m)) == (1, 1, 1, [2, 3, 4, 5, 6])
        assert m.entries == ready.entries
    assert [str(pr) for pr in node.raft.tracker.peers()][1:] == ["StateReplicate match=1 next=7 inflight=1"] * 2


def test_off_by_default() -> None:
    node = leader(batch_append=False)
    propose(node, 5)
    assert [indexes(m) for m in appends(node.ready(), 2)] == [[2], [3], [4], [5], [6]]
    assert raftcy.Config().batch_append is False


def test_messages_are_not_larger_than_allowed() -> None:
    size = entries_size([Entry(term=1, index=2, data=b"%08d" % 0)])
    node = leader(max_size_per_msg=2 * size, max_committed_size_per_ready=NO_LIMIT)
    propose(node, 5)
    assert [indexes(m) for m in appends(node.ready(), 3)] == [[2, 3], [4, 5], [6]]


def test_the_window_is_counted_in_messages_that_are_sent() -> None:
    node = leader(max_inflight_msgs=2, max_size_per_msg=0, max_committed_size_per_ready=NO_LIMIT)
    propose(node, 5)
    assert [indexes(m) for m in appends(take(node), 2)] == [[2], [3]]
    propose(node, 1)
    assert appends(take(node), 2) == []
    node.step(Message(type=APP_RESP, to=1, from_=2, term=1, index=3))
    assert [indexes(m) for m in appends(node.ready(), 2)] == [[4], [5]]


def test_an_answer_in_between_sends_what_there_is() -> None:
    """The answer of a peer brings that peer the new entries; only the others still wait for them."""
    node = leader()
    propose(node, 2)
    run(node)
    propose(node, 2)
    node.step(Message(type=APP_RESP, to=1, from_=2, term=1, index=3))
    propose(node, 1)
    ready = node.ready()
    assert [(m.commit, indexes(m)) for m in appends(ready, 2)] == [(3, [4, 5]), (3, [6])]
    assert [(m.commit, indexes(m)) for m in appends(ready, 3)] == [(3, [4, 5]), (3, [6])]


def test_a_leader_that_steps_down_sends_nothing() -> None:
    node = leader()
    propose(node, 3)
    node.step(Message(type=MessageType.MSG_HEARTBEAT, to=1, from_=3, term=2))
    ready = node.ready()
    assert appends(ready, 2) == appends(ready, 3) == []
    assert [e.index for e in ready.entries] == [2, 3, 4]


def test_peers_that_are_not_sent_to_wait() -> None:
    """A probed peer gets one append, and a peer that needs a snapshot gets none."""
    node = leader()
    node.report_unreachable(2)
    node.raft.tracker.find(3).become_snapshot(1)
    propose(node, 3)
    ready = node.ready()
    assert [indexes(m) for m in appends(ready, 2)] == [[2, 3, 4]]
    assert appends(ready, 3) == []


def test_looking_at_a_ready_first() -> None:
    node = leader()
    propose(node, 2)
    rd = node.ready_without_accept()
    assert rd == node.ready_without_accept()
    node.accept_ready(rd)
    node.raft.log.storage.save(rd.hard_state, rd.entries, rd.snapshot)
    node.advance()
    assert not node.has_ready()


@pytest.mark.parametrize("seed", range(8))
def test_everybody_applies_the_same(seed: int) -> None:
    """Groups with and without the option apply the same; with it they never send more messages, and sometimes fewer."""
    o = Options(random.Random(seed))
    o.flags["async_storage_writes"] = False
    o.max_uncommitted_entries_size = 0
    events: list[Event] = [("campaign", 1)]
    rng = random.Random(seed)
    events += [e for e in (draw(rng, [1, 2], o) for _ in range(60)) if e[0] in ("propose", "tick", "read", "compact")]
    ended = []
    for batched in (False, True):
        o.flags["batch_append"] = batched
        group = Group(raftcy, o)
        for event in events:
            group.run(event)
        ended.append(([(h.applied, h.node.raft.log.committed) for h in group.hosts.values()], group.sent))
    assert ended[0][0] == ended[1][0]
    assert ended[1][1] <= ended[0][1]
