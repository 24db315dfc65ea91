"""What a node refuses, by a typed error, before anything changes; the node keeps running.

Most of these messages end the process in etcd's raft, or plant something that ends it later. If etcd has an error text,
ours is the same. The exceptions are at the end: causes of a node's death, which every later call reports.
"""

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from raftcy import (
    LOCAL_APPEND_THREAD,
    LOCAL_APPLY_THREAD,
    BootstrapError,
    ConfChange,
    ConfChangeError,
    ConfChangeSingle,
    ConfChangeType,
    ConfChangeV2,
    Entry,
    EntryType,
    HardState,
    InvariantError,
    LogLost,
    MalformedMessage,
    MemoryStorage,
    Message,
    MessageType,
    Peer,
    ProposalDropped,
    RangeError,
    RawNode,
    ReadOnlyOption,
    SnapshotStatus,
    StepError,
    StepLocalMessage,
    StepPeerNotFound,
    Stopped,
    StorageFailed,
    Unavailable,
    is_local_msg,
    refuse_from_network,
)
from raftcy_pure.core import log as pure_log
from raftcy_pure.core import outbox as pure_outbox
from raftcy_pure.core import progress as pure_progress
from raftcy_pure.core import raft as pure_raft
from raftcy_pure.core import readonly as pure_readonly
from raftcy_pure.core import tracker as pure_tracker
from raftcy_pure.core import unstable as pure_unstable
from tests.support.network import CANDIDATE, LEADER, PRE_CANDIDATE, entries_of, make_config, make_storage
from tests.support.peers import run, snapshot_of
from tests.support.state import LOG_NUMBERS, NUMBERS, PROGRESS_NUMBERS, UNSTABLE_NUMBERS, dump_node, dump_raft

APP = MessageType.MSG_APP
APP_RESP = MessageType.MSG_APP_RESP
FORGET_LEADER = MessageType.MSG_FORGET_LEADER
HEARTBEAT = MessageType.MSG_HEARTBEAT
HEARTBEAT_RESP = MessageType.MSG_HEARTBEAT_RESP
PRE_VOTE = MessageType.MSG_PRE_VOTE
PROP = MessageType.MSG_PROP
READ_INDEX = MessageType.MSG_READ_INDEX
SNAP = MessageType.MSG_SNAP
STORAGE_APPEND_RESP = MessageType.MSG_STORAGE_APPEND_RESP
STORAGE_APPLY_RESP = MessageType.MSG_STORAGE_APPLY_RESP
TRANSFER = MessageType.MSG_TRANSFER_LEADER
VOTE = MessageType.MSG_VOTE
VOTE_RESP = MessageType.MSG_VOTE_RESP

MAX = 2**64 - 1
CONF_CHANGE = EntryType.CONF_CHANGE
CONF_CHANGE_V2 = EntryType.CONF_CHANGE_V2
ADD = ConfChangeType.ADD_NODE
LOST = "Was the raft log corrupted, truncated, or lost?"


# -- nodes for the tests -----------------------------------------------------------------------------------------------


def stored(
    terms: tuple[int, ...] = (1, 1, 2), term: int = 2, commit: int = 1, voters: Any = (1, 2, 3)
) -> MemoryStorage:
    """A storage with three entries, the first of them committed."""
    storage = make_storage(voters, terms=terms)
    storage.set_hard_state(HardState(term=term, commit=commit))
    return storage


def lonely(**options: Any) -> RawNode:
    """A follower without a leader, one of three voters, at term 2."""
    node = RawNode(make_config(1, stored(), **options))
    run(node)
    return node


def follower(**options: Any) -> RawNode:
    """A follower of node 2."""
    node = lonely(**options)
    node.step(Message(type=HEARTBEAT, from_=2, to=1, term=2, commit=1))
    run(node)
    assert node.raft.lead == 2
    return node


def candidate(**options: Any) -> RawNode:
    """A candidate of term 3."""
    node = lonely(**options)
    node.campaign()
    run(node)
    assert node.raft.state == CANDIDATE
    return node


def pre_candidate() -> RawNode:
    """A node of term 2 that asks whether it could win term 3."""
    node = lonely(pre_vote=True)
    node.campaign()
    run(node)
    assert node.raft.state == PRE_CANDIDATE
    return node


def leader(**options: Any) -> RawNode:
    """The leader of term 3. Its first entry, at index 4, is committed; nobody has stored the entry at 5."""
    node = candidate(**options)
    node.step(Message(type=VOTE_RESP, from_=2, to=1, term=3))
    run(node)
    node.step(Message(type=APP_RESP, from_=2, to=1, term=3, index=4))
    run(node)
    node.propose(b"x")
    assert (node.raft.state, node.raft.log.committed, node.raft.log.last_index()) == (LEADER, 4, 5)
    return node


def single(**options: Any) -> RawNode:
    """The only voter, leading term 3."""
    node = RawNode(make_config(1, stored(commit=3, voters=[1]), **options))
    node.campaign()
    run(node)
    assert node.raft.state == LEADER
    return node


def seeded() -> RawNode:
    """A node of term 0 that begins with a snapshot at index 10, as a new group may."""
    storage = MemoryStorage()
    storage.apply_snapshot(snapshot_of(10, 1, voters=[1, 2, 3]))
    return RawNode(make_config(1, storage))


def leader_of_lease() -> RawNode:
    """A leader that answers reads by its lease."""
    return leader(check_quorum=True, read_only_option=ReadOnlyOption.LEASE_BASED)


