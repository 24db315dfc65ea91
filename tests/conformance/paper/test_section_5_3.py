"""Section 5.3: log replication."""

import pytest

from raftcy import ConfState, Entry, HardState, Message, MessageType
from tests.support.network import (
    DOWN,
    LEADER,
    Network,
    entries_of,
    hup,
    log_of,
    make_raft,
    make_storage,
    prop,
    read_messages,
    settle,
    take_role,
)
from tests.support.peers import accepted, make_elected, make_member, same_bytes

DATA = b"some data"


# -- the leader --------------------------------------------------------------------------------------------------------


def test_leader_replicates_a_proposal() -> None:
    """A leader appends a proposal as its next entry, stores it, and sends it to all together with the place before it.

    answers: TestLeaderStartReplication
    """
    raft = make_elected()
    last = raft.log.last_index()
    raft.step(prop(1, DATA))
    assert (raft.log.last_index(), raft.log.committed) == (last + 1, last)

    new = Entry(index=last + 1, term=1, data=DATA)
    fields = {"type": MessageType.MSG_APP, "from_": 1, "term": 1, "index": last, "log_term": 1, "commit": last}
    assert read_messages(raft) == [Message(to=to, entries=[new], **fields) for to in (2, 3)]
    assert raft.log.unstable.next_entries() == [new]


def test_leader_commits_an_entry() -> None:
    """A replicated entry is handed out, and the next appends tell the followers that it is committed.

    answers: TestLeaderCommitEntry
    """
    raft = make_elected()
    last = raft.log.last_index()
    raft.step(prop(1, DATA))
    for m in read_messages(raft):
        raft.step(accepted(m))

    assert raft.log.committed == last + 1
    assert raft.log.next_committed(True) == [Entry(index=last + 1, term=1, data=DATA)]
    assert [(m.type, m.to, m.commit) for m in read_messages(raft)] == [
        (MessageType.MSG_APP, to, last + 1) for to in (2, 3)
    ]


@pytest.mark.parametrize(
    ("size", "acceptors", "committed"),
    [
        (1, (), True),
        (3, (), False),
        (3, (2,), True),
        (3, (2, 3), True),
        (5, (), False),
        (5, (2,), False),
        (5, (2, 3), True),
        (5, (2, 3, 4), True),
        (5, (2, 3, 4, 5), True),
    ],
)
def test_majority_commits(size: int, acceptors: tuple, committed: bool) -> None:
    """An entry is committed once a majority has stored it, and the leader counts as one of them.

    answers: TestLeaderAcknowledgeCommit
    """
    raft = make_elected(size)
    last = raft.log.last_index()
    raft.step(prop(1, DATA))
    settle(raft)
    for m in list(raft.outbox.msgs):
        if m.to in acceptors:
            raft.step(accepted(m))
    assert raft.log.committed == last + committed


@pytest.mark.parametrize("terms", [(), (2,), (1, 2), (1,)], ids=str)
def test_commit_includes_what_is_before(terms: tuple) -> None:
    """By committing an entry of its term, a leader commits everything before it in order, also entries of older terms.

    answers: TestLeaderCommitPrecedingEntries
    """
    raft = make_member(terms=terms, term=2)
    take_role(raft, LEADER)
    raft.step(prop(1, DATA))
    for m in read_messages(raft):
        raft.step(accepted(m))
    last = len(terms)
    own = [Entry(index=last + 1, term=3), Entry(index=last + 2, term=3, data=DATA)]
    assert raft.log.next_committed(True) == [*entries_of(terms), *own]


# -- the followers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "commit"),
    [
        ((b"some data",), 1),
        ((b"some data", b"some data2"), 2),
        ((b"some data2", b"some data"), 2),
        ((b"some data", b"some data2"), 1),
    ],
)
def test_follower_applies_what_is_committed(data: tuple, commit: int) -> None:
    """A follower that learns of a commit hands out the entries up to there, in order.

    answers: TestFollowerCommitEntry
    catches: redisraft#14
    """
    entries = [Entry(index=index, term=1, data=each) for index, each in enumerate(data, 1)]
    raft = make_member(term=1)
    raft.step(Message(type=MessageType.MSG_APP, from_=2, to=1, term=1, entries=entries, commit=commit))
    assert raft.log.committed == commit
    assert raft.log.next_committed(True) == entries[:commit]


