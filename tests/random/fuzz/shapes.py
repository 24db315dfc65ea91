"""Builds messages close enough to valid ones to be acted upon: terms, indexes and ids near those of a node.

The results are bytes, as they arrive from the network.
"""

from typing import Any

from raftcy import (
    ConfChange,
    ConfChangeSingle,
    ConfChangeV2,
    ConfState,
    Entry,
    EntryType,
    Message,
    MessageType,
    Snapshot,
    SnapshotMetadata,
)

from .choices import Choices

MAX = 2**64 - 1
# Mostly types that travel; the others must be refused.
TYPES = [
    *[kind for kind in MessageType if 2 <= kind <= 9 or 13 <= kind <= 18],
    MessageType.MSG_APP,
    MessageType.MSG_APP_RESP,
    MessageType.MSG_HEARTBEAT_RESP,
    MessageType.MSG_SNAP,
    MessageType.MSG_PROP,
    *[kind for kind in MessageType if 2 <= kind <= 9 or 13 <= kind <= 18],
    *MessageType,
    99,
    -1,
]
IDS = [2, 3, 2, 3, 2, 3, 2, 2, 2, 3, 4, 5, 1, 0, 77, MAX, MAX - 2]
NEAR = [0, 0, 0, 1, -1, 2, -2, 5]
ODD_CONTEXTS = [
    b"",
    b"CampaignTransfer",
    b"x",
    bytes(7),
    bytes(9),
    (1).to_bytes(8, "little"),
    MAX.to_bytes(8, "little"),
]


def clamp(number: int) -> int:
    """The nearest 64-bit number."""
    return min(max(number, 0), MAX)


def near_term(c: Choices, raft: Any) -> int:
    """Usually the node's own term."""
    how = c.below(16)
    if how < 9:
        return int(raft.term)
    if how < 13:
        return clamp(raft.term + (1, -1, 2, 9)[how - 9])
    return (0, MAX, MAX - 1)[how - 13]


def near_index(c: Choices, raft: Any) -> int:
    """An index near one of the places that matter in the log."""
    log = raft.log
    bases = [log.last_index(), log.last_index(), log.committed, log.applied, log.first_index() - 1, 0, MAX]
    return clamp(c.pick(bases) + c.pick(NEAR))


def term_at(c: Choices, raft: Any, index: int) -> int:
    """Usually the node's term at that index."""
    if c.below(8) == 7:
        return near_term(c, raft)
    return int(raft.log.term_or_zero(index))


def change(c: Choices) -> bytes:
    """The payload of a configuration change, or bytes that are not one."""
    how = c.below(8)
    if how == 0:
        return c.octets(c.below(8))
    if how < 3:
        return ConfChange(id=1, type=c.below(5), node_id=c.pick(IDS), context=b"v1").encode()
    steps = [ConfChangeSingle(type=c.below(5), node_id=c.pick(IDS)) for _ in range(c.below(4))]
    return ConfChangeV2(transition=c.pick([0, 0, 1, 2, 3]), changes=steps).encode()


def entry(c: Choices, term: int | None, index: int | None) -> Entry:
    """An entry whose place may be slightly wrong."""
    how = c.below(16)
    if how == 15 and index is not None:
        index = clamp(index + c.pick(NEAR))
    if how == 14 and term is not None:
        term = clamp(term + c.pick(NEAR))
    if how < 8:
        return Entry(term=term, index=index, data=bytes([how]) * how)
    if how < 13:
        kind = EntryType.CONF_CHANGE if how == 8 else EntryType.CONF_CHANGE_V2
        return Entry(type=kind, term=term, index=index, data=change(c))
    return Entry(type=c.pick([0, 3, -1]), term=term, index=index)


def entries(c: Choices, index: int, term: int) -> list[Entry]:
    """Some entries after (`index`, `term`), mostly in order."""
    made = []
    for _ in range(c.below(5)):
        index = clamp(index + 1)
        made.append(entry(c, term, index))
    return made


def proposals(c: Choices) -> list[Entry]:
    """Entries without a place, rarely an empty list."""
    return [entry(c, None, None) for _ in range(c.pick([1, 1, 2, 3, 0]))]


def members(c: Choices) -> ConfState:
    """A configuration: usually a valid one that contains node 1."""
    usual = [([1, 2, 3], [], [], []), ([1], [], [], []), ([2, 3], [1], [], []), ([1, 2], [], [1, 2, 3], [3])]
    how = c.below(6)
    if how < 4:
        voters, learners, outgoing, following = usual[how]
    else:
        voters, learners, outgoing, following = ([c.pick(IDS) for _ in range(c.below(4))] for _ in range(4))
    return ConfState(
        voters=voters,
        learners=learners,
        voters_outgoing=outgoing,
        learners_next=following,
        auto_leave=c.below(4) == 3,
    )


def snapshot(c: Choices, raft: Any) -> Snapshot | None:
    """A snapshot near the end of the log; rarely none."""
    if c.below(12) == 11:
        return None
    index = near_index(c, raft)
    term = near_term(c, raft) if c.flag() else int(raft.log.last_term())
    return Snapshot(data=b"s", metadata=SnapshotMetadata(conf_state=members(c), index=index, term=term))


def message(c: Choices, raft: Any) -> bytes:
    """A message to the node that owns this state machine."""
    kind = c.pick(TYPES)
    fields: dict[str, Any] = {"type": kind, "to": raft.id, "from_": c.pick(IDS), "term": near_term(c, raft)}
    if kind == MessageType.MSG_APP:
        index = near_index(c, raft)
        term = term_at(c, raft, index)
        fields |= {"index": index, "log_term": term, "commit": near_index(c, raft)}
        fields["entries"] = entries(c, index, max(term, int(raft.term)) if c.flag() else term)
    elif kind == MessageType.MSG_PROP:
        fields |= {"entries": proposals(c), "term": 0 if c.below(8) else fields["term"]}
    elif kind == MessageType.MSG_SNAP:
        fields["snapshot"] = snapshot(c, raft)
    elif kind in (MessageType.MSG_READ_INDEX, MessageType.MSG_READ_INDEX_RESP):
        fields |= {"entries": proposals(c), "index": near_index(c, raft), "term": 0 if c.below(4) else fields["term"]}
    elif kind == MessageType.MSG_HEARTBEAT:
        fields |= {"commit": near_index(c, raft), "context": c.pick(ODD_CONTEXTS)}
    elif kind == MessageType.MSG_HEARTBEAT_RESP:
        number = clamp(raft.read_only.last_number() + c.pick(NEAR))
        fields["context"] = number.to_bytes(8, "little") if c.below(4) else c.pick(ODD_CONTEXTS)
    elif kind == MessageType.MSG_TRANSFER_LEADER:
        fields["term"] = 0 if c.below(4) else fields["term"]
    else:
        index = near_index(c, raft)
        fields |= {"index": index, "log_term": term_at(c, raft, index), "reject": c.below(3) == 2}
        fields |= {"reject_hint": near_index(c, raft), "context": c.pick([b"", b"", *ODD_CONTEXTS])}
    return Message(**{name: value for name, value in fields.items() if value is not None}).encode()


def damaged(c: Choices, data: bytes) -> bytes:
    """The bytes with one of them changed, left out, or doubled."""
    if not data:
        return data
    at = c.below(256) % len(data)
    how = c.below(4)
    if how == 0:
        return data[:at] + data[at + 1 :]
    if how == 1:
        return data[: at + 1] + data[at:]
    return data[:at] + bytes([data[at] ^ (1 << c.below(8))]) + data[at + 1 :]