def deaf() -> RawNode:
    """A follower of node 2 that does not forward proposals."""
    return follower(disable_proposal_forwarding=True)


def still_works(node: RawNode) -> None:
    """A leader can still commit; any other node can still be led by node 3."""
    raft = node.raft
    run(node)
    if raft.state == LEADER:
        node.propose(b"after")
        run(node)
        last = raft.log.last_index()
        for peer in raft.tracker.voter_nodes()[1:]:
            node.step(Message(type=APP_RESP, from_=peer, to=1, term=raft.term, index=last))
        run(node)
        assert (raft.log.committed, raft.log.applied, raft.log.term(last)) == (last, last, raft.term)
        return
    term, last = raft.term + 1, raft.log.last_index()
    entries = entries_of([term], first=last + 1)
    node.step(
        Message(
            type=APP,
            from_=3,
            to=1,
            term=term,
            index=last,
            log_term=raft.log.last_term(),
            entries=entries,
            commit=last + 1,
        )
    )
    answers = [m for rd in run(node) for m in rd.messages if m.type == APP_RESP]
    assert [(m.to, m.index, m.reject) for m in answers] == [(3, last + 1, False)]
    assert (raft.lead, raft.log.committed, raft.log.applied) == (3, last + 1, last + 1)


def refuses(node: RawNode, m: Message, error: type[StepError], text: str) -> None:
    """The message is refused with this text, nothing changes, and the node keeps running."""
    before = dump_node(node)
    with pytest.raises(StepError) as caught:
        node.step(m)
    assert (type(caught.value), str(caught.value)) == (error, text)
    assert dump_node(node) == before
    [(place, again)] = node.step_many([m])
    assert (place, type(again), str(again)) == (0, error, text)
    assert dump_node(node) == before
    still_works(node)


def test_picture_is_complete() -> None:
    """The compared state has every attribute of the state machine.

    Exceptions are the logger, the random numbers, values kept twice for speed, and the start and count of lists. A
    leading underscore makes no difference, because a property then shows the attribute.
    """
    kept_twice = {"_last", "_last_term", "_memory", "_incoming", "_outgoing", "_peers", "_by_id", "_window_is_shared"}
    kept_twice |= {"_plain_random", "has_own", "_head", "count"}
    aside = kept_twice | {"_log", "_random", "trace_logger", "log", "storage", "offer"}
    picture = dump_raft(leader().raft)
    parts = [
        (pure_raft.Raft, {*NUMBERS, *picture}),
        (pure_log.RaftLog, {*LOG_NUMBERS, *picture["log"]}),
        (pure_unstable.Unstable, {*UNSTABLE_NUMBERS, *picture["log"]["unstable"]}),
        (pure_progress.Progress, {*PROGRESS_NUMBERS, "inflights", "_state"}),
        (pure_readonly.ReadOnly, set(picture["read_only"])),
        (pure_outbox.Outbox, set(picture["outbox"])),
        (pure_tracker.ProgressTracker, {*picture["tracker"], "max_inflight", "max_inflight_bytes"}),
    ]
    for cls, shown in parts:
        names = {name for name in cls.__slots__ if name.removeprefix("_") not in shown}
        assert names - shown - aside == set(), cls


# -- refused -----------------------------------------------------------------------------------------------------------


def proposal(*entries: Entry, **fields: Any) -> Message:
    """A proposal at node 1."""
    return Message(type=PROP, from_=1, to=1, entries=entries, **fields)


def single_change(**fields: Any) -> bytes:
    """The encoding of a ConfChangeV2 of one member."""
    kind = fields.pop("type", ADD)
    return ConfChangeV2(changes=[ConfChangeSingle(type=kind, node_id=4)], **fields).encode()


UNDECODABLE = "undecodable configuration change in MsgProp: field is cut off at offset 0"

PROPOSALS = [
    pytest.param(proposal(), "1 stepped empty MsgProp", id="empty"),
    pytest.param(proposal(Entry(type=CONF_CHANGE, data=b"\xff")), UNDECODABLE, id="undecodable_v1"),
    pytest.param(proposal(Entry(type=CONF_CHANGE_V2, data=b"\x0a\x05")), UNDECODABLE, id="undecodable_v2"),
    pytest.param(
        proposal(Entry(data=b"x"), Entry(type=CONF_CHANGE, data=b"\xff")), UNDECODABLE, id="undecodable_later"
    ),
    pytest.param(
        proposal(Entry(type=CONF_CHANGE, data=ConfChange(type=7, node_id=4).encode())),
        "unexpected conf type 7",
        id="unknown_type_v1",
    ),
    pytest.param(
        proposal(Entry(type=CONF_CHANGE_V2, data=single_change(type=7))), "unexpected conf type 7", id="unknown_type_v2"
    ),
    pytest.param(
        proposal(Entry(type=CONF_CHANGE_V2, data=single_change(transition=7))),
        "unknown transition: 7",
        id="unknown_transition",
    ),
]


@pytest.mark.parametrize(("m", "text"), PROPOSALS)
@pytest.mark.parametrize("make", [lonely, follower, deaf, candidate, leader, single], ids=lambda make: make.__name__)
def test_proposals_that_would_poison(make: Callable[[], RawNode], m: Message, text: str) -> None:
    """A node that accepts or forwards such an entry would end its leader or, once it is committed, every node."""
    refuses(make(), m, MalformedMessage, text)


def append(index: int, log_term: int, *entries: tuple[int, int], from_: int = 2, term: int = 2) -> Message:
    """An append of entries, each a (term, index)."""
    made = [Entry(term=each, index=place) for each, place in entries]
    return Message(type=APP, from_=from_, to=1, term=term, index=index, log_term=log_term, entries=made)


