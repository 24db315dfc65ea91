"""A single node and messages of its peers, for tests that play the peers themselves.

Messages of `say`, and of the functions that use it, have the node's term. They are vetted first, as in `RawNode.step`.
"""

from collections.abc import Iterable
from typing import Any

from raftcy import ConfState, Entry, Message, MessageType, RawNode, Ready, Snapshot, SnapshotMetadata
from raftcy.core.entries import entries_size
from raftcy.core.raft import Raft
from raftcy.core.vet import vet

from .network import LEADER, hup, ids_to, make_raft, persist_and_apply, prop, read_messages, settle, take_role


def make_leader(voters: Iterable[int], learners: Iterable[int] = (), **options: Any) -> Raft:
    """Node 1 just after its election: its first entry is neither stored nor sent. See `make_raft` for the options."""
    raft = make_raft(1, voters, learners, **options)
    take_role(raft, LEADER)
    return raft


def snapshot_of(index: int, term: int, **members: Any) -> Snapshot:
    """A snapshot without data; `members` are the fields of its ConfState."""
    return Snapshot(metadata=SnapshotMetadata(index=index, term=term, conf_state=ConfState(**members)))


def make_quiet_leader(voters: Iterable[int], learners: Iterable[int] = (), **options: Any) -> Raft:
    """Like `make_leader`, but the first entry is stored, and its messages are gone."""
    raft = make_leader(voters, learners, **options)
    read_messages(raft)
    return raft


def make_member(size: int = 3, **options: Any) -> Raft:
    """Node 1 of a group of this size, just started. See `make_raft` for the options."""
    return make_raft(1, ids_to(size), **options)


def make_elected(size: int = 3, **options: Any) -> Raft:
    """Node 1, elected by its peers, its first entry committed and applied, and nothing left to send."""
    raft = make_member(size, **options)
    raft.step(hup(1))
    settle(raft)
    for peer in ids_to(size)[1:]:
        if raft.state != LEADER:
            raft.step(vote(raft, peer))
    for m in read_messages(raft):
        if m.type == MessageType.MSG_APP:
            raft.step(accepted(m))
    persist_and_apply(raft)
    read_messages(raft)
    if raft.state != LEADER or raft.log.applied != raft.log.last_index():
        raise AssertionError(f"no leader after all votes, or its first entry is not applied: {raft.log}")
    return raft


def vote(raft: Raft, peer: int, reject: bool = False) -> Message:
    """A peer's answer to the node's request for votes."""
    return Message(type=MessageType.MSG_VOTE_RESP, from_=peer, to=raft.id, term=raft.term, reject=reject)


def accepted(append: Message) -> Message:
    """The answer of a peer that has stored all entries of a MsgApp."""
    if append.type != MessageType.MSG_APP:
        raise ValueError(f"not an append: {append}")
    return Message(
        type=MessageType.MSG_APP_RESP,
        from_=append.to,
        to=append.from_,
        term=append.term,
        index=append.index + len(append.entries),
    )


def same_bytes(found: list[Message], wanted: list[Message]) -> bool:
    """Whether the messages have the same bytes on the wire; that includes which fields are present."""
    return [m.encode() for m in found] == [m.encode() for m in wanted]


def hand(raft: Raft, m: Message) -> None:
    """Deliver a message to a node as the network would."""
    vet(raft, m)
    raft.step(m)


def say(raft: Raft, peer: int, kind: MessageType, **fields: Any) -> None:
    """Deliver a peer's message to a node, in the node's term."""
    hand(raft, Message(type=kind, from_=peer, to=raft.id, term=raft.term, **fields))


def ack(raft: Raft, peer: int, index: int) -> None:
    """A peer acknowledges the entries up to `index`."""
    say(raft, peer, MessageType.MSG_APP_RESP, index=index)


def refuse(raft: Raft, peer: int, index: int, hint: int = 0, log_term: int = 0) -> None:
    """A peer refuses because it lacks the entry at `index`; the logs may agree at `hint`."""
    say(raft, peer, MessageType.MSG_APP_RESP, index=index, reject=True, reject_hint=hint, log_term=log_term)


def answer_heartbeat(raft: Raft, peer: int, context: bytes | None = None) -> None:
    """A peer answers a heartbeat."""
    say(raft, peer, MessageType.MSG_HEARTBEAT_RESP, context=context)


def send_append(raft: Raft, leader: int, index: int, log_term: int, terms: Iterable[int] = (), commit: int = 0) -> None:
    """A leader of the node's term sends entries of these terms, which follow (`index`, `log_term`)."""
    entries = [Entry(term=term, index=place) for place, term in enumerate(terms, index + 1)]
    say(raft, leader, MessageType.MSG_APP, index=index, log_term=log_term, entries=entries, commit=commit)


def send_snapshot(raft: Raft, leader: int, snapshot: Snapshot) -> None:
    """A leader of the node's term sends a snapshot."""
    say(raft, leader, MessageType.MSG_SNAP, snapshot=snapshot)


def propose(raft: Raft, *data: bytes) -> None:
    """Propose one entry at the node for each of `data`; without data, one empty entry."""
    hand(raft, prop(raft.id, *data))


def appends(raft: Raft, *data: bytes) -> list[Message]:
    """The messages that the node sends after a proposal of `data`."""
    propose(raft, *data)
    return read_messages(raft)


def the_one(messages: list[Message], kind: MessageType) -> Message:
    """The only message of a list, which must have this type."""
    assert [m.type for m in messages] == [kind]
    return messages[0]


def apply(raft: Raft, entries: list[Entry]) -> None:
    """Report committed entries as applied."""
    raft.storage_apply_resp(entries, entries_size(entries))


def run(node: RawNode) -> list[Ready]:
    """Take and store the node's Readys, without sending or applying anything. Returns the Readys."""
    storage = node.raft.log.storage
    taken = []
    while node.has_ready():
        rd = node.ready()
        if rd.snapshot is not None:
            storage.apply_snapshot(rd.snapshot)
        storage.append(rd.entries)
        if rd.hard_state is not None:
            storage.set_hard_state(rd.hard_state)
        taken.append(rd)
        node.advance()
    return taken
