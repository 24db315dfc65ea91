"""What the tests of the paper share: one node among peers that are played by the test."""

from raftcy import Entry, Message, MessageType
from raftcy.core.raft import Raft

from .network import LEADER, hup, ids_to, make_raft, persist_and_apply, read_messages, settle


def member(size: int = 3, **options: object) -> Raft:
    """Node 1 of a group of this size, just started; `options` as for `make_raft`."""
    return make_raft(1, ids_to(size), **options)


def leader(size: int = 3, **options: object) -> Raft:
    """Node 1 elected by its peers, with the empty entry of its term committed and applied, and nothing left to send."""
    raft = member(size, **options)
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
        raise ValueError(f"no append: {append}")
    return Message(
        type=MessageType.MSG_APP_RESP,
        from_=append.to,
        to=append.from_,
        term=append.term,
        index=append.index + len(append.entries),
    )


def same_bytes(found: list[Message], wanted: list[Message]) -> bool:
    """Whether the messages are the same on the wire, so that fields are also present or absent alike."""
    return [m.encode() for m in found] == [m.encode() for m in wanted]


def entry(index: int, term: int, data: bytes | None = None) -> Entry:
    """An entry of the log."""
    return Entry(index=index, term=term, data=data)