def gap_text(log_term: int, index: int) -> str:
    return f"entries of MsgApp must follow ({log_term},{index}) without gaps and with non-decreasing terms"


APPENDS = [
    pytest.param(append(3, 2, (2, 5)), gap_text(2, 3), id="gap"),
    pytest.param(append(3, 2, (2, 4), (2, 6)), gap_text(2, 3), id="gap_later"),
    pytest.param(append(3, 2, (2, 3)), gap_text(2, 3), id="not_after_the_index"),
    pytest.param(append(3, 2, (2, 0)), gap_text(2, 3), id="no_index"),
    pytest.param(append(3, 2, (1, 4)), gap_text(2, 3), id="older_than_what_precedes"),
    pytest.param(append(1, 1, (2, 2), (1, 3)), gap_text(1, 1), id="falling_terms"),
    pytest.param(append(1, 1, (2, 1), (2, 2)), gap_text(1, 1), id="conflict_with_committed"),
    pytest.param(append(MAX, 2, (2, 0)), gap_text(2, MAX), id="wrapped"),
    pytest.param(append(MAX - 2, 2, (2, MAX - 1)), f"MsgApp up to index {MAX - 1}: no index can follow", id="last"),
]


@pytest.mark.parametrize(("m", "text"), APPENDS)
@pytest.mark.parametrize("make", [lonely, follower, candidate, leader], ids=lambda make: make.__name__)
def test_appends_with_broken_entries(make: Callable[[], RawNode], m: Message, text: str) -> None:
    """Entries continue the log one by one from the given place, and their terms never fall."""
    refuses(make(), m, MalformedMessage, text)


def test_an_append_whose_entries_were_cleared_is_empty() -> None:
    """Clearing the entries of a message after sending it harms no node that shares the message in its process."""
    node = follower()
    m = append(3, 2, (2, 4))
    m.entries.clear()
    last = node.raft.log.last_index()
    node.step(m)
    assert node.raft.log.last_index() == last
    assert run(node)[-1].messages[-1].type == MessageType.MSG_APP_RESP
    still_works(node)


def test_an_append_after_the_term_that_no_entry_has() -> None:
    """Here this term stands for an unknown one, and matches no place in the log, known or not."""
    for index in (1, 3, 4, 50):
        node = follower()
        last = node.raft.log.last_index()
        node.step(append(index, MAX))
        answer = run(node)[-1].messages[-1]
        committed = index < node.raft.log.committed
        assert (answer.type, answer.reject) == (MessageType.MSG_APP_RESP, not committed)
        assert node.raft.log.last_index() == last
        still_works(node)


def from_leader(kind: MessageType, **fields: Any) -> Message:
    """A message from node 2 in its term, 2."""
    return Message(type=kind, from_=2, to=1, term=2, **fields)


def snapshot_at(index: int, log_term: int = 2, **members: Any) -> Message:
    """A snapshot from node 2."""
    return from_leader(SNAP, snapshot=snapshot_of(index, log_term, **members))


def impossible(members: str) -> str:
    return f"MsgSnap with an impossible {members}"


SNAPSHOTS = [
    pytest.param({"voters": [1, 1, 2]}, impossible("ConfState(voters=[1, 1, 2])"), id="voter_twice"),
    pytest.param(
        {"voters": [1, 2], "learners": [2]},
        impossible("ConfState(voters=[1, 2], learners=[2])"),
        id="voter_and_learner",
    ),
    pytest.param({"voters": [1, 0]}, impossible("ConfState(voters=[1, 0])"), id="id_0"),
    pytest.param(
        {"voters": [0, 1]}, "unable to restore config ConfState(voters=[0, 1]): removed all voters", id="id_0_first"
    ),
    pytest.param(
        {"voters": [1], "auto_leave": True}, impossible("ConfState(voters=[1], auto_leave=True)"), id="leaving_nothing"
    ),
    pytest.param(
        {"voters": [1], "learners_next": [2]},
        impossible("ConfState(voters=[1], learners_next=[2])"),
        id="learner_of_no_change",
    ),
    pytest.param(
        {"learners": [1]}, "unable to restore config ConfState(learners=[1]): removed all voters", id="learners_only"
    ),
    pytest.param(
        {"voters_outgoing": [1]},
        "unable to restore config ConfState(voters_outgoing=[1]): removed all voters",
        id="outgoing_only",
    ),
]


@pytest.mark.parametrize(("members", "text"), SNAPSHOTS)
@pytest.mark.parametrize("make", [lonely, follower], ids=lambda make: make.__name__)
def test_snapshots_of_impossible_members(make: Callable[[], RawNode], members: dict, text: str) -> None:
    """No sequence of changes leads to such a configuration."""
    refuses(make(), snapshot_at(11, **members), MalformedMessage, text)


@pytest.mark.parametrize("index", [MAX, MAX - 1])
def test_snapshots_at_the_end_of_numbers(index: int) -> None:
    """A log cannot continue after the last index."""
    text = f"MsgSnap at index {index}: no index can follow"
    refuses(follower(), snapshot_at(index, voters=[1, 2, 3]), MalformedMessage, text)


NO_TERM = "term should be set when sending {}"
NEITHER = "{} without a term"
FORWARDED = "term should not be set when sending {} (was 2)"
SELF = "message should not be self-addressed when sending {}"


