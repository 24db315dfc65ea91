"""A cluster in one process, for tests of the state machine without storage threads or drivers.

Nodes are plain `Raft` objects. Their messages are delivered at once, in the order of sending, until none are left.
Messages that wait for a node's storage are released as if storing took no time; those to the node itself are stepped.
Nothing ticks by itself.

    net = Network(3)                      nodes 1, 2, 3, all voters, nothing stored
    net = Network([None, DOWN, Past(terms=(1, 1, 2))], check_quorum=True)
    net.campaign(1)
    net.propose(1, b"x")
    net.isolate(3)
    net.heal()
    assert net[1].state == StateType.LEADER

Every message is vetted before delivery, as in `RawNode.step`, so a cluster run also shows that vetting accepts every
message of a correct peer. To give a node a message that no peer would send, step it directly.
"""

import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from raftcy import (
    NO_LIMIT,
    Config,
    ConfState,
    Entry,
    HardState,
    MemoryStorage,
    Message,
    MessageType,
    ProposalDropped,
    Snapshot,
    SnapshotMetadata,
    StateType,
)
from raftcy.core.raft import Raft
from raftcy.core.vet import vet

FOLLOWER = StateType.FOLLOWER
CANDIDATE = StateType.CANDIDATE
PRE_CANDIDATE = StateType.PRE_CANDIDATE
LEADER = StateType.LEADER


class _Down:
    """Marks a member that never answers."""

    def __repr__(self) -> str:
        return "DOWN"


DOWN = _Down()


@dataclass
class Past:
    """The history of a member of a new network: the terms of its entries from index 1, its vote and its term.

    `term` defaults to the term of the last entry. `options` are Config fields, in addition to the network's.
    """

    terms: tuple[int, ...] = ()
    vote: int = 0
    term: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


# -- one node ----------------------------------------------------------------------------------------------------------


def ids_to(size: int) -> list[int]:
    """The ids of a group of this size, starting at 1."""
    return list(range(1, size + 1))


def entries_of(terms: Iterable[int], first: int = 1) -> list[Entry]:
    """Entries with these terms, from index `first` on, without data."""
    return [Entry(term=term, index=index) for index, term in enumerate(terms, first)]


def make_storage(voters: Iterable[int] = (), learners: Iterable[int] = (), terms: Iterable[int] = ()) -> MemoryStorage:
    """A storage that knows the members, with entries of these terms from index 1 on."""
    storage = MemoryStorage()
    members = ConfState(voters=list(voters), learners=list(learners))
    storage.apply_snapshot(Snapshot(metadata=SnapshotMetadata(conf_state=members)))
    storage.append(entries_of(terms))
    return storage


def make_config(id: int, storage: Any, **options: Any) -> Config:
    """A Config with 10 ticks for an election, 1 for a heartbeat, and no limit on messages; `options` override."""
    given = {
        "election_tick": 10,
        "heartbeat_tick": 1,
        "max_size_per_msg": NO_LIMIT,
        "max_inflight_msgs": 256,
        "random": random.Random(id),
    }
    return Config(id=id, storage=storage, **{**given, **options})


def make_raft(
    id: int,
    voters: Iterable[int] = (),
    learners: Iterable[int] = (),
    *,
    terms: Iterable[int] = (),
    vote: int = 0,
    term: int | None = None,
    storage: MemoryStorage | None = None,
    **options: Any,
) -> Raft:
    """A node that has just started from storage; the storage is `raft.log.storage`.

    Pass either its parts (members, entries, vote, term), or a `storage` that holds them all.
    """
    if storage is None:
        terms = tuple(terms)
        storage = make_storage(voters, learners, terms)
        if term is None:
            term = terms[-1] if terms else 0
        if term or vote:
            storage.set_hard_state(HardState(term=term, vote=vote))
    return Raft(make_config(id, storage, **options))