@pytest.mark.parametrize(
    ("log_term", "index", "wanted"),
    [
        pytest.param(0, 0, {"index": 1}, id="before_the_log"),
        pytest.param(1, 1, {"index": 1}, id="committed"),
        pytest.param(2, 2, {"index": 2}, id="uncommitted"),
        pytest.param(1, 2, {"index": 2, "reject": True, "reject_hint": 1, "log_term": 1}, id="another_term"),
        pytest.param(3, 3, {"index": 3, "reject": True, "reject_hint": 2, "log_term": 2}, id="beyond_the_log"),
    ],
)
def test_follower_checks_the_entry_before(log_term: int, index: int, wanted: dict) -> None:
    """A follower accepts entries only after one that both logs have (here entries 1 and 2 of that term).

    A refusal names the last place where the logs may agree, so the leader need not go back entry by entry.

    answers: TestFollowerCheckMsgApp
    """
    storage = make_storage([1, 2, 3], terms=(1, 2))
    storage.set_hard_state(HardState(commit=1))
    raft = make_raft(1, storage=storage)
    raft.become_follower(2, 2)
    raft.step(Message(type=MessageType.MSG_APP, from_=2, to=1, term=2, log_term=log_term, index=index))
    answer = Message(type=MessageType.MSG_APP_RESP, from_=1, to=2, term=2, **wanted)
    assert same_bytes(read_messages(raft), [answer])


@pytest.mark.parametrize(
    ("index", "log_term", "sent", "log", "to_store"),
    [
        pytest.param(2, 2, (3,), (1, 2, 3), (3,), id="new"),
        pytest.param(1, 1, (3, 4), (1, 3, 4), (3, 4), id="conflict_and_new"),
        pytest.param(0, 0, (1,), (1, 2), (), id="known"),
        pytest.param(0, 0, (3,), (3,), (3,), id="conflict"),
    ],
)
def test_follower_appends(index: int, log_term: int, sent: tuple, log: tuple, to_store: tuple) -> None:
    """An entry that conflicts with a new one is deleted along with everything after it; matching entries stay.

    The follower has entries 1 and 2 of the given terms. Only new entries are stored.

    answers: TestFollowerAppendEntries
    """
    raft = make_member(terms=(1, 2))
    raft.become_follower(2, 2)
    append = {"from_": 2, "to": 1, "term": 2, "log_term": log_term, "index": index}
    raft.step(Message(type=MessageType.MSG_APP, entries=entries_of(sent, index + 1), **append))
    assert raft.log.all_entries() == entries_of(log)
    assert raft.log.unstable.next_entries() == entries_of(to_store, index + 1)


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param((1, 1, 1, 4, 4, 5, 5, 6, 6), id="a"),
        pytest.param((1, 1, 1, 4), id="b"),
        pytest.param((1, 1, 1, 4, 4), id="b_and_one_more"),
        pytest.param((1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6), id="c"),
        pytest.param((1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7), id="d"),
        pytest.param((1, 1, 1, 4, 4, 4, 4), id="e"),
        pytest.param((1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3), id="f"),
        pytest.param((), id="empty"),
    ],
)
def test_leader_brings_a_follower_into_line(terms: tuple) -> None:
    """The leader's log of figure 7 replaces each follower's log from the point where they differ.

    A third node, known only by its vote, elects the leader where the follower's log is the better one.

    answers: TestLeaderSyncFollowerLog
    """
    storage = make_storage([1, 2, 3], terms=(1, 1, 1, 4, 4, 5, 5, 6, 6, 6))
    storage.set_hard_state(HardState(term=8, commit=10))
    net = Network([make_raft(1, storage=storage), make_raft(2, [1, 2, 3], terms=terms, term=7), DOWN])
    net.send(hup(1))
    net.send(Message(type=MessageType.MSG_VOTE_RESP, from_=3, to=1, term=9))
    assert net[1].state == LEADER
    net.propose(1)
    assert log_of(net[2]) == log_of(net[1])
    assert [e.term for e in net[2].log.all_entries()] == [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 9, 9]
    assert net[2].log.committed == 12


def test_heartbeat_never_commits_beyond_the_match() -> None:
    """A heartbeat commits nothing at a follower whose log may differ (figure 2, AppendEntries 5)."""
    raft = make_elected()
    raft.step(prop(1, DATA))
    for m in read_messages(raft):
        if m.to == 2:
            raft.step(accepted(m))
    read_messages(raft)
    assert raft.log.committed == 2
    raft.tick()
    assert [(m.type, m.to, m.commit) for m in read_messages(raft)] == [
        (MessageType.MSG_HEARTBEAT, 2, 2),
        (MessageType.MSG_HEARTBEAT, 3, 1),
    ]


def test_members_are_those_of_the_storage() -> None:
    """These tests run on the group that the storage names."""
    assert make_elected(5).tracker.conf_state() == ConfState(voters=[1, 2, 3, 4, 5])