@pytest.mark.parametrize(
    ("make", "m", "text"),
    [
        # An answer needs a term: the requested one, or for a refusal the node's own.
        (lonely, Message(type=VOTE, from_=3, to=1, index=3, log_term=2), NO_TERM.format("MsgVoteResp")),
        (lonely, Message(type=PRE_VOTE, from_=3, to=1, index=9, log_term=2), NO_TERM.format("MsgPreVoteResp")),
        (seeded, Message(type=VOTE, from_=3, to=1), NO_TERM.format("MsgVoteResp")),
        (seeded, Message(type=PRE_VOTE, from_=3, to=1, term=1), NO_TERM.format("MsgPreVoteResp")),
        (seeded, Message(type=PRE_VOTE, from_=3, to=1, term=1, index=9, log_term=1), NO_TERM.format("MsgPreVoteResp")),
        # A candidate adopts the term of a leader's message, so that must not be lower than its own.
        (candidate, Message(type=APP, from_=2, to=1, index=3, log_term=2), NEITHER.format("MsgApp")),
        (candidate, Message(type=HEARTBEAT, from_=2, to=1), NEITHER.format("MsgHeartbeat")),
        (candidate, Message(type=SNAP, from_=2, to=1), NEITHER.format("MsgSnap")),
        (pre_candidate, Message(type=APP, from_=2, to=1, index=3, log_term=2), NEITHER.format("MsgApp")),
        (pre_candidate, Message(type=HEARTBEAT, from_=2, to=1), NEITHER.format("MsgHeartbeat")),
        (pre_candidate, Message(type=SNAP, from_=2, to=1), NEITHER.format("MsgSnap")),
        # No log is ahead of its node's term.
        (lonely, append(3, 2, (2, 4), (3, 5)), "MsgApp of term 2 with an entry of term 3"),
        (follower, append(3, 2, (9, 4)), "MsgApp of term 2 with an entry of term 9"),
        (candidate, append(3, 2, (5, 4), term=4), "MsgApp of term 4 with an entry of term 5"),
        (leader, append(3, 2, (5, 4), term=4), "MsgApp of term 4 with an entry of term 5"),
        (follower, append(3, 2, (3, 4), term=0), "MsgApp of term 2 with an entry of term 3"),
        (follower, snapshot_at(11, 3, voters=[1, 2]), "MsgSnap of term 2 with a snapshot of term 3"),
        (lonely, snapshot_at(3, MAX, voters=[1, 2]), f"MsgSnap of term 2 with a snapshot of term {MAX}"),
        # A message without a term does not come from a leader, so its commit index proves nothing.
        (follower, Message(type=HEARTBEAT, from_=2, to=1, commit=50), NEITHER.format("MsgHeartbeat")),
        (seeded, Message(type=HEARTBEAT, from_=2, to=1, commit=50), NEITHER.format("MsgHeartbeat")),
        # A message that is forwarded to the leader has no term.
        (follower, Message(type=TRANSFER, from_=3, to=1, term=2), FORWARDED.format("MsgTransferLeader")),
        (follower, proposal(Entry(data=b"x"), term=2), FORWARDED.format("MsgProp")),
        (
            follower,
            Message(type=READ_INDEX, from_=1, to=1, term=2, entries=[Entry(data=b"x")]),
            FORWARDED.format("MsgReadIndex"),
        ),
        # No node leads or probes itself.
        (follower, Message(type=HEARTBEAT, from_=1, to=1, term=2), SELF.format("MsgHeartbeatResp")),
        (follower, Message(type=APP, from_=1, to=1, term=2), SELF.format("MsgApp")),
        (
            follower,
            Message(type=SNAP, from_=1, to=1, term=2, snapshot=snapshot_of(11, 2, voters=[1, 2])),
            SELF.format("MsgSnap"),
        ),
        (leader, Message(type=HEARTBEAT_RESP, from_=1, to=1, term=3), SELF.format("MsgApp")),
        (leader, Message(type=APP_RESP, from_=1, to=1, term=3, index=5, reject=True), SELF.format("MsgApp")),
        # A read must have an entry, which the answer carries.
        (single, Message(type=READ_INDEX), "MsgReadIndex without an entry"),
        (single, Message(type=READ_INDEX, from_=1, to=1), "MsgReadIndex without an entry"),
        (leader, Message(type=READ_INDEX), "MsgReadIndex without an entry"),
        # Types and terms that do not exist, or that no other can follow.
        (follower, Message(type=-1, from_=2, to=1, term=2), "message type -1 is negative"),
        (follower, Message(type=HEARTBEAT, from_=2, to=1, term=MAX), f"MsgHeartbeat of term {MAX}: no term can follow"),
        (leader, Message(type=VOTE, from_=2, to=1, term=MAX), f"MsgVote of term {MAX}: no term can follow"),
        (candidate, Message(type=99, from_=2, to=1, term=MAX), f"99 of term {MAX}: no term can follow"),
        # Storage threads acknowledge only what they were given.
        (
            single,
            Message(type=STORAGE_APPLY_RESP, from_=LOCAL_APPLY_THREAD, to=1, entries=entries_of([3], first=50)),
            "applied(50) is out of range [prevApplied(4), committed(4)]",
        ),
        (
            follower,
            Message(type=STORAGE_APPEND_RESP, from_=LOCAL_APPEND_THREAD, to=1, snapshot=snapshot_of(11, 2, voters=[1])),
            "applied(11) is out of range [prevApplied(1), committed(1)]",
        ),
    ],
)
def test_messages_that_no_correct_peer_sends(make: Callable[[], RawNode], m: Message, text: str) -> None:
    """Each of these ends the process of etcd's raft, at once or later."""
    refuses(make(), m, MalformedMessage, text)