def let_out(raft: Raft, waiting: Iterable[Message]) -> None:
    """Release messages that waited for the storage: those to the node itself are stepped, the others join `msgs`."""
    for m in waiting:
        if m.to == raft.id:
            raft.step(m)
        else:
            raft.outbox.msgs.append(m)


def settle(raft: Raft) -> None:
    """Release everything that waits for the storage, and whatever this adds."""
    while raft.outbox.msgs_after_append:
        let_out(raft, take_waiting(raft))


def read_messages(raft: Raft) -> list[Message]:
    """Take all messages that the node wants to send, as if its storage had just caught up."""
    settle(raft)
    sent, raft.outbox.msgs = raft.outbox.msgs, []
    return sent


def take_waiting(raft: Raft) -> list[Message]:
    """Take the messages that wait for the storage, without releasing them."""
    waiting, raft.outbox.msgs_after_append = raft.outbox.msgs_after_append, []
    return list(waiting)


def persist(raft: Raft) -> None:
    """Store everything unstable in the node's storage, and release the messages that waited for it."""
    unstable = raft.log.unstable
    raft.log.storage.append(unstable.next_entries())
    unstable.stable_to(raft.log.last_index(), raft.log.last_term())
    settle(raft)


def persist_and_apply(raft: Raft) -> list[Entry]:
    """`persist`, and apply what is committed; returns the entries applied."""
    persist(raft)
    applied = raft.log.next_committed(True)
    raft.log.applied_to(raft.log.committed, 0)
    return applied


def take_role(raft: Raft, role: StateType, lead: int = 0) -> None:
    """Put a node that has just started into a role: follower in its term, or candidate or leader in the next one."""
    if role == FOLLOWER:
        raft.become_follower(raft.term, lead)
    elif role == PRE_CANDIDATE:
        raft.become_pre_candidate()
    else:
        raft.become_candidate()
        if role == LEADER:
            raft.become_leader()


def tick(raft: Raft, count: int) -> None:
    """Tick one node; its messages stay with it."""
    for _ in range(count):
        raft.tick()


def terms_of(raft: Raft) -> list[int]:
    """The terms of the node's entries, from its first index on."""
    return [e.term for e in raft.log.all_entries()]


def log_of(raft: Raft) -> tuple[list[Entry], int]:
    """A node's entries and commit index: equal for nodes with the same log."""
    return raft.log.all_entries(), raft.log.committed


def member_of(raft: Raft) -> tuple[int, int, int]:
    """State, term and last index: a node at a glance."""
    return raft.state, raft.term, raft.log.last_index()


# -- messages ----------------------------------------------------------------------------------------------------------


def hup(id: int) -> Message:
    """Tells the node to campaign."""
    return Message(type=MessageType.MSG_HUP, from_=id, to=id)


def beat(id: int) -> Message:
    """Tells the leader to send heartbeats."""
    return Message(type=MessageType.MSG_BEAT, from_=id, to=id)


def prop(id: int, *data: bytes, from_: int | None = None) -> Message:
    """A proposal of one entry for each of `data`, at the node `id`; of one empty entry if none is given."""
    entries = [Entry(data=each) for each in data] or [Entry()]
    return Message(type=MessageType.MSG_PROP, from_=id if from_ is None else from_, to=id, entries=entries)


# -- the network -------------------------------------------------------------------------------------------------------


class Network:
    """Members with ids 1 to n, and the connections between them.

    `peers` is the number of members, or a list with one item per member: None (a fresh node), DOWN, a Past, or a Raft
    made elsewhere with the id of its place. `learners` are the ids of members that do not vote. `options` are Config
    fields of the nodes made here.
    """

    def __init__(self, peers: int | list[Any], *, learners: Iterable[int] = (), **options: Any) -> None:
        given = [None] * peers if isinstance(peers, int) else list(peers)
        self.ids = ids_to(len(given))
        self.learners = sorted(learners)
        self.voters = [id for id in self.ids if id not in self.learners]
        self.nodes: dict[int, Raft] = {}
        self.down: set[int] = set()
        self.refused: list[Message] = []
        """Proposals that a node dropped, newest last."""
        self.hook: Callable[[Message], bool] | None = None
        """Called for each message on the wire; may inspect it, and returns whether it passes."""
        self._loss: dict[tuple[int, int], float] = {}
        self._ignored: set[MessageType] = set()
        self._random = random.Random(len(given))
        for id, peer in zip(self.ids, given, strict=True):
            if peer is DOWN:
                self.down.add(id)
            else:
                self.nodes[id] = self._member(id, peer, options)

    def _member(self, id: int, peer: Any, options: dict[str, Any]) -> Raft:
        if isinstance(peer, Raft):
            if peer.id != id:
                raise ValueError(f"node {peer.id} in the place of {id}")
            return peer
        past = Past() if peer is None else peer
        return make_raft(
            id,
            self.voters,
            self.learners,
            terms=past.terms,
            vote=past.vote,
            term=past.term,
            **{**options, **past.options},
        )

    def __getitem__(self, id: int) -> Raft:
        return self.nodes[id]

    def storage(self, id: int) -> MemoryStorage:
        """The node's storage."""
        return self.nodes[id].log.storage

    def states(self) -> list[int]:
        """The roles of all running nodes, by ascending id."""
        return [self.nodes[id].state for id in sorted(self.nodes)]

    def terms(self) -> list[int]:
        """The terms of all running nodes, by ascending id."""
        return [self.nodes[id].term for id in sorted(self.nodes)]

    # -- traffic -------------------------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Deliver these messages past all faults, and then all messages that follow from them."""
        queue = deque(messages)
        while queue:
            m = queue.popleft()
            if m.to in self.down:
                continue
            raft = self.nodes[m.to]
            try:
                vet(raft, m)
                raft.step(m)
            except ProposalDropped:
                self.refused.append(m)
            queue.extend(self.passed(read_messages(raft)))

    def flush(self, id: int) -> None:
        """Deliver the messages that the node has to send by now, as after a tick or a call to it."""
        self.send(*self.passed(read_messages(self.nodes[id])))

    def tick(self, id: int, count: int = 1) -> None:
        """Tick one node, and deliver its messages after each tick."""
        for _ in range(count):
            self.nodes[id].tick()
            self.flush(id)

    def campaign(self, id: int) -> None:
        """Make a node campaign."""
        self.send(hup(id))

    def beat(self, id: int) -> None:
        """Make a leader send heartbeats."""
        self.send(beat(id))

    def propose(self, id: int, *data: bytes) -> None:
        """Propose at a node (see `prop`). A refused proposal is added to `refused`."""
        self.send(prop(id, *data))

    # -- faults --------------------------------------------------------------------------------------------------

    def passed(self, messages: Iterable[Message]) -> list[Message]:
        """The messages that get past the present faults."""
        return [m for m in messages if self._passes(m)]

    def _passes(self, m: Message) -> bool:
        if m.type == MessageType.MSG_HUP:
            raise AssertionError(f"{m.from_} sent a MsgHup, which must stay within a node")
        if m.type in self._ignored:
            return False
        loss = self._loss.get((m.from_, m.to), 0.0)
        if loss > 0.0 and self._random.random() < loss:
            return False
        return self.hook is None or self.hook(m)

    def drop(self, sender: int, receiver: int, loss: float = 1.0) -> None:
        """Lose this share of the messages from one node to another."""
        self._loss[sender, receiver] = loss

    def cut(self, one: int, other: int) -> None:
        """Lose all messages between two nodes."""
        self.drop(one, other)
        self.drop(other, one)

    def isolate(self, id: int) -> None:
        """Cut a node off from all others."""
        for other in self.ids:
            if other != id:
                self.cut(id, other)

    def ignore(self, kind: MessageType) -> None:
        """Lose all messages of this type."""
        self._ignored.add(kind)

    def heal(self) -> None:
        """Lift all faults; the hook stays."""
        self._loss.clear()
        self._ignored.clear()