@pytest.mark.parametrize(
    ("fields", "index"),
    [
        ({"index": 6}, 6),
        ({"index": MAX}, MAX),
        ({"index": 6, "reject": True}, 6),
        ({"index": 5, "reject": True, "reject_hint": 7, "log_term": 3}, 7),
        ({"index": 8, "reject": True, "reject_hint": 7}, 8),
    ],
)
@pytest.mark.parametrize("from_", [1, 2])
def test_acknowledgements_of_what_does_not_exist(from_: int, fields: dict, index: int) -> None:
    """Nobody has, or refuses, entries that the leader itself does not have. Etcd's raft counts these answers."""
    if from_ == 1 and fields.get("reject"):
        text = SELF.format("MsgApp")
    else:
        text = f"MsgAppResp from {from_} for index {index} beyond the last index 5"
    refuses(leader(), Message(type=APP_RESP, from_=from_, to=1, term=3, **fields), MalformedMessage, text)


@pytest.mark.parametrize("size", range(1, 8))
def test_acknowledged_reads_of_a_wrong_size(size: int) -> None:
    """A heartbeat's context is an 8-byte number."""
    text = f"MsgHeartbeatResp with a context of {size} bytes instead of 8"
    m = Message(type=HEARTBEAT_RESP, from_=2, to=1, term=3, context=bytes(size))
    refuses(leader(), m, MalformedMessage, text)


@pytest.mark.parametrize("waiting", [0, 2])
@pytest.mark.parametrize("beyond", [1, 9, MAX - 2])
def test_acknowledged_reads_that_nobody_asked_for(waiting: int, beyond: int) -> None:
    """Only requested reads can be acknowledged."""
    node = leader()
    for _ in range(waiting):
        node.read_index(b"x")
    number = waiting + beyond
    m = Message(type=HEARTBEAT_RESP, from_=2, to=1, term=3, context=number.to_bytes(8, "little"))
    refuses(node, m, MalformedMessage, f"MsgHeartbeatResp acknowledges read {number} of {waiting}")


# -- harmless messages that look similar -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "m"),
    [
        # Messages are limited in size, so the commit index is often beyond their entries.
        (follower, from_leader(APP, index=3, log_term=2, entries=entries_of([2], first=4), commit=50)),
        # Requests without a term are refused with the node's own.
        (lonely, Message(type=VOTE, from_=3, to=1, index=1, log_term=1)),
        (follower, Message(type=VOTE, from_=3, to=1, index=3, log_term=2)),
        # Proposals and reads belong to a leader, with or without a term; without a leader a read is lost.
        (leader, proposal(Entry(data=b"x"), term=3)),
        (leader, Message(type=READ_INDEX, from_=2, to=1, term=3, entries=[Entry(data=b"x")])),
        (leader, Message(type=READ_INDEX, from_=2, to=1)),
        (lonely, Message(type=READ_INDEX)),
        (lonely, Message(type=TRANSFER, from_=3, to=1, term=2)),
        (follower, Message(type=TRANSFER, from_=3, to=1, term=1)),
        (follower, Message(type=TRANSFER, from_=3, to=1, term=3)),
        # A leader without a term is followed in the present term.
        (follower, Message(type=APP, from_=2, to=1, index=3, log_term=2)),
        (follower, Message(type=HEARTBEAT, from_=2, to=1, commit=3)),
        (leader, Message(type=HEARTBEAT, from_=2, to=1, commit=50)),
        # An old leader, or one that this term does not have, says nothing about this node's log.
        (follower, Message(type=HEARTBEAT, from_=3, to=1, term=1, commit=50)),
        (leader, Message(type=HEARTBEAT, from_=3, to=1, term=3, commit=50)),
        # Answers that nobody reads.
        (follower, Message(type=APP_RESP, from_=2, to=1, term=2, index=50)),
        (leader, Message(type=APP_RESP, from_=2, to=1, term=2, index=50)),
        (leader, Message(type=APP_RESP, from_=2, to=1, term=4, index=50)),
        (follower, Message(type=HEARTBEAT_RESP, from_=2, to=1, term=2, context=b"x")),
        (leader, Message(type=HEARTBEAT_RESP, from_=1, to=1, term=4)),
        (leader_of_lease, Message(type=HEARTBEAT_RESP, from_=2, to=1, term=3, context=b"x")),
        # Only the first 8 bytes count, as in etcd's raft.
        (leader, Message(type=HEARTBEAT_RESP, from_=2, to=1, term=3, context=bytes(9))),
        # Useless snapshots are not checked; an empty one is just answered.
        (follower, snapshot_at(1, voters=[1, 1])),
        (follower, snapshot_at(3, voters=[1, 1])),
        (follower, snapshot_at(11, voters=[2, 2])),
        (follower, from_leader(SNAP)),
        (follower, snapshot_at(1, 9, voters=[1])),
        (follower, snapshot_at(11, 9, voters=[2])),
        # Neither are entries of a leader that nobody follows.
        (leader, append(3, 2, (9, 4), term=3)),
        (leader, append(3, 2, (9, 4), term=2)),
        (leader, snapshot_at(11, voters=[1, 1])),
        # A node of term 0 may refuse a vote with the requested term.
        (seeded, Message(type=VOTE, from_=3, to=1, term=1)),
        # Future types.
        (follower, Message(type=99, from_=2, to=1, term=2)),
        (leader, Message(type=99, from_=2, to=1, term=3)),
    ],
)
def test_harmless_messages_pass(make: Callable[[], RawNode], m: Message) -> None:
    """Looking odd is not enough to be refused."""
    node = make()
    node.step(m)
    still_works(node)


def test_commit_index_beyond_the_entries() -> None:
    """Only entries known to match the leader's are committed: up to the end of the message's entries."""
    node = follower()
    node.step(from_leader(APP, index=3, log_term=2, entries=entries_of([2], first=4), commit=50))
    assert node.raft.log.committed == 4


# -- etcd's errors -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in MessageType if is_local_msg(kind)], ids=str)
@pytest.mark.parametrize("make", [follower, candidate, leader], ids=lambda make: make.__name__)
def test_local_messages(make: Callable[[], RawNode], kind: MessageType) -> None:
    """A message that a node sends only to itself is not accepted from others."""
    m = Message(type=kind, from_=2, to=1)
    refuses(make(), m, StepLocalMessage, "raft: cannot step raft local message")


RESPONSES = (
    APP_RESP,
    VOTE_RESP,
    HEARTBEAT_RESP,
    MessageType.MSG_READ_INDEX_RESP,
    MessageType.MSG_PRE_VOTE_RESP,
)


@pytest.mark.parametrize("kind", RESPONSES, ids=str)
@pytest.mark.parametrize("make", [follower, candidate, leader], ids=lambda make: make.__name__)
def test_answers_of_strangers(make: Callable[[], RawNode], kind: MessageType) -> None:
    """A node that is not a member was not asked for anything."""
    m = Message(type=kind, from_=9, to=1, term=4, index=50)
    refuses(make(), m, StepPeerNotFound, "raft: cannot step as peer not found")


@pytest.mark.parametrize("make", [lonely, deaf, candidate], ids=lambda make: make.__name__)
def test_dropped_proposals(make: Callable[[], RawNode]) -> None:
    """A node that can neither accept nor forward a proposal says so, and nothing changes."""
    node = make()
    before = dump_node(node)
    for propose in (
        lambda: node.propose(b"x"),
        lambda: node.propose_conf_change(ConfChange(type=ADD, node_id=4)),
        lambda: node.step(proposal(Entry(data=b"x"))),
    ):
        with pytest.raises(ProposalDropped, match=r"^raft proposal dropped$"):
            propose()
    assert dump_node(node) == before
    still_works(node)


def test_dropped_change_is_pending_all_the_same() -> None:
    """A change dropped by the quota leaves its mark, as in etcd's raft: no other change until its index is applied."""
    node = leader(max_uncommitted_entries_size=1)
    pending = node.raft.log.last_index() + 1
    before = dump_raft(node.raft)
    with pytest.raises(ProposalDropped):
        node.propose_conf_change(ConfChange(type=ADD, node_id=4))
    after = dump_raft(node.raft)
    assert after.pop("pending_conf_index") == pending
    before.pop("pending_conf_index")
    assert after == before

    run(node)
    node.step(Message(type=APP_RESP, from_=2, to=1, term=3, index=5))
    run(node)
    assert node.raft.log.applied == 5
    reason = node.propose_conf_change_checked(ConfChange(type=ADD, node_id=4))
    assert reason == f"possible unapplied conf change at index {pending} (applied to 5)"
    assert node.raft.log.all_entries()[-1] == Entry(term=3, index=6)
    run(node)
    node.step(Message(type=APP_RESP, from_=2, to=1, term=3, index=6))
    run(node)
    assert node.propose_conf_change_checked(ConfChange(type=ADD, node_id=4)) is None


# -- from the network --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", MessageType, ids=str)
def test_what_transports_refuse(kind: MessageType) -> None:
    """A node accepts answers of storage threads only from its own; etcd's raft accepts them from anybody."""
    reason = refuse_from_network(Message(type=kind, from_=2, to=1))
    if kind == FORGET_LEADER:
        assert reason == "MsgForgetLeader is only for the node itself"
    else:
        assert reason == ("a local message" if is_local_msg(kind) else None)
    for thread in (LOCAL_APPEND_THREAD, LOCAL_APPLY_THREAD):
        assert refuse_from_network(Message(type=kind, from_=thread, to=1)) == "a storage thread is never a peer"


# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda node: node.propose("text"), TypeError),
        (lambda node: node.propose(1), TypeError),
        (lambda node: node.read_index(None), TypeError),
        (lambda node: node.step(None), TypeError),
        (lambda node: node.step(Entry()), TypeError),
        (lambda node: node.step_many([Entry()]), TypeError),
        (lambda node: node.propose_conf_change(b""), TypeError),
        (lambda node: node.propose_conf_change(ConfChange(type=7, node_id=4)), ConfChangeError),
        (lambda node: node.propose_conf_change(ConfChangeV2(transition=3)), ConfChangeError),
        (lambda node: node.apply_conf_change(None), TypeError),
        (lambda node: node.apply_conf_change(Entry()), TypeError),
        (lambda node: node.transfer_leader(-1), RangeError),
        (lambda node: node.transfer_leader(2**64), RangeError),
        (lambda node: node.transfer_leader("2"), TypeError),
        (lambda node: node.report_unreachable(-1), RangeError),
        (lambda node: node.report_snapshot(2**64, SnapshotStatus.FINISH), RangeError),
        (lambda node: node.report_snapshot(2, 3), ValueError),
        (lambda node: node.report_snapshot(2, None), ValueError),
        (lambda node: node.bootstrap([]), BootstrapError),
        (lambda node: node.bootstrap([Peer(0)]), BootstrapError),
        (lambda node: node.bootstrap([Peer(1)]), BootstrapError),
        (lambda node: node.set_randomized_election_timeout(0), ValueError),
    ],
)
@pytest.mark.parametrize("make", [follower, leader], ids=lambda make: make.__name__)
def test_wrong_arguments_are_refused(make: Callable[[], RawNode], call: Callable[[RawNode], Any], error: type) -> None:
    """A wrong argument is reported before anything changes, and the node keeps running."""
    node = make()
    before = dump_node(node)
    with pytest.raises(error):
        call(node)
    assert dump_node(node) == before
    still_works(node)


def test_error_of_an_argument_names_both_forms() -> None:
    """If an argument may have two forms and has neither, the error names both."""
    with pytest.raises(TypeError, match=r"^change must be of ConfChange or ConfChangeV2, not NoneType$"):
        follower().apply_conf_change(None)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (ConfChange(type=7, node_id=4), "unexpected conf type 7"),
        (ConfChangeV2(changes=[ConfChangeSingle(type=-1, node_id=4)]), "unexpected conf type -1"),
        (ConfChangeV2(transition=3), "unknown transition: 3"),
    ],
)
def test_changes_that_nobody_knows(change: Any, text: str) -> None:
    """The proposer gets the error itself, where other nodes refuse the message."""
    node = leader()
    before = dump_node(node)
    with pytest.raises(ConfChangeError) as caught:
        node.propose_conf_change(change)
    assert str(caught.value) == text
    assert dump_node(node) == before


# -- causes of death ---------------------------------------------------------------------------------------------------

CALLS: dict[str, Callable[[RawNode], Any]] = {
    "accept_ready": lambda node: node.accept_ready(None),
    "advance": lambda node: node.advance(),
    "apply_conf_change": lambda node: node.apply_conf_change(ConfChange(type=ADD, node_id=4)),
    "basic_status": lambda node: node.basic_status(),
    "offer_snapshots": lambda node: node.offer_snapshots(None),
    "begin_empty": lambda node: node.begin_empty(),
    "bootstrap": lambda node: node.bootstrap([Peer(1)]),
    "campaign": lambda node: node.campaign(),
    "check_alive": lambda node: node.check_alive(),
    "forget_leader": lambda node: node.forget_leader(),
    "has_ready": lambda node: node.has_ready(),
    "pending_work": lambda node: node.pending_work(),
    "poll": lambda node: node.poll(),
    "propose": lambda node: node.propose(b"x"),
    "propose_conf_change": lambda node: node.propose_conf_change(ConfChange(type=ADD, node_id=4)),
    "propose_conf_change_checked": lambda node: node.propose_conf_change_checked(None),
    "read_index": lambda node: node.read_index(b"x"),
    "ready": lambda node: node.ready(),
    "ready_without_accept": lambda node: node.ready_without_accept(),
    "report_snapshot": lambda node: node.report_snapshot(2, SnapshotStatus.FINISH),
    "report_unreachable": lambda node: node.report_unreachable(2),
    "set_randomized_election_timeout": lambda node: node.set_randomized_election_timeout(5),
    "status": lambda node: node.status(),
    "step": lambda node: node.step(Message(type=HEARTBEAT, from_=2, to=1, term=9)),
    "step_many": lambda node: node.step_many([]),
    "take_messages": lambda node: node.take_messages(),
    "tick": lambda node: node.tick(),
    "tick_quiesced": lambda node: node.tick_quiesced(),
    "transfer_leader": lambda node: node.transfer_leader(2),
    "with_progress": lambda node: node.with_progress(lambda *_: None),
}


class Broken(MemoryStorage):
    """A storage that fails on demand, by raising `fault`."""

    fault: Exception | None = None

    def term(self, i: int) -> int:
        if self.fault is not None:
            raise self.fault
        return super().term(i)

    def entries(self, lo: int, hi: int, max_size: int) -> list[Entry]:
        if self.fault is not None:
            raise self.fault
        return super().entries(lo, hi, max_size)


def on_broken(fault: Exception) -> RawNode:
    """A follower of node 2 whose storage has just failed."""
    storage = Broken()
    storage.apply_snapshot(snapshot_of(0, 0, voters=[1, 2, 3]))
    storage.append(entries_of([1, 1, 2]))
    storage.set_hard_state(HardState(term=2, commit=1))
    node = RawNode(make_config(1, storage))
    run(node)
    node.step(Message(type=HEARTBEAT, from_=2, to=1, term=2, commit=1))
    run(node)
    storage.fault = fault
    return node


def log_lost() -> tuple[RawNode, Callable[[], Any]]:
    node = follower()
    return node, lambda: node.step(from_leader(HEARTBEAT, commit=4))


def log_lost_among_many() -> tuple[RawNode, Callable[[], Any]]:
    node = follower()
    return node, lambda: node.step_many([from_leader(HEARTBEAT), from_leader(HEARTBEAT, commit=4), from_leader(APP)])


def log_lost_to_a_new_leader() -> tuple[RawNode, Callable[[], Any]]:
    node = leader()
    return node, lambda: node.step(Message(type=HEARTBEAT, from_=3, to=1, term=9, commit=6))


def two_readies() -> tuple[RawNode, Callable[[], Any]]:
    node = leader()
    node.ready()
    node.propose(b"y")
    return node, node.ready


def advanced_without_need() -> tuple[RawNode, Callable[[], Any]]:
    node = RawNode(make_config(1, stored(), async_storage_writes=True))
    return node, node.advance


def storage_fails() -> tuple[RawNode, Callable[[], Any]]:
    node = on_broken(OSError("no medium"))
    return node, lambda: node.step(from_leader(APP, index=2, log_term=1))


def storage_fails_while_vetting() -> tuple[RawNode, Callable[[], Any]]:
    node = on_broken(OSError("no medium"))
    return node, lambda: node.step(snapshot_at(2, voters=[1, 2, 3]))


def storage_has_no_committed_entries() -> tuple[RawNode, Callable[[], Any]]:
    node = on_broken(Unavailable())
    node.step(from_leader(HEARTBEAT, commit=3))
    return node, node.ready


def elected_without_being_a_member() -> tuple[RawNode, Callable[[], Any]]:
    node = candidate()
    node.apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=1))
    node.step(Message(type=VOTE_RESP, from_=2, to=1, term=3))
    return node, lambda: node.step(Message(type=VOTE_RESP, from_=3, to=1, term=3))


def logger_fails() -> tuple[RawNode, Callable[[], Any]]:
    class Logger:
        works = True

        def info(self, text: str) -> None:
            if not self.works:
                raise ZeroDivisionError(text)

        debug = warning = error = critical = info

    logger = Logger()
    node = lonely(logger=logger)
    logger.works = False
    return node, node.campaign


DEATHS = [
    (log_lost, LogLost, f"tocommit(4) is out of range [lastIndex(3)]. {LOST}"),
    (log_lost_among_many, LogLost, f"tocommit(4) is out of range [lastIndex(3)]. {LOST}"),
    (log_lost_to_a_new_leader, LogLost, f"tocommit(6) is out of range [lastIndex(5)]. {LOST}"),
    (two_readies, InvariantError, "two accepted Ready structs without call to Advance"),
    (advanced_without_need, InvariantError, "Advance must not be called when using AsyncStorageWrites"),
    (storage_fails, StorageFailed, "the storage failed: OSError('no medium')"),
    (storage_fails_while_vetting, StorageFailed, "the storage failed: OSError('no medium')"),
    (storage_has_no_committed_entries, InvariantError, "entries[2:4) is unavailable from storage"),
    (elected_without_being_a_member, InvariantError, "1 was elected but is not a member of voters=(2 3)"),
    (logger_fails, ZeroDivisionError, "1 is starting a new election at term 2"),
]


@pytest.mark.parametrize(("make", "error", "text"), DEATHS, ids=[make.__name__ for make, _, _ in DEATHS])
def test_death(make: Callable[[], tuple[RawNode, Callable[[], Any]]], error: type, text: str) -> None:
    """After a broken rule, a lost log, a failing storage or another error, later calls raise Stopped with the cause."""
    node, fatal = make()
    with pytest.raises(error) as caught:
        fatal()
    assert (type(caught.value), str(caught.value)) == (error, text)
    for name, call in CALLS.items():
        with pytest.raises(Stopped) as stopped:
            call(node)
        assert stopped.value.cause is caught.value, name
        assert str(stopped.value) == f"raft: stopped ({text})"
    assert node.id == 1


def test_every_call_is_tried() -> None:
    """The list above has every method of RawNode except ``fail``, which a dead node ignores."""
    methods = {name for name in dir(RawNode) if not name.startswith("_") and callable(getattr(RawNode, name))}
    assert methods == set(CALLS) | {"fail"}


def test_cause_of_a_failing_storage_is_kept() -> None:
    """StorageFailed carries the storage's own error."""
    _, fatal = storage_fails()
    with pytest.raises(StorageFailed) as caught:
        fatal()
    assert isinstance(caught.value.__cause__, OSError)


def test_lost_log_changes_nothing() -> None:
    """A node that lost its log neither follows the leader that revealed it, nor adopts its term.

    catches: etcd#10166
    """
    node, fatal = log_lost_to_a_new_leader()
    before = dump_raft(node.raft)
    with pytest.raises(LogLost):
        fatal()
    assert dump_raft(node.raft) == before


def test_lost_log_of_a_restarted_node() -> None:
    """The story: a voter returns with its old id but an empty storage, and its leader knows better.

    Its acknowledgements and votes are lost, so it must not take part any more.

    catches: etcd#21178
    """
    node = leader()
    run(node)
    node.step(Message(type=APP_RESP, from_=2, to=1, term=3, index=5))
    run(node)
    node.tick()
    [heartbeat] = [m for rd in run(node) for m in rd.messages if m.type == HEARTBEAT and m.to == 2]
    assert heartbeat.commit == 5
    back = RawNode(make_config(2, make_storage([1, 2, 3])))
    with pytest.raises(LogLost, match=r"^tocommit\(5\) is out of range \[lastIndex\(0\)\]\. "):
        back.step(heartbeat)
    with pytest.raises(Stopped):
        back.campaign()


def test_a_node_lives_on_after_an_invalid_change() -> None:
    """A configuration change that cannot be applied breaks no rule: all nodes refuse it alike."""
    node = single()
    with pytest.raises(ConfChangeError):
        node.apply_conf_change(ConfChange(type=ConfChangeType.REMOVE_NODE, node_id=1))
    still_works(node)


def test_stopped_can_be_pickled() -> None:
    """A dead node's error may cross a process border together with its cause."""
    error = Stopped(LogLost("gone"))
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (Stopped, "raft: stopped (gone)")
    assert (type(again.cause), str(again.cause)) == (LogLost, "gone")
